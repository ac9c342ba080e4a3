/*
 * `travel` of the tocsin: map: the rule speaks where a group is at two places that nobody gets between in
 * the time.
 *
 *     tocsin:
 *         travel:
 *             group-by: [user.name]
 *             max-speed: 900        km/h; the default
 *             min-distance: 500     km; the default
 *             timespan: 24h         how long a place is remembered
 *             place: source.geo     the default: its location.lat, location.lon, accuracy_radius are read
 */
#include "detect/memory.h"
#include "detect/sigma.h"

enum { SPEED_KMH = 900, DISTANCE_KM = 500 };

static int read_place(struct sigma *sigma, const struct yaml_node *map, struct correlation *c)
{
    static const char *const parts[] = {"location.lat", "location.lon", "accuracy_radius"};
    struct sv place = SV("source.geo");
    struct name_list names = {0};
    int rc = 0;
    if (yaml_get(map, "place") != NULL)
        rc = sigma_read_text(sigma, map, "place", &place);
    if (rc == 0 && place.n == 0)
        rc = sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(map), "travel",
                          "place must name a field, such as source.geo");
    for (size_t i = 0; rc == 0 && i < TC_ARRAY_LEN(parts); i++)
        rc = sigma_add_name(sigma, &names, arena_printf(sigma->scratch, "%.*s.%s", SV_FMT(place), parts[i]),
                            map);
    c->fields = names.names;
    c->field_count = names.count;
    return rc;
}

int sigma_read_travel(struct sigma *sigma, const struct yaml_node *map, struct sigma_rule *r)
{
    static const char *const known[] = {"group-by", "max-speed", "min-distance", "timespan", "place", NULL};
    int64_t speed = SPEED_KMH * INT64_C(1000000), distance = DISTANCE_KM * INT64_C(1000000);
    struct correlation *c = ARENA_NEW(sigma->arena, struct correlation);
    struct travel_spec *travel = ARENA_NEW(sigma->arena, struct travel_spec);
    *c = (struct correlation){.type = CORR_TRAVEL, .travel = travel};
    int rc = sigma_check_memory(sigma, map, known, r);
    if (rc == 0)
        rc = sigma_read_names(sigma, yaml_get(map, "group-by"), "group-by", &c->group_by, &c->group_count);
    if (rc == 0 && c->group_count == 0)
        rc = sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(map), "travel",
                          "travel needs the fields that say who travels, under group-by");
    if (rc == 0)
        rc = read_place(sigma, map, c);
    if (rc == 0)
        rc = sigma_read_decimal(sigma, map, "max-speed", 1000000, &speed);
    if (rc == 0)
        rc = sigma_read_decimal(sigma, map, "min-distance", 0, &distance);
    if (rc == 0)
        rc = sigma_read_timespan(sigma, map, c);
    *travel = (struct travel_spec){speed / 1000, distance / 1000};
    r->rule.correlation = c;
    return rc == 0 ? sigma_read_memory_fields(sigma, map, c, &r->rule) : rc;
}
