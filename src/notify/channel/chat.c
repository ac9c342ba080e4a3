/*
 * Words for chat services; see chat.h.
 */
#include "notify/channel/chat.h"

#include <stdio.h>

enum { TEXT_BYTES = 64 << 10, LABEL_BYTES = 300 };
static const struct sv ellipsis = {"\xe2\x80\xa6", 3};

/* --- escaping and cutting ---------------------------------------------------------------------------------
 */

/* What stands for the character at the front of `text`; its length in *ret_n. */
static struct sv escaped(struct sv text, enum chat_markup markup, char scratch[8], size_t *ret_n)
{
    size_t n = 1;
    char c = text.p[0];
    while (n < text.n && n < 4 && ((unsigned char)text.p[n] & 0xc0) == 0x80)
        n++;
    *ret_n = n;
    if (markup == CHAT_HTML && c == '&')
        return SV("&amp;");
    if (markup == CHAT_HTML && c == '<')
        return SV("&lt;");
    if (markup == CHAT_HTML && c == '>')
        return SV("&gt;");
    if (markup == CHAT_MARKDOWN && c == '@')
        return SV("@\xe2\x80\x8b"); /* a space without width: it calls nobody */
    if (markup == CHAT_MARKDOWN && strchr("\\*_~`|<>[]()#", c) != NULL) {
        scratch[0] = '\\';
        scratch[1] = c;
        return sv_make(scratch, 2);
    }
    return sv_head(text, n);
}

void chat_put(struct sv text, enum chat_markup markup, size_t max_bytes, struct buf *out)
{
    struct buf plain, whole;
    size_t fits = 0; /* of `whole`, with the ellipsis behind it */
    buf_init(&plain, TEXT_BYTES);
    buf_init(&whole, 6 * TEXT_BYTES);
    payload_plain(payload_cut(text, TEXT_BYTES / 4), &plain);
    for (struct sv rest = buf_view(&plain); rest.n > 0;) {
        char scratch[8];
        size_t n;
        buf_sv(&whole, escaped(rest, markup, scratch, &n));
        rest = sv_from(rest, n);
        if (whole.n + ellipsis.n <= max_bytes)
            fits = whole.n;
    }
    if (whole.n <= max_bytes) {
        buf_sv(out, buf_view(&whole));
    } else if (max_bytes >= ellipsis.n) {
        buf_sv(out, sv_head(buf_view(&whole), fits));
        buf_sv(out, ellipsis);
    }
    buf_free(&plain);
    buf_free(&whole);
}

/* --- what is said -----------------------------------------------------------------------------------------
 */

bool chat_is_acknowledged(const struct payload *p)
{
    return sv_is(p->reason, "acknowledged");
}

uint32_t chat_color(const struct payload *p)
{
    static const uint32_t colors[] = {[SEVERITY_P1] = 0xd0021b,
                                      [SEVERITY_P2] = 0xf5a623,
                                      [SEVERITY_P3] = 0xf8e71c,
                                      [SEVERITY_P4] = 0x4a90e2};
    return payload_is_over(p) ? 0x2eb886 : colors[p->severity];
}

void chat_title(const struct payload *p, enum chat_markup markup, size_t max_bytes, struct buf *out)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES);
    buf_printf(&text, "[%s] ", severity_name(p->severity));
    if (chat_is_acknowledged(p))
        buf_printf(&text, "Acknowledged by %.*s: ", SV_FMT(sv_head(p->by, 100)));
    else if (payload_is_over(p))
        buf_str(&text, "Resolved: ");
    else if (sv_is(p->reason, "test"))
        buf_str(&text, "Test: ");
    else if (sv_is(p->reason, "severity_raised"))
        buf_str(&text, "More severe: ");
    buf_sv(&text, p->title);
    chat_put(buf_view(&text), markup, max_bytes, out);
    buf_free(&text);
}

struct lines {
    enum chat_markup markup;
    size_t max_bytes; /* of all of them */
    struct buf *out;
    size_t from;
};

/* A line that has no room at all is left out. */
static void line(const struct lines *lines, const char *name, struct sv text)
{
    size_t used = lines->out->n - lines->from, name_n = strlen(name);
    if (text.n == 0 || used + name_n + 16 > lines->max_bytes)
        return;
    if (used > 0)
        buf_char(lines->out, '\n');
    if (name_n > 0)
        buf_printf(lines->out, "%s: ", name);
    used = lines->out->n - lines->from;
    chat_put(text, lines->markup, lines->max_bytes - used, lines->out);
}

static void label_lines(const struct lines *lines, const struct payload *p)
{
    struct sv name, value;
    for (uint32_t at = 0; payload_label(p, &at, &name, &value) == 1;) {
        struct buf text;
        if (sv_is(name, "alertname") || sv_is(name, "severity") || sv_is(name, "rule_id"))
            continue;
        buf_init(&text, TEXT_BYTES);
        buf_printf(&text, "%.*s: %.*s", SV_FMT(payload_cut(name, 100)),
                   SV_FMT(payload_cut(value, LABEL_BYTES)));
        line(lines, "", buf_view(&text));
        buf_free(&text);
    }
}

/* What is to be done, in the rule's order. */
static void step_lines(const struct lines *lines, const struct payload *p)
{
    struct sv step;
    unsigned number = 0;
    for (uint32_t at = 0; payload_action(p, &at, &step) == 1;) {
        char name[24];
        snprintf(name, sizeof name, "Step %u", ++number);
        line(lines, name, step);
    }
}

void chat_text(const struct payload *p, const char *console_url, enum chat_markup markup, size_t max_bytes,
               struct buf *out)
{
    struct buf url, message;
    buf_init(&url, 4096);
    buf_init(&message, TEXT_BYTES);
    if (console_url != NULL)
        payload_url(p, console_url, &url);
    size_t link = url.n > 0 && url.n < max_bytes / 2 ? url.n + 1 : 0;
    struct lines lines = {.markup = markup, .max_bytes = max_bytes - link, .out = out, .from = out->n};
    buf_sv(&message, p->prefix);
    buf_sv(&message, p->message);
    payload_occurrences(p, &message);
    line(&lines, "", buf_view(&message));
    line(&lines, "Severity", sv_of(severity_name(p->severity)));
    line(&lines, "Time", p->time);
    line(&lines, "By", p->by);
    label_lines(&lines, p);
    for (struct sv rest = p->description; rest.n > 0;) /* the author's own line breaks */
        line(&lines, "", sv_cut(&rest, '\n'));
    line(&lines, "Owner", p->owner);
    line(&lines, "Secondary owner", p->secondary_owner);
    line(&lines, "Runbook", p->runbook);
    step_lines(&lines, p);
    if (link > 0) {
        buf_char(out, '\n');
        buf_sv(out, buf_view(&url));
    }
    buf_free(&url);
    buf_free(&message);
}

/* --- members ----------------------------------------------------------------------------------------------
 */

void chat_kv_title(struct json_out *json, const char *key, const struct payload *p, enum chat_markup markup,
                   size_t max_bytes)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES);
    chat_title(p, markup, max_bytes, &text);
    json_kv_string(json, key, buf_view(&text));
    buf_free(&text);
}

void chat_kv_text(struct json_out *json, const char *key, const struct payload *p, const char *console_url,
                  enum chat_markup markup, size_t max_bytes)
{
    struct buf text;
    buf_init(&text, TEXT_BYTES);
    chat_text(p, console_url, markup, max_bytes, &text);
    json_kv_string(json, key, buf_view(&text));
    buf_free(&text);
}

void chat_kv_url(struct json_out *json, const char *key, const struct payload *p, const char *console_url)
{
    struct buf url;
    buf_init(&url, 4096);
    payload_url(p, console_url, &url);
    json_kv_string(json, key, buf_view(&url));
    buf_free(&url);
}

int chat_body(const struct channel_config *config, const struct message *message, chat_writer write,
              struct buf *out, struct err *err)
{
    struct payload p;
    int rc = payload_read(message->payload, &p, err);
    if (rc == 0)
        write(config, &p, message, out);
    payload_free(&p);
    return rc;
}

int chat_body_each(const struct channel_config *config, const struct message *message, chat_writer_to write,
                   struct buf *out, struct err *err)
{
    struct payload p;
    int rc = payload_read(message->payload, &p, err);
    for (size_t i = 0; rc == 0 && i < config->to_count; i++)
        write(config, &p, message, config->to[i], out);
    payload_free(&p);
    return rc;
}

int chat_check_to(const struct channel_config *config, const char *what, struct err *err)
{
    return config->to_count > 0 ? 0 : err_set(err, TC_EINPUT, "it needs to: %s", what);
}
