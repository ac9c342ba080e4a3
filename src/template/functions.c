/*
 * The functions that Go's templates have built in, and the methods of its times and durations
 * (https://pkg.go.dev/text/template, "Functions"; https://pkg.go.dev/time).
 */
#include "template/tree.h"

#include "template/go_format.h"
#include "template/go_time.h"
#include "template/html.h"

#include <stdlib.h>

enum { TEXT_RESULT_MAX = 1 << 20 };

static int text_result(struct template_call *call, struct buf *text, struct template_value *ret,
                       struct err *err)
{
    if (text->overflow) {
        buf_free(text);
        return err_set(err, TC_EBOUND, "the text is longer than %d bytes", TEXT_RESULT_MAX);
    }
    *ret = template_text(arena_sv(call->arena, buf_view(text)));
    buf_free(text);
    return 0;
}

/* --- truth and comparison --- */

/* `and` and `or` are cut short by the executor; here they are for one argument and for completeness. */
static int fn_and(struct template_call *call, const struct template_value *args, size_t n,
                  struct template_value *ret, struct err *err)
{
    (void)call, (void)err;
    for (size_t i = 0; i < n; i++) {
        *ret = args[i];
        if (!template_is_true(args[i]))
            break;
    }
    return 0;
}

static int fn_or(struct template_call *call, const struct template_value *args, size_t n,
                 struct template_value *ret, struct err *err)
{
    (void)call, (void)err;
    for (size_t i = 0; i < n; i++) {
        *ret = args[i];
        if (template_is_true(args[i]))
            break;
    }
    return 0;
}

static int fn_not(struct template_call *call, const struct template_value *args, size_t n,
                  struct template_value *ret, struct err *err)
{
    (void)call, (void)n, (void)err;
    *ret = template_bool(!template_is_true(args[0]));
    return 0;
}

static bool is_integer(struct template_value v)
{
    return v.kind == TEMPLATE_INT || v.kind == TEMPLATE_DURATION;
}

static bool is_basic(struct template_value v)
{
    return v.kind == TEMPLATE_BOOL || v.kind == TEMPLATE_FLOAT || v.kind == TEMPLATE_STRING || is_integer(v);
}

static int compare_equal(struct template_value a, struct template_value b, bool *ret, struct err *err)
{
    bool same_kind = a.kind == b.kind || (is_integer(a) && is_integer(b));
    if (a.kind == TEMPLATE_NONE || b.kind == TEMPLATE_NONE) {
        *ret = a.kind == b.kind;
        return 0;
    }
    if (!same_kind)
        return err_set(err, TC_EINPUT, "incompatible types for comparison: %s and %s", template_type_name(a),
                       template_type_name(b));
    if (a.kind == TEMPLATE_LIST || a.kind == TEMPLATE_MAP || b.kind == TEMPLATE_LIST ||
        b.kind == TEMPLATE_MAP)
        return err_set(err, TC_EINPUT, "non-comparable type: %s",
                       template_type_name(a.kind == TEMPLATE_LIST || a.kind == TEMPLATE_MAP ? a : b));
    switch (a.kind) {
    case TEMPLATE_BOOL:
        *ret = a.as.boolean == b.as.boolean;
        break;
    case TEMPLATE_FLOAT:
        *ret = a.as.number == b.as.number;
        break;
    case TEMPLATE_STRING:
        *ret = sv_eq(a.as.text, b.as.text);
        break;
    case TEMPLATE_TIME:
        *ret = a.as.time->seconds == b.as.time->seconds && a.as.time->nanoseconds == b.as.time->nanoseconds;
        break;
    case TEMPLATE_OBJECT:
        *ret = a.as.pairs == b.as.pairs;
        break;
    default:
        *ret = a.as.integer == b.as.integer;
    }
    return 0;
}

/* eq a b c: is a equal to any of the others? */
static int fn_eq(struct template_call *call, const struct template_value *args, size_t n,
                 struct template_value *ret, struct err *err)
{
    (void)call;
    if (n < 2)
        return err_set(err, TC_EINPUT, "missing argument for comparison");
    bool equal = false;
    for (size_t i = 1; i < n && !equal; i++) {
        int done = compare_equal(args[0], args[i], &equal, err);
        if (done != 0)
            return done;
    }
    *ret = template_bool(equal);
    return 0;
}

static int fn_ne(struct template_call *call, const struct template_value *args, size_t n,
                 struct template_value *ret, struct err *err)
{
    int done = fn_eq(call, args, n, ret, err);
    ret->as.boolean = !ret->as.boolean;
    return done;
}

/* -1, 0, 1, or 2 where a number is NaN. */
static int order(struct template_value a, struct template_value b, int *ret, struct err *err)
{
    if (is_integer(a) && is_integer(b))
        *ret = (a.as.integer > b.as.integer) - (a.as.integer < b.as.integer);
    else if (a.kind == TEMPLATE_FLOAT && b.kind == TEMPLATE_FLOAT)
        *ret = a.as.number < b.as.number    ? -1
               : a.as.number > b.as.number  ? 1
               : a.as.number == b.as.number ? 0
                                            : 2;
    else if (a.kind == TEMPLATE_STRING && b.kind == TEMPLATE_STRING)
        *ret = sv_cmp(a.as.text, b.as.text);
    else if (is_basic(a) && is_basic(b) && a.kind != b.kind)
        return err_set(err, TC_EINPUT, "incompatible types for comparison: %s and %s", template_type_name(a),
                       template_type_name(b));
    else
        return err_set(err, TC_EINPUT, "invalid type for comparison");
    return 0;
}

static int fn_order(struct template_call *call, const struct template_value *args, size_t n,
                    struct template_value *ret, struct err *err)
{
    int found = 0, done = order(args[0], args[1], &found, err);
    (void)n;
    char first = call->name[0], second = call->name[1]; /* lt le gt ge */
    *ret = template_bool(found != 2 &&
                         ((first == 'l' ? found < 0 : found > 0) || (second == 'e' && found == 0)));
    return done;
}

/* --- lists and maps --- */

static int fn_len(struct template_call *call, const struct template_value *args, size_t n,
                  struct template_value *ret, struct err *err)
{
    (void)call, (void)n;
    switch (args[0].kind) {
    case TEMPLATE_STRING:
        *ret = template_int((int64_t)args[0].as.text.n);
        return 0;
    case TEMPLATE_LIST:
        *ret = template_int((int64_t)args[0].as.list->n);
        return 0;
    case TEMPLATE_MAP:
        *ret = template_int((int64_t)args[0].as.pairs->n);
        return 0;
    case TEMPLATE_NONE:
        return err_set(err, TC_EINPUT, "len of nil pointer");
    default:
        return err_set(err, TC_EINPUT, "len of type %s", template_type_name(args[0]));
    }
}

static int index_once(struct template_value of, struct template_value key, struct template_value *ret,
                      struct err *err)
{
    if (of.kind == TEMPLATE_NONE)
        return err_set(err, TC_EINPUT, "index of untyped nil");
    if (of.kind == TEMPLATE_MAP) {
        if (key.kind != TEMPLATE_STRING)
            return err_set(err, TC_EINPUT, "value has type %s; should be string", template_type_name(key));
        const struct template_value *found = template_get(of, key.as.text);
        *ret = found != NULL                              ? *found
               : of.type != NULL && of.type->zero_is_text ? template_text(SV(""))
                                                          : template_none();
        return 0;
    }
    if (of.kind != TEMPLATE_LIST && of.kind != TEMPLATE_STRING)
        return err_set(err, TC_EINPUT, "can't index item of type %s", template_type_name(of));
    if (!is_integer(key))
        return key.kind == TEMPLATE_NONE ? err_set(err, TC_EINPUT, "cannot index slice/array with nil")
                                         : err_set(err, TC_EINPUT, "cannot index slice/array with type %s",
                                                   template_type_name(key));
    size_t n = of.kind == TEMPLATE_LIST ? of.as.list->n : of.as.text.n;
    if (key.as.integer < 0 || (uint64_t)key.as.integer >= n)
        return err_set(err, TC_EINPUT, "error calling index: index out of range: %lld",
                       (long long)key.as.integer);
    *ret = of.kind == TEMPLATE_LIST ? of.as.list->items[key.as.integer]
                                    : template_int((unsigned char)of.as.text.p[key.as.integer]);
    return 0;
}

static int fn_index(struct template_call *call, const struct template_value *args, size_t n,
                    struct template_value *ret, struct err *err)
{
    (void)call;
    struct template_value value = args[0];
    if (value.kind == TEMPLATE_NONE)
        return err_set(err, TC_EINPUT, "index of untyped nil");
    for (size_t i = 1; i < n; i++) {
        int done = index_once(value, args[i], &value, err);
        if (done != 0)
            return done;
    }
    *ret = value;
    return 0;
}

static int fn_slice(struct template_call *call, const struct template_value *args, size_t n,
                    struct template_value *ret, struct err *err)
{
    struct template_value of = args[0];
    if (of.kind != TEMPLATE_STRING && of.kind != TEMPLATE_LIST)
        return of.kind == TEMPLATE_NONE
                   ? err_set(err, TC_EINPUT, "slice of untyped nil")
                   : err_set(err, TC_EINPUT, "can't slice item of type %s", template_type_name(of));
    if (n > 4 || (n == 4 && of.kind == TEMPLATE_STRING))
        return err_set(err, TC_EINPUT,
                       n > 4 ? "too many slice indexes: %zu" : "cannot 3-index slice a string", n - 1);
    size_t length = of.kind == TEMPLATE_LIST ? of.as.list->n : of.as.text.n, bounds[3] = {0, length, length};
    for (size_t i = 1; i < n; i++) {
        if (!is_integer(args[i]))
            return err_set(err, TC_EINPUT, "cannot index slice/array with type %s",
                           template_type_name(args[i]));
        if (args[i].as.integer < 0 || (uint64_t)args[i].as.integer > length)
            return err_set(err, TC_EINPUT, "index out of range: %lld", (long long)args[i].as.integer);
        bounds[i - 1] = (size_t)args[i].as.integer;
    }
    if (bounds[0] > bounds[1] || bounds[1] > bounds[2])
        return err_set(err, TC_EINPUT, "invalid slice index: %zu > %zu",
                       bounds[0] > bounds[1] ? bounds[0] : bounds[1],
                       bounds[0] > bounds[1] ? bounds[1] : bounds[2]);
    if (of.kind == TEMPLATE_STRING)
        *ret = template_text(sv_make(of.as.text.p + bounds[0], bounds[1] - bounds[0]));
    else
        *ret = template_list(call->arena, of.type, of.as.list->items + bounds[0], bounds[1] - bounds[0]);
    return 0;
}

static int fn_call(struct template_call *call, const struct template_value *args, size_t n,
                   struct template_value *ret, struct err *err)
{
    (void)call, (void)n, (void)ret;
    if (args[0].kind == TEMPLATE_NONE)
        return err_set(err, TC_EINPUT, "call of nil");
    return err_set(err, TC_EINPUT, "non-function of type %s", template_type_name(args[0]));
}

/* --- text --- */

static int fn_print(struct template_call *call, const struct template_value *args, size_t n,
                    struct template_value *ret, struct err *err)
{
    struct buf text;
    buf_init(&text, TEXT_RESULT_MAX);
    go_print(&text, args, n);
    return text_result(call, &text, ret, err);
}

static int fn_println(struct template_call *call, const struct template_value *args, size_t n,
                      struct template_value *ret, struct err *err)
{
    struct buf text;
    buf_init(&text, TEXT_RESULT_MAX);
    go_println(&text, args, n);
    return text_result(call, &text, ret, err);
}

static int fn_printf(struct template_call *call, const struct template_value *args, size_t n,
                     struct template_value *ret, struct err *err)
{
    struct buf text;
    buf_init(&text, TEXT_RESULT_MAX);
    go_printf(&text, args[0].as.text, args + 1, n - 1);
    return text_result(call, &text, ret, err);
}

/* The arguments as one text: a single string as it is, else as print makes it. */
static void joined(const struct template_value *args, size_t n, struct buf *out)
{
    if (n == 1 && args[0].kind == TEMPLATE_NONE)
        buf_str(out, "<no value>");
    else
        go_print(out, args, n);
}

static int fn_html(struct template_call *call, const struct template_value *args, size_t n,
                   struct template_value *ret, struct err *err)
{
    struct buf plain, text;
    buf_init(&plain, TEXT_RESULT_MAX);
    buf_init(&text, TEXT_RESULT_MAX);
    joined(args, n, &plain);
    html_escape(buf_view(&plain), &text);
    text.overflow |= plain.overflow;
    buf_free(&plain);
    return text_result(call, &text, ret, err);
}

/* text/template's JSEscape. */
static int fn_js(struct template_call *call, const struct template_value *args, size_t n,
                 struct template_value *ret, struct err *err)
{
    static const struct {
        char c;
        const char *text;
    } escapes[] = {{'\\', "\\\\"},   {'\'', "\\'"},    {'"', "\\\""},   {'<', "\\u003C"},
                   {'>', "\\u003E"}, {'&', "\\u0026"}, {'=', "\\u003D"}};
    struct buf plain, text;
    buf_init(&plain, TEXT_RESULT_MAX);
    buf_init(&text, TEXT_RESULT_MAX);
    joined(args, n, &plain);
    for (size_t i = 0; i < plain.n; i++) {
        const char *escape = NULL;
        for (size_t j = 0; j < TC_ARRAY_LEN(escapes) && escape == NULL; j++)
            if (plain.p[i] == escapes[j].c)
                escape = escapes[j].text;
        if (escape != NULL)
            buf_str(&text, escape);
        else if ((unsigned char)plain.p[i] < ' ')
            buf_printf(&text, "\\u%04X", (unsigned char)plain.p[i]);
        else
            buf_char(&text, plain.p[i]);
    }
    text.overflow |= plain.overflow;
    buf_free(&plain);
    return text_result(call, &text, ret, err);
}

/* net/url's QueryEscape. */
static int fn_urlquery(struct template_call *call, const struct template_value *args, size_t n,
                       struct template_value *ret, struct err *err)
{
    struct buf plain, text;
    buf_init(&plain, TEXT_RESULT_MAX);
    buf_init(&text, TEXT_RESULT_MAX);
    joined(args, n, &plain);
    template_query_escape(buf_view(&plain), &text);
    text.overflow |= plain.overflow;
    buf_free(&plain);
    return text_result(call, &text, ret, err);
}

void template_query_escape(struct sv in, struct buf *out)
{
    for (size_t i = 0; i < in.n; i++) {
        char c = in.p[i];
        bool plain = (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') ||
                     (c != '\0' && memchr("-_.~", c, 4) != NULL);
        if (plain)
            buf_char(out, c);
        else if (c == ' ')
            buf_char(out, '+');
        else
            buf_printf(out, "%%%02X", (unsigned char)c);
    }
}

const struct template_function template_builtins[] = {
    {"and", "aa*", fn_and},
    {"call", "aa*", fn_call},
    {"eq", "aa*", fn_eq},
    {"ge", "aa", fn_order},
    {"gt", "aa", fn_order},
    {"html", "aa*", fn_html},
    {"index", "aa*", fn_index},
    {"js", "aa*", fn_js},
    {"le", "aa", fn_order},
    {"len", "a", fn_len},
    {"lt", "aa", fn_order},
    {"ne", "aa", fn_ne},
    {"not", "a", fn_not},
    {"or", "aa*", fn_or},
    {"print", "a*", fn_print},
    {"printf", "sa*", fn_printf},
    {"println", "a*", fn_println},
    {"slice", "aa*", fn_slice},
    {"urlquery", "aa*", fn_urlquery},
    {NULL, NULL, NULL},
};

/* --- times --- */

static int time_format(struct template_call *call, const struct template_value *args, size_t n,
                       struct template_value *ret, struct err *err)
{
    struct buf text;
    buf_init(&text, 4096);
    go_time_format(&text, *args[0].as.time, n > 1 ? args[1].as.text : GO_TIME_STRING);
    return text_result(call, &text, ret, err);
}

static struct template_value int64_value(int64_t v)
{
    struct template_value value = template_int(v);
    value.type = &template_type_int64;
    return value;
}

static int time_unix(struct template_call *call, const struct template_value *args, size_t n,
                     struct template_value *ret, struct err *err)
{
    (void)n, (void)err;
    const struct template_time *time = args[0].as.time;
    int64_t scale = strcmp(call->name, "Unix") == 0        ? 1
                    : strcmp(call->name, "UnixMilli") == 0 ? 1000
                    : strcmp(call->name, "UnixMicro") == 0 ? 1000000
                                                           : 1000000000;
    /* Out of range wraps, as in Go. */
    *ret = int64_value((int64_t)((uint64_t)time->seconds * (uint64_t)scale +
                                 (uint64_t)(time->nanoseconds / (1000000000 / scale))));
    return 0;
}

static int time_utc(struct template_call *call, const struct template_value *args, size_t n,
                    struct template_value *ret, struct err *err)
{
    (void)n, (void)err;
    *ret = template_time(call->arena, args[0].as.time->seconds, args[0].as.time->nanoseconds, NULL);
    return 0;
}

static int time_part(struct template_call *call, const struct template_value *args, size_t n,
                     struct template_value *ret, struct err *err)
{
    static const struct {
        const char *name, *layout;
        bool word;
    } parts[] = {{"Year", "2006", false},   {"Month", "January", true}, {"Day", "2", false},
                 {"Hour", "15", false},     {"Minute", "4", false},     {"Second", "5", false},
                 {"YearDay", "002", false}, {"Weekday", "Monday", true}};
    (void)n;
    for (size_t i = 0; i < TC_ARRAY_LEN(parts); i++)
        if (strcmp(call->name, parts[i].name) == 0) {
            struct buf text;
            buf_init(&text, 64);
            go_time_format(&text, *args[0].as.time, sv_of(parts[i].layout));
            if (parts[i].word)
                return text_result(call, &text, ret, err);
            buf_char(&text, '\0');
            *ret = template_int(strtol(text.p, NULL, 10));
            buf_free(&text);
            return 0;
        }
    *ret = template_int(args[0].as.time->nanoseconds);
    return 0;
}

static int time_compare(struct template_call *call, const struct template_value *args, size_t n,
                        struct template_value *ret, struct err *err)
{
    (void)n, (void)err;
    const struct template_time *a = args[0].as.time, *b = args[1].as.time;
    int found = a->seconds != b->seconds
                    ? (a->seconds > b->seconds ? 1 : -1)
                    : (a->nanoseconds > b->nanoseconds) - (a->nanoseconds < b->nanoseconds);
    *ret = template_bool(call->name[0] == 'A' ? found > 0 : call->name[0] == 'B' ? found < 0 : found == 0);
    return 0;
}

static int time_is_zero(struct template_call *call, const struct template_value *args, size_t n,
                        struct template_value *ret, struct err *err)
{
    (void)call, (void)n, (void)err;
    *ret =
        template_bool(args[0].as.time->seconds == INT64_C(-62135596800) && args[0].as.time->nanoseconds == 0);
    return 0;
}

static int time_add(struct template_call *call, const struct template_value *args, size_t n,
                    struct template_value *ret, struct err *err)
{
    (void)n, (void)err;
    const struct template_time *time = args[0].as.time;
    int64_t seconds = time->seconds + args[1].as.integer / 1000000000;
    int64_t nanoseconds = time->nanoseconds + args[1].as.integer % 1000000000;
    if (nanoseconds < 0 || nanoseconds >= 1000000000) {
        int step = nanoseconds < 0 ? -1 : 1;
        seconds += step;
        nanoseconds -= step * 1000000000;
    }
    *ret = template_time(call->arena, seconds, (int32_t)nanoseconds, time->zone);
    return 0;
}

static int time_sub(struct template_call *call, const struct template_value *args, size_t n,
                    struct template_value *ret, struct err *err)
{
    (void)call, (void)n, (void)err;
    const struct template_time *a = args[0].as.time, *b = args[1].as.time;
    int64_t ns;
    if (__builtin_mul_overflow(a->seconds - b->seconds, INT64_C(1000000000), &ns) ||
        __builtin_add_overflow(ns, a->nanoseconds - b->nanoseconds, &ns))
        ns = a->seconds > b->seconds ? INT64_MAX : INT64_MIN;
    *ret = template_duration(ns);
    return 0;
}

const struct template_function template_time_methods[] = {
    {"Format", "s", time_format}, {"String", "", time_format},
    {"Unix", "", time_unix},      {"UnixMilli", "", time_unix},
    {"UnixMicro", "", time_unix}, {"UnixNano", "", time_unix},
    {"UTC", "", time_utc},        {"Year", "", time_part},
    {"Month", "", time_part},     {"Day", "", time_part},
    {"Hour", "", time_part},      {"Minute", "", time_part},
    {"Second", "", time_part},    {"Nanosecond", "", time_part},
    {"YearDay", "", time_part},   {"Weekday", "", time_part},
    {"After", "t", time_compare}, {"Before", "t", time_compare},
    {"Equal", "t", time_compare}, {"IsZero", "", time_is_zero},
    {"Add", "d", time_add},       {"Sub", "t", time_sub},
    {NULL, NULL, NULL},
};

/* --- durations --- */

static int duration_string(struct template_call *call, const struct template_value *args, size_t n,
                           struct template_value *ret, struct err *err)
{
    struct buf text;
    (void)n;
    buf_init(&text, 64);
    go_format_duration(&text, args[0].as.integer);
    return text_result(call, &text, ret, err);
}

static int duration_unit(struct template_call *call, const struct template_value *args, size_t n,
                         struct template_value *ret, struct err *err)
{
    static const struct {
        const char *name;
        int64_t ns;
        bool whole;
    } units[] = {{"Nanoseconds", 1, true},        {"Microseconds", 1000, true},
                 {"Milliseconds", 1000000, true}, {"Seconds", 1000000000, false},
                 {"Minutes", 60000000000, false}, {"Hours", 3600000000000, false}};
    (void)n, (void)err;
    int64_t v = args[0].as.integer;
    for (size_t i = 0; i < TC_ARRAY_LEN(units); i++)
        if (strcmp(call->name, units[i].name) == 0)
            *ret = units[i].whole ? int64_value(v / units[i].ns)
                                  : template_float((double)(v / units[i].ns) +
                                                   (double)(v % units[i].ns) / (double)units[i].ns);
    return 0;
}

static int duration_round(struct template_call *call, const struct template_value *args, size_t n,
                          struct template_value *ret, struct err *err)
{
    (void)n, (void)err;
    int64_t v = args[0].as.integer, step = args[1].as.integer;
    if (step > 0) {
        int64_t rest = v % step;
        v -= rest;
        if (call->name[0] == 'R' && llabs(rest) >= step - llabs(rest))
            v += rest < 0 ? -step : step;
    }
    *ret = template_duration(v);
    return 0;
}

static int duration_abs(struct template_call *call, const struct template_value *args, size_t n,
                        struct template_value *ret, struct err *err)
{
    (void)call, (void)n, (void)err;
    int64_t v = args[0].as.integer;
    *ret = template_duration(v >= 0 ? v : v == INT64_MIN ? INT64_MAX : -v);
    return 0;
}

const struct template_function template_duration_methods[] = {
    {"String", "", duration_string},
    {"Seconds", "", duration_unit},
    {"Minutes", "", duration_unit},
    {"Hours", "", duration_unit},
    {"Milliseconds", "", duration_unit},
    {"Microseconds", "", duration_unit},
    {"Nanoseconds", "", duration_unit},
    {"Round", "d", duration_round},
    {"Truncate", "d", duration_round},
    {"Abs", "", duration_abs},
    {NULL, NULL, NULL},
};
