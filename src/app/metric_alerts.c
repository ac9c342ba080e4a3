/*
 * What the journal was told of alerts on metrics; see metric_alerts.h.
 */
#include "app/metric_alerts.h"

#include "app/metric_record.h"
#include "base/log.h"
#include "base/map.h"
#include "event/record.h"

#include <stdlib.h>

enum { RECORD_BYTES_MAX = 16 << 20, BATCH_BYTES = 4 << 20, SURE_AFTER_EVALUATIONS = 2 };

struct told { /* the journal has it as firing */
    char *rule_id;
    enum severity severity;
    bool in_doubt; /* it is to be found out whether it still fires */
    bool shared;   /* another rule has fired with the same labels */
};

struct change { /* a record on its way */
    uint8_t identity[TC_SHA256_BYTES];
    bool firing;
    enum severity severity;
    const char *rule_id; /* in the arena */
};

struct metric_alerts {
    struct metric_alerts_options options;
    struct map told; /* identity -> struct told * */
    size_t doubts;
    const struct label *external;
    size_t external_count;
    struct arena arena; /* of the changes */
    struct change *changes;
    size_t change_count, change_capacity;
    struct buf blocks, json;
    bool past_bound_told;
    struct metric_alerts_stats stats;
};

struct metric_alerts *metric_alerts_new(const struct metric_alerts_options *options)
{
    struct metric_alerts *a = tc_alloc(sizeof *a);
    a->options = *options;
    map_init(&a->told, METRIC_ALERTS_MAX);
    buf_init(&a->blocks, BATCH_BYTES + 2 * RECORD_BYTES_MAX);
    buf_init(&a->json, RECORD_BYTES_MAX);
    return a;
}

static struct told *told_at(uint64_t value)
{
    return (struct told *)(uintptr_t)value;
}

static void told_free(struct told *told)
{
    free(told->rule_id);
    free(told);
}

void metric_alerts_free(struct metric_alerts **alerts)
{
    struct metric_alerts *a = *alerts;
    struct map_entry *entry;
    if (a == NULL)
        return;
    for (size_t at = 0; map_next(&a->told, &at, &entry);)
        told_free(told_at(entry->value));
    map_free(&a->told);
    arena_free(&a->arena);
    buf_free(&a->blocks);
    buf_free(&a->json);
    free(a->changes);
    free(a);
    *alerts = NULL;
}

void metric_alerts_label(struct metric_alerts *a, const struct label *external, size_t count)
{
    a->external = external;
    a->external_count = count;
}

/* --- what is known --- */

static struct sv key_of(const uint8_t identity[TC_SHA256_BYTES])
{
    return sv_make((const char *)identity, TC_SHA256_BYTES);
}

static struct told *told_find(const struct metric_alerts *a, const uint8_t identity[TC_SHA256_BYTES])
{
    const uint64_t *slot = map_get(&a->told, key_of(identity));
    return slot == NULL ? NULL : told_at(*slot);
}

static void set_doubt(struct metric_alerts *a, struct told *told, bool in_doubt)
{
    a->doubts += in_doubt;
    a->doubts -= told->in_doubt;
    told->in_doubt = in_doubt;
}

static void set_rule(struct told *told, struct sv rule_id)
{
    free(told->rule_id);
    told->rule_id = tc_alloc(rule_id.n + 1);
    memcpy(told->rule_id, rule_id.p, rule_id.n);
    told->rule_id[rule_id.n] = '\0';
}

static struct told *told_put(struct metric_alerts *a, const uint8_t identity[TC_SHA256_BYTES],
                             struct sv rule_id, enum severity severity)
{
    uint64_t *slot = map_put(&a->told, key_of(identity), NULL);
    if (slot == NULL)
        return NULL;
    if (*slot == 0) {
        struct told *fresh = tc_alloc(sizeof *fresh);
        *slot = (uint64_t)(uintptr_t)fresh;
    }
    struct told *told = told_at(*slot);
    set_rule(told, rule_id);
    told->severity = severity;
    return told;
}

static void told_drop(struct metric_alerts *a, const uint8_t identity[TC_SHA256_BYTES])
{
    struct told *told = told_find(a, identity);
    if (told == NULL)
        return;
    set_doubt(a, told, false);
    map_remove(&a->told, key_of(identity));
    told_free(told);
}

void metric_alerts_know(struct metric_alerts *a, const uint8_t identity[TC_SHA256_BYTES], struct sv rule_id,
                        enum severity severity)
{
    struct told *told = told_put(a, identity, rule_id, severity);
    if (told != NULL)
        set_doubt(a, told, true);
}

void metric_alerts_doubt(struct metric_alerts *a)
{
    struct map_entry *entry;
    for (size_t at = 0; map_next(&a->told, &at, &entry);)
        set_doubt(a, told_at(entry->value), true);
}

/* --- what an alert is --- */

static int by_name(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    return sv_cmp(x->name, y->name);
}

static bool has_label(const struct label *items, size_t count, struct sv name)
{
    for (size_t i = 0; i < count; i++)
        if (sv_eq(items[i].name, name))
            return true;
    return false;
}

/* The alert's labels with the external ones, as Prometheus sends them. */
static void whole_labels(const struct metric_alerts *a, struct arena *arena, struct rule_alert_view *alert)
{
    if (a->external_count == 0)
        return;
    struct label *all = ARENA_ARRAY(arena, struct label, alert->label_count + a->external_count);
    size_t n = alert->label_count;
    for (size_t i = 0; i < n; i++)
        all[i] = alert->labels[i];
    for (size_t i = 0; i < a->external_count; i++)
        if (!has_label(alert->labels, alert->label_count, a->external[i].name))
            all[n++] = a->external[i];
    qsort(all, n, sizeof *all, by_name);
    alert->labels = all;
    alert->label_count = n;
}

static void hash_text(struct sha256_ctx *context, struct sv text)
{
    uint8_t length[8];
    store_u64(length, text.n);
    sha256_update(context, sizeof length, length);
    if (text.n > 0)
        sha256_update(context, text.n, (const uint8_t *)text.p);
}

static void identity_of(const struct rule_alert_view *alert, uint8_t ret[TC_SHA256_BYTES])
{
    struct sha256_ctx context;
    sha256_init(&context);
    hash_text(&context, SV("metric alert 1"));
    for (size_t i = 0; i < alert->label_count; i++) {
        hash_text(&context, alert->labels[i].name);
        hash_text(&context, alert->labels[i].value);
    }
    hash_sha256_final(&context, ret);
}

/* --- records --- */

static int flush(struct metric_alerts *a, struct err *err)
{
    int rc = 0;
    if (a->change_count > 0)
        rc = a->options.append(a->options.context, buf_view(&a->blocks), (uint32_t)a->change_count, err);
    for (size_t i = 0; i < a->change_count; i++) {
        const struct change *c = &a->changes[i];
        if (rc == 0 && c->firing)
            told_put(a, c->identity, sv_of(c->rule_id), c->severity);
        else if (rc == 0)
            told_drop(a, c->identity);
        else if (told_find(a, c->identity) != NULL) /* it is looked at again */
            set_doubt(a, told_find(a, c->identity), true);
    }
    a->stats.records += rc == 0 ? a->change_count : 0;
    a->stats.failures += rc != 0;
    a->change_count = 0;
    buf_clear(&a->blocks);
    arena_reset(&a->arena);
    return rc;
}

static void add_change(struct metric_alerts *a, bool firing, const uint8_t identity[TC_SHA256_BYTES],
                       const struct finding *finding)
{
    struct err err = {0};
    struct event record = {.type = REC_METRIC,
                           .class = CLASS_AUDIT,
                           .source = SV("self"),
                           .received = clk_now(a->options.clk),
                           .time = finding->time,
                           .repeat = 1};
    if (a->change_count == a->change_capacity) {
        a->change_capacity = TC_MAX((size_t)16, a->change_capacity * 2);
        a->changes = tc_realloc(a->changes, a->change_capacity * sizeof *a->changes);
    }
    buf_clear(&a->json);
    metric_record_write(firing, identity, finding, &a->json);
    tc_assert(!a->json.overflow); /* texts are cut: 128 labels and 64 annotations of 4 KiB, escaped */
    record.raw = buf_view(&a->json);
    record_encode(&record, &a->blocks);
    struct change *c = &a->changes[a->change_count++];
    *c = (struct change){.firing = firing,
                         .severity = finding->rule->severity,
                         .rule_id = arena_str(&a->arena, finding->rule->id)};
    memcpy(c->identity, identity, sizeof c->identity);
    if (a->blocks.n > BATCH_BYTES && flush(a, &err) != 0)
        log_error("rules", "changes of alerts could not be kept, and are tried again: %s", err.text);
}

/* --- changes --- */

static enum severity severity_now(const struct rule_alert_view *alert)
{
    struct sv level = alert->level;
    for (size_t i = 0; level.n == 0 && i < alert->label_count; i++)
        if (sv_is(alert->labels[i].name, "severity"))
            level = alert->labels[i].value;
    enum severity severity = severity_of(level);
    return severity == SEVERITY_NONE ? severity_of(SV("")) : severity;
}

static bool may_begin(struct metric_alerts *a)
{
    if (a->told.live + a->change_count < METRIC_ALERTS_MAX)
        return true;
    a->stats.refused++;
    if (!a->past_bound_told)
        log_error("rules", "more than %d alerts on metrics fire: further ones are told when others end",
                  METRIC_ALERTS_MAX);
    a->past_bound_told = true;
    return false;
}

static void fires(struct metric_alerts *a, const struct rule_change *change,
                  const uint8_t identity[TC_SHA256_BYTES], enum severity severity)
{
    struct told *told = told_find(a, identity);
    struct sv rule_id = change->alert.info->id;
    if (told != NULL && told->in_doubt) {
        set_rule(told, rule_id);
        set_doubt(a, told, false);
    }
    bool is_others = told != NULL && !sv_is(rule_id, told->rule_id);
    if (is_others)
        told->shared = true;
    bool is_told = is_others || (told != NULL && told->severity == severity);
    if (is_told || (told == NULL && !may_begin(a)))
        return;
    struct arena arena = {0};
    struct finding_list findings = {.arena = &arena};
    struct rule_change again = *change;
    again.kind = RULE_CHANGE_FIRING;
    if (rule_change_finding(&again, 0, &findings))
        add_change(a, true, identity, &findings.items[0]);
    arena_free(&arena);
}

static void add_end(struct metric_alerts *a, const uint8_t identity[TC_SHA256_BYTES], struct sv rule_id,
                    int64_t time_ns)
{
    const struct rule_info rule = {.id = rule_id};
    add_change(a, false, identity, &(struct finding){.rule = &rule, .time = {time_ns}});
}

/* Another rule that gives the same labels may take it over: the survey of what is in doubt says so. */
static void ends(struct metric_alerts *a, const struct rule_change *change,
                 const uint8_t identity[TC_SHA256_BYTES])
{
    struct told *told = told_find(a, identity);
    if (told == NULL || !sv_is(change->alert.info->id, told->rule_id))
        return;
    if (told->shared)
        set_doubt(a, told, true);
    else
        add_end(a, identity, change->alert.info->id, change->time_ns);
}

void metric_alerts_change(void *alerts, const struct rule_change *change)
{
    struct metric_alerts *a = alerts;
    struct arena arena = {0};
    struct rule_change whole = *change;
    uint8_t identity[TC_SHA256_BYTES];
    if (change->kind == RULE_CHANGE_PENDING)
        return; /* what was told stays so until it is known how this goes on */
    whole_labels(a, &arena, &whole.alert);
    identity_of(&whole.alert, identity);
    if (change->kind == RULE_CHANGE_FIRING || change->kind == RULE_CHANGE_GOES_ON) {
        fires(a, &whole, identity, severity_now(&whole.alert));
    } else {
        ends(a, change, identity);
    }
    arena_free(&arena);
}

/* --- what is in doubt --- */

struct survey { /* of all rules: which alerts are active, which rules can be believed */
    struct metric_alerts *alerts;
    struct arena arena;
    struct map active; /* identity -> rule's info */
    struct map rules;  /* id -> 1: not sure yet, 2: sure */
    const struct rule_info *rule;
    bool all_sure;
};

static void survey_alert(void *context, const struct rule_alert_view *view)
{
    struct survey *s = context;
    struct rule_alert_view alert = *view;
    uint8_t identity[TC_SHA256_BYTES];
    whole_labels(s->alerts, &s->arena, &alert);
    identity_of(&alert, identity);
    uint64_t *slot = map_put(&s->active, key_of(identity), NULL);
    if (slot != NULL)
        *slot = (uint64_t)(uintptr_t)s->rule;
}

static void survey_take(struct survey *s, const struct rule_engine *engine)
{
    s->all_sure = true;
    for (size_t g = 0; g < rule_engine_group_count(engine); g++) {
        const struct rule_group *group = rule_engine_group(engine, g);
        for (size_t i = 0; i < group->rule_count; i++) {
            if (!group->rules[i].alerting)
                continue;
            s->rule = rule_engine_info(engine, g, i);
            bool sure = rule_engine_rule_timing(engine, g, i).evaluations >= SURE_AFTER_EVALUATIONS &&
                        rule_engine_error(engine, g, i) == NULL;
            *map_put(&s->rules, s->rule->id, NULL) = sure ? 2 : 1;
            s->all_sure = s->all_sure && sure;
            rule_engine_alerts(engine, g, i, survey_alert, s);
        }
    }
}

/* True where the alert has ended. One that is active is in doubt no more: its rule will tell. */
static bool has_ended(struct survey *s, struct map_entry *entry)
{
    struct told *told = told_at(entry->value);
    const uint64_t *active = map_get(&s->active, entry->key);
    const uint64_t *rule = map_get(&s->rules, sv_of(told->rule_id));
    if (active != NULL) {
        set_rule(told, ((const struct rule_info *)(uintptr_t)*active)->id);
        set_doubt(s->alerts, told, false);
        return false;
    }
    return rule != NULL ? *rule == 2 : s->all_sure;
}

static void end_what_ended(struct metric_alerts *a, const struct rule_engine *engine)
{
    struct survey s = {.alerts = a};
    struct map_entry *entry;
    int64_t now_ns = clk_now(a->options.clk).ns;
    map_init(&s.active, SIZE_MAX);
    map_init(&s.rules, SIZE_MAX);
    survey_take(&s, engine);
    /* in order of what was told, with nothing written in between: `told` must not change while it is walked
     */
    struct map_entry **ended = tc_alloc((a->told.live + 1) * sizeof(struct map_entry *));
    size_t count = 0;
    for (size_t at = 0; map_next(&a->told, &at, &entry);)
        if (told_at(entry->value)->in_doubt && has_ended(&s, entry))
            ended[count++] = entry;
    for (size_t i = 0; i < count && a->blocks.n < BATCH_BYTES / 2; i++)
        add_end(a, (const uint8_t *)ended[i]->key.p, sv_of(told_at(ended[i]->value)->rule_id), now_ns);
    free(ended);
    map_free(&s.active);
    map_free(&s.rules);
    arena_free(&s.arena);
}

int metric_alerts_settle(struct metric_alerts *a, const struct rule_engine *engine, struct err *err)
{
    int rc = flush(a, err);
    if (rc != 0 || a->doubts == 0)
        return rc;
    end_what_ended(a, engine);
    return flush(a, err);
}

struct metric_alerts_stats metric_alerts_stats(const struct metric_alerts *a)
{
    struct metric_alerts_stats stats = a->stats;
    stats.firing = a->told.live;
    return stats;
}
