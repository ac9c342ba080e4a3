/*
 * The table of modifiers, and what each does to a draft.
 *
 * They are applied in the order written. Some rewrite a text (contains, wide), some make several of one
 * (base64offset), some change what the draft is (re, cidr, gte). A modifier that cannot work on what it finds
 * refuses the rule; so does one that is not in the table.
 */
#include "base/num.h"
#include "detect/sigma_draft.h"

enum { DASHES_EXPANDED_MAX = 4 }; /* 5^4 = 625 alternatives of one value */

/* --- the table of modifiers
 * --------------------------------------------------------------------------------------------------- */

struct modifier;
typedef int (*modifier_fn)(struct item_draft *item, const struct modifier *modifier,
                           struct draft_value *value);
struct modifier {
    const char *name;
    modifier_fn apply;
    unsigned arg, arg2;
};

static int wrong_value(struct item_draft *item, const struct modifier *m, const struct draft_value *value,
                       const char *needs)
{
    return sigma_refuse(item->sigma, TC_EINPUT, SIGMA_AT(value->node), "modifier on a wrong value",
                        "the modifier \"%s\" needs %s", m->name, needs);
}

static int wrong_order(struct item_draft *item, const struct modifier *m)
{
    return sigma_refuse(item->sigma, TC_EINPUT, SIGMA_AT_KEY(item->place), "modifier order",
                        "the modifier \"%s\" must be the first that works on a value", m->name);
}

bool draft_as_text(struct item_draft *item, struct draft *d)
{
    bool compared = d->kind == DRAFT_NUMBER && d->changed; /* gt: 5 is a question, and no text any more */
    if (!compared && (d->kind == DRAFT_NUMBER || d->kind == DRAFT_BOOL)) {
        d->tokens = sigma_text(item->sigma->scratch, d->raw);
        d->kind = DRAFT_TEXT;
    }
    return d->kind == DRAFT_TEXT;
}

static int apply_open(struct item_draft *item, const struct modifier *m, struct draft_value *value)
{
    for (size_t i = 0; i < value->count; i++) {
        struct draft *d = &value->drafts[i];
        d->open_start |= m->arg != 0;
        d->open_end |= m->arg2 != 0;
        if (draft_as_text(item, d))
            d->tokens = sigma_open(item->sigma->scratch, d->tokens, m->arg != 0, m->arg2 != 0);
        else if (d->kind != DRAFT_FIELD && d->kind != DRAFT_REGEX && d->kind != DRAFT_LIST)
            return wrong_value(item, m, value, "a text");
        d->changed = true;
    }
    item->anchored = true;
    return 0;
}

static int apply_all(struct item_draft *item, const struct modifier *m, struct draft_value *value)
{
    (void)m;
    if (item->count < 2)
        return sigma_refuse(item->sigma, TC_EINPUT, SIGMA_AT(value->node), "all on a single value",
                            "the modifier \"all\" needs a list of two values or more");
    item->all = true;
    return 0;
}

static int apply_neq(struct item_draft *item, const struct modifier *m, struct draft_value *value)
{
    (void)m;
    (void)value;
    item->negated = true;
    return 0;
}

static int apply_cased(struct item_draft *item, const struct modifier *m, struct draft_value *value)
{
    const struct draft *d = &value->drafts[0];
    if (d->kind == DRAFT_NULL || d->kind == DRAFT_DONE || d->kind == DRAFT_DATE ||
        (d->kind == DRAFT_NUMBER && d->changed))
        return wrong_value(item, m, value, "a text");
    item->cased = true;
    return 0;
}

static int apply_exists(struct item_draft *item, const struct modifier *m, struct draft_value *value)
{
    struct draft *d = &value->drafts[0];
    if (d->changed)
        return wrong_order(item, m);
    if (d->kind != DRAFT_BOOL || item->count != 1)
        return wrong_value(item, m, value, "true or false");
    *d = (struct draft){.kind = DRAFT_DONE,
                        .changed = true,
                        .done = {.kind = PREDICATE_EXISTS, .exists = sv_is(d->raw, "true")}};
    return 0;
}

/* Did only contains, startswith and endswith work on it? Then its text can still be another. */
static bool is_as_written(struct item_draft *item, const struct draft *d)
{
    struct arena *arena = item->sigma->scratch;
    struct token_list plain = sigma_open(arena, sigma_string(arena, d->raw), d->open_start, d->open_end);
    bool same = d->kind == DRAFT_TEXT && plain.count == d->tokens.count;
    for (size_t i = 0; same && i < plain.count; i++)
        same = plain.tokens[i].kind == d->tokens.tokens[i].kind &&
               sv_eq(plain.tokens[i].text, d->tokens.tokens[i].text);
    return same;
}

static int apply_re(struct item_draft *item, const struct modifier *m, struct draft_value *value)
{
    for (size_t i = 0; i < value->count; i++) {
        struct draft *d = &value->drafts[i];
        bool expanded = d->expanded && is_as_written(item, d) && !d->open_start && !d->open_end;
        if (d->changed && !expanded)
            return wrong_order(item, m);
        if (!draft_as_text(item, d))
            return wrong_value(item, m, value, "a regular expression");
        d->kind = DRAFT_REGEX;
        d->changed = true;
    }
    return 0;
}

static int apply_re_flag(struct item_draft *item, const struct modifier *m, struct draft_value *value)
{
    for (size_t i = 0; i < value->count; i++) {
        if (value->drafts[i].kind != DRAFT_REGEX)
            return wrong_value(item, m, value, "\"re\" before it");
        value->drafts[i].regex_flags |= m->arg;
    }
    return 0;
}

/* Writes out the dashes of windash, for encodings that see bytes. */
static int expand_dashes(struct item_draft *item, struct draft_value *value)
{
    size_t total = 0;
    for (size_t i = 0; i < value->count; i++) {
        size_t n = 1, dashes = sigma_dash_count(value->drafts[i].tokens);
        if (dashes > DASHES_EXPANDED_MAX)
            return sigma_refuse(item->sigma, TC_EBOUND, SIGMA_AT(value->node), "windash with an encoding",
                                "more than %d dashes before an encoding", DASHES_EXPANDED_MAX);
        while (dashes-- > 0)
            n *= 5;
        total += n;
    }
    if (total == value->count)
        return 0;
    struct draft *all = ARENA_ARRAY(item->sigma->scratch, struct draft, total);
    size_t count = 0;
    for (size_t i = 0; i < value->count; i++) {
        size_t n = 1;
        for (size_t k = sigma_dash_count(value->drafts[i].tokens); k > 0; k--)
            n *= 5;
        for (size_t at = 0; at < n; at++) {
            all[count] = value->drafts[i];
            all[count++].tokens = sigma_dashes_chosen(item->sigma->scratch, value->drafts[i].tokens, at);
        }
    }
    value->drafts = all;
    value->count = count;
    return 0;
}

static int need_texts(struct item_draft *item, const struct modifier *m, struct draft_value *value)
{
    for (size_t i = 0; i < value->count; i++)
        if (!draft_as_text(item, &value->drafts[i]))
            return wrong_value(item, m, value, "a text");
    return 0;
}

static int apply_utf16(struct item_draft *item, const struct modifier *m, struct draft_value *value)
{
    int rc = need_texts(item, m, value);
    if (rc == 0)
        rc = expand_dashes(item, value);
    for (size_t i = 0; rc == 0 && i < value->count; i++) {
        struct draft *d = &value->drafts[i];
        d->tokens = sigma_utf16(item->sigma->scratch, d->tokens, (enum utf16_form)m->arg);
        d->changed = true;
    }
    return rc;
}

/* The bytes that an encoding works on: no wildcards in them. */
static int plain_texts(struct item_draft *item, const struct modifier *m, struct draft_value *value)
{
    int rc = need_texts(item, m, value);
    if (rc == 0)
        rc = expand_dashes(item, value);
    for (size_t i = 0; rc == 0 && i < value->count; i++)
        if (sigma_has_wildcard(value->drafts[i].tokens))
            return wrong_value(item, m, value, "a text without wildcards");
    return rc;
}

static struct sv plain(const struct draft *d)
{
    return d->tokens.count == 0 ? SV("") : d->tokens.tokens[0].text;
}

static int apply_base64(struct item_draft *item, const struct modifier *m, struct draft_value *value)
{
    int rc = plain_texts(item, m, value);
    for (size_t i = 0; rc == 0 && i < value->count; i++) {
        struct draft *d = &value->drafts[i];
        d->tokens = sigma_text(item->sigma->scratch, sigma_base64(item->sigma->scratch, plain(d)));
        d->changed = true;
    }
    return rc;
}

static int apply_base64offset(struct item_draft *item, const struct modifier *m, struct draft_value *value)
{
    int rc = plain_texts(item, m, value);
    if (rc != 0)
        return rc;
    struct draft *all = ARENA_ARRAY(item->sigma->scratch, struct draft, value->count * 3);
    for (size_t i = 0; i < value->count * 3; i++) {
        struct sv form = sigma_base64_offset(item->sigma->scratch, plain(&value->drafts[i / 3]), i % 3);
        if (form.n == 0)
            return wrong_value(item, m, value, "two bytes or more: less leaves nothing to look for");
        all[i] = value->drafts[i / 3];
        all[i].tokens = sigma_text(item->sigma->scratch, form);
        all[i].changed = true;
    }
    value->drafts = all;
    value->count *= 3;
    return 0;
}

static int apply_windash(struct item_draft *item, const struct modifier *m, struct draft_value *value)
{
    int rc = need_texts(item, m, value);
    for (size_t i = 0; rc == 0 && i < value->count; i++) {
        struct draft *d = &value->drafts[i];
        d->tokens = sigma_windash(item->sigma->scratch, d->tokens);
        d->changed = true;
    }
    return rc;
}

/* A placeholder and nothing else, whose values expand will put in its place. */
static bool is_placeholder(struct sv raw)
{
    return raw.n > 2 && raw.p[0] == '%' && sv_find_char(sv_from(raw, 1), '%') == raw.n - 2;
}

static int to_network(struct item_draft *item, const struct draft_value *value, struct draft *d)
{
    struct err why;
    struct predicate done = {.kind = PREDICATE_NETWORK};
    if (network_parse(d->raw, &done.network, &why) != 0)
        return sigma_refuse(item->sigma, TC_EINPUT, SIGMA_AT(value->node), "cidr", "%s", why.text);
    *d = (struct draft){.kind = DRAFT_DONE, .changed = true, .done = done};
    return 0;
}

static int apply_cidr(struct item_draft *item, const struct modifier *m, struct draft_value *value)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < value->count; i++) {
        struct draft *d = &value->drafts[i];
        d->network = true;
        if ((d->changed && !d->expanded) || d->open_start || d->open_end)
            return wrong_order(item, m);
        if (d->kind == DRAFT_LIST)
            continue;
        if (d->kind != DRAFT_TEXT)
            return wrong_value(item, m, value, "a network such as 10.0.0.0/8");
        if (!is_as_written(item, d))
            return wrong_order(item, m);
        if (d->expanded || !is_placeholder(d->raw))
            rc = to_network(item, value, d);
        d->changed = true;
    }
    return rc;
}

static int apply_fieldref(struct item_draft *item, const struct modifier *m, struct draft_value *value)
{
    struct draft *d = &value->drafts[0];
    if (d->changed)
        return wrong_order(item, m);
    if (d->kind != DRAFT_TEXT || d->raw.n == 0 || item->field.n == 0 || sigma_has_wildcard(d->tokens))
        return wrong_value(item, m, value, "a field before it and a field's name as its value");
    d->kind = DRAFT_FIELD;
    d->changed = true;
    return 0;
}

static int apply_compare(struct item_draft *item, const struct modifier *m, struct draft_value *value)
{
    struct draft *d = &value->drafts[0];
    if (d->kind != DRAFT_DATE && d->changed)
        return wrong_order(item, m);
    if (d->kind != DRAFT_DATE &&
        !((d->kind == DRAFT_TEXT || d->kind == DRAFT_NUMBER) && num_is_number(d->raw)))
        return wrong_value(item, m, value, "a number");
    if (d->kind == DRAFT_TEXT)
        d->kind = DRAFT_NUMBER;
    d->op = (enum compare_op)m->arg;
    d->changed = true;
    return 0;
}

static int apply_date(struct item_draft *item, const struct modifier *m, struct draft_value *value)
{
    struct draft *d = &value->drafts[0];
    if (d->kind != DRAFT_NUMBER)
        return wrong_value(item, m, value, "a number");
    if (d->changed)
        return wrong_order(item, m);
    d->kind = DRAFT_DATE;
    d->part = (enum date_part)m->arg;
    d->changed = true;
    return 0;
}

/* The draft becomes a question to a list. */
static void ask_list(struct list *list, const struct draft *d, struct draft *ret)
{
    *ret = *d;
    ret->kind = DRAFT_LIST;
    ret->list = list;
    ret->changed = ret->expanded = true;
}

static int expand_text(struct item_draft *item, const struct draft_value *value, const struct draft *d,
                       struct sv text, struct draft *ret)
{
    struct arena *arena = item->sigma->scratch;
    *ret = *d;
    ret->raw = text;
    if (d->kind == DRAFT_TEXT)
        ret->tokens = sigma_open(arena, sigma_string(arena, text), d->open_start, d->open_end);
    ret->expanded = ret->changed = true;
    return d->network ? to_network(item, value, ret) : 0;
}

static int expand_draft(struct item_draft *item, const struct modifier *m, const struct draft_value *value,
                        const struct draft *d, struct draft_value *all)
{
    const struct sv *texts = NULL;
    size_t count = 1;
    struct list *list = placeholders_list(item, d->raw);
    int rc = list != NULL ? 0 : placeholders_expand(item, value, d->raw, &texts, &count);
    if (rc != 0)
        return rc;
    bool same = list == NULL && count == 1 && sv_eq(texts[0], d->raw);
    bool regex =
        d->kind == DRAFT_REGEX && list == NULL; /* "re|expand": the text is an expression as it stands */
    if (!same && !regex && !is_as_written(item, d))
        return wrong_order(item, m);
    struct draft *drafts = ARENA_ARRAY(item->sigma->scratch, struct draft, all->count + count);
    if (all->count > 0)
        memcpy(drafts, all->drafts, all->count * sizeof drafts[0]);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        struct draft *to = &drafts[all->count + i];
        *to = *d;
        if (list != NULL)
            ask_list(list, d, to);
        else if (!same)
            rc = expand_text(item, value, d, texts[i], to);
    }
    all->drafts = drafts;
    all->count += count;
    return rc;
}

static int apply_expand(struct item_draft *item, const struct modifier *m, struct draft_value *value)
{
    struct draft_value all = {.node = value->node};
    int rc = 0;
    for (size_t k = 0; rc == 0 && k < value->count; k++)
        rc = expand_draft(item, m, value, &value->drafts[k], &all);
    if (rc == 0)
        *value = all;
    return rc;
}

static const struct modifier modifiers[] = {
    {"contains", apply_open, 1, 1},
    {"startswith", apply_open, 0, 1},
    {"endswith", apply_open, 1, 0},
    {"all", apply_all, 0, 0},
    {"cased", apply_cased, 0, 0},
    {"exists", apply_exists, 0, 0},
    {"neq", apply_neq, 0, 0},
    {"re", apply_re, 0, 0},
    {"i", apply_re_flag, REGEX_NOCASE, 0},
    {"ignorecase", apply_re_flag, REGEX_NOCASE, 0},
    {"m", apply_re_flag, REGEX_MULTILINE, 0},
    {"multiline", apply_re_flag, REGEX_MULTILINE, 0},
    {"s", apply_re_flag, REGEX_DOTALL, 0},
    {"dotall", apply_re_flag, REGEX_DOTALL, 0},
    {"base64", apply_base64, 0, 0},
    {"base64offset", apply_base64offset, 0, 0},
    {"wide", apply_utf16, UTF16_LE, 0},
    {"utf16le", apply_utf16, UTF16_LE, 0},
    {"utf16be", apply_utf16, UTF16_BE, 0},
    {"utf16", apply_utf16, UTF16_BOM, 0},
    {"windash", apply_windash, 0, 0},
    {"cidr", apply_cidr, 0, 0},
    {"fieldref", apply_fieldref, 0, 0},
    {"lt", apply_compare, COMPARE_LT, 0},
    {"lte", apply_compare, COMPARE_LTE, 0},
    {"gt", apply_compare, COMPARE_GT, 0},
    {"gte", apply_compare, COMPARE_GTE, 0},
    {"minute", apply_date, DATE_MINUTE, 0},
    {"hour", apply_date, DATE_HOUR, 0},
    {"day", apply_date, DATE_DAY, 0},
    {"week", apply_date, DATE_WEEK, 0},
    {"month", apply_date, DATE_MONTH, 0},
    {"year", apply_date, DATE_YEAR, 0},
    {"expand", apply_expand, 0, 0},
};

static int unknown_modifier(struct item_draft *item, struct sv name)
{
    const char *known[TC_ARRAY_LEN(modifiers) + 1] = {NULL};
    for (size_t i = 0; i < TC_ARRAY_LEN(modifiers); i++)
        known[i] = modifiers[i].name;
    const char *near = yaml_did_you_mean(name, known);
    return sigma_refuse(item->sigma, TC_EUNSUPPORTED, SIGMA_AT_KEY(item->place), "unknown modifier",
                        "unknown modifier \"%.*s\"%s%s%s", SV_FMT(sv_head(name, 60)),
                        near != NULL ? ": did you mean \"" : "", near != NULL ? near : "",
                        near != NULL ? "\"?" : "");
}

int modifier_apply(struct item_draft *item, struct sv name)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(modifiers); i++) {
        if (!sv_is(name, modifiers[i].name))
            continue;
        int rc = 0;
        for (size_t v = 0; rc == 0 && v < item->count; v++)
            rc = modifiers[i].apply(item, &modifiers[i], &item->values[v]);
        return rc;
    }
    return unknown_modifier(item, name);
}
