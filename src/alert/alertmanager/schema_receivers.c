/*
 * Tables of the receivers: one for each kind, with what it may say, its defaults and its checks. See
 * schema.h.
 */
/* Rows of tables say only what is not zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include "alert/alertmanager/decode.h"

#include "template/go_format.h"

#include <stdio.h>

#define SEND_RESOLVED(fallback)                                                                              \
    {                                                                                                        \
        "send_resolved", AM_KIND_BOOL, fallback                                                              \
    }
#define HTTP_CONFIG                                                                                          \
    {                                                                                                        \
        "http_config", AM_KIND_OBJECT, NULL, &am_schema_http                                                 \
    }
#define TEMPLATE(name) "{{ template \"" name "\" . }}"
#define AT_MOST_ONE(a, b)                                                                                    \
    {                                                                                                        \
        AM_CHECK_AT_MOST_ONE, a " " b, "at most one of " a " & " b " must be configured", NULL               \
    }
#define ONE_OF(a, b)                                                                                         \
    {                                                                                                        \
        AM_CHECK_ANY, a " " b, "one of " a " or " b " must be configured", NULL                              \
    }
#define REQUIRED(name, problem)                                                                              \
    {                                                                                                        \
        AM_CHECK_ANY, name, problem, NULL                                                                    \
    }
#define CALL(function)                                                                                       \
    {                                                                                                        \
        AM_CHECK_CALL, NULL, NULL, function                                                                  \
    }

/* --- discord --- */

static const struct am_field discord_fields[] = {
    SEND_RESOLVED("true"),
    HTTP_CONFIG,
    {"webhook_url", AM_KIND_SECRET_URL},
    {"webhook_url_file", AM_KIND_STRING},
    {"content", AM_KIND_STRING},
    {"title", AM_KIND_STRING, TEMPLATE("discord.default.title")},
    {"message", AM_KIND_STRING, TEMPLATE("discord.default.message")},
    {"username", AM_KIND_STRING},
    {"avatar_url", AM_KIND_STRING},
    {0}};
static const struct am_check webhook_url_checks[] = {
    ONE_OF("webhook_url", "webhook_url_file"), AT_MOST_ONE("webhook_url", "webhook_url_file"), {0}};
static const struct am_schema discord = {"discord.plain", discord_fields, webhook_url_checks};

/* --- email --- */

static const struct am_field threading_fields[] = {
    {"enabled", AM_KIND_BOOL}, {"thread_by_date", AM_KIND_STRING}, {0}};
static const struct am_schema threading = {"config.ThreadingConfig", threading_fields, NULL};

static const struct am_field email_fields[] = {SEND_RESOLVED("false"),
                                               {"to", AM_KIND_STRING},
                                               {"from", AM_KIND_STRING},
                                               {"hello", AM_KIND_STRING},
                                               {"smarthost", AM_KIND_HOST_PORT},
                                               {"auth_username", AM_KIND_STRING},
                                               {"auth_password", AM_KIND_SECRET},
                                               {"auth_password_file", AM_KIND_STRING},
                                               {"auth_secret", AM_KIND_SECRET},
                                               {"auth_secret_file", AM_KIND_STRING},
                                               {"auth_identity", AM_KIND_STRING},
                                               {"headers", AM_KIND_STRING_MAP},
                                               {"html", AM_KIND_STRING, TEMPLATE("email.default.html")},
                                               {"text", AM_KIND_STRING},
                                               {"require_tls", AM_KIND_BOOL},
                                               {"tls_config", AM_KIND_OBJECT, NULL, &am_schema_tls},
                                               {"force_implicit_tls", AM_KIND_BOOL},
                                               {"threading", AM_KIND_OBJECT, NULL, &threading},
                                               {0}};

/* textproto.CanonicalMIMEHeaderKey: "in-reply-to" is In-Reply-To; what is no token stays as it is. */
static struct sv canonical_header(struct arena *arena, struct sv name)
{
    char *made = arena_str(arena, name);
    bool upper = true;
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
        if (!letter && !(c >= '0' && c <= '9') && (c == '\0' || strchr("!#$%&'*+-.^_`|~", c) == NULL))
            return name;
        if (letter)
            made[i] = (char)(upper ? c & ~32 : c | 32);
        upper = c == '-';
    }
    return sv_make(made, name.n);
}

static bool has_key(const struct am_value *map, size_t count, struct sv key)
{
    for (size_t i = 0; i < count; i++)
        if (sv_eq(map->items[i].key, key))
            return true;
    return false;
}

static int check_email_headers(const struct am_decoder *decoder, struct am_object *email, struct err *err)
{
    struct am_value *headers = am_get(email, "headers");
    for (size_t i = 0; i < headers->count; i++) {
        struct sv name = canonical_header(decoder->arena, headers->items[i].key);
        if (has_key(headers, i, name))
            return err_set(err, TC_EINPUT, "duplicate header \"%.*s\" in email config", SV_FMT(name));
        headers->items[i].key = name;
    }
    const struct am_object *threads = am_get_object(email, "threading");
    if (threads == NULL || !am_is_set(threads, "enabled"))
        return 0;
    static const char *const own[] = {"References", "In-Reply-To"};
    for (size_t i = 0; i < TC_ARRAY_LEN(own); i++)
        if (has_key(headers, headers->count, sv_of(own[i])))
            return err_set(err, TC_EINPUT,
                           "conflicting configuration: threading.enabled conflicts with custom %s header",
                           own[i]);
    struct sv by = am_get_text(threads, "thread_by_date");
    if (!sv_is(by, "none") && !sv_is(by, "daily"))
        return err_set(err, TC_EINPUT, "threading.thread_by_date must be either 'none' or 'daily'");
    return 0;
}

static const struct am_check email_checks[] = {
    REQUIRED("to", "missing to address in email config"), CALL(check_email_headers), {0}};
static const struct am_schema email = {"config.plain", email_fields, email_checks};

/* --- incident.io --- */

static const struct am_field incidentio_fields[] = {SEND_RESOLVED("true"),
                                                    HTTP_CONFIG,
                                                    {"url", AM_KIND_URL},
                                                    {"url_file", AM_KIND_STRING},
                                                    {"alert_source_token", AM_KIND_SECRET},
                                                    {"alert_source_token_file", AM_KIND_STRING},
                                                    {"max_alerts", AM_KIND_UNSIGNED},
                                                    {"timeout", AM_KIND_GO_DURATION},
                                                    {0}};

static int check_incidentio(const struct am_decoder *decoder, struct am_object *object, struct err *err)
{
    bool token = am_is_set(object, "alert_source_token") || am_is_set(object, "alert_source_token_file");
    bool http = am_is_set(object, "http_config"),
         authorization = am_is_set(object, "http_config.authorization");
    (void)decoder;
    if (authorization && token)
        return err_set(err, TC_EINPUT,
                       "cannot specify alert_source_token or alert_source_token_file when using "
                       "http_config.authorization");
    if (http && !authorization && !token)
        return err_set(err, TC_EINPUT,
                       "at least one of alert_source_token, alert_source_token_file or "
                       "http_config.authorization must be configured");
    return 0;
}

static const struct am_check incidentio_checks[] = {
    ONE_OF("url", "url_file"),
    AT_MOST_ONE("url", "url_file"),
    AT_MOST_ONE("alert_source_token", "alert_source_token_file"),
    CALL(check_incidentio),
    {0}};
static const struct am_schema incidentio = {"incidentio.plain", incidentio_fields, incidentio_checks};

/* --- pagerduty --- */

static const struct am_field pagerduty_image_fields[] = {
    {"src", AM_KIND_STRING}, {"alt", AM_KIND_STRING}, {"href", AM_KIND_STRING}, {0}};
static const struct am_schema pagerduty_image = {"pagerduty.PagerdutyImage", pagerduty_image_fields, NULL};
static const struct am_field pagerduty_link_fields[] = {
    {"href", AM_KIND_STRING}, {"text", AM_KIND_STRING}, {0}};
static const struct am_schema pagerduty_link = {"pagerduty.PagerdutyLink", pagerduty_link_fields, NULL};

static const struct am_field pagerduty_fields[] = {
    SEND_RESOLVED("true"),
    HTTP_CONFIG,
    {"service_key", AM_KIND_SECRET},
    {"service_key_file", AM_KIND_STRING},
    {"routing_key", AM_KIND_SECRET},
    {"routing_key_file", AM_KIND_STRING},
    {"url", AM_KIND_URL},
    {"client", AM_KIND_STRING, TEMPLATE("pagerduty.default.client")},
    {"client_url", AM_KIND_STRING, TEMPLATE("pagerduty.default.clientURL")},
    {"description", AM_KIND_STRING, "{{ template \"pagerduty.default.description\" .}}"},
    {"details", AM_KIND_ANY_MAP},
    {"images", AM_KIND_OBJECTS, NULL, &pagerduty_image, "[]pagerduty.PagerdutyImage"},
    {"links", AM_KIND_OBJECTS, NULL, &pagerduty_link, "[]pagerduty.PagerdutyLink"},
    {"source", AM_KIND_STRING},
    {"severity", AM_KIND_STRING},
    {"class", AM_KIND_STRING},
    {"component", AM_KIND_STRING},
    {"group", AM_KIND_STRING},
    {"timeout", AM_KIND_GO_DURATION},
    {0}};
static const struct am_check pagerduty_checks[] = {
    REQUIRED("routing_key service_key routing_key_file service_key_file",
             "missing service or routing key in PagerDuty config"),
    AT_MOST_ONE("routing_key", "routing_key_file"),
    AT_MOST_ONE("service_key", "service_key_file"),
    {0}};
static const struct am_schema pagerduty = {"pagerduty.plain", pagerduty_fields, pagerduty_checks};

/* --- slack --- */

static const struct am_field slack_confirm_fields[] = {{"text", AM_KIND_STRING},
                                                       {"title", AM_KIND_STRING},
                                                       {"ok_text", AM_KIND_STRING},
                                                       {"dismiss_text", AM_KIND_STRING},
                                                       {0}};
static const struct am_check slack_confirm_checks[] = {
    REQUIRED("text", "missing text in Slack confirmation configuration"), {0}};
static const struct am_schema slack_confirm = {"config.plain", slack_confirm_fields, slack_confirm_checks};

static const struct am_field slack_action_fields[] = {{"type", AM_KIND_STRING},
                                                      {"text", AM_KIND_STRING},
                                                      {"url", AM_KIND_STRING},
                                                      {"style", AM_KIND_STRING},
                                                      {"name", AM_KIND_STRING},
                                                      {"value", AM_KIND_STRING},
                                                      {"confirm", AM_KIND_OBJECT, NULL, &slack_confirm},
                                                      {0}};
static const struct am_check slack_action_checks[] = {
    REQUIRED("type", "missing type in Slack action configuration"),
    REQUIRED("text", "missing text in Slack action configuration"),
    REQUIRED("url name", "missing name or url in Slack action configuration"),
    {0}};
static const struct am_schema slack_action = {"config.plain", slack_action_fields, slack_action_checks};

static const struct am_field attachment_field_fields[] = {
    {"title", AM_KIND_STRING}, {"value", AM_KIND_STRING}, {"short", AM_KIND_BOOL}, {0}};
static const struct am_check slack_field_checks[] = {
    REQUIRED("title", "missing title in Slack field configuration"),
    REQUIRED("value", "missing value in Slack field configuration"),
    {0}};
static const struct am_schema slack_field = {"config.plain", attachment_field_fields, slack_field_checks};

static const struct am_field slack_fields[] = {
    SEND_RESOLVED("false"),
    HTTP_CONFIG,
    {"api_url", AM_KIND_SECRET_URL},
    {"api_url_file", AM_KIND_STRING},
    {"app_token", AM_KIND_SECRET},
    {"app_token_file", AM_KIND_STRING},
    {"app_url", AM_KIND_URL},
    {"channel", AM_KIND_STRING},
    {"username", AM_KIND_STRING, TEMPLATE("slack.default.username")},
    {"color", AM_KIND_STRING, TEMPLATE("slack.default.color")},
    {"title", AM_KIND_STRING, TEMPLATE("slack.default.title")},
    {"title_link", AM_KIND_STRING, TEMPLATE("slack.default.titlelink")},
    {"pretext", AM_KIND_STRING, TEMPLATE("slack.default.pretext")},
    {"text", AM_KIND_STRING, TEMPLATE("slack.default.text")},
    {"message_text", AM_KIND_STRING},
    {"fields", AM_KIND_OBJECTS, NULL, &slack_field, "[]*config.SlackField"},
    {"short_fields", AM_KIND_BOOL},
    {"footer", AM_KIND_STRING, TEMPLATE("slack.default.footer")},
    {"fallback", AM_KIND_STRING, TEMPLATE("slack.default.fallback")},
    {"callback_id", AM_KIND_STRING, TEMPLATE("slack.default.callbackid")},
    {"icon_emoji", AM_KIND_STRING, TEMPLATE("slack.default.iconemoji")},
    {"icon_url", AM_KIND_STRING, TEMPLATE("slack.default.iconurl")},
    {"image_url", AM_KIND_STRING},
    {"thumb_url", AM_KIND_STRING},
    {"link_names", AM_KIND_BOOL},
    {"mrkdwn_in", AM_KIND_STRINGS},
    {"actions", AM_KIND_OBJECTS, NULL, &slack_action, "[]*config.SlackAction"},
    {"update_message", AM_KIND_BOOL},
    {"timeout", AM_KIND_GO_DURATION},
    {0}};

static int check_slack_update(const struct am_decoder *decoder, struct am_object *slack, struct err *err)
{
    static const char url[] = "https://slack.com/api/chat.postMessage";
    (void)decoder;
    if (am_is_set(slack, "update_message") && !sv_is(am_get_text(slack, "api_url"), url))
        return err_set(err, TC_EINPUT,
                       "update_message can only be used with bot tokens. api_url must be set to %s", url);
    return 0;
}

static const struct am_check slack_checks[] = {
    AT_MOST_ONE("api_url", "api_url_file"),
    AT_MOST_ONE("app_token", "app_token_file"),
    {AM_CHECK_AT_MOST_ONE, "api_url|api_url_file app_token|app_token_file",
     "at most one of api_url/api_url_file & app_token/app_token_file must be configured", NULL},
    CALL(check_slack_update),
    {0}};
static const struct am_schema slack = {"config.plain", slack_fields, slack_checks};

/* --- webhook --- */

static const struct am_field webhook_fields[] = {SEND_RESOLVED("true"),
                                                 HTTP_CONFIG,
                                                 {"url", AM_KIND_TEMPLATE_URL},
                                                 {"url_file", AM_KIND_STRING},
                                                 {"max_alerts", AM_KIND_UNSIGNED},
                                                 {"timeout", AM_KIND_GO_DURATION},
                                                 {"payload", AM_KIND_ANY},
                                                 {0}};
static const struct am_check webhook_checks[] = {
    ONE_OF("url", "url_file"), AT_MOST_ONE("url", "url_file"), {0}};
static const struct am_schema webhook = {"webhook.plain", webhook_fields, webhook_checks};

/* --- opsgenie --- */

static const struct am_field responder_fields[] = {{"id", AM_KIND_STRING},
                                                   {"name", AM_KIND_STRING},
                                                   {"username", AM_KIND_STRING},
                                                   {"type", AM_KIND_STRING},
                                                   {0}};
static const struct am_schema responder = {"opsgenie.OpsGenieConfigResponder", responder_fields, NULL};

static const struct am_field opsgenie_fields[] = {
    SEND_RESOLVED("true"),
    HTTP_CONFIG,
    {"api_key", AM_KIND_SECRET},
    {"api_key_file", AM_KIND_STRING},
    {"api_url", AM_KIND_URL},
    {"message", AM_KIND_STRING, TEMPLATE("opsgenie.default.message")},
    {"description", AM_KIND_STRING, TEMPLATE("opsgenie.default.description")},
    {"source", AM_KIND_STRING, TEMPLATE("opsgenie.default.source")},
    {"details", AM_KIND_STRING_MAP},
    {"entity", AM_KIND_STRING},
    {"responders", AM_KIND_OBJECTS, NULL, &responder, "[]opsgenie.OpsGenieConfigResponder"},
    {"actions", AM_KIND_STRING},
    {"tags", AM_KIND_STRING},
    {"note", AM_KIND_STRING},
    {"priority", AM_KIND_STRING},
    {"update_alerts", AM_KIND_BOOL},
    {0}};

static int bad_responder(const struct am_object *object, struct sv type, const char *why, struct err *err)
{
    struct sv id = am_get_text(object, "id"), name = am_get_text(object, "name"),
              username = am_get_text(object, "username");
    return err_set(err, TC_EINPUT, "opsGenieConfig responder {%.*s %.*s %.*s %.*s} %s", SV_FMT(id),
                   SV_FMT(name), SV_FMT(username), SV_FMT(type), why);
}

static int check_responder(const struct am_decoder *decoder, struct am_object *object, struct err *err)
{
    static const char *const types[] = {"team", "teams", "user", "escalation", "schedule"};
    struct am_value *type = am_get(object, "type");
    struct err problem = {0};
    bool templated;
    if (!am_is_set(object, "id") && !am_is_set(object, "name") && !am_is_set(object, "username"))
        return bad_responder(object, type->text, "has to have at least one of id, username or name specified",
                             err);
    if (am_check_template(type->text, &templated, &problem) != 0) {
        char why[TC_ERR_TEXT_MAX];
        snprintf(why, sizeof why, "type contains invalid template syntax: %.900s", problem.text);
        return bad_responder(object, type->text, why, err);
    }
    if (templated)
        return 0;
    char *lower = arena_str(decoder->arena, type->text);
    for (size_t i = 0; i < type->text.n; i++)
        lower[i] = (char)(lower[i] >= 'A' && lower[i] <= 'Z' ? lower[i] + 32 : lower[i]);
    for (size_t i = 0; i < TC_ARRAY_LEN(types); i++)
        if (strcmp(lower, types[i]) == 0)
            return 0;
    return bad_responder(object, sv_of(lower),
                         "type does not match valid options ^(team|teams|user|escalation|schedule)$", err);
}

static int check_responders(const struct am_decoder *decoder, struct am_object *object, struct err *err)
{
    const struct am_value *list = am_get(object, "responders");
    for (size_t i = 0; i < list->count; i++) {
        struct am_object *item = list->items[i].object;
        int rc =
            check_responder(decoder, item != NULL ? item : am_object_new(decoder->arena, &responder), err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static const struct am_check opsgenie_checks[] = {
    AT_MOST_ONE("api_key", "api_key_file"), CALL(check_responders), {0}};
static const struct am_schema opsgenie = {"opsgenie.plain", opsgenie_fields, opsgenie_checks};

/* --- wechat --- */

static const struct am_field wechat_fields[] = {
    SEND_RESOLVED("false"),
    HTTP_CONFIG,
    {"api_secret", AM_KIND_SECRET},
    {"api_secret_file", AM_KIND_STRING},
    {"corp_id", AM_KIND_STRING},
    {"message", AM_KIND_STRING, TEMPLATE("wechat.default.message")},
    {"api_url", AM_KIND_URL},
    {"to_user", AM_KIND_STRING, TEMPLATE("wechat.default.to_user")},
    {"to_party", AM_KIND_STRING, TEMPLATE("wechat.default.to_party")},
    {"to_tag", AM_KIND_STRING, TEMPLATE("wechat.default.to_tag")},
    {"agent_id", AM_KIND_STRING, TEMPLATE("wechat.default.agent_id")},
    {"message_type", AM_KIND_STRING},
    {0}};

static int check_wechat_type(const struct am_decoder *decoder, struct am_object *wechat, struct err *err)
{
    struct am_value *type = am_get(wechat, "message_type");
    (void)decoder;
    if (type->text.n == 0)
        type->text = SV("text");
    if (sv_is(type->text, "text") || sv_is(type->text, "markdown"))
        return 0;
    struct buf quoted;
    buf_init(&quoted, 4096);
    go_quote(&quoted, sv_head(type->text, 512));
    int rc =
        err_set(err, TC_EINPUT, "weChat message type %.*s does not match valid options ^(text|markdown)$",
                SV_FMT(buf_view(&quoted)));
    buf_free(&quoted);
    return rc;
}

static const struct am_check wechat_checks[] = {
    CALL(check_wechat_type), AT_MOST_ONE("api_secret", "api_secret_file"), {0}};
static const struct am_schema wechat = {"config.plain", wechat_fields, wechat_checks};

/* --- pushover --- */

static const struct am_field pushover_fields[] = {
    SEND_RESOLVED("true"),
    HTTP_CONFIG,
    {"user_key", AM_KIND_SECRET},
    {"user_key_file", AM_KIND_STRING},
    {"token", AM_KIND_SECRET},
    {"token_file", AM_KIND_STRING},
    {"title", AM_KIND_STRING, TEMPLATE("pushover.default.title")},
    {"message", AM_KIND_STRING, TEMPLATE("pushover.default.message")},
    {"url", AM_KIND_STRING, TEMPLATE("pushover.default.url")},
    {"url_title", AM_KIND_STRING},
    {"device", AM_KIND_STRING},
    {"sound", AM_KIND_STRING},
    {"priority", AM_KIND_STRING, "{{ if eq .Status \"firing\" }}2{{ else }}0{{ end }}"},
    {"retry", AM_KIND_TEXT_DURATION, "1m"},
    {"expire", AM_KIND_TEXT_DURATION, "1h"},
    {"ttl", AM_KIND_TEXT_DURATION},
    {"html", AM_KIND_BOOL},
    {"monospace", AM_KIND_BOOL},
    {0}};
static const struct am_check pushover_checks[] = {
    ONE_OF("user_key", "user_key_file"),
    AT_MOST_ONE("user_key", "user_key_file"),
    ONE_OF("token", "token_file"),
    AT_MOST_ONE("token", "token_file"),
    {AM_CHECK_AT_MOST_ONE, "html monospace", "at most one of monospace & html must be configured", NULL},
    {0}};
static const struct am_schema pushover = {"pushover.plain", pushover_fields, pushover_checks};

/* --- victorops --- */

static const struct am_field victorops_fields[] = {
    SEND_RESOLVED("true"),
    HTTP_CONFIG,
    {"api_key", AM_KIND_SECRET},
    {"api_key_file", AM_KIND_STRING},
    {"api_url", AM_KIND_URL},
    {"routing_key", AM_KIND_STRING},
    {"message_type", AM_KIND_STRING, "CRITICAL"},
    {"state_message", AM_KIND_STRING, TEMPLATE("victorops.default.state_message")},
    {"entity_display_name", AM_KIND_STRING, TEMPLATE("victorops.default.entity_display_name")},
    {"monitoring_tool", AM_KIND_STRING, TEMPLATE("victorops.default.monitoring_tool")},
    {"custom_fields", AM_KIND_STRING_MAP},
    {0}};

static int check_custom_fields(const struct am_decoder *decoder, struct am_object *object, struct err *err)
{
    static const char *const reserved[] = {"routing_key",         "message_type",    "state_message",
                                           "entity_display_name", "monitoring_tool", "entity_id",
                                           "entity_state"};
    const struct am_value *fields = am_get(object, "custom_fields");
    (void)decoder;
    for (size_t i = 0; i < TC_ARRAY_LEN(reserved); i++)
        if (has_key(fields, fields->count, sv_of(reserved[i])))
            return err_set(err, TC_EINPUT,
                           "victorOps config contains custom field %s which cannot be used as it conflicts "
                           "with the fixed/static fields",
                           reserved[i]);
    return 0;
}

static const struct am_check victorops_checks[] = {
    REQUIRED("routing_key", "missing Routing key in VictorOps config"),
    AT_MOST_ONE("api_key", "api_key_file"),
    CALL(check_custom_fields),
    {0}};
static const struct am_schema victorops = {"config.plain", victorops_fields, victorops_checks};

/* --- sns --- */

static const struct am_field sigv4_fields[] = {{"region", AM_KIND_STRING},
                                               {"access_key", AM_KIND_STRING},
                                               {"secret_key", AM_KIND_SECRET},
                                               {"profile", AM_KIND_STRING},
                                               {"role_arn", AM_KIND_STRING},
                                               {"external_id", AM_KIND_STRING},
                                               {"use_fips_sts_endpoint", AM_KIND_BOOL},
                                               {"service_name", AM_KIND_STRING},
                                               {0}};

static int check_sigv4(const struct am_decoder *decoder, struct am_object *object, struct err *err)
{
    (void)decoder;
    if (am_is_set(object, "access_key") != am_is_set(object, "secret_key"))
        return err_set(
            err, TC_EINPUT,
            "must provide a AWS SigV4 Access key and Secret Key if credentials are specified in the "
            "SigV4 config");
    if (am_is_set(object, "external_id") && !am_is_set(object, "role_arn"))
        return err_set(err, TC_EINPUT, "external_id can only be used with role_arn");
    return 0;
}

static const struct am_check sigv4_checks[] = {CALL(check_sigv4), {0}};
static const struct am_schema sigv4 = {"sigv4.plain", sigv4_fields, sigv4_checks};

static const struct am_field sns_fields[] = {SEND_RESOLVED("true"),
                                             HTTP_CONFIG,
                                             {"api_url", AM_KIND_STRING},
                                             {"sigv4", AM_KIND_OBJECT, NULL, &sigv4},
                                             {"topic_arn", AM_KIND_STRING},
                                             {"phone_number", AM_KIND_STRING},
                                             {"target_arn", AM_KIND_STRING},
                                             {"subject", AM_KIND_STRING, TEMPLATE("sns.default.subject")},
                                             {"message", AM_KIND_STRING, TEMPLATE("sns.default.message")},
                                             {"attributes", AM_KIND_STRING_MAP},
                                             {"use_aws_http_client", AM_KIND_BOOL},
                                             {0}};

/* Alertmanager refuses none and two of them, but takes all three. */
static int check_sns(const struct am_decoder *decoder, struct am_object *sns, struct err *err)
{
    size_t set = am_is_set(sns, "target_arn") + am_is_set(sns, "topic_arn") + am_is_set(sns, "phone_number");
    (void)decoder;
    if (set % 2 == 0)
        return err_set(err, TC_EINPUT,
                       "must provide either a Target ARN, Topic ARN, or Phone Number for SNS config");
    return 0;
}

static const struct am_check sns_checks[] = {CALL(check_sns), {0}};
static const struct am_schema sns = {"sns.plain", sns_fields, sns_checks};

/* --- telegram --- */

static const struct am_field telegram_fields[] = {
    SEND_RESOLVED("true"),
    HTTP_CONFIG,
    {"api_url", AM_KIND_URL},
    {"bot_token", AM_KIND_SECRET},
    {"bot_token_file", AM_KIND_STRING},
    {"chat_id", AM_KIND_INTEGER, NULL, NULL, "int64"},
    {"chat_id_file", AM_KIND_STRING},
    {"message_thread_id", AM_KIND_INTEGER},
    {"message", AM_KIND_STRING, TEMPLATE("telegram.default.message")},
    {"disable_notifications", AM_KIND_BOOL},
    {"parse_mode", AM_KIND_STRING, "HTML"},
    {0}};

static int check_parse_mode(const struct am_decoder *decoder, struct am_object *telegram, struct err *err)
{
    struct sv mode = am_get_text(telegram, "parse_mode");
    (void)decoder;
    if (mode.n > 0 && !sv_is(mode, "Markdown") && !sv_is(mode, "MarkdownV2") && !sv_is(mode, "HTML"))
        return err_set(err, TC_EINPUT,
                       "unknown parse_mode on telegram_config, must be Markdown, MarkdownV2, HTML or empty "
                       "string");
    return 0;
}

static const struct am_check telegram_checks[] = {
    AT_MOST_ONE("bot_token", "bot_token_file"),
    REQUIRED("chat_id chat_id_file", "missing chat_id or chat_id_file on telegram_config"),
    AT_MOST_ONE("chat_id", "chat_id_file"),
    CALL(check_parse_mode),
    {0}};
static const struct am_schema telegram = {"telegram.plain", telegram_fields, telegram_checks};

/* --- webex --- */

static const struct am_field webex_fields[] = {
    SEND_RESOLVED("true"),       HTTP_CONFIG,
    {"api_url", AM_KIND_URL},    {"message", AM_KIND_STRING, TEMPLATE("webex.default.message")},
    {"room_id", AM_KIND_STRING}, {0}};
static const struct am_check webex_checks[] = {
    REQUIRED("room_id", "missing room_id on webex_config"),
    REQUIRED("http_config.authorization", "missing webex_configs.http_config.authorization"),
    {0}};
static const struct am_schema webex = {"config.plain", webex_fields, webex_checks};

/* --- Microsoft Teams --- */

static const struct am_field msteams_fields[] = {
    SEND_RESOLVED("true"),
    HTTP_CONFIG,
    {"webhook_url", AM_KIND_SECRET_URL},
    {"webhook_url_file", AM_KIND_STRING},
    {"title", AM_KIND_STRING, TEMPLATE("msteams.default.title")},
    {"summary", AM_KIND_STRING, TEMPLATE("msteams.default.summary")},
    {"text", AM_KIND_STRING, TEMPLATE("msteams.default.text")},
    {0}};
static const struct am_schema msteams = {"msteams.plain", msteams_fields, webhook_url_checks};

static const struct am_field msteamsv2_fields[] = {
    SEND_RESOLVED("true"),
    HTTP_CONFIG,
    {"webhook_url", AM_KIND_SECRET_URL},
    {"webhook_url_file", AM_KIND_STRING},
    {"title", AM_KIND_STRING, TEMPLATE("msteamsv2.default.title")},
    {"text", AM_KIND_STRING, TEMPLATE("msteamsv2.default.text")},
    {0}};
static const struct am_schema msteamsv2 = {"msteamsv2.plain", msteamsv2_fields, webhook_url_checks};

/* --- jira --- */

static const struct am_field jira_field_fields[] = {
    {"template", AM_KIND_STRING}, {"enable_update", AM_KIND_BOOL}, {0}};
static const struct am_schema jira_field = {"jira.plain", jira_field_fields, NULL};

static const struct am_field jira_fields[] = {
    SEND_RESOLVED("true"),
    HTTP_CONFIG,
    {"api_url", AM_KIND_URL},
    {"api_type", AM_KIND_STRING, "auto"},
    {"project", AM_KIND_STRING},
    {"summary", AM_KIND_STRING_OR_OBJECT, TEMPLATE("jira.default.summary"), &jira_field},
    {"description", AM_KIND_STRING_OR_OBJECT, TEMPLATE("jira.default.description"), &jira_field},
    {"labels", AM_KIND_STRINGS},
    {"priority", AM_KIND_STRING, TEMPLATE("jira.default.priority")},
    {"issue_type", AM_KIND_STRING},
    {"reopen_transition", AM_KIND_STRING},
    {"resolve_transition", AM_KIND_STRING},
    {"wont_fix_resolution", AM_KIND_STRING},
    {"reopen_duration", AM_KIND_DURATION},
    {"fields", AM_KIND_ANY_MAP},
    {0}};

static int check_jira(const struct am_decoder *decoder, struct am_object *jira, struct err *err)
{
    struct sv type = am_get_text(jira, "api_type");
    (void)decoder;
    if (!sv_is(type, "auto") && !sv_is(type, "cloud") && !sv_is(type, "datacenter"))
        return err_set(err, TC_EINPUT, "unknown api_type on jira_config, must be auto, cloud or datacenter");
    return 0;
}

static const struct am_check jira_checks[] = {REQUIRED("project", "missing project in jira_config"),
                                              REQUIRED("issue_type", "missing issue_type in jira_config"),
                                              CALL(check_jira),
                                              {0}};
static const struct am_schema jira = {"jira.plain", jira_fields, jira_checks};

/* --- rocketchat; its fields and actions bear Go's names in lower case, as Alertmanager has it --- */

static const struct am_field rocketchat_field_fields[] = {
    {"short", AM_KIND_BOOL}, {"title", AM_KIND_STRING}, {"value", AM_KIND_STRING}, {0}};
static const struct am_schema rocketchat_field = {"rocketchat.RocketchatAttachmentField",
                                                  rocketchat_field_fields, NULL};
static const struct am_field rocketchat_action_fields[] = {{"type", AM_KIND_STRING},
                                                           {"text", AM_KIND_STRING},
                                                           {"url", AM_KIND_STRING},
                                                           {"imageurl", AM_KIND_STRING},
                                                           {"iswebview", AM_KIND_BOOL},
                                                           {"webviewheightratio", AM_KIND_STRING},
                                                           {"msg", AM_KIND_STRING},
                                                           {"msginchatwindow", AM_KIND_BOOL},
                                                           {"msgprocessingtype", AM_KIND_STRING},
                                                           {0}};
static const struct am_schema rocketchat_action = {"rocketchat.RocketchatAttachmentAction",
                                                   rocketchat_action_fields, NULL};

static const struct am_field rocketchat_fields[] = {
    SEND_RESOLVED("false"),
    HTTP_CONFIG,
    {"api_url", AM_KIND_URL},
    {"token_id", AM_KIND_SECRET_OR_NONE},
    {"token_id_file", AM_KIND_STRING},
    {"token", AM_KIND_SECRET_OR_NONE},
    {"token_file", AM_KIND_STRING},
    {"channel", AM_KIND_STRING},
    {"color", AM_KIND_STRING, "{{ if eq .Status \"firing\" }}red{{ else }}green{{ end }}"},
    {"title", AM_KIND_STRING, TEMPLATE("rocketchat.default.title")},
    {"title_link", AM_KIND_STRING, TEMPLATE("rocketchat.default.titlelink")},
    {"text", AM_KIND_STRING, TEMPLATE("rocketchat.default.text")},
    {"fields", AM_KIND_OBJECTS, NULL, &rocketchat_field, "[]*rocketchat.RocketchatAttachmentField"},
    {"short_fields", AM_KIND_BOOL},
    {"emoji", AM_KIND_STRING, TEMPLATE("rocketchat.default.emoji")},
    {"icon_url", AM_KIND_STRING, TEMPLATE("rocketchat.default.iconurl")},
    {"image_url", AM_KIND_STRING},
    {"thumb_url", AM_KIND_STRING},
    {"link_names", AM_KIND_BOOL},
    {"actions", AM_KIND_OBJECTS, NULL, &rocketchat_action, "[]*rocketchat.RocketchatAttachmentAction"},
    {0}};
static const struct am_check rocketchat_checks[] = {
    AT_MOST_ONE("token", "token_file"), AT_MOST_ONE("token_id", "token_id_file"), {0}};
static const struct am_schema rocketchat = {"rocketchat.plain", rocketchat_fields, rocketchat_checks};

/* --- mattermost --- */

static const struct am_check mattermost_field_checks[] = {
    REQUIRED("title", "missing title in Mattermost field configuration"),
    REQUIRED("value", "missing value in Mattermost field configuration"),
    {0}};
static const struct am_schema mattermost_field = {"mattermost.plain", attachment_field_fields,
                                                  mattermost_field_checks};

static const struct am_field mattermost_attachment_fields[] = {
    {"fallback", AM_KIND_STRING},
    {"color", AM_KIND_STRING},
    {"pretext", AM_KIND_STRING},
    {"text", AM_KIND_STRING},
    {"author_name", AM_KIND_STRING},
    {"author_link", AM_KIND_STRING},
    {"author_icon", AM_KIND_STRING},
    {"title", AM_KIND_STRING},
    {"title_link", AM_KIND_STRING},
    {"fields", AM_KIND_OBJECTS, NULL, &mattermost_field, "[]*mattermost.MattermostField"},
    {"thumb_url", AM_KIND_STRING},
    {"footer", AM_KIND_STRING},
    {"footer_icon", AM_KIND_STRING},
    {"image_url", AM_KIND_STRING},
    {0}};
static const struct am_schema mattermost_attachment = {"mattermost.MattermostAttachment",
                                                       mattermost_attachment_fields, NULL};
static const struct am_field mattermost_props_fields[] = {{"card", AM_KIND_STRING}, {0}};
static const struct am_schema mattermost_props = {"mattermost.MattermostProps", mattermost_props_fields,
                                                  NULL};
static const struct am_field mattermost_priority_fields[] = {{"priority", AM_KIND_STRING},
                                                             {"requested_ack", AM_KIND_BOOL},
                                                             {"persistent_notifications", AM_KIND_BOOL},
                                                             {0}};
static const struct am_schema mattermost_priority = {"mattermost.MattermostPriority",
                                                     mattermost_priority_fields, NULL};

static const struct am_field mattermost_fields[] = {
    SEND_RESOLVED("true"),
    HTTP_CONFIG,
    {"webhook_url", AM_KIND_SECRET_URL},
    {"webhook_url_file", AM_KIND_STRING},
    {"channel", AM_KIND_STRING},
    {"username", AM_KIND_STRING, TEMPLATE("mattermost.default.username")},
    {"text", AM_KIND_STRING, TEMPLATE("mattermost.default.text")},
    {"fallback", AM_KIND_STRING, TEMPLATE("mattermost.default.fallback")},
    {"color", AM_KIND_STRING, TEMPLATE("mattermost.default.color")},
    {"pretext", AM_KIND_STRING},
    {"author_name", AM_KIND_STRING},
    {"author_link", AM_KIND_STRING},
    {"author_icon", AM_KIND_STRING},
    {"title", AM_KIND_STRING, TEMPLATE("mattermost.default.title")},
    {"title_link", AM_KIND_STRING, TEMPLATE("mattermost.default.titlelink")},
    {"fields", AM_KIND_OBJECTS, NULL, &mattermost_field, "[]*mattermost.MattermostField"},
    {"thumb_url", AM_KIND_STRING},
    {"footer", AM_KIND_STRING},
    {"footer_icon", AM_KIND_STRING},
    {"image_url", AM_KIND_STRING},
    {"icon_url", AM_KIND_STRING},
    {"icon_emoji", AM_KIND_STRING},
    {"attachments", AM_KIND_OBJECTS, NULL, &mattermost_attachment, "[]*mattermost.MattermostAttachment"},
    {"type", AM_KIND_STRING},
    {"props", AM_KIND_OBJECT, NULL, &mattermost_props},
    {"priority", AM_KIND_OBJECT, NULL, &mattermost_priority},
    {0}};
static const struct am_check mattermost_checks[] = {AT_MOST_ONE("webhook_url", "webhook_url_file"), {0}};
static const struct am_schema mattermost = {"mattermost.plain", mattermost_fields, mattermost_checks};

/* --- a receiver --- */

const struct am_field am_receiver_fields[] = {
    {"name", AM_KIND_STRING},
    {"labels", AM_KIND_STRING_MAP},
    {"discord_configs", AM_KIND_OBJECTS, NULL, &discord, "[]*discord.DiscordConfig"},
    {"email_configs", AM_KIND_OBJECTS, NULL, &email, "[]*config.EmailConfig"},
    {"incidentio_configs", AM_KIND_OBJECTS, NULL, &incidentio, "[]*incidentio.IncidentioConfig"},
    {"pagerduty_configs", AM_KIND_OBJECTS, NULL, &pagerduty, "[]*pagerduty.PagerdutyConfig"},
    {"slack_configs", AM_KIND_OBJECTS, NULL, &slack, "[]*config.SlackConfig"},
    {"webhook_configs", AM_KIND_OBJECTS, NULL, &webhook, "[]*webhook.WebhookConfig"},
    {"opsgenie_configs", AM_KIND_OBJECTS, NULL, &opsgenie, "[]*opsgenie.OpsGenieConfig"},
    {"wechat_configs", AM_KIND_OBJECTS, NULL, &wechat, "[]*config.WechatConfig"},
    {"pushover_configs", AM_KIND_OBJECTS, NULL, &pushover, "[]*pushover.PushoverConfig"},
    {"victorops_configs", AM_KIND_OBJECTS, NULL, &victorops, "[]*config.VictorOpsConfig"},
    {"sns_configs", AM_KIND_OBJECTS, NULL, &sns, "[]*sns.SNSConfig"},
    {"telegram_configs", AM_KIND_OBJECTS, NULL, &telegram, "[]*telegram.TelegramConfig"},
    {"webex_configs", AM_KIND_OBJECTS, NULL, &webex, "[]*config.WebexConfig"},
    {"msteams_configs", AM_KIND_OBJECTS, NULL, &msteams, "[]*msteams.MSTeamsConfig"},
    {"msteamsv2_configs", AM_KIND_OBJECTS, NULL, &msteamsv2, "[]*msteamsv2.MSTeamsV2Config"},
    {"jira_configs", AM_KIND_OBJECTS, NULL, &jira, "[]*jira.JiraConfig"},
    {"rocketchat_configs", AM_KIND_OBJECTS, NULL, &rocketchat, "[]*rocketchat.RocketchatConfig"},
    {"mattermost_configs", AM_KIND_OBJECTS, NULL, &mattermost, "[]*mattermost.MattermostConfig"},
    {0}};

const struct am_receiver_kind am_receiver_kinds[] = {{"webhook", "webhook_configs"},
                                                     {"email", "email_configs"},
                                                     {"pagerduty", "pagerduty_configs"},
                                                     {"opsgenie", "opsgenie_configs"},
                                                     {"wechat", "wechat_configs"},
                                                     {"slack", "slack_configs"},
                                                     {"victorops", "victorops_configs"},
                                                     {"pushover", "pushover_configs"},
                                                     {"sns", "sns_configs"},
                                                     {"telegram", "telegram_configs"},
                                                     {"discord", "discord_configs"},
                                                     {"webex", "webex_configs"},
                                                     {"msteams", "msteams_configs"},
                                                     {"msteamsv2", "msteamsv2_configs"},
                                                     {"jira", "jira_configs"},
                                                     {"incidentio", "incidentio_configs"},
                                                     {"rocketchat", "rocketchat_configs"},
                                                     {"mattermost", "mattermost_configs"},
                                                     {0}};

static int check_receiver(const struct am_decoder *decoder, struct am_object *receiver, struct err *err)
{
    struct sv name = am_get_text(receiver, "name");
    const struct am_value *labels = am_get(receiver, "labels");
    (void)decoder;
    if (name.n == 0)
        return err_set(err, TC_EINPUT, "missing name in receiver");
    for (size_t i = 0; i < labels->count; i++)
        if (sv_is(labels->items[i].key, "name") && !sv_eq(labels->items[i].text, name)) {
            struct buf words;
            buf_init(&words, 4096);
            buf_str(&words, "receiver label \"name\" must match receiver name ");
            go_quote(&words, sv_head(name, 256));
            buf_str(&words, ", got ");
            go_quote(&words, sv_head(labels->items[i].text, 256));
            int rc = err_set(err, TC_EINPUT, "%.*s", SV_FMT(buf_view(&words)));
            buf_free(&words);
            return rc;
        }
    return 0;
}

static const struct am_check receiver_checks[] = {CALL(check_receiver), {0}};
const struct am_schema am_schema_receiver = {"config.plain", am_receiver_fields, receiver_checks};
