/*
 * The index against the interpreter on the public corpus: recorded events, mutated ones, and events
 * synthesised from each rule's own values, some of them one edit away. Skips without the third-party data.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/corpus_testkit.h"
#include "detect/index_testkit.h"

/* --- the corpus: recorded events
 * ---------------------------------------------------------------------------------------------- */

static void check_regression_events(struct kit *kit, struct sim_rng *rng, struct tally *t)
{
    struct arena one = {0};
    struct sv index = read_file(&kit->arena, SIGMA "regression/index.jsonl"), line, json;
    while (next_line(&index, &line)) {
        arena_reset(&one);
        struct event row = parse(&one, line);
        struct sv path = arena_printf(&one, SIGMA "regression/%.*s", SV_FMT(value_of(&row, "events_file")));
        struct sv events = read_file(&one, path.p);
        while (next_line(&events, &json)) {
            struct event event = windows_event(&one, json);
            check_event(kit, &event, t);
            for (size_t k = 0; k < 3; k++) {
                struct event other = mutated(rng, &one, &event);
                other.product = k == 0 ? SV("windows") : event.product;
                check_event(kit, &other, t);
            }
        }
    }
    arena_free(&one);
}

/* Every `step`th line. */
static void check_lines(struct kit *kit, struct sv text, size_t step, struct sim_rng *rng, struct tally *t)
{
    struct arena one = {0};
    struct sv line;
    for (size_t at = 0; next_line(&text, &line); at++) {
        if (at % step != 0)
            continue;
        arena_reset(&one);
        struct event event = parse(&one, line), other = mutated(rng, &one, &event);
        check_event(kit, &event, t);
        check_event(kit, &other, t);
    }
    arena_free(&one);
}

/* Every `step`th event of the sample of recorded attacks, which goes through its files in order. */
static void check_recordings(struct kit *kit, size_t step, struct tally *t)
{
    struct arena file = {0}, one = {0};
    char open_file[256] = "";
    struct sv rows = read_zstd(&kit->arena, DATA "security-datasets/sigma-matches.jsonl.zst"), row_line;
    struct sv rest = SV(""), line = SV("");
    size_t at = 0, number = 0;
    while (next_line(&rows, &row_line)) {
        arena_reset(&one);
        struct event row = parse(&one, row_line);
        if (number++ % step != 0)
            continue;
        char *name = arena_str(&one, value_of(&row, "file"));
        size_t wanted = strtoul(arena_str(&one, value_of(&row, "line")), NULL, 10);
        if (strcmp(name, open_file) != 0 || wanted < at) {
            arena_reset(&file);
            snprintf(open_file, sizeof open_file, "%s", name);
            rest = read_zstd(&file, arena_printf(&one, DATA "security-datasets/%s", name).p);
            at = 0;
        }
        for (; at < wanted; at++)
            line = sv_cut(&rest, '\n');
        struct event event = nxlog_event(&one, line);
        check_event(kit, &event, t);
    }
    arena_free(&file);
    arena_free(&one);
}

static void test_C_110_index_on_recorded_events(void **state)
{
    (void)state;
    skip_without_data();
    static struct tally regression, cloudtrail, recordings;
    struct kit kit = {0};
    struct sim_rng rng;
    sim_rng_init(&rng, 128);
    load(&kit, evaluable);
    check_regression_events(&kit, &rng, &regression);
    report(&regression, "regression events");
    struct sv lines = read_zstd(&kit.arena, DATA "cloudtrail/invictus-stratus-attack.jsonl.zst");
    check_lines(&kit, lines, 4, &rng, &cloudtrail);
    report(&cloudtrail, "CloudTrail");
    check_recordings(&kit, 12, &recordings);
    report(&recordings, "recorded attacks");
    assert_true(regression.matches > 200 && cloudtrail.matches > 50 && recordings.matches > 50);
    kit_free(&kit);
}

/* --- the corpus: events from each rule's own values
 * --------------------------------------------------------------------------- */

struct synthesis {
    struct arena *arena;
    struct sim_rng *rng;
    struct field fields[512];
    uint32_t count;
};

static void add_field(struct synthesis *s, struct sv name, struct sv value)
{
    if (s->count == TC_ARRAY_LEN(s->fields))
        return;
    s->fields[s->count++] = (struct field){.name = name,
                                           .exact = name,
                                           .value = value,
                                           .name_hash = event_name_hash(name),
                                           .type = FIELD_STRING};
}

static struct sv pattern_text(struct synthesis *s, const struct pattern *pattern)
{
    struct sv text = SV("");
    for (size_t i = 0; i < pattern->count; i++) {
        struct token t = pattern->tokens[i];
        struct sv piece = t.kind == TOKEN_TEXT   ? t.text
                          : t.kind == TOKEN_ONE  ? SV("y")
                          : t.kind == TOKEN_DASH ? SV("-")
                          : below(s->rng, 2)     ? SV("")
                                                 : SV("Zz ");
        text = arena_printf(s->arena, "%.*s%.*s", SV_FMT(text), SV_FMT(piece));
    }
    return text;
}

static struct sv predicate_text(struct synthesis *s, const struct predicate *p)
{
    switch (p->kind) {
    case PREDICATE_PATTERN:
        return pattern_text(s, &p->pattern);
    case PREDICATE_NUMBER:
        for (size_t i = below(s->rng, 4);; i = 0) {
            struct sv text = i == 0   ? arena_sv(s->arena, p->number.value)
                             : i == 1 ? arena_printf(s->arena, "%.*s.0", SV_FMT(p->number.value))
                             : i == 2 ? arena_printf(s->arena, "%.*se0", SV_FMT(p->number.value))
                                      : arena_printf(s->arena, "0%.*s", SV_FMT(p->number.value));
            if (i == 0 || number_compare(COMPARE_EQ, text, p->number.value))
                return text;
        }
    case PREDICATE_NETWORK:
        return p->network.v4
                   ? arena_printf(s->arena, "%u.%u.%u.%u", p->network.address[12], p->network.address[13],
                                  p->network.address[14], p->network.address[15])
                   : SV("::1");
    default:
        return SV("x");
    }
}

static void add_item(struct synthesis *s, const struct match_item *item)
{
    size_t only = below(s->rng, item->count);
    struct sv name = item->field.name.n == 0 ? SV("message") : item->field.name, text = SV("");
    for (size_t i = 0; i < item->count; i++) {
        const struct match_value *value = &item->values[i];
        if (!item->all && i != only)
            continue;
        const struct predicate *p = &value->alternatives[below(s->rng, value->count)];
        if (p->kind == PREDICATE_NULL || (p->kind == PREDICATE_EXISTS && !p->exists))
            return;
        text = arena_printf(s->arena, "%.*s%.*s", SV_FMT(text), SV_FMT(predicate_text(s, p)));
        if (item->all && below(s->rng, 2)) { /* as another value of the same name: any-of */
            add_field(s, name, text);
            text = SV("");
        }
    }
    if (text.n > 0 || !item->all)
        add_field(s, name, text);
}

static void add_node(struct synthesis *s, const struct match_node *node)
{
    switch (node->kind) {
    case NODE_ITEM:
        if (!node->item->negated)
            add_item(s, node->item);
        break;
    case NODE_AND:
        for (size_t i = 0; i < node->count; i++)
            add_node(s, node->kids[i]);
        break;
    case NODE_OR:
        add_node(s, node->kids[below(s->rng, node->count)]);
        break;
    case NODE_NOT:
    case NODE_CALENDAR: /* asks no field */
        break;
    }
}

/* Case does not matter to rules that are not cased: turn it over now and then. */
static struct sv turned(struct synthesis *s, struct sv text)
{
    struct sv copy = arena_sv(s->arena, text);
    char *p = arena_alloc_raw(s->arena, text.n + 1, 1);
    for (size_t i = 0; i < copy.n; i++)
        p[i] = copy.p[i] >= 'a' && copy.p[i] <= 'z' && below(s->rng, 2) ? (char)(copy.p[i] - 32) : copy.p[i];
    return sv_make(p, copy.n);
}

static struct event synthesised(struct synthesis *s)
{
    static uint64_t position = UINT64_C(1) << 50;
    struct event event = {.raw = SV("{}"), .position = ++position, .repeat = 1, .field_count = s->count};
    event.fields = ARENA_ARRAY(s->arena, struct field, s->count + 1);
    memcpy(event.fields, s->fields, s->count * sizeof s->fields[0]);
    event_index(&event, s->arena);
    return event;
}

/* The rule itself always, all rules now and then: those cost a thousand times as much. */
static bool check_own(struct kit *kit, const struct rule *rule, const struct event *event, bool all,
                      struct tally *t)
{
    bool matches = rule_matches(rule, event, kit->scratch);
    if (matches && !is_candidate(kit, rule->info.ordinal, event)) {
        t->missed++;
        print_message("no candidate: %.*s (%.*s)\n", SV_FMT(rule->info.title), SV_FMT(rule->info.file));
    }
    if (all)
        check_event(kit, event, t);
    return matches;
}

static void test_C_110_index_on_synthesised_events(void **state)
{
    (void)state;
    skip_without_data();
    static struct tally tally;
    struct kit kit = {0};
    struct arena arena = {0};
    struct sim_rng rng;
    size_t woken = 0, positive = 0, edited = 0, step = 29;
    sim_rng_init(&rng, 110);
    load(&kit, evaluable);
    for (size_t i = 0; i < kit.set->count; i++) {
        const struct rule *rule = &kit.set->rules[i];
        size_t hits = 0;
        for (size_t k = 0; k < 24; k++) {
            struct synthesis s = {.arena = &arena, .rng = &rng};
            arena_reset(&arena);
            add_node(&s, rule->detection->root);
            for (size_t f = 0; k % 4 == 1 && f < s.count; f++)
                s.fields[f].value = turned(&s, s.fields[f].value);
            if (k % 4 >= 2)
                edit(&rng, &arena, s.fields, s.count);
            struct event event = synthesised(&s);
            bool hit = check_own(&kit, rule, &event, (i * 24 + k) % step == 0, &tally);
            hits += hit;
            positive += hit && k % 4 < 2;
            edited += hit && k % 4 >= 2;
        }
        woken += hits > 0;
    }
    print_message("%zu of %zu rules matched an event of their own; %zu matches, %zu after an edit\n", woken,
                  kit.set->count, positive, edited);
    report(&tally, "synthesised events");
    assert_true(woken * 100 > kit.set->count * 90);
    arena_free(&arena);
    kit_free(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C_110_index_on_recorded_events),
        cmocka_unit_test(test_C_110_index_on_synthesised_events),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
