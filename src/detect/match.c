/*
 * The interpreter: does this rule's logsource let the event through, does its detection hold?
 *
 * It walks the tree that sigma_*.c built, plainly, left to right, and stops as soon as the answer is known.
 * The one thing it remembers is the folded form of each value of the event at hand: thousands of rules ask
 * about the same few fields, and folding is most of the cost of asking.
 *
 * Several values of one field (arrays, duplicate keys) are any-of: a predicate holds where it holds for one
 * of them. A missing field fails every predicate but `null` and `exists: false`; negation is outside of that,
 * so `not` and `neq` are true where the field is missing.
 */
#include "detect/match.h"

#include "base/utf8.h"
#include "detect/fold.h"
#include "detect/index.h"

#include <stdio.h>
#include <stdlib.h>

/* --- scratch
 * ------------------------------------------------------------------------------------------------------------------
 */

enum { FOLDED_MAX_BYTES = 16 << 20 };

struct folded { /* of one field, or of the raw text */
    const char *of;
    size_t of_n;
    size_t at, n; /* in match_scratch.text; n == SIZE_MAX: the value stands for itself */
    bool known;
};

struct match_scratch {
    const struct event *event; /* the event that the rest is about */
    const struct field *fields;
    const char *raw;
    uint64_t position, epoch, sequence;
    struct folded *folded; /* by field, the raw text last */
    size_t folded_count, folded_capacity;
    struct buf text;
    struct regex_scratch *regex;
    uint64_t limit_hits, work;
    bool *limited; /* by ordinal: this rule hit a limit since match_scratch_take_limited */
    size_t limited_count;
    struct index_scratch *index;
};

struct match_scratch *match_scratch_new(void)
{
    struct match_scratch *s = tc_alloc(sizeof *s);
    buf_init(&s->text, FOLDED_MAX_BYTES);
    s->regex = regex_scratch_new();
    s->index = index_scratch_new();
    return s;
}

void match_scratch_free(struct match_scratch **scratch)
{
    if (*scratch == NULL)
        return;
    regex_scratch_free(&(*scratch)->regex);
    index_scratch_free(&(*scratch)->index);
    buf_free(&(*scratch)->text);
    free((*scratch)->folded);
    free((*scratch)->limited);
    free(*scratch);
    *scratch = NULL;
}

void match_scratch_forget(struct match_scratch *scratch)
{
    scratch->event = NULL;
}

static void note_limited(struct match_scratch *s, uint32_t ordinal)
{
    if (ordinal >= s->limited_count) {
        size_t count = TC_MAX((size_t)ordinal + 1, 2 * s->limited_count);
        s->limited = tc_realloc(s->limited, count * sizeof s->limited[0]);
        memset(s->limited + s->limited_count, 0, (count - s->limited_count) * sizeof s->limited[0]);
        s->limited_count = count;
    }
    s->limited[ordinal] = true;
}

bool match_scratch_take_limited(struct match_scratch *scratch, uint32_t ordinal)
{
    bool limited = ordinal < scratch->limited_count && scratch->limited[ordinal];
    if (limited)
        scratch->limited[ordinal] = false;
    return limited;
}

uint64_t match_scratch_limit_hits(const struct match_scratch *scratch)
{
    return scratch->limit_hits;
}

uint64_t match_scratch_work(const struct match_scratch *scratch)
{
    return scratch->work;
}

static void forget_folded(struct match_scratch *s)
{
    buf_clear(&s->text);
    if (s->folded_count > 0)
        memset(s->folded, 0, s->folded_count * sizeof s->folded[0]);
}

static bool scratch_is_of(const struct match_scratch *s, const struct event *e)
{
    return s->event == e && s->fields == e->fields && s->raw == e->raw.p && s->position == e->position &&
           s->epoch == e->epoch && s->sequence == e->sequence && s->folded_count == e->field_count + 1u;
}

static void scratch_begin(struct match_scratch *s, const struct event *e)
{
    if (scratch_is_of(s, e))
        return;
    s->event = e;
    s->fields = e->fields;
    s->raw = e->raw.p;
    s->position = e->position;
    s->epoch = e->epoch;
    s->sequence = e->sequence;
    s->folded_count = e->field_count + 1u;
    if (s->folded_count > s->folded_capacity) {
        s->folded_capacity = s->folded_count * 2;
        s->folded = tc_realloc(s->folded, s->folded_capacity * sizeof s->folded[0]);
    }
    forget_folded(s);
}

/* As utf8_fold, many bytes at a time while they are ASCII. */
static void fold_text(struct buf *buf, struct sv value)
{
    char *to = buf_reserve(buf, value.n);
    size_t n = to == NULL ? 0 : fold_ascii(to, value);
    buf->n += n;
    if (n < value.n)
        utf8_fold(buf, sv_from(value, n));
}

static void fold_slot(struct match_scratch *s, struct folded *slot, struct sv value)
{
    *slot = (struct folded){.of = value.p, .of_n = value.n, .n = SIZE_MAX, .known = true};
    if (value.n == 0 || value.n > MATCH_FOLD_MAX_BYTES)
        return;
    size_t at = s->text.n;
    fold_text(&s->text, value);
    if (s->text.overflow) { /* start the store anew; a single value always fits */
        forget_folded(s);
        at = 0;
        fold_text(&s->text, value);
        *slot = (struct folded){.of = value.p, .of_n = value.n, .known = true};
    }
    slot->at = at;
    slot->n = s->text.n - at;
}

/* The folded form of a value whose slot is `at`; good until the next call. */
static struct sv folded_value(struct match_scratch *s, size_t at, struct sv value)
{
    struct folded *slot = &s->folded[at];
    if (!slot->known || slot->of != value.p || slot->of_n != value.n)
        fold_slot(s, slot, value);
    return slot->n == SIZE_MAX ? value : sv_make(s->text.p + slot->at, slot->n);
}

struct sv match_scratch_folded(struct match_scratch *scratch, const struct event *event, size_t at)
{
    scratch_begin(scratch, event);
    return folded_value(scratch, at, at == event->field_count ? event->raw : event->fields[at].value);
}

/* Is the field among those that keywords are searched in? */
static bool is_searched(const struct field *field)
{
    return !(field->flags & FIELD_DERIVED) && field_is_value(field);
}

/* Room for the values of all fields that are searched, as long as they are ASCII, and a byte behind each;
 * SIZE_MAX: too much. */
static size_t searched_bytes(const struct event *event)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < event->field_count; i++) {
        if (!is_searched(&event->fields[i]))
            continue;
        if (event->fields[i].value.n > MATCH_FOLD_MAX_BYTES)
            return SIZE_MAX;
        bytes += event->fields[i].value.n + 1;
    }
    return bytes;
}

bool match_scratch_all_folded(struct match_scratch *scratch, const struct event *event, struct sv *ret)
{
    struct buf *text = &scratch->text;
    scratch_begin(scratch, event);
    size_t start = text->n, bytes = searched_bytes(event);
    if (bytes > FOLDED_MAX_BYTES || buf_reserve(text, bytes) == NULL)
        return false;
    for (uint32_t i = 0; i < event->field_count; i++) {
        struct sv value = event->fields[i].value;
        if (!is_searched(&event->fields[i]))
            continue;
        size_t at = text->n;
        text->n += fold_ascii(text->p + at, value);
        if (TC_UNLIKELY(text->n < at + value.n)) { /* may come out longer than it went in */
            utf8_fold(text, sv_from(value, text->n - at));
            bytes += 4 * value.n;
            if (buf_reserve(text, bytes) == NULL)
                break;
        }
        scratch->folded[i] =
            (struct folded){.of = value.p, .of_n = value.n, .at = at, .n = text->n - at, .known = true};
        text->p[text->n++] = '\0'; /* parts it from the next */
    }
    if (text->overflow) {
        forget_folded(scratch);
        return false;
    }
    *ret = sv_make(text->p + start, text->n - start);
    return true;
}

/* --- one predicate, one value
 * ------------------------------------------------------------------------------------------------ */

struct matching {
    const struct event *event;
    struct match_scratch *scratch;
};

static bool date_matches(const struct predicate *p, struct sv value)
{
    int64_t part;
    char text[24];
    if (!date_part_of(p->number.part, value, &part))
        return false;
    int n = snprintf(text, sizeof text, "%lld", (long long)part);
    return number_compare(p->number.op, sv_make(text, (size_t)n), p->number.value);
}

/* Lists hold at the event's time; at that of receipt where it has none to be believed. */
static bool list_matches(const struct matching *m, const struct predicate *p, struct sv value, size_t slot)
{
    if (!p->list.cased)
        value = folded_value(m->scratch, slot, value);
    return list_holds(p->list.table, p->list.question, value, event_judged_ns(m->event));
}

/* `slot` names the value in the scratch: its field's index, or field_count for the raw text. */
static bool value_matches(const struct matching *m, const struct predicate *p, struct sv value, size_t slot)
{
    enum { REGEX_WORK = 8, VALUE_WORK = 8 }; /* even an empty value is looked at */
    m->scratch->work += (p->kind == PREDICATE_REGEX ? value.n * REGEX_WORK : value.n) + VALUE_WORK;
    switch (p->kind) {
    case PREDICATE_PATTERN:
        return pattern_matches(&p->pattern, p->pattern.cased ? value : folded_value(m->scratch, slot, value));
    case PREDICATE_NUMBER:
        return number_compare(p->number.op, value, p->number.value);
    case PREDICATE_REGEX:
        return regex_matches(p->regex, value, m->scratch->regex, &m->scratch->limit_hits);
    case PREDICATE_NETWORK:
        return network_holds(&p->network, value);
    case PREDICATE_DATE:
        return date_matches(p, value);
    case PREDICATE_LIST:
        return list_matches(m, p, value, slot);
    case PREDICATE_NULL:
    case PREDICATE_EXISTS:
    case PREDICATE_FIELD:
        break; /* about a field, not a value */
    }
    return false;
}

/* --- predicates about fields
 * ------------------------------------------------------------------------------------------------- */

static const struct field *find(const struct matching *m, const struct name_ref *name)
{
    return event_find(m->event, name->name, name->hash);
}

static size_t slot_of(const struct matching *m, const struct field *field)
{
    return (size_t)(field - m->event->fields);
}

static bool is_null(const struct matching *m, const struct field *first)
{
    for (const struct field *f = first; f != NULL; f = event_next(m->event, f))
        if (f->type == FIELD_NULL)
            return true;
    return first == NULL;
}

static bool texts_compare(const struct predicate *p, struct sv a, struct sv b)
{
    if (p->field.open_start && p->field.open_end)
        return sv_find(a, b) < a.n || b.n == 0;
    if (p->field.open_start)
        return sv_ends(a, b);
    return p->field.open_end ? sv_starts(a, b) : sv_eq(a, b);
}

static bool fields_compare(const struct matching *m, const struct predicate *p, const struct field *a,
                           const struct field *b)
{
    if (p->field.cased)
        return texts_compare(p, a->value, b->value);
    /* folding one may move or drop the other's text, so both are folded before either is looked at */
    (void)folded_value(m->scratch, slot_of(m, b), b->value);
    (void)folded_value(m->scratch, slot_of(m, a), a->value);
    (void)folded_value(m->scratch, slot_of(m, b), b->value);
    struct sv left = folded_value(m->scratch, slot_of(m, a), a->value);
    return texts_compare(p, left, folded_value(m->scratch, slot_of(m, b), b->value));
}

static bool field_matches_field(const struct matching *m, const struct predicate *p,
                                const struct field *first)
{
    const struct field *other = find(m, &p->field.name);
    for (const struct field *a = first; a != NULL; a = event_next(m->event, a))
        for (const struct field *b = other; b != NULL; b = event_next(m->event, b))
            if (field_is_value(a) && field_is_value(b) && fields_compare(m, p, a, b))
                return true;
    return false;
}

static bool field_matches(const struct matching *m, const struct predicate *p, const struct field *first)
{
    switch (p->kind) {
    case PREDICATE_NULL:
        return is_null(m, first);
    case PREDICATE_EXISTS:
        return (first != NULL) == p->exists;
    case PREDICATE_FIELD:
        return field_matches_field(m, p, first);
    default:
        break;
    }
    for (const struct field *f = first; f != NULL; f = event_next(m->event, f))
        if (field_is_value(f) && value_matches(m, p, f->value, slot_of(m, f)))
            return true;
    return false;
}

/* --- keywords
 * ------------------------------------------------------------------------------------------------------------------
 */

/* Text events are searched as they came, too; JSON is not, whose raw form has escapes and names in it. */
bool raw_is_searched(const struct event *event)
{
    struct sv raw = sv_trim(event->raw);
    if (raw.n == 0)
        return false;
    return (event->flags & EVENT_TEXT) != 0 || memchr("{[\"", raw.p[0], 3) == NULL;
}

static bool keyword_matches(const struct matching *m, const struct predicate *p)
{
    const struct event *event = m->event;
    for (size_t i = 0; i < event->field_count; i++) {
        const struct field *f = &event->fields[i];
        if (is_searched(f) && value_matches(m, p, f->value, i))
            return true;
    }
    return raw_is_searched(event) && value_matches(m, p, event->raw, event->field_count);
}

/* --- items and trees
 * ------------------------------------------------------------------------------------------------------- */

static bool match_value_holds(const struct matching *m, const struct match_item *item,
                              const struct match_value *value, const struct field *first)
{
    for (size_t i = 0; i < value->count; i++)
        if (item->field.name.n == 0 ? keyword_matches(m, &value->alternatives[i])
                                    : field_matches(m, &value->alternatives[i], first))
            return true;
    return false;
}

static bool item_holds(const struct matching *m, const struct match_item *item)
{
    const struct field *first = item->field.name.n == 0 ? NULL : find(m, &item->field);
    bool holds = item->all;
    for (size_t i = 0; i < item->count && holds == item->all; i++)
        holds = match_value_holds(m, item, &item->values[i], first);
    return holds != item->negated;
}

static bool node_holds(const struct matching *m, const struct match_node *node)
{
    switch (node->kind) {
    case NODE_ITEM:
        return item_holds(m, node->item);
    case NODE_CALENDAR:
        return calendar_ask(node->calendar->calendar, m->event) == CALENDAR_OPEN;
    case NODE_NOT:
        return !node_holds(m, node->kids[0]);
    case NODE_AND:
        for (size_t i = 0; i < node->count; i++)
            if (!node_holds(m, node->kids[i]))
                return false;
        return true;
    case NODE_OR:
        for (size_t i = 0; i < node->count; i++)
            if (node_holds(m, node->kids[i]))
                return true;
        return false;
    }
    return false;
}

/* --- the door
 * ------------------------------------------------------------------------------------------------------------------
 */

static bool dimension_applies(struct sv rule, struct sv event)
{
    return rule.n == 0 || event.n == 0 || event_logsource_is(event, rule);
}

bool rule_applies(const struct rule *rule, const struct event *event)
{
    return dimension_applies(rule->product, event->product) &&
           dimension_applies(rule->category, event->category) &&
           dimension_applies(rule->service, event->service);
}

bool rule_matches(const struct rule *rule, const struct event *event, struct match_scratch *scratch)
{
    tc_assert(rule->kind == RULE_DETECTION && rule->detection != NULL);
    scratch_begin(scratch, event);
    struct matching m = {event, scratch};
    uint64_t limit_hits = scratch->limit_hits;
    bool holds = node_holds(&m, rule->detection->root);
    if (scratch->limit_hits != limit_hits)
        note_limited(scratch, rule->info.ordinal);
    return holds;
}

bool match_node_holds(const struct match_node *node, const struct event *event, struct match_scratch *scratch)
{
    scratch_begin(scratch, event);
    struct matching m = {event, scratch};
    return node_holds(&m, node);
}

bool match_item_holds(const struct match_item *item, size_t value, const struct event *event,
                      struct match_scratch *scratch)
{
    scratch_begin(scratch, event);
    struct matching m = {event, scratch};
    if (value == SIZE_MAX)
        return item_holds(&m, item);
    const struct field *first = item->field.name.n == 0 ? NULL : find(&m, &item->field);
    return match_value_holds(&m, item, &item->values[value], first);
}

size_t rule_candidates(const struct ruleset *ruleset, const struct event *event,
                       struct match_scratch *scratch, const uint32_t **ret_ordinals)
{
    return index_ask(ruleset->index, event, scratch, scratch->index, ret_ordinals);
}
