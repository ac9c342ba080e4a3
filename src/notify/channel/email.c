/*
 * E-mail (ledger E-07): a message of two alternatives, plain text and simple HTML (RFC 5322, 2045, 2046).
 *
 * The Message-ID follows from the delivery's key, so a repeat after a crash is the same message to every mail
 * program. All mails of an alert refer to its first one, so that they make one thread. What comes from events
 * stands in no header but the subject, and there without control characters, so a log line adds no header;
 * both bodies are quoted-printable, so no line is longer than 76 characters. `Date` is put before it when the
 * message is sent (smtp.c).
 */
#include "notify/channel.h"

#include "base/hash.h"
#include "notify/payload.h"
#include "notify/smtp.h"

#include <nettle/base64.h>
#include <stdio.h>

enum { SUBJECT_BYTES = 250, VALUE_BYTES = 16000, LINE_CHARACTERS = 76, WORD_BYTES = 42, ID_DIGITS = 32 };

static int email_check(const struct channel_config *config, struct err *err)
{
    if (config->smarthost.n == 0)
        return err_set(err, TC_EINPUT, "an email channel needs a smarthost: the mail server, as name:port");
    if (smtp_check_smarthost(config->smarthost, err) != 0)
        return err->code;
    if (smtp_address(config->from).n == 0)
        return err_set(err, TC_EINPUT, "an email channel needs from: the sender's address");
    if (config->to_count == 0 || config->to_count > TC_RECIPIENTS_MAX)
        return err_set(err, TC_EINPUT, "an email channel needs to: 1 to %d addresses", TC_RECIPIENTS_MAX);
    for (size_t i = 0; i < config->to_count; i++)
        if (smtp_address(config->to[i]).n == 0)
            return err_set(err, TC_EINPUT, "to: \"%.*s\" is not a mail address",
                           SV_FMT(sv_head(config->to[i], 80)));
    struct sv texts[] = {config->from, config->hello};
    for (size_t i = 0; i < TC_ARRAY_LEN(texts); i++)
        for (size_t j = 0; j < texts[i].n; j++)
            if (texts[i].p[j] < ' ' || texts[i].p[j] >= 0x7f ||
                (i == 1 && strchr(" /?#%@", texts[i].p[j]) != NULL))
                return err_set(err, TC_EINPUT, "%s holds a character that cannot stand there",
                               i == 0 ? "from" : "hello");
    if ((config->auth_username.n > 0) != (config->auth_password.n > 0))
        return err_set(err, TC_EINPUT, "auth_username and auth_password go together");
    if (config->auth_password.n > 0 && !config->require_tls && !config->implicit_tls)
        return err_set(err, TC_EINPUT, "a password is sent over TLS only: leave require_tls at true");
    return 0;
}

/* --- encodings --------------------------------------------------------------------------------------------
 */

/* RFC 2047: base64 words of at most 75 characters, a line each, cut between code points. */
static void header_text(struct sv text, struct buf *out)
{
    bool plain = text.n <= 60;
    for (size_t i = 0; i < text.n; i++)
        plain = plain && (unsigned char)text.p[i] >= ' ' && (unsigned char)text.p[i] < 0x7f;
    if (plain && sv_find(text, SV("=?")) == text.n) {
        buf_sv(out, text);
        return;
    }
    for (const char *between = ""; text.n > 0; between = "\r\n ") {
        char word[BASE64_ENCODE_RAW_LENGTH(WORD_BYTES) + 1];
        struct sv part = payload_cut(text, WORD_BYTES);
        base64_encode_raw(word, part.n, (const uint8_t *)part.p);
        buf_printf(out, "%s=?utf-8?B?%.*s?=", between, (int)BASE64_ENCODE_RAW_LENGTH(part.n), word);
        text = sv_from(text, part.n);
    }
}

/* RFC 2045, 6.7: lines end with CRLF; a line of more than 76 characters is broken softly. */
static void quoted_printable(struct sv text, struct buf *out)
{
    size_t column = 0;
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c == '\n') {
            buf_str(out, "\r\n");
            column = 0;
            continue;
        }
        bool ends = i + 1 == text.n || text.p[i + 1] == '\n';
        bool quote = c == '=' || c >= 0x7f || (c < ' ' && c != '\t') || (ends && (c == ' ' || c == '\t'));
        if (column + (quote ? 3 : 1) > LINE_CHARACTERS - 1) {
            buf_str(out, "=\r\n");
            column = 0;
        }
        if (quote)
            buf_printf(out, "=%02X", c);
        else
            buf_char(out, (char)c);
        column += quote ? 3 : 1;
    }
    buf_str(out, "\r\n");
}

static void html_escape(struct sv text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++)
        switch (text.p[i]) {
        case '&':
            buf_str(out, "&amp;");
            break;
        case '<':
            buf_str(out, "&lt;");
            break;
        case '>':
            buf_str(out, "&gt;");
            break;
        case '"':
            buf_str(out, "&quot;");
            break;
        case '\'':
            buf_str(out, "&#39;");
            break;
        case '\n':
            buf_str(out, "<br>\n");
            break;
        default:
            buf_char(out, text.p[i]);
        }
}

/* --- the two bodies: the same lines, as text or as a table ------------------------------------------------
 */

struct page {
    bool html;
    struct buf *out;
};

/* Control characters out, cut with a word that says so. Line breaks are kept where the rule's author wrote
 * them; in what events bring, they would forge lines of this mail. */
static void value(const struct page *page, struct sv text, bool lines)
{
    struct buf clean;
    buf_init(&clean, 8 * VALUE_BYTES);
    struct sv rest = payload_cut(text, VALUE_BYTES);
    bool cut = rest.n < text.n;
    if (!lines) {
        payload_plain(rest, &clean);
        rest.n = 0;
    }
    while (rest.n > 0) {
        payload_plain(sv_head(rest, sv_find_char(rest, '\n')), &clean);
        if (sv_find_char(rest, '\n') < rest.n)
            buf_char(&clean, '\n');
        rest = sv_from(rest, sv_find_char(rest, '\n') + 1);
    }
    if (cut)
        buf_printf(&clean, "\xe2\x80\xa6 (cut: %zu bytes in all)", text.n);
    if (page->html)
        html_escape(buf_view(&clean), page->out);
    else
        buf_sv(page->out, buf_view(&clean));
    buf_free(&clean);
}

static void named(const struct page *page, struct sv name, struct sv text, bool lines)
{
    if (text.n == 0)
        return;
    buf_str(page->out, page->html ? "<tr><th align=\"left\" valign=\"top\">" : "");
    value(page, payload_cut(name, 100), false);
    buf_str(page->out, page->html ? "</th><td>" : ": ");
    value(page, text, lines);
    buf_str(page->out, page->html ? "</td></tr>\n" : "\n");
}

static void line(const struct page *page, struct sv name, struct sv text)
{
    named(page, name, text, false);
}

static void link_to(const struct page *page, struct sv url)
{
    if (!page->html) {
        line(page, SV("Alert"), url);
        return;
    }
    buf_str(page->out, "<p><a href=\"");
    html_escape(url, page->out);
    buf_str(page->out, "\">Open the alert</a></p>\n");
}

static void details(const struct page *page, const struct payload *p)
{
    char count[32];
    int n = snprintf(count, sizeof count, "%llu", (unsigned long long)p->count);
    struct sv name, text;
    line(page, SV("Severity"), sv_of(severity_name(p->severity)));
    line(page, SV("Time"), p->time);
    line(page, SV("Occurrences"), sv_make(count, (size_t)n));
    line(page, SV("State"), p->state);
    line(page, SV("By"), p->by);
    for (uint32_t at = 0; payload_label(p, &at, &name, &text) == 1;)
        if (!sv_is(name, "severity"))
            line(page, name, text);
    named(page, SV("Description"), p->description, true);
    line(page, SV("Owner"), p->owner);
    line(page, SV("Secondary owner"), p->secondary_owner);
    line(page, SV("Runbook"), p->runbook);
    for (uint32_t at = 0, i = 1; payload_action(p, &at, &text) == 1; i++) {
        char step[32];
        n = snprintf(step, sizeof step, "Step %u", i);
        line(page, sv_make(step, (size_t)n), text);
    }
}

/* D-16: a user, who may know nothing of Tocsin, is asked whether that was them. */
static void question(const struct page *page, const struct payload *p, const char *console_url)
{
    struct buf url;
    struct sv console = sv_of(console_url);
    buf_init(&url, 4096);
    while (sv_ends(console, SV("/")))
        console.n--;
    buf_printf(&url, "%.*s/confirm/%.*s/%.*s", SV_FMT(console), SV_FMT(p->id), SV_FMT(p->answer));
    if (page->html)
        buf_str(page->out, "<!DOCTYPE html>\n<html><body>\n<h3>Was that you?</h3>\n<p>");
    else
        buf_str(page->out, "Was that you?\n\n");
    value(page, p->message, false);
    buf_str(page->out, page->html ? "</p>\n<p>" : "\n");
    line(&(struct page){.html = false, .out = page->out}, SV("Time"), p->time);
    buf_str(page->out, page->html ? "</p>\n<p><a href=\"" : "\nPlease answer here: ");
    if (page->html)
        html_escape(buf_view(&url), page->out);
    else
        buf_sv(page->out, buf_view(&url));
    buf_str(page->out, page->html ? "\">Answer yes or no</a></p>\n</body></html>\n" : "\n");
    buf_free(&url);
}

static void body_of(const struct page *page, const struct payload *p, struct sv headline, struct sv url)
{
    if (page->html)
        buf_str(page->out, "<!DOCTYPE html>\n<html><body>\n<h3>");
    value(page, headline, false);
    buf_str(page->out, page->html ? "</h3>\n<table cellpadding=\"3\">\n" : "\n\n");
    details(page, p);
    if (page->html)
        buf_str(page->out, "</table>\n");
    link_to(page, url);
    buf_str(page->out, page->html ? "</body></html>\n" : "");
}

static void part(const char *type, struct sv text, const char *boundary, struct buf *out)
{
    buf_printf(
        out, "--%s\r\nContent-Type: %s; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n",
        boundary, type);
    quoted_printable(text, out);
}

static void message_id(struct sv key, struct sv domain, struct buf *out)
{
    uint8_t digest[TC_SHA256_BYTES];
    char hex[TC_SHA256_HEX];
    hash_sha256(key, digest);
    hash_hex(digest, ID_DIGITS / 2, hex);
    buf_printf(out, "<%s@%.*s>", hex, SV_FMT(domain));
}

static void headers(const struct channel_config *config, const struct payload *p, struct sv key,
                    struct sv subject, const char *boundary, struct buf *out)
{
    struct sv from = smtp_address(config->from);
    struct sv domain = sv_from(from, sv_find_char(from, '@') + 1);
    char first[512];
    int n = snprintf(first, sizeof first, "%.*s-new:%.*s", (int)TC_MIN(p->id.n, (size_t)200), p->id.p,
                     SV_FMT(config->name));
    buf_printf(out, "From: %.*s\r\nTo: ", SV_FMT(config->from));
    for (size_t i = 0; i < config->to_count; i++)
        buf_printf(out, "%s%.*s", i == 0 ? "" : ",\r\n ", SV_FMT(smtp_address(config->to[i])));
    buf_str(out, "\r\nSubject: ");
    header_text(subject, out);
    buf_str(out, "\r\nMessage-ID: ");
    message_id(key, domain, out);
    if (!sv_eq(key, sv_make(first, (size_t)n))) {
        buf_str(out, "\r\nIn-Reply-To: ");
        message_id(sv_make(first, (size_t)n), domain, out);
        buf_str(out, "\r\nReferences: ");
        message_id(sv_make(first, (size_t)n), domain, out);
    }
    buf_printf(out,
               "\r\nAuto-Submitted: auto-generated\r\nX-Tocsin-Severity: %s\r\nMIME-Version: 1.0\r\n"
               "Content-Type: multipart/alternative; boundary=\"%s\"\r\n\r\n",
               severity_name(p->severity), boundary);
}

static void write_mail(const struct channel_config *config, const struct payload *p, struct sv key,
                       const char *console_url, struct buf *out)
{
    uint8_t digest[TC_SHA256_BYTES];
    char hex[TC_SHA256_HEX], boundary[TC_SHA256_HEX + 8];
    struct buf subject, headline, url, text;
    buf_init(&subject, 8 << 10);
    buf_init(&headline, 64 << 10);
    buf_init(&url, 4096);
    buf_init(&text, TC_CHANNEL_BODY_MAX);
    hash_sha256(key, digest);
    hash_hex(digest, 12, hex);
    snprintf(
        boundary, sizeof boundary, "tocsin-%s",
        hex); /* no line of quoted-printable begins with two dashes and it: it would have to know the key */
    payload_headline(p, &headline);
    buf_printf(&subject, "[%s] ", p->answer.n > 0 ? "Was that you?" : severity_name(p->severity));
    payload_plain(payload_cut(buf_view(&headline), SUBJECT_BYTES), &subject);
    payload_url(p, console_url, &url);
    headers(config, p, key, buf_view(&subject), boundary, out);
    bool asks = p->answer.n > 0;
    if (asks)
        question(&(struct page){.out = &text}, p, console_url);
    else
        body_of(&(struct page){.out = &text}, p, buf_view(&headline), buf_view(&url));
    part("text/plain", buf_view(&text), boundary, out);
    buf_clear(&text);
    if (asks)
        question(&(struct page){.html = true, .out = &text}, p, console_url);
    else
        body_of(&(struct page){.html = true, .out = &text}, p, buf_view(&headline), buf_view(&url));
    part("text/html", buf_view(&text), boundary, out);
    buf_printf(out, "--%s--\r\n", boundary);
    buf_free(&subject);
    buf_free(&headline);
    buf_free(&url);
    buf_free(&text);
}

static int email_body(const struct channel_config *config, const struct message *message, struct buf *out,
                      struct err *err)
{
    struct payload p;
    int rc = payload_read(message->payload, &p, err);
    if (rc == 0)
        write_mail(config, &p, message->key, message->console_url, out);
    payload_free(&p);
    return rc;
}

const struct channel channel_email = {.type = "email",
                                      .check = email_check,
                                      .body = email_body,
                                      .send = smtp_transfer_new,
                                      .lowest = SEVERITY_P3};
