/*
 * What both syntaxes of matchers share: making, matching, printing, and the choice between the two
 * (alertmanager/matcher/compat). See matcher.h.
 */
#include "alert/alertmanager/matcher_priv.h"

#include "base/utf8.h"
#include "template/go_format.h"

#include <stdlib.h>

enum { EXPRESSIONS_MAX = 100000 };

/* --- label sets --- */

static int compare_labels(const void *a, const void *b)
{
    return sv_cmp(((const struct am_label *)a)->name, ((const struct am_label *)b)->name);
}

size_t am_labels_sort(struct am_label *items, size_t count)
{
    size_t kept = 0;
    /* Insertion keeps equal names in order, so that the last one can win; label sets are small. */
    for (size_t i = 1; i < count; i++) {
        struct am_label label = items[i];
        size_t at = i;
        for (; at > 0 && compare_labels(&items[at - 1], &label) > 0; at--)
            items[at] = items[at - 1];
        items[at] = label;
    }
    for (size_t i = 0; i < count; i++)
        if (kept > 0 && sv_eq(items[kept - 1].name, items[i].name))
            items[kept - 1] = items[i];
        else
            items[kept++] = items[i];
    return kept;
}

struct sv am_labels_get(struct am_labels labels, struct sv name)
{
    struct am_label key = {.name = name};
    const struct am_label *found =
        labels.count == 0 ? NULL
                          : bsearch(&key, labels.items, labels.count, sizeof labels.items[0], compare_labels);
    return found == NULL ? SV("") : found->value;
}

void am_labels_print(struct am_labels labels, struct buf *out)
{
    buf_char(out, '{');
    for (size_t i = 0; i < labels.count; i++) {
        buf_str(out, i == 0 ? "" : ", ");
        buf_sv(out, labels.items[i].name);
        buf_char(out, '=');
        go_quote(out, labels.items[i].value);
    }
    buf_char(out, '}');
}

/* --- making --- */

void am_pool_free(struct am_pool *pool)
{
    for (size_t i = 0; i < pool->count; i++)
        re2_free(&pool->expressions[i]);
    free(pool->expressions);
    arena_free(&pool->arena);
    *pool = (struct am_pool){0};
}

int am_matcher_make(struct am_pool *pool, enum am_match_type type, struct sv name, struct sv value,
                    struct am_matcher *ret, struct err *err)
{
    struct am_matcher made = {type, arena_sv(&pool->arena, name), arena_sv(&pool->arena, value), NULL};
    if (type == AM_REGEXP || type == AM_NOT_REGEXP) {
        struct re2 *re2;
        if (pool->count == EXPRESSIONS_MAX)
            return err_set(err, TC_EBOUND, "more than 100,000 regular expressions in matchers");
        int rc = re2_compile(value, RE2_WHOLE, &re2, err);
        if (rc != 0)
            return rc;
        if (pool->count == pool->capacity) {
            pool->capacity = TC_MAX(16, pool->capacity * 2);
            pool->expressions = tc_realloc(pool->expressions, pool->capacity * sizeof(struct re2 *));
        }
        pool->expressions[pool->count++] = re2;
        made.re2 = re2;
    }
    *ret = made;
    return 0;
}

int am_matchers_add(struct am_pool *pool, struct am_matchers *matchers, struct am_matcher matcher,
                    struct err *err)
{
    if (matchers->count == AM_MATCHERS_MAX)
        return err_set(err, TC_EBOUND, "more than 1,000 matchers in one place");
    /* The room doubles: it is used up where the count is a power of two. */
    if ((matchers->count & (matchers->count - 1)) == 0) {
        struct am_matcher *items =
            ARENA_ARRAY(&pool->arena, struct am_matcher, TC_MAX(1, matchers->count * 2));
        if (matchers->count > 0)
            memcpy(items, matchers->items, matchers->count * sizeof items[0]);
        matchers->items = items;
    }
    matchers->items[matchers->count++] = matcher;
    return 0;
}

/* --- reading --- */

static int check_size(struct sv input, struct err *err)
{
    if (input.n > AM_MATCHERS_MAX_BYTES)
        return err_set(err, TC_EBOUND, "matchers of %zu bytes: the most is 64 KiB", input.n);
    return 0;
}

static bool same(struct am_matchers a, struct am_matchers b)
{
    if (a.count != b.count)
        return false;
    for (size_t i = 0; i < a.count; i++)
        if (a.items[i].type != b.items[i].type || !sv_eq(a.items[i].name, b.items[i].name) ||
            !sv_eq(a.items[i].value, b.items[i].value))
            return false;
    return true;
}

static const char *suggestion(struct am_pool *pool, struct am_matchers matchers)
{
    struct buf text;
    buf_init(&text, 4096);
    for (size_t i = 0; i < matchers.count; i++) {
        buf_str(&text, i == 0 ? "" : ",");
        am_matcher_print(&matchers.items[i], &text);
    }
    struct sv made =
        arena_printf(&pool->arena,
                     "only the classic syntax of matchers can read this; put names and values in "
                     "double quotes and escape backslashes: %.*s",
                     SV_FMT(buf_view(&text)));
    buf_free(&text);
    return made.p;
}

static int parse_both(struct am_pool *pool, struct sv input, struct am_matchers *ret,
                      const char **ret_warning, struct err *err)
{
    struct am_matchers utf8 = {0}, classic = {0};
    struct err utf8_err = {0}, classic_err = {0};
    int utf8_rc = am_utf8_matchers(pool, input, &utf8, &utf8_err);
    int classic_rc = am_classic_matchers(pool, input, &classic, &classic_err);
    if (utf8_rc != 0 && classic_rc != 0) {
        if (err != NULL)
            *err = classic_err;
        return classic_rc;
    }
    if (utf8_rc != 0)
        *ret_warning = suggestion(pool, classic);
    else if (classic_rc == 0 && !same(utf8, classic))
        *ret_warning = "the classic and the UTF-8 syntax of matchers read this differently; the classic "
                       "reading is used";
    *ret = classic_rc == 0 && (utf8_rc != 0 || !same(utf8, classic)) ? classic : utf8;
    return 0;
}

int am_matchers_parse(struct am_pool *pool, enum am_matcher_mode mode, struct sv input,
                      struct am_matchers *ret, const char **ret_warning, struct err *err)
{
    struct am_matchers made = {0};
    const char *warning = NULL;
    int rc = check_size(input, err);
    if (rc == 0)
        rc = mode == AM_MATCHERS_CLASSIC ? am_classic_matchers(pool, input, &made, err)
             : mode == AM_MATCHERS_UTF8  ? am_utf8_matchers(pool, input, &made, err)
                                         : parse_both(pool, input, &made, &warning, err);
    if (rc != 0)
        return rc;
    *ret = made;
    if (ret_warning != NULL)
        *ret_warning = warning;
    return 0;
}

/* The UTF-8 syntax for one matcher; braces are for lists. */
static int utf8_matcher(struct am_pool *pool, struct sv input, struct am_matcher *ret, struct err *err)
{
    struct am_matchers made = {0};
    int rc = am_utf8_matchers(pool, input, &made, err);
    if (rc != 0)
        return rc;
    if (made.count == 0)
        return err_set(err, TC_EINPUT, "no matchers");
    if (made.count > 1)
        return err_set(err, TC_EINPUT, "expected 1 matcher, found %zu", made.count);
    *ret = made.items[0];
    return 0;
}

int am_matcher_parse(struct am_pool *pool, enum am_matcher_mode mode, struct sv input, struct am_matcher *ret,
                     struct err *err)
{
    int rc = check_size(input, err);
    if (rc != 0)
        return rc;
    if (mode == AM_MATCHERS_CLASSIC)
        return am_classic_matcher(pool, input, ret, err);
    if (sv_starts(input, SV("{")) || sv_ends(input, SV("}")))
        return err_set(err, TC_EINPUT, "unexpected open or close brace: %.*s", SV_FMT(input));
    if (mode == AM_MATCHERS_UTF8)
        return utf8_matcher(pool, input, ret, err);
    struct am_matcher utf8, classic;
    int utf8_rc = utf8_matcher(pool, input, &utf8, NULL);
    int classic_rc = am_classic_matcher(pool, input, &classic, err);
    if (utf8_rc != 0 && classic_rc != 0)
        return classic_rc;
    *ret = classic_rc == 0 ? classic : utf8; /* where both can read it and agree, they are equal */
    return 0;
}

/* --- using --- */

static int compare_matchers(const void *a, const void *b)
{
    const struct am_matcher *x = a, *y = b;
    int c = sv_cmp(x->name, y->name);
    if (c == 0)
        c = sv_cmp(x->value, y->value);
    return c != 0 ? c : (int)x->type - (int)y->type;
}

void am_matchers_sort(struct am_matchers *matchers)
{
    if (matchers->count > 1)
        qsort(matchers->items, matchers->count, sizeof matchers->items[0], compare_matchers);
}

bool am_matcher_matches(const struct am_matcher *matcher, struct sv value)
{
    bool negated = matcher->type == AM_NOT_EQUAL || matcher->type == AM_NOT_REGEXP;
    bool found = matcher->re2 != NULL ? re2_matches(matcher->re2, value) : sv_eq(matcher->value, value);
    return found != negated;
}

bool am_matchers_match(struct am_matchers matchers, struct am_labels labels)
{
    for (size_t i = 0; i < matchers.count; i++)
        if (!am_matcher_matches(&matchers.items[i], am_labels_get(labels, matchers.items[i].name)))
            return false;
    return true;
}

/* --- printing --- */

bool am_is_space(uint32_t rune)
{
    return (rune >= 9 && rune <= 13) || rune == ' ' || rune == 0x85 || rune == 0xa0 || rune == 0x1680 ||
           (rune >= 0x2000 && rune <= 0x200a) || rune == 0x2028 || rune == 0x2029 || rune == 0x202f ||
           rune == 0x205f || rune == 0x3000;
}

static bool needs_quotes(struct sv name)
{
    while (name.n > 0) {
        uint32_t rune = 0xfffd;
        size_t n = utf8_decode(name, &rune);
        if (am_is_space(rune) || (rune < 128 && rune > 0 && strchr("{}!=~,\\\"'`", (int)rune) != NULL))
            return true;
        name = sv_from(name, TC_MAX(n, 1));
    }
    return false;
}

void am_matcher_print(const struct am_matcher *matcher, struct buf *out)
{
    static const char *const words[] = {"=", "!=", "=~", "!~"};
    if (needs_quotes(matcher->name)) {
        go_quote(out, matcher->name);
        buf_str(out, words[matcher->type]);
        go_quote(out, matcher->value);
        return;
    }
    buf_sv(out, matcher->name);
    buf_str(out, words[matcher->type]);
    buf_char(out, '"');
    for (size_t i = 0; i < matcher->value.n; i++) {
        char c = matcher->value.p[i];
        if (c == '\\' || c == '"' || c == '\n')
            buf_char(out, '\\');
        buf_char(out, c == '\n' ? 'n' : c);
    }
    buf_char(out, '"');
}

void am_matchers_print(struct am_matchers matchers, struct buf *out)
{
    buf_char(out, '{');
    for (size_t i = 0; i < matchers.count; i++) {
        buf_str(out, i == 0 ? "" : ",");
        am_matcher_print(&matchers.items[i], out);
    }
    buf_char(out, '}');
}

static bool is_name_char(char c, bool first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (!first && c >= '0' && c <= '9');
}

bool am_label_name_is_classic(struct sv name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!is_name_char(name.p[i], i == 0))
            return false;
    return name.n > 0;
}

bool am_label_name_valid(enum am_matcher_mode mode, struct sv name)
{
    return mode == AM_MATCHERS_CLASSIC ? am_label_name_is_classic(name)
                                       : name.n > 0 && utf8_valid(name) == name.n;
}
