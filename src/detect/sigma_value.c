/*
 * One line of a selection: `field|modifier|modifier: value or list of values`.
 *
 * Each value starts as a draft (a text, a number, true, null), modifiers are applied to it from left to right
 * (sigma_modifier.c), and in the end each draft becomes a predicate.
 */
#include "detect/sigma_draft.h"

/* --- values
 * ------------------------------------------------------------------------------------------------------------------
 */

/* 0x1F and 0o17, unquoted: the number that other readers of YAML make of it. At most 64 bits. */
static bool is_based_number(struct sv text, uint64_t *ret)
{
    uint64_t base = sv_starts(text, SV("0x")) ? 16 : sv_starts(text, SV("0o")) ? 8 : 0, value = 0;
    if (base == 0 || text.n < 3)
        return false;
    for (size_t i = 2; i < text.n; i++) {
        char c = text.p[i];
        uint64_t digit = c >= '0' && c <= '9'   ? (uint64_t)(c - '0')
                         : c >= 'a' && c <= 'f' ? (uint64_t)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (uint64_t)(c - 'A' + 10)
                                                : base;
        if (digit >= base || value > (UINT64_MAX - digit) / base)
            return false;
        value = value * base + digit;
    }
    *ret = value;
    return true;
}

/* Without modifiers such a number is also its text: logs of Windows write 0x17 themselves. */
static void add_number(const struct item_draft *item, const struct yaml_node *node, struct draft_value *value)
{
    uint64_t number;
    if (node->quoted || item->field.n == 0 || item->key.n != item->field.n ||
        !is_based_number(node->text, &number))
        return;
    struct draft *both = ARENA_ARRAY(item->sigma->scratch, struct draft, 2);
    both[0] = value->drafts[0];
    both[1].kind = DRAFT_NUMBER;
    both[1].raw = arena_printf(item->sigma->scratch, "%llu", (unsigned long long)number);
    value->drafts = both;
    value->count = 2;
}

static int draft_of(struct item_draft *item, const struct yaml_node *node, struct draft_value *ret)
{
    struct sigma *sigma = item->sigma;
    if (node->type != YAML_SCALAR)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), "nested value",
                            "the value of a field must be a text, a number, true, false, null or a list of "
                            "these");
    struct draft *d = ARENA_NEW(sigma->scratch, struct draft);
    bool truth;
    d->raw = node->text;
    if (yaml_is_null(node)) {
        if (item->count > 1 || item->field.n == 0)
            return sigma_refuse(
                sigma, TC_EINPUT, SIGMA_AT(node), item->field.n == 0 ? "null keyword" : "null in a list",
                item->field.n == 0 ? "null is not a keyword"
                                   : "null cannot stand in a list: give it a selection of its "
                                     "own");
        d->kind = DRAFT_NULL;
    } else if (yaml_bool(node, &truth)) {
        d->kind = DRAFT_BOOL;
        d->raw = truth ? SV("true") : SV("false");
    } else if (yaml_is_integer(node) || yaml_is_float(node)) {
        d->kind = DRAFT_NUMBER;
    } else {
        d->tokens = sigma_string(sigma->scratch, node->text);
    }
    *ret = (struct draft_value){node, d, 1};
    if (d->kind == DRAFT_TEXT)
        add_number(item, node, ret);
    return 0;
}

/* --- the final form
 * -----------------------------------------------------------------------------------------------------------
 */

static int finish_regex(struct item_draft *item, const struct draft_value *value, const struct draft *d,
                        struct predicate *ret)
{
    struct err why;
    struct sv text = d->raw;
    if (d->open_start != d->open_end) /* a search is "contains" by itself */
        text = d->open_end ? arena_printf(item->sigma->scratch, "\\A(?:%.*s)", SV_FMT(text))
                           : arena_printf(item->sigma->scratch, "(?:%.*s)\\z", SV_FMT(text));
    ret->kind = PREDICATE_REGEX;
    if (regex_compile(item->sigma->arena, text, d->regex_flags, item->sigma->regexes, &ret->regex, &why) != 0)
        return sigma_refuse(item->sigma, TC_EINPUT, SIGMA_AT(value->node), "regular expression", "%s",
                            why.text);
    return 0;
}

static int finish_text(struct item_draft *item, const struct draft_value *value, struct draft *d,
                       struct predicate *ret)
{
    struct sigma *sigma = item->sigma;
    if (d->network)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(value->node), "cidr",
                            "\"%.*s\" is not an IP network (a placeholder wants the modifier \"expand\")",
                            SV_FMT(sv_head(d->raw, 80)));
    if (item->field.n == 0 && d->tokens.count == 0)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(value->node), "empty keyword",
                            "an empty keyword is in every event");
    if (item->field.n == 0 && !item->anchored)
        d->tokens = sigma_open(sigma->scratch, d->tokens, true, true);
    ret->kind = PREDICATE_PATTERN;
    pattern_compile(sigma->arena, d->tokens.tokens, d->tokens.count, item->cased, &ret->pattern);
    return 0;
}

static int finish_list(struct item_draft *item, const struct draft_value *value, const struct draft *d,
                       struct predicate *ret)
{
    struct err why;
    const char *wrong = item->field.n == 0             ? "a list is asked of a field, not of the whole event"
                        : d->open_start && d->open_end ? "a list cannot be looked for inside of a value: is, "
                                                         "startswith or endswith"
                        : d->network && item->anchored ? "cidr asks for a whole address"
                        : d->network && item->cased    ? "networks have no case"
                                                       : NULL;
    if (wrong != NULL)
        return sigma_refuse(item->sigma, TC_EUNSUPPORTED, SIGMA_AT(value->node), "list", "%s", wrong);
    *ret = (struct predicate){.kind = PREDICATE_LIST,
                              .list = {.question = d->network      ? LIST_NETWORK
                                                   : d->open_start ? LIST_ENDS
                                                   : d->open_end   ? LIST_STARTS
                                                                   : LIST_IS,
                                       .cased = item->cased}};
    if (list_table(d->list, item->sigma->arena, ret->list.question, item->cased, &ret->list.table, &why) != 0)
        return sigma_refuse(item->sigma, TC_EBOUND, SIGMA_AT(value->node), "too large", "%s", why.text);
    return 0;
}

static struct name_ref name_ref_of(struct arena *arena, struct sv name)
{
    if (name.n == 0)
        return (struct name_ref){SV(""), 0};
    struct sv own = arena_sv(arena, name);
    return (struct name_ref){own, event_name_hash(own)};
}

static int finish_draft(struct item_draft *item, const struct draft_value *value, struct draft *d,
                        struct predicate *ret)
{
    struct predicate p = {0};
    int rc = 0;
    if (item->field.n == 0 && d->kind == DRAFT_NUMBER && d->op == COMPARE_EQ)
        draft_as_text(item, d); /* a number among keywords is looked for as text */
    if (d->kind == DRAFT_BOOL)
        draft_as_text(item, d);
    switch (d->kind) {
    case DRAFT_TEXT:
    case DRAFT_BOOL:
        rc = finish_text(item, value, d, &p);
        break;
    case DRAFT_NUMBER:
    case DRAFT_DATE:
        p.kind = d->kind == DRAFT_DATE ? PREDICATE_DATE : PREDICATE_NUMBER;
        p.number.op = d->op;
        p.number.part = d->part;
        p.number.value = arena_sv(item->sigma->arena, d->raw);
        break;
    case DRAFT_NULL:
        p.kind = PREDICATE_NULL;
        break;
    case DRAFT_REGEX:
        rc = finish_regex(item, value, d, &p);
        break;
    case DRAFT_FIELD:
        p.kind = PREDICATE_FIELD;
        p.field.name = name_ref_of(item->sigma->arena, d->raw);
        p.field.cased = item->cased;
        p.field.open_start = d->open_start;
        p.field.open_end = d->open_end;
        break;
    case DRAFT_LIST:
        rc = finish_list(item, value, d, &p);
        break;
    case DRAFT_DONE:
        p = d->done;
        break;
    }
    if (rc == 0 && p.kind == PREDICATE_EXISTS && item->field.n == 0)
        rc = sigma_refuse(item->sigma, TC_EINPUT, SIGMA_AT(value->node), "modifier on a wrong value",
                          "the modifier \"exists\" needs a field before it");
    if (rc == 0)
        *ret = p;
    return rc;
}

static struct sv written(const struct item_draft *item, const struct yaml_node *node)
{
    return arena_sv(item->sigma->arena, yaml_is_null(node) ? SV("null") : node->text);
}

static int finish_value(struct item_draft *item, struct draft_value *value, struct match_value *ret)
{
    struct predicate *all = ARENA_ARRAY(item->sigma->arena, struct predicate, value->count);
    for (size_t i = 0; i < value->count; i++) {
        int rc = finish_draft(item, value, &value->drafts[i], &all[i]);
        if (rc != 0)
            return rc;
    }
    *ret = (struct match_value){all, value->count, written(item, value->node)};
    return 0;
}

static int finish_item(struct item_draft *item, const struct match_node **ret)
{
    struct arena *arena = item->sigma->arena;
    struct match_value *values = ARENA_ARRAY(arena, struct match_value, item->count);
    for (size_t i = 0; i < item->count; i++) {
        int rc = finish_value(item, &item->values[i], &values[i]);
        if (rc != 0)
            return rc;
    }
    struct match_item *done = ARENA_NEW(arena, struct match_item);
    *done = (struct match_item){
        .field = name_ref_of(arena, item->field),
        .all = item->all,
        .negated = item->negated,
        .values = values,
        .count = item->count,
        .key = arena_sv(arena, item->key),
        .line = item->field.n > 0 ? item->place->key_line : item->place->line,
        .column = item->field.n > 0 ? item->place->key_column : item->place->column,
    };
    struct match_node *node = ARENA_NEW(arena, struct match_node);
    *node = (struct match_node){.kind = NODE_ITEM, .item = done};
    *ret = node;
    return 0;
}

static int add_reads(struct item_draft *item, struct name_list *reads)
{
    int rc = item->field.n > 0 ? sigma_add_name(item->sigma, reads, item->field, item->place) : 0;
    for (size_t i = 0; rc == 0 && i < item->count; i++)
        if (item->values[i].drafts[0].kind == DRAFT_FIELD)
            rc = sigma_add_name(item->sigma, reads, item->values[i].drafts[0].raw, item->place);
    return rc;
}

int sigma_read_item(struct sigma *sigma, struct sv key, const struct yaml_node *place,
                    const struct yaml_node *const *values, size_t count, struct name_list *reads,
                    const struct match_node **ret)
{
    struct sv rest = key, field = sv_cut(&rest, '|');
    struct item_draft item = {.sigma = sigma, .key = key, .field = field, .place = place, .count = count};
    bool has_modifiers = field.n < key.n;
    if (count == 0)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(place), "empty list", "a list without values");
    if (sigma_asks_calendar(sigma, values, count))
        return sigma_read_calendar_line(sigma, key, place, values, count, reads, ret);
    item.values = ARENA_ARRAY(sigma->scratch, struct draft_value, count);
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = draft_of(&item, values[i], &item.values[i]);
    while (rc == 0 && has_modifiers) {
        struct sv name = sv_cut(&rest, '|');
        has_modifiers = name.p + name.n < key.p + key.n;
        rc = modifier_apply(&item, name);
    }
    if (rc == 0)
        rc = add_reads(&item, reads);
    return rc == 0 ? finish_item(&item, ret) : rc;
}
