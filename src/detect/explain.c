/*
 * The interpreter once more, without its short cuts; see explain.h. Verdicts are match.c's own, asked of each
 * part, so an explanation cannot say something else than a detector does.
 */
#include "detect/explain.h"

#include "detect/match.h"

#include <stdio.h>

struct explaining {
    const struct ruleset *ruleset;
    const struct event *event;
    struct match_scratch *scratch;
    explain_fn each;
    void *context;
};

size_t explain_find(const struct ruleset *set, struct sv name)
{
    for (size_t i = 0; i < set->count; i++)
        if (sv_eq(set->rules[i].info.id, name))
            return i;
    for (size_t i = 0; i < set->count; i++)
        if (sv_eq(set->rules[i].info.name, name) || sv_eq(set->rules[i].info.title, name))
            return i;
    return SIZE_MAX;
}

static void say(struct explaining *x, const struct explain_step *step)
{
    x->each(x->context, step);
}

/* The first value of the field that is one, and how many there are. */
static struct sv event_values(const struct explaining *x, const struct name_ref *name, size_t *ret_count,
                              bool *ret_present)
{
    struct sv first = SV("");
    *ret_count = 0;
    *ret_present = false;
    for (const struct field *f = event_find(x->event, name->name, name->hash); f != NULL;
         f = event_next(x->event, f)) {
        *ret_present = true;
        if (!field_is_value(f))
            continue;
        if ((*ret_count)++ == 0)
            first = f->value;
    }
    return first;
}

/* --- a detection
 * -------------------------------------------------------------------------------------------------------------
 */

static const char *why_item(const struct match_item *item, bool holds, bool present, size_t values)
{
    bool keywords = item->field.name.n == 0;
    if (item->negated)
        return holds ? (present ? "negated, and nothing matches" : "negated, and the event has no such field")
                     : "negated, and a value matches";
    if (holds)
        return keywords    ? "found in the event"
               : !present  ? "the event has no such field, which is what it asks"
               : item->all ? "all values match"
                           : "a value matches";
    return keywords                       ? "not found in the event"
           : !present                     ? "the event has no such field"
           : values == 0                  ? "the field is null or holds other fields"
           : item->all && item->count > 1 ? "not all values match"
                                          : "no value matches";
}

/* Of a list: NULL where the value asks none. */
static const char *why_list(struct explaining *x, const struct match_item *item, size_t at, bool holds)
{
    bool asks = false;
    for (size_t i = 0; i < item->values[at].count; i++)
        asks |= item->values[at].alternatives[i].kind == PREDICATE_LIST;
    if (!asks)
        return NULL;
    struct event at_no_time = *x->event; /* when also what has expired holds */
    at_no_time.time.ns = at_no_time.received.ns = TC_NO_TIME;
    return holds                                                 ? "the list has it"
           : match_item_holds(item, at, &at_no_time, x->scratch) ? "the list had it, and it has expired"
                                                                 : "the list does not have it";
}

static void explain_item(struct explaining *x, const struct match_item *item, unsigned depth)
{
    size_t values = 0;
    bool present = false;
    struct sv value = SV("");
    if (item->field.name.n > 0)
        value = event_values(x, &item->field, &values, &present);
    bool holds = match_item_holds(item, SIZE_MAX, x->event, x->scratch);
    say(x, &(struct explain_step){.kind = EXPLAIN_LINE,
                                  .depth = depth,
                                  .holds = holds,
                                  .text = item->field.name.n > 0 ? item->key : SV("(keywords)"),
                                  .why = why_item(item, holds, present, values),
                                  .value = value,
                                  .value_count = values,
                                  .line = item->line});
    for (size_t i = 0; i < item->count; i++) {
        bool matches = match_item_holds(item, i, x->event, x->scratch);
        say(x, &(struct explain_step){.kind = EXPLAIN_VALUE,
                                      .depth = depth + 1,
                                      .holds = matches,
                                      .text = item->values[i].written,
                                      .why = why_list(x, item, i, matches)});
    }
}

static void explain_calendar(struct explaining *x, const struct match_calendar *asked, unsigned depth)
{
    static const char *const why[] = {[CALENDAR_OPEN] = "the calendar is open then",
                                      [CALENDAR_CLOSED] = "outside of the calendar's hours",
                                      [CALENDAR_HOLIDAY] = "a holiday of the calendar",
                                      [CALENDAR_NO_TIME] = "the event has no time"};
    char text[CALENDAR_TEXT_BYTES];
    enum calendar_answer answer = calendar_ask(asked->calendar, x->event);
    calendar_text(asked->calendar, x->event, text);
    say(x, &(struct explain_step){.kind = EXPLAIN_LINE,
                                  .depth = depth,
                                  .holds = answer == CALENDAR_OPEN,
                                  .text = asked->key,
                                  .why = why[answer],
                                  .value = sv_of(text),
                                  .value_count = 1,
                                  .line = asked->line});
    say(x, &(struct explain_step){.kind = EXPLAIN_VALUE,
                                  .depth = depth + 1,
                                  .holds = answer == CALENDAR_OPEN,
                                  .text = asked->calendar->name});
}

static void explain_node(struct explaining *x, const struct match_node *node, unsigned depth)
{
    if (node->kind == NODE_ITEM) {
        explain_item(x, node->item, depth);
        return;
    }
    if (node->kind == NODE_CALENDAR) {
        explain_calendar(x, node->calendar, depth);
        return;
    }
    say(x, &(struct explain_step){.kind = EXPLAIN_GROUP,
                                  .depth = depth,
                                  .holds = match_node_holds(node, x->event, x->scratch),
                                  .text = node->kind == NODE_AND  ? SV("all of")
                                          : node->kind == NODE_OR ? SV("any of")
                                                                  : SV("not")});
    for (size_t i = 0; i < node->count; i++)
        explain_node(x, node->kids[i], depth + 1);
}

static void explain_selection(struct explaining *x, const struct detection_selection *s, unsigned depth)
{
    say(x, &(struct explain_step){.kind = EXPLAIN_SELECTION,
                                  .depth = depth,
                                  .holds = match_node_holds(s->root, x->event, x->scratch),
                                  .text = s->name,
                                  .why = s->used ? NULL : "the condition does not ask it",
                                  .line = s->line});
    if (s->root->kind == NODE_AND) /* a map of lines: that all must hold goes without saying */
        for (size_t i = 0; i < s->root->count; i++)
            explain_node(x, s->root->kids[i], depth + 1);
    else
        explain_node(x, s->root, depth + 1);
}

static void explain_logsource(struct explaining *x, const struct rule *rule, unsigned depth)
{
    const struct {
        const char *name;
        struct sv rule, event;
    } dimensions[] = {{"product", rule->product, x->event->product},
                      {"category", rule->category, x->event->category},
                      {"service", rule->service, x->event->service}};
    for (size_t i = 0; i < TC_ARRAY_LEN(dimensions); i++) {
        char text[300];
        if (dimensions[i].rule.n == 0)
            continue;
        struct rule one = {.product = i == 0 ? rule->product : SV(""),
                           .category = i == 1 ? rule->category : SV(""),
                           .service = i == 2 ? rule->service : SV("")};
        bool holds = rule_applies(&one, x->event);
        int n = snprintf(text, sizeof text, "%s: %.*s", dimensions[i].name,
                         SV_FMT(sv_head(dimensions[i].rule, 200)));
        say(x, &(struct explain_step){.kind = EXPLAIN_LOGSOURCE,
                                      .depth = depth,
                                      .holds = holds,
                                      .text = sv_make(text, (size_t)n),
                                      .why = !holds                       ? "the event is of another"
                                             : dimensions[i].event.n == 0 ? "the event does not say"
                                                                          : NULL,
                                      .value = dimensions[i].event,
                                      .value_count = dimensions[i].event.n > 0});
    }
}

static bool explain_detection(struct explaining *x, const struct rule *rule, unsigned depth)
{
    bool applies = rule_applies(rule, x->event);
    bool matches = rule_matches(rule, x->event, x->scratch);
    say(x, &(struct explain_step){.kind = EXPLAIN_RULE,
                                  .depth = depth,
                                  .holds = applies && matches,
                                  .text = rule->info.title,
                                  .why = !applies  ? "the event is of another log source"
                                         : matches ? "the condition holds"
                                                   : "the condition does not hold",
                                  .file = rule->info.file.p,
                                  .line = rule->info.line});
    explain_logsource(x, rule, depth + 1);
    say(x, &(struct explain_step){.kind = EXPLAIN_CONDITION,
                                  .depth = depth + 1,
                                  .holds = matches,
                                  .text = rule->detection->condition,
                                  .line = rule->detection->condition_line});
    for (size_t i = 0; i < rule->detection->selection_count; i++)
        explain_selection(x, &rule->detection->selections[i], depth + 1);
    return applies && matches;
}

/* --- a correlation
 * -------------------------------------------------------------------------------------------------------------
 */

/* The names of group-by, then those that it counts, as the rule with that step has them. The last of travel
 * is the radius, which need not be there. Returns whether all that are needed are. */
static bool explain_fields(struct explaining *x, const struct correlation *c, size_t step, unsigned depth)
{
    size_t width = c->group_count + c->field_count;
    bool all = true;
    for (size_t i = 0; i < width; i++) {
        const struct name_ref *name = c->lookups != NULL   ? &c->lookups[step * width + i]
                                      : i < c->group_count ? &c->group_by[i]
                                                           : &c->fields[i - c->group_count];
        size_t values;
        bool present;
        struct sv value = event_values(x, name, &values, &present);
        bool needed = c->type != CORR_TRAVEL || i < width - 1;
        all &= values > 0 || !needed;
        say(x, &(struct explain_step){.kind = EXPLAIN_FIELD,
                                      .depth = depth,
                                      .holds = values > 0,
                                      .text = name->name,
                                      .why = values > 0 ? NULL
                                             : needed   ? "without it the event has no part"
                                                        : "without it the place is taken as exact",
                                      .value = value,
                                      .value_count = values});
    }
    return all;
}

static bool explain_any(struct explaining *x, size_t ordinal, unsigned depth);

static bool has_all_fields(const struct explaining *x, const struct correlation *c)
{
    size_t needed = c->group_count + c->field_count - (c->type == CORR_TRAVEL), values;
    bool all = true, present;
    for (size_t i = 0; i < needed; i++) {
        event_values(x, i < c->group_count ? &c->group_by[i] : &c->fields[i - c->group_count], &values,
                     &present);
        all &= values > 0;
    }
    return all;
}

/* A detection's memory: what it takes of the event. */
static void explain_memory(struct explaining *x, const struct correlation *c, unsigned depth)
{
    static const struct {
        const char *name, *why;
    } kinds[] = {
        [CORR_NEW_VALUE] = {"new_value", "it speaks where its memory does not hold this value for the group"},
        [CORR_ABSENCE] = {"absence", "it speaks where the next event of the group stays away"},
        [CORR_TRAVEL] = {"travel", "it speaks where its memory holds a place of the group too far away"},
        [CORR_BASELINE] = {"baseline",
                           "it speaks where the group's running bucket is above what its history allows"},
    };
    bool part = has_all_fields(x, c);
    say(x, &(struct explain_step){.kind = EXPLAIN_MEMORY,
                                  .depth = depth,
                                  .holds = part,
                                  .text = sv_of(kinds[c->type].name),
                                  .why = part ? kinds[c->type].why
                                              : "a field is missing: nothing is remembered"});
    explain_fields(x, c, 0, depth + 1);
}

/* A correlation's is asked of the value that its window comes to. */
static void explain_raise(struct explaining *x, const struct rule_raise *raise, unsigned depth)
{
    static const char *const would[] = {[SEVERITY_P1] = "it would be P1",
                                        [SEVERITY_P2] = "it would be P2",
                                        [SEVERITY_P3] = "it would be P3",
                                        [SEVERITY_P4] = "it would be P4"};
    static const char *const makes[] = {[SEVERITY_P1] = "it is P1",
                                        [SEVERITY_P2] = "it is P2",
                                        [SEVERITY_P3] = "it is P3",
                                        [SEVERITY_P4] = "it is P4"};
    bool holds = raise->condition != NULL && match_node_holds(raise->condition, x->event, x->scratch);
    say(x, &(struct explain_step){.kind = EXPLAIN_RAISE,
                                  .depth = depth,
                                  .holds = holds,
                                  .text = raise->written,
                                  .why = (holds ? makes : would)[raise->severity]});
}

static bool part_of(struct explaining *x, size_t ordinal)
{
    const struct rule *rule = &x->ruleset->rules[ordinal];
    if (rule->kind == RULE_DETECTION)
        return rule_applies(rule, x->event) && rule_matches(rule, x->event, x->scratch);
    for (size_t i = 0; i < rule->correlation->rule_count; i++)
        if (part_of(x, rule->correlation->rules[i]))
            return true;
    return false;
}

static bool explain_correlation(struct explaining *x, size_t ordinal, unsigned depth)
{
    const struct rule *rule = &x->ruleset->rules[ordinal];
    const struct correlation *c = rule->correlation;
    bool part = part_of(x, ordinal);
    say(x, &(struct explain_step){
               .kind = EXPLAIN_RULE,
               .depth = depth,
               .holds = part,
               .text = rule->info.title,
               .why = part ? "a correlation: it counts this event where all its fields are there"
                           : "a correlation: none of its rules matches",
               .file = rule->info.file.p,
               .line = rule->info.line});
    for (size_t i = 0; part && i < rule->raise_count; i++)
        explain_raise(x, &rule->raises[i], depth + 1);
    for (size_t i = 0; i < c->rule_count; i++) {
        bool matches = explain_any(x, c->rules[i], depth + 1);
        if (matches)
            explain_fields(x, c, i, depth + 2);
    }
    return part;
}

static bool explain_any(struct explaining *x, size_t ordinal, unsigned depth)
{
    const struct rule *rule = &x->ruleset->rules[ordinal];
    if (rule->kind == RULE_CORRELATION)
        return explain_correlation(x, ordinal, depth);
    bool matches = explain_detection(x, rule, depth);
    if (matches && rule->correlation != NULL)
        explain_memory(x, rule->correlation, depth + 1);
    for (size_t i = 0; matches && i < rule->raise_count; i++)
        explain_raise(x, &rule->raises[i], depth + 1);
    return matches;
}

bool explain_rule(const struct ruleset *set, size_t ordinal, const struct event *event, explain_fn each,
                  void *context)
{
    tc_assert(ordinal < set->count);
    struct explaining x = {set, event, match_scratch_new(), each, context};
    bool matches = explain_any(&x, ordinal, 0);
    match_scratch_free(&x.scratch);
    return matches;
}
