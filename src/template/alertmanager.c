/*
 * Alertmanager's data and functions; see alertmanager.h.
 */
#include "template/alertmanager.h"

#include "base/embedded.h"
#include "base/zone.h"
#include "template/common.h"
#include "template/go_time.h"

#include <sodium.h>

#define ZERO_TIME_S INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */

/* --- KV, Pairs, Alerts --- */

static const struct template_type pair_type = {.name = "template.Pair"};

static int pairs_column(struct template_call *call, const struct template_value *args, size_t n,
                        struct template_value *ret, struct err *err)
{
    (void)n, (void)err;
    const struct template_list *list = args[0].as.list;
    struct template_value *items = ARENA_ARRAY(call->arena, struct template_value, list->n + 1);
    for (size_t i = 0; i < list->n; i++)
        items[i] = *list->items[i].as.pairs->items[call->name[0] == 'V'].value;
    *ret = template_list(call->arena, &template_type_strings, items, list->n);
    return 0;
}

static void pairs_print(struct buf *out, struct template_value value)
{
    for (size_t i = 0; i < value.as.list->n; i++) {
        const struct template_pairs *pair = value.as.list->items[i].as.pairs;
        buf_printf(out, "%s%.*s=%.*s", i == 0 ? "" : ", ", SV_FMT(pair->items[0].value->as.text),
                   SV_FMT(pair->items[1].value->as.text));
    }
}

static const struct template_function pairs_methods[] = {
    {"Names", "", pairs_column}, {"Values", "", pairs_column}, {NULL, NULL, NULL}};
static const struct template_type pairs_type = {
    .name = "template.Pairs", .methods = pairs_methods, .print = pairs_print};

/* Sorted by name, alertname first. */
static struct template_value sorted_pairs(struct arena *arena, struct template_value kv)
{
    const struct template_pairs *pairs = kv.as.pairs;
    struct template_value *items = ARENA_ARRAY(arena, struct template_value, pairs->n + 1);
    size_t n = 0;
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < pairs->n; i++) {
            if (sv_is(pairs->items[i].name, "alertname") != (round == 0))
                continue;
            struct template_value *name = ARENA_NEW(arena, struct template_value);
            *name = template_text(pairs->items[i].name);
            struct template_pair *fields = ARENA_ARRAY(arena, struct template_pair, 2);
            fields[0] = (struct template_pair){SV("Name"), name};
            fields[1] = (struct template_pair){SV("Value"), pairs->items[i].value};
            items[n++] = template_object(arena, &pair_type, fields, 2);
        }
    return template_list(arena, &pairs_type, items, n);
}

static int kv_sorted_pairs(struct template_call *call, const struct template_value *args, size_t n,
                           struct template_value *ret, struct err *err)
{
    (void)n, (void)err;
    *ret = sorted_pairs(call->arena, args[0]);
    return 0;
}

static int kv_column(struct template_call *call, const struct template_value *args, size_t n,
                     struct template_value *ret, struct err *err)
{
    struct template_value pairs = sorted_pairs(call->arena, args[0]);
    return pairs_column(call, &pairs, n, ret, err);
}

static int kv_remove(struct template_call *call, const struct template_value *args, size_t n,
                     struct template_value *ret, struct err *err)
{
    (void)n, (void)err;
    const struct template_pairs *pairs = args[0].as.pairs;
    const struct template_list *names = args[1].as.list;
    struct template_pair *kept = ARENA_ARRAY(call->arena, struct template_pair, pairs->n + 1);
    size_t count = 0;
    for (size_t i = 0; i < pairs->n; i++) {
        bool removed = false;
        for (size_t j = 0; j < names->n && !removed; j++)
            removed = sv_eq(names->items[j].as.text, pairs->items[i].name);
        if (!removed)
            kept[count++] = pairs->items[i];
    }
    *ret = template_map(call->arena, args[0].type, kept, count);
    return 0;
}

static const struct template_function kv_methods[] = {{"SortedPairs", "", kv_sorted_pairs},
                                                      {"Names", "", kv_column},
                                                      {"Values", "", kv_column},
                                                      {"Remove", "S", kv_remove},
                                                      {NULL, NULL, NULL}};
static const struct template_type kv_type = {
    .name = "template.KV", .methods = kv_methods, .zero_is_text = true};

static int alerts_of_status(struct template_call *call, const struct template_value *args, size_t n,
                            struct template_value *ret, struct err *err)
{
    (void)n, (void)err;
    struct sv wanted = call->name[0] == 'F' ? SV("firing") : SV("resolved");
    const struct template_list *list = args[0].as.list;
    struct template_value *items = ARENA_ARRAY(call->arena, struct template_value, list->n + 1);
    size_t count = 0;
    for (size_t i = 0; i < list->n; i++) {
        const struct template_value *status = template_get(list->items[i], SV("Status"));
        if (status != NULL && sv_eq(status->as.text, wanted))
            items[count++] = list->items[i];
    }
    *ret = template_list(call->arena, &template_type_anys, items, count);
    return 0;
}

static const struct template_function alerts_methods[] = {
    {"Firing", "", alerts_of_status}, {"Resolved", "", alerts_of_status}, {NULL, NULL, NULL}};
static const struct template_type alerts_type = {.name = "template.Alerts", .methods = alerts_methods};

/* --- data from JSON --- */

static int read_text(struct arena *, struct template_value, struct template_value *, struct err *);
static int read_kv(struct arena *, struct template_value, struct template_value *, struct err *);
static int read_time(struct arena *, struct template_value, struct template_value *, struct err *);
static int read_alerts(struct arena *, struct template_value, struct template_value *, struct err *);

struct member {
    const char *name;
    const char *json;
    int (*read)(struct arena *, struct template_value, struct template_value *, struct err *);
};

static const struct member data_members[] = {
    {"Receiver", "receiver", read_text},
    {"Status", "status", read_text},
    {"Alerts", "alerts", read_alerts},
    {"GroupLabels", "groupLabels", read_kv},
    {"CommonLabels", "commonLabels", read_kv},
    {"CommonAnnotations", "commonAnnotations", read_kv},
    {"ExternalURL", "externalURL", read_text},
    {"RouteLabels", "routeLabels", read_kv},
    {"NotificationReason", "notification_reason", read_text},
};
static const struct member alert_members[] = {
    {"Status", "status", read_text},           {"Labels", "labels", read_kv},
    {"Annotations", "annotations", read_kv},   {"StartsAt", "startsAt", read_time},
    {"EndsAt", "endsAt", read_time},           {"GeneratorURL", "generatorURL", read_text},
    {"Fingerprint", "fingerprint", read_text},
};

static struct sv member_json(struct sv field, const struct member *members, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (sv_is(field, members[i].name))
            return sv_of(members[i].json);
    return field;
}

static struct sv data_json(struct sv field)
{
    return member_json(field, data_members, TC_ARRAY_LEN(data_members));
}

static struct sv alert_json(struct sv field)
{
    return member_json(field, alert_members, TC_ARRAY_LEN(alert_members));
}

static const struct template_type data_type = {.name = "*template.Data", .json_name = data_json};
static const struct template_type alert_type = {.name = "template.Alert", .json_name = alert_json};

static int read_text(struct arena *arena, struct template_value json, struct template_value *ret,
                     struct err *err)
{
    (void)arena;
    if (json.kind != TEMPLATE_STRING && json.kind != TEMPLATE_NONE)
        return err_set(err, TC_EINPUT, "a text is expected, not %s", template_type_name(json));
    *ret = template_text(json.kind == TEMPLATE_NONE ? SV("") : json.as.text);
    return 0;
}

static int read_kv(struct arena *arena, struct template_value json, struct template_value *ret,
                   struct err *err)
{
    if (json.kind != TEMPLATE_MAP && json.kind != TEMPLATE_NONE)
        return err_set(err, TC_EINPUT, "an object of texts is expected, not %s", template_type_name(json));
    size_t n = json.kind == TEMPLATE_MAP ? json.as.pairs->n : 0;
    struct template_pair *items =
        json.kind == TEMPLATE_NONE ? NULL : ARENA_ARRAY(arena, struct template_pair, n + 1);
    for (size_t i = 0; i < n; i++) {
        items[i] = json.as.pairs->items[i];
        if (items[i].value->kind != TEMPLATE_STRING)
            return err_set(err, TC_EINPUT, "\"%.*s\": a text is expected, not %s", SV_FMT(items[i].name),
                           template_type_name(*items[i].value));
    }
    *ret = template_map(arena, &kv_type, items, n);
    return 0;
}

static int read_time(struct arena *arena, struct template_value json, struct template_value *ret,
                     struct err *err)
{
    struct template_time time = {.seconds = ZERO_TIME_S};
    if (json.kind == TEMPLATE_STRING) {
        int done = go_time_parse(SV("2006-01-02T15:04:05Z07:00"), json.as.text, &time, err);
        if (done != 0)
            return done;
    } else if (json.kind != TEMPLATE_NONE) {
        return err_set(err, TC_EINPUT, "a time in RFC 3339 is expected, not %s", template_type_name(json));
    }
    *ret = template_time(arena, time.seconds, time.nanoseconds, NULL);
    return 0;
}

/* An object's members by the table, found without case; what is missing is what `null` is. */
static int read_members(struct arena *arena, struct template_value json, const struct member *members,
                        size_t n, const struct template_type *type, struct template_value *ret,
                        struct err *err)
{
    struct template_pair *items = ARENA_ARRAY(arena, struct template_pair, n);
    struct template_value *values = ARENA_ARRAY(arena, struct template_value, n);
    for (size_t i = 0; i < n; i++) {
        struct template_value found = template_none();
        for (size_t j = 0; j < json.as.pairs->n; j++)
            if (sv_eq_nocase(json.as.pairs->items[j].name, sv_of(members[i].json)))
                found = *json.as.pairs->items[j].value;
        int done = members[i].read(arena, found, &values[i], err);
        if (done != 0)
            return err_while(err, "\"%s\"", members[i].json);
        items[i] = (struct template_pair){sv_of(members[i].name), &values[i]};
    }
    *ret = template_object(arena, type, items, n);
    return 0;
}

static int read_alerts(struct arena *arena, struct template_value json, struct template_value *ret,
                       struct err *err)
{
    if (json.kind != TEMPLATE_LIST && json.kind != TEMPLATE_NONE)
        return err_set(err, TC_EINPUT, "a list of alerts is expected, not %s", template_type_name(json));
    size_t n = json.kind == TEMPLATE_LIST ? json.as.list->n : 0;
    struct template_value *items = ARENA_ARRAY(arena, struct template_value, n + 1);
    for (size_t i = 0; i < n; i++) {
        if (json.as.list->items[i].kind != TEMPLATE_MAP)
            return err_set(err, TC_EINPUT, "alert %zu: an object is expected", i);
        int done = read_members(arena, json.as.list->items[i], alert_members, TC_ARRAY_LEN(alert_members),
                                &alert_type, &items[i], err);
        if (done != 0)
            return err_while(err, "alert %zu", i);
    }
    *ret = template_list(arena, &alerts_type, items, n);
    return 0;
}

int template_alertmanager_data(struct arena *arena, struct template_value json, struct template_value *ret,
                               struct err *err)
{
    bool known = json.kind == TEMPLATE_MAP && json.as.pairs->n == 0;
    for (size_t i = 0; json.kind == TEMPLATE_MAP && i < json.as.pairs->n; i++)
        for (size_t j = 0; j < TC_ARRAY_LEN(data_members); j++)
            known |= sv_eq_nocase(json.as.pairs->items[i].name, sv_of(data_members[j].json));
    if (!known) {
        *ret = json;
        return 0;
    }
    return read_members(arena, json, data_members, TC_ARRAY_LEN(data_members), &data_type, ret, err);
}

/* --- functions --- */

static int fn_safe_url(struct template_call *call, const struct template_value *args, size_t n,
                       struct template_value *ret, struct err *err)
{
    (void)call, (void)n, (void)err;
    *ret = args[0];
    ret->content = CONTENT_URL;
    return 0;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'                     ? c - '0'
           : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                    : -1;
}

/* net/url's QueryUnescape. */
static int fn_url_unescape(struct template_call *call, const struct template_value *args, size_t n,
                           struct template_value *ret, struct err *err)
{
    struct sv in = args[0].as.text;
    struct buf text;
    (void)n;
    buf_init(&text, TEMPLATE_RESULT_MAX);
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] != '%') {
            buf_char(&text, in.p[i] == '+' ? ' ' : in.p[i]);
            continue;
        }
        int high = i + 2 < in.n ? hex_digit(in.p[i + 1]) : -1,
            low = i + 2 < in.n ? hex_digit(in.p[i + 2]) : -1;
        if (high >= 0 && low >= 0) {
            buf_char(&text, (char)(high * 16 + low));
            i += 2;
            continue;
        }
        buf_free(&text);
        return err_set(err, TC_EINPUT, "invalid URL escape \"%.*s\"", SV_FMT(sv_head(sv_from(in, i), 3)));
    }
    return template_text_result(call, &text, ret, err);
}

static int fn_to_json(struct template_call *call, const struct template_value *args, size_t n,
                      struct template_value *ret, struct err *err)
{
    struct buf text;
    (void)n;
    buf_init(&text, TEMPLATE_RESULT_MAX);
    if (!template_to_json(&text, args[0])) {
        buf_free(&text);
        return err_set(err, TC_EINPUT, "json: unsupported value");
    }
    return template_text_result(call, &text, ret, err);
}

static int fn_base64_encode(struct template_call *call, const struct template_value *args, size_t n,
                            struct template_value *ret, struct err *err)
{
    (void)n;
    struct sv in = args[0].as.text;
    if (in.n > TEMPLATE_RESULT_MAX / 2)
        return err_set(err, TC_EBOUND, "the text is longer than %d bytes", TEMPLATE_RESULT_MAX / 2);
    size_t size = sodium_base64_encoded_len(in.n, sodium_base64_VARIANT_URLSAFE);
    char *out = arena_alloc(call->arena, size);
    sodium_bin2base64(out, size, (const unsigned char *)(in.n == 0 ? "" : in.p), in.n,
                      sodium_base64_VARIANT_URLSAFE);
    *ret = template_text(sv_of(out));
    return 0;
}

static int fn_base64_decode(struct template_call *call, const struct template_value *args, size_t n,
                            struct template_value *ret, struct err *err)
{
    (void)n;
    struct sv in = args[0].as.text;
    unsigned char *out = arena_alloc(call->arena, in.n + 1);
    size_t length;
    const char *end;
    if (sodium_base642bin(out, in.n + 1, in.p, in.n, "\r\n", &length, &end, sodium_base64_VARIANT_URLSAFE) !=
            0 ||
        end != in.p + in.n)
        return err_set(err, TC_EINPUT, "illegal base64 data");
    *ret = template_text(sv_make((const char *)out, length));
    return 0;
}

static int fn_list(struct template_call *call, const struct template_value *args, size_t n,
                   struct template_value *ret, struct err *err)
{
    (void)err;
    struct template_value *items = ARENA_ARRAY(call->arena, struct template_value, n + 1);
    for (size_t i = 0; i < n; i++)
        items[i] = args[i];
    *ret = template_list(call->arena, NULL, items, n);
    return 0;
}

static int fn_append(struct template_call *call, const struct template_value *args, size_t n,
                     struct template_value *ret, struct err *err)
{
    (void)err;
    const struct template_list *list = args[0].as.list;
    struct template_value *items = ARENA_ARRAY(call->arena, struct template_value, list->n + n);
    for (size_t i = 0; i < list->n; i++)
        items[i] = list->items[i];
    for (size_t i = 1; i < n; i++)
        items[list->n + i - 1] = args[i];
    *ret = template_list(call->arena, NULL, items, list->n + n - 1);
    return 0;
}

static int fn_dict(struct template_call *call, const struct template_value *args, size_t n,
                   struct template_value *ret, struct err *err)
{
    if (n % 2 != 0)
        return err_set(err, TC_EINPUT, "dict expects an even number of arguments");
    struct template_pair *items = ARENA_ARRAY(call->arena, struct template_pair, n / 2 + 1);
    for (size_t i = 0; i < n; i += 2) {
        if (args[i].kind != TEMPLATE_STRING)
            return err_set(err, TC_EINPUT, "dict keys must be strings, got %s", template_type_name(args[i]));
        struct template_value *value = ARENA_NEW(call->arena, struct template_value);
        *value = args[i + 1];
        items[i / 2] = (struct template_pair){args[i].as.text, value};
    }
    *ret = template_map(call->arena, NULL, items, n / 2);
    return 0;
}

static int fn_now(struct template_call *call, const struct template_value *args, size_t n,
                  struct template_value *ret, struct err *err)
{
    (void)args, (void)n, (void)err;
    int64_t ns = call->run->now_ns, seconds = ns / 1000000000, rest = ns % 1000000000;
    *ret = template_time(call->arena, seconds - (rest < 0), (int32_t)(rest < 0 ? rest + 1000000000 : rest),
                         NULL);
    return 0;
}

static int fn_since(struct template_call *call, const struct template_value *args, size_t n,
                    struct template_value *ret, struct err *err)
{
    (void)n, (void)err;
    const struct template_time *time = args[0].as.time;
    int64_t then, ns;
    if (__builtin_mul_overflow(time->seconds, INT64_C(1000000000), &then) ||
        __builtin_add_overflow(then, time->nanoseconds, &then) ||
        __builtin_sub_overflow(call->run->now_ns, then, &ns))
        ns = time->seconds < 0 ? INT64_MAX : INT64_MIN;
    *ret = template_duration(ns);
    return 0;
}

static int fn_date(struct template_call *call, const struct template_value *args, size_t n,
                   struct template_value *ret, struct err *err)
{
    struct buf text;
    (void)n;
    buf_init(&text, 4096);
    go_time_format(&text, *args[1].as.time, args[0].as.text);
    return template_text_result(call, &text, ret, err);
}

static int fn_tz(struct template_call *call, const struct template_value *args, size_t n,
                 struct template_value *ret, struct err *err)
{
    (void)n;
    const struct zone *zone;
    int done = zone_get(args[0].as.text, &zone, err);
    if (done == 0)
        *ret = template_time(call->arena, args[1].as.time->seconds, args[1].as.time->nanoseconds, zone);
    return done;
}

static int fn_to_date(struct template_call *call, const struct template_value *args, size_t n,
                      struct template_value *ret, struct err *err)
{
    struct template_time time = {.seconds = ZERO_TIME_S};
    (void)n;
    bool must = call->name[0] == 'm';
    int done = go_time_parse(args[0].as.text, args[1].as.text, &time, must ? err : NULL);
    if (done != 0 && must)
        return done;
    *ret = template_time(call->arena, time.seconds, time.nanoseconds, NULL);
    return 0;
}

/* The names of the route labels that are being rendered, innermost first. */
struct label_chain {
    struct sv name;
    const struct label_chain *outer;
};

static int fn_route_labels(struct template_call *call, const struct template_value *args, size_t n,
                           struct template_value *ret, struct err *err)
{
    (void)n;
    const struct template_value *labels = template_get(call->root, SV("RouteLabels"));
    const struct template_value *text = labels == NULL ? NULL : template_get(*labels, args[0].as.text);
    struct buf out;
    if (text == NULL) {
        *ret = template_text(SV(""));
        return 0;
    }
    for (const struct label_chain *outer = call->chain; outer != NULL; outer = outer->outer)
        if (sv_eq(outer->name, args[0].as.text))
            return err_set(err, TC_EINPUT, "route label \"%.*s\" refers to itself", SV_FMT(args[0].as.text));
    struct label_chain chain = {args[0].as.text, call->chain};
    buf_init(&out, TEMPLATE_RESULT_MAX);
    int done = template_call_text(call, args[0].as.text, text->as.text, &chain, &out, err);
    if (done != 0) {
        buf_free(&out);
        return done;
    }
    return template_text_result(call, &out, ret, err);
}

const struct template_function template_alertmanager_functions[] = {
    {"safeUrl", "s", fn_safe_url},
    {"urlUnescape", "s", fn_url_unescape},
    {"toJson", "a", fn_to_json},
    {"base64encode", "s", fn_base64_encode},
    {"base64decode", "s", fn_base64_decode},
    {"list", "a*", fn_list},
    {"append", "la*", fn_append},
    {"dict", "a*", fn_dict},
    {"now", "", fn_now},
    {"since", "t", fn_since},
    {"date", "st", fn_date},
    {"tz", "st", fn_tz},
    {"toDate", "ss", fn_to_date},
    {"mustToDate", "ss", fn_to_date},
    {"routeLabels", "s", fn_route_labels},
    {NULL, NULL, NULL},
};

static struct sv default_text(void)
{
    const struct embedded_file *file = embedded_files;
    while (file->path != NULL && strcmp(file->path, "packs/notify/default.tmpl") != 0)
        file++;
    tc_assert(file->path != NULL);
    return sv_make((const char *)file->begin, (size_t)(file->end - file->begin));
}

int template_alertmanager_set(struct template_set **ret, struct err *err)
{
    static const struct template_function *const functions[] = {template_alertmanager_functions,
                                                                template_common_functions, NULL};
    struct template_set *set = template_set_new(functions);
    int done = template_parse(set, SV("default.tmpl"), default_text(), err);
    if (done != 0) {
        template_set_free(set);
        return done;
    }
    *ret = set;
    return 0;
}
