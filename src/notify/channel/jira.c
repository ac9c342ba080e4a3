/*
 * Jira's REST API 2 (ledger E-11): one issue per alert. What comes later is a comment on it; when the alert
 * has ended, the transition that `transition` names is made as well. Which issue it is stands in the receipt
 * of the first message.
 *
 * Login: `auth_username` and `auth_password` (a cloud's API token), or `token` (a data centre's personal
 * one).
 */
#include "notify/channel/chat.h"

enum { SUMMARY_BYTES = 255, TEXT_BYTES = 30000 };

static const struct service service = {
    .content_type = "application/json",
    .login = LOGIN_BASIC,
    .header = "Authorization: Bearer ",
    .reading = {.id_members = {"key"}},
};

static int jira_check(const struct channel_config *config, struct err *err)
{
    if (config->api_url.n == 0)
        return err_set(err, TC_EINPUT,
                       "a jira channel needs api_url: the site, as https://example.atlassian.net");
    if (config->project.n == 0)
        return err_set(err, TC_EINPUT, "a jira channel needs project: the key of the project, as SEC");
    if (config->token.n == 0 && (config->auth_username.n == 0 || config->auth_password.n == 0))
        return err_set(err, TC_EINPUT,
                       "a jira channel needs a login: auth_username and auth_password, or a token");
    return service_check(&service, config, err);
}

/* Jira's markup is not ours to trust: {noformat} shows text as it is, and only a brace could end it. */
static void put_description(struct json_out *json, const struct payload *p, const char *console_url)
{
    struct buf text;
    buf_init(&text, 64 << 10);
    buf_str(&text, "{noformat}\n");
    size_t from = text.n;
    chat_text(p, NULL, CHAT_PLAIN, TEXT_BYTES, &text);
    for (size_t i = from; i < text.n; i++)
        if (text.p[i] == '{' || text.p[i] == '}')
            text.p[i] = text.p[i] == '{' ? '(' : ')';
    buf_str(&text, "\n{noformat}\n");
    payload_url(p, console_url, &text);
    json_kv_string(json, "description", buf_view(&text));
    buf_free(&text);
}

static void create(const struct channel_config *config, const struct payload *p, const char *console_url,
                   struct buf *out)
{
    struct json_out json = json_out_to(out);
    service_begin(out, "POST");
    buf_str(out, "/rest/api/2/issue");
    service_body(out);
    json_object(&json);
    json_key(&json, SV("fields"));
    json_object(&json);
    json_key(&json, SV("project"));
    json_object(&json);
    json_kv_string(&json, "key", config->project);
    json_object_end(&json);
    json_key(&json, SV("issuetype"));
    json_object(&json);
    json_kv_string(&json, "name", config->issue.n > 0 ? config->issue : SV("Task"));
    json_object_end(&json);
    chat_kv_title(&json, "summary", p, CHAT_PLAIN, SUMMARY_BYTES);
    put_description(&json, p, console_url);
    json_key(&json, SV("labels"));
    json_array(&json);
    json_string(&json, SV("tocsin"));
    json_string(&json, sv_of(severity_name(p->severity)));
    json_array_end(&json);
    json_object_end(&json);
    json_object_end(&json);
    service_end(out);
}

static void begin_on(struct sv issue, const char *what, struct buf *out)
{
    struct buf scratch;
    buf_init(&scratch, 1024);
    service_begin(out, "POST");
    buf_printf(out, "/rest/api/2/issue/%.*s/%s", SV_FMT(service_path_part(issue, &scratch)), what);
    service_body(out);
    buf_free(&scratch);
}

static void comment(const struct payload *p, struct sv issue, struct buf *out)
{
    struct json_out json = json_out_to(out);
    struct buf text;
    buf_init(&text, 64 << 10);
    begin_on(issue, "comment", out);
    chat_title(p, CHAT_PLAIN, SUMMARY_BYTES, &text);
    payload_occurrences(p, &text);
    json_object(&json);
    json_kv_string(&json, "body", buf_view(&text));
    json_object_end(&json);
    service_end(out);
    buf_free(&text);
}

static void make_transition(const struct channel_config *config, struct sv issue, struct buf *out)
{
    struct json_out json = json_out_to(out);
    begin_on(issue, "transitions", out);
    json_object(&json);
    json_key(&json, SV("transition"));
    json_object(&json);
    json_kv_string(&json, "id", config->transition);
    json_object_end(&json);
    json_object_end(&json);
    service_end(out);
}

static void write_requests(const struct channel_config *config, const struct payload *p,
                           const struct message *message, struct buf *out)
{
    if (message->first_id.n == 0) {
        create(config, p, message->console_url, out);
        return;
    }
    comment(p, message->first_id, out);
    if (payload_is_over(p) && config->transition.n > 0)
        make_transition(config, message->first_id, out);
}

static int jira_body(const struct channel_config *config, const struct message *message, struct buf *out,
                     struct err *err)
{
    return chat_body(config, message, write_requests, out, err);
}

const struct channel channel_jira = {.type = "jira",
                                     .check = jira_check,
                                     .body = jira_body,
                                     .service = &service,
                                     .lowest = SEVERITY_P2,
                                     .tells_acknowledged = true,
                                     .tells_resolved = true};
