/*
 * The detector against a slow, plainly right model, on thousands of random timelines.
 *
 * The model forgets nothing and keeps no running state but lists: for every event it recounts every window by
 * its definition, from all events of the group so far. It shares no code with the detector.
 */
#include "detect/corr_testkit.h"

enum { EVENTS_MAX = 64, RULES_MAX = 8, CASES = 4000 };

static uint32_t below(struct sim_rng *rng, uint32_t n)
{
    return (uint32_t)(rng_u64(&rng->rng) % n);
}

/* --- the model
 * ------------------------------------------------------------------------------------------------------- */

struct seen { /* an event that a correlation counts */
    int64_t time;
    const char *group, *value;
    uint32_t weight;
    bool closed;
};

struct model_rule {
    const struct rule *rule;
    struct seen seen[EVENTS_MAX * 2];
    size_t count;
    struct {
        const char *group;
        int64_t start;
    } said[EVENTS_MAX * 2]; /* start of each group's last said episode, newest entry last */
    size_t said_count;
};

struct model {
    struct kit *kit;
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

/* Value of the window [from, to] over the first `count` events of a group. */
static uint64_t value_in(const struct model_rule *r, size_t count, const char *group, int64_t from,
                         int64_t to, bool open_end)
{
    uint64_t value = 0;
    for (size_t i = 0; i < count; i++) {
        const struct seen *s = &r->seen[i];
        if (s->closed || strcmp(s->group, group) != 0 || s->time < from || s->time > to ||
            (open_end && s->time == to))
            continue;
        bool again = false;
        for (size_t k = 0; k < i && r->rule->correlation->type == CORR_VALUE_COUNT; k++)
            again |= !r->seen[k].closed && strcmp(r->seen[k].group, group) == 0 && r->seen[k].time >= from &&
                     r->seen[k].time <= to && !(open_end && r->seen[k].time == to) &&
                     strcmp(r->seen[k].value, s->value) == 0;
        value += r->rule->correlation->type == CORR_VALUE_COUNT ? !again : s->weight;
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
static void judge_arrival(struct model *m, struct model_rule *r, uint64_t position)
{
    const struct correlation *c = r->rule->correlation;
    const struct seen *n = &r->seen[r->count - 1];
    int64_t times[EVENTS_MAX * 2], span = c->timespan_ns, first_hot = TC_NO_TIME, start = TC_NO_TIME;
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

static const char *text_of(const struct event *event, const struct name_ref *names, size_t count, char *out)
{
    out[0] = 0;
    for (size_t i = 0; i < count; i++) {
        const struct field *f = event_find(event, names[i].name, names[i].hash);
        if (f == NULL || f->type == FIELD_NULL)
            return NULL;
        sprintf(out + strlen(out), "%.*s/", SV_FMT(f->value));
    }
    return out;
}

static void model_event(struct model *m, const struct event *event)
{
    int64_t time = event->time.ns;
    if (time == TC_NO_TIME || (event->flags & EVENT_SUSPECT_TIME) != 0)
        time = m->kit->options.receive_time_stands_in ? event->received.ns : TC_NO_TIME;
    bool counts = time != TC_NO_TIME && in_time(m, event, time);
    for (size_t i = 0; i < m->rule_count; i++) {
        struct model_rule *r = &m->rules[i];
        const struct correlation *c = r->rule->correlation;
        char group[64], value[64];
        for (size_t k = 0; counts && k < c->rule_count; k++) {
            const struct rule *to = &m->kit->set.rules[c->rules[k]];
            struct sv kind = event_value(event, "kind");
            if (sv_find_char(kind, to->detection->letter) == kind.n ||
                text_of(event, c->group_by, c->group_count, group) == NULL ||
                text_of(event, c->fields, c->field_count, value) == NULL)
                continue;
            r->seen[r->count++] = (struct seen){.time = time,
                                                .group = arena_str(&m->kit->arena, sv_of(group)),
                                                .value = arena_str(&m->kit->arena, sv_of(value)),
                                                .weight = event->repeat};
            if (rises_only(c))
                judge_arrival(m, r, event->position);
        }
        if (!rises_only(c))
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
static const char *const kinds[] = {"a", "b", "ab", "c"};
static const char *const sources[] = {"one", "two", "three"};

static void random_rules(struct kit *kit, struct sim_rng *rng)
{
    static const uint32_t both[] = {0, 1};
    static const char *const ids[] = {"c0", "c1", "c2", "c3"};
    static const char *const by_user[] = {"user", NULL}, *const one_field[] = {"field", NULL},
                             *const two_fields[] = {"field", "kind", NULL};
    kit_detection(kit, 'a');
    kit_detection(kit, 'b');
    for (int i = 0; i < 4; i++) {
        struct kit_correlation wish = {.id = ids[i], .rules = both, .rule_count = 1 + below(rng, 2)};
        if (below(rng, 4) != 0)
            wish.group_by = by_user;
        if (i % 2 == 1)
            wish.fields = below(rng, 3) == 0 ? two_fields : one_field;
        wish.timespan_s = 1 + below(rng, 30);
        bool falls = below(rng, 4) == 0;
        wish.test_count = 1 + below(rng, 2);
        for (size_t k = 0; k < wish.test_count; k++)
            wish.tests[k] = (struct corr_test){(enum corr_op)(below(rng, falls ? 6 : 2)), 1 + below(rng, 6)};
        wish.generate = true;
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
        struct event *event = KIT_EVENT(kit, now - back, "kind", kinds[below(rng, 4)], "user",
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
        print_message("seed %llu: expected\n%sgot\n%s", (unsigned long long)seed, m->out.p, found.p);
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
