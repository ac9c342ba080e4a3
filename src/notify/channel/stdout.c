/*
 * One readable line per notification on standard output, written at once:
 *
 *   2026-11-21T09:17:26Z P2 BRUTE_FORCE_ATTACK source.ip=203.0.113.7 (10 occurrences) id=4f… key=4f…
 *
 * Values come from strangers' logs: control characters are replaced, so that none of them moves the cursor.
 * The line is at most PIPE_BUF bytes: what poll() calls writable then takes it without blocking, and a pager
 * that nobody scrolls cannot hold up the other channels.
 */
#include "notify/channel.h"

#include "notify/payload.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>

enum { LINE_BYTES = PIPE_BUF, TITLE_BYTES = 200, VALUE_BYTES = 200, LABELS_BYTES = 1500, KEY_BYTES = 600 };

static int stdout_check(const struct channel_config *config, struct err *err)
{
    (void)config;
    (void)err;
    return 0;
}

static void pair(struct sv name, struct sv value, struct buf *out)
{
    bool quote = value.n == 0;
    for (size_t i = 0; i < value.n; i++)
        quote = quote || (unsigned char)value.p[i] <= ' ' || value.p[i] == '"' || value.p[i] == '=';
    struct sv rest = payload_cut(value, VALUE_BYTES);
    buf_char(out, ' ');
    payload_plain(payload_cut(name, VALUE_BYTES), out);
    buf_str(out, quote ? "=\"" : "=");
    while (quote && rest.n > 0) {
        struct sv part = sv_head(rest, sv_find_char(rest, '"'));
        payload_plain(part, out);
        buf_str(out, part.n < rest.n ? "\\\"" : "");
        rest = sv_from(rest, part.n + 1);
    }
    payload_plain(rest, out);
    buf_str(out, rest.n < value.n && value.n > VALUE_BYTES ? "\xe2\x80\xa6" : "");
    buf_str(out, quote ? "\"" : "");
}

static bool is_said_already(struct sv name)
{
    return sv_is(name, "alertname") || sv_is(name, "severity") || sv_is(name, "rule_id");
}

static void labels(const struct payload *p, struct buf *out)
{
    struct sv name, value;
    uint32_t at = 0;
    size_t from = out->n;
    while (payload_label(p, &at, &name, &value) == 1) {
        if (is_said_already(name))
            continue;
        if (out->n - from > LABELS_BYTES) {
            buf_str(out, " \xe2\x80\xa6");
            return;
        }
        pair(name, value, out);
    }
}

static int stdout_body(const struct channel_config *config, const struct message *message, struct buf *out,
                       struct err *err)
{
    struct payload p;
    (void)config;
    int rc = payload_read(message->payload, &p, err);
    if (rc == 0) {
        payload_plain(p.time.n > 0 ? payload_cut(p.time, TC_RFC3339_MAX) : SV("-"), out);
        buf_printf(out, " %s ", severity_name(p.severity));
        payload_plain(payload_cut(p.title, TITLE_BYTES), out);
        labels(&p, out);
        payload_occurrences(&p, out);
        if (!sv_is(p.reason, "new") && !sv_is(p.reason, "count_step"))
            pair(SV("reason"), p.reason, out);
        pair(SV("id"), p.id, out);
        buf_str(out, " key=");
        payload_plain(payload_cut(message->key, KEY_BYTES), out);
        buf_char(out, '\n');
    }
    payload_free(&p);
    return rc;
}

static enum send_result stdout_deliver(const struct channel_config *config, struct sv body, struct err *err)
{
    struct pollfd out = {.fd = STDOUT_FILENO, .events = POLLOUT};
    (void)config;
    if (poll(&out, 1, 0) != 1 || (out.revents & POLLOUT) == 0) {
        err_set(err, TC_EAGAIN, "nobody reads standard output");
        return SEND_RETRY;
    }
    ssize_t n = write(STDOUT_FILENO, body.p, TC_MIN(body.n, (size_t)LINE_BYTES));
    if (n == (ssize_t)body.n)
        return SEND_OK;
    if (n >= 0)
        errno = EIO;
    err_sys(err, "cannot write to standard output");
    return SEND_RETRY;
}

const struct channel channel_stdout = {.type = "stdout",
                                       .check = stdout_check,
                                       .body = stdout_body,
                                       .deliver = stdout_deliver,
                                       .lowest = SEVERITY_P4};
