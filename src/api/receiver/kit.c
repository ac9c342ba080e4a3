/*
 * What the kinds share: rendering with a notification's data, cutting texts to size, secrets in files, and
 * bodies as Go's encoding/json writes them.
 */
#include "api/receiver/receiver.h"

#include "base/hash.h"
#include "base/utf8.h"

#include <stdarg.h>
#include <stdio.h>

enum {
    SECRET_MAX_BYTES = 64 << 10,
    RENDERED_MAX_BYTES = 4 << 20,
    BODY_MAX_BYTES = 64 << 20,
    GROUP_KEY_MAX_BYTES = 1 << 20
};

void receiver_fail(struct receiver_draft *d, int rc, const char *format, ...)
{
    char text[TC_ERR_TEXT_MAX];
    va_list list;
    if (d->rc != 0)
        return;
    va_start(list, format);
    vsnprintf(text, sizeof text, format, list);
    va_end(list);
    d->rc = err_set(d->err, rc, "%s", text);
}

/* --- texts --- */

static struct sv render(struct receiver_draft *d, struct sv text, bool html)
{
    struct template_run how = {.html = html, .missing_key = MISSING_KEY_ZERO, .now_ns = d->world->now_ns};
    struct sv rendered = SV("");
    struct buf out;
    if (d->rc != 0)
        return rendered;
    if (sv_find(text, SV("{{")) == text.n)
        return arena_sv(d->arena, text);
    buf_init(&out, RENDERED_MAX_BYTES);
    int rc = template_execute_text(d->world->templates, SV(""), text, receiver_data(d), &how, d->arena, &out,
                                   d->err);
    if (rc != 0)
        d->rc = rc;
    else if (out.overflow)
        receiver_fail(d, TC_EBOUND, "a template gives more than 4 MiB");
    else
        rendered = arena_sv(d->arena, buf_view(&out));
    buf_free(&out);
    return rendered;
}

struct sv receiver_render(struct receiver_draft *d, struct sv text)
{
    return render(d, text, false);
}

struct sv receiver_render_html(struct receiver_draft *d, struct sv text)
{
    return render(d, text, true);
}

struct sv receiver_text(struct receiver_draft *d, const struct am_object *object, const char *name)
{
    struct sv text = render(d, am_get_text(object, name), false);
    if (d->rc != 0 && d->err != NULL && sv_starts(sv_of(d->err->text), SV("template:")))
        (void)err_while(d->err, "%s", name);
    return text;
}

struct sv receiver_read_file(struct receiver_draft *d, struct sv path)
{
    struct sv text = SV("");
    struct buf bytes;
    const char *file = d->world->config_file, *slash = strrchr(file, '/');
    int folder = slash == NULL || sv_starts(path, SV("/")) ? 0 : (int)(slash - file) + 1;
    if (d->rc != 0)
        return text;
    struct sv full = arena_printf(d->arena, "%.*s%.*s", folder, file, SV_FMT(path));
    buf_init(&bytes, SECRET_MAX_BYTES);
    d->rc = fs_read_file(d->world->fs, full.p, &bytes, d->err);
    if (d->rc == 0)
        text = arena_sv(d->arena, sv_trim(buf_view(&bytes)));
    if (bytes.n > 0)
        explicit_bzero(bytes.p, bytes.n);
    buf_free(&bytes);
    return text;
}

struct sv receiver_secret(struct receiver_draft *d, const struct am_object *object, const char *name)
{
    char file[64];
    snprintf(file, sizeof file, "%s_file", name);
    struct sv text = am_get_text(object, name), path = am_get_text(object, file);
    return text.n == 0 && path.n > 0 ? receiver_read_file(d, path) : arena_sv(d->arena, text);
}

/* Bytes of the first `runes` characters; a byte that is not UTF-8 counts as one. */
static size_t runes_bytes(struct sv text, size_t runes)
{
    size_t at = 0;
    for (uint32_t rune; runes > 0 && at < text.n; runes--) {
        size_t n = utf8_decode(sv_from(text, at), &rune);
        at += TC_MAX(n, (size_t)1);
    }
    return at;
}

struct sv receiver_cut_runes(struct receiver_draft *d, struct sv text, size_t runes)
{
    if (runes_bytes(text, runes) == text.n)
        return text;
    if (runes <= 3)
        return sv_head(text, runes_bytes(text, runes));
    return arena_printf(d->arena, "%.*s…", SV_FMT(sv_head(text, runes_bytes(text, runes - 1))));
}

struct sv receiver_cut_bytes(struct receiver_draft *d, struct sv text, size_t bytes)
{
    if (text.n <= bytes)
        return text;
    size_t n = bytes - 3;
    while (n > 0 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
        n--;
    return arena_printf(d->arena, "%.*s…", SV_FMT(sv_head(text, n)));
}

struct sv receiver_group_hash(struct receiver_draft *d)
{
    uint8_t digest[TC_SHA256_BYTES];
    char *hex = arena_alloc(d->arena, TC_SHA256_HEX);
    hash_sha256(d->note->group_key, digest);
    hash_hex(digest, sizeof digest, hex);
    return sv_of(hex);
}

bool receiver_is_firing(const struct receiver_draft *d)
{
    for (size_t i = 0; i < d->note->count; i++)
        if (d->note->alerts[i].firing)
            return true;
    return false;
}

void receiver_add_parameter(struct buf *form, const char *name, struct sv value)
{
    if (form->n > 0)
        buf_char(form, '&');
    template_query_escape(sv_of(name), form);
    buf_char(form, '=');
    template_query_escape(value, form);
}

struct sv receiver_url(struct receiver_draft *d, struct sv base, struct sv path, const char *query)
{
    struct sv own = sv_from(base, sv_find_char(base, '?') + 1);
    base = sv_head(base, sv_find_char(base, '?'));
    const char *mark = query == NULL && own.n == 0 ? "" : "?", *both = query != NULL && own.n > 0 ? "&" : "";
    return arena_printf(d->arena, "%.*s%.*s%s%.*s%s%s", SV_FMT(base), SV_FMT(path), mark, SV_FMT(own), both,
                        query == NULL ? "" : query);
}

struct sv receiver_escape_path(struct receiver_draft *d, struct sv path)
{
    struct buf out;
    buf_init(&out, RENDERED_MAX_BYTES);
    for (size_t i = 0; i < path.n; i++) {
        char c = path.p[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                     (c != '\0' && memchr("-_.~$&+,/:;=@", c, 13) != NULL);
        if (plain)
            buf_char(&out, c);
        else
            buf_printf(&out, "%%%02X", (unsigned char)c);
    }
    struct sv escaped = arena_sv(d->arena, buf_view(&out));
    buf_free(&out);
    return escaped;
}

struct template_value receiver_answer(struct courier_job *job, const struct courier_answer *answer)
{
    struct template_value json;
    struct err ignored = {0};
    /* a copy: texts point into it, and the answer is gone with the next request */
    struct sv body = arena_sv(&job->arena, answer->body);
    return template_from_json(&job->arena, body, &json, &ignored) == 0 ? json : template_none();
}

struct sv receiver_answer_text(struct template_value object, const char *name)
{
    const struct template_value *found =
        object.kind == TEMPLATE_MAP ? template_get(object, sv_of(name)) : NULL;
    return found != NULL && found->kind == TEMPLATE_STRING ? found->as.text : SV("");
}

/* --- bodies --- */

void receiver_member(struct receiver_draft *d, const char *json, struct sv text)
{
    if (text.n > 0)
        json_kv_string(&d->out, json, text);
}

void receiver_short(struct receiver_draft *d, const struct am_object *field)
{
    const struct am_value *narrow = am_get(field, "short");
    json_kv_bool(&d->out, "short", (narrow->given ? narrow : am_get(d->own, "short_fields"))->number != 0);
}

void receiver_members(struct receiver_draft *d, const struct am_object *object,
                      const struct receiver_member *members)
{
    for (const struct receiver_member *m = members; m->json != NULL; m++) {
        if (m->kind == MEMBER_TRUE) {
            if (am_get(object, m->setting)->number != 0)
                json_kv_bool(&d->out, m->json, true);
            continue;
        }
        struct sv text =
            m->kind == MEMBER_PLAIN ? am_get_text(object, m->setting) : receiver_text(d, object, m->setting);
        if (m->max_runes > 0)
            text = receiver_cut_runes(d, text, m->max_runes);
        if (m->always)
            json_kv_string(&d->out, m->json, text);
        else
            receiver_member(d, m->json, text);
    }
}

/* As encoding/json writes it: what HTML minds is escaped, a line ends it. */
static struct sv escape_html(struct receiver_draft *d, struct sv json)
{
    struct buf out;
    buf_init(&out, BODY_MAX_BYTES);
    (void)buf_reserve(&out, json.n + json.n / 16 + 16);
    size_t from = 0;
    for (size_t i = 0; i < json.n; i++) {
        unsigned char c = (unsigned char)json.p[i];
        bool line = c == 0xe2 && json.n - i > 2 && (unsigned char)json.p[i + 1] == 0x80 &&
                    ((unsigned char)json.p[i + 2] & 0xfe) == 0xa8;
        if (c != '<' && c != '>' && c != '&' && !line)
            continue;
        buf_add(&out, json.p + from, i - from);
        if (line)
            buf_str(&out, (unsigned char)json.p[i + 2] == 0xa8 ? "\\u2028" : "\\u2029");
        else
            buf_printf(&out, "\\u%04x", c);
        i += line ? 2 : 0;
        from = i + 1;
    }
    buf_add(&out, json.p + from, json.n - from);
    buf_char(&out, '\n');
    struct sv copy = SV("");
    if (out.overflow)
        receiver_fail(d, TC_EBOUND, "the notification is longer than 64 MiB");
    else
        copy = arena_sv(d->arena, buf_view(&out));
    buf_free(&out);
    return copy;
}

/* What cannot stand in an address, as net/url writes it; escapes that are there stay. */
static struct sv escape_url(struct arena *arena, struct sv url)
{
    static const char digits[] = "0123456789ABCDEF";
    char *escaped = arena_alloc(arena, 3 * url.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < url.n; i++) {
        unsigned char c = (unsigned char)url.p[i];
        bool plain = c > ' ' && c < 0x7f && strchr("\"<>\\^`{|}", c) == NULL;
        escaped[n++] = plain ? (char)c : '%';
        if (!plain) {
            escaped[n++] = digits[c >> 4];
            escaped[n++] = digits[c & 15];
        }
    }
    return sv_make(escaped, n);
}

struct courier_request receiver_json_request(struct receiver_draft *d, const char *method, struct sv url)
{
    struct courier_request request = {.method = method,
                                      .url = escape_url(d->arena, url),
                                      .content_type = "application/json",
                                      .body = escape_html(d, buf_view(&d->json))};
    if (d->json.overflow)
        receiver_fail(d, TC_EBOUND, "the notification is longer than 64 MiB");
    buf_clear(&d->json);
    d->out = json_out_to(&d->json);
    return request;
}

void receiver_post_json(struct receiver_draft *d, struct sv url)
{
    d->job->first = receiver_json_request(d, "POST", url);
}

void receiver_add_header(struct courier_request *request, struct sv line)
{
    tc_assert(request->header_count < COURIER_REQUEST_HEADERS_MAX);
    request->headers[request->header_count++] = line;
}

/* --- the door --- */

static const struct receiver_kind kinds[] = {
    {"webhook", receiver_webhook, NULL, {0}},
    {"email", receiver_email, NULL, {0}},
    {"pagerduty", receiver_pagerduty, NULL, {429}},
    {"opsgenie", receiver_opsgenie, receiver_opsgenie_answered, {429}},
    {"wechat", receiver_wechat, receiver_wechat_answered, {0}},
    {"slack", receiver_slack, receiver_slack_answered, {0}},
    {"victorops", receiver_victorops, NULL, {0}},
    {"pushover", receiver_pushover, NULL, {0}},
    {"sns", receiver_sns, receiver_sns_answered, {0}},
    {"telegram", receiver_telegram, receiver_telegram_answered, {0}},
    {"discord", receiver_discord, NULL, {0}},
    {"webex", receiver_webex, NULL, {0}},
    {"msteams", receiver_msteams, NULL, {0}},
    {"msteamsv2", receiver_msteamsv2, NULL, {0}},
    {"jira", receiver_jira, receiver_jira_answered, {429}},
    {"incidentio", receiver_incidentio, NULL, {429}},
    {"rocketchat", receiver_rocketchat, receiver_rocketchat_answered, {0}},
    {"mattermost", receiver_mattermost, NULL, {0}},
};

int receiver_prepare(const struct receiver_world *world, const struct am_notification *note,
                     struct courier_job *job, struct err *err)
{
    struct receiver_draft draft = {
        .world = world, .note = note, .own = note->integration, .job = job, .arena = &job->arena, .err = err};
    const struct receiver_kind *kind = kinds;
    while (strcmp(kind->name, note->kind->name) != 0)
        tc_assert(++kind < kinds + TC_ARRAY_LEN(kinds));
    buf_init(&draft.json, BODY_MAX_BYTES);
    draft.out = json_out_to(&draft.json);
    job->answered = kind->answered;
    memcpy(job->again, kind->again, sizeof job->again);
    if (strcmp(kind->name, "email") != 0)
        receiver_http_config(&draft, am_get_object(note->integration, "http_config"));
    if (draft.rc == 0)
        kind->prepare(&draft);
    buf_free(&draft.json);
    return draft.rc;
}
