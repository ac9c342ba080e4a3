/*
 * Reads a journal from its beginning to its end and shows each event to a `struct seen`.
 */
#include "cli/journal_seen.h"

#include "base/fs.h"
#include "event/record.h"
#include "journal/journal.h"

static int take_record(struct seen *seen, struct sv block, uint64_t position, struct arena *arena,
                       struct err *err)
{
    struct event head, event;
    if (record_decode_envelope(block, &head, err) == 0 && head.type != REC_EVENT)
        return 0;
    arena_reset(arena);
    char *copy = arena_alloc_raw(arena, block.n, 8); /* a frame is lent until the next one */
    memcpy(copy, block.p, block.n);
    int rc = record_decode(sv_make(copy, block.n), arena, &event, err);
    if (rc != 0)
        return err_while(err, "record %llu of the journal", (unsigned long long)position);
    if ((event.flags & EVENT_QUARANTINED) == 0)
        seen_take(seen, &event);
    return 0;
}

static int take_frame(struct seen *seen, const struct journal_frame *frame, struct arena *arena,
                      struct err *err)
{
    struct sv rest = frame->blocks;
    int rc = 0;
    for (uint64_t i = 0; rc == 0 && i < frame->count; i++) {
        size_t length = record_length(rest);
        if (length == 0)
            return err_set(err, TC_ECORRUPT, "a frame at position %llu holds fewer records than it says",
                           (unsigned long long)frame->first);
        rc = take_record(seen, sv_head(rest, length), frame->first + i, arena, err);
        rest = sv_from(rest, length);
    }
    return rc;
}

int journal_seen(const char *dir, struct seen *seen, struct err *err)
{
    struct journal_reader *reader;
    struct journal_frame frame;
    struct arena arena = {0};
    int rc = journal_reader_open(&fs_system, dir, 0, NULL, &reader, err);
    if (rc != 0)
        return rc;
    while ((rc = journal_reader_next(reader, &frame, err)) > 0)
        if ((rc = take_frame(seen, &frame, &arena, err)) < 0)
            break;
    journal_reader_close(&reader);
    arena_free(&arena);
    return rc;
}
