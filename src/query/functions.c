/*
 * Functions of LogQL's templates: a useful part of Loki's. Arguments are Go's, text last where it is piped.
 */
#include "query/functions.h"

#include "base/clk.h"
#include "base/re2.h"
#include "template/common.h"

static int give(struct template_call *call, struct buf *text, struct template_value *ret, struct err *err)
{
    return template_text_result(call, text, ret, err);
}

static int fn_case(struct template_call *call, const struct template_value *args, size_t n,
                   struct template_value *ret, struct err *err)
{
    (void)n;
    (void)err;
    struct sv copy = arena_sv(call->arena, args[0].as.text);
    bool upper = call->name[0] == 'u' || strcmp(call->name, "ToUpper") == 0;
    char *p = arena_str(call->arena, copy);
    for (size_t i = 0; i < copy.n; i++) {
        char from = upper ? 'a' : 'A';
        if (p[i] >= from && p[i] <= from + 25)
            p[i] ^= 0x20;
    }
    *ret = template_text(sv_make(p, copy.n));
    return 0;
}

static int fn_trim(struct template_call *call, const struct template_value *args, size_t n,
                   struct template_value *ret, struct err *err)
{
    (void)call;
    (void)n;
    (void)err;
    *ret = template_text(sv_trim(args[0].as.text));
    return 0;
}

static int replace_all(struct template_call *call, struct sv text, struct sv old, struct sv fresh,
                       struct template_value *ret, struct err *err)
{
    struct buf out;
    buf_init(&out, TEMPLATE_RESULT_MAX);
    while (text.n > 0) {
        size_t at = old.n == 0 ? text.n : sv_find(text, old);
        buf_sv(&out, sv_head(text, at));
        if (at < text.n)
            buf_sv(&out, fresh);
        text = sv_from(text, at + old.n);
    }
    return give(call, &out, ret, err);
}

/* replace OLD NEW TEXT */
static int fn_replace(struct template_call *call, const struct template_value *args, size_t n,
                      struct template_value *ret, struct err *err)
{
    (void)n;
    return replace_all(call, args[2].as.text, args[0].as.text, args[1].as.text, ret, err);
}

/* trunc N TEXT; from the end where N is negative */
static int fn_trunc(struct template_call *call, const struct template_value *args, size_t n,
                    struct template_value *ret, struct err *err)
{
    (void)call;
    (void)n;
    (void)err;
    int64_t count = args[0].as.integer;
    struct sv text = args[1].as.text;
    if (count >= 0)
        text = sv_head(text, (size_t)count);
    else if ((uint64_t)-count < text.n)
        text = sv_from(text, text.n - (size_t)-count);
    *ret = template_text(text);
    return 0;
}

/* regexReplaceAll EXPRESSION TEXT REPLACEMENT */
static int fn_regex_replace(struct template_call *call, const struct template_value *args, size_t n,
                            struct template_value *ret, struct err *err)
{
    (void)n;
    struct re2 *re2;
    struct buf out;
    int rc = re2_compile(args[0].as.text, RE2_ANYWHERE, &re2, err);
    if (rc != 0)
        return rc;
    buf_init(&out, TEMPLATE_RESULT_MAX);
    re2_replace_all(re2, args[1].as.text, args[2].as.text, &out);
    re2_free(&re2);
    return give(call, &out, ret, err);
}

/* contains, hasPrefix, hasSuffix: NEEDLE TEXT */
static int fn_test(struct template_call *call, const struct template_value *args, size_t n,
                   struct template_value *ret, struct err *err)
{
    (void)n;
    (void)err;
    struct sv needle = args[0].as.text, text = args[1].as.text;
    *ret = template_bool(call->name[0] == 'c'   ? needle.n == 0 || sv_find(text, needle) < text.n
                         : call->name[3] == 'P' ? sv_starts(text, needle)
                                                : sv_ends(text, needle));
    return 0;
}

/* default FALLBACK VALUE */
static int fn_default(struct template_call *call, const struct template_value *args, size_t n,
                      struct template_value *ret, struct err *err)
{
    (void)call;
    (void)n;
    (void)err;
    *ret = template_is_true(args[1]) ? args[1] : args[0];
    return 0;
}

static int fn_line(struct template_call *call, const struct template_value *args, size_t n,
                   struct template_value *ret, struct err *err)
{
    (void)args;
    (void)n;
    (void)err;
    const struct query_template_context *context = call->run->context;
    *ret = template_text(context->line);
    return 0;
}

static int fn_timestamp(struct template_call *call, const struct template_value *args, size_t n,
                        struct template_value *ret, struct err *err)
{
    (void)args;
    (void)n;
    (void)err;
    const struct query_template_context *context = call->run->context;
    int64_t seconds = context->ns / TC_SECOND_NS, rest = context->ns % TC_SECOND_NS;
    *ret = template_time(call->arena, rest < 0 ? seconds - 1 : seconds,
                         (int32_t)(rest < 0 ? rest + TC_SECOND_NS : rest), NULL);
    return 0;
}

static int fn_arithmetic(struct template_call *call, const struct template_value *args, size_t n,
                         struct template_value *ret, struct err *err)
{
    double a, b;
    (void)n;
    int rc = template_to_float(args[0], &a, err);
    if (rc != 0 || (rc = template_to_float(args[1], &b, err)) != 0)
        return rc;
    *ret = template_float(call->name[0] == 'a'   ? a + b
                          : call->name[0] == 's' ? a - b
                          : call->name[0] == 'm' ? a * b
                                                 : a / b);
    return 0;
}

static int fn_float(struct template_call *call, const struct template_value *args, size_t n,
                    struct template_value *ret, struct err *err)
{
    double v;
    (void)n;
    int rc = template_to_float(args[0], &v, err);
    if (rc != 0)
        return rc;
    *ret = call->name[0] == 'f' ? template_float(v) : template_int(v > -9e18 && v < 9e18 ? (int64_t)v : 0);
    return 0;
}

static const struct template_function functions[] = {
    {"ToLower", "s", fn_case},
    {"ToUpper", "s", fn_case},
    {"lower", "s", fn_case},
    {"upper", "s", fn_case},
    {"trim", "s", fn_trim},
    {"TrimSpace", "s", fn_trim},
    {"replace", "sss", fn_replace},
    {"trunc", "is", fn_trunc},
    {"regexReplaceAll", "sss", fn_regex_replace},
    {"contains", "ss", fn_test},
    {"hasPrefix", "ss", fn_test},
    {"hasSuffix", "ss", fn_test},
    {"default", "aa", fn_default},
    {"__line__", "", fn_line},
    {"__timestamp__", "", fn_timestamp},
    {"addf", "aa", fn_arithmetic},
    {"subf", "aa", fn_arithmetic},
    {"mulf", "aa", fn_arithmetic},
    {"divf", "aa", fn_arithmetic},
    {"float64", "a", fn_float},
    {"int", "a", fn_float},
    {0},
};
const struct template_function *const query_functions[] = {functions, template_common_functions, NULL};
