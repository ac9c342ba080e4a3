/*
 * Fuzz target: syslog framing. The first byte is the step in which the rest is fed; the messages must be the
 * same as when all is fed at once, within the bound of memory, and no byte may be made up.
 */
#include "ingest/syslog_frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
    uint64_t messages, bytes, hash;
};

static void add(struct sum *sum, const struct split_record *record)
{
    tc_assert(record->raw.n > 0 && record->raw.n <= TC_EVENT_RAW_MAX);
    tc_assert(record->cut ? record->full_bytes > TC_EVENT_RAW_MAX : record->full_bytes == record->raw.n);
    sum->messages++;
    sum->bytes += record->full_bytes;
    sum->hash = hash_64_seed(record->raw, sum->hash);
}

static struct sum run(struct sv bytes, size_t step)
{
    struct syslog_frame frame;
    struct split_record record;
    struct sum sum = {0};
    bool broken;
    size_t total = bytes.n;
    syslog_frame_init(&frame);
    while (bytes.n > 0) {
        struct sv part = sv_head(bytes, step), rest = part;
        while (syslog_frame_next(&frame, &rest, &record) == 1)
            add(&sum, &record);
        tc_assert(rest.n == 0 && frame.held.n <= TC_EVENT_RAW_MAX);
        bytes = sv_from(bytes, part.n);
    }
    if (syslog_frame_end(&frame, &record, &broken) == 1)
        add(&sum, &record);
    tc_assert(sum.bytes <= total && sum.messages == frame.messages);
    syslog_frame_free(&frame);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct sv bytes = {(const char *)data + 1, size - 1};
    struct sum whole = run(bytes, bytes.n), parts = run(bytes, (size_t)data[0] + 1);
    tc_assert(whole.messages == parts.messages && whole.bytes == parts.bytes && whole.hash == parts.hash);
    return 0;
}
