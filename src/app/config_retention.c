/*
 * The section of the configuration that says how long what is kept.
 */
#include "app/config_priv.h"

static const char *const class_names[CLASS_COUNT] = {"security", "audit", "debug"};

static int read_class(struct reading *r, const struct yaml_node *node, enum record_class *ret)
{
    for (int i = 0; node->type == YAML_SCALAR && i < CLASS_COUNT; i++)
        if (sv_is(node->text, class_names[i])) {
            *ret = (enum record_class)i;
            return 0;
        }
    return setting_bad(r, node, "security, audit or debug is expected here");
}

/* --- times
 * ------------------------------------------------------------------------------------------------------------
 */

static int read_keep(struct reading *r, const struct yaml_node *node, enum record_class class)
{
    int64_t *ret_ns = &r->config->retention_keep_ns[class];
    if (node->type == YAML_SCALAR && sv_is(node->text, "forever")) {
        *ret_ns = 0;
        return 0;
    }
    int rc = setting_duration(r, node, ret_ns);
    return rc == 0 && *ret_ns < TC_SECOND_NS ? setting_bad(r, node, "a second at least, or the word forever")
                                             : rc;
}

static int read_security(struct reading *r, const struct yaml_node *node)
{
    return read_keep(r, node, CLASS_SECURITY);
}

static int read_audit(struct reading *r, const struct yaml_node *node)
{
    return read_keep(r, node, CLASS_AUDIT);
}

static int read_debug(struct reading *r, const struct yaml_node *node)
{
    return read_keep(r, node, CLASS_DEBUG);
}

static int read_cold_after(struct reading *r, const struct yaml_node *node)
{
    return setting_duration(r, node, &r->config->retention_cold_after_ns);
}

static int read_segment_age(struct reading *r, const struct yaml_node *node)
{
    int rc = setting_duration(r, node, &r->config->retention_segment_age_ns);
    return rc == 0 && r->config->retention_segment_age_ns < TC_SECOND_NS
               ? setting_bad(r, node, "a second at least")
               : rc;
}

static int read_distrust(struct reading *r, const struct yaml_node *node)
{
    int rc = setting_duration(r, node, &r->config->retention_distrust_ns);
    return rc == 0 && r->config->retention_distrust_ns < TC_SECOND_NS
               ? setting_bad(r, node, "a second at least")
               : rc;
}

static int read_archive(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    r->config->retention_archive = rc == 0 ? text.p : NULL;
    return rc;
}

/* --- classes
 * ----------------------------------------------------------------------------------------------------------
 */

static int class_class(struct reading *r, const struct yaml_node *node)
{
    return read_class(r, node, &((struct intake_class *)r->item)->class);
}

static int class_source(struct reading *r, const struct yaml_node *node)
{
    return setting_text(r, node, &((struct intake_class *)r->item)->source);
}

static int class_level(struct reading *r, const struct yaml_node *node)
{
    struct intake_class *row = r->item;
    return setting_names(r, node, LIST_MAX, &row->levels, &row->level_count);
}

const struct setting config_class_settings[] = {
    {"class", "security, audit or debug", "required", class_class},
    {"source", "of events from this source (`file:/var/log/app.log`); a * at its end stands for any rest",
     "any", class_source},
    {"level", "and of one of these levels (fields log.level, level, severity)", "any", class_level},
    {0}};

static int read_classes(struct reading *r, const struct yaml_node *node)
{
    struct config *c = r->config;
    int rc = setting_list(r, node);
    if (rc != 0)
        return rc;
    c->retention_class_count = node->count;
    c->retention_classes = ARENA_ARRAY(&c->arena, struct intake_class, node->count + 1);
    for (size_t i = 0; i < node->count; i++)
        c->retention_classes[i].class = CLASS_COUNT;
    rc = setting_rows(r, node, config_class_settings, c->retention_classes, sizeof c->retention_classes[0]);
    for (size_t i = 0; rc == 0 && i < node->count; i++)
        if (c->retention_classes[i].class == CLASS_COUNT)
            rc = setting_bad(r, node, "every row needs a class");
    return rc;
}

/* --- holds
 * ------------------------------------------------------------------------------------------------------------
 */

static int hold_name(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    ((struct retention_hold *)r->item)->name = rc == 0 ? text.p : NULL;
    return rc;
}

static int read_time(struct reading *r, const struct yaml_node *node, int64_t *ret_ns)
{
    return node->type == YAML_SCALAR && clk_parse_rfc3339(node->text, 0, ret_ns)
               ? 0
               : setting_bad(r, node, "a time is expected here, such as 2026-11-21T00:00:00Z");
}

static int hold_from(struct reading *r, const struct yaml_node *node)
{
    return read_time(r, node, &((struct retention_hold *)r->item)->from_ns);
}

static int hold_to(struct reading *r, const struct yaml_node *node)
{
    return read_time(r, node, &((struct retention_hold *)r->item)->to_ns);
}

static int hold_class(struct reading *r, const struct yaml_node *node)
{
    enum record_class class;
    int rc = read_class(r, node, &class);
    if (rc == 0)
        ((struct retention_hold *)r->item)->classes = 1U << class;
    return rc;
}

static int hold_source(struct reading *r, const struct yaml_node *node)
{
    return setting_text(r, node, &((struct retention_hold *)r->item)->source);
}

static int hold_text(struct reading *r, const struct yaml_node *node)
{
    return setting_text(r, node, &((struct retention_hold *)r->item)->text);
}

const struct setting config_hold_settings[] = {
    {"name", "of the case", "required", hold_name},
    {"from", "records from this time on (the event's, else of receipt)", "the beginning", hold_from},
    {"to", "and before this one", "the end", hold_to},
    {"class", "security, audit or debug", "all", hold_class},
    {"source", "from this source; a * at its end stands for any rest", "any", hold_source},
    {"text", "in whose raw text this occurs", "any", hold_text},
    {0}};

static int read_holds(struct reading *r, const struct yaml_node *node)
{
    struct config *c = r->config;
    int rc = setting_list(r, node);
    if (rc != 0)
        return rc;
    c->retention_hold_count = node->count;
    c->retention_holds = ARENA_ARRAY(&c->arena, struct retention_hold, node->count + 1);
    for (size_t i = 0; i < node->count; i++)
        c->retention_holds[i] = (struct retention_hold){
            .from_ns = INT64_MIN, .to_ns = INT64_MAX, .classes = (1U << CLASS_COUNT) - 1};
    rc = setting_rows(r, node, config_hold_settings, c->retention_holds, sizeof c->retention_holds[0]);
    for (size_t i = 0; rc == 0 && i < node->count; i++)
        if (c->retention_holds[i].name == NULL ||
            c->retention_holds[i].from_ns >= c->retention_holds[i].to_ns)
            rc = setting_bad(r, node, "every hold needs a name, and ends after it begins");
    return rc;
}

const struct setting config_retention_settings[] = {
    {"security", "how long events and findings are kept; `forever` is possible in all three",
     "9480h (13 months)", read_security},
    {"audit", "what people and Tocsin did: commands, decisions, what was sent", "61368h (7 years)",
     read_audit},
    {"debug", "ticks, and what `classes` puts there; what caused a finding is kept as security is",
     "720h (30 days)", read_debug},
    {"classes", "which class events get: the first row that fits; security where none does", "none",
     read_classes},
    {"holds", "what is not dropped while it is named here", "none", read_holds},
    {"segment_age", "a new segment is begun after this time; what is dropped goes so much later at most",
     "24h", read_segment_age},
    {"cold_after", "when a closed segment is packed", "1h", read_cold_after},
    {"archive", "directory that gets a copy of each cold segment before something is dropped from it", "none",
     read_archive},
    {"distrust", "how long nothing is dropped after the clock has jumped ahead", "24h", read_distrust},
    {0}};

int config_read_retention(struct reading *r, const struct yaml_node *node)
{
    return setting_section(r, node, config_retention_settings);
}
