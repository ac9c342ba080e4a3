/*
 * Every kind of receiver with a stranger's texts in labels, annotations and answers: what is made stays
 * within its bounds, JSON is JSON, a header is one line, and chains of requests end.
 *
 * Input: the kind, the answer's status (high digit) and a split point; then the alert's text, then the
 * answer's body.
 */
#include "api/receiver/receiver.h"

#include "base/rng.h"

#include <stdint.h>

enum { REQUESTS_MAX = 8 };

static const char config_text[] =
    "route: {receiver: r}\n"
    "receivers:\n- name: r\n"
    "  webhook_configs: [{url: 'http://x/{{ .CommonLabels.a }}', payload: {a: '{{ .CommonAnnotations.text "
    "}}', l: [1, ~]}}]\n"
    "  email_configs: [{to: '{{ .CommonAnnotations.text }}', from: a@b, smarthost: 'x:25', text: '{{ "
    ".CommonAnnotations.text }}',"
    " headers: {X-A: '{{ .CommonAnnotations.text }}'}}]\n"
    "  pagerduty_configs: [{routing_key: k, url: 'http://x', description: '{{ .CommonAnnotations.text }}'}]\n"
    "  opsgenie_configs: [{api_key: k, api_url: 'http://x', tags: '{{ .CommonAnnotations.text }}', "
    "update_alerts: true,"
    " responders: [{name: '{{ .CommonAnnotations.text }}', type: teams}]}]\n"
    "  wechat_configs: [{api_secret: s, corp_id: c, api_url: 'http://x/'}]\n"
    "  slack_configs: [{api_url: 'https://slack.com/api/chat.postMessage', update_message: true, title: '{{ "
    ".CommonAnnotations.text }}'}]\n"
    "  victorops_configs: [{api_key: k, routing_key: '{{ .CommonAnnotations.text }}', api_url: "
    "'http://x/'}]\n"
    "  pushover_configs: [{user_key: u, token: t, html: true}]\n"
    "  sns_configs: [{topic_arn: a, api_url: 'http://x', sigv4: {region: r, access_key: a, secret_key: s, "
    "role_arn: q},"
    " attributes: {'{{ .CommonAnnotations.text }}': b}}]\n"
    "  telegram_configs: [{bot_token: t, chat_id: 1, api_url: 'http://x'}]\n"
    "  discord_configs: [{webhook_url: 'http://x', content: '{{ .CommonAnnotations.text }}'}]\n"
    "  webex_configs: [{room_id: r, api_url: 'http://x', message: '{{ .CommonAnnotations.text }}', "
    "http_config: {authorization: {credentials: c}}}]\n"
    "  msteams_configs: [{webhook_url: 'http://x'}]\n"
    "  msteamsv2_configs: [{webhook_url: 'http://x'}]\n"
    "  jira_configs: [{project: '{{ .CommonAnnotations.text }}', issue_type: t, api_url: 'http://x/3', "
    "description: '{{ .CommonAnnotations.text }}',"
    " resolve_transition: a, reopen_transition: b, fields: {f: '{{ .CommonAnnotations.text }}'}}]\n"
    "  incidentio_configs: [{url: 'http://x', alert_source_token: t}]\n"
    "  rocketchat_configs: [{token: t, token_id: i, api_url: 'http://x'}]\n"
    "  mattermost_configs: [{webhook_url: 'http://x', priority: {priority: '{{ .CommonAnnotations.text "
    "}}'}}]\n";

static struct {
    struct am_config *config;
    struct template_set *templates;
    struct courier *courier;
} own;

static void done(void *context, struct courier_job *jobs)
{
    (void)context;
    (void)jobs;
}

static void set_up(void)
{
    struct err err = {0};
    if (own.config != NULL)
        return;
    tc_assert(am_config_read(sv_of(config_text), AM_MATCHERS_FALLBACK, &own.config, &err) == 0);
    tc_assert(template_alertmanager_set(&own.templates, &err) == 0);
    tc_assert(courier_start(&clk_system, &rng_system, done, NULL, &own.courier, &err) == 0);
}

static void check_line(struct sv line)
{
    for (size_t i = 0; i < line.n; i++)
        tc_assert(line.p[i] != '\n' && line.p[i] != '\r');
}

static void check_request(struct courier_job *job, const struct courier_request *request)
{
    struct template_value json;
    struct err err = {0};
    bool is_json = request->content_type != NULL && strcmp(request->content_type, "application/json") == 0;
    tc_assert(request->method != NULL && request->header_count <= COURIER_REQUEST_HEADERS_MAX);
    if (is_json && request->body.n > 0 && request->body.n < 1 << 16)
        (void)template_from_json(&job->arena, request->body, &json,
                                 &err); /* deeper than ours may be refused */
    for (size_t i = 0; i < request->header_count; i++)
        check_line(request->headers[i]);
}

/* All answers are the same one: a chain must end for each. */
static void run_chain(struct courier_job *job, const struct courier_answer *answer)
{
    enum courier_verdict verdict = COURIER_NEXT;
    job->request = job->first;
    if (job->begin != NULL)
        job->begin(own.courier, job);
    for (int i = 0; i < REQUESTS_MAX && verdict == COURIER_NEXT; i++) {
        check_request(job, &job->request);
        verdict = job->answered != NULL ? job->answered(own.courier, job, answer)
                                        : courier_judge_status(job, answer);
    }
    tc_assert(verdict != COURIER_NEXT);
    check_line(sv_of(job->detail));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 4096)
        return 0;
    set_up();
    const struct am_receiver_kind *kind = &am_receiver_kinds[data[0] % 18];
    struct sv rest = sv_make((const char *)data + 3, size - 3), text = sv_head(rest, data[2]);
    struct courier_answer answer = {.status = data[1] % 6 * 100u,
                                    .body = sv_from(rest, text.n),
                                    .content_type = data[1] & 64 ? SV("application/json") : SV("text/plain"),
                                    .problem = "none"};
    struct am_label label = {SV("a"), text}, note = {SV("text"), text};
    struct am_alert alert = {
        .labels = {&label, 1}, .annotations = {&note, 1}, .starts_at_ns = 1, .ends_at_ns = 2};
    struct am_told_alert told = {&alert, (data[1] & 128) == 0};
    struct am_notification notification = {
        .route = own.config->route,
        .receiver = &own.config->receivers[0],
        .kind = kind,
        .integration = am_get(own.config->receivers[0].object, kind->field)->items[0].object,
        .group_key = SV("{}:{a=\"b\"}"),
        .group_labels = {&label, 1},
        .reason = AM_REASON_FIRST,
        .alerts = &told,
        .count = 1,
        .firing_count = told.firing,
        .remembered = text,
        .key = SV("00000000000000000000000000000000")};
    struct receiver_world world = {.templates = own.templates,
                                   .fs = &fs_system,
                                   .rng = &rng_system,
                                   .config_file = "am.yml",
                                   .external_url = "http://am",
                                   .host_name = "here",
                                   .now_ns = 1};
    struct courier_job *job = courier_job_new();
    struct err err = {0};
    if (receiver_prepare(&world, &notification, job, &err) == 0) {
        if (job->mail == NULL)
            run_chain(job, &answer);
        else
            for (size_t i = 0; i < job->mail->to_count; i++)
                check_line(job->mail->to[i]);
    }
    courier_job_free(job);
    return 0;
}
