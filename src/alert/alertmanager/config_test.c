/*
 * The configuration's reading by cases of our own: verdicts by receiver and by kind of value, what is taken
 * from global and from parents, what is a warning, the bounds, and that no error shows a secret.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "alert/alertmanager/config.h"
#include "base/clk.h"

#include <stdio.h>
#include <stdlib.h>

#define HEAD "route: {receiver: r}\nreceivers:\n- name: r\n"

static struct am_config *good(const char *yaml)
{
    struct am_config *config;
    struct err err = {0};
    if (am_config_read(sv_of(yaml), AM_MATCHERS_FALLBACK, &config, &err) != 0)
        fail_msg("%s\n%s", err.text, yaml);
    return config;
}

static void refused(const char *yaml, const char *want)
{
    struct am_config *config;
    struct err err = {0};
    if (am_config_read(sv_of(yaml), AM_MATCHERS_FALLBACK, &config, &err) == 0)
        fail_msg("accepted:\n%s", yaml);
    assert_string_equal(err.text, want);
}

struct verdict {
    const char *yaml, *error; /* NULL: good */
};

static void check(const struct verdict *verdicts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (verdicts[i].error == NULL)
            am_config_free(good(verdicts[i].yaml));
        else
            refused(verdicts[i].yaml, verdicts[i].error);
}

static void syntax_and_types(void **state)
{
    static const struct verdict verdicts[] = {
        {"", "no route provided in config"},
        {"~", "no route provided in config"},
        {"abc", "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!str `abc` into config.plain"},
        {"[1]", "yaml: unmarshal errors:\n  line 1: cannot unmarshal !!seq into config.plain"},
        {"{", "yaml: line 1: did not find expected node content"},
        {"a: b: c", "yaml: mapping values are not allowed in this context"},
        {"route:\n  receiver: a\n   x: y\n", "yaml: line 3: mapping values are not allowed in this context"},
        {"route: *x", "yaml: unknown anchor 'x' referenced"},
        {"route: &r {receiver: a, routes: [*r]}", "yaml: anchor 'r' value contains itself"},
        {HEAD "foo: 1\n", "yaml: unmarshal errors:\n  line 4: field foo not found in type config.plain"},
        {HEAD "route: {receiver: r}\n",
         "yaml: unmarshal errors:\n  line 4: field route already set in type config.plain"},
        {"route:\n  receiver: a\n  group_by: x\n  foo: 2\nreceivers: [{name: a, bar: 3}]\n",
         "yaml: unmarshal errors:\n  line 3: cannot unmarshal !!str `x` into []string\n"
         "  line 4: field foo not found in type config.plain\n"
         "  line 5: field bar not found in type config.plain"},
        /* what is well-formed and makes no sense is told alone */
        {"route: {receiver: [a]}\nreceivers: [{name: a, webhook_configs: [{url: foo}]}]\n",
         "invalid URL: unsupported scheme \"\" for URL"},
        {HEAD "  webhook_configs:\n  - {url: 'http://x/', send_resolved: maybe, max_alerts: -1}\n",
         "yaml: unmarshal errors:\n  line 5: cannot unmarshal !!str `maybe` into bool\n"
         "  line 5: cannot unmarshal !!int `-1` into uint64"},
        {HEAD "<<: {templates: [x]}\n", NULL},
        {HEAD "  webhook_configs:\n  - &w {url: 'http://x/', max_alerts: 5}\n  - {<<: *w, url: 'http://y/'}\n"
              "  - {url: 'http://y/', <<: [*w]}\n",
         NULL},
        {HEAD "<<: x\n", "yaml: map merge requires map or sequence of maps as the value"},
        {HEAD "  labels: {a: b, <<: {a: c}}\n",
         "yaml: unmarshal errors:\n  line 4: key \"a\" already set in map"},
        {HEAD "---\nnot: [read\n", NULL},
        {"route: {receiver: r}\nreceivers: &all\n- name: r\n  webhook_configs: [{url: 'http://x/', timeout: "
         "10s}]\n",
         NULL},
    };
    (void)state;
    check(verdicts, TC_ARRAY_LEN(verdicts));
}

static void receivers(void **state)
{
    static const struct verdict verdicts[] = {
        {HEAD "  webhook_configs: [{}]\n", "one of url or url_file must be configured"},
        {HEAD "  webhook_configs: [{url: 'http://x/', url_file: f}]\n",
         "at most one of url & url_file must be configured"},
        {HEAD "  webhook_configs: [{url: '{{ .x }}/y'}]\n", NULL},
        {HEAD "  webhook_configs: [null]\n", "missing webhook config"},
        {HEAD "  email_configs: [{to: a}]\n", "no global SMTP smarthost set"},
        {HEAD "  email_configs: [{to: a, smarthost: 'x:25'}]\n", "no global SMTP from set"},
        {HEAD "  email_configs: [{to: a, smarthost: x, from: b}]\n", "address x: missing port in address"},
        {HEAD "  email_configs: [{to: a, smarthost: 'x:25', from: b, headers: {a: x, A: y}}]\n",
         "duplicate header \"A\" in email config"},
        {HEAD "  email_configs: [{to: a, smarthost: 'x:25', from: b, threading: {enabled: true}}]\n",
         "threading.thread_by_date must be either 'none' or 'daily'"},
        {HEAD "  slack_configs: [{}]\n", "no Slack API URL nor App token set either inline or in a file"},
        {HEAD "  slack_configs: [{api_url: 'http://x/', app_token: t}]\n",
         "at most one of api_url/api_url_file & app_token/app_token_file must be configured"},
        {HEAD "  slack_configs: [{app_token: t, http_config: {authorization: {credentials: c}}}]\n",
         "http authorization can't be set when using Slack App tokens"},
        {HEAD "  slack_configs: [{api_url: 'http://x/', fields: [{title: a}]}]\n",
         "missing value in Slack field configuration"},
        {HEAD "  slack_configs: [{api_url: 'http://x/', actions: [{type: a, text: b}]}]\n",
         "missing name or url in Slack action configuration"},
        {HEAD "  pagerduty_configs: [{}]\n", "missing service or routing key in PagerDuty config"},
        {HEAD "  opsgenie_configs: [{api_key: k, responders: [{id: a, type: Foo}]}]\n",
         "opsGenieConfig responder {a   foo} type does not match valid options "
         "^(team|teams|user|escalation|schedule)$"},
        {HEAD "  opsgenie_configs: [{api_key: k, responders: [{id: a, type: TEAM}]}]\n", NULL},
        {HEAD "  wechat_configs: [{api_secret: s}]\n", "no global Wechat CorpID set"},
        {HEAD "  wechat_configs: [{api_secret: s, corp_id: c, message_type: x}]\n",
         "weChat message type \"x\" does not match valid options ^(text|markdown)$"},
        {HEAD "  pushover_configs: [{user_key: a}]\n", "one of token or token_file must be configured"},
        {HEAD "  pushover_configs: [{user_key: a, token: b, html: true, monospace: true}]\n",
         "at most one of monospace & html must be configured"},
        {HEAD "  pushover_configs: [{user_key: a, token: b, retry: 5}]\n",
         "time: missing unit in duration \"5\""},
        {HEAD "  victorops_configs: [{api_key: a}]\n", "missing Routing key in VictorOps config"},
        {HEAD "  victorops_configs: [{api_key: a, routing_key: b, custom_fields: {entity_id: c}}]\n",
         "victorOps config contains custom field entity_id which cannot be used as it conflicts with the "
         "fixed/static fields"},
        {HEAD "  sns_configs: [{}]\n",
         "must provide either a Target ARN, Topic ARN, or Phone Number for SNS config"},
        {HEAD "  sns_configs: [{topic_arn: a, sigv4: {access_key: b}}]\n",
         "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the SigV4 "
         "config"},
        {HEAD "  telegram_configs: [{bot_token: t}]\n", "missing chat_id or chat_id_file on telegram_config"},
        {HEAD "  telegram_configs: [{bot_token: t, chat_id: 1, parse_mode: x}]\n",
         "unknown parse_mode on telegram_config, must be Markdown, MarkdownV2, HTML or empty string"},
        {HEAD "  webex_configs: [{room_id: r}]\n", "missing webex_configs.http_config.authorization"},
        {HEAD "  msteams_configs: [{}]\n", "one of webhook_url or webhook_url_file must be configured"},
        {HEAD "  msteamsv2_configs: [{webhook_url: 'http://x/', http_config: {}}]\n", NULL},
        {HEAD "  discord_configs: [{webhook_url: 'http://x/', webhook_url_file: y}]\n",
         "at most one of webhook_url & webhook_url_file must be configured"},
        {HEAD "  jira_configs: [{project: p, issue_type: t}]\n", "no global Jira Cloud URL set"},
        {HEAD "  jira_configs: [{api_url: 'http://x/', project: p, issue_type: t, api_type: z}]\n",
         "unknown api_type on jira_config, must be auto, cloud or datacenter"},
        {HEAD "  jira_configs: [{api_url: 'http://x/', project: p, issue_type: t, summary: {template: a}}]\n",
         NULL},
        {HEAD "  incidentio_configs: [{url: 'http://x/', http_config: {}}]\n",
         "at least one of alert_source_token, alert_source_token_file or http_config.authorization must be "
         "configured"},
        {HEAD "  rocketchat_configs: [{token: t}]\n",
         "no global Rocketchat TokenID set either inline or in a file"},
        {HEAD "  mattermost_configs: [{}]\n", "missing webhook_url or webhook_url_file on mattermost_config"},
        {HEAD "  mattermost_configs: [{webhook_url: 'http://x/', attachments: [{fields: [{title: a}]}]}]\n",
         "missing value in Mattermost field configuration"},
        {HEAD "- name: r\n", "notification config name \"r\" is not unique"},
        {HEAD "- {}\n", "missing name in receiver"},
    };
    (void)state;
    check(verdicts, TC_ARRAY_LEN(verdicts));
}

static void http_config(void **state)
{
    static const struct {
        const char *http, *error;
    } cases[] = {
        {"{basic_auth: {username: a, password_file: b}}", NULL},
        {"{basic_auth: {username: a, username_file: b}}",
         "at most one of basic_auth username, username_file & username_ref must be configured"},
        {"{basic_auth: {}, bearer_token: x}",
         "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured"},
        {"{authorization: {type: ' Basic '}}",
         "authorization type cannot be set to \"basic\", use \"basic_auth\" instead"},
        {"{bearer_token: a, oauth2: {client_id: a, token_url: b}}",
         "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured"},
        {"{oauth2: {token_url: b}}", "oauth2 client_id must be configured"},
        {"{oauth2: {client_id: a, token_url: b, no_proxy: c}}",
         "if no_proxy is configured, proxy_url must also be configured"},
        {"{proxy_url: 'http://p/', proxy_from_environment: true}",
         "if proxy_from_environment is configured, proxy_url must not be configured"},
        {"{http_headers: {x-own: {values: [a]}}}", NULL},
        {"{http_headers: {host: {values: [a]}}}", "setting header \"Host\" is not allowed"},
        {"{tls_config: {cert_file: a}}",
         "exactly one of key or key_file must be configured when a client certificate is configured"},
        {"{tls_config: {ca: a, ca_file: b}}", "at most one of ca, ca_file & ca_ref must be configured"},
        {"{tls_config: {min_version: TLS14}}", "unknown TLS version: TLS14"},
        {"{authorization: {kind: x}}",
         "yaml: unmarshal errors:\n  line 1: field kind not found in type config.Authorization"},
    };
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        char yaml[1024];
        snprintf(yaml, sizeof yaml, "global: {http_config: %s}\n" HEAD, cases[i].http);
        check(&(struct verdict){yaml, cases[i].error}, 1);
    }
}

static void routes_and_names(void **state)
{
    static const struct verdict verdicts[] = {
        {"receivers: [{name: r}]\n", "no routes provided"},
        {"route: {}\nreceivers: [{name: r}]\n", "root route must specify a default receiver"},
        {"route: {receiver: r, matchers: [a=b]}\nreceivers: [{name: r}]\n",
         "root route must not have any matchers"},
        {"route: {receiver: r, mute_time_intervals: [x]}\nreceivers: [{name: r}]\n",
         "root route must not have any mute time intervals"},
        {"route: {receiver: r, continue: true}\nreceivers: [{name: r}]\n",
         "cannot have continue in root route"},
        {"route: {receiver: r, group_by: ['...', a]}\nreceivers: [{name: r}]\n",
         "cannot have wildcard group_by (`...`) and other labels at the same time"},
        {"route: {receiver: r, group_by: ['a b', 'é']}\nreceivers: [{name: r}]\n", NULL},
        {"route: {receiver: r, group_by: ['']}\nreceivers: [{name: r}]\n",
         "invalid label name \"\" in group_by list"},
        {"route: {receiver: r, repeat_interval: 0}\nreceivers: [{name: r}]\n",
         "repeat_interval cannot be zero"},
        {"route: {receiver: r, group_wait: 5x}\nreceivers: [{name: r}]\n",
         "unknown unit \"x\" in duration \"5x\""},
        {"route: {receiver: r, routes: [{match: {a-b: c}}]}\nreceivers: [{name: r}]\n",
         "invalid label name \"a-b\""},
        {"route: {receiver: r, routes: [{match_re: {a: '['}}]}\nreceivers: [{name: r}]\n",
         "error parsing regexp: missing closing ]: `[)$`"},
        {"route: {receiver: r, routes: [{matchers: ['a!b']}]}\nreceivers: [{name: r}]\n",
         "bad matcher format: a!b"},
        {HEAD "inhibit_rules: [{source_match_re: {a: }}]\n", "invalid regexp value for \"a\""},
        {HEAD "inhibit_rules: [{equal: ['']}]\n", "invalid label name \"\" in equal list"},
        {HEAD "time_intervals: [{name: a}, {name: a}]\n", "time interval \"a\" is not unique"},
        {HEAD "time_intervals: [{time_intervals: []}]\n", "missing name in time interval"},
        {HEAD "time_intervals: [{name: a, time_intervals: [{location: Mars/Olympus}]}]\n",
         "unknown time zone Mars/Olympus"},
        {HEAD "time_intervals: [{name: a, time_intervals: [{weekdays: ['friday:monday']}]}]\n",
         "start day cannot be before end day"},
        {HEAD "tracing: {compression: gzip}\n", "tracing endpoint must be set"},
        {HEAD "event_recorder: {kafka_outputs: [{topic: t}]}\n",
         "event_recorder kafka: at least one broker is required"},
    };
    (void)state;
    check(verdicts, TC_ARRAY_LEN(verdicts));
}

static void values_are_inherited(void **state)
{
    struct am_config *config = good(
        "global: {slack_api_url: 'http://s/', smtp_smarthost: 'm:25', smtp_from: f,\n"
        "  opsgenie_api_url: 'http://o/api', opsgenie_api_key: k}\n" HEAD "  slack_configs: [{channel: c}]\n"
        "  email_configs: [{to: t}]\n"
        "  opsgenie_configs: [{}]\n"
        "  webhook_configs: [{url: 'http://w/', http_config: {bearer_token: b}}]\n");
    const struct am_receiver *receiver = am_config_receiver(config, SV("r"));
    (void)state;
    struct am_object *slack = am_get(receiver->object, "slack_configs")->items[0].object;
    struct am_object *email = am_get(receiver->object, "email_configs")->items[0].object;
    struct am_object *opsgenie = am_get(receiver->object, "opsgenie_configs")->items[0].object;
    struct am_object *webhook = am_get(receiver->object, "webhook_configs")->items[0].object;
    assert_true(sv_is(am_get_text(slack, "api_url"), "http://s/"));
    assert_true(sv_is(am_get_text(slack, "title"), "{{ template \"slack.default.title\" . }}"));
    assert_int_equal(am_get(slack, "send_resolved")->number, 0);
    assert_true(sv_is(am_get_text(email, "smarthost"), "m:25"));
    assert_int_equal(am_get(email, "require_tls")->number, 1);
    assert_true(sv_is(am_get_text(opsgenie, "api_url"), "http://o/api/"));
    assert_true(sv_is(am_get_text(opsgenie, "api_key"), "k"));
    assert_int_equal(am_get(webhook, "send_resolved")->number, 1);
    struct am_object *authorization = am_get_object(am_get_object(webhook, "http_config"), "authorization");
    assert_true(sv_is(am_get_text(authorization, "credentials"), "b"));
    assert_true(sv_is(am_labels_get(receiver->labels, SV("name")), "r"));
    assert_int_equal(config->resolve_timeout_ns, 300 * TC_SECOND_NS);
    am_config_free(config);
}

static void merged_values(void **state)
{
    struct am_config *config =
        good(HEAD "  webhook_configs:\n  - &a {url: 'http://a/', max_alerts: 1, timeout: 1s}\n"
                  "  - &b {url: 'http://b/', max_alerts: 2}\n  - {<<: [*b, *a], url: 'http://c/'}\n");
    const struct am_receiver *receiver = am_config_receiver(config, SV("r"));
    struct am_object *webhook = am_get(receiver->object, "webhook_configs")->items[2].object;
    (void)state;
    assert_true(sv_is(am_get_text(webhook, "url"), "http://c/"));
    assert_int_equal(am_get(webhook, "max_alerts")->number, 2); /* the first map of the list holds */
    assert_int_equal(am_get(webhook, "timeout")->number, TC_SECOND_NS);
    am_config_free(config);
}

static void routes_inherit(void **state)
{
    struct am_config *config =
        good("route:\n"
             "  receiver: r\n  group_by: [b, a]\n  group_wait: 1m\n  labels: {x: '1', y: '2'}\n"
             "  routes:\n"
             "  - {matchers: [a=1], continue: true, labels: {y: '3'}}\n"
             "  - {matchers: [a=1], group_by: [], receiver: q, mute_time_intervals: [t],\n"
             "     routes: [{match: {b: x}}]}\n"
             "  - {match_re: {a: '2|3'}, group_by: ['...']}\n"
             "time_intervals: [{name: t, time_intervals: [{weekdays: [saturday]}]}]\n"
             "receivers: [{name: r}, {name: q}]\n");
    const struct am_route *found[4];
    struct am_label labels[] = {{SV("a"), SV("1")}, {SV("b"), SV("x")}, {SV("c"), SV("y\"z")}};
    struct am_label group[3];
    struct buf key;
    (void)state;
    buf_init(&key, 4096);
    assert_int_equal(am_route_match(config->route, (struct am_labels){labels, 3}, found, 4), 2);
    assert_ptr_equal(found[0], config->route->routes[0]);
    assert_ptr_equal(found[1], config->route->routes[1]->routes[0]);
    assert_int_equal(found[0]->group_wait_ns, 60 * TC_SECOND_NS);
    assert_true(sv_is(am_labels_get(found[0]->labels, SV("x")), "1"));
    assert_true(sv_is(am_labels_get(found[0]->labels, SV("y")), "3"));
    assert_int_equal(found[1]->group_by_count, 0);
    assert_true(sv_is(found[1]->receiver, "q"));
    assert_int_equal(found[1]->mute_interval_count, 0); /* time intervals are a route's own */
    am_route_id(found[1], &key);
    assert_true(sv_is(buf_view(&key), "{}/{a=\"1\"}/1/{b=\"x\"}/0"));
    buf_clear(&key);
    size_t n = am_route_group_labels(found[0], (struct am_labels){labels, 3}, group);
    am_group_key(found[0], (struct am_labels){group, n}, &key);
    assert_true(sv_is(buf_view(&key), "{}/{a=\"1\"}:{a=\"1\", b=\"x\"}"));
    labels[0].value = SV("3");
    assert_int_equal(am_route_match(config->route, (struct am_labels){labels, 3}, found, 4), 1);
    buf_clear(&key);
    n = am_route_group_labels(found[0], (struct am_labels){labels, 3}, group);
    am_group_key(found[0], (struct am_labels){group, n}, &key);
    assert_true(sv_is(buf_view(&key), "{}/{a=~\"^(?:2|3)$\"}:{a=\"3\", b=\"x\", c=\"y\\\"z\"}"));
    buf_free(&key);
    assert_int_equal(config->route_count, 5);
    /* Saturday, 21 November 2026, 12:00 UTC; and the day after. */
    struct sv interval;
    assert_int_equal(am_route_state_at(config, config->route->routes[1], 1795262400, &interval),
                     AM_ROUTE_MUTED);
    assert_true(sv_is(interval, "t"));
    assert_int_equal(am_route_state_at(config, config->route->routes[1], 1795348800, NULL), AM_ROUTE_ACTIVE);
    am_config_free(config);
}

static void active_intervals(void **state)
{
    struct am_config *config = good("route: {receiver: r, routes: [{active_time_intervals: [office]}]}\n"
                                    "receivers: [{name: r}]\n"
                                    "time_intervals:\n- name: office\n  time_intervals:\n"
                                    "  - {times: [{start_time: '09:00', end_time: '17:00'}],\n"
                                    "     location: Europe/Berlin}\n");
    const struct am_route *route = config->route->routes[0];
    (void)state;
    /* 08:00 UTC is 09:00 in Berlin in November, to the second; 16:00 UTC is 17:00, which is out. */
    int64_t midnight = 1795219200;
    assert_int_equal(am_route_state_at(config, route, midnight + 8 * 3600 - 1, NULL), AM_ROUTE_INACTIVE);
    assert_int_equal(am_route_state_at(config, route, midnight + 8 * 3600, NULL), AM_ROUTE_ACTIVE);
    assert_int_equal(am_route_state_at(config, route, midnight + 16 * 3600 - 1, NULL), AM_ROUTE_ACTIVE);
    assert_int_equal(am_route_state_at(config, route, midnight + 16 * 3600, NULL), AM_ROUTE_INACTIVE);
    am_config_free(config);
}

static void matchers_disagree(void **state)
{
    struct am_config *config =
        good("route: {receiver: r, routes: [{matchers: ['a=\"\\d\"', 'b=c', \"d='e'\"]}]}\n"
             "receivers: [{name: r}]\n");
    (void)state;
    assert_non_null(config->warnings);
    assert_int_equal(config->warnings->line, 1);
    assert_non_null(strstr(config->warnings->text, "a=\"\\\\d\""));
    am_config_free(config);
    struct err err = {0};
    assert_int_equal(am_config_read(SV("route: {receiver: r, routes: [{matchers: ['a=\"\\d\"']}]}\n"
                                       "receivers: [{name: r}]\n"),
                                    AM_MATCHERS_UTF8, &config, &err),
                     TC_EINPUT);
    assert_string_equal(err.text, "2:6: \"\\d\": invalid input");
    assert_int_equal(am_config_read(SV("route: {receiver: r, group_by: ['a-b']}\nreceivers: [{name: r}]\n"),
                                    AM_MATCHERS_CLASSIC, &config, &err),
                     TC_EINPUT);
    assert_string_equal(err.text, "invalid label name \"a-b\" in group_by list");
}

static void secrets_are_not_shown(void **state)
{
    static const char *const urls[] = {"http://h/%zzhunter2", "http://h:hunter2/", "http://hunter2 x/",
                                       "http://u:hunter2 @h/"};
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(urls); i++)
        for (size_t k = 0; k < 3; k++) {
            static const char *const places[] = {
                "webhook_configs: [{url: '%s'}]", "slack_configs: [{api_url: '%s'}]",
                "webhook_configs: [{url: 'http://x/', http_config: {proxy_url: "
                "'%s'}}]"};
            char place[256], yaml[512];
            struct am_config *config;
            struct err err = {0};
            struct sv before = sv_of(places[k]);
            size_t at = sv_find(before, SV("%s"));
            snprintf(place, sizeof place, "%.*s%s%s", (int)at, places[k], urls[i], places[k] + at + 2);
            snprintf(yaml, sizeof yaml, HEAD "  %s\n", place);
            assert_int_equal(am_config_read(sv_of(yaml), AM_MATCHERS_FALLBACK, &config, &err), TC_EINPUT);
            assert_null(strstr(err.text, "hunter2"));
        }
}

static void bounds(void **state)
{
    struct buf yaml;
    struct am_config *config;
    struct err err = {0};
    (void)state;
    /* Ten lists of ten of the one before: 10^10 values, were they followed. */
    buf_init(&yaml, 1 << 16);
    buf_str(&yaml, "x0: &x0 [a]\n");
    for (int i = 1; i <= 10; i++) {
        buf_printf(&yaml, "x%d: &x%d [", i, i);
        for (int k = 0; k < 10; k++)
            buf_printf(&yaml, "*x%d, ", i - 1);
        buf_str(&yaml, "]\n");
    }
    buf_str(&yaml, "route: {receiver: r}\nreceivers: [{name: r, webhook_configs: [{url: 'http://x/', "
                   "payload: *x10}]}]\n");
    assert_int_equal(am_config_read(buf_view(&yaml), AM_MATCHERS_FALLBACK, &config, &err), TC_EBOUND);
    assert_string_equal(err.text, "yaml: document contains excessive aliasing");
    buf_clear(&yaml);
    buf_str(&yaml, "route: ");
    for (int i = 0; i < 70; i++)
        buf_str(&yaml, "{routes: [");
    assert_int_not_equal(am_config_read(buf_view(&yaml), AM_MATCHERS_FALLBACK, &config, &err), 0);
    buf_free(&yaml);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(syntax_and_types),
        cmocka_unit_test(receivers),
        cmocka_unit_test(http_config),
        cmocka_unit_test(routes_and_names),
        cmocka_unit_test(values_are_inherited),
        cmocka_unit_test(merged_values),
        cmocka_unit_test(routes_inherit),
        cmocka_unit_test(active_intervals),
        cmocka_unit_test(matchers_disagree),
        cmocka_unit_test(secrets_are_not_shown),
        cmocka_unit_test(bounds),
    };
    return cmocka_run_group_tests_name("alertmanager.yml", tests, NULL, NULL);
}
