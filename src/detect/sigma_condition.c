/*
 * The condition: a small language over the names of selections.
 *
 *   or   = and { "or" and }
 *   and  = not { "and" not }
 *   not  = "not" not | one
 *   one  = "(" or ")" | ( "1" | "any" | "all" ) "of" ( "them" | pattern ) | selection
 *
 * Key words may be in capitals. A pattern takes `*` anywhere; it leaves out selections that begin with an
 * underscore, as `them` does, unless it begins with one itself. What names no selection is an error: as
 * "true" it would fire always, as "false" never, and neither is what somebody meant.
 */
#include "detect/sigma.h"

struct lexer {
    struct sigma *sigma;
    const struct yaml_node *node;
    struct sv text, word; /* word: the token at hand, n == 0 at the end */
    size_t at;            /* just after `word` */
    struct selection *selections;
    size_t selection_count;
};

/* --- tokens
 * ------------------------------------------------------------------------------------------------------------------
 */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_alone(char c)
{
    return c == '(' || c == ')' || c == '|';
}

static void advance(struct lexer *l)
{
    while (l->at < l->text.n && is_space(l->text.p[l->at]))
        l->at++;
    size_t start = l->at;
    if (start < l->text.n && is_alone(l->text.p[start]))
        l->at++;
    else
        while (l->at < l->text.n && !is_space(l->text.p[l->at]) && !is_alone(l->text.p[l->at]))
            l->at++;
    l->word = sv_make(l->text.p + start, l->at - start);
}

static bool word_is(const struct lexer *l, const char *keyword)
{
    return sv_eq_nocase(l->word, sv_of(keyword));
}

/* The column of the token, where the condition stands on one line. */
static unsigned column(const struct lexer *l)
{
    if (sv_find_char(l->text, '\n') < l->text.n)
        return l->node->column;
    return l->node->column + l->node->quoted + (unsigned)(l->at - l->word.n);
}

#define refuse(l, construct, ...)                                                                            \
    sigma_refuse((l)->sigma, TC_EINPUT, (l)->node->line, column(l), construct, __VA_ARGS__)

static int unexpected(struct lexer *l)
{
    if (sv_is(l->word, "|"))
        return sigma_refuse(l->sigma, TC_EUNSUPPORTED, l->node->line, column(l), "aggregation (|)",
                            "aggregations after a | are of an old Sigma: write a correlation rule");
    if (l->word.n == 0)
        return refuse(l, "condition", "the condition ends where a selection should follow");
    return refuse(l, "condition", "unexpected \"%.*s\" in the condition", SV_FMT(sv_head(l->word, 80)));
}

/* --- trees
 * -------------------------------------------------------------------------------------------------------------------
 */

const struct match_node *sigma_node(struct sigma *sigma, enum node_kind kind,
                                    const struct match_node *const *kids, size_t count)
{
    if (count == 1 && kind != NODE_NOT)
        return kids[0];
    struct match_node *node = ARENA_NEW(sigma->arena, struct match_node);
    const struct match_node **own = ARENA_ARRAY(sigma->arena, const struct match_node *, count + 1);
    for (size_t i = 0; i < count; i++)
        own[i] = kids[i];
    *node = (struct match_node){.kind = kind, .kids = own, .count = count};
    return node;
}

static const struct match_node *pair(struct sigma *sigma, enum node_kind kind, const struct match_node *a,
                                     const struct match_node *b)
{
    const struct match_node *kids[] = {a, b};
    return sigma_node(sigma, kind, kids, 2);
}

/* --- names
 * -------------------------------------------------------------------------------------------------------------------
 */

/* `*` is any run of characters. */
static bool name_matches(struct sv pattern, struct sv name)
{
    size_t star = SIZE_MAX, resume = 0, p = 0, n = 0;
    while (n < name.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            resume = n;
        } else if (p < pattern.n && pattern.p[p] == name.p[n]) {
            p++;
            n++;
        } else if (star != SIZE_MAX) {
            p = star + 1;
            n = ++resume;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

static int parse_of(struct lexer *l, enum node_kind kind, const struct match_node **ret)
{
    if (l->word.n == 0 || is_alone(l->word.p[0]))
        return unexpected(l);
    struct sv pattern = word_is(l, "them") ? SV("*") : l->word;
    bool hidden = pattern.p[0] == '_';
    const struct match_node **kids =
        ARENA_ARRAY(l->sigma->scratch, const struct match_node *, l->selection_count + 1);
    size_t n = 0;
    for (size_t i = 0; i < l->selection_count; i++) {
        struct selection *s = &l->selections[i];
        if ((s->name.n > 0 && s->name.p[0] == '_' && !hidden) || !name_matches(pattern, s->name))
            continue;
        s->used = true;
        kids[n++] = s->root;
    }
    if (n == 0)
        return refuse(l, "unknown selection", "no selection is named like \"%.*s\"",
                      SV_FMT(sv_head(l->word, 80)));
    advance(l);
    *ret = sigma_node(l->sigma, kind, kids, n);
    return 0;
}

static int parse_name(struct lexer *l, const struct match_node **ret)
{
    for (size_t i = 0; i < l->selection_count; i++)
        if (sv_eq(l->selections[i].name, l->word)) {
            l->selections[i].used = true;
            *ret = l->selections[i].root;
            advance(l);
            return 0;
        }
    return refuse(l, "unknown selection", "the condition names a selection \"%.*s\" that is not there",
                  SV_FMT(sv_head(l->word, 80)));
}

/* --- grammar
 * -----------------------------------------------------------------------------------------------------------------
 */

static int parse_or(struct lexer *l, unsigned depth, const struct match_node **ret);

static bool is_number(struct sv word)
{
    size_t digits = 0;
    while (digits < word.n && word.p[digits] >= '0' && word.p[digits] <= '9')
        digits++;
    return word.n > 0 && digits == word.n;
}

/* "1 of …", where the word at hand may also be a selection's name. */
static int parse_quantity(struct lexer *l, const struct match_node **ret)
{
    struct lexer ahead = *l;
    advance(&ahead);
    bool all = word_is(l, "all"), any = word_is(l, "any") || sv_is(l->word, "1");
    if (!word_is(&ahead, "of") || (!all && !any && !is_number(l->word)))
        return parse_name(l, ret);
    if (!all && !any)
        return sigma_refuse(l->sigma, TC_EUNSUPPORTED, l->node->line, column(l), "x of",
                            "\"%.*s of\": Sigma knows 1 of, any of and all of", SV_FMT(sv_head(l->word, 20)));
    advance(&ahead);
    *l = ahead;
    return parse_of(l, all ? NODE_AND : NODE_OR, ret);
}

static int parse_one(struct lexer *l, unsigned depth, const struct match_node **ret)
{
    if (sv_is(l->word, "(")) {
        advance(l);
        int rc = parse_or(l, depth + 1, ret);
        if (rc != 0)
            return rc;
        if (!sv_is(l->word, ")"))
            return l->word.n == 0 ? refuse(l, "condition", "a ( without its )") : unexpected(l);
        advance(l);
        return 0;
    }
    if (l->word.n == 0 || is_alone(l->word.p[0]) || word_is(l, "and") || word_is(l, "or"))
        return unexpected(l);
    return parse_quantity(l, ret);
}

static int parse_not(struct lexer *l, unsigned depth, const struct match_node **ret)
{
    if (depth > SIGMA_DEPTH_MAX)
        return sigma_refuse(l->sigma, TC_EBOUND, l->node->line, column(l), "too large",
                            "the condition is nested too deeply");
    if (!word_is(l, "not"))
        return parse_one(l, depth, ret);
    advance(l);
    const struct match_node *kid = NULL;
    int rc = parse_not(l, depth + 1, &kid);
    if (rc == 0)
        *ret = sigma_node(l->sigma, NODE_NOT, &kid, 1);
    return rc;
}

static int parse_and(struct lexer *l, unsigned depth, const struct match_node **ret)
{
    int rc = parse_not(l, depth, ret);
    while (rc == 0 && word_is(l, "and")) {
        const struct match_node *right = NULL;
        advance(l);
        rc = parse_not(l, depth, &right);
        if (rc == 0)
            *ret = pair(l->sigma, NODE_AND, *ret, right);
    }
    return rc;
}

static int parse_or(struct lexer *l, unsigned depth, const struct match_node **ret)
{
    int rc = parse_and(l, depth, ret);
    while (rc == 0 && word_is(l, "or")) {
        const struct match_node *right = NULL;
        advance(l);
        rc = parse_and(l, depth, &right);
        if (rc == 0)
            *ret = pair(l->sigma, NODE_OR, *ret, right);
    }
    return rc;
}

static int parse_condition(struct sigma *sigma, const struct yaml_node *node, struct selection *selections,
                           size_t count, const struct match_node **ret)
{
    struct lexer l = {.sigma = sigma, .node = node, .selections = selections, .selection_count = count};
    if (node->type != YAML_SCALAR || yaml_is_null(node))
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), "condition",
                            "a condition must be a text such as \"selection and not filter\"");
    l.text = node->text;
    advance(&l);
    int rc = parse_or(&l, 0, ret);
    if (rc == 0 && l.word.n > 0)
        rc = unexpected(&l);
    return rc;
}

int sigma_read_condition(struct sigma *sigma, const struct yaml_node *condition, struct selection *selections,
                         size_t count, const struct match_node **ret)
{
    if (condition->type != YAML_LIST)
        return parse_condition(sigma, condition, selections, count, ret);
    const struct match_node **kids =
        ARENA_ARRAY(sigma->scratch, const struct match_node *, condition->count + 1);
    size_t n = 0;
    for (const struct yaml_node *one = condition->first; one != NULL; one = one->next) {
        int rc = parse_condition(sigma, one, selections, count, &kids[n++]);
        if (rc != 0)
            return rc;
    }
    if (n == 0)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(condition), "condition",
                            "an empty list of conditions");
    *ret = sigma_node(sigma, NODE_OR, kids, n);
    return 0;
}
