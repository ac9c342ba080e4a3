/*
 * The daily digest of P4 alerts (ledger D-04), with the list of what is open for the weekly review (D-20).
 *
 * The digest's moments follow from the configured time of day; one has come when a tick passes it, so a
 * replay passes it at the same record, and a restart neither repeats nor loses one: what a crash cut short is
 * decided again from the same tick, what was said is swallowed like any decision. An alert stands in the
 * digest of the moment after it was made, in that one only. A core that was down over several moments tells
 * them as one. Where the hour is changed, the next digest begins where the last one ended.
 */
#include "app/core_priv.h"

#include "base/arena.h"
#include "base/json_out.h"

#include <stdio.h>
#include <stdlib.h>

#define DAY_NS (INT64_C(86400) * TC_SECOND_NS)
enum { DIGEST_TYPES_MAX = 64, DIGEST_LINES_MAX = 100, DIGEST_TEXT_BYTES = 12 << 10, LINE_BYTES = 300 };

/* The newest moment at or before `at_ns`. */
static int64_t moment_before(const struct core *core, int64_t at_ns)
{
    int64_t local_ns = at_ns + core->options.zone_offset_s * TC_SECOND_NS;
    int64_t into_day_ns = ((local_ns % DAY_NS) + DAY_NS) % DAY_NS;
    int64_t due_ns = core->telling.digest_at_s * TC_SECOND_NS;
    return at_ns - into_day_ns + due_ns - (into_day_ns < due_ns ? DAY_NS : 0);
}

struct type {
    struct sv title;
    enum severity severity;
    uint64_t alerts, occurrences;
};

struct summary {
    struct type types[DIGEST_TYPES_MAX]; /* the last one gathers what has no place */
    size_t count;
    uint64_t by_severity[SEVERITY_P4 + 1];
    struct buf lines;
    size_t open, overdue; /* of the review */
    struct buf review;
};

static void add_alert(struct summary *s, const struct alert *alert)
{
    size_t i = 0;
    s->by_severity[alert->severity]++;
    if (alert->severity != SEVERITY_P4)
        return;
    while (i < s->count && !sv_eq(s->types[i].title, alert->title))
        i++;
    if (i == s->count && s->count == DIGEST_TYPES_MAX)
        i--;
    else if (i == s->count)
        s->types[s->count++] = (struct type){.title = i == DIGEST_TYPES_MAX - 1 ? SV("others") : alert->title,
                                             .severity = alert->severity};
    s->types[i].alerts++;
    s->types[i].occurrences += alert->count;
    if (s->by_severity[SEVERITY_P4] > DIGEST_LINES_MAX || s->lines.n > DIGEST_TEXT_BYTES)
        return;
    char time[TC_RFC3339_MAX];
    clk_rfc3339(alert->first_ns, time);
    buf_printf(&s->lines, "%s %.*s (%llu) %s\n", time, (int)TC_MIN(alert->message.n, (size_t)LINE_BYTES),
               alert->message.p, (unsigned long long)alert->count, alert->id);
}

static int64_t made_ns(const struct alert *alert)
{
    return alert->history_count > 0 ? alert->history[0].time_ns : TC_NO_TIME;
}

static void describe(const struct summary *s, struct buf *out)
{
    for (size_t i = 0; i < s->count; i++)
        buf_printf(out, "%llu %.*s, %llu occurrences\n", (unsigned long long)s->types[i].alerts,
                   SV_FMT(s->types[i].title), (unsigned long long)s->types[i].occurrences);
    buf_printf(
        out, "Beside these: %llu P1, %llu P2, %llu P3\n", (unsigned long long)s->by_severity[SEVERITY_P1],
        (unsigned long long)s->by_severity[SEVERITY_P2], (unsigned long long)s->by_severity[SEVERITY_P3]);
    size_t shown = 0;
    for (size_t i = 0; i < s->lines.n; i++)
        shown += s->lines.p[i] == '\n';
    buf_sv(out, buf_view(&s->lines));
    if (shown < s->by_severity[SEVERITY_P4])
        buf_printf(out, "(cut: %llu more)\n", (unsigned long long)(s->by_severity[SEVERITY_P4] - shown));
}

/* --- the review: what is open, the most severe first, then the oldest */

static int by_severity_and_age(const void *a, const void *b)
{
    const struct alert *x = *(const struct alert *const *)a, *y = *(const struct alert *const *)b;
    if (x->severity != y->severity)
        return x->severity < y->severity ? -1 : 1;
    if (made_ns(x) != made_ns(y))
        return made_ns(x) < made_ns(y) ? -1 : 1;
    return strcmp(x->id, y->id);
}

static bool is_overdue(const struct alert *alert)
{
    return alert->life != NULL && alert->life->overdue_ns != TC_NO_TIME;
}

static void review_line(const struct alert *alert, int64_t now_ns, struct buf *out)
{
    char age[TC_RFC3339_MAX];
    int64_t age_ns = TC_MAX(now_ns - made_ns(alert), (int64_t)0);
    clk_format_duration(age_ns - age_ns % (60 * TC_SECOND_NS), age);
    struct sv whose =
        alert->life != NULL && alert->life->assigned.n > 0 ? alert->life->assigned : alert->owner;
    buf_printf(out, "%s %s%s, open for %s, %.*s: %.*s %s\n", severity_name(alert->severity),
               alert_state_name(alert->state), is_overdue(alert) ? ", overdue" : "", age,
               SV_FMT(whose.n > 0 ? whose : SV("nobody's")),
               (int)TC_MIN(alert->message.n, (size_t)LINE_BYTES), alert->message.p, alert->id);
}

static void add_review(const struct core *core, int64_t now_ns, struct summary *s)
{
    const struct alert **open = tc_alloc((book_count(core->book) + 1) * sizeof(const struct alert *));
    for (size_t i = 0; i < book_count(core->book); i++) {
        const struct alert *alert = book_at(core->book, i);
        if (alert->ended_ns == TC_NO_TIME)
            open[s->open++] = alert;
    }
    qsort(open, s->open, sizeof open[0], by_severity_and_age);
    size_t shown = 0;
    for (size_t i = 0; i < s->open; i++) {
        s->overdue += is_overdue(open[i]);
        if (shown < DIGEST_LINES_MAX && s->review.n < DIGEST_TEXT_BYTES) {
            review_line(open[i], now_ns, &s->review);
            shown++;
        }
    }
    if (shown < s->open)
        buf_printf(&s->review, "(cut: %zu more)\n", s->open - shown);
    free((void *)open);
}

static void write_digest(struct core *core, uint64_t position, const struct summary *s, int64_t from_ns,
                         int64_t to_ns, struct buf *out)
{
    char id[64], from[TC_RFC3339_MAX], to[TC_RFC3339_MAX];
    struct json_out json = json_out_to(out);
    struct buf message, description;
    uint64_t count = s->by_severity[SEVERITY_P4];
    buf_init(&message, 16 << 10);
    buf_init(&description, 64 << 10);
    clk_rfc3339(from_ns, from);
    clk_rfc3339(to_ns, to);
    snprintf(id, sizeof id, "digest-%s", to);
    buf_printf(&message, "Daily digest: %llu P4 alert%s from %s to %s", (unsigned long long)count,
               count == 1 ? "" : "s", from, to);
    if (s->open > 0)
        buf_printf(&message, "; for review: %zu open, %zu of them overdue", s->open, s->overdue);
    describe(s, &description);
    if (s->open > 0)
        buf_printf(&description, "For review, all that is open:\n%.*s", SV_FMT(buf_view(&s->review)));
    intent_begin(&json, position, NOTIFY_DIGEST, sv_of(id), count);
    intent_channels(&json, core->telling.digest_channels, core->telling.digest_channel_count);
    intent_subject(&json, &(struct intent_subject){.id = sv_of(id),
                                                   .title = "DAILY_DIGEST",
                                                   .severity = SEVERITY_P4,
                                                   .message = buf_view(&message),
                                                   .description = buf_view(&description),
                                                   .from_ns = from_ns,
                                                   .to_ns = to_ns});
    buf_free(&message);
    buf_free(&description);
}

/* Was the review's day one of those whose moments have passed? Of a core that was down over it, too. */
static bool passes_review(const struct core *core, int64_t from_ns, int64_t to_ns)
{
    for (int i = 0; i < 7 && to_ns > from_ns; i++, to_ns -= DAY_NS) {
        int day = clk_weekday(to_ns + core->options.zone_offset_s * TC_SECOND_NS);
        if ((core->telling.review_days >> day & 1u) != 0)
            return true;
    }
    return false;
}

/* Up to where digests have told. */
static int64_t told_until(const struct core *core)
{
    return core->digest_ns != 0 ? core->digest_ns : moment_before(core, core->folded_tick_ns);
}

bool digest_waits(const struct core *core, int64_t now_ns)
{
    return core->telling.digest_channel_count > 0 && core->folded_tick_ns != 0 &&
           told_until(core) < moment_before(core, now_ns);
}

bool digest_of(struct core *core, const struct event *tick, struct buf *out)
{
    int64_t before_ns = core->folded_tick_ns, now_ns = tick->received.ns;
    if (now_ns <= before_ns) /* the clock was set back: the same moment does not come twice */
        return false;
    int64_t to_ns = moment_before(core, now_ns), from_ns = before_ns == 0 ? to_ns : told_until(core);
    core->folded_tick_ns = now_ns;
    core->digest_ns = TC_MAX(from_ns, to_ns); /* where the hour was moved back, its next moment is to come */
    if (to_ns <= from_ns || core->telling.digest_channel_count == 0)
        return false;
    struct summary *summary = tc_alloc(sizeof *summary);
    buf_init(&summary->lines, 2 * DIGEST_TEXT_BYTES);
    buf_init(&summary->review, 2 * DIGEST_TEXT_BYTES);
    if (passes_review(core, from_ns, to_ns))
        add_review(core, now_ns, summary);
    for (size_t i = 0; i < book_count(core->book); i++) {
        const struct alert *alert = book_at(core->book, i);
        if (made_ns(alert) > from_ns && made_ns(alert) <= to_ns)
            add_alert(summary, alert);
    }
    bool any = summary->by_severity[SEVERITY_P4] > 0 || summary->open > 0;
    if (any)
        write_digest(core, tick->position, summary, from_ns, to_ns, out);
    buf_free(&summary->lines);
    buf_free(&summary->review);
    free(summary);
    return any;
}
