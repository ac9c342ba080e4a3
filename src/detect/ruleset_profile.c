/*
 * Profiles: which of the rules speak (D-23). A document with the top-level key `profile` names them, by id,
 * name or tag, or by how severe they are at least:
 *
 *     profile: ours
 *     description: What wakes somebody.
 *     rules: [break_glass_role_assumed]
 *     tags: [attack.t1078.004]
 *     severity: P2
 *
 * Where one stands among the sources, what no profile names is left out. What the chosen ones need stays, and
 * says nothing itself: rules that correlations count, and rules that reset. A name that no rule has refuses
 * the whole, as a rule that was thought to be in force must not be missing in silence.
 */
#include "detect/ruleset_priv.h"
#include "event/severity.h"

#include <stdlib.h>

struct profile {
    const struct yaml_node *root; /* in the loading's kept arena */
    const char *file;
    struct profile *next;
};

enum choice { LEFT_OUT, COUNTED, CHOSEN };

/* --- reading
 * -------------------------------------------------------------------------------------------------------------
 */

bool ruleset_is_profile(const struct yaml_node *root)
{
    return root->type == YAML_MAP && yaml_get(root, "profile") != NULL &&
           yaml_get(root, "detection") == NULL && yaml_get(root, "correlation") == NULL;
}

static int check_list(const struct yaml_node *list, const char *file, size_t *io_count, struct err *err)
{
    if (list == NULL)
        return 0;
    if (list->type != YAML_LIST)
        return err_at(err, TC_EINPUT, file, list->line, list->column, "a list is expected here");
    for (const struct yaml_node *n = list->first; n != NULL; n = n->next)
        if (n->type != YAML_SCALAR || n->text.n == 0)
            return err_at(err, TC_EINPUT, file, n->line, n->column, "a text is expected here");
    *io_count += list->count;
    return 0;
}

static int check_profile(const struct yaml_node *root, const char *file, struct err *err)
{
    static const char *const known[] = {"profile", "description", "rules", "tags", "severity", NULL};
    const struct yaml_node *severity = yaml_get(root, "severity");
    size_t count = 0;
    int rc = yaml_check_keys(root, file, known, err);
    if (rc == 0)
        rc = check_list(yaml_get(root, "rules"), file, &count, err);
    if (rc == 0)
        rc = check_list(yaml_get(root, "tags"), file, &count, err);
    if (rc == 0 && severity != NULL &&
        (severity->type != YAML_SCALAR || severity->text.n == 0 ||
         severity_of(severity->text) == SEVERITY_NONE))
        rc = err_at(err, TC_EINPUT, file, severity->line, severity->column,
                    "a severity is P1 to P4, or a level of Sigma");
    if (rc == 0 && count == 0 && severity == NULL)
        rc = err_at(
            err, TC_EINPUT, file, root->line, root->column,
            "a profile names what speaks, under `rules`, `tags` or `severity`: this one would silence all");
    return rc;
}

int ruleset_read_profiles(struct loading *l, const struct rule_source *source, struct err *err)
{
    struct yaml_doc *docs = NULL;
    const char *file = arena_str(&l->set->arena, source->path);
    int rc = 0;
    if ((!sv_starts(source->bytes, SV("profile:")) &&
         sv_find(source->bytes, SV("\nprofile:")) == source->bytes.n) ||
        yaml_parse(&l->kept, file, source->bytes, &docs, NULL) != 0)
        return 0; /* what is wrong is told where rules are read */
    for (const struct yaml_doc *doc = docs; rc == 0 && doc != NULL; doc = doc->next) {
        if (doc->root == NULL || !ruleset_is_profile(doc->root))
            continue;
        struct profile *profile = ARENA_NEW(&l->kept, struct profile);
        *profile = (struct profile){doc->root, file, l->profiles};
        l->profiles = profile;
        rc = check_profile(doc->root, file, err);
    }
    return rc;
}

/* --- choosing
 * ------------------------------------------------------------------------------------------------------------
 */

/* SIZE_MAX: none, or several of that name. */
static size_t find_rule(const struct loading *l, struct sv name)
{
    const uint64_t *slot = map_get(&l->ids, name);
    if (slot == NULL)
        slot = map_get(&l->names, name);
    return slot == NULL || *slot == 0 ? SIZE_MAX : (size_t)*slot - 1;
}

static int choose_named(const struct loading *l, const struct profile *p, enum choice *choices,
                        struct err *err)
{
    const struct yaml_node *list = yaml_get(p->root, "rules");
    for (const struct yaml_node *n = list == NULL ? NULL : list->first; n != NULL; n = n->next) {
        size_t at = find_rule(l, n->text);
        if (at == SIZE_MAX)
            return err_at(err, TC_EINPUT, p->file, n->line, n->column,
                          map_get(&l->names, n->text) == NULL
                              ? "no loaded rule has the id or name \"%.*s\""
                              : "several rules have the name \"%.*s\": choose by id",
                          SV_FMT(sv_head(n->text, 120)));
        choices[at] = CHOSEN;
    }
    return 0;
}

static bool has_tag(const struct rule_info *info, struct sv tag)
{
    for (size_t i = 0; i < info->tag_count; i++)
        if (sv_eq_nocase(info->tags[i], tag))
            return true;
    return false;
}

static int choose_tagged(const struct loading *l, const struct profile *p, enum choice *choices,
                         struct err *err)
{
    const struct yaml_node *list = yaml_get(p->root, "tags");
    for (const struct yaml_node *n = list == NULL ? NULL : list->first; n != NULL; n = n->next) {
        size_t found = 0;
        for (size_t i = 0; i < l->count; i++)
            if (has_tag(&l->rules[i]->rule.info, n->text)) {
                choices[i] = CHOSEN;
                found++;
            }
        if (found == 0)
            return err_at(err, TC_EINPUT, p->file, n->line, n->column, "no loaded rule has the tag \"%.*s\"",
                          SV_FMT(sv_head(n->text, 120)));
    }
    return 0;
}

/* Rules that are as severe as that, or more. That there are none is no mistake: it is no name. */
static void choose_severe(const struct loading *l, const struct profile *p, enum choice *choices)
{
    const struct yaml_node *node = yaml_get(p->root, "severity");
    for (size_t i = 0; node != NULL && i < l->count; i++)
        if (l->rules[i]->rule.info.severity <= severity_of(node->text))
            choices[i] = CHOSEN;
}

/* What is named here stays. True where it had been left out. */
static bool keep(const struct loading *l, const struct sv *names, size_t count, enum choice *choices)
{
    bool changed = false;
    for (size_t i = 0; i < count; i++) {
        size_t at = find_rule(l, names[i]);
        if (at == SIZE_MAX || choices[at] != LEFT_OUT)
            continue;
        choices[at] = COUNTED;
        changed = true;
    }
    return changed;
}

static bool resets_kept(const struct loading *l, const struct sigma_rule *r, const enum choice *choices)
{
    for (size_t i = 0; i < r->reset_count; i++) {
        size_t at = find_rule(l, r->resets[i]);
        if (at != SIZE_MAX && choices[at] != LEFT_OUT)
            return true;
    }
    return false;
}

static bool keep_what_is_needed(const struct loading *l, enum choice *choices)
{
    bool changed = false;
    for (size_t i = 0; i < l->count; i++) {
        const struct sigma_rule *r = l->rules[i];
        if (choices[i] == LEFT_OUT && resets_kept(l, r, choices)) {
            choices[i] = COUNTED;
            changed = true;
        }
        if (choices[i] != LEFT_OUT) {
            changed |= keep(l, r->refs, r->ref_count, choices);
            changed |= keep(l, r->resets, r->reset_count, choices);
        }
    }
    return changed;
}

int ruleset_choose(struct loading *l, struct err *err)
{
    int rc = 0;
    if (l->profiles == NULL)
        return 0;
    enum choice *choices = ARENA_ARRAY(&l->kept, enum choice, l->count + 1);
    for (const struct profile *p = l->profiles; rc == 0 && p != NULL; p = p->next) {
        rc = choose_named(l, p, choices, err);
        if (rc == 0)
            rc = choose_tagged(l, p, choices, err);
        if (rc == 0)
            choose_severe(l, p, choices);
    }
    while (rc == 0 && keep_what_is_needed(l, choices))
        continue;
    for (size_t i = 0; rc == 0 && i < l->count; i++) {
        l->rules[i]->rule.silent |= choices[i] == COUNTED;
        l->rules[i]->refused |= choices[i] == LEFT_OUT; /* and nothing is to be said of it */
    }
    return rc;
}
