/*
 * Prometheus' functions; see prometheus.h.
 */
#include "template/prometheus.h"

#include "base/clk.h"
#include "template/common.h"
#include "template/go_format.h"
#include "template/go_time.h"

#include <arpa/inet.h>
#include <math.h>
#include <stdlib.h>

static const struct template_type sample_type = {.name = "*template.sample"};
static const struct template_type result_type = {.name = "template.queryResult"};

static const struct template_prometheus *world(const struct template_call *call)
{
    return call->run->context;
}

struct template_value template_prometheus_labels(struct arena *arena, const struct sv *names,
                                                 const struct sv *values, size_t n)
{
    struct template_pair *items = ARENA_ARRAY(arena, struct template_pair, n + 1);
    struct template_value *texts = ARENA_ARRAY(arena, struct template_value, n + 1);
    for (size_t i = 0; i < n; i++) {
        texts[i] = template_text(values[i]);
        items[i] = (struct template_pair){names[i], &texts[i]};
    }
    return template_map(arena, &template_type_text_map, items, n);
}

/* --- queries --- */

static struct template_value sample_value(struct arena *arena, const struct template_sample *sample)
{
    struct template_pair *fields = ARENA_ARRAY(arena, struct template_pair, 2);
    struct template_value *values = ARENA_ARRAY(arena, struct template_value, 2);
    values[0] = sample->labels;
    values[1] = template_float(sample->value);
    fields[0] = (struct template_pair){SV("Labels"), &values[0]};
    fields[1] = (struct template_pair){SV("Value"), &values[1]};
    return template_object(arena, &sample_type, fields, 2);
}

static int fn_query(struct template_call *call, const struct template_value *args, size_t n,
                    struct template_value *ret, struct err *err)
{
    (void)n;
    const struct template_prometheus *prometheus = world(call);
    struct template_sample *samples = NULL;
    size_t count = 0;
    if (prometheus == NULL || prometheus->query == NULL)
        return err_set(err, TC_EUNSUPPORTED, "there is nothing to query here");
    int done = prometheus->query(prometheus->context, args[0].as.text, call->arena, &samples, &count, err);
    if (done != 0)
        return done;
    struct template_value *items = ARENA_ARRAY(call->arena, struct template_value, count + 1);
    for (size_t i = 0; i < count; i++)
        items[i] = sample_value(call->arena, &samples[i]);
    *ret = template_list(call->arena, &result_type, items, count);
    return 0;
}

static int fn_first(struct template_call *call, const struct template_value *args, size_t n,
                    struct template_value *ret, struct err *err)
{
    (void)call, (void)n;
    if (args[0].as.list->n == 0)
        return err_set(err, TC_EINPUT, "first() called on vector with no elements");
    *ret = args[0].as.list->items[0];
    return 0;
}

static struct sv label_of(struct template_value sample, struct sv name)
{
    const struct template_value *found = template_get(*template_get(sample, SV("Labels")), name);
    return found == NULL ? SV("") : found->as.text;
}

static int fn_label(struct template_call *call, const struct template_value *args, size_t n,
                    struct template_value *ret, struct err *err)
{
    (void)call, (void)n, (void)err;
    *ret = template_text(label_of(args[1], args[0].as.text));
    return 0;
}

static int fn_value(struct template_call *call, const struct template_value *args, size_t n,
                    struct template_value *ret, struct err *err)
{
    (void)call, (void)n, (void)err;
    *ret = *template_get(args[0], SV("Value"));
    return 0;
}

static int fn_strvalue(struct template_call *call, const struct template_value *args, size_t n,
                       struct template_value *ret, struct err *err)
{
    (void)call, (void)n, (void)err;
    *ret = template_text(label_of(args[0], SV("__value__")));
    return 0;
}

struct by_label {
    struct sv label;
    size_t order;
    struct template_value sample;
};

static int compare_labels(const void *a, const void *b)
{
    const struct by_label *x = a, *y = b;
    int order = sv_cmp(x->label, y->label);
    return order != 0 ? order : (x->order > y->order) - (x->order < y->order);
}

static int fn_sort_by_label(struct template_call *call, const struct template_value *args, size_t n,
                            struct template_value *ret, struct err *err)
{
    (void)n, (void)err;
    const struct template_list *list = args[1].as.list;
    struct by_label *sorted = ARENA_ARRAY(call->arena, struct by_label, list->n + 1);
    struct template_value *items = ARENA_ARRAY(call->arena, struct template_value, list->n + 1);
    for (size_t i = 0; i < list->n; i++)
        sorted[i] = (struct by_label){label_of(list->items[i], args[0].as.text), i, list->items[i]};
    qsort(sorted, list->n, sizeof *sorted, compare_labels);
    for (size_t i = 0; i < list->n; i++)
        items[i] = sorted[i].sample;
    *ret = template_list(call->arena, &result_type, items, list->n);
    return 0;
}

static int fn_args(struct template_call *call, const struct template_value *args, size_t n,
                   struct template_value *ret, struct err *err)
{
    (void)err;
    struct template_pair *items = ARENA_ARRAY(call->arena, struct template_pair, n + 1);
    for (size_t i = 0; i < n; i++) {
        struct template_value *value = ARENA_NEW(call->arena, struct template_value);
        *value = args[i];
        items[i] = (struct template_pair){arena_printf(call->arena, "arg%zu", i), value};
    }
    *ret = template_map(call->arena, NULL, items, n);
    return 0;
}

/* --- numbers for people --- */

static int number_text(struct template_call *call, double v, const char *suffix, size_t suffix_bytes,
                       struct template_value *ret, struct err *err)
{
    struct buf text;
    buf_init(&text, 128);
    go_format_float(&text, v, 'g', 4);
    buf_add(&text, suffix, suffix_bytes);
    return template_text_result(call, &text, ret, err);
}

static int fn_humanize(struct template_call *call, const struct template_value *args, size_t n,
                       struct template_value *ret, struct err *err)
{
    static const char large[] = "kMGTPEZY", small[] = "munpfazy";
    double v;
    (void)n;
    int done = template_to_float(args[0], &v, err);
    if (done != 0)
        return done;
    const char *prefix = NULL;
    if (v == 0 || !isfinite(v))
        return number_text(call, v, "", 0, ret, err);
    if (fabs(v) >= 1)
        for (const char *p = large; *p != '\0' && fabs(v) >= 1000; p++, v /= 1000)
            prefix = p;
    else
        for (const char *p = small; *p != '\0' && fabs(v) < 1; p++, v *= 1000)
            prefix = p;
    return number_text(call, v, prefix, prefix != NULL, ret, err);
}

static int fn_humanize1024(struct template_call *call, const struct template_value *args, size_t n,
                           struct template_value *ret, struct err *err)
{
    static const char prefixes[] = "kiMiGiTiPiEiZiYi";
    double v;
    (void)n;
    int done = template_to_float(args[0], &v, err);
    if (done != 0)
        return done;
    const char *prefix = NULL;
    for (const char *p = prefixes; isfinite(v) && *p != '\0' && fabs(v) >= 1024; p += 2, v /= 1024)
        prefix = p;
    return number_text(call, v, prefix, prefix == NULL ? 0 : 2, ret, err);
}

static int fn_humanize_percentage(struct template_call *call, const struct template_value *args, size_t n,
                                  struct template_value *ret, struct err *err)
{
    double v;
    (void)n;
    int done = template_to_float(args[0], &v, err);
    return done != 0 ? done : number_text(call, v * 100, "%", 1, ret, err);
}

/* Prometheus' times are whole milliseconds. */
static int to_time(double v, struct arena *arena, struct template_value *ret, struct err *err)
{
    double ns = v * 1e9;
    if (!(ns < 9223372036854775807.0 && ns > -9223372036854775808.0))
        return err_set(err, TC_EINPUT,
                       "%g cannot be represented as a nanoseconds timestamp since it overflows int64", v);
    int64_t ms = (int64_t)ns / 1000000, seconds = ms / 1000, rest = ms % 1000;
    if (rest < 0) {
        seconds--;
        rest += 1000;
    }
    *ret = template_time(arena, seconds, (int32_t)rest * 1000000, NULL);
    return 0;
}

static int fn_to_time(struct template_call *call, const struct template_value *args, size_t n,
                      struct template_value *ret, struct err *err)
{
    double v;
    (void)n;
    int done = template_to_float(args[0], &v, err);
    return done != 0 ? done : to_time(v, call->arena, ret, err);
}

static int fn_humanize_timestamp(struct template_call *call, const struct template_value *args, size_t n,
                                 struct template_value *ret, struct err *err)
{
    double v;
    struct template_value time;
    struct buf text;
    (void)n;
    int done = template_to_float(args[0], &v, err);
    if (done != 0)
        return done;
    if (!isfinite(v))
        return number_text(call, v, "", 0, ret, err);
    done = to_time(v, call->arena, &time, err);
    if (done != 0)
        return done;
    buf_init(&text, 128);
    go_time_format(&text, *time.as.time, GO_TIME_STRING);
    return template_text_result(call, &text, ret, err);
}

static int fn_to_duration(struct template_call *call, const struct template_value *args, size_t n,
                          struct template_value *ret, struct err *err)
{
    double v;
    (void)call, (void)n;
    int done = template_to_float(args[0], &v, err);
    if (done != 0)
        return done;
    if (!(fabs(v) < 9.2e9))
        return err_set(err, TC_EINPUT, "%g cannot be represented as a duration", v);
    *ret = template_duration((int64_t)(v * 1e9));
    return 0;
}

static int fn_now(struct template_call *call, const struct template_value *args, size_t n,
                  struct template_value *ret, struct err *err)
{
    (void)args, (void)n, (void)err;
    *ret = template_float((double)(call->run->now_ns / 1000000) / 1000.0);
    return 0;
}

/* Prometheus' durations, here also with a sign; seconds as a float. */
static int fn_parse_duration(struct template_call *call, const struct template_value *args, size_t n,
                             struct template_value *ret, struct err *err)
{
    struct sv text = args[0].as.text;
    int64_t ns;
    (void)call, (void)n;
    bool negative = text.n > 0 && text.p[0] == '-';
    if (negative)
        text = sv_from(text, 1);
    int done = clk_parse_duration(text, &ns, err);
    if (done != 0)
        return err_set(err, TC_EINPUT, "not a valid duration string: \"%.*s\"", SV_FMT(args[0].as.text));
    *ret = template_float((negative ? -1.0 : 1.0) * (double)ns / 1e9);
    return 0;
}

/* --- links and hosts --- */

static int fn_link(struct template_call *call, const struct template_value *args, size_t n,
                   struct template_value *ret, struct err *err)
{
    struct buf text;
    (void)n;
    buf_init(&text, TEMPLATE_RESULT_MAX);
    buf_str(&text, "/graph?g0.expr=");
    template_query_escape(args[0].as.text, &text);
    buf_printf(&text, "&g0.tab=%d", call->name[0] == 't');
    return template_text_result(call, &text, ret, err);
}

static int fn_query_escape(struct template_call *call, const struct template_value *args, size_t n,
                           struct template_value *ret, struct err *err)
{
    struct buf text;
    (void)n;
    buf_init(&text, TEMPLATE_RESULT_MAX);
    template_query_escape(args[0].as.text, &text);
    return template_text_result(call, &text, ret, err);
}

static int fn_path_prefix(struct template_call *call, const struct template_value *args, size_t n,
                          struct template_value *ret, struct err *err)
{
    (void)args, (void)n, (void)err;
    *ret = template_text(world(call) == NULL ? SV("") : world(call)->path_prefix);
    return 0;
}

static int fn_external_url(struct template_call *call, const struct template_value *args, size_t n,
                           struct template_value *ret, struct err *err)
{
    (void)args, (void)n, (void)err;
    *ret = template_text(world(call) == NULL ? SV("") : world(call)->external_url);
    return 0;
}

/* As net.SplitHostPort: "host:port", "[v6]:port"; false where it is neither. */
static bool split_port(struct sv text, struct sv *ret_host, struct sv *ret_port)
{
    size_t colon = text.n;
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return false;
    struct sv host = sv_head(text, colon - 1);
    if (host.n > 0 && host.p[0] == '[') {
        if (host.p[host.n - 1] != ']')
            return false;
        host = sv_make(host.p + 1, host.n - 2);
    } else if (sv_find_char(host, ':') < host.n) {
        return false;
    }
    if (sv_find_char(host, '[') < host.n || sv_find_char(host, ']') < host.n)
        return false;
    *ret_host = host;
    *ret_port = sv_from(text, colon);
    return true;
}

static int fn_strip_port(struct template_call *call, const struct template_value *args, size_t n,
                         struct template_value *ret, struct err *err)
{
    struct sv host, port;
    (void)call, (void)n, (void)err;
    *ret = split_port(args[0].as.text, &host, &port) ? template_text(host) : args[0];
    return 0;
}

static bool is_address(struct sv text)
{
    char copy[64];
    unsigned char binary[16];
    if (text.n >= sizeof copy)
        return false;
    memcpy(copy, text.p == NULL ? "" : text.p, text.n);
    copy[text.n] = '\0';
    return inet_pton(AF_INET, copy, binary) == 1 || inet_pton(AF_INET6, copy, binary) == 1;
}

static int fn_strip_domain(struct template_call *call, const struct template_value *args, size_t n,
                           struct template_value *ret, struct err *err)
{
    struct sv host = args[0].as.text, port = SV("");
    (void)n, (void)err;
    (void)split_port(args[0].as.text, &host, &port);
    if (is_address(host)) {
        *ret = args[0];
        return 0;
    }
    struct sv first = sv_head(host, sv_find_char(host, '.'));
    *ret = template_text(port.n == 0 ? first
                                     : arena_printf(call->arena, "%.*s:%.*s", SV_FMT(first), SV_FMT(port)));
    return 0;
}

const struct template_function template_prometheus_functions[] = {
    {"query", "s", fn_query},
    {"first", "q", fn_first},
    {"label", "sp", fn_label},
    {"value", "p", fn_value},
    {"strvalue", "p", fn_strvalue},
    {"sortByLabel", "sq", fn_sort_by_label},
    {"args", "a*", fn_args},
    {"humanize", "a", fn_humanize},
    {"humanize1024", "a", fn_humanize1024},
    {"humanizePercentage", "a", fn_humanize_percentage},
    {"humanizeTimestamp", "a", fn_humanize_timestamp},
    {"toTime", "a", fn_to_time},
    {"toDuration", "a", fn_to_duration},
    {"now", "", fn_now},
    {"parseDuration", "s", fn_parse_duration},
    {"graphLink", "s", fn_link},
    {"tableLink", "s", fn_link},
    {"urlQueryEscape", "s", fn_query_escape},
    {"pathPrefix", "", fn_path_prefix},
    {"externalURL", "", fn_external_url},
    {"stripPort", "s", fn_strip_port},
    {"stripDomain", "s", fn_strip_domain},
    {NULL, NULL, NULL},
};

static const struct template_function *const rule_functions[] = {template_prometheus_functions,
                                                                 template_common_functions, NULL};
/* The variables that every text of a rule may use. */
static const char lead[] = "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}"
                           "{{$externalURL := .ExternalURL}}{{$value := .Value}}";

int template_prometheus_check(struct sv name, struct sv text, struct err *err)
{
    struct arena arena = {0};
    struct template_set *set = template_set_new(rule_functions);
    int rc = template_parse(set, name, arena_printf(&arena, "%s%.*s", lead, SV_FMT(text)), err);
    template_set_free(set);
    arena_free(&arena);
    return rc;
}

int template_prometheus_expand(struct sv name, struct sv text, struct template_value labels,
                               struct template_value external_labels, struct template_value value,
                               const struct template_run *run, struct arena *arena, struct buf *out,
                               struct err *err)
{
    const struct template_prometheus *prometheus = run->context;
    struct err problem = {0};
    struct template_value url = template_text(prometheus == NULL ? SV("") : prometheus->external_url);
    struct template_pair *fields = ARENA_ARRAY(arena, struct template_pair, 4);
    struct template_value *values = ARENA_ARRAY(arena, struct template_value, 4);
    static const char *const names[] = {"Labels", "ExternalLabels", "ExternalURL", "Value"};
    const struct template_value given[] = {labels, external_labels, url, value};
    for (size_t i = 0; i < TC_ARRAY_LEN(names); i++) {
        values[i] = given[i];
        fields[i] = (struct template_pair){sv_of(names[i]), &values[i]};
    }
    struct template_value data = template_object(arena, NULL, fields, TC_ARRAY_LEN(names));
    struct template_set *set = template_set_new(rule_functions);
    struct sv whole = arena_printf(arena, "%s%.*s", lead, SV_FMT(text));
    size_t before = out->n;
    int done = template_parse(set, name, whole, &problem);
    const char *doing = "parsing";
    if (done == 0) {
        doing = "executing";
        done = template_execute(set, name, data, run, arena, out, &problem);
    }
    template_set_free(set);
    if (done == 0)
        return 0;
    out->n = before;
    err_set(err, done, "error %s template %.*s: %s", doing, SV_FMT(name), problem.text);
    buf_printf(out, "<error expanding template: error %s template %.*s: %s>", doing, SV_FMT(name),
               problem.text);
    return done;
}
