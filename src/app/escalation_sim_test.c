/*
 * Escalation through the whole core on a simulated disk and clock: the exact edges of the steps (D-10 to
 * D-12), who is told across a hand-over and by an override (D-18), and the power cut at every file call: each
 * step is told, each to the same people, and none of them under two keys.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "app/core_priv.h"
#include "base/log.h"
#include "base/sim_fs.h"
#include "event/json.h"
#include "event/parse.h"

#include <stdio.h>
#include <stdlib.h>

enum { TOLD_MAX = 256 };
#define START_NS (INT64_C(1795255200) * TC_SECOND_NS) /* Saturday, 2026-11-21T10:00Z */
#define MINUTE   (60 * TC_SECOND_NS)

static const char rule_text[] =
    "title: broken in\nid: 00000000-0000-0000-0000-000000000001\nlogsource: {}\n"
    "detection:\n  s:\n    event_type: break_in\n  condition: s\nlevel: critical\n"
    "tocsin:\n  owner: executives\n  runbook: call them\n";

static const char team[] =
    "people:\n"
    "  anna: {contacts: [{channel: sms, address: '+491'}]}\n"
    "  ben: {contacts: [{channel: sms, address: '+492'}]}\n"
    "  carla: {contacts: [{channel: voice, address: '+493'}, {channel: sms, address: '+493'}, {channel: "
    "mail, address: "
    "c@example.com}]}\n"
    "schedules:\n"
    "  security: {timezone: UTC, layers: [{people: [anna, ben], start: 2026-11-20T10:10, every: 1d}]}\n"
    "roles:\n"
    "  executives: [{person: carla}]\n"
    "  security_team: [{channel: mail}]\n"
    "  security_oncall: [{schedule: security}]\n"
    "  full_team: [{channel: room}]\n";

struct world {
    struct sim_fs *disk;
    struct sim_clk clk;
    struct sim_rng rng;
    struct core *core;
    bool long_lived; /* alerts resolve after three days without an occurrence */
    char oncall[2048];
    char told[TOLD_MAX][160]; /* what is sent: key without the alert's id, and address; each time it is */
    size_t told_count;
};

static size_t route(void *context, const struct alert *alert, enum severity severity,
                    enum notify_reason reason, const struct sv **ret)
{
    static const struct sv names[] = {{"room", 4}};
    (void)context, (void)alert, (void)severity, (void)reason;
    *ret = names;
    return 1;
}

static int core_begin(struct world *w)
{
    static const struct oncall_channel channels[] = {{{"room", 4}, {"slack", 5}},
                                                     {{"sms", 3}, {"sms", 3}},
                                                     {{"voice", 5}, {"voice", 5}},
                                                     {{"mail", 4}, {"email", 5}}};
    static const struct rule_source rules[] = {
        {.path = {"rules.yml", 9}, .bytes = {rule_text, sizeof rule_text - 1}}};
    struct err err;
    struct core_options o = {.fs = sim_fs_seam(w->disk),
                             .clk = &w->clk.clk,
                             .rng = &w->rng.rng,
                             .dir = "data",
                             .store_path = ":memory:",
                             .rules = rules,
                             .rule_count = 1,
                             .lateness_ns = 3600 * TC_SECOND_NS,
                             .dedup_window_ns = 3600 * TC_SECOND_NS,
                             .oncall = {.path = SV("oncall.yml"), .bytes = sv_of(w->oncall)},
                             .channels = channels,
                             .channel_count = TC_ARRAY_LEN(channels),
                             .threads = 1,
                             .inline_commit = true,
                             .segment_bytes = 4096,
                             .checkpoint_every_ns = 600 * TC_SECOND_NS,
                             .resolve_after_ns = w->long_lived ? 72 * 60 * MINUTE : 0,
                             .response = {.acknowledge_within_ns = 5 * MINUTE,
                                          .overdue_after_ns = {[SEVERITY_P1] = 24 * 60 * MINUTE}},
                             .context = w,
                             .route = route};
    return core_open(&o, &w->core, &err);
}

static void world_begin(struct world *w, const char *escalate)
{
    *w = (struct world){0};
    w->disk = sim_fs_new(0);
    sim_clk_init(&w->clk, START_NS);
    sim_rng_init(&w->rng, 1);
    snprintf(w->oncall, sizeof w->oncall, "%s%s", team, escalate);
}

static void world_end(struct world *w)
{
    core_abandon(&w->core);
    sim_fs_free(&w->disk);
}

static int break_in(struct world *w)
{
    const struct sv text = SV("{\"event_type\":\"break_in\",\"source.ip\":\"10.0.0.1\"}");
    struct arena arena = {0};
    struct buf blocks;
    struct parse_state state;
    struct event event;
    struct err err;
    buf_init(&blocks, 1 << 16);
    parse_state_init(&state, 0, 0, 0);
    parse_record(parser_find(SV("json")), &state, text, &arena, &event);
    event.source = SV("http:test");
    event.received.ns = w->clk.now_ns;
    record_encode(&event, &blocks);
    struct journal_batch batch = {.kind = BATCH_INPUT,
                                  .received = {w->clk.now_ns},
                                  .has_key = true, /* what is sent again after a cut is the same batch */
                                  .blocks = buf_view(&blocks),
                                  .count = 1};
    int rc = journal_append_wait(core_journal(w->core), &batch, &(uint64_t){0}, &err);
    arena_free(&arena);
    buf_free(&blocks);
    return rc == TC_EEXIST ? 0 : rc;
}

/* A world, running, that the journal has just told of a break-in. */
static void begin_broken_into(struct world *w, const char *escalate)
{
    world_begin(w, escalate);
    assert_int_equal(core_begin(w), 0);
    assert_int_equal(break_in(w), 0);
}

struct sending {
    struct world *world;
    char keys[16][160];
    size_t count;
};

static int take_row(void *context, const struct outbox_row *row)
{
    struct sending *s = context;
    struct world *w = s->world;
    struct arena arena = {0};
    struct event json = {.time = {TC_NO_TIME}};
    assert_int_equal(json_parse_event(row->payload, &arena, &json, NULL), 0);
    event_index(&json, &arena);
    assert_true(w->told_count < TOLD_MAX && s->count < 16);
    snprintf(s->keys[s->count++], sizeof s->keys[0], "%.*s", SV_FMT(row->key));
    snprintf(w->told[w->told_count++], sizeof w->told[0], "%.*s=%.*s", SV_FMT(sv_from(row->key, 33)),
             SV_FMT(event_value(&json, "to.address")));
    arena_free(&arena);
    return 0;
}

/* The core's turn, the courier's, and the core's again for the receipts. */
static int step(struct world *w)
{
    struct sending s = {.world = w};
    struct err err;
    int rc = core_step(w->core, &err);
    if (rc == 0)
        rc = store_outbox_due(w->core->store, w->clk.now_ns, 16, take_row, &s, NULL, &err);
    for (size_t i = 0; rc == 0 && i < s.count; i++)
        rc = core_receipt(w->core, &(struct receipt){.key = sv_of(s.keys[i]), .status = SV("sent")});
    return rc == 0 ? core_step(w->core, &err) : rc;
}

static int until(struct world *w, int64_t ns)
{
    w->clk.now_ns = ns;
    int rc = step(w);
    return rc == 0 ? step(w) : rc; /* a channel hears of one alert in order, one row at a time */
}

static void restart(struct world *w)
{
    core_abandon(&w->core);
    sim_fs_crash(w->disk, 1, SIM_FS_KEEP);
    assert_int_equal(core_begin(w), 0);
}

/* What was told since `from`, in one text. */
static const char *told(const struct world *w, size_t from)
{
    static char text[2048];
    size_t n = 0;
    text[0] = '\0';
    for (size_t i = from; i < w->told_count; i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s ", w->told[i]);
    return text;
}

static void test_D_10_fourteen_fifty_nine_and_fifteen_oh_one(void **state)
{
    struct world w;
    (void)state;
    begin_broken_into(&w, "");
    assert_int_equal(until(&w, START_NS), 0);
    assert_string_equal(told(&w, 0), "new:room= ");
    assert_int_equal(until(&w, START_NS + 14 * MINUTE + 59 * TC_SECOND_NS), 0);
    restart(&w);
    assert_int_equal(until(&w, START_NS + 14 * MINUTE + 59 * TC_SECOND_NS), 0);
    assert_int_equal(w.told_count, 1);
    assert_int_equal(until(&w, START_NS + 15 * MINUTE + TC_SECOND_NS), 0);
    assert_string_equal(told(&w, 1), "escalated-1:sms/carla=+493 escalated-1:voice/carla=+493 ");
    restart(&w);
    assert_int_equal(until(&w, START_NS + 10 * 60 * MINUTE), 0);
    assert_int_equal(w.told_count, 3);
    world_end(&w);
}

/* The owner of the rule is a role of the file: its people hear, beside the room. */
static void test_D_20_the_owner_is_reminded(void **state)
{
    struct world w;
    (void)state;
    world_begin(&w, "escalate: {P1: none}\n");
    w.long_lived = true;
    assert_int_equal(core_begin(&w), 0);
    assert_int_equal(break_in(&w), 0);
    assert_int_equal(until(&w, START_NS), 0);
    assert_int_equal(until(&w, START_NS + 24 * 60 * MINUTE - MINUTE), 0);
    assert_string_equal(told(&w, 0), "new:room= ");
    restart(&w);
    assert_int_equal(until(&w, START_NS + 24 * 60 * MINUTE + MINUTE), 0);
    assert_string_equal(told(&w, 1),
                        "overdue-1:mail/carla=c@example.com overdue-1:room= overdue-1:sms/carla=+493 "
                        "overdue-1:voice/carla=+493 ");
    restart(&w);
    assert_int_equal(until(&w, START_NS + 40 * 60 * MINUTE), 0);
    assert_int_equal(w.told_count, 5);
    world_end(&w);
}

static void test_D_10_the_words(void **state)
{
    struct world w;
    struct err err;
    struct buf json;
    (void)state;
    begin_broken_into(&w, "");
    assert_int_equal(until(&w, START_NS + 15 * MINUTE), 0);
    buf_init(&json, 1 << 20);
    struct journal_reader *reader;
    struct journal_frame frame;
    bool found = false;
    assert_int_equal(journal_reader_open(sim_fs_seam(w.disk), "data", 0, NULL, &reader, &err), 0);
    while (journal_reader_next(reader, &frame, &err) > 0)
        for (struct sv rest = frame.blocks; rest.n > 0; rest = sv_from(rest, record_length(rest))) {
            struct event e;
            assert_int_equal(record_decode_envelope(sv_head(rest, record_length(rest)), &e, &err), 0);
            found = found ||
                    sv_find(e.raw, SV("\"prefix\":\"P1 alert not acknowledged after 15 min: \"")) < e.raw.n;
            if (e.type == REC_INTENT) /* telephone numbers stay out of the journal */
                assert_int_equal(sv_find(e.raw, SV("+493")), e.raw.n);
        }
    assert_true(found);
    journal_reader_close(&reader);
    buf_free(&json);
    world_end(&w);
}

static void test_D_11_the_matrix(void **state)
{
    struct world w;
    (void)state;
    begin_broken_into(&w, "escalate: {P1: doc3}\n");
    static const struct {
        int64_t at_ns;
        const char *told;
    } steps[] = {
        {TC_SECOND_NS, "new:room= escalated-1:mail= "},
        {5 * MINUTE - TC_SECOND_NS, ""},
        {5 * MINUTE, "escalated-2:sms/anna=+491 "},
        {15 * MINUTE - TC_SECOND_NS, ""},
        {15 * MINUTE, "escalated-3:room= "},
        {60 * MINUTE - TC_SECOND_NS, ""},
        {60 * MINUTE,
         "escalated-4:sms/carla=+493 escalated-4:voice/carla=+493 escalated-4:mail/carla=c@example.com "},
        {600 * MINUTE, ""}};
    for (size_t i = 0; i < TC_ARRAY_LEN(steps); i++) {
        size_t before = w.told_count;
        assert_int_equal(until(&w, START_NS + steps[i].at_ns), 0);
        if (strlen(told(&w, before)) != strlen(steps[i].told))
            fail_msg("step %zu: %s", i, told(&w, before));
    }
    world_end(&w);
}

static int command(struct world *w, const struct alert_command *command)
{
    struct err err;
    struct buf json;
    buf_init(&json, 1 << 16);
    int rc = core_command(w->core, command, &json, &err);
    buf_free(&json);
    return rc;
}

static void test_D_18_the_one_who_is_on_call_then(void **state)
{
    struct world w;
    (void)state;
    for (int variant = 0; variant < 3; variant++) {
        world_begin(&w, "escalate: {P1: doc3}\n");
        assert_int_equal(core_begin(&w), 0);
        w.clk.now_ns = START_NS + (variant == 1 ? 6 : 0) * MINUTE; /* the hand-over is at 10:10 */
        if (variant == 2)
            assert_int_equal(command(&w, &(struct alert_command){.verb = SV("override"),
                                                                 .alert_id = SV("security"),
                                                                 .to = SV("carla"),
                                                                 .until = SV("1h"),
                                                                 .by = SV("anna")}),
                             0);
        assert_int_equal(break_in(&w), 0);
        assert_int_equal(until(&w, w.clk.now_ns), 0);
        if (variant == 2) /* an override outlives a restart */
            restart(&w);
        size_t before = w.told_count;
        assert_int_equal(until(&w, START_NS + (variant == 1 ? 11 : 5) * MINUTE), 0);
        static const char *const expected[] = {"escalated-2:sms/anna=+491 ", "escalated-2:sms/ben=+492 ",
                                               "escalated-2:sms/carla=+493 "};
        assert_non_null(strstr(told(&w, before), expected[variant]));
        world_end(&w);
    }
}

/* Each denial begins the ladder anew: its steps are told again, however often that comes, and whoever the
 * ladder before had paged hears of the end. */
static void test_D_16_a_ladder_that_begins_anew_pages_again(void **state)
{
    struct world w;
    char id[33], number[16];
    (void)state;
    begin_broken_into(&w, "");
    assert_int_equal(until(&w, START_NS), 0);
    memcpy(id, book_at(w.core->book, 0)->id, sizeof id);
    for (int round = 1; round <= 6; round++) {
        int64_t from_ns = START_NS + round * 20 * MINUTE;
        size_t before = w.told_count;
        assert_int_equal(until(&w, from_ns - 4 * MINUTE), 0);
        assert_non_null(strstr(told(&w, before), "sms/carla=+493"));
        assert_non_null(strstr(told(&w, before), "voice/carla=+493"));
        assert_int_equal(command(&w, &(struct alert_command){.verb = SV("confirm"),
                                                             .alert_id = sv_of(id),
                                                             .to = SV("u@example.org"),
                                                             .by = SV("anna")}),
                         0);
        snprintf(number, sizeof number, "%d", round);
        before = w.told_count;
        w.clk.now_ns = from_ns;
        assert_int_equal(command(&w, &(struct alert_command){.verb = SV("answer"),
                                                             .alert_id = sv_of(id),
                                                             .what = SV("no"),
                                                             .to = sv_of(number),
                                                             .by = SV("u@example.org")}),
                         0);
        assert_int_equal(until(&w, from_ns), 0);
        assert_non_null(strstr(told(&w, before), ":room= "));
        if (round == 3)
            restart(&w);
    }
    size_t before = w.told_count;
    assert_int_equal(command(&w, &(struct alert_command){.verb = SV("resolve"), .alert_id = sv_of(id)}), 0);
    assert_int_equal(until(&w, w.clk.now_ns + MINUTE), 0);
    assert_string_equal(told(&w, before),
                        "resolved:room= resolved:sms/carla=+493 resolved:voice/carla=+493 ");
    world_end(&w);
}

static void test_D_09_who_was_paged_hears_of_the_acknowledgement_and_the_end(void **state)
{
    struct world w;
    char id[33];
    (void)state;
    begin_broken_into(&w, "");
    assert_int_equal(until(&w, START_NS), 0);
    assert_int_equal(until(&w, START_NS + 16 * MINUTE), 0);
    size_t before = w.told_count;
    memcpy(id, book_at(w.core->book, 0)->id, sizeof id);
    struct alert_command ack = {.verb = SV("ack"), .alert_id = sv_of(id), .by = SV("anna")};
    assert_int_equal(command(&w, &ack), 0);
    assert_int_equal(until(&w, START_NS + 17 * MINUTE), 0);
    assert_string_equal(told(&w, before),
                        "acknowledged:room= acknowledged:sms/carla=+493 acknowledged:voice/carla=+493 ");
    restart(&w);
    before = w.told_count;
    ack.verb = SV("resolve");
    assert_int_equal(command(&w, &ack), 0);
    assert_int_equal(until(&w, START_NS + 18 * MINUTE), 0);
    assert_string_equal(told(&w, before),
                        "resolved:room= resolved:sms/carla=+493 resolved:voice/carla=+493 ");
    world_end(&w);
}

static void test_D_09_acknowledging_stops_it(void **state)
{
    struct world w;
    (void)state;
    begin_broken_into(&w, "");
    assert_int_equal(until(&w, START_NS + MINUTE), 0);
    struct alert_command ack = {
        .verb = SV("ack"), .alert_id = sv_of(book_at(w.core->book, 0)->id), .by = SV("anna")};
    assert_int_equal(command(&w, &ack), 0);
    assert_int_equal(until(&w, START_NS + 600 * MINUTE), 0);
    assert_null(strstr(told(&w, 0), "escalated"));
    world_end(&w);
}

static void test_D_10_an_auditor_alarms_of_steps_that_are_overdue(void **state)
{
    struct world w;
    (void)state;
    begin_broken_into(&w, "");
    assert_int_equal(until(&w, START_NS), 0);
    assert_int_equal(until(&w, START_NS + 15 * MINUTE + 30 * TC_SECOND_NS), 0);
    assert_int_equal(book_count(w.core->book), 1); /* half a minute is no standstill */
    world_end(&w);
    begin_broken_into(&w, "");
    assert_int_equal(until(&w, START_NS), 0);
    core_abandon(&w.core); /* and nothing runs for forty minutes */
    sim_fs_crash(w.disk, 1, SIM_FS_KEEP);
    w.clk.now_ns = START_NS + 40 * MINUTE;
    assert_int_equal(core_begin(&w), 0);
    assert_int_equal(until(&w, START_NS + 40 * MINUTE), 0);
    assert_int_equal(until(&w, START_NS + 41 * MINUTE), 0);
    assert_int_equal(book_count(w.core->book), 2);
    assert_true(sv_is(book_at(w.core->book, 1)->title, "ESCALATION_OVERDUE"));
    assert_non_null(strstr(told(&w, 0), "escalated-1:sms/carla=+493"));
    world_end(&w);
}

/* A life of 61 minutes in steps; restarts where the power is cut and goes on from the clock's time. */
static int live(struct world *w, int *minute)
{
    int rc = core_begin(w);
    if (rc == 0)
        rc = break_in(w);
    for (; rc == 0 && *minute <= 61; ++*minute)
        rc = until(w, START_NS + *minute * MINUTE);
    *minute -= rc != 0 && *minute > 0;
    return rc;
}

static bool was_told(const struct world *w, const char *what)
{
    for (size_t i = 0; i < w->told_count; i++)
        if (strcmp(w->told[i], what) == 0)
            return true;
    return false;
}

static void test_D_08_cut_at_every_call(void **state)
{
    struct world calm, w;
    (void)state;
    world_begin(&calm, "escalate: {P1: doc3}\n");
    int minute = 0;
    assert_int_equal(live(&calm, &minute), 0);
    uint64_t calls = sim_fs_calls(calm.disk);
    assert_true(calm.told_count >= 7);
    for (uint64_t cut = 1; cut < calls; cut += 7) {
        world_begin(&w, "escalate: {P1: doc3}\n");
        minute = 0;
        sim_fs_cut_at(w.disk, cut);
        while (live(&w, &minute) != 0) {
            core_abandon(&w.core);
            sim_fs_crash(w.disk, cut, cut % 2 ? SIM_FS_DROP : SIM_FS_KEEP);
        }
        for (size_t i = 0; i < calm.told_count; i++)
            if (!was_told(&w, calm.told[i]))
                fail_msg("cut at %llu: %s was not told", (unsigned long long)cut, calm.told[i]);
        for (size_t i = 0; i < w.told_count; i++)
            if (!was_told(&calm, w.told[i]))
                fail_msg("cut at %llu: %s was told", (unsigned long long)cut, w.told[i]);
        world_end(&w);
    }
    world_end(&calm);
}

static void no_log(void *context, enum log_level level, const char *room, const char *text)
{
    (void)context, (void)level, (void)room, (void)text;
}

int main(void)
{
    log_set_sink(no_log, NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_D_10_fourteen_fifty_nine_and_fifteen_oh_one),
        cmocka_unit_test(test_D_10_the_words),
        cmocka_unit_test(test_D_20_the_owner_is_reminded),
        cmocka_unit_test(test_D_11_the_matrix),
        cmocka_unit_test(test_D_18_the_one_who_is_on_call_then),
        cmocka_unit_test(test_D_09_acknowledging_stops_it),
        cmocka_unit_test(test_D_16_a_ladder_that_begins_anew_pages_again),
        cmocka_unit_test(test_D_09_who_was_paged_hears_of_the_acknowledgement_and_the_end),
        cmocka_unit_test(test_D_10_an_auditor_alarms_of_steps_that_are_overdue),
        cmocka_unit_test(test_D_08_cut_at_every_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
