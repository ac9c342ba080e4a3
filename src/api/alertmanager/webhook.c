/*
 * From a notification that is due to a POST: the webhook's body (version 4), its address and its login
 * (alertmanager/notify/webhook, template.Data). Receivers of other kinds are counted as not sent.
 */
#include "api/alertmanager/server_priv.h"

#include <stdio.h>
#include <stdlib.h>

enum { SECRET_MAX_BYTES = 64 << 10, BODY_MAX_BYTES = 64 << 20, HEADERS_MAX = 64 };

/* As Alertmanager's: a receiver has at least so long. */
#define GIVE_UP_MIN_NS (10 * TC_SECOND_NS)

size_t am_kind_row(const struct am_receiver_kind *kind)
{
    size_t row = (size_t)(kind - am_receiver_kinds);
    return TC_MIN(row, (size_t)AM_KINDS_MAX - 1);
}

static bool is_sent(const struct am_receiver_kind *kind)
{
    return strcmp(kind->name, "webhook") == 0;
}

void am_name_unsent(const struct am_server *server)
{
    for (size_t i = 0; i < server->config->receiver_count; i++) {
        const struct am_receiver *receiver = &server->config->receivers[i];
        for (const struct am_receiver_kind *kind = am_receiver_kinds; kind->name != NULL; kind++) {
            char text[512];
            if (is_sent(kind) || am_get(receiver->object, kind->field)->count == 0)
                continue;
            snprintf(text, sizeof text, "receiver %.*s: kind %s is not sent by this version",
                     SV_FMT(sv_head(receiver->name, 200)), kind->name);
            am_log(server, LOG_WARN_LEVEL, text, NULL);
        }
    }
}

/* --- the body --- */

/* RFC 3339 with as many digits as there are, as Go prints times. */
static void write_time(struct json_out *json, const char *key, int64_t ns)
{
    char text[TC_RFC3339_MAX];
    clk_rfc3339(ns, text);
    json_kv_str(json, key, text);
}

/* Those pairs that all alerts have. */
static void write_common(struct json_out *json, const char *key, const struct am_notification *note,
                         size_t count, bool annotations)
{
    json_key(json, sv_of(key));
    json_object(json);
    for (size_t i = 0; count > 0; i++) {
        const struct am_alert *first = note->alerts[0].alert;
        struct am_labels labels = annotations ? first->annotations : first->labels;
        if (i == labels.count)
            break;
        bool common = true;
        for (size_t k = 1; k < count && common; k++) {
            const struct am_alert *other = note->alerts[k].alert;
            common =
                sv_eq(labels.items[i].value,
                      am_labels_get(annotations ? other->annotations : other->labels, labels.items[i].name));
        }
        if (common) {
            json_key(json, labels.items[i].name);
            json_string(json, labels.items[i].value);
        }
    }
    json_object_end(json);
}

static void write_alert(struct json_out *json, const struct am_told_alert *told)
{
    char fingerprint[17];
    am_fingerprint(told->alert->labels, fingerprint);
    json_object(json);
    json_kv_str(json, "status", told->firing ? "firing" : "resolved");
    am_json_labels(json, "labels", told->alert->labels);
    am_json_labels(json, "annotations", told->alert->annotations);
    write_time(json, "startsAt", told->alert->starts_at_ns);
    if (told->firing)
        json_kv_str(json, "endsAt", "0001-01-01T00:00:00Z");
    else
        write_time(json, "endsAt", told->alert->ends_at_ns);
    json_kv_string(json, "generatorURL", told->alert->generator_url);
    json_kv_str(json, "fingerprint", fingerprint);
    json_object_end(json);
}

/* regexp.QuoteMeta. */
static void write_receiver(struct json_out *json, struct sv name)
{
    struct buf out;
    buf_init(&out, 64 << 10);
    for (size_t i = 0; i < name.n; i++) {
        if (memchr("\\.+*?()|[]{}^$", name.p[i], 14) != NULL)
            buf_char(&out, '\\');
        buf_char(&out, name.p[i]);
    }
    json_kv_string(json, "receiver", buf_view(&out));
    buf_free(&out);
}

static void write_body(const struct am_server *server, const struct am_notification *note, struct buf *out)
{
    struct json_out json = json_out_to(out);
    uint64_t max = (uint64_t)am_get(note->integration, "max_alerts")->number;
    size_t count = max > 0 && note->count > max ? (size_t)max : note->count, firing = 0;
    for (size_t i = 0; i < count; i++)
        firing += note->alerts[i].firing;
    json_object(&json);
    write_receiver(&json, note->receiver->name);
    json_kv_str(&json, "status", firing > 0 ? "firing" : "resolved");
    json_key(&json, SV("alerts"));
    json_array(&json);
    for (size_t i = 0; i < count; i++)
        write_alert(&json, &note->alerts[i]);
    json_array_end(&json);
    json_kv_str(&json, "notification_reason", am_reason_text(note->reason));
    am_json_labels(&json, "groupLabels", note->group_labels);
    write_common(&json, "commonLabels", note, count, false);
    write_common(&json, "commonAnnotations", note, count, true);
    am_json_labels(&json, "routeLabels", note->route->labels);
    json_kv_str(&json, "externalURL", server->external);
    json_kv_str(&json, "version", "4");
    json_kv_string(&json, "groupKey", note->group_key);
    json_kv_u64(&json, "truncatedAlerts", note->count - count);
    json_object_end(&json);
}

/* As encoding/json writes it: what HTML minds is escaped, a line ends it. */
static struct sv escape_html(struct arena *arena, struct sv json)
{
    struct buf out;
    buf_init(&out, BODY_MAX_BYTES);
    for (size_t i = 0; i < json.n; i++) {
        unsigned char c = (unsigned char)json.p[i];
        bool line = c == 0xe2 && json.n - i > 2 && (unsigned char)json.p[i + 1] == 0x80 &&
                    ((unsigned char)json.p[i + 2] & 0xfe) == 0xa8;
        if (c == '<' || c == '>' || c == '&')
            buf_printf(&out, "\\u%04x", c);
        else if (line)
            buf_str(&out, (unsigned char)json.p[i + 2] == 0xa8 ? "\\u2028" : "\\u2029");
        else
            buf_char(&out, (char)c);
        i += line ? 2 : 0;
    }
    buf_char(&out, '\n');
    struct sv copy = out.overflow ? (struct sv){0} : arena_sv(arena, buf_view(&out));
    buf_free(&out);
    return copy;
}

/* --- templates --- */

struct expander {
    const struct am_server *server;
    struct arena *arena;
    struct template_value data;
};

static int expand(const struct expander *x, struct sv text, struct sv *ret, struct err *err)
{
    struct template_run how = {.missing_key = MISSING_KEY_ZERO, .now_ns = clk_now(x->server->options.clk).ns};
    struct buf out;
    if (sv_find(text, SV("{{")) == text.n) {
        *ret = arena_sv(x->arena, text);
        return 0;
    }
    buf_init(&out, 4 << 20);
    int rc = template_execute_text(x->server->templates, SV(""), text, x->data, &how, x->arena, &out, err);
    if (rc == 0 && out.overflow)
        rc = err_set(err, TC_EBOUND, "a template gives more than 4 MiB");
    if (rc == 0)
        *ret = arena_sv(x->arena, buf_view(&out));
    buf_free(&out);
    return rc;
}

/* template.DeepCopyWithTemplate: texts are rendered, and what then is JSON or YAML of its own stays a text.
 */
static int expand_node(const struct expander *x, const struct yaml_node *node, struct json_out *json,
                       struct err *err)
{
    struct sv text;
    bool flag;
    int rc = 0;
    if (node->type == YAML_MAP) {
        json_object(json);
        for (const struct yaml_node *child = node->first; child != NULL && rc == 0; child = child->next) {
            rc = expand(x, child->key, &text, err);
            if (rc != 0)
                break;
            json_key(json, text);
            rc = expand_node(x, child, json, err);
        }
        json_object_end(json);
    } else if (node->type == YAML_LIST) {
        json_array(json);
        for (const struct yaml_node *child = node->first; child != NULL && rc == 0; child = child->next)
            rc = expand_node(x, child, json, err);
        json_array_end(json);
    } else if (yaml_is_null(node)) {
        json_null(json);
    } else if (yaml_bool(node, &flag)) {
        json_bool(json, flag);
    } else if (yaml_is_integer(node) && node->text.n < 18) {
        json_i64(json, strtoll(arena_str(x->arena, node->text), NULL, 10));
    } else if (yaml_is_float(node)) {
        json_double(json, strtod(arena_str(x->arena, node->text), NULL));
    } else {
        rc = expand(x, node->text, &text, err);
        if (rc == 0)
            json_string(json, text);
    }
    return rc;
}

/* --- the POST --- */

/* A path of the configuration is relative to its file. */
static int read_secret(const struct am_server *server, struct arena *arena, struct sv path, struct sv *ret,
                       struct err *err)
{
    struct buf bytes;
    const char *file = server->options.config_file, *slash = strrchr(file, '/');
    int folder = slash == NULL || sv_starts(path, SV("/")) ? 0 : (int)(slash - file) + 1;
    struct sv full = arena_printf(arena, "%.*s%.*s", folder, file, SV_FMT(path));
    buf_init(&bytes, SECRET_MAX_BYTES);
    int rc = fs_read_file(server->options.fs, full.p, &bytes, err);
    if (rc == 0)
        *ret = arena_sv(arena, sv_trim(buf_view(&bytes)));
    buf_free(&bytes);
    return rc;
}

/* A secret that stands in the file, or in a file of its own. */
static int take_secret(const struct am_server *server, struct arena *arena, const struct am_object *object,
                       const char *inline_name, const char *file_name, struct sv *ret, struct err *err)
{
    struct sv text = am_get_text(object, inline_name), path = am_get_text(object, file_name);
    if (text.n == 0 && path.n > 0)
        return read_secret(server, arena, path, ret, err);
    *ret = arena_sv(arena, text);
    return 0;
}

/* What this version cannot do with http_config; NULL: nothing. */
static const char *beyond_us(const struct am_object *http)
{
    static const char *const paths[] = {"oauth2",
                                        "tls_config.cert",
                                        "tls_config.cert_file",
                                        "tls_config.ca",
                                        "tls_config.server_name",
                                        "tls_config.ca_ref",
                                        "tls_config.min_version",
                                        "tls_config.max_version",
                                        "basic_auth.username_ref",
                                        "basic_auth.password_ref",
                                        "authorization.credentials_ref",
                                        "no_proxy",
                                        "proxy_from_environment",
                                        "proxy_connect_header"};
    for (size_t i = 0; i < TC_ARRAY_LEN(paths); i++)
        if (am_is_set(http, paths[i]))
            return paths[i];
    return NULL;
}

static int take_headers(const struct am_server *server, struct courier_job *job, const struct am_object *http,
                        struct err *err)
{
    static const char *const lists[] = {"values", "secrets", "files"};
    const struct am_value *headers = am_get(http, "http_headers");
    struct sv *lines = ARENA_ARRAY(&job->arena, struct sv, HEADERS_MAX);
    for (size_t i = 0; i < headers->count; i++)
        for (size_t k = 0; k < TC_ARRAY_LEN(lists); k++) {
            const struct am_value *list = am_get(headers->items[i].object, lists[k]);
            for (size_t j = 0; j < list->count && job->header_count < HEADERS_MAX; j++) {
                struct sv value = list->items[j].text;
                int rc = k == 2 ? read_secret(server, &job->arena, value, &value, err) : 0;
                if (rc != 0)
                    return rc;
                for (size_t n = 0; n < value.n; n++)
                    if (value.p[n] == '\n' || value.p[n] == '\r')
                        return err_set(err, TC_EINPUT, "a value of http_headers has a line break");
                lines[job->header_count++] =
                    arena_printf(&job->arena, "%.*s: %.*s", SV_FMT(headers->items[i].key), SV_FMT(value));
            }
        }
    job->headers = lines;
    return 0;
}

static int take_http(const struct am_server *server, struct courier_job *job, const struct am_object *http,
                     struct err *err)
{
    struct arena *arena = &job->arena;
    job->follow_redirects = true;
    if (http == NULL)
        return 0;
    const char *beyond = beyond_us(http);
    if (beyond != NULL)
        return err_set(err, TC_EUNSUPPORTED, "http_config.%s is not done by this version", beyond);
    job->follow_redirects = am_get(http, "follow_redirects")->number != 0;
    job->proxy_url = arena_sv(arena, am_get_text(http, "proxy_url"));
    const struct am_object *basic = am_get_object(http, "basic_auth"),
                           *authorization = am_get_object(http, "authorization"),
                           *tls = am_get_object(http, "tls_config");
    int rc = take_headers(server, job, http, err);
    if (rc == 0 && basic != NULL) {
        rc = take_secret(server, arena, basic, "username", "username_file", &job->username, err);
        if (rc == 0)
            rc = take_secret(server, arena, basic, "password", "password_file", &job->password, err);
    }
    if (rc == 0 && authorization != NULL) {
        struct sv type = am_get_text(authorization, "type"), credentials = {0};
        rc = take_secret(server, arena, authorization, "credentials", "credentials_file", &credentials, err);
        if (rc == 0 && (type.n == 0 || sv_eq_nocase(type, SV("Bearer")))) {
            job->bearer_token = credentials;
        } else if (rc == 0 && job->header_count < HEADERS_MAX) {
            struct sv *lines = ARENA_ARRAY(arena, struct sv, HEADERS_MAX);
            for (size_t i = 0; i < job->header_count; i++)
                lines[i] = job->headers[i];
            lines[job->header_count++] =
                arena_printf(arena, "Authorization: %.*s %.*s", SV_FMT(type), SV_FMT(credentials));
            job->headers = lines;
        }
    }
    if (tls != NULL) {
        job->skip_verify = am_get(tls, "insecure_skip_verify")->number != 0;
        job->ca_file = arena_sv(arena, am_get_text(tls, "ca_file"));
    }
    return rc;
}

static int make_job(const struct am_server *server, const struct am_notification *note,
                    struct courier_job *job, struct err *err)
{
    struct expander x = {.server = server, .arena = &job->arena};
    struct buf body;
    struct template_value json;
    struct sv url = am_get_text(note->integration, "url");
    const struct yaml_node *payload = am_get(note->integration, "payload")->node;
    buf_init(&body, BODY_MAX_BYTES);
    write_body(server, note, &body);
    int rc = body.overflow ? err_set(err, TC_EBOUND, "the notification is longer than 64 MiB") : 0;
    if (rc == 0)
        job->body = escape_html(&job->arena, buf_view(&body));
    if (rc == 0)
        rc = template_from_json(&job->arena, job->body, &json, err);
    if (rc == 0)
        rc = template_alertmanager_data(&job->arena, json, &x.data, err);
    if (rc == 0 && payload != NULL) {
        buf_clear(&body);
        struct json_out out = json_out_to(&body);
        rc = expand_node(&x, payload, &out, err);
        if (rc == 0)
            job->body = escape_html(&job->arena, buf_view(&body));
    }
    buf_free(&body);
    if (rc == 0 && url.n == 0)
        rc = read_secret(server, &job->arena, am_get_text(note->integration, "url_file"), &url, err);
    if (rc == 0)
        rc = expand(&x, url, &job->url, err);
    if (rc == 0 && job->url.n == 0)
        rc = err_set(err, TC_EINPUT, "webhook URL is empty after templating");
    return rc == 0 ? take_http(server, job, am_get_object(note->integration, "http_config"), err) : rc;
}

static bool refuse(struct am_server *server, const struct am_notification *note, const char *why)
{
    char receiver[256];
    snprintf(receiver, sizeof receiver, "%.*s", SV_FMT(sv_head(note->receiver->name, 200)));
    am_log(server, LOG_ERROR_LEVEL, "Notify for alerts failed", "receiver", receiver, "integration",
           note->kind->name, "err", why, NULL);
    server->counts.failed[am_kind_row(note->kind)]++;
    return false;
}

bool am_tell(void *context, const struct am_notification *note)
{
    struct am_server *server = context;
    struct err err = {0};
    size_t row = am_kind_row(note->kind);
    if (!is_sent(note->kind)) {
        char receiver[256];
        snprintf(receiver, sizeof receiver, "%.*s", SV_FMT(sv_head(note->receiver->name, 200)));
        am_log(server, LOG_WARN_LEVEL, "Notification is not sent: this version does not send its kind",
               "receiver", receiver, "integration", note->kind->name, NULL);
        server->counts.not_sent[row]++;
        return true;
    }
    server->counts.notifications[row]++;
    struct courier_job *job = courier_job_new();
    if (make_job(server, note, job, &err) != 0) {
        courier_job_free(job);
        return refuse(server, note, err.text);
    }
    job->timeout_ns = am_get(note->integration, "timeout")->number;
    job->given_up_after_ns = TC_MAX(note->route->group_interval_ns, GIVE_UP_MIN_NS);
    job->name = arena_sv(&job->arena, note->name);
    job->group_id = arena_sv(&job->arena, note->group_id);
    job->receiver = arena_sv(&job->arena, note->receiver->name);
    job->integration = sv_of(note->kind->name);
    if (courier_send(server->courier, job) != 0)
        return refuse(server, note, "too many notifications are under way");
    *note->later = true;
    return true;
}

void am_sent(void *context, const struct courier_job *job, bool taken)
{
    struct am_server *server = context;
    char attempts[16];
    snprintf(attempts, sizeof attempts, "%u", job->attempts);
    pthread_mutex_lock(&server->lock);
    if (!taken)
        for (size_t i = 0; am_receiver_kinds[i].name != NULL; i++)
            if (sv_is(job->integration, am_receiver_kinds[i].name))
                server->counts.failed[am_kind_row(&am_receiver_kinds[i])]++;
    am_dispatch_told(server->dispatch, job->name, job->group_id, taken);
    pthread_cond_broadcast(&server->wake);
    pthread_mutex_unlock(&server->lock);
    am_log(server, taken ? LOG_DEBUG_LEVEL : LOG_ERROR_LEVEL,
           taken ? "Notify success" : "Notify for alerts failed", "receiver", job->receiver.p, "integration",
           job->integration.p, "attempts", attempts, taken ? NULL : "err", job->detail, NULL);
}
