/*
 * Tocsin's own findings; see watchdog.h.
 */
#include "app/watchdog.h"

#include <stdlib.h>

enum { LIMITED_MAX = 1024 };

static const struct sv silent_actions[] = {
    {"Is the sender up, and can it reach Tocsin? Look at its log and its queue", 72},
    {"Is it known that it stopped (a deployment, a holiday)? Then acknowledge with a note", 83},
};
static const struct sv rules_actions[] = {
    {"Rewrite the rule's patterns: one that repeats a repeat takes longest", 68},
    {"Look at tocsin_detect_regex_limit_hits_total: does it go on?", 60},
};

static const struct sv full_actions[] = {
    {"Is it a flood of made-up names? Then look for what it is to hide", 64},
    {"Look at tocsin_detect_evicted_groups_total and `tocsin top rules`: group by fewer fields", 88},
};

static const struct rule_info silent_rule = {
    .id = {"tocsin-self-source-silent", 25},
    .name = {"source_silent", 13},
    .title = {"SOURCE_SILENT", 13},
    .level = {"high", 4},
    .severity = SEVERITY_P2,
    .notify_count = 1,
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
    .notify_count = 1,
    .description = {"A rule's pattern reached its match limit: events were not judged by it.", 71},
    .actions = rules_actions,
    .action_count = TC_ARRAY_LEN(rules_actions),
};

static const struct sv overdue_actions[] = {
    {"The late steps are told now: see which alerts escalated, and acknowledge them", 77},
    {"Was Tocsin down, or its clock or disk stuck? Its log says since when", 68},
};
static const struct rule_info overdue_rule = {
    .id = {"tocsin-self-escalation-overdue", 30},
    .name = {"escalation_overdue", 18},
    .title = {"ESCALATION_OVERDUE", 18},
    .level = {"critical", 8},
    .severity = SEVERITY_P1,
    .notify_count = 1,
    .description = {"Steps of an escalation came more than a minute after their time.", 64},
    .actions = overdue_actions,
    .action_count = TC_ARRAY_LEN(overdue_actions),
};

static const struct rule_info full_rule = {
    .id = {"tocsin-self-rule-state-full", 27},
    .name = {"rule_state_full", 15},
    .title = {"RULE_STATE_FULL", 15},
    .level = {"medium", 6},
    .severity = SEVERITY_P3,
    .notify_count = 1,
    .description = {"A rule keeps as many groups, times or values as it may: those least likely to matter "
                    "were forgotten.",
                    100},
    .actions = full_actions,
    .action_count = TC_ARRAY_LEN(full_actions),
};

void watchdog_init(struct watchdog *w)
{
    *w = (struct watchdog){0};
    map_init(&w->limited, LIMITED_MAX);
    sources_init(&w->sources);
}

void watchdog_free(struct watchdog *w)
{
    sources_free(&w->sources);
    map_free(&w->limited);
}

bool watchdog_heard(struct watchdog *w, const struct event *event)
{
    return !sv_is(event->source, "self") &&
           sources_heard(&w->sources, event->source, event->received) != NULL;
}

static bool is_about(const struct alert *alert, struct sv source)
{
    if (!sv_eq(alert->rule_id, silent_rule.id) || alert->ended_ns != TC_NO_TIME)
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

/* Both kinds of trouble are remembered in one set; what is about state begins with this byte. */
#define STATE_MARK '\x01'

static void add_rule(struct watchdog *w, const char *mark, const struct rule_info *rule)
{
    struct buf text;
    buf_init(&text, 4096);
    buf_str(&text, mark);
    buf_printf(&text, "%.*s (%.*s)", SV_FMT(sv_head(rule->title, 1024)), SV_FMT(sv_head(rule->id, 1024)));
    map_put(&w->limited, buf_view(&text), NULL); /* past the bound the others are told of */
    buf_free(&text);
}

static void add_limited(void *context, const struct rule_info *rule)
{
    add_rule(context, "", rule);
}

static void add_full(void *context, const struct rule_info *rule, uint64_t count)
{
    const char mark[] = {STATE_MARK, '\0'};
    (void)count; /* the metric has it; an alert that counted would differ after a restart */
    add_rule(context, mark, rule);
}

void watchdog_gather(struct watchdog *w, struct detector *detector)
{
    detector_take_limited(detector, add_limited, w);
    detector_take_losses(detector, add_full, w);
}

static int compare_texts(const void *a, const void *b)
{
    return sv_cmp(*(const struct sv *)a, *(const struct sv *)b);
}

/* In the order of their texts, whatever way they came: from a checkpoint, or from events judged anew. */
static void say_limited(struct watchdog *w, struct ticking *t)
{
    struct sv *texts = ARENA_ARRAY(t->out->arena, struct sv, w->limited.live + 1);
    size_t count = 0;
    struct map_entry *e;
    for (size_t i = 0; map_next(&w->limited, &i, &e);)
        texts[count++] = arena_sv(t->out->arena, e->key);
    qsort(texts, count, sizeof texts[0], compare_texts);
    for (size_t i = 0; i < count; i++) {
        struct finding_field *group = ARENA_ARRAY(t->out->arena, struct finding_field, 1);
        bool full = texts[i].n > 0 && texts[i].p[0] == STATE_MARK;
        group[0] = (struct finding_field){SV("tocsin.rule"), sv_from(texts[i], full), FIELD_STRING};
        add_finding(t, full ? &full_rule : &errors_rule, 1, 0)->group = group;
    }
    map_clear(&w->limited);
}

/* An escalation that came late is an alert of its own, whatever the reason: nobody may learn of it by chance.
 */
static void say_overdue(const struct book *book, struct ticking *t)
{
    int64_t late_ns;
    size_t count = book_overdue(book, t->now.ns, &late_ns);
    char late[TC_RFC3339_MAX];
    if (count == 0)
        return;
    clk_format_duration(late_ns / TC_SECOND_NS * TC_SECOND_NS, late);
    struct finding_field *fields = ARENA_ARRAY(t->out->arena, struct finding_field, 2);
    fields[0] = (struct finding_field){SV("steps"), arena_printf(t->out->arena, "%zu", count), FIELD_STRING};
    fields[1] = (struct finding_field){SV("late"), arena_sv(t->out->arena, sv_of(late)), FIELD_STRING};
    add_finding(t, &overdue_rule, 0, 2)->fields = fields;
}

void watchdog_tick(struct watchdog *w, struct detector *detector, const struct book *book, uint64_t position,
                   struct receive_time now, struct finding_list *out)
{
    struct ticking t = {.out = out, .position = position, .now = now};
    sources_tick(&w->sources, now, say_silent, &t);
    watchdog_gather(w, detector);
    say_limited(w, &t);
    say_overdue(book, &t);
}

void watchdog_save(const struct watchdog *w, struct buf *out)
{
    struct map_entry *e;
    buf_u64(out, w->limited.live);
    for (size_t i = 0; map_next(&w->limited, &i, &e);)
        buf_string(out, e->key);
    sources_save(&w->sources, out);
}

bool watchdog_load(struct watchdog *w, struct sv saved)
{
    struct reader r = reader_of(saved);
    uint64_t count = reader_u64(&r);
    map_clear(&w->limited);
    for (uint64_t i = 0; i < count && !r.bad; i++)
        map_put(&w->limited, reader_string(&r), NULL);
    return !r.bad && sources_load(&w->sources, r.rest);
}

bool watchdog_waits(const struct watchdog *w, const struct detector *detector)
{
    return w->sources.watched_count > 0 || w->limited.live > 0 || detector_has_limited(detector) ||
           detector_has_losses(detector);
}
