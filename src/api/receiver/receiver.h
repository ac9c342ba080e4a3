/*
 * What Alertmanager's 18 kinds of receivers are sent: from a notification that is due to the requests that
 * Alertmanager 0.34 would make of it (alertmanager/notify/KIND), or to a mail. One file a kind.
 *
 * A kind renders all that it needs before it hands the job over, because the configuration may be replaced
 * while the courier is still trying. Files of secrets are read then, too.
 */
#ifndef API_RECEIVER_RECEIVER_H
#define API_RECEIVER_RECEIVER_H

#include "alert/alertmanager/dispatch.h"
#include "api/receiver/courier.h"
#include "base/fs.h"
#include "base/json_out.h"
#include "template/alertmanager.h"

struct receiver_world {
    const struct template_set *templates;
    const struct fs *fs;
    const struct rng *rng;
    const char *config_file;  /* paths in the configuration are relative to it */
    const char *external_url; /* without a slash at its end */
    const char *host_name;
    int64_t now_ns;
};

/* Fills a job for the notification. TC_EINPUT where a template fails or a setting makes no sense, TC_EIO
 * where a file cannot be read, TC_EUNSUPPORTED for what this version does not do, by name. */
int receiver_prepare(const struct receiver_world *world, const struct am_notification *note,
                     struct courier_job *job, struct err *err);

/* --- for the kinds --- */

/* A job in the making. The first failure sticks in `rc`; texts are empty from then on. */
struct receiver_draft {
    const struct receiver_world *world;
    const struct am_notification *note;
    const struct am_object *own; /* the integration's settings */
    struct courier_job *job;
    struct arena *arena; /* the job's */
    struct template_value data;
    bool has_data;
    struct buf json; /* the body in the making */
    struct json_out out;
    int rc;
    struct err *err;
};

typedef void receiver_prepare_fn(struct receiver_draft *draft);
struct receiver_kind {
    const char *name;
    receiver_prepare_fn *prepare;
    courier_answered_fn *answered; /* NULL: by the status */
    unsigned again[2];             /* statuses beside 5xx that are tried again */
};

extern receiver_prepare_fn receiver_webhook, receiver_email, receiver_pagerduty, receiver_opsgenie,
    receiver_wechat, receiver_slack, receiver_victorops, receiver_pushover, receiver_sns, receiver_telegram,
    receiver_discord, receiver_webex, receiver_msteams, receiver_msteamsv2, receiver_jira,
    receiver_incidentio, receiver_rocketchat, receiver_mattermost;
extern courier_answered_fn receiver_opsgenie_answered, receiver_wechat_answered, receiver_slack_answered,
    receiver_sns_answered, receiver_telegram_answered, receiver_jira_answered, receiver_rocketchat_answered;

/* --- kit.c: texts --- */

void receiver_fail(struct receiver_draft *draft, int rc, const char *format, ...) TC_PRINTF(3, 4);
/* A template with the notification's data; a text without "{{" is taken as it is. */
struct sv receiver_render(struct receiver_draft *draft, struct sv text);
struct sv receiver_render_html(struct receiver_draft *draft, struct sv text);
/* A setting, rendered. */
struct sv receiver_text(struct receiver_draft *draft, const struct am_object *object, const char *name);
/* A setting, or the trimmed contents of the file that NAME_file says; not rendered. */
struct sv receiver_secret(struct receiver_draft *draft, const struct am_object *object, const char *name);
struct sv receiver_read_file(struct receiver_draft *draft, struct sv path);
/* At most `runes` characters, the last one "…" where it was longer. */
struct sv receiver_cut_runes(struct receiver_draft *draft, struct sv text, size_t runes);
struct sv receiver_cut_bytes(struct receiver_draft *draft, struct sv text, size_t bytes);
/* SHA-256 of the group's key, 64 hexadecimal digits. */
struct sv receiver_group_hash(struct receiver_draft *draft);
bool receiver_is_firing(const struct receiver_draft *draft);
/* net/url's QueryEscape, appended. */
void receiver_add_parameter(struct buf *form, const char *name, struct sv value);
/* The notification's data for templates. */
struct template_value receiver_data(struct receiver_draft *draft);

/* A URL with `path` at the end of its own, and `query` (NULL: none) behind what it has of that. */
struct sv receiver_url(struct receiver_draft *draft, struct sv base, struct sv path, const char *query);
/* net/url's escapes of a path. */
struct sv receiver_escape_path(struct receiver_draft *draft, struct sv path);
/* What an answer says in JSON; of kind TEMPLATE_NONE where it says nothing. */
struct template_value receiver_answer(struct courier_job *job, const struct courier_answer *answer);
struct sv receiver_answer_text(struct template_value object,
                               const char *name); /* empty where it is no text */

/* --- kit.c: bodies --- */

enum receiver_member_kind { MEMBER_RENDERED, MEMBER_PLAIN, MEMBER_TRUE };
struct receiver_member {
    const char *json, *setting;
    enum receiver_member_kind kind; /* MEMBER_TRUE: a boolean, left out where it is false */
    bool always;                    /* also where it is empty */
    size_t max_runes;               /* 0: any number */
};
/* One JSON member for each row, from an object of settings; the table ends with json NULL. */
void receiver_members(struct receiver_draft *draft, const struct am_object *object,
                      const struct receiver_member *members);
void receiver_member(struct receiver_draft *draft, const char *json,
                     struct sv text); /* left out where empty */
/* "short" of one of Slack's fields: its own, else the integration's short_fields. */
void receiver_short(struct receiver_draft *draft, const struct am_object *field);
/* A request out of the body that was written since the last one (JSON, as Go's encoder escapes it). */
struct courier_request receiver_json_request(struct receiver_draft *draft, const char *method, struct sv url);
void receiver_post_json(struct receiver_draft *draft, struct sv url); /* as the job's first request */
void receiver_add_header(struct courier_request *request, struct sv line);

/* --- message.c --- */

/* The body of a webhook, the notification's first `count` alerts in it. */
void receiver_write_message(struct receiver_draft *draft, const char *version, size_t count);

/* --- yaml_value.c --- */

/* template.DeepCopyWithTemplate: a value of the configuration with its texts rendered; what a rendered text
 * says in YAML other than a text becomes that. */
struct template_value receiver_yaml_value(struct receiver_draft *draft, const struct yaml_node *node);
/* The same for a text alone. */
struct template_value receiver_yaml_text(struct receiver_draft *draft, struct sv text);
void receiver_json_value(struct receiver_draft *draft, struct template_value value);

/* --- http_config.c --- */

/* What http_config (NULL: none) comes to, into the job. */
void receiver_http_config(struct receiver_draft *draft, const struct am_object *http);
void receiver_tls_config(struct receiver_draft *draft, const struct am_object *tls,
                         struct courier_client *client);
/* "Bearer TOKEN" in place of what http_config says. */
void receiver_bearer(struct receiver_draft *draft, struct sv token);

#endif
