/*
 * The detector against a slow, plainly right model, on thousands of random timelines.
 *
 * The model forgets nothing and keeps no running state but lists: for every event it recounts every window by
 * its definition, from all events of the group so far. It shares no code with the detector.
 */
#include "detect/corr_testkit.h"

enum { EVENTS_MAX = 64, SEEN_MAX = EVENTS_MAX * 8, RULES_MAX = 8, CASES = 4000 };

static uint32_t below(struct sim_rng *rng, uint32_t n)
{
    return (uint32_t)(rng_u64(&rng->rng) % n);
}

/* --- the model
 * ------------------------------------------------------------------------------------------------------- */

struct seen { /* an event that a correlation counts */
    int64_t time;
    const char *group, *value;
    uint32_t weight, step;
    bool closed;
};

struct model_rule {
    const struct rule *rule;
    struct seen seen[SEEN_MAX];
    size_t count;
    struct {
        const char *group;
        int64_t start;
    } said[SEEN_MAX]; /* start of each group's last said episode, newest entry last */
    size_t said_count;
};

struct fired { /* by the event at hand */
    const struct rule *rule;
    int64_t time;
    const char *group;
    const struct fired *from;
};

struct model {
    struct kit *kit;
    struct fired fired[SEEN_MAX];
    size_t fired_count;
    struct model_rule rules[RULES_MAX];
    size_t rule_count;
    struct {
        const char *name;
        int64_t newest;
        bool since_tick;
    } sources[4];
    size_t source_count;
    int64_t floor, received;
    struct buf out;
};

static bool in_window(const struct seen *s, const char *group, int64_t from, int64_t to, bool open_end)
{
    return !s->closed && strcmp(s->group, group) == 0 && s->time >= from && s->time <= to &&
           !(open_end && s->time == to);
}

/* How many steps, from the first, stand in the window in order of (time, arrival)? */
static uint64_t steps_in(const struct model_rule *r, size_t count, const char *group, int64_t from,
                         int64_t to, bool open_end)
{
    int64_t time = INT64_MIN;
    size_t arrival = 0;
    uint32_t done = 0;
    for (;; done++) { /* the earliest of the next step that lies after the one before */
        const struct seen *best = NULL;
        for (size_t i = 0; i < count; i++) {
            const struct seen *s = &r->seen[i];
            if (s->step == done && in_window(s, group, from, to, open_end) &&
                (s->time > time || (s->time == time && i >= arrival)) &&
                (best == NULL || s->time < best->time))
                best = s;
        }
        if (best == NULL)
            return done;
        time = best->time;
        arrival = (size_t)(best - r->seen);
    }
}

/* Do two events count as one? */
static bool same(const struct model_rule *r, const struct seen *a, const struct seen *b)
{
    return r->rule->correlation->type == CORR_TEMPORAL ? a->step == b->step : strcmp(a->value, b->value) == 0;
}

/* Value of the window [from, to] over the first `count` events of a group. */
static uint64_t value_in(const struct model_rule *r, size_t count, const char *group, int64_t from,
                         int64_t to, bool open_end)
{
    enum corr_type type = r->rule->correlation->type;
    uint64_t value = 0;
    if (type == CORR_TEMPORAL_ORDERED)
        return steps_in(r, count, group, from, to, open_end);
    for (size_t i = 0; i < count; i++) {
        const struct seen *s = &r->seen[i];
        if (!in_window(s, group, from, to, open_end))
            continue;
        bool again = false;
        for (size_t k = 0; k < i && type != CORR_EVENT_COUNT; k++)
            again |= in_window(&r->seen[k], group, from, to, open_end) && same(r, &r->seen[k], s);
        value += type == CORR_EVENT_COUNT ? s->weight : !again;
    }
    return value;
}

static bool holds(const struct correlation *c, uint64_t value)
{
    bool all = true;
    for (size_t i = 0; i < c->test_count; i++) {
        int64_t v = (int64_t)value, w = c->tests[i].value;
        const bool answers[] = {[CORR_GT] = v > w,   [CORR_GTE] = v >= w, [CORR_LT] = v < w,
                                [CORR_LTE] = v <= w, [CORR_EQ] = v == w,  [CORR_NEQ] = v != w};
        all &= answers[c->tests[i].op];
    }
    return all && value > 0;
}

static bool rises_only(const struct correlation *c)
{
    for (size_t i = 0; i < c->test_count; i++)
        if (c->tests[i].op != CORR_GT && c->tests[i].op != CORR_GTE)
            return false;
    return true;
}

static int by_number(const void *a, const void *b)
{
    const int64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void print(struct model *m, uint64_t position, const struct model_rule *r, bool repeat, int64_t time,
                  int64_t start, uint32_t weight, uint64_t count, const char *group)
{
    buf_printf(&m->out, "%llu %.*s %s time %lld start %lld weight %u count %llu group %s\n",
               (unsigned long long)position, SV_FMT(r->rule->info.id), repeat ? "repeat" : "first",
               (long long)time, (long long)start, weight, (unsigned long long)count, group);
}

static int64_t *last_said(struct model_rule *r, const char *group)
{
    for (size_t i = r->said_count; i-- > 0;)
        if (strcmp(r->said[i].group, group) == 0)
            return &r->said[i].start;
    r->said[r->said_count].group = group;
    r->said[r->said_count].start = TC_NO_TIME;
    return &r->said[r->said_count++].start;
}

/* The newest entry of r->seen has just come: which episodes does it make? */
static void judge_arrival(struct model *m, struct model_rule *r, uint64_t position, const struct fired *from)
{
    const struct correlation *c = r->rule->correlation;
    const struct seen *n = &r->seen[r->count - 1];
    int64_t times[SEEN_MAX], span = c->timespan_ns, first_hot = TC_NO_TIME, start = TC_NO_TIME;
    size_t count = 0;
    bool open = false, said = false, touched = false, fired = false;
    for (size_t i = 0; i < r->count; i++)
        if (strcmp(r->seen[i].group, n->group) == 0)
            times[count++] = r->seen[i].time;
    qsort(times, count, sizeof times[0], by_number);
    int64_t *episode = last_said(r, n->group);
    for (size_t i = 0; i <= count; i++) {
        int64_t x = i < count ? times[i] : 0;
        if (i > 0 && i < count && times[i - 1] == x)
            continue;
        bool ends = i == count || !holds(c, value_in(r, r->count, n->group, x - span, x, true));
        if (open && ends) {
            if (touched && !said) {
                fired = true;
                *episode = start;
                tc_assert(m->fired_count < SEEN_MAX);
                m->fired[m->fired_count++] = (struct fired){r->rule, start, n->group, from};
                print(m, position, r, false, start, start, n->weight,
                      value_in(r, r->count, n->group, start - span, start, false), n->group);
            }
            open = false;
        }
        if (i == count || !holds(c, value_in(r, r->count, n->group, x - span, x, false)))
            continue;
        if (!open) {
            open = true;
            said = touched = false;
            start = x;
        }
        said |= holds(c, value_in(r, r->count - 1, n->group, x - span, x, false));
        if (x >= n->time && x - span <= n->time) {
            touched = true;
            first_hot = first_hot == TC_NO_TIME ? x : first_hot;
        }
    }
    if (!fired && first_hot != TC_NO_TIME)
        print(m, position, r, true, first_hot, *episode, n->weight,
              value_in(r, r->count, n->group, first_hot - span, first_hot, false), n->group);
}

/* The next window of any group that is over: by (end, group). */
static struct seen *next_over(const struct model *m, struct model_rule *r)
{
    struct seen *best = NULL;
    for (size_t i = 0; i < r->count; i++) {
        struct seen *s = &r->seen[i];
        if (s->closed)
            continue;
        bool first = true;
        for (size_t k = 0; k < r->count; k++)
            first &=
                r->seen[k].closed || strcmp(r->seen[k].group, s->group) != 0 || r->seen[k].time >= s->time;
        if (!first || s->time + r->rule->correlation->timespan_ns >= m->floor)
            continue;
        if (best == NULL || s->time < best->time ||
            (s->time == best->time && strcmp(s->group, best->group) < 0))
            best = s;
    }
    return best;
}

static void judge_over(struct model *m, struct model_rule *r, uint64_t position)
{
    const struct correlation *c = r->rule->correlation;
    struct seen *s;
    while ((s = next_over(m, r)) != NULL) {
        int64_t from = s->time, to = s->time + c->timespan_ns;
        const char *group = s->group;
        uint64_t value = value_in(r, r->count, group, from, to, false);
        if (holds(c, value))
            print(m, position, r, false, to, to, 1, value, group);
        for (size_t i = 0; i < r->count; i++)
            r->seen[i].closed |= strcmp(r->seen[i].group, group) == 0 && r->seen[i].time <= to;
    }
}

static void move_floor(struct model *m)
{
    int64_t lowest = INT64_MAX;
    for (size_t i = 0; i < m->source_count; i++)
        lowest = TC_MIN(lowest, m->sources[i].newest);
    if (m->kit->options.receive_time_stands_in)
        lowest = TC_MIN(lowest, m->received);
    m->floor = TC_MAX(m->floor, lowest - m->kit->options.lateness_ns);
}

static bool in_time(struct model *m, const struct event *event, int64_t time)
{
    size_t at = 0;
    while (at < m->source_count && !sv_is(event->source, m->sources[at].name))
        at++;
    if (at == m->source_count) {
        m->sources[at].name = event->source.p;
        m->sources[at].newest = time;
        m->source_count++;
    }
    bool late = time < m->floor || time < m->sources[at].newest - m->kit->options.lateness_ns;
    m->sources[at].newest = TC_MAX(m->sources[at].newest, time);
    m->sources[at].since_tick = true;
    m->received = TC_MAX(m->received, event->received.ns);
    move_floor(m);
    return !late;
}

/* Groups of this test have one name, so a group's text is that of its value. */
static const char *text_of(const struct event *event, const struct fired *from, const struct name_ref *names,
                           size_t count, char *out)
{
    out[0] = 0;
    for (size_t i = 0; i < count; i++) {
        const struct field *f = event_find(event, names[i].name, names[i].hash);
        const struct fired *inner = from;
        while (inner != NULL && (inner->rule->correlation->group_count == 0 ||
                                 !sv_eq(inner->rule->correlation->group_by[0].name, names[i].name)))
            inner = inner->from;
        if (inner != NULL)
            sprintf(out + strlen(out), "%s", inner->group);
        else if (f == NULL || f->type == FIELD_NULL)
            return NULL;
        else
            sprintf(out + strlen(out), "%.*s/", SV_FMT(f->value));
    }
    return out;
}

static void model_hit(struct model *m, struct model_rule *r, const struct event *event, int64_t time,
                      size_t step, const struct fired *from)
{
    const struct correlation *c = r->rule->correlation;
    const struct name_ref *group_by =
        c->lookups == NULL ? c->group_by : &c->lookups[step * (c->group_count + c->field_count)];
    char group[64], value[64];
    if (text_of(event, from, group_by, c->group_count, group) == NULL ||
        text_of(event, from, c->fields, c->field_count, value) == NULL)
        return;
    tc_assert(r->count < SEEN_MAX);
    r->seen[r->count++] = (struct seen){.time = time,
                                        .group = arena_str(&m->kit->arena, sv_of(group)),
                                        .value = arena_str(&m->kit->arena, sv_of(value)),
                                        .weight = from == NULL ? event->repeat : 1,
                                        .step = (uint32_t)step};
    if (rises_only(c))
        judge_arrival(m, r, event->position, from);
}

static void model_step(struct model *m, struct model_rule *r, const struct event *event, int64_t time,
                       size_t step)
{
    const struct rule *to = &m->kit->set.rules[r->rule->correlation->rules[step]];
    struct sv kind = event_value(event, "kind");
    size_t fired = m->fired_count;
    if (to->kind == RULE_DETECTION && sv_find_char(kind, to->detection->letter) != kind.n)
        model_hit(m, r, event, time, step, NULL);
    for (size_t i = 0; i < fired; i++)
        if (m->fired[i].rule == to)
            model_hit(m, r, event, m->fired[i].time, step, &m->fired[i]);
}

static void model_event(struct model *m, const struct event *event)
{
    int64_t time = event->time.ns;
    if (time == TC_NO_TIME || (event->flags & EVENT_SUSPECT_TIME) != 0)
        time = m->kit->options.receive_time_stands_in ? event->received.ns : TC_NO_TIME;
    bool counts = time != TC_NO_TIME && in_time(m, event, time);
    m->fired_count = 0;
    for (size_t i = 0; i < m->rule_count; i++) {
        struct model_rule *r = &m->rules[i];
        for (size_t step = 0; counts && step < r->rule->correlation->rule_count; step++)
            model_step(m, r, event, time, step);
        if (!rises_only(r->rule->correlation))
            judge_over(m, r, event->position);
    }
}

static void model_tick(struct model *m, uint64_t position, int64_t now)
{
    if (m->kit->options.receive_time_stands_in) {
        m->received = TC_MAX(m->received, now);
        for (size_t i = 0; i < m->source_count; i++) {
            if (!m->sources[i].since_tick)
                m->sources[i].newest = TC_MAX(m->sources[i].newest, now);
            m->sources[i].since_tick = false;
        }
        move_floor(m);
    }
    for (size_t i = 0; i < m->rule_count; i++)
        if (!rises_only(m->rules[i].rule->correlation))
            judge_over(m, &m->rules[i], position);
}

/* --- random cases
 * ---------------------------------------------------------------------------------------------------- */

static const char *const users[] = {"u", "v", "w"};
static const char *const values[] = {"p", "q", "r", "s", "t"};
static const char *const kinds[] = {"a", "b", "ab", "c", "bc", "d"};
static const char *const sources[] = {"one", "two", "three"};

static const char *const by_user[] = {"user", NULL}, *const by_who[] = {"who", NULL};
static const char *const one_field[] = {"field", NULL}, *const two_fields[] = {"field", "kind", NULL};
static const char *const ids[] = {"c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7"};
enum { LETTERS = 3 };

static void random_counts(struct sim_rng *rng, struct kit_correlation *wish)
{
    bool falls = below(rng, 4) == 0;
    if (below(rng, 2) == 0)
        wish->fields = below(rng, 3) == 0 ? two_fields : one_field;
    wish->test_count = 1 + below(rng, 2);
    for (size_t k = 0; k < wish->test_count; k++)
        wish->tests[k] = (struct corr_test){(enum corr_op)(below(rng, falls ? 6 : 2)), 1 + below(rng, 6)};
}

static void random_temporal(struct sim_rng *rng, struct kit_correlation *wish)
{
    wish->type = below(rng, 3) == 0 ? CORR_TEMPORAL : CORR_TEMPORAL_ORDERED;
    wish->test_count = wish->type == CORR_TEMPORAL ? below(rng, 2) : 0;
    wish->tests[0] = (struct corr_test){CORR_GTE, 1 + below(rng, (uint32_t)wish->rule_count)};
}

/* Detections and, for a chain, correlations of any layer below; in rising order. */
static size_t random_references(struct kit *kit, struct sim_rng *rng, bool chain, uint32_t *rules)
{
    size_t count = 0;
    for (uint32_t i = 0; i < kit->set.count; i++) {
        const struct rule *rule = &kit->set.rules[i];
        bool takes = rule->kind == RULE_DETECTION || (chain && rises_only(rule->correlation));
        if (takes && below(rng, rule->kind == RULE_DETECTION ? 2 : 3) != 0)
            rules[count++] = i;
    }
    if (count == 0)
        rules[count++] = 0;
    return count;
}

static void shuffle(struct sim_rng *rng, uint32_t *rules, size_t count)
{
    for (size_t i = count; i > 1; i--) {
        size_t k = below(rng, (uint32_t)i);
        uint32_t swap = rules[i - 1];
        rules[i - 1] = rules[k];
        rules[k] = swap;
    }
}

/* Groups by user; by an alias for user or field; by what an inner correlation calls so; or not at all. */
static void random_group(struct kit *kit, struct sim_rng *rng, struct kit_correlation *wish)
{
    static const char *const names[] = {"user", "field", "user", "who"};
    uint32_t kind = below(rng, 6);
    if (kind == 0)
        return;
    wish->group_by = kind < 4 ? by_user : by_who;
    if (kind < 5)
        return;
    const char **lookups = ARENA_ARRAY(&kit->arena, const char *, wish->rule_count * 3 + 1), **next = lookups;
    for (size_t i = 0; i < wish->rule_count; i++) {
        *next++ = names[below(rng, 4)];
        for (size_t k = 0; wish->fields != NULL && wish->fields[k] != NULL; k++)
            *next++ = wish->fields[k];
    }
    wish->lookups = lookups;
}

static void random_rules(struct kit *kit, struct sim_rng *rng)
{
    for (char letter = 'a'; letter < 'a' + LETTERS; letter++)
        kit_detection(kit, letter);
    for (uint32_t i = 0; i < RULES_MAX; i++) {
        uint32_t rules[LETTERS + RULES_MAX];
        struct kit_correlation wish = {.id = ids[i], .rules = rules, .generate = true};
        wish.rule_count = random_references(kit, rng, i >= RULES_MAX / 2, rules);
        wish.timespan_s = 1 + below(rng, 30);
        if (i % 2 == 1)
            random_temporal(rng, &wish);
        else
            random_counts(rng, &wish);
        if (wish.type == CORR_TEMPORAL_ORDERED)
            shuffle(rng, rules, wish.rule_count);
        random_group(kit, rng, &wish);
        kit_correlation(kit, &wish);
    }
}

static void random_events(struct kit *kit, struct sim_rng *rng)
{
    size_t count = 1 + below(rng, EVENTS_MAX - 1);
    uint32_t pace = 1 + below(rng, 8), jitter = 1 + below(rng, 40);
    int64_t now = 100;
    for (size_t i = 0; i < count; i++) {
        now += below(rng, 40) == 0 ? 60 : below(rng, pace);
        int64_t back = below(rng, 3) == 0 ? below(rng, jitter) : 0;
        kit->source = sources[below(rng, 6) < 4 ? 0 : below(rng, 3)];
        struct event *event = KIT_EVENT(kit, now - back, "kind", kinds[below(rng, 6)], "user",
                                        below(rng, 12) == 0 ? NULL : users[below(rng, 3)], "field",
                                        below(rng, 12) == 0 ? NULL : values[below(rng, 5)]);
        event->received.ns = KIT_START + now * KIT_SECOND;
        event->repeat = below(rng, 8) == 0 ? 1 + below(rng, 4) : 1;
        if (below(rng, 20) == 0)
            event->time.ns = TC_NO_TIME;
        if (below(rng, 20) == 0)
            event->flags |= EVENT_SUSPECT_TIME;
    }
}

/* Every `tick_every` events a tick comes at the newest receive time, and 40 s later two more. */
static void run_model(struct model *m, uint32_t tick_every)
{
    for (size_t i = 0; i < m->kit->event_count; i++) {
        const struct event *event = m->kit->events[i];
        model_event(m, event);
        if ((i + 1) % tick_every == 0)
            for (int k = 0; k < 3; k++)
                model_tick(m, event->position, event->received.ns + k * 20 * KIT_SECOND);
    }
    m->floor = INT64_MAX;
    for (size_t i = 0; i < m->rule_count; i++)
        if (!rises_only(m->rules[i].rule->correlation))
            judge_over(m, &m->rules[i], m->kit->events[m->kit->event_count - 1]->position);
}

static void restart(struct kit *kit, struct detector **detector)
{
    struct buf saved;
    struct err err;
    buf_init(&saved, 1 << 24);
    detector_save(*detector, &saved);
    detector_free(detector);
    *detector = detector_new(&kit->set, &kit->options);
    assert_int_equal(detector_load(*detector, buf_view(&saved), &err), 0);
    buf_free(&saved);
}

static void run_detector(struct kit *kit, struct sim_rng *rng, uint32_t tick_every)
{
    struct detector *detector = detector_new(&kit->set, &kit->options);
    kit->found = (struct finding_list){.arena = &kit->found_arena};
    for (size_t i = 0; i < kit->event_count;) {
        size_t n = 1 + below(rng, 9);
        n = TC_MIN(n, kit->event_count - i);
        n = TC_MIN(n, tick_every - i % tick_every);
        detector_judge(detector, kit->events + i, n, &kit->found);
        i += n;
        if (i % tick_every == 0)
            for (int k = 0; k < 3; k++)
                detector_tick(detector, kit->events[i - 1]->position,
                              (struct receive_time){kit->events[i - 1]->received.ns + k * 20 * KIT_SECOND},
                              &kit->found);
        if (below(rng, 4) == 0)
            restart(kit, &detector);
    }
    detector_finish(detector, &kit->found);
    detector_free(&detector);
}

static void print_found(const struct kit *kit, struct buf *out)
{
    for (size_t i = 0; i < kit->found.count; i++) {
        const struct finding *f = &kit->found.items[i];
        if (f->kind == FINDING_DETECTION)
            continue;
        buf_printf(out, "%llu %.*s %s time %lld start %lld weight %u count %u group ",
                   (unsigned long long)f->position, SV_FMT(f->rule->id), f->repeat ? "repeat" : "first",
                   (long long)f->time.ns, (long long)f->episode_start.ns, f->weight, f->count);
        for (size_t k = 0; k < f->group_count; k++)
            buf_printf(out, "%.*s/", SV_FMT(f->group[k].value));
        buf_char(out, '\n');
    }
    buf_char(out, '\0');
}

static void show_rules(const struct kit *kit)
{
    for (size_t i = LETTERS; i < kit->set.count; i++) {
        const struct correlation *c = kit->set.rules[i].correlation;
        print_message("%.*s type %d span %lld group %.*s lookups %d rules", SV_FMT(kit->set.rules[i].info.id),
                      c->type, (long long)(c->timespan_ns / KIT_SECOND),
                      SV_FMT(c->group_count > 0 ? c->group_by[0].name : SV("-")), c->lookups != NULL);
        for (size_t k = 0; k < c->rule_count; k++)
            print_message(" %u", c->rules[k]);
        for (size_t k = 0; k < c->test_count; k++)
            print_message(" op%d %lld", c->tests[k].op, (long long)c->tests[k].value);
        print_message("\n");
    }
}

static size_t one_case(uint64_t seed)
{
    struct kit kit = {0};
    struct sim_rng rng;
    struct buf found;
    sim_rng_init(&rng, seed);
    buf_init(&found, 1 << 22);
    random_rules(&kit, &rng);
    random_events(&kit, &rng);
    kit.options.lateness_ns = below(&rng, 2) == 0 ? 0 : below(&rng, 50) * KIT_SECOND;
    kit.options.receive_time_stands_in = below(&rng, 2) == 0;
    uint32_t tick_every = below(&rng, 2) == 0 ? 1000 : 1 + below(&rng, 20);
    struct model *m = tc_alloc(sizeof *m);
    *m = (struct model){.kit = &kit, .floor = INT64_MIN, .received = INT64_MIN};
    buf_init(&m->out, 1 << 22);
    for (size_t i = 0; i < kit.set.count; i++)
        if (kit.set.rules[i].kind == RULE_CORRELATION)
            m->rules[m->rule_count++].rule = &kit.set.rules[i];
    run_model(m, tick_every);
    buf_char(&m->out, '\0');
    run_detector(&kit, &rng, tick_every);
    print_found(&kit, &found);
    size_t lines = kit.found.count;
    if (strcmp(m->out.p, found.p) != 0) {
        size_t same_bytes = 0;
        while (m->out.p[same_bytes] == found.p[same_bytes])
            same_bytes++;
        while (same_bytes > 0 && m->out.p[same_bytes - 1] != '\n')
            same_bytes--;
        print_message("seed %llu: expected from here\n%.400s\n", (unsigned long long)seed,
                      m->out.p + same_bytes);
        print_message("got\n%.400s\n", found.p + same_bytes);
        show_rules(&kit);
        fail();
    }
    buf_free(&found);
    buf_free(&m->out);
    free(m);
    kit_free(&kit);
    return lines;
}

static void test_C_111_random_timelines(void **state)
{
    size_t findings = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= CASES; seed++)
        findings += one_case(seed);
    assert_true(findings > CASES * 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_C_111_random_timelines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
