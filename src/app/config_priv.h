/*
 * Reading the configuration, shared by the files that do: config.c the whole and the small sections,
 * config_retention.c what is kept how long, config_metrics.c and config_metrics_doors.c metrics,
 * config_channels.c who is told, config_doors.c where events come from, config_setting.c the kinds of value.
 */
#ifndef APP_CONFIG_PRIV_H
#define APP_CONFIG_PRIV_H

#include "app/config.h"
#include "base/yaml.h"

enum { LIST_MAX = 256 }; /* elements of any list */

struct reading {
    struct config *config;
    const char *file;
    struct err *err;
    void *item; /* the row that is being filled: a token, a channel */
};

typedef int (*setting_fn)(struct reading *r, const struct yaml_node *node);

/* A key of a section; the last of a table has none. Table order is reading order. */
struct setting {
    const char *key, *about, *fallback;
    setting_fn read;
};

/* --- kinds of value: 0, or TC_EINPUT with file:line:column; texts live in the configuration's arena --- */

int setting_bad(struct reading *r, const struct yaml_node *node, const char *what);
int setting_text(struct reading *r, const struct yaml_node *node, struct sv *ret);
int setting_bool(struct reading *r, const struct yaml_node *node, bool *ret);
int setting_duration(struct reading *r, const struct yaml_node *node, int64_t *ret_ns);
int setting_number(struct reading *r, const struct yaml_node *node, uint64_t min, uint64_t max,
                   uint64_t *ret);
/* A secret is named, never written: env:NAME or file:PATH. Its value stays out of every message. */
int setting_secret(struct reading *r, const struct yaml_node *node, struct sv *ret);
/* A text, or a list of at most `max`. */
int setting_names(struct reading *r, const struct yaml_node *node, size_t max, const struct sv **ret,
                  size_t *ret_count);
/* A list of paths. */
int setting_paths(struct reading *r, const struct yaml_node *node, const char *const **ret,
                  size_t *ret_count);
/* It is a list of at most LIST_MAX. */
int setting_list(struct reading *r, const struct yaml_node *node);
/* Reads the keys of `map`; one that no setting has is an error with "did you mean". */
int setting_section(struct reading *r, const struct yaml_node *map, const struct setting *settings);
/* Each element of a list of maps is read by `settings` into rows[i]. */
int setting_rows(struct reading *r, const struct yaml_node *list, const struct setting *settings, void *rows,
                 size_t row_bytes);
/* Name and secret of the api_token that is r->item. */
int setting_token_name(struct reading *r, const struct yaml_node *node);
int setting_token_secret(struct reading *r, const struct yaml_node *node);

/* A setting of each priority, by one function that is told which. */
#define SEVERITY_SETTING(set, severity, read)                                                                \
    static int set##_##severity(struct reading *r, const struct yaml_node *node)                             \
    {                                                                                                        \
        return read(r, node, SEVERITY_##severity);                                                           \
    }

/* --- sections --- */

extern const struct setting config_channel_settings[], config_mention_settings[], config_routing_settings[],
    config_route_settings[], config_forward_settings[], config_digest_settings[], config_source_settings[],
    config_person_settings[], config_watch_settings[], config_heartbeat_settings[], config_syslog_settings[],
    config_file_settings[], config_journald_settings[], config_retention_settings[], config_hold_settings[],
    config_class_settings[], config_metrics_settings[], config_stdin_settings[];

int config_read_channels(struct reading *r, const struct yaml_node *node);
int config_read_routing(struct reading *r, const struct yaml_node *node);
int config_read_forward(struct reading *r, const struct yaml_node *node);
int config_read_digest(struct reading *r, const struct yaml_node *node);
int config_read_sources(struct reading *r, const struct yaml_node *node);
int config_read_people(struct reading *r, const struct yaml_node *node);
int config_read_watch(struct reading *r, const struct yaml_node *node);
int config_read_heartbeats(struct reading *r, const struct yaml_node *node);
int config_read_syslog(struct reading *r, const struct yaml_node *node);
int config_read_files(struct reading *r, const struct yaml_node *node);
int config_read_journald(struct reading *r, const struct yaml_node *node);
int config_read_stdin(struct reading *r, const struct yaml_node *node);
int config_read_retention(struct reading *r, const struct yaml_node *node);

int config_read_metrics(struct reading *r, const struct yaml_node *node);
/* Keys of `metrics` that a reload puts in force. */
bool config_metrics_is_reloaded(struct sv key);
/* config_metrics_doors.c: where metrics come from */
int config_scrape_interval(struct reading *r, const struct yaml_node *node);
int config_scrape_timeout(struct reading *r, const struct yaml_node *node);
int config_scrape_configs(struct reading *r, const struct yaml_node *node);
int config_prometheus_config(struct reading *r, const struct yaml_node *node);
int config_statsd(struct reading *r, const struct yaml_node *node);
int config_from_events(struct reading *r, const struct yaml_node *node);
int config_metric_aliases(struct reading *r, const struct yaml_node *node);
int config_emf(struct reading *r, const struct yaml_node *node);
int config_graphite(struct reading *r, const struct yaml_node *node);
extern const struct setting config_statsd_settings[], config_graphite_settings[];

/* Names may stand before what they name: they are looked up once all is read. */
int config_check_names(struct config *config, const char *file, struct err *err);
bool config_is_channel(const struct config *config, struct sv name);
/* That the channels are there which routing, its routes, digest and confirmation name. */
int config_check_routing(const struct config *config, const char *file, struct err *err);
/* Where nobody was named, mail is the channel for digests (D-04). */
void config_fill_digest(struct config *config);

#endif
