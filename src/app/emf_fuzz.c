/*
 * Any JSON as an event with CloudWatch's embedded metric format: what is read of it are lines that StatsD's
 * table takes or refuses.
 */
#include "app/emf.h"
#include "event/json.h"
#include "metrics/statsd/statsd_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void take(void *context, const struct statsd_line *line)
{
    (void)statsd_table_add(context, line, 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct event event = {.raw = sv_make((const char *)data, size)};
    struct err err = {0};
    struct statsd_table *table =
        statsd_table_new(&(struct statsd_table_options){.signed_gauges = false, .idle_ms = STATSD_IDLE_MS});
    if (json_parse_event(event.raw, &arena, &event, &err) == 0) {
        event_index(&event, &arena);
        (void)emf_read(&event, &arena, take, table);
    }
    statsd_table_free(&table);
    arena_free(&arena);
    return 0;
}
