/*
 * What the tests of this room share: rules and findings made in a line, and decisions as text.
 */
#ifndef ALERT_ALERT_TESTKIT_H
#define ALERT_ALERT_TESTKIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "alert/alert_priv.h"

#define KIT_T0     (INT64_C(1795255200) * TC_SECOND_NS) /* an hour of 2026 */
#define KIT_MINUTE (60 * TC_SECOND_NS)
#define KIT_HOUR   (60 * KIT_MINUTE)

struct kit {
    struct book *book;
    struct arena arena;
    struct decision_list out;
    uint64_t position;
};

static inline struct rule_info kit_rule(const char *id, const char *title, enum severity severity)
{
    return (struct rule_info){.id = sv_of(id), .title = sv_of(title), .severity = severity};
}

/* A finding of a correlation grouped by source.ip. */
static inline struct finding kit_finding(const struct rule_info *rule, const struct finding_field *group,
                                         int64_t time_ns)
{
    return (struct finding){.kind = FINDING_CORRELATION,
                            .rule = rule,
                            .time = {time_ns},
                            .received = {time_ns},
                            .episode_start = {time_ns},
                            .weight = 1,
                            .count = 6,
                            .group = group,
                            .group_count = group == NULL ? 0 : 1};
}

static inline struct finding_field kit_ip(const char *address)
{
    return (struct finding_field){SV("source.ip"), sv_of(address), FIELD_STRING};
}

static inline void kit_init(struct kit *kit, const struct alert_options *options)
{
    *kit = (struct kit){.book = book_new(options)};
    kit->out.arena = &kit->arena;
}

static inline void kit_free(struct kit *kit)
{
    book_free(&kit->book);
    arena_free(&kit->arena);
}

static inline void kit_clear(struct kit *kit)
{
    kit->out = (struct decision_list){.arena = &kit->arena};
    arena_reset(&kit->arena);
}

/* Each gives a fresh list of decisions in kit->out. */
static inline void kit_give(struct kit *kit, struct finding finding)
{
    kit_clear(kit);
    finding.position = ++kit->position;
    book_finding(kit->book, &finding, &kit->out);
}

static inline void kit_tick(struct kit *kit, int64_t now_ns)
{
    kit_clear(kit);
    book_tick(kit->book, ++kit->position, (struct receive_time){now_ns}, &kit->out);
}

static inline void kit_command(struct kit *kit, const char *verb, const char *id, const char *disposition,
                               const char *note, int64_t now_ns)
{
    kit_clear(kit);
    struct alert_command command = {.verb = sv_of(verb),
                                    .alert_id = sv_of(id),
                                    .by = SV("alice"),
                                    .note = sv_of(note),
                                    .disposition = sv_of(disposition)};
    book_command(kit->book, ++kit->position, (struct receive_time){now_ns}, &command, &kit->out);
}

/* Any command; who does it and to which alert is filled in. */
static inline void kit_do(struct kit *kit, const char *verb, const char *id, struct alert_command command,
                          int64_t now_ns)
{
    kit_clear(kit);
    command.verb = sv_of(verb);
    command.alert_id = sv_of(id);
    if (command.by.n == 0)
        command.by = SV("alice");
    book_command(kit->book, ++kit->position, (struct receive_time){now_ns}, &command, &kit->out);
}

/* Saves the book, and goes on with one that was loaded from the bytes. */
static inline void kit_save_and_load(struct kit *kit, const struct alert_options *options)
{
    struct buf saved;
    struct err err;
    buf_init(&saved, 64 << 20);
    book_save(kit->book, &saved);
    struct book *fresh = book_new(options);
    assert_int_equal(book_load(fresh, buf_view(&saved), &err), 0);
    book_free(&kit->book);
    kit->book = fresh;
    buf_free(&saved);
}

/* A saved book of one alert that nobody touched, as version 1 had it: without what version 2 added. */
static inline void kit_as_version_1(struct sv saved, struct buf *ret)
{
    enum {
        HEAD = 4 + 4 + 8 + 8 + 4,                                 /* to the first card's length */
        LATER = 4 + 8 + 4,                                        /* what cards have at their end */
        TOLD = 4 + 8 + ALERT_ID_DIGITS + TC_SHA256_BYTES + 4 + 3, /* from the cards' end to that one byte */
        LIFE = 3 * 8 + 3 * 4 + 1 + 4 + 1,                         /* what alerts have at their end */
        SILENCES = 8 + 4 + 4                                      /* what the book has at its end */
    };
    uint32_t card = load_u32(saved.p + HEAD);
    buf_add(ret, saved.p, HEAD);
    store_u32(ret->p + 4, 1);
    buf_u32(ret, card - LATER);
    buf_add(ret, saved.p + HEAD + 4, card - LATER);
    struct sv alert = sv_make(saved.p + HEAD + 4 + card, saved.n - HEAD - 4 - card - 8 - SILENCES - LIFE);
    buf_sv(ret, sv_head(alert, TOLD));
    buf_sv(ret, sv_from(alert, TOLD + 1));
    buf_u64(ret, hash_64(buf_view(ret)));
}

/* The only notification in kit->out; NULL: there is none. */
static inline const struct decision *kit_intent(const struct kit *kit)
{
    const struct decision *found = NULL;
    for (size_t i = 0; i < kit->out.count; i++)
        if (kit->out.items[i].kind == DECIDE_INTENT) {
            assert_null(found);
            found = &kit->out.items[i];
        }
    return found;
}

static inline size_t kit_intents(const struct kit *kit)
{
    size_t n = 0;
    for (size_t i = 0; i < kit->out.count; i++)
        n += kit->out.items[i].kind == DECIDE_INTENT;
    return n;
}

/* The only refusal in kit->out. */
static inline const struct err *kit_refused(const struct kit *kit)
{
    assert_int_equal(kit->out.count, 1);
    assert_int_equal(kit->out.items[0].kind, DECIDE_REFUSED);
    return &kit->out.items[0].refused;
}

static inline void kit_transcribe(const struct decision_list *list, struct buf *to)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct decision *d = &list->items[i];
        buf_printf(to, "%d %llu %.*s %.*s %d %s %s ", d->kind, (unsigned long long)d->position,
                   SV_FMT(d->what), SV_FMT(d->by), d->reason, d->key, d->refused.text);
        if (d->alert != NULL)
            alert_to_json(d->alert, to);
        buf_char(to, '\n');
    }
}

#endif
