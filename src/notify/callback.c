/*
 * Callbacks: which reader a channel has, who is who, what was seen before, and the answer; see callback.h.
 */
#include "notify/callback_priv.h"

#include "base/json_out.h"

#include <nettle/hmac.h>
#include <pthread.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

static const struct {
    const char *type;
    callback_reader read;
} readers[] = {{"sms", callback_twilio},
               {"voice", callback_twilio},
               {"slack_app", callback_slack},
               {"pagerduty", callback_pagerduty}};

struct callbacks {
    const struct channel_config *channels;
    size_t count;
    pthread_mutex_t lock; /* what follows */
    uint64_t seen[TC_CALLBACKS_SEEN];
    size_t seen_count; /* ever */
    struct callback_stats stats;
};

struct callbacks *callbacks_new(const struct channel_config *channels, size_t count)
{
    struct callbacks *c = tc_alloc(sizeof *c);
    c->channels = channels;
    c->count = count;
    pthread_mutex_init(&c->lock, NULL);
    return c;
}

void callbacks_free(struct callbacks **callbacks)
{
    if (*callbacks == NULL)
        return;
    pthread_mutex_destroy(&(*callbacks)->lock);
    free(*callbacks);
    *callbacks = NULL;
}

/* --- what the readers share -------------------------------------------------------------------------------
 */

bool callback_refuse(struct callback *ret, unsigned status, const char *text)
{
    ret->status = status;
    snprintf(ret->text, sizeof ret->text, "%s", text);
    return false;
}

static void keep(char *to, size_t size, struct sv text)
{
    snprintf(to, size, "%.*s", SV_FMT(sv_head(text, size - 1)));
}

void callback_command(struct callback *ret, const char *verb, struct sv alert_id, struct sv by)
{
    keep(ret->verb, sizeof ret->verb, sv_of(verb));
    keep(ret->alert_id, sizeof ret->alert_id, alert_id);
    keep(ret->by, sizeof ret->by, by);
}

struct sv callback_person(const struct channel_config *config, struct sv id)
{
    for (size_t i = 0; i < config->people_count; i++)
        if (sv_eq(config->people[i].name, id))
            return config->people[i].value;
    return (struct sv){0};
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(struct sv text, struct arena *arena, struct sv *ret)
{
    char *out = arena_alloc_raw(arena, text.n + 1, 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i] == '+' ? ' ' : text.p[i];
        if (c == '%') {
            int high = text.n - i >= 3 ? digit(text.p[i + 1]) : -1;
            int low = high < 0 ? -1 : digit(text.p[i + 2]);
            if (low < 0)
                return false;
            c = (char)(high << 4 | low);
            i += 2;
        }
        out[n++] = c;
    }
    *ret = sv_make(out, n);
    return true;
}

bool callback_read_form(struct sv body, struct arena *arena, struct callback_form_pairs *ret)
{
    ret->count = 0;
    while (body.n > 0) {
        struct sv value = sv_cut(&body, '&');
        if (value.n == 0)
            continue;
        struct sv name = sv_cut(&value, '=');
        if (ret->count == CALLBACK_PAIRS_MAX)
            return false;
        struct callback_pair *pair = &ret->pairs[ret->count++];
        if (!decode(name, arena, &pair->name) || !decode(value, arena, &pair->value))
            return false;
    }
    return true;
}

struct sv callback_form_value(const struct callback_form_pairs *form, const char *name)
{
    for (size_t i = 0; i < form->count; i++)
        if (sv_is(form->pairs[i].name, name))
            return form->pairs[i].value;
    return (struct sv){0};
}

bool callback_same(struct sv given, const char *want)
{
    size_t n = strlen(want);
    return given.n == n && sodium_memcmp(given.p, want, n) == 0;
}

void callback_hmac(struct sv key, const struct sv *parts, size_t count, char ret_hex[TC_SHA256_HEX])
{
    struct hmac_sha256_ctx context;
    uint8_t digest[TC_SHA256_BYTES];
    hmac_sha256_set_key(&context, key.n, (const uint8_t *)key.p);
    for (size_t i = 0; i < count; i++)
        hmac_sha256_update(&context, parts[i].n, (const uint8_t *)parts[i].p);
    hmac_sha256_digest(&context, sizeof digest, digest);
    hash_hex(digest, sizeof digest, ret_hex);
}

/* --- reading ----------------------------------------------------------------------------------------------
 */

static bool is_repeat(struct callbacks *c, uint64_t what)
{
    size_t count = TC_MIN(c->seen_count, (size_t)TC_CALLBACKS_SEEN);
    for (size_t i = 0; i < count; i++)
        if (c->seen[i] == what)
            return true;
    return false;
}

static bool read_by_type(struct callbacks *c, const struct callback_request *request, struct arena *arena,
                         struct callback *ret)
{
    for (size_t i = 0; i < c->count; i++)
        for (size_t j = 0; j < TC_ARRAY_LEN(readers); j++)
            if (sv_eq(c->channels[i].name, request->channel) && sv_is(c->channels[i].type, readers[j].type))
                return readers[j].read(&c->channels[i], request, arena, ret);
    return callback_refuse(ret, 404, "no channel of this name takes callbacks");
}

void callback_read(struct callbacks *c, const struct callback_request *request, struct callback *ret)
{
    struct arena arena = {0};
    *ret = (struct callback){.status = 200};
    bool good = read_by_type(c, request, &arena, ret);
    arena_free(&arena);
    pthread_mutex_lock(&c->lock);
    c->stats.refused += !good;
    if (good && ret->verb[0] != '\0' && is_repeat(c, ret->seen_as)) {
        c->stats.repeated++;
        ret->verb[0] = '\0';
    }
    pthread_mutex_unlock(&c->lock);
}

/* --- answering --------------------------------------------------------------------------------------------
 */

static void remember(struct callbacks *c, const struct callback *callback)
{
    pthread_mutex_lock(&c->lock);
    c->seen[c->seen_count++ % TC_CALLBACKS_SEEN] = callback->seen_as;
    c->stats.carried_out++;
    pthread_mutex_unlock(&c->lock);
}

static void xml(const char *text, struct buf *out)
{
    for (; *text != '\0'; text++)
        if (*text == '&' || *text == '<' || *text == '>')
            buf_str(out, *text == '&' ? "&amp;" : *text == '<' ? "&lt;" : "&gt;");
        else
            buf_char(out, *text);
}

void callback_answer(struct callbacks *c, const struct callback *callback, int rc, const char *why,
                     const char **ret_content_type, struct buf *out)
{
    static const char *const elements[] = {[CALLBACK_CALL] = "Say", [CALLBACK_SMS] = "Message"};
    const char *text = rc == 0 ? callback->text : why;
    if (rc == 0 && callback->verb[0] != '\0')
        remember(c, callback);
    if (callback->form == CALLBACK_PLAIN) {
        struct json_out json = json_out_to(out);
        *ret_content_type = "application/json";
        json_object(&json);
        json_kv_str(&json, "result", text);
        json_object_end(&json);
        return;
    }
    *ret_content_type = "text/xml";
    buf_str(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response>");
    if (text[0] != '\0') {
        buf_printf(out, "<%s>", elements[callback->form]);
        xml(text, out);
        buf_printf(out, "</%s>", elements[callback->form]);
    }
    buf_str(out, "</Response>");
}

void callbacks_stats(struct callbacks *c, struct callback_stats *ret)
{
    pthread_mutex_lock(&c->lock);
    *ret = c->stats;
    ret->remembered = TC_MIN(c->seen_count, (size_t)TC_CALLBACKS_SEEN);
    pthread_mutex_unlock(&c->lock);
}
