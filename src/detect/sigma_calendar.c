/*
 * Documents with the top-level key `calendar` (calendar.h), and the lines of selections that ask one.
 *
 * A line that asks a calendar is no question to a field: `@timestamp` stands for the event's time, wherever
 * the event has it from, so the line becomes a leaf of its own in the rule's tree.
 */
#include "detect/calendar.h"
#include "detect/sigma_draft.h"

#include <stdlib.h>

static int refuse(struct sigma *sigma, const struct yaml_node *at, const char *text)
{
    return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(at), "calendar", "%s", text);
}

bool sigma_is_calendar(const struct yaml_node *root)
{
    return root->type == YAML_MAP && yaml_get(root, "calendar") != NULL &&
           yaml_get(root, "detection") == NULL && yaml_get(root, "correlation") == NULL;
}

/* --- hours
 * -------------------------------------------------------------------------------------------------------------
 */

static const char *const weekdays[] = {"monday", "tuesday",  "wednesday", "thursday",
                                       "friday", "saturday", "sunday",    NULL};

/* 0 for Monday; 7: no weekday. */
static unsigned weekday_of(struct sv word)
{
    unsigned i = 0;
    while (weekdays[i] != NULL && !sv_is(word, weekdays[i]))
        i++;
    return i;
}

static bool digits(struct sv text, uint64_t max, uint64_t *ret)
{
    return text.n == 2 && num_u64(text, 0, max, ret);
}

/* "08:00": minutes of the day; 24:00 is the day's end. */
static bool minute_of(struct sv text, unsigned *ret)
{
    struct sv rest = text;
    uint64_t hour, minute;
    if (!digits(sv_cut(&rest, ':'), 24, &hour) || !digits(rest, 59, &minute) || (hour == 24 && minute > 0))
        return false;
    *ret = (unsigned)(hour * 60 + minute);
    return true;
}

static int read_span(struct sigma *sigma, const struct yaml_node *node, unsigned first, unsigned last,
                     struct calendar *c)
{
    struct sv rest = node->text;
    unsigned from, to;
    if (node->type != YAML_SCALAR || !minute_of(sv_cut(&rest, '-'), &from) || !minute_of(rest, &to) ||
        from == 1440)
        return refuse(sigma, node, "hours are such as \"08:00-18:00\", from 00:00 to 24:00");
    to += to <= from ? 1440 : 0; /* into the next day */
    for (unsigned day = first;; day = (day + 1) % 7) {
        calendar_add_hours(c, day * 1440 + from, day * 1440 + to);
        if (day == last)
            return 0;
    }
}

static int read_day(struct sigma *sigma, const struct yaml_node *node, struct calendar *c)
{
    struct sv rest = node->key;
    unsigned first = weekday_of(sv_cut(&rest, '-')), last = rest.n > 0 ? weekday_of(rest) : first;
    int rc = 0;
    if (first == 7 || last == 7)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT_KEY(node), "calendar",
                            "\"%.*s\" is no weekday: use such as monday or monday-friday",
                            SV_FMT(sv_head(node->key, 60)));
    if (node->type == YAML_SCALAR)
        return read_span(sigma, node, first, last, c);
    if (node->type != YAML_LIST || node->count == 0)
        return refuse(sigma, node, "a weekday needs its hours, one or a list of them");
    for (const struct yaml_node *one = node->first; rc == 0 && one != NULL; one = one->next)
        rc = read_span(sigma, one, first, last, c);
    return rc;
}

static int read_hours(struct sigma *sigma, const struct yaml_node *root, struct calendar *c)
{
    const struct yaml_node *map = yaml_get(root, "hours");
    int rc = 0;
    if (map == NULL || map->type != YAML_MAP || map->count == 0)
        return refuse(sigma, map == NULL ? root : map,
                      "a calendar needs hours, such as {monday-friday: \"08:00-18:00\"}");
    for (const struct yaml_node *n = map->first; rc == 0 && n != NULL; n = n->next)
        rc = read_day(sigma, n, c);
    return rc;
}

/* --- holidays
 * -------------------------------------------------------------------------------------------------------------
 */

static bool day_of(struct sv text, int64_t *ret)
{
    char midnight[32];
    int64_t ns;
    if (text.n != 10)
        return false;
    struct buf out = {.p = midnight, .capacity = sizeof midnight, .max_bytes = sizeof midnight};
    buf_printf(&out, "%.*sT00:00:00Z", SV_FMT(text));
    if (!clk_parse_rfc3339(buf_view(&out), 0, &ns))
        return false;
    *ret = ns / (86400 * TC_SECOND_NS);
    return true;
}

static bool read_yearly(struct sv text, struct calendar *c)
{
    struct sv rest = text;
    uint64_t month, day;
    int64_t known;
    char leap[16];
    struct buf out = {.p = leap, .capacity = sizeof leap, .max_bytes = sizeof leap};
    buf_printf(&out, "2000-%.*s", SV_FMT(sv_head(text, 6))); /* a leap year: 02-29 is a day */
    if (text.n != 5 || !day_of(buf_view(&out), &known) || !digits(sv_cut(&rest, '-'), 12, &month) ||
        !digits(rest, 31, &day))
        return false;
    c->yearly[month - 1][day - 1] = true;
    return true;
}

static bool read_days(struct sv text, struct calendar_days *ret)
{
    size_t dots = sv_find(text, SV(".."));
    if (!day_of(sv_head(text, dots), &ret->first))
        return false;
    ret->last = ret->first;
    return dots == text.n || (day_of(sv_from(text, dots + 2), &ret->last) && ret->last >= ret->first);
}

static int compare_days(const void *a, const void *b)
{
    const struct calendar_days *x = a, *y = b;
    return (x->first > y->first) - (x->first < y->first);
}

static int read_holidays(struct sigma *sigma, const struct yaml_node *root, struct calendar *c)
{
    const struct yaml_node *list = yaml_get(root, "holidays");
    if (list == NULL || yaml_is_null(list))
        return 0;
    if (list->type != YAML_LIST || list->count > CALENDAR_HOLIDAYS_MAX)
        return refuse(sigma, list, "holidays must be a list of days, 10000 at most");
    struct calendar_days *days = ARENA_ARRAY(sigma->arena, struct calendar_days, list->count + 1);
    for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
        if (n->type == YAML_SCALAR && read_yearly(n->text, c))
            continue;
        if (n->type != YAML_SCALAR || !read_days(n->text, &days[c->holiday_count]))
            return refuse(
                sigma, n,
                "a holiday is such as 2026-12-25, 2026-12-28..2026-12-31 or, of every year, \"12-25\"");
        c->holiday_count++;
    }
    qsort(days, c->holiday_count, sizeof days[0], compare_days);
    c->holidays = days;
    return 0;
}

/* --- time zones
 * -------------------------------------------------------------------------------------------------------------
 */

static int read_zone(struct sigma *sigma, const struct yaml_node *node, const struct zone **ret)
{
    struct err why = {0};
    if (node == NULL)
        return 0; /* UTC */
    if (node->type != YAML_SCALAR || zone_get(node->text, ret, &why) != 0)
        return refuse(sigma, node,
                      node->type != YAML_SCALAR ? "a time zone is such as Europe/Berlin" : why.text);
    return 0;
}

static int read_zones(struct sigma *sigma, const struct yaml_node *root, struct calendar *c)
{
    static const char *const keys[] = {"field", "known", NULL};
    const struct yaml_node *map = yaml_get(root, "time_zone_of");
    const struct yaml_node *field = yaml_get(map, "field"), *known = yaml_get(map, "known");
    int rc = read_zone(sigma, yaml_get(root, "time_zone"), &c->zone);
    if (rc != 0 || map == NULL)
        return rc;
    if (field == NULL || field->type != YAML_SCALAR || field->text.n == 0 || known == NULL ||
        known->type != YAML_LIST || known->count == 0 || known->count > CALENDAR_ZONES_MAX)
        return refuse(
            sigma, map,
            "time_zone_of needs the field that names the zone, and a list of the known ones, 64 at most");
    rc = yaml_check_keys(map, sigma->file, keys, sigma->err);
    if (rc != 0)
        sigma->construct = "calendar";
    for (const struct yaml_node *n = known->first; rc == 0 && n != NULL; n = n->next)
        rc = read_zone(sigma, n, &c->zones[c->zone_count++]);
    c->zone_field = arena_sv(sigma->arena, field->text);
    c->zone_field_hash = event_name_hash(c->zone_field);
    return rc;
}

int sigma_read_calendar(struct sigma *sigma, const struct yaml_node *root, bool in_pack)
{
    static const char *const keys[] = {"calendar", "time_zone", "time_zone_of", "hours", "holidays", NULL};
    const struct yaml_node *name = yaml_get(root, "calendar");
    struct calendar *c = ARENA_NEW(sigma->arena, struct calendar);
    int rc = yaml_check_keys(root, sigma->file, keys, sigma->err);
    if (rc != 0)
        sigma->construct = "calendar";
    if (rc == 0 && (name->type != YAML_SCALAR || !placeholder_is_name(name->text)))
        rc = refuse(sigma, name, "a calendar's name is of letters, digits, _, - and .");
    if (rc == 0)
        rc = read_zones(sigma, root, c);
    if (rc == 0)
        rc = read_hours(sigma, root, c);
    if (rc == 0)
        rc = read_holidays(sigma, root, c);
    if (rc != 0)
        return rc;
    c->name = arena_sv(sigma->arena, name->text);
    c->in_pack = in_pack;
    return sigma_add_calendar(sigma, c, name);
}

/* --- asking one
 * -------------------------------------------------------------------------------------------------------------
 */

bool sigma_asks_calendar(const struct sigma *sigma, const struct yaml_node *const *values, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (values[i]->type == YAML_SCALAR && placeholders_calendar(sigma, values[i]->text) != NULL)
            return true;
    return false;
}

int sigma_read_calendar_line(struct sigma *sigma, struct sv key, const struct yaml_node *place,
                             const struct yaml_node *const *values, size_t count, struct name_list *reads,
                             const struct match_node **ret)
{
    const struct match_node **kids = ARENA_ARRAY(sigma->arena, const struct match_node *, count);
    int rc = 0;
    if (!sv_is(key, "@timestamp|expand"))
        return sigma_refuse(sigma, TC_EUNSUPPORTED, SIGMA_AT_KEY(place), "calendar",
                            "a calendar is asked of the event's time: '@timestamp|expand', and nothing else");
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct match_calendar *asked = ARENA_NEW(sigma->arena, struct match_calendar);
        struct match_node *node = ARENA_NEW(sigma->arena, struct match_node);
        asked->calendar =
            values[i]->type == YAML_SCALAR ? placeholders_calendar(sigma, values[i]->text) : NULL;
        if (asked->calendar == NULL)
            return refuse(sigma, values[i], "beside a calendar there can be only calendars");
        asked->key = arena_sv(sigma->arena, key);
        asked->line = place->key_line;
        *node = (struct match_node){.kind = NODE_CALENDAR, .calendar = asked};
        kids[i] = node;
        if (asked->calendar->zone_field.n > 0)
            rc = sigma_add_name(sigma, reads, asked->calendar->zone_field, place);
    }
    *ret = count == 1 ? kids[0] : sigma_node(sigma, NODE_OR, kids, count);
    return rc;
}
