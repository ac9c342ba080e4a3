/*
 * `baseline` of the tocsin: map: the rule speaks where a group sends far more than it uses to at that time of
 * the week.
 *
 *     tocsin:
 *         baseline:
 *             group-by: [service.name]
 *             bucket: 5m            a part of an hour, an hour or a day; default 1h
 *             season: week          or day, none
 *             time_zone: Europe/Berlin
 *             learn: 14d            silent so long after a group's first event
 *             history: 56d          what the mean is over; also how long a group is remembered
 *             deviations: 4         limit = mean + 4 x spread,
 *             factor: 5             or 5 x mean, if that is more,
 *             least: 10             or 10, if that is more
 *             field: bytes          adds up its numbers; default: counts events
 */
#include "detect/memory.h"
#include "detect/sigma.h"

#include "base/clk.h"

static int refuse(struct sigma *sigma, const struct yaml_node *at, const char *text)
{
    return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(at), "baseline", "%s", text);
}

static int read_season(struct sigma *sigma, const struct yaml_node *map, struct season *season)
{
    static const char *const names[] = {[SEASON_WEEK] = "week", [SEASON_DAY] = "day", [SEASON_NONE] = "none"};
    const struct yaml_node *kind = yaml_get(map, "season"), *zone = yaml_get(map, "time_zone");
    int64_t bucket_ns = 3600 * TC_SECOND_NS;
    struct err why = {0};
    size_t i = 0;
    int rc = sigma_read_duration(sigma, map, "bucket", &bucket_ns);
    season->bucket_s = bucket_ns / TC_SECOND_NS;
    if (rc == 0 && (season->bucket_s < 60 || 3600 % season->bucket_s != 0) &&
        season->bucket_s != SEASON_DAY_S)
        return refuse(sigma, yaml_get(map, "bucket"),
                      "a bucket is a minute or more that divides an hour, or 1d");
    while (rc == 0 && kind != NULL && i < TC_ARRAY_LEN(names) && !sv_is(kind->text, names[i]))
        i++;
    if (i == TC_ARRAY_LEN(names))
        return refuse(sigma, kind, "a season is week, day or none");
    season->kind = (enum season_kind)i;
    if (rc == 0 && season->kind == SEASON_DAY && season->bucket_s == SEASON_DAY_S)
        return refuse(sigma, kind, "a bucket of a day has no hour: season week or none");
    if (rc == 0 && zone != NULL &&
        (zone->type != YAML_SCALAR || zone_get(zone->text, &season->zone, &why) != 0))
        return refuse(sigma, zone,
                      zone->type != YAML_SCALAR ? "a time zone is such as Europe/Berlin" : why.text);
    return rc;
}

/* How many buckets of a slot its history has, and that learning sees each slot twice. */
static int settle(struct sigma *sigma, const struct yaml_node *map, struct baseline_spec *b,
                  int64_t history_ns)
{
    int64_t period_s = season_period_s(&b->season), history_s = history_ns / TC_SECOND_NS;
    int64_t n = history_s / period_s * season_buckets_per_slot(&b->season);
    if (b->learn_s < 2 * period_s)
        return refuse(sigma, map,
                      "learn must be two seasons or more: without them nothing is known to be usual");
    if (history_s < b->learn_s)
        return refuse(sigma, map, "history must not be shorter than learn");
    if (n > BASELINE_BUCKETS_MAX)
        return refuse(
            sigma, map,
            "the history has more than 10000 buckets to compare with: a shorter one, or a longer bucket");
    b->n_max = (uint32_t)n;
    return 0;
}

static int read_limits(struct sigma *sigma, const struct yaml_node *map, struct baseline_spec *b)
{
    int rc = sigma_read_decimal(sigma, map, "deviations", 0, &b->deviations);
    if (rc == 0)
        rc = sigma_read_decimal(sigma, map, "factor", 1000000, &b->factor);
    if (rc == 0)
        rc = sigma_read_decimal(sigma, map, "least", 0, &b->least);
    return rc;
}

static int read_history(struct sigma *sigma, const struct yaml_node *map, struct baseline_spec *b,
                        struct correlation *c)
{
    enum { LEARN_DAYS = 14, HISTORY_DAYS = 56 };
    int64_t learn_ns = LEARN_DAYS * SEASON_DAY_S * TC_SECOND_NS;
    int64_t history_ns = HISTORY_DAYS * SEASON_DAY_S * TC_SECOND_NS;
    int rc = sigma_read_duration(sigma, map, "learn", &learn_ns);
    if (rc == 0)
        rc = sigma_read_duration(sigma, map, "history", &history_ns);
    b->learn_s = learn_ns / TC_SECOND_NS;
    c->timespan_ns = history_ns;
    return rc == 0 ? settle(sigma, map, b, history_ns) : rc;
}

int sigma_read_baseline(struct sigma *sigma, const struct yaml_node *map, struct sigma_rule *r)
{
    static const char *const known[] = {"group-by", "bucket",     "season", "time_zone", "learn", "history",
                                        "field",    "deviations", "factor", "least",     NULL};
    struct correlation *c = ARENA_NEW(sigma->arena, struct correlation);
    struct baseline_spec *b = ARENA_NEW(sigma->arena, struct baseline_spec);
    *c = (struct correlation){.type = CORR_BASELINE, .baseline = b};
    *b = (struct baseline_spec){.deviations = 4000000, .factor = 1000000, .least = 10000000};
    int rc = sigma_check_memory(sigma, map, known, r);
    if (rc == 0)
        rc = sigma_read_names(sigma, yaml_get(map, "group-by"), "group-by", &c->group_by, &c->group_count);
    if (rc == 0)
        rc = sigma_read_names(sigma, yaml_get(map, "field"), "field", &c->fields, &c->field_count);
    if (rc == 0 && c->field_count > 1)
        rc = refuse(sigma, yaml_get(map, "field"), "numbers of one field are added up, not of several");
    if (rc == 0)
        rc = read_season(sigma, map, &b->season);
    if (rc == 0)
        rc = read_limits(sigma, map, b);
    if (rc == 0)
        rc = read_history(sigma, map, b, c);
    r->rule.correlation = c;
    return rc == 0 ? sigma_read_memory_fields(sigma, map, c, &r->rule) : rc;
}
