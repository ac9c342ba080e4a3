/*
 * Alertmanager's API v2, as far as amtool and Grafana's data source ask for alerts: a thin adapter over the
 * open alerts of the projection. Ended alerts are not listed, as there.
 *
 *   active, silenced, inhibited, unprocessed   true or false; nothing is silenced or inhibited yet, so that
 *                                              active=false leaves an empty list
 *   filter     a matcher on a label, repeated: name="value", name!=value, name=~"regex", name!~"regex"
 *   receiver   a regex on the names of channels
 *
 * Regexes are anchored, as there. RE2 is theirs and PCRE2 is ours, so what RE2 refuses (look-around,
 * back-references, possessive and atomic groups) is refused here too, and matching has limits.
 */
#include "api/api_priv.h"

#include "base/json_out.h"

#include <ctype.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

enum { MATCHERS_MAX = 32 };

struct matcher {
    struct sv name, value;
    bool negative;
    pcre2_code *regex; /* NULL: plain equality */
};

struct selection {
    struct arena arena;
    struct matcher matchers[MATCHERS_MAX];
    size_t count;
    pcre2_code *receiver;
    bool active;
    const char *problem; /* what was not understood */
};

/* --- matchers --------------------------------------------------------------------------------------------
 */

/* Constructs of PCRE2 that RE2 does not have. */
static bool beyond_re2(struct sv regex)
{
    static const char *const groups[] = {"(?=", "(?!", "(?<=", "(?<!", "(?>",
                                         "(?|", "(?(", "(?R",  "(?&",  "(*"};
    for (size_t i = 0; i < TC_ARRAY_LEN(groups); i++)
        if (sv_find(regex, sv_of(groups[i])) < regex.n)
            return true;
    for (size_t i = 0; i + 1 < regex.n; i++) {
        char c = regex.p[i], next = regex.p[i + 1];
        if (c == '\\' && (isdigit((unsigned char)next) || strchr("gkKGRXhH", next) != NULL))
            return true;
        if (strchr("*+?}", c) != NULL && next == '+')
            return true;
        i += c == '\\';
    }
    return false;
}

static pcre2_code *compile(struct sv text)
{
    int code;
    PCRE2_SIZE offset;
    if (text.n > 1000 || beyond_re2(text))
        return NULL;
    return pcre2_compile((PCRE2_SPTR)(text.n == 0 ? "" : text.p), text.n,
                         PCRE2_ANCHORED | PCRE2_ENDANCHORED | PCRE2_UTF | PCRE2_NEVER_BACKSLASH_C, &code,
                         &offset, NULL);
}

/* 1 matches, 0 does not, -1 the limit was hit. */
static int regex_matches(pcre2_code *regex, struct sv text)
{
    pcre2_match_context *limits = pcre2_match_context_create(NULL);
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    pcre2_set_match_limit(limits, 100 * 1000);
    pcre2_set_heap_limit(limits, 1024);
    int rc = pcre2_match(regex, (PCRE2_SPTR)(text.n == 0 ? "" : text.p), text.n, 0, 0, data, limits);
    pcre2_match_data_free(data);
    pcre2_match_context_free(limits);
    return rc >= 0 ? 1 : rc == PCRE2_ERROR_NOMATCH ? 0 : -1;
}

/* The text between double quotes with \" \\ \n undone, or a bare word. p == NULL where it is neither. */
static struct sv unquote(struct arena *arena, struct sv text)
{
    if (!sv_starts(text, SV("\"")))
        return sv_find_char(text, '"') < text.n ? (struct sv){0} : arena_sv(arena, text);
    char *out = arena_alloc_raw(arena, text.n, 1);
    size_t n = 0, i = 1;
    for (; i < text.n && text.p[i] != '"'; i++) {
        char c = text.p[i];
        if (c == '\\' && i + 1 < text.n) {
            c = text.p[++i];
            if (c != 'n' && c != '"' && c != '\\')
                return (struct sv){0};
            c = c == 'n' ? '\n' : c;
        }
        out[n++] = c;
    }
    return i + 1 == text.n ? sv_make(out, n) : (struct sv){0};
}

static bool is_label_name(struct sv name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!isalpha((unsigned char)name.p[i]) && strchr("_.", name.p[i]) == NULL &&
            (i == 0 || !isdigit((unsigned char)name.p[i])))
            return false;
    return name.n > 0;
}

static bool add_matcher(struct selection *selection, struct sv text)
{
    size_t at = 0;
    while (at < text.n && strchr("=!", text.p[at]) == NULL)
        at++;
    struct sv name = sv_trim(sv_head(text, at)), rest = sv_from(text, at);
    bool negative = sv_starts(rest, SV("!"));
    bool regex = sv_starts(rest, SV("=~")) || sv_starts(rest, SV("!~"));
    if (!is_label_name(name) || rest.n == 0 || selection->count >= MATCHERS_MAX ||
        (negative && !regex && !sv_starts(rest, SV("!="))))
        return false;
    struct matcher *matcher = &selection->matchers[selection->count];
    *matcher = (struct matcher){.name = arena_sv(&selection->arena, name), .negative = negative};
    matcher->value = unquote(&selection->arena, sv_trim(sv_from(rest, regex || negative ? 2 : 1)));
    if (matcher->value.p == NULL || (regex && (matcher->regex = compile(matcher->value)) == NULL))
        return false;
    selection->count++;
    return true;
}

static struct sv label_of(const struct alert *alert, struct sv name)
{
    for (size_t i = 0; i < alert->label_count; i++)
        if (sv_eq(alert->labels[i].name, name))
            return alert->labels[i].value;
    return SV(""); /* an absent label is an empty one, as in Alertmanager */
}

static bool alert_selected(struct selection *selection, const struct alert *alert)
{
    for (size_t i = 0; i < selection->count; i++) {
        const struct matcher *matcher = &selection->matchers[i];
        struct sv value = label_of(alert, matcher->name);
        int yes =
            matcher->regex == NULL ? sv_eq(value, matcher->value) : regex_matches(matcher->regex, value);
        if (yes < 0)
            selection->problem = "a regex of the filter takes too many steps: make it simpler";
        if (yes < 0 || (yes == 1) == matcher->negative)
            return false;
    }
    return true;
}

/* --- the query -------------------------------------------------------------------------------------------
 */

static bool select_param(void *context, struct sv name, struct sv value)
{
    struct selection *selection = context;
    static const char *const flags[] = {"active", "silenced", "inhibited", "unprocessed"};
    for (size_t i = 0; i < TC_ARRAY_LEN(flags); i++)
        if (sv_is(name, flags[i])) {
            if (i == 0)
                selection->active = sv_is(value, "true");
            if (!sv_is(value, "true") && !sv_is(value, "false"))
                selection->problem = "active, silenced, inhibited and unprocessed are true or false";
            return selection->problem == NULL;
        }
    if (sv_is(name, "filter")) {
        if (!add_matcher(selection, value))
            selection->problem = "a filter is name=\"value\", with =, !=, =~ or !~ and RE2's regexes";
    } else if (sv_is(name, "receiver")) {
        pcre2_code_free(selection->receiver);
        if ((selection->receiver = compile(value)) == NULL)
            selection->problem = "receiver is one of RE2's regexes";
    } else {
        selection->problem = "the query takes active, silenced, inhibited, unprocessed, filter and receiver";
    }
    return selection->problem == NULL;
}

static void selection_fini(struct selection *selection)
{
    for (size_t i = 0; i < selection->count; i++)
        pcre2_code_free(selection->matchers[i].regex);
    pcre2_code_free(selection->receiver);
    arena_free(&selection->arena);
}

static bool receiver_selected(const struct api *api, const struct selection *selection)
{
    if (selection->receiver == NULL)
        return true;
    for (size_t i = 0; i < api->options.receiver_count; i++)
        if (regex_matches(selection->receiver, api->options.receivers[i]) == 1)
            return true;
    return false;
}

/* --- GET /api/v2/alerts ----------------------------------------------------------------------------------
 */

struct gathering {
    struct api *api;
    struct selection selection;
    struct json_out json;
    struct buf one;
    struct arena arena;
    struct err err;
};

static int gather_row(void *context, const struct alert_row *row)
{
    struct gathering *all = context;
    struct alert alert;
    arena_reset(&all->arena);
    int rc = alert_from_json(row->json, &all->arena, &alert, &all->err);
    if (rc != 0 || !alert_selected(&all->selection, &alert))
        return rc;
    buf_clear(&all->one);
    alert_to_alertmanager_json(&alert, all->api->options.receivers, all->api->options.receiver_count,
                               all->api->console, &all->one);
    json_raw(&all->json, buf_view(&all->one));
    return 0;
}

static int gather(struct gathering *all)
{
    struct alert_filter filter = {.open_only = true, .limit = TC_API_LIST_MAX};
    struct store *store;
    int rc = alerts_store_take(all->api, &store, &all->err);
    if (rc != 0)
        return rc;
    rc = store_each_alert(store, &filter, gather_row, all, &all->err);
    alerts_store_give(all->api);
    return rc;
}

void alertmanager_alerts(struct api *api, struct request *request, struct reply *reply)
{
    struct gathering all = {.api = api, .selection = {.active = true}, .json = json_out_to(&reply->body)};
    const char *const *problem = (const char *const *)&all.selection.problem;
    int rc = 0;
    buf_init(&all.one, 4 << 20);
    if (!request_query(request, select_param, &all.selection) && *problem == NULL)
        all.selection.problem = "the query is not properly percent-encoded";
    json_array(&all.json);
    if (*problem == NULL && all.selection.active && receiver_selected(api, &all.selection))
        rc = gather(&all);
    json_array_end(&all.json);
    reply_json(reply, 200);
    if (*problem != NULL)
        reply_error(reply, 400, "%s", *problem);
    else if (rc != 0)
        reply_error(reply, 503, "the alerts cannot be read now: %s", all.err.text);
    else if (reply->body.overflow)
        reply_error(reply, 413, "the answer would be too long: ask with a filter");
    selection_fini(&all.selection);
    buf_free(&all.one);
    arena_free(&all.arena);
}

/* --- the small ones --------------------------------------------------------------------------------------
 */

void alertmanager_status(struct api *api, struct request *request, struct reply *reply)
{
    static const char *const version[] = {"branch", "buildDate", "buildUser", "goVersion", "revision"};
    struct json_out json = json_out_to(&reply->body);
    (void)request;
    reply_json(reply, 200);
    json_object(&json);
    json_key(&json, SV("cluster"));
    json_object(&json);
    json_kv_str(&json, "status", "disabled");
    json_object_end(&json);
    json_key(&json, SV("config"));
    json_object(&json);
    json_kv_str(&json, "original", "");
    json_object_end(&json);
    json_kv_time(&json, "uptime", api->started_ns);
    json_key(&json, SV("versionInfo"));
    json_object(&json);
    json_kv_str(&json, "version", "tocsin " TC_VERSION);
    for (size_t i = 0; i < TC_ARRAY_LEN(version); i++)
        json_kv_str(&json, version[i], "");
    json_object_end(&json);
    json_object_end(&json);
}

void alertmanager_receivers(struct api *api, struct request *request, struct reply *reply)
{
    struct json_out json = json_out_to(&reply->body);
    (void)request;
    reply_json(reply, 200);
    json_array(&json);
    for (size_t i = 0; i < api->options.receiver_count; i++) {
        json_object(&json);
        json_kv_string(&json, "name", api->options.receivers[i]);
        json_object_end(&json);
    }
    json_array_end(&json);
}
