/*
 * CEF in syslog (RFC 5424; ArcSight's Common Event Format, version 0; ledger E-12), for SIEMs that listen.
 *
 * `cef` goes over TCP or TLS (tcp://host:port, tls://host:port), each message counted (RFC 6587, 3.4.1). Sent
 * means that the connection took it: syslog has no receipt. `cef_udp` is a datagram to an address, and not
 * even that. A message is bounded, so that a datagram stays whole.
 */
#include "notify/channel/siem.h"

#include "base/clk.h"
#include "notify/syslog_out.h"

#include <stdio.h>

enum { NAME_BYTES = 200, TEXT_BYTES = 1000, LINE_BYTES = 4000, FRAME_BYTES = 16 << 10, LOCAL0 = 16 };

static void escaped(struct sv text, const char *special, size_t max_bytes, struct buf *out)
{
    struct buf plain;
    buf_init(&plain, 4 * max_bytes + 16);
    payload_plain(payload_cut(text, max_bytes), &plain);
    for (size_t i = 0; i < plain.n; i++) {
        if (strchr(special, plain.p[i]) != NULL)
            buf_char(out, '\\');
        buf_char(out, plain.p[i]);
    }
    buf_free(&plain);
}

static void extension(const char *name, struct sv value, size_t max_bytes, struct buf *out)
{
    if (value.n == 0)
        return;
    buf_printf(out, " %s=", name);
    escaped(value, "\\=", max_bytes, out);
}

static void extension_number(const char *name, int64_t value, struct buf *out)
{
    buf_printf(out, " %s=%lld", name, (long long)value);
}

/* "<134>1 2026-11-21T09:17:26Z tocsin tocsin - - - CEF:0|Tocsin|Tocsin|0.1.0|class|name|severity|rt=…" */
static void head(int64_t ns, int syslog_severity, struct sv class, struct sv name, int severity,
                 struct buf *out)
{
    char time[TC_RFC3339_MAX] = "-";
    if (ns > 0)
        clk_rfc3339(ns, time);
    buf_printf(out, "<%d>1 %s tocsin tocsin - - - CEF:0|Tocsin|Tocsin|" TC_VERSION "|",
               8 * LOCAL0 + syslog_severity, time);
    escaped(class, "\\|", NAME_BYTES, out);
    buf_char(out, '|');
    escaped(name, "\\|", NAME_BYTES, out);
    buf_printf(out, "|%d|", severity);
    buf_printf(out, "rt=%lld", (long long)(ns / 1000000));
}

static void framed(const struct buf *message, struct buf *out)
{
    buf_printf(out, "%zu ", message->n);
    buf_sv(out, buf_view(message));
}

/* Labels that CEF has a name for. */
static const struct {
    const char *label, *key;
} names[] = {{"source_ip", "src"},     {"destination_ip", "dst"}, {"user_name", "suser"},
             {"host_name", "dvchost"}, {"process_name", "sproc"}, {"url_path", "request"},
             {"source_port", "spt"}};

static void label_extensions(const struct payload *p, struct buf *out)
{
    struct sv name, value;
    for (uint32_t at = 0; payload_label(p, &at, &name, &value) == 1;)
        for (size_t i = 0; i < TC_ARRAY_LEN(names); i++)
            if (sv_is(name, names[i].label))
                extension(names[i].key, value, NAME_BYTES, out);
}

static void write_alert(const struct channel_config *config, const struct payload *p, struct sv key,
                        const char *console_url, struct buf *out)
{
    static const int severities[] = {
        [SEVERITY_P1] = 10, [SEVERITY_P2] = 8, [SEVERITY_P3] = 5, [SEVERITY_P4] = 3};
    static const int syslog_severities[] = {
        [SEVERITY_P1] = 2, [SEVERITY_P2] = 3, [SEVERITY_P3] = 4, [SEVERITY_P4] = 5};
    struct buf message, text;
    (void)config;
    buf_init(&message, FRAME_BYTES);
    buf_init(&text, 64 << 10);
    head(siem_time_ns(p), syslog_severities[p->severity], p->title, p->title, severities[p->severity],
         &message);
    extension("externalId", p->id, NAME_BYTES, &message);
    extension("act", p->reason, NAME_BYTES, &message);
    extension_number("cnt", (int64_t)p->count, &message);
    label_extensions(p, &message);
    extension("msg", p->message, TEXT_BYTES, &message);
    if (p->by.n > 0) {
        extension("cs1Label", SV("by"), NAME_BYTES, &message);
        extension("cs1", p->by, NAME_BYTES, &message);
    }
    payload_url(p, console_url, &text);
    extension("cs2Label", SV("url"), NAME_BYTES, &message);
    extension("cs2", buf_view(&text), NAME_BYTES, &message);
    extension("cs3Label", SV("key"), NAME_BYTES, &message);
    extension("cs3", key, NAME_BYTES, &message);
    framed(&message, out);
    buf_free(&message);
    buf_free(&text);
}

static int cef_body(const struct channel_config *config, const struct message *message, struct buf *out,
                    struct err *err)
{
    return siem_body(config, message, write_alert, out, err);
}

static void cef_events(const struct channel_config *config, const struct forwarded *items, size_t count,
                       struct buf *out)
{
    struct buf message;
    (void)config;
    buf_init(&message, FRAME_BYTES);
    for (size_t i = 0; i < count; i++) {
        buf_clear(&message);
        head(items[i].ns, 6, SV("event"), items[i].source, 1, &message);
        extension("externalId", items[i].id, NAME_BYTES, &message);
        extension("msg", items[i].line, LINE_BYTES, &message);
        framed(&message, out);
    }
    buf_free(&message);
}

const struct channel channel_cef = {.type = "cef",
                                    .check = syslog_out_check,
                                    .body = cef_body,
                                    .events = cef_events,
                                    .send = syslog_out_send,
                                    .lowest = SEVERITY_P4,
                                    .tells_acknowledged = true,
                                    .tells_resolved = true};

const struct channel channel_cef_udp = {.type = "cef_udp",
                                        .check = syslog_out_check_udp,
                                        .body = cef_body,
                                        .events = cef_events,
                                        .deliver = syslog_out_deliver,
                                        .lowest = SEVERITY_P4,
                                        .tells_acknowledged = true,
                                        .tells_resolved = true};
