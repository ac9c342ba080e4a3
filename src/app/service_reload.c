/*
 * What the configuration wants in force, read at the start and anew while the server runs; see service.h.
 *
 * On SIGHUP and by API rules, placeholders, `alerts`, `watch` and GeoIP files are read anew: all of it or
 * nothing. What opens sockets, starts threads or has handed out pointers is as it was at the start; the
 * answer names what of it has changed in the file.
 */
#include "app/service.h"

#include "base/json_out.h"
#include "base/log.h"
#include "cli/promql_option.h"
#include "cli/rules.h"

static int read_rules(const struct cli_args *args, const struct config *c, struct wishes *w, struct err *err)
{
    const char *const *named;
    size_t named_count = cli_list(args, "rules", &named);
    struct rule_source *shipped = NULL, *own = NULL, *values = NULL;
    size_t shipped_count = 0, own_count = 0, value_count = 0;
    int rc = rules_collect(c->placeholders, c->placeholder_count, &w->arena, &values, &value_count, err);
    if (rc != 0)
        return rc;
    if (named_count > 0)
        rc = rules_collect(named, named_count, &w->arena, &own, &own_count, err);
    else if (c->rule_count > 0)
        rc = rules_collect(c->rules, c->rule_count, &w->arena, &own, &own_count, err);
    if (rc != 0)
        return rc;
    if (named_count == 0 && c->shipped_packs)
        shipped_count = rules_shipped(&w->arena, &shipped);
    w->rules = ARENA_ARRAY(&w->arena, struct rule_source, shipped_count + own_count + value_count + 1);
    if (shipped_count > 0)
        memcpy(w->rules, shipped, shipped_count * sizeof shipped[0]);
    if (own_count > 0)
        memcpy(w->rules + shipped_count, own, own_count * sizeof own[0]);
    if (value_count > 0)
        memcpy(w->rules + shipped_count + own_count, values, value_count * sizeof values[0]);
    w->rule_count = shipped_count + own_count + value_count;
    const char *const *pipelines;
    size_t pipeline_count = cli_list(args, "pipeline", &pipelines);
    if (pipeline_count == 0) {
        pipelines = c->pipelines;
        pipeline_count = c->pipeline_count;
    }
    const char *const *profiles;
    size_t profile_count = cli_list(args, "profile", &profiles);
    if (profile_count == 0) {
        profiles = c->profiles;
        profile_count = c->profile_count;
    }
    rc = rules_pipelines(pipelines, pipeline_count, &w->arena, &w->rules, &w->rule_count, err);
    return rc == 0 ? rules_profiles(profiles, profile_count, &w->arena, &w->rules, &w->rule_count, err) : rc;
}

int service_read_wishes(const struct cli_args *args, const struct config *c, struct wishes *w,
                        struct err *err)
{
    int rc = read_rules(args, c, w, err);
    if (rc == 0 && c->metrics)
        rc =
            metric_rule_files_read(c->metric_rules.files, c->metric_rules.file_count,
                                   promql_features_refused(&c->metric_rules.features), &w->metric_rules, err);
    if (rc == 0)
        rc = oncall_files_read(c, &w->arena, &w->oncall, err);
    if (rc == 0)
        rc = geoip_files_open(&fs_system, c->geoip, c->geoip_count, &w->geoip_files, err);
    if (rc != 0)
        return rc;
    w->files = ARENA_ARRAY(&w->arena, struct core_data_file, c->geoip_count + 1);
    for (; w->file_count < geoip_files_count(w->geoip_files); w->file_count++)
        w->files[w->file_count] = (struct core_data_file){
            .what = SV("geoip"),
            .path = arena_sv(&w->arena, sv_of(geoip_files_path(w->geoip_files, w->file_count))),
            .sha256 = arena_sv(&w->arena, sv_of(geoip_files_sha256(w->geoip_files, w->file_count)))};
    return 0;
}

void service_wishes_free(struct wishes *w)
{
    geoip_files_close(&w->geoip_files);
    metric_rule_files_free(&w->metric_rules);
    arena_free(&w->arena);
}

struct alert_options service_response(const struct config *c)
{
    const int64_t *overdue_ns = c->overdue_after_ns;
    return (struct alert_options){
        .acknowledge_within_ns = c->acknowledge_within_ns,
        .overdue_after_ns = {overdue_ns[0], overdue_ns[1], overdue_ns[2], overdue_ns[3], overdue_ns[4]},
        .answer_within_ns = c->answer_within_ns,
        .silence_is_no_objection = c->silence_is_no_objection,
        .raise_to = c->raise_to,
        .zone_offset_s = c->zone_offset_s,
        .notify_count = (uint32_t)c->notify_count,
        .notify_within_ns = c->notify_within_ns,
        .flap_count = (uint32_t)c->flap_count,
        .flap_within_ns = c->flap_within_ns,
        .flap_stable_ns = c->flap_stable_ns};
}

int service_load_config(const struct cli_args *args, struct config *config, struct err *err)
{
    const char *path = cli_value(args, "config", NULL);
    config_defaults(config);
    int rc = path == NULL ? 0 : config_load(path, config, err);
    return rc == 0 ? promql_option_features(args, &config->metric_rules.features, err) : rc;
}

static int reload_wishes(struct service *s, const struct config *c, struct wishes *w,
                         struct core_reloaded *ret, struct err *err)
{
    struct core_options wanted = {.rules = w->rules,
                                  .rule_count = w->rule_count,
                                  .policy = s->config.policy_text, /* the one that the redactor has */
                                  .watch = c->watch,
                                  .watch_count = c->watch_count,
                                  .files = w->files,
                                  .file_count = w->file_count,
                                  .dedup_window_ns = c->dedup_window_ns,
                                  .resolve_after_ns = c->resolve_after_ns,
                                  .count_steps = c->count_steps,
                                  .oncall = w->oncall.text,
                                  .calendars = w->oncall.calendars,
                                  .calendar_count = w->oncall.calendar_count,
                                  .response = service_response(c)};
    int rc = core_reload(s->core, &wanted, ret, err);
    if (rc != 0)
        return rc;
    geoip_put(s->geoip, &w->geoip_files);
    struct metric_rule_settings settings = c->metric_rules;
    settings.external_url = s->config.console_url;
    if (s->metric_rules != NULL && w->metric_rules != NULL)
        metric_rules_replace(s->metric_rules, &settings, &w->metric_rules);
    return 0;
}

static void note_reload(struct service *s, bool successful)
{
    pthread_mutex_lock(&s->lock);
    s->last_reload.successful = successful;
    if (successful)
        s->last_reload.success_ns = clk_now(&clk_system).ns;
    pthread_mutex_unlock(&s->lock);
}

/* In the answer, and in the log where there is something to tell. */
static void say_restart(const struct config *running, const struct config *fresh, struct json_out *json)
{
    const char *keys[CONFIG_KEYS_MAX];
    size_t count = config_restart_needed(running, fresh, keys);
    struct buf text;
    buf_init(&text, 4096);
    json_key(json, SV("restart_needed"));
    json_array(json);
    for (size_t i = 0; i < count; i++) {
        json_string(json, sv_of(keys[i]));
        buf_printf(&text, "%s%s", i == 0 ? "" : ", ", keys[i]);
    }
    json_array_end(json);
    if (count > 0)
        log_warn("reload", "changed in the configuration, and in force after a restart only: %.*s",
                 SV_FMT(buf_view(&text)));
    buf_free(&text);
}

static void say_reloaded(const struct core_reloaded *reloaded, size_t metric_rules,
                         const struct config *running, const struct config *fresh, struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_object(&json);
    json_kv_str(&json, "status", "success");
    json_kv_u64(&json, "rules", reloaded->rule_count);
    json_kv_u64(&json, "unchanged", reloaded->rules.unchanged);
    json_kv_u64(&json, "changed", reloaded->rules.changed);
    json_kv_u64(&json, "added", reloaded->rules.added);
    json_kv_u64(&json, "removed", reloaded->rules.removed);
    json_kv_u64(&json, "metric_rules", metric_rules);
    say_restart(running, fresh, &json);
    json_object_end(&json);
    log_info("reload",
             "%zu rules in force: %zu as before, %zu changed (their windows begin anew), %zu new, %zu gone",
             reloaded->rule_count, reloaded->rules.unchanged, reloaded->rules.changed, reloaded->rules.added,
             reloaded->rules.removed);
}

/*
 * On SIGHUP and by API: rules, `alerts` and GeoIP files are read anew. What opens sockets or starts threads
 * (listen, data, sources, channels, syslog, lateness) is as it was at the start. All of it or nothing.
 */
int service_reload(void *context, struct buf *ret_json, struct err *err)
{
    struct service *s = context;
    struct config config = {0};
    struct wishes wishes = {0};
    struct core_reloaded reloaded;
    char text[TC_ERR_TEXT_MAX + TC_ERR_FILE_MAX + 32];
    pthread_mutex_lock(&s->reloading);
    int rc = service_load_config(s->args, &config, err);
    config.metric_rules.features = s->config.metric_rules.features; /* for queries, too, as at the start */
    if (rc == 0)
        rc = service_read_wishes(s->args, &config, &wishes, err);
    size_t metric_rules = wishes.metric_rules == NULL ? 0 : metric_rule_files_rules(wishes.metric_rules);
    if (rc == 0)
        rc = reload_wishes(s, &config, &wishes, &reloaded, err);
    note_reload(s, rc == 0);
    if (rc == 0) {
        say_reloaded(&reloaded, metric_rules, &s->config, &config, ret_json);
    } else {
        rc = rc == TC_ENOTFOUND ? TC_EINPUT : rc; /* a file that is named and missing is the user's to mend */
        err_format(err, text, sizeof text);
        err_set(err, rc, "%s; the rules that were in force go on", text);
        log_error("reload", "refused: %s", err->text);
    }
    service_wishes_free(&wishes);
    config_free(&config);
    pthread_mutex_unlock(&s->reloading);
    return rc;
}
