/*
 * A webhook of Alertmanager's shape (version 4; ledger E-10), signed.
 *
 * Each alert is a group of its own, as with Alertmanager's `group_by: ['...']`, so groupKey names the alert
 * and all of a receiver's de-duplication by it holds. `X-Tocsin-Signature: v1=HEX` is HMAC-SHA256 over the
 * text of `X-Tocsin-Timestamp` (seconds since 1970), a dot, and the body; with two keys there are two,
 * separated by a comma, so that keys can be changed one side at a time. A receiver checks one of them in
 * constant time and refuses old timestamps.
 */
#include "notify/channel.h"

#include "base/hash.h"
#include "base/json_out.h"
#include "notify/http.h"
#include "notify/payload.h"

#include <nettle/hmac.h>
#include <stdio.h>

enum { TEXT_BYTES = 16 << 10 };

static int webhook_check(const struct channel_config *config, struct err *err)
{
    if (config->url.n == 0)
        return err_set(err, TC_EINPUT, "a webhook channel needs a url");
    if (http_check_url(config->url, err) != 0)
        return err->code;
    if (config->bearer_token.n > 0 && config->auth_username.n > 0)
        return err_set(err, TC_EINPUT, "bearer_token and auth_username exclude each other");
    for (size_t i = 0; i < config->header_count; i++)
        if (http_check_header(config->headers[i].name, config->headers[i].value, err) != 0)
            return err->code;
    return 0;
}

/* Go's %q, as far as label values of valid UTF-8 need it. */
static void quoted(struct sv text, struct buf *out)
{
    buf_char(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n' || c == '\t' || c == '\r')
            buf_str(out, c == '\n' ? "\\n" : c == '\t' ? "\\t" : "\\r");
        else if (c < ' ' || c == 0x7f)
            buf_printf(out, "\\x%02x", c);
        else
            buf_char(out, (char)c);
    }
    buf_char(out, '"');
}

static void group_key(const struct payload *p, struct buf *out)
{
    struct sv name, text;
    const char *between = "{}:{";
    for (uint32_t at = 0; payload_label(p, &at, &name, &text) == 1; between = ", ") {
        buf_str(out, between);
        buf_sv(out, name);
        buf_char(out, '=');
        quoted(text, out);
    }
    buf_str(out, between[0] == '{' ? "{}:{}" : "}");
}

static void labels(const struct payload *p, const char *key, struct json_out *json)
{
    struct sv name, text;
    json_key(json, sv_of(key));
    json_object(json);
    for (uint32_t at = 0; payload_label(p, &at, &name, &text) == 1;) {
        json_key(json, name);
        json_string(json, text);
    }
    json_object_end(json);
}

/* What Prometheus' rules mostly name so; the count stands here because there is no other place for it. */
static void annotations(const struct payload *p, const char *key, struct json_out *json)
{
    char count[32];
    struct buf summary, steps;
    buf_init(&summary, TEXT_BYTES);
    buf_init(&steps, TEXT_BYTES);
    payload_headline(p, &summary);
    json_key(json, sv_of(key));
    json_object(json);
    payload_steps(p, &steps);
    if (steps.n > 0)
        json_kv_string(json, "actions", buf_view(&steps));
    buf_free(&steps);
    if (p->description.n > 0)
        json_kv_string(json, "description", p->description);
    snprintf(count, sizeof count, "%llu", (unsigned long long)p->count);
    json_kv_str(json, "occurrences", count);
    if (p->owner.n > 0)
        json_kv_string(json, "owner", p->owner);
    if (p->secondary_owner.n > 0)
        json_kv_string(json, "secondary_owner", p->secondary_owner);
    if (p->runbook.n > 0)
        json_kv_string(json, "runbook_url", p->runbook);
    json_kv_string(json, "summary", buf_view(&summary));
    json_object_end(json);
    buf_free(&summary);
}

/* `receiver` is quoted as a regular expression, as Alertmanager has it. */
static void receiver(struct sv name, struct json_out *json)
{
    struct buf out;
    buf_init(&out, 1024);
    for (size_t i = 0; i < name.n; i++) {
        if (strchr("\\.+*?()|[]{}^$", name.p[i]) != NULL)
            buf_char(&out, '\\');
        buf_char(&out, name.p[i]);
    }
    json_kv_string(json, "receiver", buf_view(&out));
    buf_free(&out);
}

static void write_json(const struct channel_config *config, const struct payload *p, const char *console_url,
                       struct buf *out)
{
    struct json_out json = json_out_to(out);
    const char *status = payload_is_over(p) ? "resolved" : "firing";
    struct buf text;
    buf_init(&text, TEXT_BYTES);
    json_object(&json);
    receiver(config->name, &json);
    json_kv_str(&json, "status", status);
    json_key(&json, SV("alerts"));
    json_array(&json);
    json_object(&json);
    json_kv_str(&json, "status", status);
    labels(p, "labels", &json);
    annotations(p, "annotations", &json);
    json_kv_string(&json, "startsAt", p->first.n > 0 ? p->first : p->time);
    json_kv_string(&json, "endsAt",
                   payload_is_over(p) && p->ended.n > 0 ? p->ended : SV("0001-01-01T00:00:00Z"));
    payload_url(p, console_url, &text);
    json_kv_string(&json, "generatorURL", buf_view(&text));
    json_kv_string(&json, "fingerprint", p->fingerprint);
    json_object_end(&json);
    json_array_end(&json);
    labels(p, "groupLabels", &json);
    labels(p, "commonLabels", &json);
    annotations(p, "commonAnnotations", &json);
    json_kv_str(&json, "externalURL", console_url == NULL ? "" : console_url);
    json_kv_str(&json, "version", "4");
    buf_clear(&text);
    group_key(p, &text);
    json_kv_string(&json, "groupKey", buf_view(&text));
    json_kv_u64(&json, "truncatedAlerts", 0);
    json_object_end(&json);
    buf_free(&text);
}

static int webhook_body(const struct channel_config *config, const struct message *message, struct buf *out,
                        struct err *err)
{
    struct payload p;
    int rc = payload_read(message->payload, &p, err);
    if (rc == 0)
        write_json(config, &p, message->console_url, out);
    payload_free(&p);
    return rc;
}

void webhook_sign(struct sv key, struct sv timestamp, struct sv body, char ret_hex[65])
{
    struct hmac_sha256_ctx context;
    uint8_t digest[TC_SHA256_BYTES];
    hmac_sha256_set_key(&context, key.n, (const uint8_t *)key.p);
    hmac_sha256_update(&context, timestamp.n, (const uint8_t *)timestamp.p);
    hmac_sha256_update(&context, 1, (const uint8_t *)".");
    hmac_sha256_update(&context, body.n, (const uint8_t *)body.p);
    hmac_sha256_digest(&context, sizeof digest, digest);
    hash_hex(digest, sizeof digest, ret_hex);
    explicit_bzero(&context, sizeof context);
}

static void put_signature(const struct channel_config *config, const struct parcel *parcel, struct buf *lines,
                          struct sv ret[2])
{
    char timestamp[32];
    int n = snprintf(timestamp, sizeof timestamp, "%lld", (long long)(parcel->now_ns / TC_SECOND_NS));
    buf_printf(lines, "X-Tocsin-Timestamp: %s", timestamp);
    size_t first = lines->n;
    buf_str(lines, "X-Tocsin-Signature: ");
    for (size_t i = 0; i < TC_ARRAY_LEN(config->signing_keys) && config->signing_keys[i].n > 0; i++) {
        char hex[TC_SHA256_HEX];
        webhook_sign(config->signing_keys[i], sv_make(timestamp, (size_t)n), parcel->body, hex);
        buf_printf(lines, "%sv1=%s", i == 0 ? "" : ",", hex);
    }
    ret[0] = sv_head(buf_view(lines), first);
    ret[1] = sv_from(buf_view(lines), first);
}

static struct transfer *webhook_send(const struct channel_config *config, const struct parcel *parcel)
{
    struct sv headers[TC_HEADERS_MAX + 2];
    size_t count = 0;
    struct buf lines[TC_HEADERS_MAX + 1] = {0};
    for (; count < config->header_count && count < TC_HEADERS_MAX; count++) {
        buf_init(&lines[count], 8 << 10);
        buf_printf(&lines[count], "%.*s: %.*s", SV_FMT(config->headers[count].name),
                   SV_FMT(config->headers[count].value));
        headers[count] = buf_view(&lines[count]);
    }
    if (config->signing_keys[0].n > 0) {
        buf_init(&lines[TC_HEADERS_MAX], 1024);
        put_signature(config, parcel, &lines[TC_HEADERS_MAX], &headers[count]);
        count += 2;
    }
    struct transfer *transfer = http_transfer_new(&(struct http_post){.url = config->url,
                                                                      .content_type = "application/json",
                                                                      .key = parcel->key,
                                                                      .body = parcel->body,
                                                                      .headers = headers,
                                                                      .header_count = count,
                                                                      .bearer_token = config->bearer_token,
                                                                      .username = config->auth_username,
                                                                      .password = config->auth_password,
                                                                      .ca_file = config->ca_file,
                                                                      .timeout_ns = parcel->timeout_ns});
    for (size_t i = 0; i < TC_ARRAY_LEN(lines); i++)
        buf_free(&lines[i]);
    return transfer;
}

const struct channel channel_webhook = {.type = "webhook",
                                        .check = webhook_check,
                                        .body = webhook_body,
                                        .send = webhook_send,
                                        .lowest = SEVERITY_P4,
                                        .tells_resolved = true};
