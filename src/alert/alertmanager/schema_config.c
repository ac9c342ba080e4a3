/*
 * Tables of the configuration itself: global, routes, inhibition, time intervals, tracing, the event
 * recorder. What Alertmanager checks once all of it has been read stands in config_check.c. See schema.h.
 */
/* Rows of tables say only what is not zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include "alert/alertmanager/config_priv.h"

#include "template/go_format.h"

#include <stdio.h>

/* --- global --- */

static const struct am_field global_fields[] = {
    {"resolve_timeout", AM_KIND_DURATION, "5m"},
    {"http_config", AM_KIND_OBJECT, NULL, &am_schema_http},
    {"jira_api_url", AM_KIND_URL},
    {"smtp_from", AM_KIND_STRING},
    {"smtp_hello", AM_KIND_STRING, "localhost"},
    {"smtp_smarthost", AM_KIND_HOST_PORT},
    {"smtp_auth_username", AM_KIND_STRING},
    {"smtp_auth_password", AM_KIND_SECRET},
    {"smtp_auth_password_file", AM_KIND_STRING},
    {"smtp_auth_secret", AM_KIND_SECRET},
    {"smtp_auth_secret_file", AM_KIND_STRING},
    {"smtp_auth_identity", AM_KIND_STRING},
    {"smtp_require_tls", AM_KIND_BOOL, "true"},
    {"smtp_tls_config", AM_KIND_OBJECT, NULL, &am_schema_tls},
    {"smtp_force_implicit_tls", AM_KIND_BOOL},
    {"slack_api_url", AM_KIND_SECRET_URL},
    {"slack_api_url_file", AM_KIND_STRING},
    {"slack_app_token", AM_KIND_SECRET},
    {"slack_app_token_file", AM_KIND_STRING},
    {"slack_app_url", AM_KIND_URL, "https://slack.com/api/chat.postMessage"},
    {"pagerduty_url", AM_KIND_URL, "https://events.pagerduty.com/v2/enqueue"},
    {"opsgenie_api_url", AM_KIND_URL, "https://api.opsgenie.com/"},
    {"opsgenie_api_key", AM_KIND_SECRET},
    {"opsgenie_api_key_file", AM_KIND_STRING},
    {"wechat_api_url", AM_KIND_URL, "https://qyapi.weixin.qq.com/cgi-bin/"},
    {"wechat_api_secret", AM_KIND_SECRET},
    {"wechat_api_secret_file", AM_KIND_STRING},
    {"wechat_api_corp_id", AM_KIND_STRING},
    {"victorops_api_url", AM_KIND_URL, "https://alert.victorops.com/integrations/generic/20131114/alert/"},
    {"victorops_api_key", AM_KIND_SECRET},
    {"victorops_api_key_file", AM_KIND_STRING},
    {"telegram_api_url", AM_KIND_URL, "https://api.telegram.org"},
    {"telegram_bot_token", AM_KIND_SECRET},
    {"telegram_bot_token_file", AM_KIND_STRING},
    {"webex_api_url", AM_KIND_URL, "https://webexapis.com/v1/messages"},
    {"rocketchat_api_url", AM_KIND_URL, "https://open.rocket.chat/"},
    {"rocketchat_token", AM_KIND_SECRET_OR_NONE},
    {"rocketchat_token_file", AM_KIND_STRING},
    {"rocketchat_token_id", AM_KIND_SECRET_OR_NONE},
    {"rocketchat_token_id_file", AM_KIND_STRING},
    {"mattermost_webhook_url", AM_KIND_SECRET_URL},
    {"mattermost_webhook_url_file", AM_KIND_STRING},
    {0}};
const struct am_schema am_schema_global = {"config.plain", global_fields, NULL};

/* --- routes --- */

static const struct am_field route_fields[] = {
    {"receiver", AM_KIND_STRING},
    {"group_by", AM_KIND_STRINGS},
    {"match", AM_KIND_STRING_MAP},
    {"match_re", AM_KIND_REGEXP_MAP},
    {"matchers", AM_KIND_MATCHERS},
    {"mute_time_intervals", AM_KIND_STRINGS},
    {"active_time_intervals", AM_KIND_STRINGS},
    {"continue", AM_KIND_BOOL},
    {"routes", AM_KIND_OBJECTS, NULL, &am_schema_route, "[]*config.Route"},
    {"group_wait", AM_KIND_DURATION},
    {"group_interval", AM_KIND_DURATION},
    {"repeat_interval", AM_KIND_DURATION},
    {"labels", AM_KIND_LABEL_MAP},
    {0}};

int am_refuse_name(struct err *err, const char *before, struct sv name, const char *after)
{
    struct buf words;
    buf_init(&words, 4096);
    buf_str(&words, before);
    go_quote(&words, sv_head(name, 512));
    buf_str(&words, after);
    int rc = err_set(err, TC_EINPUT, "%.*s", SV_FMT(buf_view(&words)));
    buf_free(&words);
    return rc;
}

static int check_match_names(const struct am_object *object, const char *field, struct err *err)
{
    const struct am_value *match = am_get(object, field);
    for (size_t i = 0; i < match->count; i++)
        if (!am_label_name_is_classic(match->items[i].key))
            return am_refuse_name(err, "invalid label name ", match->items[i].key, "");
    return 0;
}

/* "..." is all labels, and then stands alone. */
static int check_group_by(const struct am_decoder *decoder, const struct am_object *route, struct err *err)
{
    const struct am_value *list = am_get(route, "group_by");
    size_t names = 0;
    for (size_t i = 0; i < list->count; i++) {
        struct sv name = list->items[i].text;
        if (!sv_is(name, "...") && !am_label_name_valid(decoder->mode, name))
            return am_refuse_name(err, "invalid label name ", name, " in group_by list");
        names += !sv_is(name, "...");
    }
    if (names > 0 && names < list->count)
        return err_set(err, TC_EINPUT,
                       "cannot have wildcard group_by (`...`) and other labels at the same time");
    for (size_t i = 0; i < names; i++)
        for (size_t k = 0; k < i; k++)
            if (sv_eq(list->items[i].text, list->items[k].text))
                return am_refuse_name(err, "duplicated label ", list->items[i].text, " in group_by");
    return 0;
}

static int check_route(const struct am_decoder *decoder, struct am_object *route, struct err *err)
{
    static const char *const intervals[] = {"group_interval", "repeat_interval"};
    const struct am_value *labels = am_get(route, "labels");
    int rc = check_match_names(route, "match", err);
    for (size_t i = 0; i < labels->count && rc == 0; i++)
        if (!am_label_name_valid(decoder->mode, labels->items[i].key))
            rc = am_refuse_name(err, "invalid label name ", labels->items[i].key, " in route labels");
    if (rc == 0)
        rc = check_group_by(decoder, route, err);
    for (size_t i = 0; i < TC_ARRAY_LEN(intervals) && rc == 0; i++)
        if (am_get(route, intervals[i])->given && am_get(route, intervals[i])->number == 0)
            rc = err_set(err, TC_EINPUT, "%s cannot be zero", intervals[i]);
    return rc;
}

static const struct am_check route_checks[] = {{AM_CHECK_CALL, NULL, NULL, check_route}, {0}};
const struct am_schema am_schema_route = {"config.plain", route_fields, route_checks};

/* --- inhibition --- */

static const struct am_field inhibit_fields[] = {{"name", AM_KIND_STRING},
                                                 {"source_match", AM_KIND_STRING_MAP},
                                                 {"source_match_re", AM_KIND_REGEXP_MAP},
                                                 {"source_matchers", AM_KIND_MATCHERS},
                                                 {"target_match", AM_KIND_STRING_MAP},
                                                 {"target_match_re", AM_KIND_REGEXP_MAP},
                                                 {"target_matchers", AM_KIND_MATCHERS},
                                                 {"equal", AM_KIND_STRINGS},
                                                 {0}};

static int check_inhibit_rule(const struct am_decoder *decoder, struct am_object *rule, struct err *err)
{
    const struct am_value *equal = am_get(rule, "equal");
    int rc = check_match_names(rule, "source_match", err);
    if (rc == 0)
        rc = check_match_names(rule, "target_match", err);
    for (size_t i = 0; i < equal->count && rc == 0; i++)
        if (!am_label_name_valid(decoder->mode, equal->items[i].text))
            rc = am_refuse_name(err, "invalid label name ", equal->items[i].text, " in equal list");
    return rc;
}

static const struct am_check inhibit_checks[] = {{AM_CHECK_CALL, NULL, NULL, check_inhibit_rule}, {0}};
const struct am_schema am_schema_inhibit_rule = {"common.plain", inhibit_fields, inhibit_checks};

/* --- time intervals --- */

static const struct am_field time_interval_fields[] = {{"times", AM_KIND_TIME_RANGES},
                                                       {"weekdays", AM_KIND_WEEKDAYS},
                                                       {"days_of_month", AM_KIND_DAYS_OF_MONTH},
                                                       {"months", AM_KIND_MONTHS},
                                                       {"years", AM_KIND_YEARS},
                                                       {"location", AM_KIND_LOCATION},
                                                       {0}};
const struct am_schema am_schema_time_interval = {"timeinterval.TimeInterval", time_interval_fields, NULL};

static const struct am_field named_interval_fields[] = {
    {"name", AM_KIND_STRING},
    {"time_intervals", AM_KIND_OBJECTS, NULL, &am_schema_time_interval, "[]timeinterval.TimeInterval"},
    {0}};
static const struct am_check mute_interval_checks[] = {
    {AM_CHECK_ANY, "name", "missing name in mute time interval", NULL}, {0}};
static const struct am_schema mute_interval = {"config.plain", named_interval_fields, mute_interval_checks};
static const struct am_check named_interval_checks[] = {
    {AM_CHECK_ANY, "name", "missing name in time interval", NULL}, {0}};
static const struct am_schema named_interval = {"config.plain", named_interval_fields, named_interval_checks};

/* --- tracing --- */

static const struct am_field tracing_fields[] = {
    {"client_type", AM_KIND_TRACING_CLIENT, "grpc"},
    {"endpoint", AM_KIND_STRING},
    {"sampling_fraction", AM_KIND_FLOAT},
    {"insecure", AM_KIND_BOOL},
    {"tls_config", AM_KIND_OBJECT, NULL, &am_schema_tls},
    {"headers", AM_KIND_OBJECT_MAP, NULL, &am_schema_headers, "config.Headers"},
    {"compression", AM_KIND_STRING},
    {"timeout", AM_KIND_DURATION},
    {0}};

static int check_tracing(const struct am_decoder *decoder, struct am_object *tracing, struct err *err)
{
    struct sv compression = am_get_text(tracing, "compression");
    (void)decoder;
    if (compression.n > 0 && !sv_is(compression, "gzip"))
        return err_set(err, TC_EINPUT, "invalid compression type %.*s provided, valid options: gzip",
                       SV_FMT(sv_head(compression, 200)));
    return 0;
}

static const struct am_check tracing_checks[] = {
    {AM_CHECK_ANY, "endpoint", "tracing endpoint must be set", NULL},
    {AM_CHECK_CALL, NULL, NULL, check_tracing},
    {0}};
static const struct am_schema tracing = {"tracing.plain", tracing_fields, tracing_checks};

/* --- the event recorder --- */

static const struct am_field file_output_fields[] = {{"path", AM_KIND_STRING}, {0}};
static const struct am_check file_output_checks[] = {
    {AM_CHECK_ANY, "path", "event_recorder file output requires a path", NULL}, {0}};
static const struct am_schema file_output = {"eventrecorder.plain", file_output_fields, file_output_checks};

static const struct am_field webhook_output_fields[] = {
    {"url", AM_KIND_SECRET_URL},
    {"http_config", AM_KIND_OBJECT, NULL, &am_schema_http},
    {"timeout", AM_KIND_DURATION},
    {"workers", AM_KIND_INTEGER},
    {"max_retries", AM_KIND_INTEGER},
    {"retry_backoff", AM_KIND_DURATION},
    {"batch", AM_KIND_BOOL},
    {"batch_max_events", AM_KIND_INTEGER},
    {"batch_max_bytes", AM_KIND_INTEGER},
    {"batch_flush_interval", AM_KIND_DURATION},
    {0}};

static int check_webhook_output(const struct am_decoder *decoder, struct am_object *output, struct err *err)
{
    static const char *const settings[] = {"batch_max_events", "batch_max_bytes", "batch_flush_interval"};
    bool set = false, negative = false;
    (void)decoder;
    if (sv_is(am_get_text(output, "url"), "<secret>"))
        return err_set(err, TC_EINPUT, "event_recorder webhook output requires an absolute http(s) url");
    for (size_t i = 0; i < TC_ARRAY_LEN(settings); i++) {
        set = set || am_is_set(output, settings[i]);
        negative = negative || am_get(output, settings[i])->number < 0;
    }
    if (negative)
        return err_set(err, TC_EINPUT, "event_recorder webhook batch settings cannot be negative");
    if (set && !am_is_set(output, "batch"))
        return err_set(err, TC_EINPUT, "event_recorder webhook batch settings require batch: true");
    return 0;
}

static const struct am_check webhook_output_checks[] = {
    {AM_CHECK_ANY, "url", "event_recorder webhook output requires a url", NULL},
    {AM_CHECK_CALL, NULL, NULL, check_webhook_output},
    {0}};
static const struct am_schema webhook_output = {"eventrecorder.plain", webhook_output_fields,
                                                webhook_output_checks};

static const struct am_field kafka_output_fields[] = {
    {"brokers", AM_KIND_STRINGS},
    {"topic", AM_KIND_STRING},
    {"client_id", AM_KIND_STRING},
    {"format", AM_KIND_STRING, NULL, NULL, "kafka.Format"},
    {"acks", AM_KIND_STRING, NULL, NULL, "kafka.Acks"},
    {"compression", AM_KIND_STRING, NULL, NULL, "kafka.Compression"},
    {"buffer_size", AM_KIND_INTEGER},
    {"tls_config", AM_KIND_OBJECT, NULL, &am_schema_tls},
    {0}};

static int check_word(const struct am_object *object, const char *field, const char *const words[],
                      const char *remedy, struct err *err)
{
    struct sv word = am_get_text(object, field);
    char before[64];
    for (size_t i = 0; words[i] != NULL; i++)
        if (sv_is(word, words[i]))
            return 0;
    snprintf(before, sizeof before, "event_recorder kafka: unknown %s ", field);
    return am_refuse_name(err, before, word, remedy);
}

static int check_kafka_output(const struct am_decoder *decoder, struct am_object *output, struct err *err)
{
    const struct am_value *brokers = am_get(output, "brokers");
    (void)decoder;
    if (brokers->count == 0)
        return err_set(err, TC_EINPUT, "event_recorder kafka: at least one broker is required");
    for (size_t i = 0; i < brokers->count; i++)
        if (brokers->items[i].text.n == 0)
            return err_set(err, TC_EINPUT, "event_recorder kafka: broker entries must be non-empty");
    int rc = check_word(output, "acks", (const char *const[]){"", "none", "leader", "all", NULL},
                        ", must be \"none\", \"leader\", or \"all\"", err);
    if (rc == 0)
        rc = check_word(output, "compression",
                        (const char *const[]){"", "none", "gzip", "snappy", "lz4", "zstd", NULL}, "", err);
    if (rc == 0 && !am_is_set(output, "topic"))
        rc = err_set(err, TC_EINPUT, "event_recorder kafka output requires a topic");
    if (rc == 0)
        rc = check_word(output, "format", (const char *const[]){"", "json", "protobuf", NULL}, "", err);
    return rc;
}

static const struct am_check kafka_output_checks[] = {{AM_CHECK_CALL, NULL, NULL, check_kafka_output}, {0}};
static const struct am_schema kafka_output = {"eventrecorder.plain", kafka_output_fields,
                                              kafka_output_checks};

static const struct am_field stdout_output_fields[] = {{0}};
static const struct am_schema stdout_output = {"eventrecorder.StdoutOutputConfig", stdout_output_fields,
                                               NULL};

static const struct am_field event_recorder_fields[] = {
    {"file_outputs", AM_KIND_OBJECTS, NULL, &file_output, "[]eventrecorder.FileOutputConfig"},
    {"webhook_outputs", AM_KIND_OBJECTS, NULL, &webhook_output, "[]eventrecorder.WebhookOutputConfig"},
    {"kafka_outputs", AM_KIND_OBJECTS, NULL, &kafka_output, "[]eventrecorder.KafkaOutputConfig"},
    {"stdout_outputs", AM_KIND_OBJECTS, NULL, &stdout_output, "[]eventrecorder.StdoutOutputConfig"},
    {0}};
static const struct am_schema event_recorder = {"eventrecorder.Config", event_recorder_fields, NULL};

/* --- the whole --- */

static const struct am_field config_fields[] = {
    {"global", AM_KIND_OBJECT, NULL, &am_schema_global},
    {"route", AM_KIND_OBJECT, NULL, &am_schema_route},
    {"inhibit_rules", AM_KIND_OBJECTS, NULL, &am_schema_inhibit_rule, "[]common.InhibitRule"},
    {"receivers", AM_KIND_OBJECTS, NULL, &am_schema_receiver, "[]config.Receiver"},
    {"templates", AM_KIND_STRINGS},
    {"mute_time_intervals", AM_KIND_OBJECTS, NULL, &mute_interval, "[]config.MuteTimeInterval"},
    {"time_intervals", AM_KIND_OBJECTS, NULL, &named_interval, "[]config.TimeInterval"},
    {"tracing", AM_KIND_OBJECT, NULL, &tracing},
    {"event_recorder", AM_KIND_OBJECT, NULL, &event_recorder},
    {0}};
static const struct am_check config_checks[] = {{AM_CHECK_CALL, NULL, NULL, am_config_check}, {0}};
const struct am_schema am_schema_config = {"config.plain", config_fields, config_checks};
