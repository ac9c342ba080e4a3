/*
 * Reading and asking the policy; see policy.h.
 */
#include "event/policy.h"

#include "base/num.h"

#include <stdlib.h>

enum { RULES_MAX = 1000, CHARACTERS_MAX = 1 << 20 };

struct policy_rule {
    struct sv pattern;
    bool glob;
    struct policy_verdict verdict;
};

struct policy {
    struct arena arena;
    struct policy_rule *rules;
    size_t count;
    bool strict, personal;
};

static const char *const action_names[POLICY_ACTION_COUNT] = {
    [POLICY_KEEP] = "keep", [POLICY_TOKEN] = "token",       [POLICY_MASK] = "mask", [POLICY_HASH] = "hash",
    [POLICY_DROP] = "drop", [POLICY_TRUNCATE] = "truncate", [POLICY_SQL] = "sql"};

const char *policy_action_name(enum policy_action action)
{
    return action_names[action];
}

static bool action_of(struct sv word, enum policy_action *ret)
{
    for (size_t i = 0; i < POLICY_ACTION_COUNT; i++)
        if (sv_is(word, action_names[i])) {
            *ret = (enum policy_action)i;
            return true;
        }
    return false;
}

static int read_line(struct policy *policy, struct sv line, unsigned number, struct err *err)
{
    struct policy_rule rule = {0};
    uint64_t characters = 0;
    struct sv first = sv_word(&line), action = sv_word(&line), count = sv_word(&line);
    if (first.n == 0 || first.p[0] == '#')
        return 0;
    if (sv_is(first, "strict") && action.n == 0) {
        policy->strict = policy->personal = true;
        return 0;
    }
    if (!action_of(action, &rule.verdict.action))
        return err_set(
            err, TC_EINPUT,
            "line %u of the policy: \"%.*s\" is none of keep, token, mask, hash, drop, truncate, sql", number,
            SV_FMT(sv_head(action, 40)));
    bool truncates = rule.verdict.action == POLICY_TRUNCATE;
    if (truncates != (count.n > 0) || (truncates && !num_u64(count, 1, CHARACTERS_MAX, &characters)) ||
        sv_trim(line).n > 0)
        return err_set(
            err, TC_EINPUT,
            "line %u of the policy: truncate needs a number of characters, other actions take none", number);
    if (policy->count >= RULES_MAX)
        return err_set(err, TC_EBOUND, "the policy has more than %d lines", RULES_MAX);
    policy->personal |= rule.verdict.action >= POLICY_TOKEN && rule.verdict.action <= POLICY_DROP;
    rule.verdict.characters = (unsigned)characters;
    rule.pattern = arena_sv(&policy->arena, first);
    rule.glob = sv_find_char(first, '*') < first.n;
    policy->rules[policy->count++] = rule;
    return 0;
}

int policy_new(struct sv text, struct policy **ret, struct err *err)
{
    struct policy *policy = tc_alloc(sizeof *policy);
    policy->rules = ARENA_ARRAY(&policy->arena, struct policy_rule, RULES_MAX);
    int rc = 0;
    for (unsigned number = 1; rc == 0 && text.n > 0; number++)
        rc = read_line(policy, sv_cut(&text, '\n'), number, err);
    if (rc != 0)
        policy_free(&policy);
    *ret = policy;
    return rc;
}

void policy_free(struct policy **policy)
{
    if (*policy == NULL)
        return;
    arena_free(&(*policy)->arena);
    free(*policy);
    *policy = NULL;
}

bool policy_is_empty(const struct policy *policy)
{
    return policy == NULL || (policy->count == 0 && !policy->strict);
}

bool policy_is_personal(const struct policy *policy)
{
    return policy != NULL && policy->personal;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* '*' stands for any bytes; the last star is the only one that is ever returned to, so this is quadratic at
 * worst, over names that are bounded. */
static bool glob_fits(struct sv pattern, struct sv name)
{
    size_t p = 0, n = 0, star = SIZE_MAX, resume = 0;
    while (n < name.n) {
        if (p < pattern.n && pattern.p[p] == '*') {
            star = p++;
            resume = n;
        } else if (p < pattern.n && lower(pattern.p[p]) == lower(name.p[n])) {
            p++, n++;
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

/* The name itself, or a container on its path. */
static bool fits(const struct policy_rule *rule, struct sv name)
{
    if (rule->glob)
        return glob_fits(rule->pattern, name);
    size_t n = rule->pattern.n;
    return name.n >= n && (name.n == n || name.p[n] == '.') && sv_eq_nocase(sv_head(name, n), rule->pattern);
}

struct policy_verdict policy_of(const struct policy *policy, struct sv name)
{
    for (size_t i = 0; i < policy->count; i++)
        if (fits(&policy->rules[i], name))
            return policy->rules[i].verdict;
    return (struct policy_verdict){.action = policy->strict ? POLICY_DROP : POLICY_KEEP, .by_default = true};
}
