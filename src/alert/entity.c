/*
 * What an alert is about: the labels that tell one alert of a rule from another (ledger D-05, D-07).
 *
 * A correlation is about its group. A detection is about the fields that its rule names (tocsin: entity), or,
 * where it names none, about the first of user, address, host, vendor, queue, service that the event has:
 * without it, unrelated events of one rule would merge. The first line of a class that has a value wins; the
 * entity bears the class's name, so that `User` and `user.name` of the same person merge.
 *
 * Values are hostile and of any length. The merge key hashes them whole; labels hold them cleaned and cut.
 */
#include "alert/alert_priv.h"

#include "base/utf8.h"

#include <stdlib.h>

static const struct {
    const char *name; /* of the entity */
    const char *fields[18];
} classes[] = {
    {"user.name",
     {"user.name", "TargetUserName", "User", "UserName", "SubjectUserName", "AccountName", "userName",
      "username", "user", "userIdentity.userName", "userIdentity.arn", "UserId", "user.id", "user.email",
      "duser", "suser"}},
    {"source.ip",
     {"source.ip", "client.ip", "SourceIp", "IpAddress", "src_ip", "sourceIPAddress", "c-ip", "ClientIP",
      "client_ip", "remote_addr", "src", "source.address", "ip"}},
    {"host.name",
     {"host.name", "Computer", "ComputerName", "Hostname", "hostname", "WorkstationName", "host",
      "instance"}},
    {"vendor", {"vendor", "vendor.name", "observer.vendor"}},
    {"queue", {"queue", "queue.name", "QueueName", "messaging.destination.name"}},
    {"service.name", {"service.name", "service"}},
};

/* The first value of that name that says something: no container, not empty, not the "-" of logs. */
static struct sv value_in_event(const struct event *event, struct sv name)
{
    const struct field *field = event_find(event, name, event_name_hash(name));
    for (; field != NULL; field = event_next(event, field))
        if (field->type <= FIELD_BOOL && field->value.n > 0 && !sv_is(field->value, "-"))
            return field->value;
    return (struct sv){0};
}

static struct sv value_in_fields(const struct finding *finding, struct sv name)
{
    for (size_t i = 0; i < finding->field_count; i++)
        if (event_name_eq(finding->fields[i].name, name) && finding->fields[i].type <= FIELD_BOOL)
            return finding->fields[i].value;
    return (struct sv){0};
}

static struct sv value_of(const struct finding *finding, struct sv name)
{
    return finding->event != NULL ? value_in_event(finding->event, name) : value_in_fields(finding, name);
}

static size_t entity_of_rule(const struct finding *finding, struct alert_label *parts)
{
    size_t n = 0;
    for (size_t i = 0; i < finding->rule->entity_field_count; i++) {
        struct sv name = finding->rule->entity_fields[i], value = value_of(finding, name);
        if (value.n > 0)
            parts[n++] = (struct alert_label){name, value};
    }
    return n;
}

static size_t entity_by_default(const struct finding *finding, struct alert_label *parts)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(classes); i++)
        for (size_t j = 0; j < TC_ARRAY_LEN(classes[i].fields) && classes[i].fields[j] != NULL; j++) {
            struct sv value = value_of(finding, sv_of(classes[i].fields[j]));
            if (value.n > 0) {
                parts[0] = (struct alert_label){sv_of(classes[i].name), value};
                return 1;
            }
        }
    return 0;
}

void entity_of(const struct finding *finding, struct arena *arena, struct entity *ret)
{
    size_t room = TC_MAX(finding->group_count, finding->rule->entity_field_count) + 1;
    struct alert_label *parts = ARENA_ARRAY(arena, struct alert_label, room);
    *ret = (struct entity){.parts = parts};
    if (finding->kind != FINDING_DETECTION) { /* its group, or its label set */
        for (size_t i = 0; i < finding->group_count; i++)
            parts[ret->count++] = (struct alert_label){finding->group[i].name, finding->group[i].value};
    } else if (finding->rule->entity_field_count > 0) {
        ret->count = entity_of_rule(finding, parts);
    } else {
        ret->count = entity_by_default(finding, parts);
    }
}

/* Of a correlation its group says more than the event that completed it. */
static struct sv value_anywhere(const struct finding *finding, struct sv name)
{
    for (size_t i = 0; i < finding->group_count; i++)
        if (event_name_eq(finding->group[i].name, name) && finding->group[i].value.n > 0)
            return finding->group[i].value;
    return value_of(finding, name);
}

void entity_of_key(const struct finding *finding, const struct entity *entity, struct arena *arena,
                   struct entity *ret)
{
    const struct rule_info *rule = finding->rule;
    struct alert_label *parts = ARENA_ARRAY(arena, struct alert_label, rule->dedup_field_count + 1);
    *ret = (struct entity){.parts = parts, .overflow = entity->overflow};
    for (size_t i = 0; i < rule->dedup_field_count; i++) {
        struct sv value = value_anywhere(finding, rule->dedup_fields[i]);
        if (value.n > 0)
            parts[ret->count++] = (struct alert_label){rule->dedup_fields[i], value};
    }
    if (ret->count == 0)
        *ret = *entity;
}

static void key_text(struct sha256_ctx *context, struct sv text)
{
    uint8_t length[8];
    store_u64(length, text.n);
    sha256_update(context, sizeof length, length);
    if (text.n > 0)
        sha256_update(context, text.n, (const uint8_t *)text.p);
}

void entity_key(struct sv rule_id, enum severity severity, const struct entity *entity,
                uint8_t ret[TC_SHA256_BYTES])
{
    struct sha256_ctx context;
    sha256_init(&context);
    key_text(&context, entity->overflow ? SV("overflow 1") : SV("entity 1"));
    key_text(&context, rule_id);
    key_text(&context, sv_of(severity_name(severity)));
    for (size_t i = 0; i < entity->count; i++) {
        key_text(&context, entity->parts[i].name);
        key_text(&context, entity->parts[i].value);
    }
    hash_sha256_final(&context, ret);
}

/* --- labels */

static bool label_char(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}

static bool label_taken(const struct alert_label *labels, size_t count, struct sv name)
{
    for (size_t i = 0; i < count; i++)
        if (sv_eq(labels[i].name, name))
            return true;
    return false;
}

/* "source.ip" becomes source_ip; a name that is taken already (severity, or a.b beside a_b) gets a prefix, as
 * Prometheus does with scraped ones. */
static struct sv label_name(const struct alert_label *labels, size_t count, struct sv field,
                            struct arena *arena)
{
    enum { NAME_MAX_BYTES = 128 };
    size_t n = TC_MIN(field.n, (size_t)NAME_MAX_BYTES);
    bool digit_first = n == 0 || (field.p[0] >= '0' && field.p[0] <= '9');
    char *name = arena_alloc(arena, n + 2), *at = name;
    if (digit_first)
        *at++ = '_';
    for (size_t i = 0; i < n; i++)
        *at++ = label_char(field.p[i], false) ? field.p[i] : '_';
    struct sv made = sv_make(name, (size_t)(at - name));
    while (label_taken(labels, count, made))
        made = arena_printf(arena, "exported_%.*s", SV_FMT(made));
    return made;
}

static int compare_labels(const void *a, const void *b)
{
    const struct alert_label *x = a, *y = b;
    return sv_cmp(x->name, y->name);
}

size_t entity_labels(const struct rule_info *rule, enum severity severity, const struct entity *entity,
                     struct arena *arena, struct alert_label ret[ALERT_LABELS_MAX])
{
    struct sv title = rule->title.n > 0 ? rule->title : rule->name.n > 0 ? rule->name : rule->id;
    size_t n = 0;
    ret[n++] = (struct alert_label){SV("alertname"), text_clean(arena, title, ALERT_TEXT_MAX)};
    ret[n++] = (struct alert_label){SV("rule_id"), text_clean(arena, rule->id, ALERT_TEXT_MAX)};
    ret[n++] = (struct alert_label){SV("severity"), sv_of(severity_word(severity))};
    if (entity->overflow)
        ret[n++] = (struct alert_label){SV("overflow"), SV("true")};
    for (size_t i = 0; i < entity->count && i < ALERT_ENTITY_MAX; i++) {
        struct sv value = text_clean(arena, entity->parts[i].value, ALERT_TEXT_MAX);
        if (value.n > 0) /* an empty label is no label to Alertmanager */
            ret[n] = (struct alert_label){label_name(ret, n, entity->parts[i].name, arena), value}, n++;
    }
    qsort(ret, n, sizeof ret[0], compare_labels);
    return n;
}

size_t entity_metric_labels(const struct finding *finding, struct arena *arena,
                            struct alert_label ret[ALERT_LABELS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < finding->group_count && n < ALERT_LABELS_MAX; i++) {
        struct sv name = text_line(arena, finding->group[i].name, ALERT_TEXT_MAX),
                  value = text_clean(arena, finding->group[i].value, ALERT_TEXT_MAX);
        if (name.n > 0 && value.n > 0 && !label_taken(ret, n, name))
            ret[n++] = (struct alert_label){name, value};
    }
    qsort(ret, n, sizeof ret[0], compare_labels);
    return n;
}

/* --- message */

enum { MESSAGE_VALUE_MAX = 120, MESSAGE_FIELDS_MAX = 3, MESSAGE_WHY_MAX = 300 };

static bool is_part(const struct entity *entity, struct sv value)
{
    for (size_t i = 0; i < entity->count; i++)
        if (sv_eq(entity->parts[i].value, value))
            return true;
    return false;
}

/* "name=value", long values cut with an ellipsis. */
static void message_pair(struct buf *out, struct arena *arena, struct sv name, struct sv value,
                         const char *before)
{
    buf_str(out, before);
    buf_sv(out, text_line(arena, name, MESSAGE_VALUE_MAX));
    buf_char(out, '=');
    struct sv shown = text_line(arena, value, MESSAGE_VALUE_MAX);
    buf_sv(out, shown);
    if (shown.n < value.n)
        buf_str(out, "\xE2\x80\xA6");
}

/* What a detection saw: the first fields that its rule read and that the entity has not said already. */
static void message_seen(struct buf *out, struct arena *arena, const struct finding *finding,
                         const struct entity *entity)
{
    size_t said = 0;
    for (size_t i = 0; i < finding->field_count && said < MESSAGE_FIELDS_MAX; i++) {
        const struct finding_field *field = &finding->fields[i];
        if (field->type > FIELD_BOOL || field->value.n == 0 || is_part(entity, field->value))
            continue;
        message_pair(out, arena, field->name, field->value, said == 0 ? " (" : ", ");
        said++;
    }
    if (said > 0)
        buf_char(out, ')');
}

/* What a rule on metrics says of itself. */
static struct sv own_words(const struct finding *finding)
{
    struct sv summary = {0};
    if (finding->kind == FINDING_METRIC)
        summary = value_in_fields(finding, SV("summary"));
    if (finding->kind == FINDING_METRIC && summary.n == 0)
        summary = value_in_fields(finding, SV("message"));
    return sv_trim(summary);
}

struct sv entity_message(const struct finding *finding, const struct entity *entity, struct arena *arena)
{
    const struct rule_info *rule = finding->rule;
    struct sv title = rule->title.n > 0 ? rule->title : rule->name.n > 0 ? rule->name : rule->id;
    struct sv own = entity->overflow ? (struct sv){0} : own_words(finding);
    struct buf out;
    if (own.n > 0)
        return text_line(arena, own, ALERT_MESSAGE_MAX);
    buf_init(&out, (size_t)ALERT_MESSAGE_MAX * 8);
    buf_sv(&out, text_line(arena, title, ALERT_TEXT_MAX));
    for (size_t i = 0; i < entity->count && i < ALERT_ENTITY_MAX; i++)
        message_pair(&out, arena, entity->parts[i].name, entity->parts[i].value, i == 0 ? ": " : ", ");
    if (entity->overflow)
        buf_str(&out, ": too many alerts are open, so the further ones of this rule are counted here");
    else if (finding->why.n > 0)
        buf_printf(&out, " (%.*s)", SV_FMT(text_line(arena, finding->why, MESSAGE_WHY_MAX)));
    else if (finding->kind == FINDING_CORRELATION)
        buf_printf(&out, " (count %u)", finding->count);
    else
        message_seen(&out, arena, finding, entity);
    struct sv message = arena_sv(arena, text_line(arena, buf_view(&out), ALERT_MESSAGE_MAX));
    buf_free(&out);
    return message;
}
