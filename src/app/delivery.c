/*
 * Holding delivery back; see delivery.h.
 */
#include "app/delivery.h"

#include "base/json_out.h"

#include <stdio.h>

int delivery_record(struct journal *journal, const struct clk *clk, struct sv verb, struct sv by,
                    struct sv note, struct err *err)
{
    struct buf json, block;
    buf_init(&json, 64 << 10);
    buf_init(&block, 128 << 10);
    struct json_out out = json_out_to(&json);
    json_object(&out);
    json_kv_string(&out, "verb", verb);
    json_kv_string(&out, "by", by);
    json_kv_string(&out, "note", note);
    json_object_end(&out);
    struct receive_time now = clk_now(clk);
    record_encode_plain(REC_COMMAND, CLASS_AUDIT, SV("self"), now, (struct event_time){TC_NO_TIME},
                        buf_view(&json), &block);
    struct journal_batch batch = {
        .kind = BATCH_CONTROL, .received = now, .blocks = buf_view(&block), .count = 1};
    int rc = journal_append_wait(journal, &batch, &(uint64_t){0}, err);
    buf_free(&json);
    buf_free(&block);
    return rc;
}

static void keep(char *to, size_t size, struct sv text)
{
    snprintf(to, size, "%.*s", SV_FMT(sv_head(text, size - 1)));
}

bool delivery_apply(struct delivery_state *state, const struct alert_command *command, struct receive_time at)
{
    bool hold = sv_is(command->verb, "hold");
    if (sv_is(command->verb, "restored"))
        return true;
    if (!hold && !sv_is(command->verb, "release"))
        return false;
    if (state->held == hold)
        return true; /* the first to say so is remembered */
    *state = (struct delivery_state){.held = hold, .since_ns = at.ns};
    keep(state->by, sizeof state->by, command->by);
    keep(state->note, sizeof state->note, command->note);
    return true;
}

bool delivery_discards(const struct alert_command *command)
{
    return sv_is(command->verb, "release") && sv_is(command->disposition, "discard");
}

void delivery_save(const struct delivery_state *state, struct buf *out)
{
    buf_u8(out, state->held);
    buf_u64(out, (uint64_t)state->since_ns);
    buf_string(out, sv_of(state->by));
    buf_string(out, sv_of(state->note));
}

bool delivery_load(struct delivery_state *state, struct sv saved)
{
    struct reader r = reader_of(saved);
    struct delivery_state s = {.held = reader_u8(&r) != 0, .since_ns = (int64_t)reader_u64(&r)};
    struct sv by = reader_string(&r), note = reader_string(&r);
    if (r.bad || r.rest.n > 0)
        return false;
    keep(s.by, sizeof s.by, by);
    keep(s.note, sizeof s.note, note);
    *state = s;
    return true;
}
