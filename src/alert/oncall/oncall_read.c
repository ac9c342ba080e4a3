/*
 * Reading the file of people, roles, schedules and policies; see oncall.h. Strict, as the configuration is:
 * what is not known, or named and not there, is an error with its place.
 *
 * The policies that the program has built in are a text in the same format, read by the same code. A policy
 * of the file replaces a built-in one of its name.
 */
#include "alert/oncall/oncall.h"

#include "base/num.h"
#include "base/yaml.h"

#include <stdlib.h>

static const char built_in[] =
    "# The policies that the program has built in.\n"
    "policies:\n"
    "  doc4:\n"
    "    about: P1 after 15 minutes by phone and SMS to the executives, P2 after an hour by mail to the "
    "manager\n"
    "    steps:\n"
    "      - {after: 15m, only: [P1], tell: [{role: executives, by: [voice, sms]}]}\n"
    "      - {after: 1h, only: [P2], tell: [{role: manager, by: [email]}]}\n"
    "  doc3:\n"
    "    about: mail at once, SMS to who is on call after 5 minutes, the full team after 15, executives "
    "after an hour\n"
    "    steps:\n"
    "      - {after: 0s, tell: [{role: security_team, by: [email]}]}\n"
    "      - {after: 5m, tell: [{role: security_oncall, by: [sms]}]}\n"
    "      - {after: 15m, tell: [{role: full_team}]}\n"
    "      - {after: 1h, tell: [{role: executives}]}\n"
    "  pagerduty:\n"
    "    about: the security officer after 15 minutes, the CTO after 30, the CEO after an hour\n"
    "    steps:\n"
    "      - {after: 15m, tell: [{role: security_officer}]}\n"
    "      - {after: 30m, tell: [{role: cto}]}\n"
    "      - {after: 1h, tell: [{role: ceo}]}\n";

struct sv oncall_built_in(void)
{
    return sv_of(built_in);
}

struct reading {
    struct oncall *oncall;
    const char *file;
    struct err *err;
    oncall_ical_fn ical;
    void *context;
    bool built_in;
};

/* --- small things */

static int bad(const struct reading *r, const struct yaml_node *node, const char *text, struct sv what)
{
    return err_at(r->err, TC_EINPUT, r->file, node->line, node->column, "%s%s%.*s", text,
                  what.n > 0 ? ": " : "", SV_FMT(sv_head(what, 64)));
}

static int is_map(const struct reading *r, const struct yaml_node *node, size_t max)
{
    return node->type != YAML_MAP ? bad(r, node, "a map is expected here", SV(""))
           : node->count > max    ? bad(r, node, "too many are named here", SV(""))
                                  : 0;
}

static int is_list(const struct reading *r, const struct yaml_node *node, size_t max)
{
    return node->type != YAML_LIST ? bad(r, node, "a list is expected here", SV(""))
           : node->count > max     ? bad(r, node, "the list is too long", SV(""))
                                   : 0;
}

static int text_at(const struct reading *r, const struct yaml_node *node, struct sv *ret)
{
    if (node->type != YAML_SCALAR || node->text.n == 0 || node->text.n > 1024)
        return bad(r, node, "a text of at most 1024 bytes is expected here", SV(""));
    *ret = arena_sv(&r->oncall->arena, node->text);
    return 0;
}

static int texts_at(const struct reading *r, const struct yaml_node *node, struct sv **ret, size_t *ret_count)
{
    int rc = is_list(r, node, ONCALL_REFS_MAX);
    *ret = rc == 0 ? ARENA_ARRAY(&r->oncall->arena, struct sv, node->count + 1) : NULL;
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next)
        rc = text_at(r, n, &(*ret)[(*ret_count)++]);
    return rc;
}

static int duration_at(const struct reading *r, const struct yaml_node *node, int64_t *ret_ns)
{
    struct err why;
    if (node->type != YAML_SCALAR || clk_parse_duration(node->text, ret_ns, &why) != 0 || *ret_ns < 0 ||
        *ret_ns > INT64_C(366) * 86400 * TC_SECOND_NS)
        return bad(r, node, "a duration is expected here, such as 15m or 1w", node->text);
    return 0;
}

/* "2026-01-05T09:00": by the wall clock of the schedule. */
static int wall_clock_at(const struct reading *r, const struct yaml_node *node, int64_t *ret_s)
{
    char text[32];
    int64_t ns;
    struct sv given = node->text;
    bool fits = node->type == YAML_SCALAR && (given.n == 16 || given.n == 10);
    if (fits) {
        memcpy(text, given.p, given.n);
        memcpy(text + given.n, ":00", 3);
    }
    if (!fits || !clk_parse_rfc3339(given.n == 16 ? sv_make(text, 19) : given, 0, &ns))
        return bad(r, node, "a date and time without a zone is expected here, such as 2026-01-05T09:00",
                   given);
    *ret_s = ns / TC_SECOND_NS;
    return 0;
}

bool oncall_time_read(struct sv t, int *ret_s)
{
    uint64_t hour, minute;
    if (t.n != 5 || t.p[2] != ':' || !num_u64(sv_head(t, 2), 0, 24, &hour) ||
        !num_u64(sv_from(t, 3), 0, 59, &minute) || (hour == 24 && minute > 0))
        return false;
    *ret_s = (int)(hour * 3600 + minute * 60);
    return true;
}

static int time_of_day_at(const struct reading *r, const struct yaml_node *node, int *ret_s)
{
    return node->type == YAML_SCALAR && oncall_time_read(node->text, ret_s)
               ? 0
               : bad(r, node, "a time of day is expected here, such as \"09:00\"", node->text);
}

/* --- people and roles */

static int read_contact(const struct reading *r, const struct yaml_node *node, struct oncall_contact *contact)
{
    static const char *const keys[] = {"channel", "address", NULL};
    int rc = is_map(r, node, 2);
    if (rc == 0)
        rc = yaml_check_keys(node, r->file, keys, r->err);
    const struct yaml_node *channel = rc == 0 ? yaml_get(node, "channel") : NULL;
    const struct yaml_node *address = rc == 0 ? yaml_get(node, "address") : NULL;
    if (rc == 0 && channel == NULL)
        rc = bad(r, node, "a contact needs a channel", SV(""));
    if (rc == 0)
        rc = text_at(r, channel, &contact->channel);
    contact->line = node->line;
    return rc == 0 && address != NULL ? text_at(r, address, &contact->address) : rc;
}

static int read_person(const struct reading *r, const struct yaml_node *node, struct oncall_person *person)
{
    static const char *const keys[] = {"name", "contacts", NULL};
    int rc = is_map(r, node, 16);
    if (rc == 0)
        rc = yaml_check_keys(node, r->file, keys, r->err);
    if (rc != 0)
        return rc;
    const struct yaml_node *name = yaml_get(node, "name"), *contacts = yaml_get(node, "contacts");
    person->id = person->name = arena_sv(&r->oncall->arena, node->key);
    if (name != NULL)
        rc = text_at(r, name, &person->name);
    if (rc == 0 && contacts != NULL)
        rc = is_list(r, contacts, ONCALL_CONTACTS_MAX);
    if (rc != 0 || contacts == NULL)
        return rc;
    person->contacts = ARENA_ARRAY(&r->oncall->arena, struct oncall_contact, contacts->count + 1);
    for (const struct yaml_node *n = contacts->first; rc == 0 && n != NULL; n = n->next)
        rc = read_contact(r, n, &person->contacts[person->contact_count++]);
    return rc;
}

static int read_people(struct reading *r, const struct yaml_node *node)
{
    int rc = is_map(r, node, ONCALL_PEOPLE_MAX);
    if (rc != 0)
        return rc;
    r->oncall->people = ARENA_ARRAY(&r->oncall->arena, struct oncall_person, node->count + 1);
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next)
        rc = read_person(r, n, &r->oncall->people[r->oncall->person_count++]);
    return rc;
}

static const struct {
    const char *key;
    enum oncall_kind kind;
} kinds[] = {{"person", ONCALL_PERSON},
             {"schedule", ONCALL_SCHEDULE},
             {"channel", ONCALL_CHANNEL},
             {"role", ONCALL_ROLE}};

/* Names are looked up here: people, schedules and roles are read before what names them. A built-in policy
 * may name a role that the file does not have. */
static int check_name(const struct reading *r, const struct yaml_node *node, const struct oncall_ref *ref)
{
    const struct oncall *o = r->oncall;
    bool there = ref->kind == ONCALL_PERSON     ? oncall_person(o, ref->name) != NULL
                 : ref->kind == ONCALL_SCHEDULE ? oncall_schedule(o, ref->name) != NULL
                 : ref->kind == ONCALL_ROLE     ? r->built_in || oncall_role(o, ref->name) != NULL
                                                : true; /* channels are the configuration's */
    return there ? 0 : bad(r, node, "there is no such person, schedule or role", ref->name);
}

static int read_ref(const struct reading *r, const struct yaml_node *node, struct oncall_ref *ref)
{
    static const char *const keys[] = {"person", "schedule", "channel", "role", "by", NULL};
    int rc = is_map(r, node, 2);
    if (rc == 0)
        rc = yaml_check_keys(node, r->file, keys, r->err);
    for (size_t i = 0; rc == 0 && i < TC_ARRAY_LEN(kinds); i++) {
        const struct yaml_node *named = yaml_get(node, kinds[i].key);
        if (named == NULL)
            continue;
        if (ref->name.n > 0)
            return bad(r, node, "one of person, schedule, channel or role is expected here, not two",
                       ref->name);
        ref->kind = kinds[i].kind;
        ref->line = named->line;
        rc = text_at(r, named, &ref->name);
        if (rc == 0)
            rc = check_name(r, named, ref);
    }
    if (rc == 0 && ref->name.n == 0)
        rc = bad(r, node, "person, schedule, channel or role is expected here", SV(""));
    const struct yaml_node *by = rc == 0 ? yaml_get(node, "by") : NULL;
    return by == NULL ? rc : texts_at(r, by, &ref->by, &ref->by_count);
}

static int read_refs(const struct reading *r, const struct yaml_node *node, struct oncall_ref **ret,
                     size_t *ret_count)
{
    int rc = is_list(r, node, ONCALL_REFS_MAX);
    *ret = rc == 0 ? ARENA_ARRAY(&r->oncall->arena, struct oncall_ref, node->count + 1) : NULL;
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next)
        rc = read_ref(r, n, &(*ret)[(*ret_count)++]);
    return rc;
}

static int read_roles(struct reading *r, const struct yaml_node *node)
{
    int rc = is_map(r, node, ONCALL_ROLES_MAX);
    if (rc != 0)
        return rc;
    r->oncall->roles = ARENA_ARRAY(&r->oncall->arena, struct oncall_role, node->count + 1);
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next) /* a role may name a later one */
        r->oncall->roles[r->oncall->role_count++].name = arena_sv(&r->oncall->arena, n->key);
    struct oncall_role *role = r->oncall->roles;
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next, role++)
        rc = read_refs(r, n, &role->refs, &role->ref_count);
    return rc;
}

/* --- schedules */

static const char *const weekdays[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

static int weekday(struct sv word)
{
    for (int i = 0; i < 7; i++)
        if (sv_eq_nocase(word, sv_of(weekdays[i])))
            return i;
    return -1;
}

bool oncall_days_read(struct sv text, unsigned *ret)
{
    size_t dash = sv_find_char(text, '-');
    int from = weekday(sv_head(text, dash)), to = dash < text.n ? weekday(sv_from(text, dash + 1)) : from;
    if (from < 0 || to < 0)
        return false;
    for (int day = from;; day = (day + 1) % 7) {
        *ret |= 1u << day;
        if (day == to)
            return true;
    }
}

/* "mon-fri", "sat", or a list of such. */
static int read_days(const struct reading *r, const struct yaml_node *node, unsigned *ret)
{
    int rc = 0;
    if (node->type == YAML_LIST) {
        for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next)
            rc = n->type == YAML_SCALAR ? read_days(r, n, ret) : bad(r, n, "a day is expected here", n->text);
        return rc;
    }
    return node->type == YAML_SCALAR && oncall_days_read(node->text, ret)
               ? 0
               : bad(r, node, "days are expected here, such as mon-fri or [sat, sun]", node->text);
}

static int read_hours(const struct reading *r, const struct yaml_node *node, struct oncall_hours *hours)
{
    static const char *const keys[] = {"days", "from", "to", NULL};
    int rc = is_map(r, node, 3);
    if (rc == 0)
        rc = yaml_check_keys(node, r->file, keys, r->err);
    if (rc != 0)
        return rc;
    const struct yaml_node *days = yaml_get(node, "days"), *from = yaml_get(node, "from"),
                           *to = yaml_get(node, "to");
    *hours = (struct oncall_hours){.days = days == NULL ? 0x7f : 0, .to_s = 86400};
    if (days != NULL)
        rc = read_days(r, days, &hours->days);
    if (rc == 0 && from != NULL)
        rc = time_of_day_at(r, from, &hours->from_s);
    if (rc == 0 && to != NULL)
        rc = time_of_day_at(r, to, &hours->to_s);
    return rc == 0 && hours->from_s == 86400 ? bad(r, node, "hours begin before 24:00", SV("")) : rc;
}

static int read_restrict(const struct reading *r, const struct yaml_node *node, struct oncall_layer *layer)
{
    int rc = is_list(r, node, 32);
    layer->hours = rc == 0 ? ARENA_ARRAY(&r->oncall->arena, struct oncall_hours, node->count + 1) : NULL;
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next)
        rc = read_hours(r, n, &layer->hours[layer->hours_count++]);
    return rc;
}

static int read_turns(const struct reading *r, const struct yaml_node *node, struct oncall_layer *layer)
{
    const struct yaml_node *people = yaml_get(node, "people"), *start = yaml_get(node, "start"),
                           *every = yaml_get(node, "every"), *end = yaml_get(node, "end");
    int64_t every_ns = 0;
    if (people == NULL || start == NULL || every == NULL)
        return bad(r, node, "a layer needs people, start and every", SV(""));
    int rc = texts_at(r, people, &layer->people, &layer->person_count);
    const struct yaml_node *n = people->first;
    for (size_t i = 0; rc == 0 && i < layer->person_count; i++, n = n->next)
        if (oncall_person(r->oncall, layer->people[i]) == NULL)
            rc = bad(r, n, "there is no such person", layer->people[i]);
    if (rc == 0 && layer->person_count == 0)
        rc = bad(r, people, "a rotation needs somebody", SV(""));
    if (rc == 0)
        rc = wall_clock_at(r, start, &layer->start_s);
    if (rc == 0)
        rc = duration_at(r, every, &every_ns);
    layer->every_s = every_ns / TC_SECOND_NS;
    if (rc == 0 && (layer->every_s < 3600 || every_ns % TC_SECOND_NS != 0))
        rc = bad(r, every, "a turn is an hour at least, in whole seconds", every->text);
    layer->end_s = INT64_MAX;
    return rc == 0 && end != NULL ? wall_clock_at(r, end, &layer->end_s) : rc;
}

static int read_layer(const struct reading *r, const struct yaml_node *node, struct oncall_layer *layer,
                      size_t number)
{
    static const char *const keys[] = {"name", "people", "start", "every", "end", "restrict", NULL};
    int rc = is_map(r, node, 16);
    if (rc == 0)
        rc = yaml_check_keys(node, r->file, keys, r->err);
    if (rc != 0)
        return rc;
    const struct yaml_node *name = yaml_get(node, "name"), *restricted = yaml_get(node, "restrict");
    layer->name = arena_printf(&r->oncall->arena, "layer %zu", number);
    if (name != NULL)
        rc = text_at(r, name, &layer->name);
    if (rc == 0)
        rc = read_turns(r, node, layer);
    return rc == 0 && restricted != NULL ? read_restrict(r, restricted, layer) : rc;
}

static int read_calendar(const struct reading *r, const struct yaml_node *node,
                         struct oncall_schedule *schedule)
{
    struct sv text;
    char name[TC_ERR_FILE_MAX];
    int rc = text_at(r, node, &schedule->ical);
    if (rc != 0 || r->ical == NULL || !r->ical(r->context, schedule->ical, &text))
        return rc;
    bool is_url = sv_starts(schedule->ical, SV("http")); /* which may be secret: whoever knows it reads it */
    struct buf out = {.p = name, .capacity = sizeof name, .max_bytes = sizeof name};
    buf_printf(&out, "%s%.*s", is_url ? "the calendar of schedule " : "",
               (int)TC_MIN(is_url ? schedule->name.n : schedule->ical.n, sizeof name - 40),
               is_url ? schedule->name.p : schedule->ical.p);
    buf_char(&out, '\0');
    return oncall_ical_read(r->oncall, schedule, name, text, r->err);
}

static int read_schedule(const struct reading *r, const struct yaml_node *node,
                         struct oncall_schedule *schedule)
{
    static const char *const keys[] = {"timezone", "layers", "ical", NULL};
    struct err why;
    int rc = is_map(r, node, 16);
    if (rc == 0)
        rc = yaml_check_keys(node, r->file, keys, r->err);
    if (rc != 0)
        return rc;
    const struct yaml_node *zone = yaml_get(node, "timezone"), *layers = yaml_get(node, "layers"),
                           *ical = yaml_get(node, "ical");
    schedule->name = arena_sv(&r->oncall->arena, node->key);
    schedule->line = node->key_line;
    if (zone == NULL || (layers == NULL && ical == NULL))
        return bad(r, node, "a schedule needs a timezone, and layers or a calendar (ical)", SV(""));
    if (zone->type != YAML_SCALAR || zone_get(zone->text, &schedule->zone, &why) != 0)
        return bad(r, zone, "a time zone of the IANA database is expected here, such as Europe/Berlin",
                   zone->text);
    if (layers != NULL)
        rc = is_list(r, layers, ONCALL_LAYERS_MAX);
    if (rc == 0 && layers != NULL)
        schedule->layers = ARENA_ARRAY(&r->oncall->arena, struct oncall_layer, layers->count + 1);
    for (const struct yaml_node *n = layers == NULL ? NULL : layers->first; rc == 0 && n != NULL;
         n = n->next) {
        rc = read_layer(r, n, &schedule->layers[schedule->layer_count], schedule->layer_count + 1);
        schedule->layer_count++;
    }
    return rc == 0 && ical != NULL ? read_calendar(r, ical, schedule) : rc;
}

static int read_schedules(struct reading *r, const struct yaml_node *node)
{
    int rc = is_map(r, node, ONCALL_SCHEDULES_MAX);
    if (rc != 0)
        return rc;
    r->oncall->schedules = ARENA_ARRAY(&r->oncall->arena, struct oncall_schedule, node->count + 1);
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next)
        rc = read_schedule(r, n, &r->oncall->schedules[r->oncall->schedule_count++]);
    return rc;
}

/* --- policies */

static int read_only(const struct reading *r, const struct yaml_node *node, unsigned *ret)
{
    int rc = is_list(r, node, 4);
    *ret = 0;
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next) {
        enum severity severity = n->type == YAML_SCALAR ? severity_of(n->text) : SEVERITY_NONE;
        if (severity == SEVERITY_NONE)
            rc = bad(r, n, "P1 to P4 is expected here", n->text);
        else
            *ret |= 1u << severity;
    }
    return rc;
}

static int read_step(const struct reading *r, const struct yaml_node *node, struct oncall_policy *policy)
{
    static const char *const keys[] = {"after", "only", "tell", NULL};
    struct oncall_step *step = &policy->steps[policy->step_count];
    int rc = is_map(r, node, 3);
    if (rc == 0)
        rc = yaml_check_keys(node, r->file, keys, r->err);
    if (rc != 0)
        return rc;
    const struct yaml_node *after = yaml_get(node, "after"), *only = yaml_get(node, "only"),
                           *tell = yaml_get(node, "tell");
    step->severities = ~0u;
    if (after == NULL || tell == NULL)
        return bad(r, node, "a step needs after and tell", SV(""));
    rc = duration_at(r, after, &step->after_ns);
    if (rc == 0 && only != NULL)
        rc = read_only(r, only, &step->severities);
    if (rc == 0 && policy->step_count > 0 && step->after_ns < policy->steps[policy->step_count - 1].after_ns)
        rc = bad(r, after, "steps stand in order of time", after->text);
    if (rc == 0)
        rc = read_refs(r, tell, &step->refs, &step->ref_count);
    policy->step_count++;
    return rc;
}

static int read_policy(const struct reading *r, const struct yaml_node *node, struct oncall_policy *policy)
{
    static const char *const keys[] = {"about", "steps", "repeats", "repeat_every", NULL};
    uint64_t repeats = 0;
    int rc = is_map(r, node, 16);
    if (rc == 0)
        rc = yaml_check_keys(node, r->file, keys, r->err);
    if (rc != 0)
        return rc;
    const struct yaml_node *about = yaml_get(node, "about"), *steps = yaml_get(node, "steps"),
                           *repeat = yaml_get(node, "repeats"), *every = yaml_get(node, "repeat_every");
    policy->name = arena_sv(&r->oncall->arena, node->key);
    policy->built_in = r->built_in;
    if (steps == NULL)
        return bad(r, node, "a policy needs steps", SV(""));
    if (about != NULL)
        rc = text_at(r, about, &policy->about);
    if (rc == 0)
        rc = is_list(r, steps, ALERT_LADDER_MAX);
    if (rc == 0)
        policy->steps = ARENA_ARRAY(&r->oncall->arena, struct oncall_step, steps->count + 1);
    for (const struct yaml_node *n = steps->first; rc == 0 && n != NULL; n = n->next)
        rc = read_step(r, n, policy);
    if (rc == 0 && repeat != NULL && (repeat->type != YAML_SCALAR || !num_u64(repeat->text, 0, 10, &repeats)))
        rc = bad(r, repeat, "0 to 10 is expected here", repeat->text);
    policy->repeats = (uint32_t)repeats;
    if (rc == 0 && every != NULL)
        rc = duration_at(r, every, &policy->repeat_every_ns);
    int64_t last_ns = policy->step_count > 0 ? policy->steps[policy->step_count - 1].after_ns : 0;
    if (rc == 0 && repeats > 0 && policy->repeat_every_ns <= last_ns)
        rc = bad(r, repeat, "repeats need repeat_every, longer than the time of the last step", SV(""));
    return rc;
}

static int read_policies(struct reading *r, const struct yaml_node *node)
{
    struct oncall *o = r->oncall;
    int rc = is_map(r, node, ONCALL_POLICIES_MAX);
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next)
        if (!r->built_in || oncall_policy(o, n->key) == NULL)
            rc = read_policy(r, n, &o->policies[o->policy_count++]);
    return rc;
}

static int read_escalate(struct reading *r, const struct yaml_node *node)
{
    int rc = is_map(r, node, 4);
    for (const struct yaml_node *n = node->first; rc == 0 && n != NULL; n = n->next) {
        enum severity severity = severity_of(n->key);
        const struct oncall_policy *policy =
            n->type == YAML_SCALAR ? oncall_policy(r->oncall, n->text) : NULL;
        if (severity == SEVERITY_NONE)
            return bad(r, n, "P1 to P4 is expected here", n->key);
        if (policy == NULL && (n->type != YAML_SCALAR || !sv_is(n->text, "none")))
            return bad(r, n, "there is no such policy (none: this priority does not escalate)", n->text);
        r->oncall->escalate[severity] = policy;
    }
    return rc;
}

/* --- the whole */

static int parse(struct reading *r, struct sv bytes, const struct yaml_node **ret)
{
    struct yaml_doc *docs;
    int rc = yaml_parse(&r->oncall->arena, r->file, bytes, &docs, r->err);
    *ret = rc == 0 && docs != NULL ? docs->root : NULL;
    if (rc == 0 && *ret != NULL && (*ret)->type != YAML_MAP)
        return bad(r, *ret, "a map is expected here", SV(""));
    return rc;
}

static int read_file(struct reading *r, const struct yaml_node *root, const struct yaml_node **ret_escalate)
{
    static const char *const keys[] = {"people", "roles", "schedules", "policies", "escalate", NULL};
    static const struct {
        const char *key;
        int (*read)(struct reading *r, const struct yaml_node *node);
    } sections[] = {/* what is named before what names it */
                    {"people", read_people},
                    {"schedules", read_schedules},
                    {"roles", read_roles},
                    {"policies", read_policies}};
    int rc = yaml_check_keys(root, r->file, keys, r->err);
    for (size_t i = 0; rc == 0 && i < TC_ARRAY_LEN(sections); i++) {
        const struct yaml_node *node = yaml_get(root, sections[i].key);
        if (node != NULL)
            rc = sections[i].read(r, node);
    }
    *ret_escalate = rc == 0 ? yaml_get(root, "escalate") : NULL;
    return rc;
}

static int read_built_in(struct reading *r)
{
    const struct yaml_node *root = NULL;
    struct reading own = {.oncall = r->oncall, .file = "built-in policies", .err = r->err, .built_in = true};
    int rc = parse(&own, oncall_built_in(), &root);
    return rc == 0 ? read_policies(&own, yaml_get(root, "policies")) : rc;
}

int oncall_read(const char *file, struct sv bytes, oncall_ical_fn ical, void *context, struct oncall **ret,
                struct err *err)
{
    struct oncall *o = tc_alloc(sizeof *o);
    struct reading r = {.oncall = o, .file = file, .err = err, .ical = ical, .context = context};
    const struct yaml_node *root = NULL, *escalate = NULL;
    o->policies = ARENA_ARRAY(&o->arena, struct oncall_policy, 2 * ONCALL_POLICIES_MAX);
    int rc = parse(&r, bytes, &root);
    if (rc == 0 && root != NULL)
        rc = read_file(&r, root, &escalate);
    if (rc == 0)
        rc = read_built_in(&r);
    if (rc == 0)
        o->escalate[SEVERITY_P1] = o->escalate[SEVERITY_P2] = oncall_policy(o, SV("doc4"));
    if (rc == 0 && escalate != NULL)
        rc = read_escalate(&r, escalate);
    if (rc != 0)
        oncall_free(&o);
    *ret = o;
    return rc;
}

void oncall_free(struct oncall **oncall)
{
    struct oncall *old = *oncall;
    *oncall = NULL;
    if (old == NULL)
        return;
    arena_free(&old->arena);
    free(old);
}

#define FIND(function, type, list, list_count, member)                                                       \
    const struct type *function(const struct oncall *oncall, struct sv name)                                 \
    {                                                                                                        \
        for (size_t i = 0; i < oncall->list_count; i++)                                                      \
            if (sv_eq(oncall->list[i].member, name))                                                         \
                return &oncall->list[i];                                                                     \
        return NULL;                                                                                         \
    }
FIND(oncall_person, oncall_person, people, person_count, id)
FIND(oncall_role, oncall_role, roles, role_count, name)
FIND(oncall_schedule, oncall_schedule, schedules, schedule_count, name)
FIND(oncall_policy, oncall_policy, policies, policy_count, name)
