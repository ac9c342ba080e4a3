/*
 * Web servers' lines; see parse_web.h.
 *
 * What a client chose (user, request, referer, agent) stands in quotes in which the server escaped quotes
 * with a backslash, so a quoted group takes escapes as pairs. Only nginx before 1.11.8 wrote them as they
 * came.
 */
#include "event/parse_web.h"

#include "event/pattern.h"
#include "event/text_event.h"

#include <pthread.h>

#define QUOTED(group) "\"(?<" group ">(?:[^\"\\\\]|\\\\.)*+)\""
#define ADDRESS       "(?<ip>[0-9A-Fa-f.:]+|[\\w.-]+)"

static const struct pattern patterns[] = {
    {.name = "web access",
     .literal = "] \"",
     .regex =
         "^(?:(?<vhost>[\\w.-]+|\\[[0-9A-Fa-f:]+\\])(?::(?<vport>\\d+))? (?=[0-9A-Fa-f]*[.:][0-9A-Fa-f.:]+ "
         "))?" ADDRESS ",? (?:\\S+) (?:\"\"|(?<user>[^\\[\"]*?)) \\[(?<time>[^\\]\"]+)\\] " QUOTED(
             "request") " (?<status>\\d{3}) (?<bytes>\\d+|-)(?: " QUOTED("referer") " " QUOTED("agent") ")?",
     .captures = {{"vhost", "url.domain", FIELD_STRING},
                  {"ip", "source.address", FIELD_STRING},
                  {"user", "user.name", FIELD_STRING},
                  {"time", "time", FIELD_STRING},
                  {"request", "request", FIELD_STRING},
                  {"status", "http.response.status_code", FIELD_NUMBER},
                  {"bytes", "http.response.body.bytes", FIELD_NUMBER},
                  {"referer", "http.request.referrer", FIELD_STRING},
                  {"agent", "user_agent.original", FIELD_STRING}}},
};
static const struct pattern nginx_errors[] = {
    {.name = "nginx error",
     .literal = "#",
     .regex = "^(?<time>\\d{4}/\\d\\d/\\d\\d \\d\\d:\\d\\d:\\d\\d) \\[(?<level>\\w+)\\] "
              "(?<pid>\\d+)#(?<tid>\\d+): (?:\\*\\d+ )?"
              "(?<message>.*?)(?:,? client:? ?" ADDRESS
              "(?::\\d+)?(?= connected|,|$)(?:, server: (?<server>[^,]*))?"
              "(?:, request: \"(?<request>.*?)\")?(?:, upstream: \"[^\"]*\")?(?:, host: \"(?<host>[^\"]*)\")?"
              "(?:, referrer: \"(?<referer>[^\"]*)\")?.*)?$",
     .captures = {{"time", "time", FIELD_STRING},
                  {"level", "log.level", FIELD_STRING},
                  {"pid", "process.pid", FIELD_NUMBER},
                  {"tid", "process.thread.id", FIELD_NUMBER},
                  {"message", "message", FIELD_STRING},
                  {"ip", "source.address", FIELD_STRING},
                  {"server", "server.name", FIELD_STRING},
                  {"request", "request", FIELD_STRING},
                  {"host", "url.domain", FIELD_STRING},
                  {"referer", "http.request.referrer", FIELD_STRING}}},
};
static const struct pattern apache_errors[] = {
    {.name = "apache error",
     .starts = "[",
     .regex = "^\\[(?<time>[^\\]]{15,40})\\] \\[(?:(?<module>[\\w-]*):)?(?<level>[a-z]+\\d?)\\]"
              "(?: \\[pid (?<pid>\\d+)(?::tid (?<tid>\\d+))?\\])?(?: \\[(?:remote|client) "
              "\\[?(?<ip>\\d+\\.\\d+\\.\\d+\\.\\d+|[0-9A-Fa-f:.]+?|[\\w.-]+?)\\]?(?::(?<port>\\d+))?\\])?"
              " (?<message>.*)$",
     .captures = {{"time", "time", FIELD_STRING},
                  {"module", "apache.error.module", FIELD_STRING},
                  {"level", "log.level", FIELD_STRING},
                  {"pid", "process.pid", FIELD_NUMBER},
                  {"tid", "process.thread.id", FIELD_NUMBER},
                  {"ip", "source.address", FIELD_STRING},
                  {"port", "source.port", FIELD_NUMBER},
                  {"message", "message", FIELD_STRING}}},
};

/* What Sigma's rules on web servers call it. */
static const struct text_event_alias sigma_names[] = {
    {"source.ip", "c-ip"},
    {"source.address", "c-ip"},
    {"http.request.method", "cs-method"},
    {"url.path", "cs-uri-stem"},
    {"user.name", "cs-username"},
    {"url.domain", "cs-host"},
    {"http.response.status_code", "sc-status"},
    {"user_agent.original", "cs-user-agent"},
    {"http.request.referrer", "cs-referer"},
};

static struct {
    pthread_once_t once;
    struct pattern_set *access, *nginx, *apache;
} built_in = {.once = PTHREAD_ONCE_INIT};

static void make_built_in(void)
{
    struct err err = {0};
    built_in.access = pattern_set_new(patterns, TC_ARRAY_LEN(patterns), &err);
    built_in.nginx = pattern_set_new(nginx_errors, TC_ARRAY_LEN(nginx_errors), &err);
    built_in.apache = pattern_set_new(apache_errors, TC_ARRAY_LEN(apache_errors), &err);
    tc_assert(built_in.access != NULL && built_in.nginx != NULL && built_in.apache != NULL);
}

/* --- the request --- */

static bool is_method(struct sv word)
{
    for (size_t i = 0; i < word.n; i++)
        if ((word.p[i] < 'A' || word.p[i] > 'Z') && word.p[i] != '-' && word.p[i] != '_')
            return false;
    return word.n > 0 && word.n <= 20;
}

/* "http://host:80/path" -> "/path"; others as they are. */
static struct sv without_origin(struct sv target)
{
    struct sv scheme = SV("://");
    size_t at = sv_find(sv_head(target, 16), scheme);
    if (at >= TC_MIN(target.n, (size_t)16))
        return target;
    struct sv rest = sv_from(target, at + scheme.n);
    size_t slash = sv_find_char(rest, '/');
    return slash == rest.n ? SV("/") : sv_from(rest, slash);
}

static void add_target(struct text_event *text, struct sv target)
{
    struct sv path = without_origin(target), query = path;
    path = sv_cut(&query, '?');
    text_event_add(text, SV("url.original"), target, FIELD_STRING);
    if (path.n > 0)
        text_event_derive(text, "url.path", path, FIELD_STRING);
    if (query.n > 0) {
        text_event_derive(text, "url.query", query, FIELD_STRING);
        text_event_derive(text, "cs-uri-query", query, FIELD_STRING);
    }
    text_event_derive(text, "cs-uri-query", target, FIELD_STRING);
}

/* A request that is none (a port scan, TLS spoken to a plain port) is kept whole. */
void parse_web_add_request(struct text_event *text, struct sv request)
{
    struct sv rest = request, method = sv_cut(&rest, ' ');
    size_t last = rest.n;
    while (last > 0 && rest.p[last - 1] != ' ')
        last--;
    struct sv protocol = sv_from(rest, last), http = SV("HTTP/");
    bool has_protocol = sv_starts(protocol, http) && last > 0;
    struct sv target = has_protocol ? sv_head(rest, last - 1) : rest;
    if (!is_method(method) || target.n == 0) {
        text_event_add(text, SV("http.request.line"), request, FIELD_STRING);
        text_event_derive(text, "cs-uri-query", request, FIELD_STRING);
        return;
    }
    text_event_add(text, SV("http.request.method"), method, FIELD_STRING);
    add_target(text, target);
    if (has_protocol)
        text_event_add(text, SV("http.version"), sv_from(protocol, http.n), FIELD_STRING);
}

void parse_web_add_sigma_names(struct text_event *text)
{
    text_event_aliases(text, sigma_names, TC_ARRAY_LEN(sigma_names));
}

/* --- the event --- */

static void take_field(struct text_event *text, const struct field *field, int zone_offset_s,
                       struct event *event)
{
    if (field->value.n == 0 || sv_is(field->value, "-"))
        return;
    if (sv_is(field->name, "time"))
        text_event_time(field->value, zone_offset_s, &event->time.ns);
    else if (sv_is(field->name, "request"))
        parse_web_add_request(text, field->value);
    else
        text_event_add(text, field->name, field->value, field->type);
}

static bool match(const struct pattern_set *set, struct sv line, int zone_offset_s, struct arena *arena,
                  struct event *ret)
{
    struct field fields[TC_PATTERN_FIELDS_MAX];
    struct text_event text;
    uint32_t count;
    if (pattern_match(set, (struct sv){0}, line, arena, fields, &count, NULL) != PATTERN_MATCH)
        return false;
    text_event_begin(&text, arena);
    ret->time.ns = TC_NO_TIME;
    for (uint32_t i = 0; i < count; i++)
        take_field(&text, &fields[i], zone_offset_s, ret);
    if (ret->time.ns == TC_NO_TIME)
        return false;
    parse_web_add_sigma_names(&text);
    text_event_end(&text, ret);
    return true;
}

static enum parse_outcome parse_line(const struct pattern_set *errors, const struct parse_state *state,
                                     struct sv raw, struct arena *arena, struct event *ret)
{
    struct sv line = text_event_clean(raw, arena, ret);
    if (line.n == 0)
        return PARSE_SKIP;
    if (!match(built_in.access, line, state->zone_offset_s, arena, ret) &&
        !match(errors, line, state->zone_offset_s, arena, ret))
        return PARSE_TEXT;
    ret->category = SV("webserver");
    return PARSE_OK;
}

enum parse_outcome parse_nginx(const struct parser *parser, struct parse_state *state, struct sv raw,
                               struct arena *arena, struct event *ret)
{
    (void)parser;
    pthread_once(&built_in.once, make_built_in);
    ret->service = SV("nginx");
    return parse_line(built_in.nginx, state, raw, arena, ret);
}

enum parse_outcome parse_apache(const struct parser *parser, struct parse_state *state, struct sv raw,
                                struct arena *arena, struct event *ret)
{
    (void)parser;
    pthread_once(&built_in.once, make_built_in);
    ret->service = SV("apache");
    return parse_line(built_in.apache, state, raw, arena, ret);
}

/* --- recognising --- */

static bool is_line_of(struct pattern_set *const *set, struct sv line)
{
    struct arena arena = {0};
    struct event event = {0};
    pthread_once(&built_in.once, make_built_in);
    bool ok = match(*set, sv_trim(line), 0, &arena, &event);
    arena_free(&arena);
    return ok;
}

bool parse_web_is_access(struct sv line)
{
    return is_line_of(&built_in.access, line);
}

bool parse_web_is_nginx_error(struct sv line)
{
    return is_line_of(&built_in.nginx, line);
}

bool parse_web_is_apache_error(struct sv line)
{
    return is_line_of(&built_in.apache, line);
}
