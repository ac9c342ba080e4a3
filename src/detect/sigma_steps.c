/*
 * A temporal correlation's condition in words (Sigma 2.2): "a and b and not c", over the names or ids of its
 * rules. Its language is that of a detection's condition. `rules` may be left out, and is then what the
 * condition names, in that order; where it is given it must be the same rules.
 */
#include "detect/sigma.h"

struct steps {
    struct sigma *sigma;
    const struct yaml_node *node;
    const struct match_node *leaves; /* one for each of refs: what the tree's leaves are known by */
    struct step_term *terms;
    size_t count, words;
};

static int refuse(struct steps *s, int code, const char *sentence)
{
    return sigma_refuse(s->sigma, code, SIGMA_AT(s->node), "temporal condition", "%s", sentence);
}

/* --- names
 * -------------------------------------------------------------------------------------------------------------------
 */

static bool ends_word(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '(' || c == ')';
}

static struct sv next_word(struct sv *text)
{
    size_t start = 0, end;
    while (start < text->n && ends_word(text->p[start]))
        start++;
    for (end = start; end < text->n && !ends_word(text->p[end]); end++)
        ;
    struct sv word = sv_make(text->p + start, end - start);
    *text = sv_from(*text, end);
    return word;
}

static bool is_keyword(struct sv word)
{
    static const char *const keywords[] = {"and", "or", "not", "of", "them", "all", "any", "1"};
    for (size_t i = 0; i < TC_ARRAY_LEN(keywords); i++)
        if (sv_eq_nocase(word, sv_of(keywords[i])))
            return true;
    return false;
}

static bool is_listed(const struct sv *names, size_t count, struct sv name)
{
    for (size_t i = 0; i < count; i++)
        if (sv_eq(names[i], name))
            return true;
    return false;
}

static int count_words(struct steps *s)
{
    struct sv text = s->node->text;
    while (next_word(&text).n > 0)
        s->words++;
    return s->words <= STEP_CONDITION_TERMS ? 0 : refuse(s, TC_EBOUND, "the condition is too long");
}

/* Without `rules`: what the condition names. */
static void take_rules(struct steps *s, struct sigma_rule *rule)
{
    struct sv text = s->node->text, word;
    struct sv *names = ARENA_ARRAY(s->sigma->arena, struct sv, s->words + 1);
    while ((word = next_word(&text)).n > 0)
        if (!is_keyword(word) && sv_find_char(word, '*') == word.n &&
            !is_listed(names, rule->ref_count, word))
            names[rule->ref_count++] = arena_sv(s->sigma->arena, word);
    rule->refs = names;
}

/* --- from the tree to terms
 * ----------------------------------------------------------------------------------------------------------------
 */

static void add_term(struct steps *s, enum step_term_kind kind, uint32_t step)
{
    if (s->count < STEP_CONDITION_TERMS)
        s->terms[s->count] = (struct step_term){kind, step};
    s->count++;
}

static void add_terms(struct steps *s, const struct match_node *node)
{
    if (node->kind == NODE_ITEM) {
        add_term(s, STEP_SEEN, (uint32_t)(node - s->leaves));
        return;
    }
    for (size_t i = 0; i < node->count && s->count <= STEP_CONDITION_TERMS; i++) {
        add_terms(s, node->kids[i]);
        if (i > 0)
            add_term(s, node->kind == NODE_AND ? STEP_AND : STEP_OR, 0);
    }
    if (node->kind == NODE_NOT)
        add_term(s, STEP_NOT, 0);
}

/* Without `not` and `or` it says no more than that all are needed. */
static bool is_all(const struct step_condition *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->terms[i].kind == STEP_NOT || c->terms[i].kind == STEP_OR)
            return false;
    return true;
}

static int finish(struct steps *s, const struct step_condition **ret)
{
    if (s->count > STEP_CONDITION_TERMS)
        return refuse(s, TC_EBOUND, "the condition is too long");
    struct step_condition *condition = ARENA_NEW(s->sigma->arena, struct step_condition);
    *condition = (struct step_condition){s->terms, s->count};
    size_t depth = step_condition_depth(condition);
    if (depth == 0 || depth > STEP_CONDITION_DEPTH)
        return refuse(s, TC_EBOUND, "the condition is nested too deeply");
    *ret = condition;
    return 0;
}

int sigma_read_words(struct sigma *sigma, const struct yaml_node *node, const struct sv *names, size_t count,
                     bool *used, const struct step_condition **ret)
{
    struct steps s = {.sigma = sigma, .node = node};
    const struct match_node *root = NULL;
    if (count > STEP_CONDITION_STEPS)
        return refuse(&s, TC_EBOUND, "a condition in words may speak of 64 names at most");
    struct match_node *leaves = ARENA_ARRAY(sigma->scratch, struct match_node, count + 1);
    struct selection *selections = ARENA_ARRAY(sigma->scratch, struct selection, count + 1);
    for (size_t i = 0; i < count; i++) {
        leaves[i].kind = NODE_ITEM;
        selections[i] = (struct selection){.name = names[i], .root = &leaves[i]};
    }
    s.leaves = leaves;
    s.terms = ARENA_ARRAY(sigma->arena, struct step_term, STEP_CONDITION_TERMS);
    int rc = node->type == YAML_SCALAR ? count_words(&s) : 0;
    if (rc == 0)
        rc = sigma_read_condition(sigma, node, selections, count, &root);
    if (rc != 0)
        return rc;
    for (size_t i = 0; i < count; i++)
        used[i] = selections[i].used;
    add_terms(&s, root);
    return finish(&s, ret);
}

int sigma_read_steps(struct sigma *sigma, const struct yaml_node *node, struct correlation *c,
                     struct sigma_rule *rule)
{
    struct steps s = {.sigma = sigma, .node = node};
    const struct step_condition *condition = NULL;
    int rc = count_words(&s);
    if (rc != 0)
        return rc;
    if (rule->ref_count == 0)
        take_rules(&s, rule);
    bool *used = ARENA_ARRAY(sigma->scratch, bool, rule->ref_count + 1);
    rc = sigma_read_words(sigma, node, rule->refs, rule->ref_count, used, &condition);
    for (size_t i = 0; rc == 0 && i < rule->ref_count; i++)
        if (!used[i])
            rc = sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), "temporal condition",
                              "the condition does not name \"%.*s\", which `rules` lists",
                              SV_FMT(sv_head(rule->refs[i], 80)));
    if (rc != 0 || is_all(condition))
        return rc;
    if (c->type == CORR_TEMPORAL_ORDERED)
        return refuse(&s, TC_EUNSUPPORTED,
                      "temporal_ordered needs all of its rules: only \"and\" can stand between them");
    if (step_condition_holds(condition, 0))
        return refuse(&s, TC_EINPUT,
                      "the condition holds where none of its rules was seen: it would never "
                      "begin; name a rule that must be seen");
    c->steps = condition;
    return 0;
}
