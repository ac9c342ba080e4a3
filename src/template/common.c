/*
 * Functions of both worlds; see common.h.
 */
#include "template/common.h"

#include "base/re2.h"
#include "base/utf8.h"
#include "template/go_format.h"

#include <math.h>

int template_text_result(struct template_call *call, struct buf *text, struct template_value *ret,
                         struct err *err)
{
    if (text->overflow) {
        buf_free(text);
        return err_set(err, TC_EBOUND, "the text is longer than %d bytes", TEMPLATE_RESULT_MAX);
    }
    *ret = template_text(arena_sv(call->arena, buf_view(text)));
    buf_free(text);
    return 0;
}

int template_to_float(struct template_value value, double *ret, struct err *err)
{
    switch (value.kind) {
    case TEMPLATE_FLOAT:
        *ret = value.as.number;
        return 0;
    case TEMPLATE_INT:
        *ret = (double)value.as.integer;
        return 0;
    case TEMPLATE_DURATION:
        *ret = (double)value.as.integer / 1e9;
        return 0;
    case TEMPLATE_STRING:
        if (go_parse_float(value.as.text, ret))
            return 0;
        return err_set(err, TC_EINPUT, "strconv.ParseFloat: parsing \"%.*s\": invalid syntax",
                       SV_FMT(value.as.text));
    default:
        return err_set(err, TC_EINPUT, "can't convert %s to float", template_type_name(value));
    }
}

/* Capital letters of the scripts that have them in regular ranges (Latin, Greek, Cyrillic, Armenian). */
static uint32_t upper_rune(uint32_t rune)
{
    static const struct {
        uint32_t first, last, less;
    } ranges[] = {{'a', 'z', 32},     {0xE0, 0xF6, 32},   {0xF8, 0xFE, 32},   {0x3B1, 0x3C1, 32},
                  {0x3C3, 0x3CB, 32}, {0x430, 0x44F, 32}, {0x450, 0x45F, 80}, {0x561, 0x586, 48}};
    if (rune == 0xFF)
        return 0x178;
    for (size_t i = 0; i < TC_ARRAY_LEN(ranges); i++)
        if (rune >= ranges[i].first && rune <= ranges[i].last)
            return rune - ranges[i].less;
    bool pairs = (rune >= 0x100 && rune < 0x138) || (rune >= 0x14A && rune < 0x178) ||
                 (rune >= 0x460 && rune < 0x482) || (rune >= 0x48A && rune < 0x4C0) ||
                 (rune >= 0x4D0 && rune < 0x530) || (rune >= 0x1E00 && rune < 0x1E96);
    bool shifted = (rune >= 0x139 && rune < 0x149) || (rune >= 0x179 && rune < 0x17F);
    if ((pairs && (rune & 1) == 1) || (shifted && (rune & 1) == 0))
        return rune - 1;
    return rune;
}

enum casing { CASE_UPPER, CASE_LOWER, CASE_TITLE };

static void change_case(struct sv in, enum casing casing, struct buf *out)
{
    bool starts = true;
    for (size_t i = 0; i < in.n;) {
        uint32_t rune;
        char utf8[4];
        size_t n = utf8_decode(sv_from(in, i), &rune);
        if (n == 0) {
            buf_char(out, in.p[i++]);
            starts = true;
            continue;
        }
        i += n;
        uint32_t made = casing == CASE_LOWER             ? utf8_fold_rune(rune)
                        : casing == CASE_UPPER || starts ? upper_rune(rune)
                                                         : rune;
        bool word = (rune >= '0' && rune <= '9') || ((rune | 0x20) >= 'a' && (rune | 0x20) <= 'z') ||
                    rune == '_' || rune == '\'' || rune >= 0xAA;
        starts = !word;
        buf_add(out, utf8, utf8_encode(made, utf8));
    }
}

static int fn_case(struct template_call *call, const struct template_value *args, size_t n,
                   struct template_value *ret, struct err *err)
{
    struct buf text;
    (void)n;
    buf_init(&text, TEMPLATE_RESULT_MAX);
    change_case(args[0].as.text,
                strcmp(call->name, "toUpper") == 0   ? CASE_UPPER
                : strcmp(call->name, "toLower") == 0 ? CASE_LOWER
                                                     : CASE_TITLE,
                &text);
    return template_text_result(call, &text, ret, err);
}

static int fn_trim_space(struct template_call *call, const struct template_value *args, size_t n,
                         struct template_value *ret, struct err *err)
{
    (void)call, (void)n, (void)err;
    *ret = template_text(sv_trim(args[0].as.text));
    return 0;
}

static int fn_join(struct template_call *call, const struct template_value *args, size_t n,
                   struct template_value *ret, struct err *err)
{
    struct buf text;
    (void)n;
    buf_init(&text, TEMPLATE_RESULT_MAX);
    const struct template_list *list = args[1].as.list;
    for (size_t i = 0; i < list->n; i++) {
        if (i > 0)
            buf_sv(&text, args[0].as.text);
        buf_sv(&text, list->items[i].as.text);
    }
    return template_text_result(call, &text, ret, err);
}

static int fn_match(struct template_call *call, const struct template_value *args, size_t n,
                    struct template_value *ret, struct err *err)
{
    struct re2 *re2;
    (void)call, (void)n;
    int done = re2_compile(args[0].as.text, RE2_ANYWHERE, &re2, err);
    if (done != 0)
        return done;
    *ret = template_bool(re2_matches(re2, args[1].as.text));
    re2_free(&re2);
    return 0;
}

static int fn_replace_all(struct template_call *call, const struct template_value *args, size_t n,
                          struct template_value *ret, struct err *err)
{
    struct re2 *re2;
    struct buf text;
    (void)n;
    int done = re2_compile(args[0].as.text, RE2_ANYWHERE, &re2, err);
    if (done != 0)
        return done;
    buf_init(&text, TEMPLATE_RESULT_MAX);
    re2_replace_all(re2, args[2].as.text, args[1].as.text, &text);
    re2_free(&re2);
    return template_text_result(call, &text, ret, err);
}

static int fn_safe_html(struct template_call *call, const struct template_value *args, size_t n,
                        struct template_value *ret, struct err *err)
{
    (void)call, (void)n, (void)err;
    *ret = args[0];
    ret->content = CONTENT_HTML;
    return 0;
}

static int fn_string_slice(struct template_call *call, const struct template_value *args, size_t n,
                           struct template_value *ret, struct err *err)
{
    (void)err;
    struct template_value *items = ARENA_ARRAY(call->arena, struct template_value, n + 1);
    for (size_t i = 0; i < n; i++)
        items[i] = args[i];
    *ret = template_list(call->arena, &template_type_strings, items, n);
    return 0;
}

/* Four significant digits, in the largest units that fit. */
static int fn_humanize_duration(struct template_call *call, const struct template_value *args, size_t n,
                                struct template_value *ret, struct err *err)
{
    static const char prefixes[] = "munpfazy";
    double v;
    struct buf text;
    (void)n;
    int done = template_to_float(args[0], &v, err);
    if (done != 0)
        return done;
    buf_init(&text, 128);
    if (isnan(v) || isinf(v)) {
        go_format_float(&text, v, 'g', 4);
        return template_text_result(call, &text, ret, err);
    }
    double size = fabs(v);
    if (size >= 60 && size < 9e18) {
        int64_t seconds = (int64_t)size;
        if (v < 0)
            buf_char(&text, '-');
        if (seconds >= 86400)
            buf_printf(&text, "%lldd ", (long long)(seconds / 86400));
        if (seconds >= 3600)
            buf_printf(&text, "%lldh ", (long long)(seconds / 3600 % 24));
        buf_printf(&text, "%lldm %llds", (long long)(seconds / 60 % 60), (long long)(seconds % 60));
        return template_text_result(call, &text, ret, err);
    }
    char prefix = '\0';
    for (size_t i = 0; prefixes[i] != '\0' && v != 0 && fabs(v) < 1; i++) {
        prefix = prefixes[i];
        v *= 1000;
    }
    go_format_float(&text, v, 'g', 4);
    if (prefix != '\0')
        buf_char(&text, prefix);
    buf_char(&text, 's');
    return template_text_result(call, &text, ret, err);
}

const struct template_function template_common_functions[] = {
    {"toUpper", "s", fn_case},
    {"toLower", "s", fn_case},
    {"title", "s", fn_case},
    {"trimSpace", "s", fn_trim_space},
    {"join", "sS", fn_join},
    {"match", "ss", fn_match},
    {"reReplaceAll", "sss", fn_replace_all},
    {"safeHtml", "s", fn_safe_html},
    {"stringSlice", "s*", fn_string_slice},
    {"humanizeDuration", "a", fn_humanize_duration},
    {NULL, NULL, NULL},
};
