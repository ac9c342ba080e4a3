/*
 * What can be read but is hardly meant: warnings of `tocsin check`, each with its place.
 */
#include "detect/sigma.h"

#include <stdarg.h>
#include <stdio.h>

void sigma_warn(struct sigma *sigma, struct sigma_rule *rule, unsigned line, unsigned column,
                const char *construct, const char *format, ...)
{
    char text[TC_ERR_TEXT_MAX];
    va_list args;
    if (rule->warning_count == TC_ARRAY_LEN(rule->warnings))
        return;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    rule->warnings[rule->warning_count++] = (struct sigma_warning){
        .construct = construct, .text = arena_str(sigma->arena, sv_of(text)), .line = line, .column = column};
}

#define warn(l, ...) sigma_warn((l)->sigma, (l)->rule, __VA_ARGS__)

struct lint {
    struct sigma *sigma;
    struct sigma_rule *rule;
    const struct selection *selections;
    size_t count;
};

/* --- regular expressions
 * -------------------------------------------------------------------------------------------------------------
 */

enum { LINT_GROUPS_MAX = 64 };

/* Length of an unbounded repetition at the start of the text (*, +, {n,}), or 0. */
static size_t repetition(struct sv text)
{
    size_t n = 1;
    if (text.n == 0)
        return 0;
    if (text.p[0] == '{') {
        n = sv_find_char(text, '}') + 1;
        if (n > text.n || text.p[n - 2] != ',')
            return 0;
    } else if (text.p[0] != '*' && text.p[0] != '+') {
        return 0;
    }
    return n;
}

static size_t class_length(struct sv text)
{
    size_t i = 1;
    i += i < text.n && text.p[i] == '^';
    i += i < text.n && text.p[i] == ']';
    while (i < text.n && text.p[i] != ']')
        i += text.p[i] == '\\' ? 2 : 1;
    return TC_MIN(i + 1, text.n);
}

/* A group that repeats, with a repetition as all of its end in it: (a+)+, (x|.*)*. What does not match can be
 * tried in a number of ways that doubles with each character. */
static bool repeats_within_repeats(struct sv text)
{
    bool inner[LINT_GROUPS_MAX] = {false}, atomic[LINT_GROUPS_MAX] = {false};
    size_t depth = 0;
    for (size_t i = 0; i < text.n;) {
        struct sv rest = sv_from(text, i);
        size_t n = repetition(rest);
        if (rest.p[0] == '\\') {
            i += 2;
            inner[depth] = false;
        } else if (rest.p[0] == '[') {
            i += class_length(rest);
            inner[depth] = false;
        } else if (rest.p[0] == '(') {
            if (++depth == LINT_GROUPS_MAX)
                return false;
            inner[depth] = false;
            atomic[depth] = sv_starts(rest, SV("(?>")) || sv_starts(rest, SV("(?=")) ||
                            sv_starts(rest, SV("(?!")) || sv_starts(rest, SV("(?<!")) ||
                            sv_starts(rest, SV("(?<="));
            i += atomic[depth] ? 3 : sv_starts(rest, SV("(?:")) ? 3 : 1;
        } else if (rest.p[0] == ')' && depth > 0) {
            bool had = inner[depth] && !atomic[depth];
            depth--;
            if (had && repetition(sv_from(text, i + 1)) > 0)
                return true;
            inner[depth] = had;
            i++;
        } else if (n > 0) { /* what is possessive (a++) gives nothing back to try again */
            bool possessive = n < rest.n && rest.p[n] == '+';
            inner[depth] = !possessive;
            i += n + possessive;
        } else {
            /* an alternative keeps what came before; any other character stands between repetitions */
            inner[depth] = inner[depth] && (rest.p[0] == '|' || rest.p[0] == '?');
            i++;
        }
    }
    return false;
}

/* Ledger H-05: "anything@anything.anything" is in every other log line. An address or domain that is written
 * out is somebody's; so a repetition must stand right before the @, and a class or a dot for any right
 * behind. */
static bool is_any_address(struct sv text)
{
    size_t at = sv_find_char(text, '@');
    if (at == 0 || at + 1 >= text.n)
        return false;
    char before = text.p[at - 1];
    struct sv after = sv_from(text, at + 1);
    bool repeats = before == '+' || before == '*' || before == '}' || before == ')';
    return repeats && (after.p[0] == '[' || after.p[0] == '(' || after.p[0] == '.' ||
                       sv_starts(after, SV("\\w")) || sv_starts(after, SV("\\S")));
}

static void lint_regex(struct lint *l, const struct yaml_node *value)
{
    if (value->type != YAML_SCALAR)
        return;
    if (is_any_address(value->text))
        warn(l, SIGMA_AT(value), "generic e-mail pattern",
             "any e-mail address matches: alarms go by explicit codes, not by what looks like personal data");
    if (repeats_within_repeats(value->text))
        warn(l, SIGMA_AT(value), "slow regular expression",
             "a repetition within a repetition, such as (a+)+, takes very long on what nearly matches");
    else if (sv_starts(value->text, SV(".*")))
        warn(l, SIGMA_AT(value), "slow regular expression",
             "a regular expression is searched anywhere: .* at its start only costs time");
}

/* --- lines
 * -------------------------------------------------------------------------------------------------------------
 */

static bool has_modifier(struct sv key, const char *name)
{
    struct sv rest = key;
    sv_cut(&rest, '|');
    for (struct sv word = sv_cut(&rest, '|'); word.n > 0; word = sv_cut(&rest, '|'))
        if (sv_is(word, name))
            return true;
    return false;
}

static void lint_all(struct lint *l, const struct yaml_node *line)
{
    size_t exact = 0;
    struct sv rest = line->key, field = sv_cut(&rest, '|');
    if (field.n == 0 || !sv_is(rest, "all") || line->type != YAML_LIST)
        return;
    for (const struct yaml_node *n = line->first; n != NULL; n = n->next)
        exact += n->type == YAML_SCALAR && !sigma_has_wildcard(sigma_string(l->sigma->scratch, n->text));
    if (exact > 1)
        warn(l, line->key_line, line->key_column, "all of whole values",
             "one value cannot be several: this holds only where the field has all of them; contains|all is "
             "meant?");
}

static void lint_selection(struct lint *l, const struct yaml_node *node)
{
    if (node->type == YAML_SCALAR) {
        l->rule->has_keywords = true;
        return;
    }
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next) {
        if (node->type == YAML_LIST) {
            lint_selection(l, n);
            continue;
        }
        lint_all(l, n);
        if (!has_modifier(n->key, "re"))
            continue;
        if (n->type == YAML_SCALAR)
            lint_regex(l, n);
        for (const struct yaml_node *v = n->first; v != NULL; v = v->next)
            lint_regex(l, v);
    }
}

/* --- the condition
 * -------------------------------------------------------------------------------------------------------------
 */

static bool is_selection_root(const struct lint *l, const struct match_node *node)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->selections[i].root == node)
            return true;
    return false;
}

/* Is the selection asked without a `not` before it? `any` of the condition's nots: where target is NULL. */
static bool asked_plainly(const struct lint *l, const struct match_node *node,
                          const struct match_node *target, bool negated)
{
    if (node == target)
        return !negated;
    if (is_selection_root(l, node))
        return false;
    for (size_t i = 0; i < node->count; i++)
        if (asked_plainly(l, node->kids[i], target, negated != (node->kind == NODE_NOT)))
            return true;
    return false;
}

/* --- what can never hold, or makes no difference: by the table of truth of the selections
 * ---------------------------------------------------------------------------------------------------------
 */

enum { LINT_SELECTIONS_MAX = 12 };

static bool would_hold(const struct lint *l, const struct match_node *node, size_t truth)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->selections[i].root == node)
            return (truth >> i & 1) != 0;
    if (node->kind == NODE_NOT)
        return !would_hold(l, node->kids[0], truth);
    for (size_t i = 0; i < node->count; i++)
        if (would_hold(l, node->kids[i], truth) == (node->kind == NODE_OR))
            return node->kind == NODE_OR;
    return node->kind == NODE_AND;
}

static void lint_truth(struct lint *l, const struct yaml_node *condition, const struct match_node *root)
{
    bool holds[1 << LINT_SELECTIONS_MAX];
    size_t rows = (size_t)1 << l->count, matters = 0;
    bool ever = false;
    if (l->count == 0 || l->count > LINT_SELECTIONS_MAX)
        return;
    for (size_t truth = 0; truth < rows; truth++) {
        holds[truth] = would_hold(l, root, truth);
        ever |= holds[truth];
        for (size_t i = 0; i < l->count; i++)
            if ((truth >> i & 1) != 0 && holds[truth] != holds[truth ^ (size_t)1 << i])
                matters |= (size_t)1 << i;
    }
    if (!ever)
        warn(l, SIGMA_AT(condition), "condition never holds",
             "whatever its selections say, the condition is false");
    for (size_t i = 0; ever && i < l->count; i++)
        if (l->selections[i].used_by_condition && (matters >> i & 1) == 0)
            warn(l, l->selections[i].line, l->selections[i].column, "unreachable selection",
                 "the selection \"%.*s\" makes no difference to the condition",
                 SV_FMT(sv_head(l->selections[i].name, 80)));
}

static bool has_not(const struct lint *l, const struct match_node *node)
{
    if (node->kind == NODE_NOT)
        return true;
    for (size_t i = 0; i < node->count && !is_selection_root(l, node); i++)
        if (has_not(l, node->kids[i]))
            return true;
    return false;
}

static void lint_use(struct lint *l, const struct yaml_node *condition, const struct selection *s,
                     const struct match_node *root)
{
    if (!s->used)
        warn(l, s->line, s->column, "unused selection", "the condition never asks the selection \"%.*s\"",
             SV_FMT(sv_head(s->name, 80)));
    else if (sv_starts(s->name, SV("filter")) && !l->rule->is_filter &&
             asked_plainly(l, root, s->root, false))
        warn(l, SIGMA_AT(condition), "filter without not",
             "\"%.*s\" is named a filter, but the condition asks it without `not`",
             SV_FMT(sv_head(s->name, 80)));
}

void sigma_lint_detection(struct sigma *sigma, const struct yaml_node *map,
                          const struct selection *selections, size_t count, const struct match_node *root,
                          struct sigma_rule *rule)
{
    struct lint l = {sigma, rule, selections, count};
    const struct yaml_node *condition = yaml_get(map, "condition"), *timeframe = yaml_get(map, "timeframe");
    for (size_t i = 0; i < count; i++) {
        lint_selection(&l, selections[i].node);
        lint_use(&l, condition, &selections[i], root);
    }
    lint_truth(&l, condition, root);
    if (timeframe != NULL)
        warn(&l, timeframe->key_line, timeframe->key_column, "timeframe",
             "a timeframe belonged to aggregations of an old Sigma and means nothing here: write a "
             "correlation");
    if (rule->is_filter && !has_not(&l, root))
        warn(&l, SIGMA_AT(condition), "filter without not",
             "rules with this filter match only where it matches: `not %.*s` is meant?",
             SV_FMT(sv_head(condition->text, 80)));
}

void sigma_lint_rule(struct sigma *sigma, const struct yaml_node *root, struct sigma_rule *rule)
{
    struct lint l = {.sigma = sigma, .rule = rule};
    const struct yaml_node *status = yaml_get(root, "status");
    if (rule->has_keywords && rule->rule.product.n + rule->rule.category.n + rule->rule.service.n == 0)
        warn(&l, SIGMA_AT(root), "keywords without logsource",
             "keywords are searched in every event of every source: name a log source");
    if (status != NULL && (sv_is(status->text, "deprecated") || sv_is(status->text, "unsupported")))
        warn(&l, SIGMA_AT(status), "status", "the rule says of itself that it is %.*s",
             SV_FMT(sv_head(status->text, 20)));
}
