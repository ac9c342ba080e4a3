/*
 * Tocsin's own findings; see watchdog.h.
 */
#include "app/watchdog.h"

static const struct sv silent_actions[] = {
    {"Is the sender up, and can it reach Tocsin? Look at its log and its queue", 72},
    {"Is it known that it stopped (a deployment, a holiday)? Then acknowledge with a note", 83},
};
static const struct sv rules_actions[] = {
    {"Look at tocsin_detect_regex_limit_hits_total, and at rules whose patterns repeat repeats", 88},
};

static const struct rule_info silent_rule = {
    .id = {"tocsin-self-source-silent", 25},
    .name = {"source_silent", 13},
    .title = {"SOURCE_SILENT", 13},
    .level = {"high", 4},
    .severity = SEVERITY_P2,
    .description =
        {"A watched source has sent nothing for two of its intervals: what happens there is not seen.", 91},
    .actions = silent_actions,
    .action_count = TC_ARRAY_LEN(silent_actions),
};
static const struct rule_info errors_rule = {
    .id = {"tocsin-self-rule-error", 22},
    .name = {"rule_error", 10},
    .title = {"RULE_ERROR", 10},
    .level = {"medium", 6},
    .severity = SEVERITY_P3,
    .description = {"A rule's pattern reached its match limit: events were not judged by it.", 71},
    .actions = rules_actions,
    .action_count = TC_ARRAY_LEN(rules_actions),
};

void watchdog_init(struct watchdog *w)
{
    *w = (struct watchdog){0};
    sources_init(&w->sources);
}

void watchdog_free(struct watchdog *w)
{
    sources_free(&w->sources);
}

bool watchdog_heard(struct watchdog *w, const struct event *event)
{
    return !sv_is(event->source, "self") &&
           sources_heard(&w->sources, event->source, event->received) != NULL;
}

static bool is_about(const struct alert *alert, struct sv source)
{
    if (!sv_eq(alert->rule_id, silent_rule.id) ||
        (alert->state != ALERT_FIRING && alert->state != ALERT_ACKNOWLEDGED))
        return false;
    for (size_t i = 0; i < alert->label_count; i++)
        if (sv_is(alert->labels[i].name, "tocsin_source") && sv_eq(alert->labels[i].value, source))
            return true;
    return false;
}

void watchdog_resume(struct book *book, const struct event *event, struct decision_list *out)
{
    enum { AT_ONCE = 8 };
    char ids[AT_ONCE][33];
    size_t count = 0; /* the book may change with each command, so they are found first */
    for (size_t i = 0; i < book_count(book) && count < AT_ONCE; i++) {
        const struct alert *alert = book_at(book, i);
        if (is_about(alert, event->source))
            memcpy(ids[count++], alert->id, sizeof alert->id);
    }
    for (size_t i = 0; i < count; i++) {
        struct alert_command command = {.verb = SV("resolve"),
                                        .alert_id = sv_of(ids[i]),
                                        .by = SV("tocsin"),
                                        .note = SV("the source is heard again")};
        book_command(book, event->position, event->received, &command, out);
    }
}

struct ticking {
    struct finding_list *out;
    uint64_t position;
    struct receive_time now;
    uint32_t ordinal;
};

static struct finding *add_finding(struct ticking *t, const struct rule_info *rule, size_t groups,
                                   size_t fields)
{
    struct finding *f = finding_add(t->out);
    *f = (struct finding){.kind = FINDING_CORRELATION,
                          .rule = rule,
                          .position = t->position,
                          .ordinal = t->ordinal++,
                          .time = {t->now.ns},
                          .received = t->now,
                          .episode_start = {t->now.ns},
                          .weight = 1,
                          .count = 1,
                          .group = ARENA_ARRAY(t->out->arena, struct finding_field, groups + 1),
                          .group_count = groups,
                          .fields = ARENA_ARRAY(t->out->arena, struct finding_field, fields + 1),
                          .field_count = fields};
    return f;
}

static void say_silent(void *context, const struct source_state *source, int64_t interval_ns)
{
    struct ticking *t = context;
    char interval[TC_RFC3339_MAX], last[TC_RFC3339_MAX];
    clk_format_duration(interval_ns, interval);
    clk_rfc3339(source->last_ns, last);
    struct finding_field *group = ARENA_ARRAY(t->out->arena, struct finding_field, 1);
    struct finding_field *fields = ARENA_ARRAY(t->out->arena, struct finding_field, 2);
    group[0] =
        (struct finding_field){SV("tocsin.source"), arena_sv(t->out->arena, source->name), FIELD_STRING};
    fields[0] =
        (struct finding_field){SV("interval"), arena_sv(t->out->arena, sv_of(interval)), FIELD_STRING};
    fields[1] = (struct finding_field){SV("last_heard"), arena_sv(t->out->arena, sv_of(last)), FIELD_STRING};
    struct finding *f = add_finding(t, &silent_rule, 1, 2);
    f->group = group;
    f->fields = fields;
}

void watchdog_tick(struct watchdog *w, const struct detector *detector, uint64_t position,
                   struct receive_time now, struct finding_list *out)
{
    struct ticking t = {.out = out, .position = position, .now = now};
    struct detector_stats stats;
    sources_tick(&w->sources, now, say_silent, &t);
    detector_stats(detector, &stats);
    if (stats.regex_limit_hits != w->regex_hits_told)
        add_finding(&t, &errors_rule, 0, 0);
    w->regex_hits_told = stats.regex_limit_hits;
}

/* The detector's counter begins at 0 in each process: what is kept is what was not told yet. */
void watchdog_save(const struct watchdog *w, const struct detector *detector, struct buf *out)
{
    struct detector_stats stats;
    detector_stats(detector, &stats);
    buf_u64(out, stats.regex_limit_hits - w->regex_hits_told);
    sources_save(&w->sources, out);
}

bool watchdog_load(struct watchdog *w, const struct detector *detector, struct sv saved)
{
    struct detector_stats stats;
    struct reader r = reader_of(saved);
    uint64_t untold = reader_u64(&r);
    detector_stats(detector, &stats);
    w->regex_hits_told = stats.regex_limit_hits - untold;
    return !r.bad && sources_load(&w->sources, r.rest);
}

bool watchdog_waits(const struct watchdog *w, const struct detector *detector)
{
    struct detector_stats stats;
    detector_stats(detector, &stats);
    return w->sources.watched_count > 0 || stats.regex_limit_hits != w->regex_hits_told;
}
