/*
 * What mail, webhook and PagerDuty are sent, byte by byte, against golden files; and what a stranger's text
 * can do to it (nothing).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/fs.h"
#include "base/utf8.h"
#include "event/json.h"
#include "notify/channel.h"
#include "notify/http.h"
#include "notify/payload.h"
#include "notify/smtp.h"

#include <stdio.h>
#include <stdlib.h>

#define ID "4f0c9d3ab1e2f3a4b5c6d7e8f9012345"

static const struct sv recipients[] = {{"soc@example.com", 15}, {"Ops <ops@example.com>", 21}};

static struct channel_config mail_config(void)
{
    return (struct channel_config){.name = SV("mail"),
                                   .type = SV("email"),
                                   .smarthost = SV("mail.example.com:587"),
                                   .from = SV("Tocsin <tocsin@example.com>"),
                                   .to = recipients,
                                   .to_count = 2,
                                   .require_tls = true};
}

static const char *payload_of(const char *reason, unsigned count, struct buf *out)
{
    buf_clear(out);
    buf_printf(
        out,
        "{\"key\":\"" ID "-x\",\"reason\":\"%s\",\"count\":%u,\"alert\":{\"id\":\"" ID
        "\",\"fingerprint\":\"0123456789abcdef\",\"title\":\"BRUTE_FORCE_ATTACK\",\"severity\":\"P2\","
        "\"state\":\"firing\",\"message\":\"BRUTE_FORCE_ATTACK: source.ip=203.0.113.7 (count "
        "6)\",\"description\":\"More than five failed logins = an attack?\",\"owner\":\"security "
        "team\",\"runbook\":\"packs/auth/runbooks/brute_force_attack.md\",\"actions\":[\"Block the "
        "address\",\"Tell J\xc3\xbcrgen <now> & then wait, for as long as it takes, until he has "
        "answered\"],\"labels\":{\"alertname\":\"BRUTE_FORCE_ATTACK\",\"severity\":\"P2\",\"source_ip\":"
        "\"203.0.113.7\",\"user_name\":\"a\\\"b\\\\c\\nd\"},\"first_seen\":\"2026-11-21T09:17:00Z\",\"last_"
        "seen\":"
        "\"2026-11-21T09:17:26.5Z\",\"acknowledged_by\":\"carol\",\"ended_by\":\"dave\",\"ended_at\":"
        "\"2026-11-21T10:00:00Z\"}}",
        reason, count);
    buf_char(out, '\0');
    return out->p;
}

static void body_of(const char *type, const struct channel_config *config, const char *key,
                    const char *payload, struct buf *out)
{
    struct err err;
    const struct channel *channel = channel_find(sv_of(type));
    const struct message message = {
        .key = sv_of(key), .payload = sv_of(payload), .console_url = "http://127.0.0.1:9797/"};
    assert_int_equal(channel->body(config, &message, out, &err), 0);
    assert_false(out->overflow);
}

static void expect_golden(const char *path, const struct buf *body)
{
    struct buf golden, text;
    struct err err;
    buf_init(&golden, 1 << 16);
    buf_init(&text, 1 << 16);
    assert_int_equal(fs_read_file(&fs_system, path, &golden, &err), 0);
    buf_sv(&text, buf_view(body));
    if (text.n > 0 && text.p[text.n - 1] != '\n')
        buf_char(&text, '\n');
    buf_char(&golden, '\0');
    buf_char(&text, '\0');
    assert_string_equal(text.p, golden.p);
    buf_free(&golden);
    buf_free(&text);
}

static void golden_case(const char *type, const struct channel_config *config, const char *key,
                        const char *reason, unsigned count, const char *path)
{
    struct buf payload, body;
    buf_init(&payload, 1 << 16);
    buf_init(&body, 1 << 16);
    body_of(type, config, key, payload_of(reason, count, &payload), &body);
    expect_golden(path, &body);
    buf_free(&payload);
    buf_free(&body);
}

static void test_E_07_mail(void **state)
{
    struct channel_config config = mail_config();
    (void)state;
    golden_case("email", &config, ID "-new:mail", "new", 6, "test/golden/email_new.eml");
    golden_case("email", &config, ID "-50:mail", "count_step", 50, "test/golden/email_step.eml");
}

static void test_E_10_webhook(void **state)
{
    const struct channel_config config = {.name = SV("hook.v1"), .type = SV("webhook")};
    (void)state;
    golden_case("webhook", &config, "k", "count_step", 50, "test/golden/webhook_firing.json");
    golden_case("webhook", &config, "k", "resolved", 50, "test/golden/webhook_resolved.json");
}

static void test_E_03_E_04_pagerduty(void **state)
{
    const struct channel_config config = {
        .name = SV("pd"), .type = SV("pagerduty"), .routing_key = SV("0123456789abcdef0123456789abcdef")};
    (void)state;
    golden_case("pagerduty", &config, "k", "new", 1, "test/golden/pagerduty_trigger.json");
    golden_case("pagerduty", &config, "k", "acknowledged", 1, "test/golden/pagerduty_acknowledge.json");
    golden_case("pagerduty", &config, "k", "resolved", 1, "test/golden/pagerduty_resolve.json");
}

static void test_E_04_pagerduty_bounds(void **state)
{
    const struct channel_config config = {.name = SV("pd"), .type = SV("pagerduty"), .routing_key = SV("k")};
    struct buf payload, body;
    struct arena arena = {0};
    struct event event = {0};
    (void)state;
    buf_init(&payload, 1 << 20);
    buf_init(&body, 1 << 20);
    buf_str(&payload, "{\"alert\":{\"id\":\"x\",\"severity\":\"P1\",\"message\":\"");
    for (int i = 0; i < 1000; i++)
        buf_str(&payload, "\xc3\xbc");
    buf_str(&payload, "\",\"description\":\"");
    for (int i = 0; i < 300000; i++)
        buf_char(&payload, 'x');
    buf_str(&payload, "\"}}");
    buf_char(&payload, '\0');
    body_of("pagerduty", &config, "k", payload.p, &body);
    assert_int_equal(json_parse_event(buf_view(&body), &arena, &event, NULL), 0);
    event_index(&event, &arena);
    struct sv summary = event_value(&event, "payload.summary");
    assert_true(summary.n <= 1024 && sv_ends(summary, SV("\xe2\x80\xa6")));
    assert_true(body.n < 512000);
    assert_non_null(memmem(body.p, body.n, "cut: the alert is longer", 24));
    assert_string_equal(event_value(&event, "payload.severity").n == 8 ? "critical" : "", "critical");
    buf_free(&payload);
    buf_free(&body);
    arena_free(&arena);
}

/* Whatever stands in an event: the headers are ours, no line is long, all is ASCII. */
static void test_E_07_nothing_is_injected(void **state)
{
    static const char *const texts[] = {
        "a\\r\\nBcc: all@example.com\\r\\n\\r\\nbody",
        "a\\nBcc: x@y.z",
        "=?utf-8?B?QmNjOiB4?=",
        "\\u0000\\u0001\\u202e.\\r\\n.\\r\\nMAIL FROM:<x>",
        "\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5\xf0\x9f\x94\xa5",
        "--tocsin-0123",
        "\xff\xfe",
        "   trailing   ",
    };
    struct channel_config config = mail_config();
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(texts); i++) {
        struct buf payload, body;
        buf_init(&payload, 1 << 20);
        buf_init(&body, 1 << 20);
        buf_str(&payload, "{\"alert\":{\"id\":\"x\",\"severity\":\"P1\",\"title\":\"T\",\"message\":\"");
        for (int j = 0; j < 30; j++)
            buf_str(&payload, texts[i]);
        buf_printf(&payload, "\",\"labels\":{\"%s\":\"%s\"}}}", texts[i], texts[i]);
        buf_char(&payload, '\0');
        body_of("email", &config, "x-new:mail", payload.p, &body);
        struct sv rest = buf_view(&body);
        size_t headers = 0;
        for (bool in_headers = true; rest.n > 0;) {
            size_t end = sv_find(rest, SV("\r\n"));
            struct sv line = sv_head(rest, end);
            assert_true(end <= 78 || !in_headers || !sv_starts(line, SV("Subject")));
            assert_true(end <= 998);
            for (size_t k = 0; k < line.n; k++)
                assert_true(line.p[k] >= ' ' && line.p[k] < 0x7f);
            in_headers = in_headers && line.n > 0;
            headers += in_headers && line.p[0] != ' ';
            rest = sv_from(rest, end + 2);
        }
        assert_int_equal(headers, 8); /* From To Subject Message-ID Auto-Submitted X-Tocsin-Severity
                                         MIME-Version Content-Type */
        buf_free(&payload);
        buf_free(&body);
    }
}

static void test_mail_addresses(void **state)
{
    static const struct {
        const char *mailbox, *address;
    } rows[] = {
        {"a@b.c", "a@b.c"},
        {" S <a@b.c> ", "a@b.c"},
        {"<a@b.c>", "a@b.c"},
        {"a", ""},
        {"a@", ""},
        {"@b", ""},
        {"a@b@c", ""},
        {"a b@c", ""},
        {"a@b.c\r\nX: y", ""},
        {"a@b>", ""},
        {"<a@b", ""},
        {"", ""},
        {"a@b,c@d", ""},
        {"\xc3\xbc@b.c", ""},
    };
    static const char *const good[] = {"h:25", "[::1]:587", "mail.example.com:465"};
    static const char *const bad[] = {"h", ":25", "h:", "h:0", "h:70000", "h/x:25", "h x:25", "a@h:25"};
    struct err err;
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(rows); i++)
        if (!sv_is(smtp_address(sv_of(rows[i].mailbox)), rows[i].address))
            fail_msg("\"%s\" is read wrongly", rows[i].mailbox);
    for (size_t i = 0; i < TC_ARRAY_LEN(good); i++)
        assert_int_equal(smtp_check_smarthost(sv_of(good[i]), &err), 0);
    for (size_t i = 0; i < TC_ARRAY_LEN(bad); i++)
        assert_int_equal(smtp_check_smarthost(sv_of(bad[i]), &err), TC_EINPUT);
}

/* RFC 4231's second case stands behind nettle's; here the text that is signed. */
static void test_E_10_signature(void **state)
{
    char hex[65];
    (void)state;
    webhook_sign(SV("key"), SV("1763716800"), SV("{}"), hex);
    assert_string_equal(hex, "d13b9264d15bf91923327c115ca908eacf2910ece4fc1a9ecd3b8431844cebbd");
}

static void test_headers_of_webhooks(void **state)
{
    static const struct {
        const char *name, *value;
        int rc;
    } rows[] = {
        {"X-Team", "security", 0},         {"X-Team", "", 0},
        {"X Team", "x", TC_EINPUT},        {"", "x", TC_EINPUT},
        {"X-Team:", "x", TC_EINPUT},       {"X-Team", "a\r\nB: c", TC_EINPUT},
        {"host", "x", TC_EINPUT},          {"Content-Length", "1", TC_EINPUT},
        {"authorization", "x", TC_EINPUT}, {"X-Tocsin-Signature", "x", TC_EINPUT},
    };
    struct err err;
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(rows); i++)
        assert_int_equal(http_check_header(sv_of(rows[i].name), sv_of(rows[i].value), &err), rows[i].rc);
}

/* D-02, D-03, E-03: who is told without a table. */
static void test_D_02_D_03_who_is_told(void **state)
{
    static const struct {
        const char *type, *reason;
        const char *told; /* of P1 to P4 */
    } rows[] = {
        {"slack", "new", "yynn"},
        {"slack", "acknowledged", "yynn"},
        {"slack", "resolved", "nnnn"},
        {"email", "new", "yyyn"},
        {"email", "acknowledged", "nnnn"},
        {"email", "resolved", "nnnn"},
        {"pagerduty", "new", "yynn"},
        {"pagerduty", "resolved", "yynn"},
        {"pagerduty", "acknowledged", "yynn"},
        {"webhook", "count_step", "yyyy"},
        {"webhook", "resolved", "yyyy"},
        {"webhook", "acknowledged", "nnnn"},
        {"file", "new", "yyyy"},
        {"stdout", "new", "yyyy"},
        {"pigeon", "new", "nnnn"},
    };
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(rows); i++)
        for (int severity = SEVERITY_P1; severity <= SEVERITY_P4; severity++) {
            const struct channel_config config = {.type = sv_of(rows[i].type)};
            bool told = notify_takes(&config, (enum severity)severity, sv_of(rows[i].reason));
            bool want = rows[i].told[severity - SEVERITY_P1] == 'y';
            if (told != want)
                fail_msg("%s %s P%d", rows[i].type, rows[i].reason, severity);
        }
    assert_true(notify_takes(&(struct channel_config){.type = SV("email"), .send_resolved = CHOICE_YES},
                             SEVERITY_P2, SV("resolved")));
    assert_true(notify_takes(&(struct channel_config){.type = SV("slack"), .min_severity = SEVERITY_P4},
                             SEVERITY_P4, SV("new")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_E_07_mail),
        cmocka_unit_test(test_E_10_webhook),
        cmocka_unit_test(test_E_03_E_04_pagerduty),
        cmocka_unit_test(test_E_04_pagerduty_bounds),
        cmocka_unit_test(test_E_07_nothing_is_injected),
        cmocka_unit_test(test_mail_addresses),
        cmocka_unit_test(test_E_10_signature),
        cmocka_unit_test(test_headers_of_webhooks),
        cmocka_unit_test(test_D_02_D_03_who_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
