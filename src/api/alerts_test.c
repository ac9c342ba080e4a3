/*
 * Tests of what people and programs read and change: lists, one alert, commands, Alertmanager's shape, the
 * page, health and metrics.
 */
#include "api/api_testkit.h"

#include "event/json.h"

struct sample {
    const char *id, *title, *ip;
    enum alert_state state;
    enum severity severity;
    int64_t ended_ns;
};

static void put(struct kit *kit, const struct sample *sample)
{
    const struct alert_label labels[] = {{SV("alertname"), sv_of(sample->title)},
                                         {SV("severity"), sv_of(severity_name(sample->severity))},
                                         {SV("source_ip"), sv_of(sample->ip)}};
    struct alert alert = {.title = sv_of(sample->title),
                          .rule_id = SV("rule-1"),
                          .severity = sample->severity,
                          .state = sample->state,
                          .message = SV("<script>alert(1)</script>"),
                          .labels = labels,
                          .label_count = TC_ARRAY_LEN(labels),
                          .count = 3,
                          .first_ns = KIT_NOW_NS,
                          .last_ns = KIT_NOW_NS,
                          .acknowledged_ns = TC_NO_TIME,
                          .ended_ns = sample->ended_ns};
    struct buf json;
    snprintf(alert.id, sizeof alert.id, "%s", sample->id);
    snprintf(alert.fingerprint, sizeof alert.fingerprint, "%.16s", sample->id);
    buf_init(&json, 1 << 20);
    alert_to_json(&alert, &json);
    struct alert_row row = {.id = sv_of(alert.id),
                            .fingerprint = sv_of(alert.fingerprint),
                            .state = sv_of(alert_state_name(alert.state)),
                            .severity = sv_of(severity_name(alert.severity)),
                            .rule_id = alert.rule_id,
                            .title = alert.title,
                            .json = buf_view(&json),
                            .first_ns = alert.first_ns,
                            .last_ns = alert.last_ns,
                            .ended_ns = alert.ended_ns,
                            .count = alert.count};
    assert_int_equal(store_begin(kit->store, NULL), 0);
    assert_int_equal(store_put_alert(kit->store, &row, NULL), 0);
    assert_int_equal(store_commit(kit->store, 1, 1, NULL), 0);
    buf_free(&json);
}

static const struct sample brute = {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
                                    "BRUTE_FORCE_ATTACK",
                                    "203.0.113.9",
                                    ALERT_FIRING,
                                    SEVERITY_P1,
                                    TC_NO_TIME};
static const struct sample lockout = {"bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
                                      "ACCOUNT_LOCKOUT",
                                      "198.51.100.4",
                                      ALERT_ACKNOWLEDGED,
                                      SEVERITY_P2,
                                      TC_NO_TIME};
static const struct sample ended = {
    "cccccccccccccccccccccccccccccccc", "ENDED_ONE", "192.0.2.1", ALERT_RESOLVED, SEVERITY_P3,
    KIT_NOW_NS + TC_SECOND_NS};

static struct kit *start(void)
{
    struct kit *kit = kit_start();
    put(kit, &brute);
    put(kit, &lockout);
    put(kit, &ended);
    return kit;
}

/* How many of the three the answer holds; its body must be JSON. */
static unsigned holds(const struct kit *kit)
{
    struct sv body = kit_body(kit);
    static const char *const titles[] = {"BRUTE_FORCE_ATTACK", "ACCOUNT_LOCKOUT", "ENDED_ONE"};
    unsigned mask = 0;
    assert_int_equal(json_check(body, NULL), 0);
    for (size_t i = 0; i < TC_ARRAY_LEN(titles); i++)
        mask |= (sv_find(body, sv_of(titles[i])) < body.n) << i;
    return mask;
}

static void test_list(void **state)
{
    static const struct {
        const char *path;
        unsigned status, mask;
    } cases[] = {
        {"/v1/alerts", 200, 7},
        {"/v1/alerts?state=open", 200, 3},
        {"/v1/alerts?state=ended", 200, 4},
        {"/v1/alerts?state=%6fpen", 200, 3},
        {"/v1/alerts?state=ended&since=2020-01-01T00:00:00Z", 200, 4},
        {"/v1/alerts?state=ended&since=2200-01-01T00%3A00%3A00Z", 200, 0},
        {"/v1/alerts?state=open&limit=10", 200, 3},
        {"/v1/alerts?state=all", 400, 0},
        {"/v1/alerts?limit=0", 400, 0},
        {"/v1/alerts?limit=x", 400, 0},
        {"/v1/alerts?since=yesterday", 400, 0},
        {"/v1/alerts?stat=open", 400, 0},
        {"/v1/alerts?state=%zz", 400, 0},
    };
    struct kit *kit = start();
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        unsigned status = kit_get(kit, cases[i].path);
        if (status != cases[i].status || (status == 200 && holds(kit) != cases[i].mask))
            print_message("%s: %u %.*s\n", cases[i].path, status, SV_FMT(kit_body(kit)));
        assert_int_equal(status, cases[i].status);
        if (status == 200) {
            assert_int_equal(holds(kit), cases[i].mask);
            assert_true(sv_starts(kit_body(kit), SV("[")));
        }
    }
    assert_int_equal(kit_get(kit, "/v1/alerts?limit=2"), 200);
    assert_true(kit_has(kit, "X-Tocsin-Truncated: true\r\n"));
    kit_stop(kit);
}

static void test_show(void **state)
{
    struct kit *kit = start();
    (void)state;
    assert_int_equal(kit_get(kit, "/v1/alerts/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), 200);
    assert_true(kit_has(kit, "\"history\":["));
    assert_int_equal(kit_get(kit, "/v1/alerts/bbbbbb"), 200);
    assert_int_equal(holds(kit), 2);
    assert_int_equal(kit_get(kit, "/v1/alerts/ffffffffffffffffffffffffffffffff"), 404);
    assert_true(sv_starts(kit_body(kit), SV("{\"error\":\"")));
    assert_int_equal(kit_get(kit, "/v1/alerts/%27%20or%201%3d1"), 404);
    assert_int_equal(kit_request(kit, "HEAD", "/v1/alerts", "", (struct sv){0}), 200);
    assert_int_equal(kit_body(kit).n, 0);
    kit_stop(kit);
}

static unsigned post_command(struct kit *kit, const char *verb, const char *headers, struct sv body)
{
    char path[128];
    snprintf(path, sizeof path, "/v1/alerts/aaaaaa/%s", verb);
    return kit_request(kit, "POST", path, headers, body);
}

static void test_D_09_commands(void **state)
{
    static const struct {
        const char *verb, *headers, *body;
        int code;
        unsigned status;
        const char *command;
    } cases[] = {
        {"ack", "", "", 0, 200, "ack|aaaaaa|api||"},
        {"ack", "Content-Type: application/json\r\n", "{}", 0, 200, "ack|aaaaaa|api||"},
        {"ack", "", "{\"by\":\"carol\",\"note\":\"I look\"}", 0, 200, "ack|aaaaaa|carol|I look|"},
        {"resolve", "", "{\"by\":\"J\\u00f6rg\"}", 0, 200, "resolve|aaaaaa|J\xc3\xb6rg||"},
        {"close", "", "{\"disposition\":\"false_positive\"}", 0, 200, "close|aaaaaa|api||false_positive"},
        {"ack", "", "", TC_ENOTFOUND, 404, NULL},
        {"ack", "", "", TC_ESTATE, 409, NULL},
        {"close", "", "", TC_EINPUT, 400, NULL},
        {"ack", "", "", TC_EAGAIN, 429, NULL},
        {"ack", "", "", TC_EBOUND, 507, NULL},
        {"ack", "", "", TC_EIO, 503, NULL},
        {"ack", "", "{\"who\":\"carol\"}", 0, 400, NULL},
        {"ack", "", "{\"by\":7}", 0, 400, NULL},
        {"ack", "", "{\"by\":{\"by\":\"x\"}}", 0, 400, NULL},
        {"ack", "", "{\"by\":", 0, 400, NULL},
        {"ack", "", "[]", 0, 400, NULL},
        {"ack", "", "\"x\"", 0, 400, NULL},
        {"ack", "Content-Type: text/plain\r\n", "{}", 0, 415, NULL},
        {"reopen", "", "{}", 0, 404, NULL},
    };
    struct kit *kit = start();
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        pthread_mutex_lock(&kit->lock);
        kit->command_code = cases[i].code;
        kit->command[0] = '\0';
        pthread_mutex_unlock(&kit->lock);
        unsigned status = post_command(kit, cases[i].verb, cases[i].headers, sv_of(cases[i].body));
        if (status != cases[i].status)
            print_message("case %zu: %u %.*s\n", i, status, SV_FMT(kit_body(kit)));
        assert_int_equal(status, cases[i].status);
        assert_int_equal(json_check(kit_body(kit), NULL), 0);
        if (cases[i].command != NULL)
            assert_string_equal(kit->command, cases[i].command);
    }
    assert_int_equal(kit_get(kit, "/v1/alerts/aaaaaa/ack"), 405);
    kit_stop(kit);
}

static void test_browser_needs_secret(void **state)
{
    struct kit *kit = start();
    char headers[512];
    (void)state;
    snprintf(headers, sizeof headers, "Origin: http://127.0.0.1:%u\r\nSec-Fetch-Site: same-origin\r\n",
             kit->port);
    assert_int_equal(post_command(kit, "ack", headers, SV("{}")), 403);
    assert_string_equal(kit->command, "");
    snprintf(headers, sizeof headers, "Origin: http://127.0.0.1:%u\r\nX-Tocsin-Secret: %s\r\n", kit->port,
             kit->api->auth.secret);
    assert_int_equal(post_command(kit, "ack", headers, SV("{}")), 200);
    snprintf(headers, sizeof headers, "Sec-Fetch-Site: cross-site\r\nX-Tocsin-Secret: %s\r\n",
             kit->api->auth.secret);
    assert_int_equal(post_command(kit, "ack", headers, SV("{}")), 403);
    kit_stop(kit);
}

static void test_alertmanager(void **state)
{
    static const struct {
        const char *query;
        unsigned status, mask;
    } cases[] = {
        {"", 200, 3},
        {"?active=true&silenced=false&inhibited=false&unprocessed=false", 200, 3},
        {"?active=false", 200, 0},
        {"?active=maybe", 400, 0},
        {"?filter=alertname%3D%22ACCOUNT_LOCKOUT%22", 200, 2},
        {"?filter=alertname=ACCOUNT_LOCKOUT", 200, 2},
        {"?filter=alertname!%3D%22ACCOUNT_LOCKOUT%22", 200, 1},
        {"?filter=alertname%3D~%22.%2AFORCE.%2A%22", 200, 1},
        {"?filter=alertname%3D~%22FORCE%22", 200, 0},
        {"?filter=alertname!~%22.%2AFORCE.%2A%22", 200, 2},
        {"?filter=severity%3D~%22P1%7CP2%22&filter=source_ip%3D%22198.51.100.4%22", 200, 2},
        {"?filter=absent%3D%22%22", 200, 3},
        {"?filter=absent%3D%22x%22", 200, 0},
        {"?filter=alertname", 400, 0},
        {"?filter=alertname!ACCOUNT", 400, 0},
        {"?filter=alertname%3D%22ACCOUNT", 400, 0},
        {"?filter=alertname%3D~%22%28%22", 400, 0},
        {"?filter=alertname%3D~%22%28%3F%3Da%29%22", 400, 0},
        {"?filter=alertname%3D~%22%28a%29%5C%5C1%22", 400, 0},
        {"?receiver=slack.%2A", 200, 3},
        {"?receiver=pager", 200, 0},
        {"?sort=up", 400, 0},
    };
    struct kit *kit = start();
    char path[256];
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        snprintf(path, sizeof path, "/api/v2/alerts%s", cases[i].query);
        unsigned status = kit_get(kit, path);
        if (status != cases[i].status || (status == 200 && holds(kit) != cases[i].mask))
            print_message("%s: %u %.*s\n", path, status, SV_FMT(kit_body(kit)));
        assert_int_equal(status, cases[i].status);
        if (status == 200)
            assert_int_equal(holds(kit), cases[i].mask);
    }
    assert_int_equal(kit_get(kit, "/api/v2/alerts"), 200);
    assert_true(kit_has(kit, "\"receivers\":[{\"name\":\"slack-security\"}"));
    assert_int_equal(kit_get(kit, "/api/v2/status"), 200);
    assert_int_equal(json_check(kit_body(kit), NULL), 0);
    assert_int_equal(kit_get(kit, "/api/v2/receivers"), 200);
    assert_true(sv_is(kit_body(kit), "[{\"name\":\"slack-security\"},{\"name\":\"file\"}]"));
    kit_stop(kit);
}

static void test_page(void **state)
{
    struct kit *kit = start();
    char meta[256];
    (void)state;
    snprintf(meta, sizeof meta, "name=\"tocsin-secret\" content=\"%s\"", kit->api->auth.secret);
    assert_int_equal(strlen(kit->api->auth.secret), 64);
    assert_int_equal(kit_get(kit, "/"), 200);
    assert_true(kit_has(kit, meta));
    assert_true(kit_has(kit, "Content-Security-Policy: default-src 'self'"));
    assert_true(kit_has(kit, "X-Frame-Options: DENY\r\n"));
    assert_true(kit_has(kit, "X-Content-Type-Options: nosniff\r\n"));
    assert_true(kit_has(kit, "Cache-Control: no-store\r\n"));
    assert_int_equal(kit_get(kit, "/alerts/aaaaaa"), 200);
    assert_true(kit_has(kit, meta));
    assert_int_equal(kit_get(kit, "/app.js"), 200);
    assert_true(kit_has(kit, "Content-Type: text/javascript; charset=utf-8\r\n"));
    assert_false(sv_find(kit_body(kit), SV("innerHTML")) < kit_body(kit).n);
    assert_int_equal(kit_get(kit, "/style.css"), 200);
    assert_int_equal(kit_get(kit, "/favicon.svg"), 200);
    assert_int_equal(kit_get(kit, "/packs/auth/runbooks/brute_force_attack.md"), 200);
    assert_true(kit_has(kit, "Content-Type: text/plain; charset=utf-8\r\n"));
    assert_int_equal(kit_get(kit, "/packs/auth/failed_login.yml"), 404);
    assert_int_equal(kit_get(kit, "/packs/../web/index.html"), 404);
    assert_int_equal(kit_get(kit, "/packs/%2e%2e/web/index.html"), 404);
    kit_stop(kit);
}

static void test_health_and_metrics(void **state)
{
    struct kit *kit = start();
    (void)state;
    assert_int_equal(kit_get(kit, "/-/healthy"), 200);
    assert_int_equal(kit_get(kit, "/-/ready"), 200);
    assert_int_equal(kit_get(kit, "/health"), 200);
    assert_true(kit_has(kit, "{\"status\":\"good\",\"ready\":true,\"judging\":true,\"writable\":true}\n"));
    assert_int_equal(kit_get(kit, "/ready"), 200);
    pthread_mutex_lock(&kit->lock);
    kit->not_writable = true;
    pthread_mutex_unlock(&kit->lock);
    assert_int_equal(kit_get(kit, "/health"), 503);
    assert_true(kit_has(kit, "\"writable\":false"));
    assert_int_equal(kit_get(kit, "/ready"), 200);
    pthread_mutex_lock(&kit->lock);
    kit->not_writable = false;
    kit->not_ready = true;
    pthread_mutex_unlock(&kit->lock);
    assert_int_equal(kit_get(kit, "/-/healthy"), 200);
    assert_int_equal(kit_get(kit, "/-/ready"), 503);
    pthread_mutex_lock(&kit->lock);
    kit->dead = true;
    pthread_mutex_unlock(&kit->lock);
    assert_int_equal(kit_get(kit, "/ready"), 503);
    assert_int_equal(kit_get(kit, "/-/healthy"), 503);
    assert_int_equal(kit_get(kit, "/health"), 503);
    assert_true(kit_has(kit, "\"judging\":false"));
    assert_int_equal(kit_get(kit, "/nowhere"), 404);
    assert_int_equal(kit_get(kit, "/metrics"), 200);
    assert_true(kit_has(kit, "Content-Type: text/plain; version=0.0.4; charset=utf-8\r\n"));
    assert_true(
        kit_has(kit, "tocsin_http_requests_total{method=\"GET\",route=\"/-/ready\",code=\"503\"} 1\n"));
    assert_true(kit_has(kit, "tocsin_http_requests_total{method=\"\",route=\"none\",code=\"404\"} 1\n"));
    assert_true(kit_has(kit, "\nredaction_failed_total 0\n"));
    assert_true(kit_has(kit, "\ntocsin_fake_total 7\n"));
    kit_stop(kit);
}

static void hold_commands(struct kit *kit, bool hold)
{
    pthread_mutex_lock(&kit->lock);
    kit->hold_commands = hold;
    pthread_cond_broadcast(&kit->changed);
    pthread_mutex_unlock(&kit->lock);
}

/* More commands than the server has threads wait for a core that is behind: all else is served meanwhile. */
static void test_commands_that_wait_hold_up_nobody(void **state)
{
    struct kit *kit = start();
    char request[256];
    int clients[TC_API_COMMANDS_MAX];
    (void)state;
    hold_commands(kit, true);
    snprintf(request, sizeof request,
             "POST /v1/alerts/aaaaaa/ack HTTP/1.1\r\nHost: localhost:%u\r\nContent-Length: 2\r\nConnection: "
             "close\r\n\r\n{}",
             kit->port);
    for (size_t i = 0; i < TC_ARRAY_LEN(clients); i++)
        kit_send(clients[i] = kit_connect(kit), sv_of(request));
    do
        assert_int_equal(kit_get(kit, "/-/healthy"), 200);
    while (workers_count(&kit->api->commands) < TC_ARRAY_LEN(clients));
    assert_int_equal(post_command(kit, "ack", "", SV("{}")), 429);
    hold_commands(kit, false);
    for (size_t i = 0; i < TC_ARRAY_LEN(clients); i++) {
        buf_clear(&kit->answer);
        kit_read_until(clients[i], &kit->answer, NULL);
        assert_int_equal(kit_status(&kit->answer), 200);
        close(clients[i]);
    }
    kit_stop(kit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_show),
        cmocka_unit_test(test_D_09_commands),
        cmocka_unit_test(test_commands_that_wait_hold_up_nobody),
        cmocka_unit_test(test_browser_needs_secret),
        cmocka_unit_test(test_alertmanager),
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_health_and_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
