/*
 * Twilio's callbacks: a digit that was pressed in a call of ours (the address names the alert), and an answer
 * to an SMS ("ACK 4f0c9d"). Who may answer is who is told, and whom `people` names.
 *
 * The signature (X-Twilio-Signature) is over the address that Twilio was given, which is `callback_url` and
 * our path, whatever a proxy made of it, and over the form's pairs, sorted by name.
 */
#include "notify/callback_priv.h"
#include "notify/service.h"

#include <nettle/base64.h>
#include <nettle/hmac.h>
#include <stdio.h>
#include <stdlib.h>

enum { SIGNATURE_CHARACTERS = BASE64_ENCODE_RAW_LENGTH(SHA1_DIGEST_SIZE) };

static void address(const struct channel_config *config, const struct callback_request *request,
                    struct buf *out)
{
    struct buf scratch;
    struct sv base = config->callback_url;
    while (sv_ends(base, SV("/")))
        base.n--;
    buf_init(&scratch, 4096);
    buf_sv(out, base);
    buf_str(out, "/v1/callbacks/");
    buf_sv(out, service_path_part(config->name, &scratch));
    if (request->alert_id.n > 0) {
        buf_char(out, '/');
        buf_sv(out, service_path_part(request->alert_id, &scratch));
    }
    buf_free(&scratch);
}

static int by_name(const void *a, const void *b)
{
    const struct callback_pair *x = a, *y = b;
    int c = sv_cmp(x->name, y->name);
    return c != 0 ? c : sv_cmp(x->value, y->value);
}

static bool is_signed(const struct channel_config *config, const struct callback_request *request,
                      struct callback_form_pairs *form)
{
    struct hmac_sha1_ctx context;
    uint8_t digest[SHA1_DIGEST_SIZE];
    char want[SIGNATURE_CHARACTERS + 1] = {0};
    struct buf url;
    buf_init(&url, 8 << 10);
    address(config, request, &url);
    qsort(form->pairs, form->count, sizeof form->pairs[0], by_name);
    hmac_sha1_set_key(&context, config->token.n, (const uint8_t *)config->token.p);
    hmac_sha1_update(&context, url.n, (const uint8_t *)url.p);
    for (size_t i = 0; i < form->count; i++) {
        hmac_sha1_update(&context, form->pairs[i].name.n, (const uint8_t *)form->pairs[i].name.p);
        hmac_sha1_update(&context, form->pairs[i].value.n, (const uint8_t *)form->pairs[i].value.p);
    }
    hmac_sha1_digest(&context, sizeof digest, digest);
    base64_encode_raw(want, sizeof digest, digest);
    buf_free(&url);
    return callback_same(request->header(request->context, "X-Twilio-Signature"), want);
}

/* Whom the configuration names so, or the number's end: a whole number is nobody else's business. */
static bool person_of(const struct channel_config *config, struct sv number, char *ret, size_t size)
{
    struct sv person = callback_person(config, number);
    bool told = person.n > 0;
    for (size_t i = 0; i < config->to_count; i++)
        told |= sv_eq(config->to[i], number);
    if (person.n > 0)
        snprintf(ret, size, "%.*s", SV_FMT(sv_head(person, size - 1)));
    else
        snprintf(ret, size, "%.*s ...%.*s", SV_FMT(config->name),
                 SV_FMT(sv_from(number, number.n < 4 ? 0 : number.n - 4)));
    return told;
}

/* --- a call -----------------------------------------------------------------------------------------------
 */

static bool read_digit(const struct channel_config *config, const struct callback_request *request,
                       const struct callback_form_pairs *form, struct callback *ret)
{
    char by[sizeof ret->by];
    ret->form = CALLBACK_CALL;
    if (!person_of(config, callback_form_value(form, "To"), by, sizeof by)) {
        snprintf(ret->text, sizeof ret->text, "This number may not acknowledge alerts.");
        return true;
    }
    snprintf(ret->text, sizeof ret->text, "It is not acknowledged. Good bye.");
    if (!sv_is(callback_form_value(form, "Digits"), "1"))
        return true;
    callback_command(ret, "ack", request->alert_id, sv_of(by));
    snprintf(ret->note, sizeof ret->note, "by a digit in a call");
    snprintf(ret->text, sizeof ret->text, "Acknowledged. Thank you. Good bye.");
    return true;
}

/* --- an SMS -----------------------------------------------------------------------------------------------
 */

static const struct {
    const char *word, *verb, *done;
} words[] = {{"ack", "ack", "acknowledged"},
             {"acknowledge", "ack", "acknowledged"},
             {"ok", "ack", "acknowledged"},
             {"resolve", "resolve", "resolved"},
             {"done", "resolve", "resolved"}};

/* Twilio keeps these from further messages itself, and answers them. */
static bool is_stop(struct sv word)
{
    static const char *const stops[] = {"stop", "stopall", "unsubscribe", "cancel",
                                        "end",  "quit",    "revoke",      "optout"};
    for (size_t i = 0; i < TC_ARRAY_LEN(stops); i++)
        if (sv_eq_nocase(word, sv_of(stops[i])))
            return true;
    return false;
}

static bool is_short_id(struct sv id)
{
    bool ok = id.n >= 6 && id.n <= 32;
    for (size_t i = 0; i < id.n; i++)
        ok = ok && ((id.p[i] >= '0' && id.p[i] <= '9') || (id.p[i] >= 'a' && id.p[i] <= 'f'));
    return ok;
}

/* A phone likes to begin with a capital. */
static struct sv lower(struct sv text, char *out, size_t size)
{
    size_t n = TC_MIN(text.n, size);
    for (size_t i = 0; i < n; i++)
        out[i] = text.p[i] >= 'A' && text.p[i] <= 'Z' ? (char)(text.p[i] - 'A' + 'a') : text.p[i];
    return sv_make(out, n);
}

static bool read_reply(const struct channel_config *config, const struct callback_form_pairs *form,
                       struct callback *ret)
{
    char by[sizeof ret->by], digits[40];
    struct sv rest = sv_trim(callback_form_value(form, "Body")), word = sv_cut(&rest, ' ');
    ret->form = CALLBACK_SMS;
    if (is_stop(word) && rest.n == 0) {
        ret->opted_out = true;
        return true;
    }
    if (!person_of(config, callback_form_value(form, "From"), by, sizeof by)) {
        snprintf(ret->text, sizeof ret->text, "This number may not acknowledge alerts.");
        return true;
    }
    struct sv id = lower(sv_trim(rest), digits, sizeof digits);
    for (size_t i = 0; i < TC_ARRAY_LEN(words); i++)
        if (sv_eq_nocase(word, sv_of(words[i].word)) && is_short_id(id)) {
            callback_command(ret, words[i].verb, id, sv_of(by));
            snprintf(ret->note, sizeof ret->note, "by SMS");
            snprintf(ret->text, sizeof ret->text, "%.*s is %s. Thank you.", SV_FMT(id), words[i].done);
            return true;
        }
    snprintf(ret->text, sizeof ret->text,
             "Not understood. Answer ACK or RESOLVE and the digits of the alert.");
    return true;
}

bool callback_twilio(const struct channel_config *config, const struct callback_request *request,
                     struct arena *arena, struct callback *ret)
{
    struct callback_form_pairs *form = ARENA_NEW(arena, struct callback_form_pairs);
    if (config->callback_url.n == 0)
        return callback_refuse(ret, 404, "this channel has no callback_url");
    if (!callback_read_form(request->body, arena, form))
        return callback_refuse(ret, 400, "the body is no form, or has more than 200 pairs");
    if (!is_signed(config, request, form))
        return callback_refuse(
            ret, 401, "X-Twilio-Signature does not fit: is callback_url the address that Twilio has?");
    struct sv sid = callback_form_value(form, "MessageSid");
    if (sid.n == 0)
        sid = callback_form_value(form, "CallSid");
    ret->seen_as = hash_64_seed(sid, hash_64(request->body));
    return request->alert_id.n > 0 ? read_digit(config, request, form, ret) : read_reply(config, form, ret);
}
