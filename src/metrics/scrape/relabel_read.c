/*
 * Reading relabelling rules; see relabel_read.h.
 */
#include "metrics/scrape/relabel_read.h"

#include "base/go_text.h"

#include <stddef.h>
#include <stdio.h>

enum { QUOTED_MAX = 512 };

struct rule_fields {
    struct typed_list source_labels;
    struct typed_text separator, regex, target_label, replacement, action;
    int64_t modulus;
};
static const struct typed_field rule_fields[] = {
    {"source_labels", TYPED_LIST, offsetof(struct rule_fields, source_labels)},
    {"separator", TYPED_TEXT, offsetof(struct rule_fields, separator)},
    {"regex", TYPED_TEXT, offsetof(struct rule_fields, regex)},
    {"modulus", TYPED_INTEGER, offsetof(struct rule_fields, modulus)},
    {"target_label", TYPED_TEXT, offsetof(struct rule_fields, target_label)},
    {"replacement", TYPED_TEXT, offsetof(struct rule_fields, replacement)},
    {"action", TYPED_TEXT, offsetof(struct rule_fields, action)},
    {0},
};

struct reading {
    struct typed_yaml *yaml;
    const struct yaml_node *node;
    const struct rule_fields *fields;
    struct relabel_rule *rule;
};

/* What an action asks of the other keys. */
enum demand {
    NEEDS_TARGET = 1,
    PLAIN_TARGET = 2,    /* without $1 */
    ONLY_REGEX = 4,      /* labeldrop, labelkeep */
    ONLY_LABELS = 8,     /* keepequal, dropequal */
    NO_REPLACEMENT = 16, /* lowercase, uppercase */
    NEEDS_MODULUS = 32,
    NAME_REPLACEMENT = 64 /* labelmap */
};
static const unsigned demands[RELABEL_ACTIONS] = {
    [RELABEL_REPLACE] = NEEDS_TARGET,
    [RELABEL_HASHMOD] = NEEDS_TARGET | PLAIN_TARGET | NEEDS_MODULUS,
    [RELABEL_LOWERCASE] = NEEDS_TARGET | PLAIN_TARGET | NO_REPLACEMENT,
    [RELABEL_UPPERCASE] = NEEDS_TARGET | PLAIN_TARGET | NO_REPLACEMENT,
    [RELABEL_KEEPEQUAL] = NEEDS_TARGET | PLAIN_TARGET | ONLY_LABELS,
    [RELABEL_DROPEQUAL] = NEEDS_TARGET | PLAIN_TARGET | ONLY_LABELS,
    [RELABEL_LABELMAP] = NAME_REPLACEMENT,
    [RELABEL_LABELDROP] = ONLY_REGEX,
    [RELABEL_LABELKEEP] = ONLY_REGEX,
};

static void bad(struct reading *r, const char *text)
{
    rule_problem_add(r->yaml->problems, false, r->node->line, r->node->column, "%s", text);
}

/* `"TEXT" REST` */
static void bad_value(struct reading *r, struct sv value, const char *rest, const char *action)
{
    struct buf b;
    buf_init(&b, QUOTED_MAX);
    go_quote(&b, sv_head(value, 100));
    rule_problem_add(r->yaml->problems, false, r->node->line, r->node->column, "%.*s %s%s%s",
                     SV_FMT(buf_view(&b)), rest, action != NULL ? action : "",
                     action != NULL ? " action" : "");
    buf_free(&b);
}

static bool read_action(struct reading *r)
{
    struct sv text = r->fields->action.text;
    if (r->fields->action.line == 0)
        return true; /* replace */
    if (text.n == 0) {
        bad(r, "relabel action cannot be empty");
        return false;
    }
    for (size_t i = 0; i < RELABEL_ACTIONS; i++)
        if (sv_eq_nocase(text, sv_of(relabel_action_names[i]))) {
            r->rule->action = (enum relabel_action)i;
            return true;
        }
    struct buf b;
    buf_init(&b, QUOTED_MAX);
    go_quote(&b, sv_head(text, 100));
    rule_problem_add(r->yaml->problems, false, r->fields->action.line, r->fields->action.column,
                     "unknown relabel action %.*s", SV_FMT(buf_view(&b)));
    buf_free(&b);
    return false;
}

static void read_source_labels(struct reading *r)
{
    const struct typed_list *list = &r->fields->source_labels;
    struct sv *names = ARENA_ARRAY(r->yaml->arena, struct sv, list->n + 1);
    for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
        if (n->type != YAML_SCALAR || !label_name_is_valid(n->text))
            bad_value(r, n->text, "is not a valid label name", NULL);
        names[r->rule->source_count++] = n->text;
    }
    r->rule->source_labels = names;
}

static bool only_defaults(const struct rule_fields *f, bool target_too)
{
    return f->separator.line == 0 && f->replacement.line == 0 && f->modulus == 0 &&
           (!target_too || f->target_label.text.n == 0);
}

static void check(struct reading *r)
{
    const struct rule_fields *f = r->fields;
    const char *action = relabel_action_names[r->rule->action];
    unsigned demand = demands[r->rule->action];
    struct sv target = f->target_label.text;
    char text[256];
    if ((demand & NEEDS_MODULUS) && f->modulus <= 0)
        bad(r, "relabel configuration for hashmod requires non-zero modulus");
    if ((demand & NEEDS_TARGET) && target.n == 0) {
        snprintf(text, sizeof text, "relabel configuration for %s action requires 'target_label' value",
                 action);
        bad(r, text);
    } else if ((demand & NEEDS_TARGET) && !label_name_is_valid(target)) {
        bad_value(r, target, "is invalid 'target_label' for ", action);
    }
    if ((demand & NO_REPLACEMENT) && f->replacement.line != 0 && !sv_is(f->replacement.text, "$1")) {
        snprintf(text, sizeof text, "'replacement' can not be set for %s action", action);
        bad(r, text);
    }
    if ((demand & NAME_REPLACEMENT) && !label_name_is_valid(r->rule->replacement))
        bad_value(r, r->rule->replacement, "is invalid 'replacement' for ", action);
    if ((demand & ONLY_LABELS) && (f->regex.line != 0 || !only_defaults(f, false))) {
        snprintf(text, sizeof text,
                 "%s action requires only 'source_labels' and `target_label`, and no other fields", action);
        bad(r, text);
    }
    if ((demand & ONLY_REGEX) && (f->source_labels.first != NULL || !only_defaults(f, true))) {
        snprintf(text, sizeof text, "%s action requires only 'regex', and no other fields", action);
        bad(r, text);
    }
}

static void read_rule(struct reading *r)
{
    const struct rule_fields *f = r->fields;
    struct relabel_rule *rule = r->rule;
    struct err err = {0};
    rule->action = RELABEL_REPLACE;
    rule->separator = f->separator.line != 0 ? f->separator.text : SV(";");
    rule->replacement = f->replacement.line != 0 ? f->replacement.text : SV("$1");
    rule->target_label = f->target_label.text;
    rule->modulus = (uint64_t)TC_MAX(f->modulus, 0);
    if (!read_action(r))
        return;
    read_source_labels(r);
    check(r);
    if (re2_compile(f->regex.line != 0 ? f->regex.text : SV("(.*)"), RE2_WHOLE_DOTALL, &rule->regex, &err) !=
        0)
        rule_problem_add(r->yaml->problems, false, f->regex.line, f->regex.column, "%s", err.text);
}

void relabel_list_read(struct typed_yaml *yaml, const struct typed_list *list, struct relabel_list *ret)
{
    ret->n = 0;
    ret->rules = ARENA_ARRAY(yaml->arena, struct relabel_rule, list->n + 1);
    for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
        struct rule_fields fields = {0};
        if (typed_is_null(n)) {
            rule_problem_add(yaml->problems, false, n->line, n->column,
                             "empty or null target relabeling rule in scrape config");
            continue;
        }
        typed_map(yaml, n, rule_fields, "a relabel config", &fields);
        read_rule(&(struct reading){yaml, n, &fields, &ret->rules[ret->n++]});
    }
}

void relabel_list_free(struct relabel_list *list)
{
    for (size_t i = 0; i < list->n; i++)
        re2_free(&list->rules[i].regex);
    list->n = 0;
}
