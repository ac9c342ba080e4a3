/*
 * Names and log sources that were seen; see seen.h.
 */
#include "detect/seen.h"

#include "base/map.h"
#include "detect/match.h"

#include <stdlib.h>

struct seen {
    struct map names;   /* by hash, as event_find looks for them */
    struct map sources; /* product, category, service: texts behind their lengths */
    uint64_t events;
    bool full;
};

struct seen *seen_new(void)
{
    struct seen *seen = tc_alloc(sizeof *seen);
    map_init(&seen->names, SEEN_NAMES_MAX);
    map_init(&seen->sources, SEEN_SOURCES_MAX);
    return seen;
}

void seen_free(struct seen **seen)
{
    if (*seen == NULL)
        return;
    map_free(&(*seen)->names);
    map_free(&(*seen)->sources);
    free(*seen);
    *seen = NULL;
}

uint64_t seen_events(const struct seen *seen)
{
    return seen->events;
}

/* --- taking
 * -------------------------------------------------------------------------------------------------------------
 */

void seen_take(struct seen *seen, const struct event *event)
{
    struct buf source;
    buf_init(&source, 1 << 20);
    seen->events++;
    for (uint32_t i = 0; i < event->field_count; i++) {
        uint32_t hash = event->fields[i].name_hash;
        seen->full |= map_put(&seen->names, sv_make((const char *)&hash, sizeof hash), NULL) == NULL;
    }
    buf_string(&source, event->product);
    buf_string(&source, event->category);
    buf_string(&source, event->service);
    seen->full |= map_put(&seen->sources, buf_view(&source), NULL) == NULL;
    buf_free(&source);
}

static bool knows_name(const struct seen *seen, const struct name_ref *name)
{
    return map_get(&seen->names, sv_make((const char *)&name->hash, sizeof name->hash)) != NULL;
}

/* As rule_applies has it: an event that does not say what it is is judged by every rule. */
static bool is_of(struct sv rule, struct sv event)
{
    return rule.n == 0 || event.n == 0 || event_logsource_is(event, rule);
}

static bool knows_source(const struct seen *seen, const struct rule *rule)
{
    struct map_entry *entry;
    for (size_t i = 0; map_next(&seen->sources, &i, &entry);) {
        struct reader reader = reader_of(entry->key);
        struct sv product = reader_string(&reader), category = reader_string(&reader);
        if (is_of(rule->product, product) && is_of(rule->category, category) &&
            is_of(rule->service, reader_string(&reader)))
            return true;
    }
    return false;
}

/* --- the lint
 * -------------------------------------------------------------------------------------------------------------
 */

struct linting {
    const struct seen *seen;
    struct arena *arena;
    const struct rule *rule;
    struct rule_note *notes;
    size_t count, capacity;
};

static void warn(struct linting *l, const char *construct, unsigned line, unsigned column, const char *text,
                 struct sv subject)
{
    if (l->count == l->capacity) {
        l->capacity = TC_MAX(l->capacity * 2, (size_t)16);
        l->notes = tc_realloc(l->notes, l->capacity * sizeof l->notes[0]);
    }
    struct rule_note *note = &l->notes[l->count++];
    *note = (struct rule_note){.verdict = RULE_WARNING, .construct = construct};
    err_at(&note->err, TC_OK, l->rule->info.file.p, line, column, "%s \"%.*s\"", text,
           SV_FMT(sv_head(subject, 120)));
}

static void lint_name(struct linting *l, const struct name_ref *name, unsigned line, unsigned column)
{
    if (name->name.n > 0 && !knows_name(l->seen, name))
        warn(l, "field never seen", line, column, "no event has the field", name->name);
}

/* A question for absence is answered by it. */
static bool asks_presence(const struct match_item *item)
{
    for (size_t i = 0; i < item->count; i++)
        for (size_t k = 0; k < item->values[i].count; k++)
            if (item->values[i].alternatives[k].kind == PREDICATE_NULL ||
                (item->values[i].alternatives[k].kind == PREDICATE_EXISTS &&
                 !item->values[i].alternatives[k].exists))
                return false;
    return !item->negated;
}

/* What stands under a `not` holds where the field is missing: its rule works all the same. */
static void lint_node(struct linting *l, const struct match_node *node)
{
    if (node->kind == NODE_ITEM && asks_presence(node->item))
        lint_name(l, &node->item->field, node->item->line, node->item->column);
    if (node->kind == NODE_AND || node->kind == NODE_OR)
        for (size_t i = 0; i < node->count; i++)
            lint_node(l, node->kids[i]);
}

static void lint_correlation(struct linting *l, const struct correlation *c)
{
    if (c->lookups != NULL)
        return; /* by other names in each of its rules */
    for (size_t i = 0; i < c->group_count; i++)
        lint_name(l, &c->group_by[i], l->rule->info.line, 1);
    for (size_t i = 0; i < c->field_count; i++)
        lint_name(l, &c->fields[i], l->rule->info.line, 1);
}

static void lint_rule(struct linting *l)
{
    const struct rule *rule = l->rule;
    if (rule->kind == RULE_DETECTION && !knows_source(l->seen, rule)) {
        warn(l, "log source never seen", rule->info.line, 1, "no event is of the log source of",
             rule->info.title);
        return;
    }
    if (rule->detection != NULL)
        lint_node(l, rule->detection->root);
    if (rule->correlation != NULL)
        lint_correlation(l, rule->correlation);
}

static int compare_notes(const void *a, const void *b)
{
    const struct rule_note *x = a, *y = b;
    int c = strcmp(x->err.file, y->err.file);
    if (c == 0)
        c = (x->err.line > y->err.line) - (x->err.line < y->err.line);
    if (c == 0)
        c = (x->err.column > y->err.column) - (x->err.column < y->err.column);
    return c != 0 ? c : strcmp(x->err.text, y->err.text);
}

void seen_lint(const struct seen *seen, struct ruleset *set)
{
    struct linting l = {.seen = seen, .arena = &set->arena};
    for (size_t i = 0; i < set->count && !seen->full; i++) {
        l.rule = &set->rules[i];
        lint_rule(&l);
    }
    if (l.count > 0) {
        struct rule_note *all = ARENA_ARRAY(&set->arena, struct rule_note, set->note_count + l.count);
        if (set->note_count > 0)
            memcpy(all, set->notes, set->note_count * sizeof all[0]);
        memcpy(all + set->note_count, l.notes, l.count * sizeof all[0]);
        set->notes = all;
        set->note_count += l.count;
        qsort(all, set->note_count, sizeof all[0], compare_notes);
    }
    free(l.notes);
}
