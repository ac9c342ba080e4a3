/*
 * Reading intents; see payload.h.
 */
#include "notify/payload.h"

#include "base/num.h"
#include "base/utf8.h"
#include "event/json.h"

static struct sv first_of(struct sv a, struct sv b)
{
    return a.n > 0 ? a : b;
}

int payload_read(struct sv json, struct payload *ret, struct err *err)
{
    *ret = (struct payload){.fields = {.time = {TC_NO_TIME}}};
    int rc = json_parse_event(json, &ret->arena, &ret->fields, err);
    if (rc != 0)
        return err_while(err, "reading a notification");
    struct event *e = &ret->fields;
    event_index(e, &ret->arena);
    ret->id = event_value(e, "alert.id");
    ret->alert = event_value(e, "alert");
    if (ret->id.n == 0 || ret->alert.n == 0 || ret->alert.p[0] != '{')
        return err_set(err, TC_EINPUT, "reading a notification: it holds no alert with an id");
    ret->reason = event_value(e, "reason");
    ret->prefix = event_value(e, "prefix");
    ret->answer = event_value(e, "answer");
    ret->title = first_of(event_value(e, "alert.title"), SV("ALERT"));
    ret->message = first_of(event_value(e, "alert.message"), ret->title);
    ret->time = first_of(event_value(e, "alert.last_seen"), event_value(e, "alert.first_seen"));
    ret->severity = severity_of(event_value(e, "alert.severity"));
    if (ret->severity == SEVERITY_NONE)
        ret->severity = SEVERITY_P3;
    ret->state = event_value(e, "alert.state");
    ret->description = event_value(e, "alert.description");
    ret->owner = event_value(e, "alert.owner");
    ret->secondary_owner = event_value(e, "alert.secondary_owner");
    ret->runbook = event_value(e, "alert.runbook");
    ret->fingerprint = event_value(e, "alert.fingerprint");
    ret->first = event_value(e, "alert.first_seen");
    ret->ended = event_value(e, "alert.ended_at");
    ret->by = sv_is(ret->reason, "acknowledged") ? event_value(e, "alert.acknowledged_by")
              : payload_is_over(ret)             ? event_value(e, "alert.ended_by")
                                                 : (struct sv){0};
    if (!num_u64(event_value(e, "count"), 0, UINT64_MAX, &ret->count))
        ret->count = 1;
    return 0;
}

void payload_free(struct payload *payload)
{
    arena_free(&payload->arena);
}

void payload_occurrences(const struct payload *payload, struct buf *out)
{
    if (sv_is(payload->reason, "count_step"))
        buf_printf(out, " (%llu occurrences)", (unsigned long long)payload->count);
}

int payload_label(const struct payload *payload, uint32_t *at, struct sv *ret_name, struct sv *ret_value)
{
    const struct sv prefix = SV("alert.labels.");
    while (*at < payload->fields.field_count) {
        const struct field *field = &payload->fields.fields[(*at)++];
        if (!sv_starts(field->name, prefix) || field->type == FIELD_OBJECT || field->type == FIELD_ARRAY)
            continue;
        *ret_name = sv_from(field->name, prefix.n);
        *ret_value = field->value;
        return 1;
    }
    return 0;
}

int payload_action(const struct payload *payload, uint32_t *at, struct sv *ret)
{
    while (*at < payload->fields.field_count) {
        const struct field *field = &payload->fields.fields[(*at)++];
        if (!sv_is(field->name, "alert.actions") || field->type != FIELD_STRING)
            continue;
        *ret = field->value;
        return 1;
    }
    return 0;
}

void payload_steps(const struct payload *payload, struct buf *out)
{
    struct sv text;
    for (uint32_t at = 0, i = 1; payload_action(payload, &at, &text) == 1; i++) {
        buf_printf(out, "%s%u. ", i > 1 ? "\n" : "", i);
        buf_sv(out, text);
    }
}

bool payload_is_over(const struct payload *payload)
{
    return sv_is(payload->reason, "resolved");
}

bool payload_is_answered(const struct payload *payload)
{
    return !payload_is_over(payload) && !sv_is(payload->reason, "test") &&
           !sv_is(payload->reason, "digest") && !sv_is(payload->reason, "incident");
}

void payload_headline(const struct payload *payload, struct buf *out)
{
    static const struct {
        const char *reason, *word;
    } words[] = {{"acknowledged", "Acknowledged: "},
                 {"resolved", "Resolved: "},
                 {"severity_raised", "More severe: "},
                 {"test", "Test: "}};
    for (size_t i = 0; i < TC_ARRAY_LEN(words); i++)
        if (sv_is(payload->reason, words[i].reason))
            buf_str(out, words[i].word);
    buf_sv(out, payload->prefix);
    buf_sv(out, payload->message);
    payload_occurrences(payload, out);
}

void payload_url(const struct payload *payload, const char *console_url, struct buf *out)
{
    struct sv console = sv_of(console_url);
    while (sv_ends(console, SV("/")))
        console.n--;
    buf_sv(out, console);
    buf_str(out, "/");
    if (sv_is(payload->reason, "incident"))
        return; /* no page of an alert */
    buf_str(out, "alerts/");
    buf_sv(out, payload->id);
}

struct sv payload_cut(struct sv text, size_t max_bytes)
{
    if (text.n <= max_bytes)
        return text;
    size_t n = max_bytes;
    while (n > 0 && max_bytes - n < 4 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
        n--;
    return sv_head(text, n);
}

/* Characters that change what stands around them. */
static bool is_unruly(uint32_t rune)
{
    return rune < 0x20 || (rune >= 0x7f && rune <= 0x9f) || rune == 0x2028 || rune == 0x2029 ||
           (rune >= 0x200e && rune <= 0x200f) || (rune >= 0x202a && rune <= 0x202e) ||
           (rune >= 0x2066 && rune <= 0x2069);
}

void payload_plain(struct sv text, struct buf *out)
{
    while (text.n > 0) {
        uint32_t rune;
        size_t n = utf8_decode(text, &rune);
        if (n == 0)
            buf_str(out, "\xef\xbf\xbd");
        else if (is_unruly(rune))
            buf_char(out, rune == '\n' || rune == '\t' ? ' ' : '?');
        else
            buf_add(out, text.p, n);
        text = sv_from(text, n == 0 ? 1 : n);
    }
}
