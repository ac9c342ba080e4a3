/*
 * Hostile saved bytes and random histories.
 *
 * The first byte chooses. Even: the rest is loaded as a saved book, once as it stands and once with a header
 * and checksum that fit, so that the fuzzer gets past them; a book that loads must save, tick and take
 * commands. Odd: the rest is a program of findings, commands and ticks, and the book must survive a save and
 * a load with the same bytes.
 */
#include "alert/alert_priv.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct alert_options options = {
    .dedup_ns = 1000,
    .resolve_after_ns = 500,
    .forget_after_ns = 700,
    .acknowledge_within_ns = 100,
    .answer_within_ns = 90,
    .flap_count = 3,
    .notify_count = 2,
    .notify_within_ns = 400,
    .flap_within_ns = 2000,
    .flap_stable_ns = 300,
    .ladders = {[SEVERITY_P1] = {.after_ns = {50, 120}, .count = 2, .repeats = 2, .repeat_every_ns = 200},
                [SEVERITY_P2] = {.after_ns = {60}, .count = 1}},
    .max_open = 8};

struct tape {
    const uint8_t *p, *end;
};

static uint8_t next(struct tape *tape)
{
    return tape->p < tape->end ? *tape->p++ : 0;
}

static struct sv next_text(struct tape *tape)
{
    size_t n = next(tape), left = (size_t)(tape->end - tape->p);
    n = TC_MIN(n, left);
    struct sv text = sv_make((const char *)tape->p, n);
    tape->p += n;
    return text;
}

static void assert_saves_and_loads(const struct book *book)
{
    struct buf a, b;
    struct err err;
    buf_init(&a, 64 << 20);
    buf_init(&b, 64 << 20);
    book_save(book, &a);
    struct book *again = book_new(&options);
    tc_assert(book_load(again, buf_view(&a), &err) == 0);
    book_save(again, &b);
    tc_assert(sv_eq(buf_view(&a), buf_view(&b)));
    book_free(&again);
    buf_free(&a);
    buf_free(&b);
}

static void use(struct book *book, struct decision_list *out)
{
    struct buf json;
    buf_init(&json, 16 << 20);
    for (size_t i = 0; i < book_count(book); i++)
        alert_to_json(book_at(book, i), &json);
    if (book_count(book) > 0) {
        struct alert_command close = {.verb = SV("close"),
                                      .alert_id = sv_of(book_at(book, 0)->id),
                                      .disposition = SV("benign"),
                                      .note = SV("x")};
        book_command(book, 1, (struct receive_time){1}, &close, out);
    }
    book_tick(book, 2, (struct receive_time){INT64_MAX}, out);
    assert_saves_and_loads(book);
    buf_free(&json);
}

static void load_hostile(const uint8_t *data, size_t size)
{
    struct arena arena = {0};
    struct decision_list out = {.arena = &arena};
    struct book *book = book_new(&options);
    struct err err;
    if (book_load(book, sv_make((const char *)data, size), &err) == 0)
        use(book, &out);
    if (size >= 8) {
        struct buf framed, empty;
        buf_init(&empty, 1 << 10);
        buf_init(&framed, size + 64);
        struct book *none = book_new(&options);
        book_save(none, &empty); /* its first 8 bytes are magic and version */
        buf_add(&framed, empty.p, 8);
        buf_add(&framed, data + 8, size - 8);
        buf_u64(&framed, hash_64(buf_view(&framed)));
        if (book_load(book, buf_view(&framed), &err) == 0)
            use(book, &out);
        book_free(&none);
        buf_free(&framed);
        buf_free(&empty);
    }
    book_free(&book);
    arena_free(&arena);
}

static void silence(struct tape *tape, struct book *book, uint64_t position, struct receive_time now,
                    struct decision_list *out)
{
    static const char *const matchers[] = {"severity=~\".+\"", "alertname=\"a\"", "x!=\"\"", ""};
    static const char *const hours[] = {"", "mon-sun 00:00-24:00 Europe/Berlin", "sat 22:00-06:00", "?"};
    uint8_t what = next(tape);
    struct buf json;
    struct err err;
    buf_init(&json, 1 << 20);
    struct alert_command command = {.verb = what & 1 ? SV("silence") : SV("unsilence"),
                                    .alert_id = what & 2 ? SV("1") : SV("2"),
                                    .what = sv_of(matchers[what >> 2 & 3]),
                                    .every = sv_of(hours[what >> 4 & 3]),
                                    .disposition = what & 64 ? SV("until_resolved") : SV(""),
                                    .until = what & 128 ? SV("100ms") : SV("1h"),
                                    .note = SV("n")};
    silence_command(book, position, now, &command, &json, out, &err);
    buf_free(&json);
}

static void step(struct tape *tape, struct book *book, uint64_t position, int64_t *now_ns,
                 struct decision_list *out)
{
    uint8_t what = next(tape);
    *now_ns += next(tape);
    struct receive_time now = {*now_ns};
    struct rule_info rule = {.severity = (enum severity)(what >> 2 & 3) + 1};
    if ((what & 3) == 0) {
        book_tick(book, position, now, out);
    } else if ((what & 3) == 1) {
        static const char *const verbs[] = {"ack",    "resolve", "close",   "x",       "snooze", "wake",
                                            "assign", "note",    "confirm", "answer",  "assess", "respond",
                                            "task",   "done",    "ack",     "document"};
        struct alert_command command = {.verb = sv_of(verbs[what >> 2 & 15])};
        size_t count = book_count(book);
        command.alert_id = count > 0 ? sv_of(book_at(book, next(tape) % count)->id) : next_text(tape);
        command.by = next_text(tape);
        command.note = next_text(tape);
        command.disposition = what & 64 ? SV("benign") : next_text(tape);
        if ((what >> 2 & 15) > 3) {
            static const char *const times[] = {"1s", "10ms", "1h", "", "9999999d", "1970-01-01T00:00:01Z"};
            command.until = sv_of(times[next(tape) % TC_ARRAY_LEN(times)]);
            command.to = what & 64 ? SV("1") : next_text(tape);
            command.what = what & 128 ? SV("yes") : next_text(tape);
            command.impact = command.urgency = SV("low");
        }
        book_command(book, position, now, &command, out);
        if ((what >> 2 & 15) == 3)
            silence(tape, book, position, now, out);
    } else {
        rule.id = next_text(tape);
        rule.title = next_text(tape);
        struct finding_field group = {next_text(tape), next_text(tape), FIELD_STRING};
        struct finding finding = {.kind = what & 16 ? FINDING_CORRELATION : FINDING_DETECTION,
                                  .repeat = what & 32,
                                  .rule = &rule,
                                  .position = position,
                                  .time = {what & 64 ? TC_NO_TIME : *now_ns - next(tape)},
                                  .received = now,
                                  .weight = next(tape),
                                  .count = 1,
                                  .group = &group,
                                  .group_count = 1,
                                  .fields = &group,
                                  .field_count = 1};
        book_finding(book, &finding, out);
    }
}

static void run_program(const uint8_t *data, size_t size)
{
    struct tape tape = {data, data + size};
    struct arena arena = {0};
    struct book *book = book_new(&options);
    struct buf json;
    int64_t now_ns = 1000;
    buf_init(&json, 16 << 20);
    for (uint64_t position = 1; tape.p < tape.end && position < 2000; position++) {
        struct decision_list out = {.arena = &arena};
        step(&tape, book, position, &now_ns, &out);
        buf_clear(&json);
        for (size_t i = 0; i < out.count; i++)
            if (out.items[i].alert != NULL)
                alert_to_json(out.items[i].alert, &json);
        arena_reset(&arena);
    }
    for (size_t i = 0; i < book_count(book); i++) { /* what we wrote, we read */
        struct alert back;
        struct err err;
        buf_clear(&json);
        alert_to_json(book_at(book, i), &json);
        tc_assert(alert_from_json(buf_view(&json), &arena, &back, &err) == 0);
        tc_assert(back.count == book_at(book, i)->count && sv_eq(back.message, book_at(book, i)->message));
    }
    assert_saves_and_loads(book);
    buf_free(&json);
    book_free(&book);
    arena_free(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] % 2 == 0)
        load_hostile(data + 1, size - 1);
    else
        run_program(data + 1, size - 1);
    return 0;
}
