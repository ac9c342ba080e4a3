/*
 * Framing of syslog streams; see syslog_frame.h.
 *
 *   undecided --"123 <"--> counted --the last byte--> delivered, undecided
 *       \------anything else--> line --newline------> delivered, undecided
 *
 * While undecided, at most eight digits and a space are held; they are the message's own first bytes where it
 * turns out to be a line.
 */
#include "ingest/syslog_frame.h"

enum verdict { VERDICT_LINE, VERDICT_COUNTED, VERDICT_MORE };

void syslog_frame_init(struct syslog_frame *frame)
{
    *frame = (struct syslog_frame){0};
    buf_init(&frame->held, TC_EVENT_RAW_MAX);
}

void syslog_frame_free(struct syslog_frame *frame)
{
    buf_free(&frame->held);
    *frame = (struct syslog_frame){0};
}

bool syslog_frame_unfinished(const struct syslog_frame *frame)
{
    return !frame->delivered && frame->full_bytes + frame->held.n > 0;
}

void syslog_frame_release(struct syslog_frame *frame)
{
    if (syslog_frame_unfinished(frame) || frame->held.capacity <= TC_EVENT_CUT_BYTES)
        return;
    buf_free(&frame->held);
    buf_init(&frame->held, TC_EVENT_RAW_MAX);
}

static void begin(struct syslog_frame *frame)
{
    buf_clear(&frame->held);
    frame->framing = SYSLOG_UNDECIDED;
    frame->want = 0;
    frame->full_bytes = 0;
    frame->cut = false;
    frame->delivered = false;
}

/* --- which framing ---------------------------------------------------------------------------------------
 */

/* `head` is all that has come of the message. */
static enum verdict judge(struct sv head, uint64_t *ret_count)
{
    size_t at = 0;
    uint64_t count = 0;
    for (; at < head.n && head.p[at] >= '0' && head.p[at] <= '9'; at++) {
        if (at == TC_SYSLOG_COUNT_DIGITS || head.p[0] == '0')
            return VERDICT_LINE;
        count = count * 10 + (uint64_t)(head.p[at] - '0');
    }
    if (at == head.n)
        return VERDICT_MORE;
    if (at == 0 || head.p[at] != ' ')
        return VERDICT_LINE;
    if (at + 1 == head.n)
        return VERDICT_MORE;
    *ret_count = count;
    return head.p[at + 1] == '<' ? VERDICT_COUNTED : VERDICT_LINE;
}

/* Moves bytes into `held` one by one until they tell the framing. */
static void decide(struct syslog_frame *frame, struct sv *bytes)
{
    enum verdict verdict = VERDICT_MORE;
    uint64_t count = 0;
    size_t taken = 0;
    while (verdict == VERDICT_MORE && taken < bytes->n) {
        buf_char(&frame->held, bytes->p[taken++]);
        verdict = judge(buf_view(&frame->held), &count);
    }
    if (verdict == VERDICT_MORE) {
        *bytes = sv_from(*bytes, taken);
        return;
    }
    /* The last byte told, and is read again: as the first of the message, or as one of the line. */
    *bytes = sv_from(*bytes, taken - 1);
    frame->held.n--;
    frame->framing = verdict == VERDICT_COUNTED ? SYSLOG_COUNTED : SYSLOG_LINE;
    frame->want = count;
    if (verdict == VERDICT_COUNTED)
        buf_clear(&frame->held);
    frame->full_bytes = frame->held.n;
}

/* --- one message -----------------------------------------------------------------------------------------
 */

static void keep(struct syslog_frame *frame, struct sv part)
{
    frame->full_bytes += part.n;
    if (!frame->cut && frame->full_bytes > TC_EVENT_RAW_MAX) {
        frame->cut = true;
        sha256_init(&frame->sha256);
        sha256_update(&frame->sha256, frame->held.n, (const uint8_t *)frame->held.p);
        if (frame->held.n < TC_EVENT_CUT_BYTES)
            buf_sv(&frame->held, sv_head(part, TC_EVENT_CUT_BYTES - frame->held.n));
        frame->held.n = TC_MIN(frame->held.n, (size_t)TC_EVENT_CUT_BYTES);
    } else if (!frame->cut) {
        buf_sv(&frame->held, part);
    }
    if (frame->cut)
        sha256_update(&frame->sha256, part.n, (const uint8_t *)part.p);
}

static struct sv without_line_end(struct sv raw)
{
    while (raw.n > 0 && (raw.p[raw.n - 1] == '\n' || raw.p[raw.n - 1] == '\r' || raw.p[raw.n - 1] == '\0'))
        raw.n--;
    return raw;
}

/* False for an empty message. `raw` is all of it where it did not need to be held. */
static bool deliver(struct syslog_frame *frame, struct sv raw, struct split_record *ret)
{
    *ret = (struct split_record){.raw = frame->cut ? raw : without_line_end(raw),
                                 .line = frame->messages + 1,
                                 .full_bytes = frame->full_bytes,
                                 .cut = frame->cut};
    if (frame->cut)
        hash_sha256_final(&frame->sha256, ret->sha256);
    else
        ret->full_bytes = ret->raw.n;
    frame->delivered = true;
    frame->messages += ret->raw.n > 0;
    return ret->raw.n > 0;
}

/* The next part of a message of known framing; *ret_whole: it ends with this part. */
static struct sv part_of(struct syslog_frame *frame, struct sv *bytes, bool *ret_whole)
{
    size_t n, skip = 0;
    if (frame->framing == SYSLOG_COUNTED) {
        n = (size_t)TC_MIN(frame->want, (uint64_t)bytes->n);
        frame->want -= n;
        *ret_whole = frame->want == 0;
    } else {
        n = sv_find_char(*bytes, '\n');
        *ret_whole = n < bytes->n;
        skip = *ret_whole;
    }
    struct sv part = sv_head(*bytes, n);
    *bytes = sv_from(*bytes, n + skip);
    return part;
}

int syslog_frame_next(struct syslog_frame *frame, struct sv *bytes, struct split_record *ret)
{
    if (frame->delivered)
        begin(frame);
    while (bytes->n > 0) {
        if (frame->framing == SYSLOG_UNDECIDED) {
            decide(frame, bytes);
            continue;
        }
        bool whole, alone = frame->full_bytes == 0;
        struct sv part = part_of(frame, bytes, &whole);
        if (whole && alone && part.n <= TC_EVENT_RAW_MAX) {
            if (deliver(frame, part, ret))
                return 1;
        } else {
            keep(frame, part);
            if (whole && deliver(frame, buf_view(&frame->held), ret))
                return 1;
        }
        if (whole)
            begin(frame);
    }
    return 0;
}

int syslog_frame_end(struct syslog_frame *frame, struct split_record *ret, bool *ret_broken)
{
    if (frame->delivered)
        begin(frame);
    *ret_broken = frame->framing == SYSLOG_COUNTED;
    if (frame->full_bytes == 0)
        frame->full_bytes = frame->held.n; /* the digits alone */
    bool any = deliver(frame, buf_view(&frame->held), ret);
    if (!any)
        begin(frame);
    return any;
}
