/*
 * Any bytes as datagrams of StatsD: lines are read, added up and flushed.
 */
#include "metrics/statsd/statsd_table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv bytes = sv_make((const char *)data, size);
    struct statsd_table *table =
        statsd_table_new(&(struct statsd_table_options){.signed_gauges = true, .idle_ms = STATSD_IDLE_MS});
    struct sample_list list = {0};
    int64_t now_ms = 0;
    while (bytes.n > 0) {
        struct statsd_line line;
        if (statsd_read(sv_cut(&bytes, '\n'), &line) == STATSD_GOOD)
            (void)statsd_table_add(table, &line, now_ms += STATSD_IDLE_MS / 2);
    }
    statsd_table_flush(table, now_ms, &list);
    statsd_table_flush(table, now_ms + 2 * STATSD_IDLE_MS, &list);
    sample_list_free(&list);
    statsd_table_free(&table);
    return 0;
}
