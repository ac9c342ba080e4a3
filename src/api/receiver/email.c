/*
 * Mail: one message with a text and an HTML part, to all addresses of `to`. Header words are RFC 2047's,
 * parts are quoted-printable (RFC 2045).
 */
#include "api/receiver/receiver.h"

#include "base/hash.h"
#include "base/rng.h"
#include "base/utf8.h"

#include <stdio.h>

enum { MESSAGE_MAX_BYTES = 16 << 20, RECIPIENTS_MAX = 1000, WORD_MAX_BYTES = 63, LINE_MAX_BYTES = 76 };

/* --- addresses --- */

/* The address of "Name <a@b>" or "a@b"; n is 0 where it is none. */
static struct sv address_of(struct sv mailbox)
{
    mailbox = sv_trim(mailbox);
    if (sv_ends(mailbox, SV(">"))) {
        size_t open = mailbox.n;
        while (open > 0 && mailbox.p[open - 1] != '<')
            open--;
        mailbox = sv_head(sv_from(mailbox, open), mailbox.n - open - 1);
    }
    size_t at = sv_find_char(mailbox, '@');
    bool good = at > 0 && at + 1 < mailbox.n;
    for (size_t i = 0; i < mailbox.n; i++)
        good = good && (unsigned char)mailbox.p[i] > ' ' && mailbox.p[i] != 0x7f &&
               strchr("<>,;", mailbox.p[i]) == NULL;
    return good ? mailbox : SV("");
}

/* Cuts the next mailbox off a list; commas in quotes, angles and comments do not end it. */
static struct sv next_mailbox(struct sv *rest)
{
    bool quoted = false;
    int depth = 0;
    size_t i = 0;
    for (; i < rest->n; i++) {
        char c = rest->p[i];
        if (c == '\\' && (quoted || depth > 0))
            i++;
        else if (c == '"' && depth == 0)
            quoted = !quoted;
        else if (!quoted && (c == '(' || c == '<'))
            depth++;
        else if (!quoted && (c == ')' || c == '>'))
            depth--;
        else if (c == ',' && !quoted && depth <= 0)
            break;
    }
    i = TC_MIN(i, rest->n);
    struct sv mailbox = sv_head(*rest, i);
    *rest = sv_from(*rest, i + 1);
    return mailbox;
}

static size_t read_addresses(struct receiver_draft *d, struct sv list, const char *what, struct sv *ret)
{
    size_t count = 0;
    while (list.n > 0 && d->rc == 0) {
        struct sv address = address_of(next_mailbox(&list));
        if (address.n == 0)
            receiver_fail(d, TC_EINPUT, "parse '%s' addresses: one of them is no address", what);
        else if (count == RECIPIENTS_MAX)
            receiver_fail(d, TC_EBOUND, "'%s' has more than %d addresses", what, RECIPIENTS_MAX);
        else
            ret[count++] = arena_sv(d->arena, address);
    }
    if (count == 0)
        receiver_fail(d, TC_EINPUT, "parse '%s' addresses: no address", what);
    return count;
}

/* --- headers --- */

static bool needs_words(struct sv text)
{
    for (size_t i = 0; i < text.n; i++)
        if (((unsigned char)text.p[i] < ' ' || (unsigned char)text.p[i] > '~') && text.p[i] != '\t')
            return true;
    return false;
}

static bool stands_for_itself(char c)
{
    return c == ' ' || (c > ' ' && c <= '~' && c != '=' && c != '?' && c != '_');
}

/* RFC 2047's Q encoding in words of at most 75 bytes; no character is cut. */
static void add_words(struct buf *out, struct sv text)
{
    size_t used = 0;
    uint32_t rune;
    if (!needs_words(text)) {
        buf_sv(out, text);
        return;
    }
    buf_str(out, "=?utf-8?q?");
    for (size_t at = 0; at < text.n;) {
        size_t n = TC_MAX(utf8_decode(sv_from(text, at), &rune), (size_t)1);
        size_t bytes = n == 1 && stands_for_itself(text.p[at]) ? 1 : 3 * n;
        if (used + bytes > WORD_MAX_BYTES) {
            buf_str(out, "?= =?utf-8?q?");
            used = 0;
        }
        used += bytes;
        for (; n > 0; n--, at++) {
            if (text.p[at] == ' ')
                buf_char(out, '_');
            else if (bytes == 1)
                buf_char(out, text.p[at]);
            else
                buf_printf(out, "=%02X", (unsigned char)text.p[at]);
        }
    }
    buf_str(out, "?=");
}

static void add_header(struct receiver_draft *d, struct buf *out, struct sv name, struct sv text)
{
    buf_printf(out, "%.*s: ", SV_FMT(name));
    add_words(out, receiver_render(d, text));
    buf_str(out, "\r\n");
}

static bool has_header(const struct am_value *headers, struct sv name)
{
    for (size_t i = 0; i < headers->count; i++)
        if (sv_eq(headers->items[i].key, name))
            return true;
    return false;
}

static void add_date(struct receiver_draft *d, struct buf *out)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct civil c = clk_to_civil(d->world->now_ns);
    buf_printf(out, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", days[clk_weekday(d->world->now_ns)],
               c.day, months[c.month - 1], c.year, c.hour, c.minute, c.second);
}

/* All mails of a group (by day, where that is wanted) answer a message that never was. */
static void add_thread(struct receiver_draft *d, struct buf *out)
{
    const struct am_object *threads = am_get_object(d->own, "threading");
    struct civil c = clk_to_civil(d->world->now_ns);
    char root[128], day[32] = "";
    if (threads == NULL || am_get(threads, "enabled")->number == 0)
        return;
    if (!sv_is(am_get_text(threads, "thread_by_date"), "none"))
        snprintf(day, sizeof day, "%04d-%02d-%02d", c.year, c.month, c.day);
    snprintf(root, sizeof root, "<alert-%.16s-%s@alertmanager>", receiver_group_hash(d).p, day);
    buf_printf(out, "References: %s\r\nIn-Reply-To: %s\r\n", root, root);
}

static void add_headers(struct receiver_draft *d, struct buf *out, struct sv from, struct sv to)
{
    const struct am_value *headers = am_get(d->own, "headers");
    if (!has_header(headers, SV("From")))
        add_header(d, out, SV("From"), from);
    if (!has_header(headers, SV("To")))
        add_header(d, out, SV("To"), to);
    if (!has_header(headers, SV("Subject")))
        add_header(d, out, SV("Subject"), SV("{{ template \"email.default.subject\" . }}"));
    for (size_t i = 0; i < headers->count; i++)
        add_header(d, out, headers->items[i].key, headers->items[i].text);
    if (!has_header(headers, SV("Message-Id")))
        buf_printf(out, "Message-Id: <%lld.%llu@%s>\r\n", (long long)d->world->now_ns,
                   (unsigned long long)rng_u64(d->world->rng), d->world->host_name);
    add_thread(d, out);
    add_date(d, out);
}

/* --- parts --- */

struct lines {
    struct buf *out;
    size_t used; /* of the line */
    bool return_before;
};

static void add_encoded(struct lines *l, char c)
{
    if (l->used + 3 > LINE_MAX_BYTES - 1) {
        buf_str(l->out, "=\r\n");
        l->used = 0;
    }
    buf_printf(l->out, "=%02X", (unsigned char)c);
    l->used += 3;
}

/* Blanks at the end of a line are encoded, or mail servers may drop them. */
static void end_line(struct lines *l)
{
    char last = l->used > 0 && l->out->n > 0 ? l->out->p[l->out->n - 1] : 'x';
    if (last != ' ' && last != '\t')
        return;
    l->out->n--;
    l->used--;
    add_encoded(l, last);
}

static void add_quoted_printable(struct buf *out, struct sv text)
{
    struct lines l = {.out = out};
    for (size_t i = 0; i < text.n && !out->overflow; i++) {
        char c = text.p[i];
        if (c == '\n' || c == '\r') {
            bool second = c == '\n' && l.return_before;
            l.return_before = c == '\r';
            if (second)
                continue;
            end_line(&l);
            buf_str(out, "\r\n");
            l.used = 0;
            continue;
        }
        l.return_before = false;
        if ((c >= '!' && c <= '~' && c != '=') || c == ' ' || c == '\t') {
            if (l.used == LINE_MAX_BYTES - 1) {
                buf_str(out, "=\r\n");
                l.used = 0;
            }
            buf_char(out, c);
            l.used++;
        } else {
            add_encoded(&l, c);
        }
    }
    end_line(&l);
}

static void add_part(struct buf *out, const char *boundary, const char *type, struct sv text, bool first)
{
    buf_printf(out,
               "%s--%s\r\nContent-Transfer-Encoding: quoted-printable\r\nContent-Type: text/%s; "
               "charset=UTF-8\r\n\r\n",
               first ? "" : "\r\n", boundary, type);
    add_quoted_printable(out, text);
}

static void add_body(struct receiver_draft *d, struct buf *out)
{
    uint8_t random[30];
    char boundary[2 * sizeof random + 1];
    struct sv text = am_get_text(d->own, "text"), html = am_get_text(d->own, "html");
    rng_fill(d->world->rng, random, sizeof random);
    hash_hex(random, sizeof random, boundary);
    buf_printf(out, "Content-Type: multipart/alternative;  boundary=%s\r\nMIME-Version: 1.0\r\n\r\n",
               boundary);
    if (text.n > 0)
        add_part(out, boundary, "plain", receiver_render(d, text), true);
    if (html.n > 0) /* what is preferred comes last (RFC 2046, 5.1.4) */
        add_part(out, boundary, "html", receiver_render_html(d, html), text.n == 0);
    buf_printf(out, "\r\n--%s--\r\n", boundary);
}

/* --- the mail --- */

static void take_smarthost(struct receiver_draft *d, struct courier_mail *mail)
{
    struct sv smarthost = am_get_text(d->own, "smarthost");
    size_t colon = smarthost.n;
    while (colon > 0 && smarthost.p[colon - 1] != ':')
        colon--;
    struct sv host = sv_head(smarthost, colon > 0 ? colon - 1 : 0);
    if (sv_starts(host, SV("[")) && sv_ends(host, SV("]")))
        host = sv_make(host.p + 1, host.n - 2);
    mail->host = arena_sv(d->arena, host);
    mail->port = arena_sv(d->arena, sv_from(smarthost, colon));
    const struct am_value *implicit = am_get(d->own, "force_implicit_tls");
    mail->implicit_tls = implicit->given ? implicit->number != 0 : sv_is(mail->port, "465");
    mail->require_tls = am_get(d->own, "require_tls")->number != 0;
}

void receiver_email(struct receiver_draft *d)
{
    struct courier_mail *mail = ARENA_NEW(d->arena, struct courier_mail);
    struct sv from = receiver_text(d, d->own, "from"), to = receiver_text(d, d->own, "to"),
              one[RECIPIENTS_MAX];
    struct sv *addresses = ARENA_ARRAY(d->arena, struct sv, RECIPIENTS_MAX);
    struct sv hello = am_get_text(d->own, "hello");
    struct buf message;
    take_smarthost(d, mail);
    mail->hello = hello.n > 0 ? arena_sv(d->arena, hello) : SV("localhost");
    size_t senders = read_addresses(d, from, "from", one);
    if (senders > 1)
        receiver_fail(d, TC_EINPUT, "must be exactly one 'from' address (got: %zu)", senders);
    mail->from = d->rc == 0 ? one[0] : SV("");
    mail->to_count = read_addresses(d, to, "to", addresses);
    mail->to = addresses;
    mail->username = arena_sv(d->arena, am_get_text(d->own, "auth_username"));
    mail->password = receiver_secret(d, d->own, "auth_password");
    mail->secret = receiver_secret(d, d->own, "auth_secret");
    mail->identity = arena_sv(d->arena, am_get_text(d->own, "auth_identity"));
    receiver_tls_config(d, am_get_object(d->own, "tls_config"), &mail->tls);
    if (mail->username.n > 0 && mail->password.n == 0 && mail->secret.n == 0)
        receiver_fail(d, TC_EINPUT, "auth_username is given, but neither auth_password nor auth_secret");
    buf_init(&message, MESSAGE_MAX_BYTES);
    add_headers(d, &message, am_get_text(d->own, "from"), am_get_text(d->own, "to"));
    add_body(d, &message);
    if (message.overflow)
        receiver_fail(d, TC_EBOUND, "the mail is longer than 16 MiB");
    mail->message = arena_sv(d->arena, buf_view(&message));
    buf_free(&message);
    d->job->mail = mail;
}
