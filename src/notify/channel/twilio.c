/*
 * Phones, by Twilio's API 2010-04-01 (ledger E-05, E-06, D-02, D-10): `sms` and `voice`, one form-encoded
 * request for each number of `to`, Basic login with the account's SID and its token. 201 is success; a number
 * that has opted out (error 21610) or is none (21211) is final for this number alone.
 *
 * Where Twilio can reach us (`callback_url`), an SMS says how to acknowledge by reply ("ACK 4f0c9d": the
 * first digits of the alert's id) and a call takes a digit; callback.c reads what comes back. A text is cut
 * so that this word stays, and it takes at most `segments`. The call's script goes with the request, so
 * nothing is fetched from us.
 */
#include "notify/channel.h"

#include "notify/payload.h"
#include "notify/sms_text.h"

#include <stdio.h>

enum {
    SEGMENTS = 3,
    SPOKEN_BYTES = 600,
    SPOKEN_XML_BYTES = 1200,
    SCRIPT_BYTES = 4000,
    TEXT_BYTES = 16 << 10,
    SHORT_ID_DIGITS = 6
};

static bool is_number(struct sv number)
{
    bool ok = number.n >= 8 && number.n <= 16 && number.p[0] == '+';
    for (size_t i = 1; i < number.n; i++)
        ok = ok && number.p[i] >= '0' && number.p[i] <= '9';
    return ok;
}

static const struct service service = {
    .base = "https://api.twilio.com",
    .content_type = "application/x-www-form-urlencoded",
    .login = LOGIN_ACCOUNT,
    .reading = {.id_members = {"sid"}, .error_member = "code"},
};

static int twilio_check(const struct channel_config *config, struct err *err)
{
    if (config->account.n == 0 || config->token.n == 0)
        return err_set(err, TC_EINPUT,
                       "Twilio needs account: its SID, and token: its auth token, as env:NAME or file:PATH");
    if (config->from.n == 0)
        return err_set(err, TC_EINPUT, "Twilio needs from: a number of the account, as +15005550006");
    if (config->to_count == 0)
        return err_set(err, TC_EINPUT, "Twilio needs to: the numbers, as +15005550007");
    for (size_t i = 0; i < config->to_count; i++)
        if (!is_number(config->to[i]))
            return err_set(err, TC_EINPUT,
                           "to: \"%.*s\" is not a number with its country, such as +15005550007",
                           SV_FMT(sv_head(config->to[i], 40)));
    if (config->segments > TC_SMS_SEGMENTS_MAX)
        return err_set(err, TC_EINPUT, "segments: an SMS has 1 to %d", TC_SMS_SEGMENTS_MAX);
    return service_check(&service, config, err);
}

/* One request for each number: `resource`, and what stands behind To and From. */
static void requests(const struct channel_config *config, const char *resource, const char *name,
                     struct sv value, struct buf *out)
{
    struct buf scratch;
    buf_init(&scratch, 1024);
    struct sv account = service_path_part(config->account, &scratch);
    for (size_t i = 0; i < config->to_count; i++) {
        service_begin(out, "POST");
        buf_printf(out, "/2010-04-01/Accounts/%.*s/%s.json", SV_FMT(account), resource);
        service_body(out);
        service_form(out, "To", config->to[i]);
        service_form(out, "From", config->from);
        service_form(out, name, value);
        service_end(out);
    }
    buf_free(&scratch);
}

static bool wants_answer(const struct channel_config *config, const struct payload *p)
{
    return config->callback_url.n > 0 && payload_is_answered(p) && !sv_is(p->reason, "acknowledged");
}

/* --- sms --------------------------------------------------------------------------------------------------
 */

static void sms_write(const struct channel_config *config, const struct payload *p, struct buf *out)
{
    struct buf text, whole;
    char ending[64];
    buf_init(&text, TEXT_BYTES);
    buf_init(&whole, TEXT_BYTES);
    struct sv id = sv_head(p->id, SHORT_ID_DIGITS);
    snprintf(ending, sizeof ending, wants_answer(config, p) ? ". Reply ACK %.*s" : " (%.*s)", SV_FMT(id));
    buf_printf(&text, "%s ", severity_name(p->severity));
    payload_headline(p, &text);
    sms_fit(buf_view(&text), sv_of(ending), config->segments > 0 ? config->segments : SEGMENTS, &whole);
    requests(config, "Messages", "Body", buf_view(&whole), out);
    buf_free(&text);
    buf_free(&whole);
}

static int sms_body(const struct channel_config *config, const struct message *message, struct buf *out,
                    struct err *err)
{
    struct payload p;
    int rc = payload_read(message->payload, &p, err);
    if (rc == 0)
        sms_write(config, &p, out);
    payload_free(&p);
    return rc;
}

const struct channel channel_sms = {
    .type = "sms", .check = twilio_check, .body = sms_body, .service = &service, .lowest = SEVERITY_P1};

/* --- voice ------------------------------------------------------------------------------------------------
 */

static void xml(struct sv text, struct buf *out)
{
    static const struct {
        char c;
        const char *entity;
    } entities[] = {{'&', "&amp;"}, {'<', "&lt;"}, {'>', "&gt;"}, {'"', "&quot;"}};
    for (size_t i = 0; i < text.n; i++) {
        const char *entity = NULL;
        for (size_t j = 0; j < TC_ARRAY_LEN(entities); j++)
            if (entities[j].c == text.p[i])
                entity = entities[j].entity;
        if (entity != NULL)
            buf_str(out, entity);
        else
            buf_char(out, text.p[i]);
    }
}

/* Underscores are read aloud by some voices. A text that is mostly entities is cut shorter. */
static void spoken(struct sv text, struct buf *out)
{
    struct buf plain;
    size_t from = out->n;
    buf_init(&plain, TEXT_BYTES);
    for (size_t bytes = SPOKEN_BYTES; bytes > 0; bytes /= 2) {
        buf_clear(&plain);
        payload_plain(payload_cut(text, bytes), &plain);
        for (size_t i = 0; i < plain.n; i++)
            if (plain.p[i] == '_' || plain.p[i] == '=')
                plain.p[i] = ' ';
        out->n = from;
        xml(buf_view(&plain), out);
        if (out->n - from <= SPOKEN_XML_BYTES)
            break;
    }
    buf_free(&plain);
}

static void say(const struct payload *p, const char *then, struct buf *out)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES);
    payload_headline(p, &text);
    buf_printf(out, "<Say>Tocsin: %s alert. ",
               p->severity == SEVERITY_P1   ? "critical"
               : p->severity == SEVERITY_P2 ? "high"
               : p->severity == SEVERITY_P3 ? "medium"
                                            : "low");
    spoken(buf_view(&text), out);
    buf_printf(out, ". %s</Say>", then);
    buf_free(&text);
}

/* Said twice: who picks up misses the first words. The digit is taken while it is being said, too. */
static void script(const struct channel_config *config, const struct payload *p, struct buf *out)
{
    struct buf scratch;
    struct sv base = config->callback_url;
    while (sv_ends(base, SV("/")))
        base.n--;
    buf_init(&scratch, 4096);
    buf_str(out, "<Response>");
    if (wants_answer(config, p)) {
        struct sv name = service_path_part(config->name, &scratch);
        buf_str(out, "<Gather numDigits=\"1\" timeout=\"8\" method=\"POST\" action=\"");
        xml(base, out);
        buf_printf(out, "/v1/callbacks/%.*s/", SV_FMT(name));
        buf_sv(out, service_path_part(p->id, &scratch));
        buf_str(out, "\">");
        say(p, "Press 1 to acknowledge.", out);
        say(p, "Press 1 to acknowledge.", out);
        buf_str(out, "</Gather><Say>It is not acknowledged. Good bye.</Say>");
    } else {
        say(p, "", out);
        say(p, "Good bye.", out);
    }
    buf_str(out, "</Response>");
    buf_free(&scratch);
}

static int voice_body(const struct channel_config *config, const struct message *message, struct buf *out,
                      struct err *err)
{
    struct payload p;
    struct buf twiml;
    buf_init(&twiml, TEXT_BYTES);
    int rc = payload_read(message->payload, &p, err);
    if (rc == 0)
        script(config, &p, &twiml);
    if (rc == 0 && twiml.n > SCRIPT_BYTES)
        rc = err_set(err, TC_EBOUND, "the script of the call is longer than the %d bytes that Twilio takes",
                     SCRIPT_BYTES);
    if (rc == 0)
        requests(config, "Calls", "Twiml", buf_view(&twiml), out);
    buf_free(&twiml);
    payload_free(&p);
    return rc;
}

const struct channel channel_voice = {
    .type = "voice", .check = twilio_check, .body = voice_body, .service = &service, .lowest = SEVERITY_P1};
