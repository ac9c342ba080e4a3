/*
 * What the services of service.h are sent, request by request, against golden files; and how their answers
 * are read. In the golden files the end of a request is a line break.
 */
#include "notify/courier_kit.h"

#define ID "4f0c9d3ab1e2f3a4b5c6d7e8f9012345"

static const struct sv chat = {"-1001", 5}, topic = {"arn:aws:sns:eu-west-1:1:soc.fifo", 32};
static const struct sv phones[] = {{"+15005550007", 12}, {"+15005550008", 12}};

static const char *payload_of(const char *reason, unsigned count, struct buf *out)
{
    buf_clear(out);
    buf_printf(
        out,
        "{\"key\":\"" ID "-x\",\"reason\":\"%s\",\"count\":%u,\"alert\":{\"id\":\"" ID
        "\",\"fingerprint\":\"0123456789abcdef\",\"title\":\"BRUTE_FORCE_ATTACK\",\"severity\":\"P1\","
        "\"state\":\"firing\",\"message\":\"BRUTE_FORCE_ATTACK: source.ip=203.0.113.7 <b>*_`[x](y)~ & "
        "@here\",\"description\":\"More than five failed logins.\",\"owner\":\"security "
        "team\",\"runbook\":\"https://wiki.example.com/brute\",\"actions\":[\"Block the address\",\"Tell "
        "<https://evil|us>\"],\"labels\":{\"alertname\":\"BRUTE_FORCE_"
        "ATTACK\",\"severity\":\"P1\",\"source_ip\":\"203.0.113.7\"},\"first_seen\":\"2026-11-21T09:17:00Z\","
        "\"last_seen\":\"2026-11-21T09:17:26.5Z\",\"acknowledged_by\":\"carol\",\"ended_by\":\"dave\","
        "\"ended_at\":\"2026-11-21T10:00:00Z\"}}",
        reason, count);
    buf_char(out, '\0');
    return out->p;
}

static void expect_golden(const char *path, struct buf *body)
{
    const struct sv version = SV("|" TC_VERSION "|");
    struct buf golden;
    struct err err;
    size_t at = sv_find(buf_view(body), version); /* of the program: no golden file changes with it */
    buf_init(&golden, 1 << 16);
    if (at < body->n)
        memset(body->p + at + 1, 'V', version.n - 2);
    if (body->p[body->n - 1] != 0x1e)
        buf_char(body, 0x1e);
    for (size_t i = 0; i < body->n; i++)
        if (body->p[i] == 0x1e)
            body->p[i] = '\n';
    if (fs_read_file(&fs_system, path, &golden, &err) != 0) {
        fprintf(stderr, "%s should hold:\n%.*s\nEND\n", path, SV_FMT(buf_view(body)));
        fail_msg("%s", err.text);
    }
    buf_char(&golden, '\0');
    buf_char(body, '\0');
    assert_string_equal(body->p, golden.p);
    buf_free(&golden);
}

static const struct {
    const char *golden;
    const struct channel_config config;
    const char *reason;
    unsigned count;
    const char *first_id;
} goldens[] = {
#define TWILIO                                                                                               \
    .account = {"AC0", 3}, .token = {"t", 1}, .from = {"+15005550006", 12}, .to = phones, .to_count = 2
    {"sms_new", {.name = {"sms", 3}, .type = {"sms", 3}, TWILIO}, "new", 1, ""},
    {"sms_step",
     {.name = {"sms", 3}, .type = {"sms", 3}, TWILIO, .callback_url = {"https://t.example/", 18}},
     "count_step",
     50,
     ""},
    {"voice_new",
     {.name = {"a b", 3}, .type = {"voice", 5}, TWILIO, .callback_url = {"https://t.example/", 18}},
     "new",
     1,
     ""},
#define SLACK .name = {"soc", 3}, .type = {"slack_app", 9}, .token = {"t", 1}, .signing_secret = {"s", 1}
    {"slack_app_new", {SLACK}, "new", 1, ""},
    {"slack_app_acknowledged", {SLACK}, "acknowledged", 1, "C0:1503435956.000247"},
    {"slack_app_step", {SLACK, .slack_channel = {"#noc", 4}}, "count_step", 10, "C0:1503435956.000247"},
#define HOOK(kind) .name = {kind, sizeof kind - 1}, .type = {kind, sizeof kind - 1}, .url = {"http://h/x", 10}
#define API(kind)                                                                                            \
    .name = {kind, sizeof kind - 1}, .type = {kind, sizeof kind - 1}, .token = {"t0:x", 4}, .to = &chat
    {"teams_new", {HOOK("teams")}, "new", 1, ""},
    {"discord_new", {HOOK("discord"), .mentions = {[SEVERITY_P1] = {"@here", 5}}}, "new", 1, ""},
    {"discord_acknowledged", {HOOK("discord")}, "acknowledged", 1, ""},
    {"telegram_new", {API("telegram"), .to_count = 1}, "new", 1, ""},
    {"telegram_resolved", {API("telegram"), .to_count = 1}, "resolved", 1, "17"},
    {"mattermost_new", {HOOK("mattermost"), .mentions = {[SEVERITY_P1] = {"@channel", 8}}}, "new", 1, ""},
    {"pushover_new", {API("pushover"), .to_count = 1}, "new", 1, ""},
    {"pushover_acknowledged", {API("pushover"), .to_count = 1}, "acknowledged", 1, "r"},
    {"webex_step", {API("webex"), .to_count = 1}, "count_step", 10, "Y2lz"},
    {"opsgenie_new", {API("opsgenie")}, "new", 1, ""},
    {"opsgenie_acknowledged", {API("opsgenie")}, "acknowledged", 1, "r"},
    {"opsgenie_resolved", {API("opsgenie")}, "resolved", 1, "r"},
    {"victorops_new", {API("victorops"), .routing_key = {"team a", 6}}, "new", 1, ""},
    {"victorops_resolved", {API("victorops")}, "resolved", 1, "x"},
    {"sns_new",
     {.name = {"sns", 3}, .type = {"sns", 3}, .region = {"eu-west-1", 9}, .to = &topic, .to_count = 1},
     "new",
     1,
     ""},
    {"jira_new", {API("jira"), .project = {"SEC", 3}}, "new", 1, ""},
    {"jira_resolved", {API("jira"), .project = {"SEC", 3}, .transition = {"31", 2}}, "resolved", 1, "SEC-7"},
    {"ticket_new", {HOOK("ticket")}, "new", 1, ""},
    {"ticket_resolved", {HOOK("ticket")}, "resolved", 3, "INC 0007"},
    {"splunk_hec_new", {API("splunk_hec"), .index = {"sec", 3}}, "new", 1, ""},
    {"datadog_new", {API("datadog"), .region = {"datadoghq.eu", 12}}, "new", 1, ""},
    {"elastic_resolved", {API("elastic")}, "resolved", 1, ""},
    {"cef_new", {API("cef")}, "new", 1, ""},
    {"voice_resolved", {.name = {"call", 4}, .type = {"voice", 5}, TWILIO}, "resolved", 1, ""},
};

static void test_goldens(void **state)
{
    struct buf payload;
    (void)state;
    buf_init(&payload, 1 << 16);
    for (size_t i = 0; i < TC_ARRAY_LEN(goldens); i++) {
        struct buf body;
        struct err err;
        char path[128];
        buf_init(&body, 1 << 20);
        const struct channel *channel = channel_find(goldens[i].config.type);
        struct message message = {.key = SV("k"),
                                  .payload = sv_of(payload_of(goldens[i].reason, goldens[i].count, &payload)),
                                  .first_id = sv_of(goldens[i].first_id),
                                  .console_url = "https://tocsin.example.com/"};
        if (channel->body(&goldens[i].config, &message, &body, &err) != 0)
            fail_msg("%s: %s", goldens[i].golden, err.text);
        snprintf(path, sizeof path, "test/golden/%s.txt", goldens[i].golden);
        expect_golden(path, &body);
        buf_free(&body);
    }
    buf_free(&payload);
}

/* --- several requests, and answers ------------------------------------------------------------------------
 */

static void use_sms(struct fixture *f)
{
    static char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", f->mocks[0].port);
    f->channels[0] = (struct channel_config){.name = SV("soc"),
                                             .type = SV("sms"),
                                             .api_url = sv_of(url),
                                             .account = SV("AC0"),
                                             .token = SV(SECRET),
                                             .from = SV("+15005550006"),
                                             .to = phones,
                                             .to_count = 2};
}

#define ANSWER(status, body) "HTTP/1.1 " status "\r\nConnection: close\r\n\r\n" body
#define TAKEN                ANSWER("201 Created", "{\"sid\":\"SM1\"}")
#define OPTED_OUT            ANSWER("400 Bad Request", "{\"code\":21610}")
#define ECHO                 ANSWER("400 Bad Request", "{\"code\":\"" SECRET "\"}")

static void test_E_06_each_recipient_for_itself(void **state)
{
    struct fixture *f = *state;
    use_sms(f);
    mock_script(&f->mocks[0], TAKEN);
    mock_script(&f->mocks[0], MOCK_STATUS("503 Busy", ""));
    mock_otherwise(&f->mocks[0], OPTED_OUT);
    start(f);
    put(f, "soc", "a1", 1);
    settle(f);
    expect_counts(f, 1, 0, 0);
    assert_int_equal(mock_count(&f->mocks[0]), 2);
    pass(f, 1201 * ms);
    expect_counts(f, 0, 1, 0); /* the first has it, the second never will: sent, and said */
    assert_int_equal(mock_count(&f->mocks[0]), 3);
    assert_non_null(strstr(mock_seen(&f->mocks[0], 0), "To=%2B15005550007"));
    assert_non_null(strstr(mock_seen(&f->mocks[0], 2), "To=%2B15005550008"));
    expect_key(&f->mocks[0], 0, "a1-1:soc");
    expect_key(&f->mocks[0], 2, "a1-1:soc/1");
    expect_said(f, "1 of 2 requests refused for good; the last: HTTP status 400: 21610");
    assert_int_equal(f->troubles, 1);
}

static void test_E_06_refused_by_all(void **state)
{
    struct fixture *f = *state;
    use_sms(f);
    mock_otherwise(&f->mocks[0], ECHO); /* a server that echoes the token is not repeated: see teardown */
    start(f);
    put(f, "soc", "a1", 1);
    settle(f);
    expect_counts(f, 0, 0, 1);
    expect_said(f, "2 of 2 requests refused for good; the last: HTTP status 400\n");
    assert_int_equal(mock_count(&f->mocks[0]), 2);
}

/* One refused, the other put off and refused later: nobody has it, and that is said. */
static void test_E_06_refused_by_all_one_later(void **state)
{
    struct fixture *f = *state;
    use_sms(f);
    mock_script(&f->mocks[0], OPTED_OUT);
    mock_script(&f->mocks[0], MOCK_STATUS("503 Busy", ""));
    mock_otherwise(&f->mocks[0], OPTED_OUT);
    start(f);
    put(f, "soc", "a1", 1);
    settle(f);
    expect_counts(f, 1, 0, 0);
    pass(f, 1201 * ms);
    assert_int_equal(mock_count(&f->mocks[0]), 3);
    expect_counts(f, 0, 0, 1);
    expect_said(f, "2 of 2 requests refused for good; the last: HTTP status 400: 21610");
}

/* A bulk of which it cannot be read that each part was taken is not done. */
static void test_E_12_an_answer_to_a_bulk_that_cannot_be_read(void **state)
{
    struct fixture *f = *state;
    struct buf answer;
    use_sms(f);
    f->channels[0].type = SV("elastic");
    buf_init(&answer, 1 << 20);
    buf_str(&answer, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{\"items\":[");
    for (int i = 0; i < 300; i++)
        buf_str(&answer,
                "{\"create\":{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"status\":201}},");
    buf_str(&answer, "{\"create\":{\"status\":429}}]}");
    buf_char(&answer, '\0');
    mock_script(&f->mocks[0], ANSWER("200 OK", "{\"acknowledged\":true}"));
    mock_script(&f->mocks[0], ANSWER("200 OK", "{\"items\":[{\"create\":{\"status\":409}}]}"));
    mock_otherwise(&f->mocks[0], answer.p);
    start(f);
    put(f, "soc", "a1", 1);
    settle(f);
    expect_counts(f, 1, 0, 0);
    pass(f, 1201 * ms);
    expect_counts(f, 0, 1, 0);
    put(f, "soc", "a2", 1);
    settle(f);
    expect_counts(f, 0, 1, 1);
    expect_said(f, "a2-1:soc failed: HTTP status 200 with an answer that is too long");
    buf_free(&answer);
}

/* A moment in which the store cannot be read loses no message. */
static void test_E_02_a_store_that_fails_for_a_moment(void **state)
{
    struct fixture *f = *state;
    start(f);
    put(f, "soc", "a1", 1);
    assert_int_equal(
        sqlite3_exec(f->store->db, "ALTER TABLE outbox RENAME COLUMN provider_id TO away", NULL, NULL, NULL),
        SQLITE_OK);
    settle(f);
    expect_counts(f, 1, 0, 0);
    assert_int_equal(mock_count(&f->mocks[0]), 0);
    assert_int_equal(
        sqlite3_exec(f->store->db, "ALTER TABLE outbox RENAME COLUMN away TO provider_id", NULL, NULL, NULL),
        SQLITE_OK);
    pass(f, 1001 * ms);
    expect_counts(f, 0, 1, 0);
    assert_int_equal(mock_count(&f->mocks[0]), 1);
}

static void test_an_aside_is_said_once_and_bounded(void **state)
{
    struct fixture *f = *state;
    char url[128];
    snprintf(url, sizeof url, "http://127.0.0.1:%u/x", f->mocks[1].port);
    mock_otherwise(&f->mocks[1], MOCK_STATUS("500 No", ""));
    start(f);
    assert_false(notifier_say(f->notifier, SV("nobody"), sv_of(url), SV("{}")));
    for (int i = 0; i < 16; i++)
        assert_true(notifier_say(f->notifier, SV("soc"), sv_of(url), SV("{}")));
    assert_false(notifier_say(f->notifier, SV("soc"), sv_of(url), SV("{}")));
    step_until_seen(f, &f->mocks[1], 16);
    for (int i = 0; i < 2000 && f->notifier->aside_count > 0; i++)
        notifier_step(f->notifier, 10);
    assert_int_equal(f->notifier->aside_count, 0);
    assert_true(notifier_say(f->notifier, SV("soc"), sv_of(url), SV("{}"))); /* freed with the courier */
}

/* Slack answers 200 to all. */
static void test_an_answer_that_is_not_ok(void **state)
{
    struct fixture *f = *state;
    use_sms(f);
    f->channels[0].type = SV("slack_app");
    mock_script(&f->mocks[0], ANSWER("200 OK", "{\"ok\":false,\"error\":\"internal_error\"}"));
    mock_script(&f->mocks[0], ANSWER("200 OK", "{\"ok\":true,\"channel\":\"C0\",\"ts\":\"1.2\"}"));
    mock_otherwise(&f->mocks[0], ANSWER("200 OK", "{\"ok\":false,\"error\":\"channel_not_found\"}"));
    start(f);
    put(f, "soc", "a1", 1);
    settle(f);
    expect_counts(f, 1, 0, 0);
    pass(f, 1201 * ms);
    expect_counts(f, 0, 1, 0);
    assert_string_equal(f->last_id, "C0:1.2");
    put(f, "soc", "a2", 1);
    settle(f);
    expect_counts(f, 0, 1, 1);
    expect_said(f, "a2-1:soc failed: HTTP status 200: channel_not_found");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_goldens),
        CASE(test_E_06_each_recipient_for_itself),
        CASE(test_E_06_refused_by_all),
        CASE(test_E_06_refused_by_all_one_later),
        CASE(test_E_12_an_answer_to_a_bulk_that_cannot_be_read),
        CASE(test_E_02_a_store_that_fails_for_a_moment),
        CASE(test_an_answer_that_is_not_ok),
        CASE(test_an_aside_is_said_once_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
