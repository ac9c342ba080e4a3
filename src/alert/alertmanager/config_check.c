/*
 * What Alertmanager checks once the whole file has been read: settings that must not be given together, what
 * receivers take from `global` and must then have, and names that must be there. The receivers' part is a
 * table of steps, in Alertmanager's order, because the first step that fails is what the user is told.
 */
/* Rows of tables say only what is not zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include "alert/alertmanager/config_priv.h"

#include "base/map.h"

#include <stdio.h>

enum step_kind {
    STEP_TAKE,      /* where the own field is not set, take global's */
    STEP_TAKE_BOOL, /* where it was not given */
    STEP_TAKE_PAIR, /* where neither NAME nor NAME_file is set, take both */
    STEP_NEED,      /* one of the names must be set by now */
    STEP_SLASH,     /* a URL gets a slash at its end */
    STEP_CALL,
};

struct step {
    enum step_kind kind;
    const char *own, *from; /* a field of the receiver's, one of global's */
    const char *problem;
    int (*call)(struct arena *arena, struct am_object *own, const struct am_object *global, struct err *err);
};

struct receiver_steps {
    const char *field;
    const char *null_problem; /* an entry that is null; NULL: it is as if empty */
    const struct step *steps; /* end with own NULL and call NULL */
};

#define TAKE(own, from)                                                                                      \
    {                                                                                                        \
        STEP_TAKE, own, from, NULL, NULL                                                                     \
    }
#define TAKE_HTTP                                                                                            \
    {                                                                                                        \
        STEP_TAKE, "http_config", "http_config", NULL, NULL                                                  \
    }
#define NEED(names, problem)                                                                                 \
    {                                                                                                        \
        STEP_NEED, names, NULL, problem, NULL                                                                \
    }
#define SLASH(own)                                                                                           \
    {                                                                                                        \
        STEP_SLASH, own, NULL, NULL, NULL                                                                    \
    }
#define CALL(function)                                                                                       \
    {                                                                                                        \
        STEP_CALL, NULL, NULL, NULL, function                                                                \
    }

static int finish_slack(struct arena *arena, struct am_object *slack, const struct am_object *global,
                        struct err *err)
{
    bool token = am_is_set(slack, "app_token") || am_is_set(slack, "app_token_file");
    if (!token && !am_is_set(slack, "http_config.authorization") && !am_is_set(slack, "api_url")) {
        am_get(slack, "app_token")->text = am_get_text(global, "slack_app_token");
        am_get(slack, "app_token_file")->text = am_get_text(global, "slack_app_token_file");
    }
    if (!am_is_set(slack, "api_url") && !am_is_set(slack, "api_url_file")) {
        am_get(slack, "api_url")->text = am_get_text(global, "slack_api_url");
        am_get(slack, "api_url_file")->text = am_get_text(global, "slack_api_url_file");
    }
    token = am_is_set(slack, "app_token") || am_is_set(slack, "app_token_file");
    if (!token && !am_is_set(slack, "api_url") && !am_is_set(slack, "api_url_file"))
        return err_set(err, TC_EINPUT, "no Slack API URL nor App token set either inline or in a file");
    if (am_get_object(slack, "http_config") == NULL)
        am_get(slack, "http_config")->object = am_get_object(global, "http_config");
    if (!token)
        return 0;
    if (am_is_set(slack, "http_config.authorization"))
        return err_set(err, TC_EINPUT, "http authorization can't be set when using Slack App tokens");
    am_get(slack, "api_url")->text = am_get_text(slack, "app_url");
    (void)arena; /* the token stays in app_token: the channel sends it as a bearer */
    return 0;
}

/* Of a receiver's own http_config only the proxy comes from global. */
static int finish_msteamsv2(struct arena *arena, struct am_object *own, const struct am_object *global,
                            struct err *err)
{
    struct am_object *http = am_get_object(own, "http_config"), *from = am_get_object(global, "http_config");
    (void)arena;
    (void)err;
    if (http == NULL)
        am_get(own, "http_config")->object = from;
    else if (!am_is_set(http, "proxy_url"))
        am_get(http, "proxy_url")->text = am_get_text(from, "proxy_url");
    return 0;
}

static const struct step only_http[] = {TAKE_HTTP, {0}};
static const struct step email_steps[] = {
    TAKE("tls_config", "smtp_tls_config"),
    TAKE("smarthost", "smtp_smarthost"),
    NEED("smarthost", "no global SMTP smarthost set"),
    TAKE("from", "smtp_from"),
    NEED("from", "no global SMTP from set"),
    TAKE("hello", "smtp_hello"),
    TAKE("auth_username", "smtp_auth_username"),
    {STEP_TAKE_PAIR, "auth_password", "smtp_auth_password", NULL, NULL},
    {STEP_TAKE_PAIR, "auth_secret", "smtp_auth_secret", NULL, NULL},
    TAKE("auth_identity", "smtp_auth_identity"),
    {STEP_TAKE_BOOL, "require_tls", "smtp_require_tls", NULL, NULL},
    {STEP_TAKE_BOOL, "force_implicit_tls", "smtp_force_implicit_tls", NULL, NULL},
    {0}};
static const struct step slack_steps[] = {TAKE("app_url", "slack_app_url"),
                                          NEED("app_url", "no global Slack App URL set"),
                                          CALL(finish_slack),
                                          {0}};
static const struct step pagerduty_steps[] = {
    TAKE_HTTP, TAKE("url", "pagerduty_url"), NEED("url", "no global PagerDuty URL set"), {0}};
static const struct step opsgenie_steps[] = {
    TAKE_HTTP,
    TAKE("api_url", "opsgenie_api_url"),
    NEED("api_url", "no global OpsGenie URL set"),
    SLASH("api_url"),
    TAKE("api_key", "opsgenie_api_key"),
    TAKE("api_key_file", "opsgenie_api_key_file"),
    NEED("api_key api_key_file", "no global OpsGenie API Key set either inline or in a file"),
    {0}};
static const struct step wechat_steps[] = {
    TAKE_HTTP,
    TAKE("api_url", "wechat_api_url"),
    NEED("api_url", "no global Wechat URL set"),
    {STEP_TAKE_PAIR, "api_secret", "wechat_api_secret", NULL, NULL},
    NEED("api_secret api_secret_file", "no global Wechat Api Secret set either inline or in a file"),
    TAKE("corp_id", "wechat_api_corp_id"),
    NEED("corp_id", "no global Wechat CorpID set"),
    SLASH("api_url"),
    {0}};
static const struct step victorops_steps[] = {TAKE_HTTP,
                                              TAKE("api_url", "victorops_api_url"),
                                              NEED("api_url", "no global VictorOps URL set"),
                                              SLASH("api_url"),
                                              TAKE("api_key", "victorops_api_key"),
                                              TAKE("api_key_file", "victorops_api_key_file"),
                                              NEED("api_key api_key_file", "no global VictorOps API Key set"),
                                              {0}};
static const struct step telegram_steps[] = {
    TAKE_HTTP,
    TAKE("api_url", "telegram_api_url"),
    {STEP_TAKE_PAIR, "bot_token", "telegram_bot_token", NULL, NULL},
    NEED("bot_token bot_token_file", "missing bot_token or bot_token_file on telegram_config"),
    {0}};
static const struct step webex_steps[] = {
    TAKE_HTTP, TAKE("api_url", "webex_api_url"), NEED("api_url", "no global Webex URL set"), {0}};
static const struct step msteamsv2_steps[] = {CALL(finish_msteamsv2), {0}};
static const struct step jira_steps[] = {
    TAKE_HTTP, TAKE("api_url", "jira_api_url"), NEED("api_url", "no global Jira Cloud URL set"), {0}};
static const struct step rocketchat_steps[] = {
    TAKE_HTTP,
    TAKE("api_url", "rocketchat_api_url"),
    TAKE("token_id", "rocketchat_token_id"),
    TAKE("token_id_file", "rocketchat_token_id_file"),
    NEED("token_id token_id_file", "no global Rocketchat TokenID set either inline or in a file"),
    TAKE("token", "rocketchat_token"),
    TAKE("token_file", "rocketchat_token_file"),
    NEED("token token_file", "no global Rocketchat Token set either inline or in a file"),
    {0}};
static const struct step mattermost_steps[] = {
    TAKE_HTTP,
    {STEP_TAKE_PAIR, "webhook_url", "mattermost_webhook_url", NULL, NULL},
    NEED("webhook_url webhook_url_file", "missing webhook_url or webhook_url_file on mattermost_config"),
    {0}};

static const struct receiver_steps receivers[] = {
    {"webhook_configs", "missing webhook config", only_http},
    {"email_configs", "missing email config", email_steps},
    {"slack_configs", NULL, slack_steps},
    {"pushover_configs", "missing pushover config", only_http},
    {"pagerduty_configs", "missing pagerduty config", pagerduty_steps},
    {"incidentio_configs", "missing incidentio config", only_http},
    {"opsgenie_configs", NULL, opsgenie_steps},
    {"wechat_configs", NULL, wechat_steps},
    {"victorops_configs", "missing victorops config", victorops_steps},
    {"sns_configs", "missing sns config", only_http},
    {"telegram_configs", "missing telegram config", telegram_steps},
    {"discord_configs", "missing discord config", only_http},
    {"webex_configs", "missing webex config", webex_steps},
    {"msteams_configs", "missing msteams config", only_http},
    {"msteamsv2_configs", "missing msteamsv2 config", msteamsv2_steps},
    {"jira_configs", "missing jira config", jira_steps},
    {"rocketchat_configs", NULL, rocketchat_steps},
    {"mattermost_configs", "missing mattermost config", mattermost_steps},
};

static void take(struct am_object *own, const char *name, const struct am_object *global, const char *from)
{
    const struct am_value *value = am_get(global, from);
    struct am_value *into = am_get(own, name);
    into->given = value->given;
    into->text = value->text;
    into->number = value->number;
    into->object = value->object;
}

static int run_step(const struct step *step, struct arena *arena, struct am_object *own,
                    const struct am_object *global, struct err *err)
{
    char own_file[64], from_file[64];
    bool set = false;
    switch (step->kind) {
    case STEP_TAKE:
        if (!am_is_set(own, step->own))
            take(own, step->own, global, step->from);
        return 0;
    case STEP_TAKE_BOOL:
        if (!am_get(own, step->own)->given)
            take(own, step->own, global, step->from);
        return 0;
    case STEP_TAKE_PAIR:
        snprintf(own_file, sizeof own_file, "%s_file", step->own);
        snprintf(from_file, sizeof from_file, "%s_file", step->from);
        if (!am_is_set(own, step->own) && !am_is_set(own, own_file)) {
            take(own, step->own, global, step->from);
            take(own, own_file, global, from_file);
        }
        return 0;
    case STEP_NEED:
        for (struct sv names = sv_of(step->own); names.n > 0 && !set;) {
            char name[64];
            struct sv one = sv_cut(&names, ' ');
            snprintf(name, sizeof name, "%.*s", SV_FMT(one));
            set = am_is_set(own, name);
        }
        return set ? 0 : err_set(err, TC_EINPUT, "%s", step->problem);
    case STEP_SLASH: {
        struct am_value *url = am_get(own, step->own);
        if (!sv_ends(url->text, SV("/")) && sv_find_char(url->text, '?') == url->text.n)
            url->text = arena_printf(arena, "%.*s/", SV_FMT(url->text));
        return 0;
    }
    default:
        return step->call(arena, own, global, err);
    }
}

static int finish_integrations(const struct receiver_steps *kind, struct arena *arena, struct am_value *list,
                               const struct am_schema *schema, const struct am_object *global,
                               struct err *err)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i].object == NULL && kind->null_problem != NULL)
            return err_set(err, TC_EINPUT, "%s", kind->null_problem);
        if (list->items[i].object == NULL)
            list->items[i].object = am_object_new(arena, schema);
        for (const struct step *step = kind->steps; step->own != NULL || step->call != NULL; step++) {
            int rc = run_step(step, arena, list->items[i].object, global, err);
            if (rc != 0)
                return rc;
        }
    }
    return 0;
}

static const struct am_schema *integration_schema(const char *field)
{
    size_t i = 0;
    while (am_receiver_fields[i].name != NULL && strcmp(am_receiver_fields[i].name, field) != 0)
        i++;
    tc_assert(am_receiver_fields[i].name != NULL);
    return am_receiver_fields[i].schema;
}

/* --- global --- */

static int check_global(const struct am_object *global, struct err *err)
{
    /* In Alertmanager's order; slack's two ways stand between the first two and the rest. */
    static const char *const secrets[] = {
        "slack_app_token",    "slack_api_url",     "",
        "opsgenie_api_key",   "victorops_api_key", "telegram_bot_token",
        "smtp_auth_password", "rocketchat_token",  "rocketchat_token_id",
        "smtp_auth_secret",   "wechat_api_secret", "mattermost_webhook_url"};
    bool token = am_is_set(global, "slack_app_token") || am_is_set(global, "slack_app_token_file");
    bool url = am_is_set(global, "slack_api_url") || am_is_set(global, "slack_api_url_file");
    for (size_t i = 0; i < TC_ARRAY_LEN(secrets); i++) {
        char file[64];
        snprintf(file, sizeof file, "%s_file", secrets[i]);
        if (secrets[i][0] == '\0') {
            /* The same address may stand in both places: an older way to give tokens by receiver. */
            if (token && url &&
                !sv_eq(am_get_text(global, "slack_api_url"), am_get_text(global, "slack_app_url")))
                return err_set(err, TC_EINPUT,
                               "at most one of slack_app_token/slack_app_token_file & "
                               "slack_api_url/slack_api_url_file must be configured");
        } else if (am_is_set(global, secrets[i]) && am_is_set(global, file)) {
            return err_set(err, TC_EINPUT, "at most one of %s & %s must be configured", secrets[i], file);
        }
    }
    return 0;
}

static int check_receivers(struct arena *arena, struct am_value *list, const struct am_object *global,
                           struct map *names, struct err *err)
{
    for (size_t i = 0; i < list->count; i++) {
        bool is_new;
        if (list->items[i].object == NULL)
            list->items[i].object = am_object_new(arena, &am_schema_receiver);
        struct am_object *receiver = list->items[i].object;
        struct sv name = am_get_text(receiver, "name");
        if (map_get(names, name) != NULL)
            return am_refuse_name(err, "notification config name ", name, " is not unique");
        for (size_t k = 0; k < TC_ARRAY_LEN(receivers); k++) {
            int rc = finish_integrations(&receivers[k], arena, am_get(receiver, receivers[k].field),
                                         integration_schema(receivers[k].field), global, err);
            if (rc != 0)
                return rc;
        }
        if (map_put(names, name, &is_new) == NULL)
            return err_set(err, TC_EBOUND, "too many receivers");
    }
    return 0;
}

/* --- routes --- */

static int check_receiver_of(const struct am_object *route, const struct map *names, struct err *err)
{
    const struct am_value *children = am_get(route, "routes");
    struct sv receiver = am_get_text(route, "receiver");
    for (size_t i = 0; i < children->count; i++) {
        if (children->items[i].object == NULL)
            return err_set(err, TC_EINPUT, "line %u: a route must not be null",
                           children->items[i].node->line);
        int rc = check_receiver_of(children->items[i].object, names, err);
        if (rc != 0)
            return rc;
    }
    if (receiver.n > 0 && map_get(names, receiver) == NULL)
        return am_refuse_name(err, "undefined receiver ", receiver, " used in route");
    return 0;
}

static int check_intervals_of(const struct am_object *route, const struct map *names, struct err *err)
{
    static const char *const lists[] = {"active_time_intervals", "mute_time_intervals"};
    const struct am_value *children = am_get(route, "routes");
    for (size_t i = 0; i < children->count; i++) {
        int rc = check_intervals_of(children->items[i].object, names, err);
        if (rc != 0)
            return rc;
    }
    for (size_t k = 0; k < TC_ARRAY_LEN(lists); k++) {
        const struct am_value *list = am_get(route, lists[k]);
        for (size_t i = 0; i < list->count; i++)
            if (map_get(names, list->items[i].text) == NULL)
                return am_refuse_name(err, "undefined time interval ", list->items[i].text, " used in route");
    }
    return 0;
}

static int check_root(const struct am_object *route, struct err *err)
{
    static const struct {
        const char *field, *problem;
    } refused[] = {{"match", "root route must not have any matchers"},
                   {"match_re", "root route must not have any matchers"},
                   {"matchers", "root route must not have any matchers"},
                   {"mute_time_intervals", "root route must not have any mute time intervals"},
                   {"active_time_intervals", "root route must not have any active time intervals"}};
    if (route == NULL)
        return err_set(err, TC_EINPUT, "no routes provided");
    if (!am_is_set(route, "receiver"))
        return err_set(err, TC_EINPUT, "root route must specify a default receiver");
    for (size_t i = 0; i < TC_ARRAY_LEN(refused); i++)
        if (am_is_set(route, refused[i].field) && (am_get(route, refused[i].field)->count > 0 ||
                                                   am_get(route, refused[i].field)->matchers.count > 0))
            return err_set(err, TC_EINPUT, "%s", refused[i].problem);
    return 0;
}

static int collect_intervals(const struct am_object *config, struct map *names, struct err *err)
{
    static const struct {
        const char *field, *problem;
    } lists[] = {{"mute_time_intervals", "mute time interval "}, {"time_intervals", "time interval "}};
    for (size_t k = 0; k < TC_ARRAY_LEN(lists); k++) {
        const struct am_value *list = am_get(config, lists[k].field);
        for (size_t i = 0; i < list->count; i++) {
            const struct am_object *interval = list->items[i].object;
            struct sv name = interval == NULL ? SV("") : am_get_text(interval, "name");
            bool is_new;
            if (map_put(names, name, &is_new) == NULL)
                return err_set(err, TC_EBOUND, "too many time intervals");
            if (!is_new)
                return am_refuse_name(err, lists[k].problem, name, " is not unique");
        }
    }
    return 0;
}

enum { NAMES_MAX = 1000000 };

int am_config_check(const struct am_decoder *decoder, struct am_object *config, struct err *err)
{
    struct am_value *global = am_get(config, "global");
    struct map receiver_names, interval_names;
    if (global->object == NULL)
        global->object = am_object_new(decoder->arena, &am_schema_global);
    struct am_value *http = am_get(global->object, "http_config"),
                    *tls = am_get(global->object, "smtp_tls_config");
    if (http->object == NULL)
        http->object = am_object_new(decoder->arena, &am_schema_http);
    if (tls->object == NULL)
        tls->object = am_object_new(decoder->arena, &am_schema_tls);
    map_init(&receiver_names, NAMES_MAX);
    map_init(&interval_names, NAMES_MAX);
    const struct am_object *route = am_get_object(config, "route");
    int rc = check_global(global->object, err);
    if (rc == 0)
        rc = check_receivers(decoder->arena, am_get(config, "receivers"), global->object, &receiver_names,
                             err);
    if (rc == 0)
        rc = check_root(route, err);
    if (rc == 0)
        rc = check_receiver_of(route, &receiver_names, err);
    if (rc == 0)
        rc = collect_intervals(config, &interval_names, err);
    if (rc == 0)
        rc = check_intervals_of(route, &interval_names, err);
    map_free(&receiver_names);
    map_free(&interval_names);
    return rc;
}
