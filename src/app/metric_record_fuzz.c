/*
 * Fuzz target: the record of a metric rule's change of any bytes; one that is read and fires is written and
 * read again as the same.
 */
#include "app/metric_record.h"

#include "base/json_out.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct event record = {
        .raw = sv_make((const char *)data, size), .position = 1, .time = {1}, .received = {2}};
    struct alert_change change, again;
    struct buf out;
    buf_init(&out, 64 << 20);
    if (metric_record_read(&record, &arena, &change)) {
        const struct finding *f = change.finding;
        bool has_value = f->field_count > 0 && sv_is(f->fields[f->field_count - 1].name, "value");
        if (change.firing && has_value) {
            metric_record_write(true, change.identity, f, &out);
            record.raw = buf_view(&out);
            tc_assert(out.overflow || metric_record_read(&record, &arena, &again));
            tc_assert(out.overflow ||
                      (again.firing && memcmp(again.identity, change.identity, sizeof again.identity) == 0));
            tc_assert(out.overflow || again.finding->rule->severity == f->rule->severity);
        }
    }
    buf_free(&out);
    arena_free(&arena);
    return 0;
}
