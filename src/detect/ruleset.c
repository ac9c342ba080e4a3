/*
 * The rule set: reads all documents, orders rules by id, collects what there is to say. What correlations
 * refer to is ruleset_link.c's.
 *
 * The outcome depends on the contents alone: sources are taken in order of path (then bytes), so which of two
 * documents with one id is "the second" does not depend on how a directory was walked. A refused document
 * costs itself and the correlations that refer to it.
 */
#include "detect/index.h"
#include "detect/pipeline.h"
#include "detect/ruleset_priv.h"

#include <stdlib.h>

enum { RULES_MAX = 1000000 };

/* --- notes
 * -------------------------------------------------------------------------------------------------------------------
 */

static struct rule_note *add_note(struct loading *l, enum rule_verdict verdict, const char *construct)
{
    if (l->note_count == l->note_capacity) {
        l->note_capacity = TC_MAX(l->note_capacity * 2, 16);
        l->notes = tc_realloc(l->notes, l->note_capacity * sizeof l->notes[0]);
    }
    struct rule_note *note = &l->notes[l->note_count++];
    *note = (struct rule_note){.verdict = verdict, .construct = construct};
    return note;
}

void ruleset_refuse(struct loading *l, struct sigma_rule *r, int code, const char *construct,
                    const char *text, struct sv subject)
{
    struct rule_note *note = add_note(l, RULE_REFUSED, construct);
    err_at(&note->err, code, r->rule.info.file.p, r->rule.info.line, r->column, "%s: \"%.*s\"", text,
           SV_FMT(sv_head(subject, 120)));
    r->refused = true;
}

void ruleset_warn(struct loading *l, const struct sigma_rule *r, const char *construct, const char *text,
                  struct sv subject)
{
    err_at(&add_note(l, RULE_WARNING, construct)->err, TC_OK, r->rule.info.file.p, r->rule.info.line,
           r->column, "%s: \"%.*s\"", text, SV_FMT(sv_head(subject, 120)));
}

static int compare_notes(const void *a, const void *b)
{
    const struct rule_note *x = a, *y = b;
    int c = strcmp(x->err.file, y->err.file);
    if (c == 0)
        c = (x->err.line > y->err.line) - (x->err.line < y->err.line);
    if (c == 0)
        c = (x->err.column > y->err.column) - (x->err.column < y->err.column);
    return c != 0 ? c : strcmp(x->construct, y->construct);
}

static void keep_notes(struct loading *l)
{
    struct ruleset *set = l->set;
    set->note_count = l->note_count;
    if (l->note_count == 0)
        return;
    qsort(l->notes, l->note_count, sizeof l->notes[0], compare_notes);
    set->notes = ARENA_ARRAY(&set->arena, struct rule_note, l->note_count);
    memcpy(set->notes, l->notes, l->note_count * sizeof l->notes[0]);
}

/* --- reading the sources
 * ------------------------------------------------------------------------------------------------------ */

static void note_warnings(struct loading *l, const struct sigma_rule *rule)
{
    for (size_t i = 0; i < rule->warning_count; i++) {
        struct rule_note *note = add_note(l, RULE_WARNING, rule->warnings[i].construct);
        const struct sigma_warning *w = &rule->warnings[i];
        err_at(&note->err, TC_OK, rule->rule.info.file.p, w->line > 0 ? w->line : rule->rule.info.line,
               w->line > 0 ? w->column : rule->column, "%s", w->text);
    }
}

static void add_rule(struct loading *l, const struct sigma_rule *rule)
{
    if (l->count == l->capacity) {
        l->capacity = TC_MAX(l->capacity * 2, 64);
        l->rules = tc_realloc(l->rules, l->capacity * sizeof l->rules[0]);
    }
    struct sigma_rule *own = ARENA_NEW(&l->kept, struct sigma_rule);
    *own = *rule;
    l->rules[l->count++] = own;
    note_warnings(l, own);
}

static void add_filter(struct loading *l, const struct sigma_rule *filter)
{
    if (l->filter_count == l->filter_capacity) {
        l->filter_capacity = TC_MAX(l->filter_capacity * 2, 16);
        l->filters = tc_realloc(l->filters, l->filter_capacity * sizeof l->filters[0]);
    }
    struct sigma_rule *own = ARENA_NEW(&l->kept, struct sigma_rule);
    *own = *filter;
    l->filters[l->filter_count++] = own;
    note_warnings(l, own);
}

static void read_document(struct loading *l, const struct yaml_node *root, const char *file, bool in_pack)
{
    struct err err = {0};
    struct sigma sigma = {.arena = &l->set->arena,
                          .scratch = &l->scratch,
                          .regexes = &l->set->regexes,
                          .file = file,
                          .placeholders = l->placeholders,
                          .pipelines = l->pipelines,
                          .construct = "not a rule",
                          .err = &err};
    struct sigma_rule rule = {0};
    if (sigma_read(&sigma, root, in_pack, &rule) == 0)
        (rule.is_filter ? add_filter : add_rule)(l, &rule);
    else
        add_note(l, RULE_REFUSED, sigma.construct)->err = err;
}

/* A first look at the sources: placeholders' values and calendars, wherever they stand. */
static void read_placeholders(struct loading *l, const struct rule_source *source)
{
    struct yaml_doc *docs = NULL;
    const char *file = arena_str(&l->set->arena, source->path);
    if (sv_find(source->bytes, SV("placeholders")) == source->bytes.n &&
        sv_find(source->bytes, SV("calendar")) == source->bytes.n)
        return;
    arena_reset(&l->scratch);
    if (yaml_parse(&l->scratch, file, source->bytes, &docs, NULL) != 0)
        return; /* the second look says what is wrong */
    for (const struct yaml_doc *doc = docs; doc != NULL; doc = doc->next) {
        struct err err = {0};
        struct sigma sigma = {.arena = &l->set->arena,
                              .scratch = &l->scratch,
                              .file = file,
                              .placeholders = l->placeholders,
                              .construct = "placeholders",
                              .err = &err};
        if (doc->root != NULL && sigma_is_placeholders(doc->root) &&
            sigma_read_values(&sigma, doc->root) != 0)
            add_note(l, RULE_REFUSED, sigma.construct)->err = err;
        if (doc->root != NULL && sigma_is_calendar(doc->root) &&
            sigma_read_calendar(&sigma, doc->root, source->in_pack) != 0)
            add_note(l, RULE_REFUSED, sigma.construct)->err = err;
    }
}

static void read_list(struct loading *l, const struct rule_source *source)
{
    struct err err = {0};
    struct sigma sigma = {.arena = &l->set->arena,
                          .file = arena_str(&l->set->arena, source->path),
                          .placeholders = l->placeholders,
                          .construct = "placeholders",
                          .err = &err};
    struct list *list = list_new(&l->kept, sigma.file, source->bytes, source->in_pack);
    if (sigma_add_list(&sigma, list_name(source->path), list) != 0)
        add_note(l, RULE_REFUSED, sigma.construct)->err = err;
}

static void note_list(void *context, const struct list *list)
{
    struct err first;
    size_t count = list_unreadable(list, &first);
    if (count > 0)
        err_at(&add_note(context, RULE_WARNING, "list entry")->err, TC_OK, first.file, first.line, 0,
               "%zu line%s of the list left out; the first: %s", count, count > 1 ? "s" : "", first.text);
}

/* Another first look: pipelines. Their trees stay until all is read. */
static int read_pipelines(struct loading *l, const struct rule_source *source, struct err *err)
{
    struct yaml_doc *docs = NULL;
    const char *file = arena_str(&l->set->arena, source->path);
    int rc = 0;
    if (sv_find(source->bytes, SV("transformations")) == source->bytes.n ||
        yaml_parse(&l->kept, file, source->bytes, &docs, NULL) != 0)
        return 0;
    for (const struct yaml_doc *doc = docs; rc == 0 && doc != NULL; doc = doc->next) {
        if (doc->root == NULL || !sigma_is_pipeline(doc->root))
            continue;
        struct sigma sigma = {.arena = &l->set->arena, /* where the regular expressions are freed from */
                              .scratch = &l->kept,
                              .regexes = &l->set->regexes,
                              .file = file,
                              .construct = "pipeline",
                              .err = err};
        if (l->pipelines == NULL)
            l->pipelines = pipelines_new();
        rc = pipelines_add(l->pipelines, &sigma, doc->root);
    }
    return rc;
}

/* What conditions on log sources say of correlations: those of the rules that they list. */
static void know_logsources(struct loading *l, const struct rule_source *source)
{
    struct yaml_doc *docs = NULL;
    struct sigma sigma = {.arena = &l->kept};
    arena_reset(&l->scratch);
    if (sigma_parse_file(&l->scratch, "", source->bytes, &docs, NULL) != 0)
        return;
    for (const struct yaml_doc *doc = docs; doc != NULL; doc = doc->next)
        pipelines_know(l->pipelines, &sigma, doc->root);
}

static void read_source(struct loading *l, const struct rule_source *source)
{
    struct err err = {0};
    struct yaml_doc *docs = NULL;
    const char *file = arena_str(&l->set->arena, source->path);
    size_t found = 0;
    arena_reset(&l->scratch);
    if (sigma_parse_file(&l->scratch, file, source->bytes, &docs, &err) != 0) {
        add_note(l, RULE_REFUSED, "not YAML")->err = err;
        return;
    }
    for (const struct yaml_doc *doc = docs; doc != NULL; doc = doc->next) {
        if (doc->root == NULL)
            continue;
        found++;
        if (!sigma_is_placeholders(doc->root) && !sigma_is_pipeline(doc->root) &&
            !sigma_is_calendar(doc->root) && !ruleset_is_profile(doc->root))
            read_document(l, doc->root, file, source->in_pack);
    }
    if (found == 0)
        err_at(&add_note(l, RULE_WARNING, "empty file")->err, TC_OK, file, 0, 0, "no rule in this file");
}

static int compare_sources(const void *a, const void *b)
{
    const struct rule_source *x = *(const struct rule_source *const *)a;
    const struct rule_source *y = *(const struct rule_source *const *)b;
    int c = sv_cmp(x->path, y->path);
    return c != 0 ? c : sv_cmp(x->bytes, y->bytes);
}

static bool is_list(const struct rule_source *source)
{
    return list_name(source->path).n > 0;
}

static void count_calendar(void *context, const struct calendar *calendar)
{
    struct ruleset *set = context;
    set->calendar_count += calendar != NULL;
}

static void keep_calendar(void *context, const struct calendar *calendar)
{
    struct ruleset *set = context;
    set->calendars[set->calendar_count++] = calendar;
}

static int read_sources(struct loading *l, const struct rule_source *sources, size_t count, struct err *err)
{
    int rc = 0;
    const struct rule_source **sorted = ARENA_ARRAY(&l->kept, const struct rule_source *, count + 1);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &sources[i];
    qsort(sorted, count, sizeof sorted[0], compare_sources);
    for (size_t i = 0; i < count; i++)
        if (!is_list(sorted[i]))
            read_placeholders(l, sorted[i]);
    for (size_t i = 0; i < count; i++)
        if (is_list(sorted[i]))
            read_list(l, sorted[i]);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = is_list(sorted[i]) ? 0 : read_pipelines(l, sorted[i], err);
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = is_list(sorted[i]) ? 0 : ruleset_read_profiles(l, sorted[i], err);
    if (l->pipelines != NULL)
        pipelines_sort(l->pipelines);
    for (size_t i = 0; rc == 0 && i < count && l->pipelines != NULL; i++)
        if (!is_list(sorted[i]))
            know_logsources(l, sorted[i]);
    for (size_t i = 0; rc == 0 && i < count; i++)
        if (!is_list(sorted[i]))
            read_source(l, sorted[i]);
    placeholders_each_list(l->placeholders, note_list, l);
    placeholders_each_calendar(l->placeholders, count_calendar, l->set);
    l->set->calendars = ARENA_ARRAY(&l->set->arena, const struct calendar *, l->set->calendar_count + 1);
    l->set->calendar_count = 0;
    placeholders_each_calendar(l->placeholders, keep_calendar, l->set);
    return rc;
}

const struct calendar *ruleset_calendar(const struct ruleset *ruleset, struct sv name)
{
    for (size_t i = 0; i < ruleset->calendar_count; i++)
        if (sv_eq(ruleset->calendars[i]->name, name))
            return ruleset->calendars[i];
    return NULL;
}

/* --- ids and names
 * --------------------------------------------------------------------------------------------------- */

static void index_rules(struct loading *l)
{
    for (size_t i = 0; i < l->count; i++) {
        struct sigma_rule *r = l->rules[i];
        bool fresh;
        uint64_t *slot = map_put(&l->ids, r->rule.info.id, &fresh);
        if (slot == NULL || !fresh) {
            ruleset_refuse(l, r, TC_EEXIST, slot == NULL ? "too many rules" : "duplicate id",
                           slot == NULL ? "too many rules" : "another rule has the same id", r->rule.info.id);
            continue;
        }
        *slot = i + 1;
        if (r->rule.info.name.n == 0)
            continue;
        slot = map_put(&l->names, r->rule.info.name, &fresh);
        if (slot != NULL)
            *slot = fresh ? i + 1 : 0;
    }
}

/* --- the finished set
 * -------------------------------------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
    const struct sigma_rule *x = *(struct sigma_rule *const *)a, *y = *(struct sigma_rule *const *)b;
    return sv_cmp(x->rule.info.id, y->rule.info.id);
}

/* The same id and the same meaning are the same rule. */
static void hash_rule(struct sigma_rule *r)
{
    struct sha256_ctx context;
    uint8_t hash[TC_SHA256_BYTES];
    sha256_init(&context);
    sha256_update(&context, sizeof r->meaning_hash, r->meaning_hash);
    sha256_update(&context, r->rule.info.id.n, (const uint8_t *)r->rule.info.id.p);
    hash_sha256_final(&context, hash);
    memcpy(r->rule.content, hash, sizeof r->rule.content);
}

/* Puts the rules in order; each sigma_rule learns its ordinal. */
static void order_rules(struct loading *l)
{
    struct ruleset *set = l->set;
    struct sigma_rule **live = ARENA_ARRAY(&l->kept, struct sigma_rule *, l->count + 1);
    for (size_t i = 0; i < l->count; i++)
        if (!l->rules[i]->refused)
            live[set->count++] = l->rules[i];
    qsort(live, set->count, sizeof live[0], compare_ids);
    set->rules = ARENA_ARRAY(&set->arena, struct rule, set->count + 1);
    for (size_t i = 0; i < set->count; i++) {
        live[i]->rule.info.ordinal = (uint32_t)i;
        hash_rule(live[i]);
        set->rules[i] = live[i]->rule;
    }
}

static int compare_names(const void *a, const void *b)
{
    return sv_cmp(*(const struct sv *)a, *(const struct sv *)b);
}

static void gather_fields(struct ruleset *set)
{
    size_t total = 0, n = 0;
    for (size_t i = 0; i < set->count; i++)
        total += set->rules[i].read_count;
    struct sv *names = tc_alloc(total * sizeof names[0] + 1);
    total = 0;
    for (size_t i = 0; i < set->count; i++)
        for (size_t k = 0; k < set->rules[i].read_count; k++)
            names[total++] = set->rules[i].reads[k].name;
    qsort(names, total, sizeof names[0], compare_names);
    for (size_t i = 0; i < total; i++)
        if (n == 0 || !sv_eq(names[n - 1], names[i]))
            names[n++] = names[i];
    set->field_names = ARENA_ARRAY(&set->arena, struct sv, n + 1);
    if (n > 0)
        memcpy(set->field_names, names, n * sizeof names[0]);
    set->field_name_count = n;
    free(names);
}

static void finish(struct loading *l, const struct policy *policy)
{
    if (!policy_is_empty(policy))
        ruleset_check_policy(l, policy);
    ruleset_resolve(l);
    order_rules(l);
    ruleset_link(l);
    gather_fields(l->set);
    l->set->index = index_new(l->set->rules, l->set->count);
    keep_notes(l);
}

int ruleset_new(const struct rule_source *sources, size_t count, struct ruleset **ret, struct err *err)
{
    return ruleset_new_under(sources, count, NULL, ret, err);
}

int ruleset_new_under(const struct rule_source *sources, size_t count, const struct policy *policy,
                      struct ruleset **ret, struct err *err)
{
    struct loading l = {.set = tc_alloc(sizeof *l.set)};
    l.placeholders = placeholders_new(&l.set->arena);
    map_init(&l.ids, RULES_MAX);
    map_init(&l.names, RULES_MAX);
    int rc = read_sources(&l, sources, count, err); /* what is wrong with a rule is a note */
    index_rules(&l);
    ruleset_filter(&l);
    if (rc == 0)
        rc = ruleset_choose(&l, err);
    finish(&l, policy);
    pipelines_free(&l.pipelines);
    placeholders_free(l.placeholders);
    map_free(&l.ids);
    map_free(&l.names);
    arena_free(&l.scratch);
    arena_free(&l.kept);
    free(l.rules);
    free(l.filters);
    free(l.notes);
    if (rc != 0)
        ruleset_free(&l.set);
    *ret = l.set;
    return rc;
}

void ruleset_free(struct ruleset **ruleset)
{
    if (*ruleset == NULL)
        return;
    index_free(&(*ruleset)->index);
    regex_free_list(&(*ruleset)->regexes);
    arena_free(&(*ruleset)->arena);
    free(*ruleset);
    *ruleset = NULL;
}

/* --- looking at it
 * -----------------------------------------------------------------------------------------------------------
 */

size_t ruleset_count(const struct ruleset *ruleset)
{
    return ruleset->count;
}

size_t ruleset_note_count(const struct ruleset *ruleset)
{
    return ruleset->note_count;
}

const struct rule_note *ruleset_note(const struct ruleset *ruleset, size_t at)
{
    tc_assert(at < ruleset->note_count);
    return &ruleset->notes[at];
}

const struct rule_info *ruleset_rule(const struct ruleset *ruleset, size_t ordinal)
{
    tc_assert(ordinal < ruleset->count);
    return &ruleset->rules[ordinal].info;
}

void ruleset_compare(const struct ruleset *old, const struct ruleset *new, struct ruleset_difference *ret)
{
    *ret = (struct ruleset_difference){0};
    size_t i = 0, k = 0; /* both are in order of id */
    while (i < old->count || k < new->count) {
        int c = i == old->count   ? 1
                : k == new->count ? -1
                                  : sv_cmp(old->rules[i].info.id, new->rules[k].info.id);
        if (c < 0) {
            ret->removed++;
        } else if (c > 0) {
            ret->added++;
        } else {
            bool same =
                memcmp(old->rules[i].content, new->rules[k].content, sizeof old->rules[i].content) == 0;
            ret->unchanged += same;
            ret->changed += !same;
        }
        i += c <= 0;
        k += c >= 0;
    }
}

size_t ruleset_fields(const struct ruleset *ruleset, const struct sv **ret_names)
{
    *ret_names = ruleset->field_names;
    return ruleset->field_name_count;
}
