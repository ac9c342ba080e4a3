/*
 * Saving and loading, and the fold as a whole, by random histories:
 *
 *  - a book that is saved and loaded at random moments decides exactly as one that runs through;
 *  - a naive model (a list walked from end to end, no tables, no timers kept) agrees on what is told, on
 *    states and on counts;
 *  - equal books give equal bytes, whatever way they came to be;
 *  - bytes that were damaged are refused and leave the book as it was.
 */
#include "alert/alert_testkit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RULES = 3, ADDRESSES = 6, STEPS = 3000, SEEDS = 12, MODEL_MAX = STEPS };

static uint64_t roll_state;

static uint64_t roll(uint64_t below) /* splitmix64: the same on every machine */
{
    uint64_t z = roll_state += UINT64_C(0x9E3779B97F4A7C15);
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return (z ^ (z >> 31)) % below;
}

/* --- a random history */

enum op_kind { OP_FINDING, OP_TICK, OP_COMMAND };
struct op {
    enum op_kind kind;
    unsigned rule, address, verb;
    bool repeat;
    uint32_t weight;
    int64_t time_ns, received_ns;
    uint64_t target; /* of a command: the alert that was made as the n-th, modulo their number */
};

static struct rule_info rules[RULES];
static struct finding_field addresses[ADDRESSES];
static const struct alert_options options = {
    .resolve_after_ns = 40 * KIT_MINUTE, .forget_after_ns = 90 * KIT_MINUTE, .max_open = 12};
static const char *const verbs[] = {"ack", "resolve", "close", "close", "reopen"};

static void make_world(void)
{
    static const char *const ips[ADDRESSES] = {"10.0.0.1", "10.0.0.2",    "10.0.0.3",
                                               "10.0.0.4", "2001:db8::1", ""};
    static const char *const ids[RULES] = {"r-0", "r-1", "r-2"};
    for (unsigned i = 0; i < RULES; i++)
        rules[i] = kit_rule(ids[i], i == 2 ? "" : "Title", (enum severity)(SEVERITY_P2 + i % 2));
    for (unsigned i = 0; i < ADDRESSES; i++)
        addresses[i] = kit_ip(ips[i]);
}

static struct op random_op(int64_t now_ns)
{
    uint64_t kind = roll(100);
    struct op op = {.kind = kind < 70   ? OP_FINDING
                            : kind < 90 ? OP_TICK
                                        : OP_COMMAND,
                    .rule = (unsigned)roll(RULES),
                    .address = (unsigned)roll(ADDRESSES),
                    .verb = (unsigned)roll(TC_ARRAY_LEN(verbs)),
                    .repeat = roll(3) == 0,
                    .weight = roll(20) == 0 ? (uint32_t)roll(70) : 1,
                    .received_ns = now_ns,
                    .target = roll(1000)};
    op.time_ns = roll(10) == 0 ? TC_NO_TIME : now_ns - (int64_t)roll((uint64_t)(5 * KIT_MINUTE));
    return op;
}

static void run_op(struct kit *kit, const struct op *op)
{
    struct finding f = kit_finding(&rules[op->rule], &addresses[op->address], op->time_ns);
    f.received.ns = op->received_ns;
    f.repeat = op->repeat;
    f.weight = op->weight;
    size_t count = book_count(kit->book);
    if (op->kind == OP_FINDING)
        kit_give(kit, f);
    else if (op->kind == OP_TICK || count == 0)
        kit_tick(kit, op->received_ns);
    else
        kit_command(kit, verbs[op->verb], book_at(kit->book, op->target % count)->id, "benign",
                    op->target % 3 == 0 ? "" : "a note", op->received_ns);
}

static void save_and_load(struct kit *kit)
{
    struct buf saved;
    struct err err;
    buf_init(&saved, 64 << 20);
    book_save(kit->book, &saved);
    struct book *fresh = book_new(&options);
    assert_int_equal(book_load(fresh, buf_view(&saved), &err), 0);
    book_free(&kit->book);
    kit->book = fresh;
    buf_free(&saved);
}

static void assert_same_bytes(const struct book *a, const struct book *b)
{
    struct buf x, y;
    buf_init(&x, 64 << 20);
    buf_init(&y, 64 << 20);
    book_save(a, &x);
    book_save(b, &y);
    assert_int_equal(x.n, y.n);
    assert_memory_equal(x.p, y.p, x.n);
    buf_free(&x);
    buf_free(&y);
}

static void assert_same_decisions(const struct kit *a, const struct kit *b)
{
    struct buf x, y;
    buf_init(&x, 16 << 20);
    buf_init(&y, 16 << 20);
    kit_transcribe(&a->out, &x);
    kit_transcribe(&b->out, &y);
    assert_int_equal(x.n, y.n);
    if (x.n > 0)
        assert_memory_equal(x.p, y.p, x.n);
    buf_free(&x);
    buf_free(&y);
}

static void test_D_08_saved_anywhere_decides_the_same(void **state)
{
    (void)state;
    make_world();
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct kit through, broken;
        int64_t now_ns = KIT_T0;
        roll_state = seed;
        kit_init(&through, &options);
        kit_init(&broken, &options);
        for (int i = 0; i < STEPS; i++) {
            now_ns += (int64_t)roll(2 * (uint64_t)KIT_MINUTE);
            struct op op = random_op(now_ns);
            run_op(&through, &op);
            run_op(&broken, &op);
            assert_same_decisions(&through, &broken);
            if (roll(20) != 0)
                continue;
            save_and_load(&broken);
            assert_same_bytes(through.book, broken.book);
        }
        kit_free(&through);
        kit_free(&broken);
    }
}

/* --- the model: without max_open, since it never forgets */

struct model_alert {
    unsigned rule, address;
    enum alert_state state;
    uint64_t count;
    int64_t first_ns, touched_ns, ended_ns;
    bool by_hand, gone;
    char id[33]; /* as the book calls it */
};
struct model {
    struct model_alert items[MODEL_MAX];
    size_t count;
    uint64_t told; /* notifications so far */
};

static bool model_open(const struct model_alert *a)
{
    return a->state == ALERT_FIRING || a->state == ALERT_ACKNOWLEDGED;
}

static uint64_t model_steps(uint64_t count)
{
    return (count >= 10) + (count >= 50) + (count >= 100);
}

static void model_finding(struct model *m, const struct op *op, const struct kit *kit)
{
    int64_t time_ns = op->time_ns == TC_NO_TIME ? op->received_ns : op->time_ns;
    uint32_t weight = op->weight == 0 ? 1 : op->weight;
    struct model_alert *last = NULL;
    for (size_t i = 0; i < m->count; i++)
        if (!m->items[i].gone && m->items[i].rule == op->rule && m->items[i].address == op->address)
            last = &m->items[i];
    if (last != NULL && time_ns < last->first_ns + KIT_HOUR &&
        (model_open(last) || (op->repeat && last->by_hand))) {
        uint64_t before = model_steps(last->count);
        last->count += weight;
        m->told += last->state == ALERT_FIRING && model_steps(last->count) > before;
        if (model_open(last) && op->received_ns > last->touched_ns)
            last->touched_ns = op->received_ns;
        return;
    }
    struct model_alert *fresh = &m->items[m->count++];
    *fresh = (struct model_alert){.rule = op->rule,
                                  .address = op->address,
                                  .count = weight,
                                  .first_ns = time_ns,
                                  .touched_ns = op->received_ns};
    assert_int_equal(kit->out.items[0].kind, DECIDE_ALERT);
    memcpy(fresh->id, kit->out.items[0].alert->id, sizeof fresh->id);
    m->told++;
}

static void model_tick(struct model *m, int64_t now_ns)
{
    for (size_t i = 0; i < m->count; i++) {
        struct model_alert *a = &m->items[i];
        if (!model_open(a) && now_ns >= a->ended_ns + options.forget_after_ns)
            a->gone = true;
        if (model_open(a) && now_ns >= a->touched_ns + options.resolve_after_ns) {
            a->state = ALERT_RESOLVED;
            a->ended_ns = now_ns;
        }
    }
}

static void model_command(struct model *m, const struct op *op, const struct kit *kit)
{
    if (kit->out.items[0].alert == NULL)
        return;
    struct model_alert *a = NULL;
    for (size_t i = 0; i < m->count; i++)
        if (strcmp(m->items[i].id, kit->out.items[0].alert->id) == 0)
            a = &m->items[i];
    assert_non_null(a);
    bool note = op->target % 3 != 0, p2 = rules[a->rule].severity <= SEVERITY_P2, was_open = model_open(a);
    enum alert_state before = a->state;
    const char *verb = verbs[op->verb];
    if (strcmp(verb, "ack") == 0 && a->state == ALERT_FIRING) {
        a->state = ALERT_ACKNOWLEDGED;
        a->touched_ns = op->received_ns;
    } else if (strcmp(verb, "resolve") == 0 && was_open) {
        a->state = ALERT_RESOLVED;
    } else if (strcmp(verb, "close") == 0 && a->state != ALERT_CLOSED && (note || !p2)) {
        a->state = ALERT_CLOSED;
    }
    if (was_open && !model_open(a)) {
        a->by_hand = true;
        a->ended_ns = op->received_ns;
    }
    assert_int_equal(kit->out.items[0].kind, a->state == before ? DECIDE_REFUSED : DECIDE_ALERT);
}

static void compare_model(const struct model *m, const struct kit *kit, uint64_t told)
{
    size_t there = 0;
    struct err err;
    assert_int_equal(m->told, told);
    for (size_t i = 0; i < m->count; i++) {
        const struct model_alert *a = &m->items[i];
        if (a->gone)
            continue;
        const struct alert *alert = book_find(kit->book, sv_of(a->id), &err);
        assert_non_null(alert);
        assert_int_equal(alert->state, a->state);
        assert_int_equal(alert->count, a->count);
        assert_int_equal(alert->first_ns, a->first_ns);
        there++;
    }
    assert_int_equal(there, book_count(kit->book));
}

static void test_D_05_D_06_as_the_model(void **state)
{
    (void)state;
    struct alert_options roomy = options;
    struct model *m = malloc(sizeof *m);
    roomy.max_open = 0;
    make_world();
    for (uint64_t seed = 100; seed < 100 + SEEDS; seed++) {
        struct kit kit;
        uint64_t told = 0;
        int64_t now_ns = KIT_T0;
        roll_state = seed;
        memset(m, 0, sizeof *m);
        kit_init(&kit, &roomy);
        for (int i = 0; i < STEPS; i++) {
            now_ns += (int64_t)roll(2 * (uint64_t)KIT_MINUTE);
            struct op op = random_op(now_ns);
            if (op.kind == OP_COMMAND && book_count(kit.book) == 0)
                op.kind = OP_TICK;
            run_op(&kit, &op);
            told += kit_intents(&kit);
            if (op.kind == OP_FINDING)
                model_finding(m, &op, &kit);
            else if (op.kind == OP_TICK)
                model_tick(m, now_ns);
            else
                model_command(m, &op, &kit);
            compare_model(m, &kit, told);
        }
        assert_true(told > 100);
        kit_free(&kit);
    }
    free(m);
}

/* --- damage */

static void fill(struct kit *kit)
{
    make_world();
    kit_init(kit, &options);
    roll_state = 7;
    int64_t now_ns = KIT_T0;
    for (int i = 0; i < 200; i++) {
        struct op op = random_op(now_ns += TC_SECOND_NS);
        run_op(kit, &op);
    }
}

static void test_damaged_bytes_are_refused(void **state)
{
    (void)state;
    struct kit kit;
    struct buf saved, again;
    struct err err;
    fill(&kit);
    buf_init(&saved, 1 << 20);
    buf_init(&again, 1 << 20);
    book_save(kit.book, &saved);
    for (size_t n = 0; n < saved.n; n++)
        assert_int_not_equal(book_load(kit.book, sv_head(buf_view(&saved), n), &err), 0);
    for (size_t i = 0; i < saved.n; i++) {
        saved.p[i] ^= 0x10;
        assert_int_not_equal(book_load(kit.book, buf_view(&saved), &err), 0);
        saved.p[i] ^= 0x10;
    }
    book_save(kit.book, &again);
    assert_int_equal(again.n, saved.n);
    assert_memory_equal(again.p, saved.p, saved.n); /* untouched by all that */
    buf_free(&saved);
    buf_free(&again);
    kit_free(&kit);
}

/* The same with a checksum that fits: what the reader believes must make sense, and nothing may crash. */
static void test_forged_bytes_do_no_harm(void **state)
{
    (void)state;
    struct kit kit;
    struct buf saved, again;
    fill(&kit);
    buf_init(&saved, 1 << 20);
    buf_init(&again, 4 << 20);
    book_save(kit.book, &saved);
    size_t refused = 0;
    for (size_t i = 8; i + 8 < saved.n; i++) {
        struct err err;
        struct book *book = book_new(&options);
        saved.p[i] ^= (char)(1u << (i % 8));
        store_u64(saved.p + saved.n - 8, hash_64(sv_make(saved.p, saved.n - 8)));
        if (book_load(book, buf_view(&saved), &err) != 0) {
            refused++;
        } else {
            struct arena arena = {0};
            struct decision_list list = {.arena = &arena};
            buf_clear(&again);
            book_save(book, &again);
            book_tick(book, 1, (struct receive_time){INT64_MAX}, &list);
            arena_free(&arena);
        }
        book_free(&book);
        saved.p[i] ^= (char)(1u << (i % 8));
    }
    assert_true(refused > 0);
    buf_free(&saved);
    buf_free(&again);
    kit_free(&kit);
}

static void test_other_version_is_refused_by_name(void **state)
{
    (void)state;
    struct kit kit;
    struct buf saved;
    struct err err;
    fill(&kit);
    buf_init(&saved, 1 << 20);
    book_save(kit.book, &saved);
    store_u32(saved.p + 4, 4);
    assert_int_equal(book_load(kit.book, buf_view(&saved), &err), TC_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "version 4"));
    buf_free(&saved);
    kit_free(&kit);
}

static void test_version_1_is_read_too(void **state)
{
    (void)state;
    struct alert_options o = {.ladders = {[SEVERITY_P1] = {.after_ns = {15 * KIT_MINUTE}, .count = 1}}};
    struct kit kit;
    struct buf saved, old;
    struct err err;
    kit_init(&kit, &o);
    struct rule_info rule = kit_rule("r-1", "T", SEVERITY_P1);
    kit_give(&kit, kit_finding(&rule, NULL, KIT_T0));
    buf_init(&saved, 1 << 20);
    buf_init(&old, 1 << 20);
    book_save(kit.book, &saved);
    kit_as_version_1(buf_view(&saved), &old);
    assert_int_equal(book_load(kit.book, buf_view(&old), &err), 0);
    assert_int_equal(book_count(kit.book), 1);
    assert_int_equal(book_at(kit.book, 0)->escalation_next_ns, KIT_T0 + 15 * KIT_MINUTE);
    kit_tick(&kit, KIT_T0 + 15 * KIT_MINUTE);
    assert_int_equal(kit_intent(&kit)->reason, NOTIFY_ESCALATED);
    buf_free(&saved);
    buf_free(&old);
    kit_free(&kit);
}

static void test_saves_behind_other_bytes(void **state)
{
    (void)state;
    struct kit kit;
    struct buf saved;
    struct err err;
    fill(&kit);
    buf_init(&saved, 1 << 20);
    buf_str(&saved, "before");
    book_save(kit.book, &saved);
    assert_int_equal(book_load(kit.book, sv_from(buf_view(&saved), 6), &err), 0);
    struct buf small;
    buf_init(&small, 100);
    book_save(kit.book, &small);
    assert_true(small.overflow);
    buf_free(&small);
    buf_free(&saved);
    kit_free(&kit);
}

static void count_alert(void *context, const struct alert *alert)
{
    (void)alert;
    ++*(size_t *)context;
}

static void test_after_a_load_everything_has_changed(void **state)
{
    (void)state;
    struct kit kit;
    size_t seen = 0;
    fill(&kit);
    book_each_changed(kit.book, false, count_alert, &seen);
    save_and_load(&kit);
    seen = 0;
    book_each_changed(kit.book, false, count_alert, &seen);
    assert_int_equal(seen, book_count(kit.book));
    kit_free(&kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_D_08_saved_anywhere_decides_the_same),
        cmocka_unit_test(test_D_05_D_06_as_the_model),
        cmocka_unit_test(test_damaged_bytes_are_refused),
        cmocka_unit_test(test_forged_bytes_do_no_harm),
        cmocka_unit_test(test_other_version_is_refused_by_name),
        cmocka_unit_test(test_version_1_is_read_too),
        cmocka_unit_test(test_saves_behind_other_bytes),
        cmocka_unit_test(test_after_a_load_everything_has_changed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
