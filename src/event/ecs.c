/*
 * Derived fields and the time of JSON events; see ecs.h. Tables, so that a name is added by a line.
 */
#include "event/ecs.h"

#include "base/num.h"

#include <arpa/inet.h>
#include <stdio.h>

enum { DERIVED_MAX = 16 };

struct name {
    const char *text;
    uint32_t hash;
};

enum accept { ACCEPT_TEXT, ACCEPT_ADDRESS, ACCEPT_EVENT_TYPE };

struct rule {
    const char *target;
    enum accept accept;
    struct name from[24]; /* first that is present and acceptable */
};

#define N(text)                                                                                              \
    {                                                                                                        \
        text, 0                                                                                              \
    }

static struct rule rules[] = {
    {"source.ip",
     ACCEPT_ADDRESS,
     {N("source_ip"),  N("sourceIp"),   N("src_ip"),        N("srcip"),          N("client_ip"),
      N("clientIp"),   N("client.ip"),  N("remote_ip"),     N("remote_addr"),    N("sourceIPAddress"),
      N("ip"),         N("ip_address"), N("ipAddress"),     N("srcaddr"),        N("src"),
      N("SourceIp"),   N("IpAddress"),  N("SourceAddress"), N("source.address"), N("context.ip"),
      N("request.ip"), N("source")}},
    {"user.name",
     ACCEPT_TEXT,
     {N("user_name"), N("userName"), N("username"), N("user"), N("account"), N("account_name"), N("login"),
      N("email"), N("user.email"), N("user_email"), N("userIdentity.userName"), N("TargetUserName"),
      N("context.user"), N("context.username"), N("user_id"), N("userId"), N("user.id")}},
    {"host.name",
     ACCEPT_TEXT,
     {N("hostname"), N("host_name"), N("host"), N("computer_name"), N("Computer"), N("ComputerName")}},
    {"service.name",
     ACCEPT_TEXT,
     {N("service"), N("service_name"), N("serviceName"), N("app"), N("application")}},
    {"event_type",
     ACCEPT_EVENT_TYPE,
     {N("type"), N("event"), N("action"), N("event.action"), N("eventType"), N("event_name"),
      N("eventName")}},
    {"event.action", ACCEPT_TEXT, {N("event_type"), N("action"), N("eventName"), N("eventType"), N("type")}},
    {"event.outcome", ACCEPT_TEXT, {N("outcome"), N("result"), N("event.result")}},
};

/* The names of authentication events that packs know (ledger A-02). */
static const char *const event_types[] = {
    "login_success", "login_failed",    "account_locked",  "lockout_attempt_while_locked",
    "token_refresh", "api_key_created", "api_key_revoked", "api_key_used",
    "mfa_success",   "mfa_failed",      "mfa_challenge",   "mfa_enabled",
    "mfa_disabled",  "PASSWORD_RESET",  "password_reset"};

static struct name time_names[] = {N("@timestamp"),
                                   N("timestamp"),
                                   N("time"),
                                   N("event_time"),
                                   N("eventTime"),
                                   N("event.created"),
                                   N("EventTime"),
                                   N("UtcTime"),
                                   N("TimeCreated"),
                                   N("Event.System.TimeCreated.#attributes.SystemTime"),
                                   N("SystemTime"),
                                   N("ts"),
                                   N("_time"),
                                   N("datetime"),
                                   N("date"),
                                   N("created_at"),
                                   N("createdAt"),
                                   N("startTime"),
                                   N("detail.eventTime")};

static struct name logsource_names[] = {N("logsource.product"), N("logsource.category"),
                                        N("logsource.service")};

__attribute__((constructor)) static void hash_names(void)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(rules); i++)
        for (size_t j = 0; j < TC_ARRAY_LEN(rules[i].from) && rules[i].from[j].text != NULL; j++)
            rules[i].from[j].hash = event_name_hash(sv_of(rules[i].from[j].text));
    for (size_t i = 0; i < TC_ARRAY_LEN(time_names); i++)
        time_names[i].hash = event_name_hash(sv_of(time_names[i].text));
    for (size_t i = 0; i < TC_ARRAY_LEN(logsource_names); i++)
        logsource_names[i].hash = event_name_hash(sv_of(logsource_names[i].text));
}

static const struct field *find(const struct event *event, const struct name *name)
{
    return event_find(event, sv_of(name->text), name->hash);
}

bool ecs_is_address(struct sv text)
{
    char copy[INET6_ADDRSTRLEN + 2];
    struct in6_addr address;
    if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = sv_make(text.p + 1, text.n - 2);
    if (text.n < 2 || text.n >= sizeof copy)
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return inet_pton(AF_INET, copy, &address) == 1 || inet_pton(AF_INET6, copy, &address) == 1;
}

static bool acceptable(enum accept accept, const struct field *field)
{
    if ((field->type != FIELD_STRING && field->type != FIELD_NUMBER) || field->value.n == 0)
        return false;
    if (accept == ACCEPT_ADDRESS)
        return ecs_is_address(field->value);
    if (accept == ACCEPT_TEXT)
        return true;
    for (size_t i = 0; i < TC_ARRAY_LEN(event_types); i++)
        if (sv_is(field->value, event_types[i]))
            return true;
    return false;
}

struct derived {
    struct field fields[DERIVED_MAX];
    uint32_t count;
};

static void add(struct derived *derived, const char *name, uint32_t hash, struct sv value, uint8_t type)
{
    derived->fields[derived->count++] = (struct field){.name = sv_of(name),
                                                       .exact = sv_of(name),
                                                       .value = value,
                                                       .name_hash = hash,
                                                       .next_same = -1,
                                                       .type = type,
                                                       .flags = FIELD_DERIVED};
}

static void derive(const struct event *event, struct derived *derived)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(rules); i++) {
        const struct rule *rule = &rules[i];
        uint32_t hash = event_name_hash(sv_of(rule->target));
        if (event_find(event, sv_of(rule->target), hash) != NULL)
            continue;
        for (size_t j = 0; j < TC_ARRAY_LEN(rule->from) && rule->from[j].text != NULL; j++) {
            const struct field *field = find(event, &rule->from[j]);
            if (field != NULL && acceptable(rule->accept, field)) {
                add(derived, rule->target, hash, field->value, field->type);
                break;
            }
        }
    }
}

/* The record block keeps the logsource as fields only. */
static void logsource(struct event *event, struct derived *derived)
{
    struct sv *values[] = {&event->product, &event->category, &event->service};
    for (size_t i = 0; i < TC_ARRAY_LEN(values); i++) {
        const struct field *field = find(event, &logsource_names[i]);
        if (field != NULL && field->type == FIELD_STRING)
            *values[i] = field->value;
        else if (values[i]->n > 0)
            add(derived, logsource_names[i].text, logsource_names[i].hash, *values[i], FIELD_STRING);
    }
}

void ecs_derive(struct event *event, struct arena *arena)
{
    struct derived derived = {.count = 0};
    event_index(event, arena);
    derive(event, &derived);
    logsource(event, &derived);
    if (derived.count == 0)
        return;
    uint32_t count = event->field_count + derived.count;
    struct field *fields = arena_alloc_raw(arena, count * sizeof fields[0], 16);
    memcpy(fields, event->fields, event->field_count * sizeof fields[0]);
    memcpy(fields + event->field_count, derived.fields, derived.count * sizeof fields[0]);
    event->fields = fields;
    event->field_count = count;
    event_index(event, arena);
}

/* --- time
 * ------------------------------------------------------------------------------------------------------------
 */

/* Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their size; a fraction is
 * taken exactly. */
static bool epoch_time(struct sv text, int64_t *ret_ns)
{
    size_t point = sv_find_char(text, '.');
    int64_t whole, scale, ns;
    if (!num_i64(sv_head(text, point), &whole) || whole < 0)
        return false;
    if (whole < INT64_C(100000000000))
        scale = TC_SECOND_NS;
    else if (whole < INT64_C(100000000000000))
        scale = TC_SECOND_NS / 1000;
    else if (whole < INT64_C(100000000000000000))
        scale = TC_SECOND_NS / 1000000;
    else
        scale = 1;
    if (whole < 100000000 ||
        __builtin_mul_overflow(whole, scale, &ns)) /* before 1973: a small number, not a time */
        return false;
    for (size_t i = point + 1; i < text.n; i++) {
        if (text.p[i] < '0' || text.p[i] > '9')
            return false;
        scale /= 10;
        ns += (text.p[i] - '0') * scale;
    }
    *ret_ns = ns;
    return true;
}

int64_t ecs_time(const struct event *event, int zone_offset_s)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(time_names); i++) {
        const struct field *field = find(event, &time_names[i]);
        int64_t ns;
        if (field == NULL || (field->type != FIELD_STRING && field->type != FIELD_NUMBER))
            continue;
        if (field->type == FIELD_STRING && clk_parse_rfc3339(field->value, zone_offset_s, &ns))
            return ns;
        if (epoch_time(field->value, &ns))
            return ns;
    }
    return TC_NO_TIME;
}
