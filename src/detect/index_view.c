/*
 * Which tables an event is asked of: one view for each kind of log source.
 *
 * An event's words become the numbers of those that some rule has, so that there are as many kinds as rules
 * make, whatever strangers write into a field. Even so somebody could send an event of every combination;
 * so views together hold VIEWS_SHARE times the rules at most. Beyond that, and for events that say more words
 * than are counted, the view of all rules stands in, and what does not apply is left out afterwards.
 */
#include "detect/index_priv.h"

#include "base/map.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { VIEWS_MAX = 256, VIEWS_SHARE = 8, VIEWS_ROOM = 1024 };

struct dimension {    /* product, category or service */
    struct sv *names; /* names[i] has number i + 1; 0 = any */
    uint32_t count;
    uint32_t *of_rule; /* by ordinal */
};

struct rule_index {
    uint64_t serial; /* no other index of this process has it */
    struct arena arena;
    const struct rule *rules;
    size_t rule_count;
    struct dimension dimensions[INDEX_DIMENSIONS];
    pthread_mutex_t lock; /* of what follows */
    struct index_view *views, *everything;
    size_t view_count, views_hold; /* rules, in all but `everything` */
};

/* --- life --- */

static void build_dimension(struct rule_index *index, size_t which)
{
    struct dimension *dimension = &index->dimensions[which];
    struct map numbers;
    struct buf key;
    bool fresh;
    map_init(&numbers, index->rule_count + 1);
    buf_init(&key, (size_t)64 << 20);
    dimension->of_rule = ARENA_ARRAY(&index->arena, uint32_t, index->rule_count + 1);
    dimension->names = ARENA_ARRAY(&index->arena, struct sv, index->rule_count + 1);
    for (size_t i = 0; i < index->rule_count; i++) {
        struct sv name = index_dimension_of_rule(&index->rules[i], which);
        if (name.n == 0)
            continue;
        buf_clear(&key);
        for (size_t k = 0; k < name.n; k++)
            buf_char(&key, name.p[k] >= 'A' && name.p[k] <= 'Z' ? (char)(name.p[k] + 32) : name.p[k]);
        uint64_t *number = map_put(&numbers, buf_view(&key), &fresh);
        tc_assert(number != NULL);
        if (fresh) {
            dimension->names[dimension->count++] = name;
            *number = dimension->count;
        }
        dimension->of_rule[i] = (uint32_t)*number;
    }
    buf_free(&key);
    map_free(&numbers);
}

struct rule_index *index_new(const struct rule *rules, size_t count)
{
    static atomic_uint_fast64_t serials;
    struct rule_index *index = tc_alloc(sizeof *index);
    index->serial = atomic_fetch_add(&serials, 1) + 1;
    index->rules = rules;
    index->rule_count = count;
    pthread_mutex_init(&index->lock, NULL);
    for (size_t i = 0; i < INDEX_DIMENSIONS; i++)
        build_dimension(index, i);
    return index;
}

static void free_view(struct index_view *view)
{
    if (view == NULL)
        return;
    arena_free(&view->arena);
    free(view);
}

void index_free(struct rule_index **index)
{
    if (*index == NULL)
        return;
    for (struct index_view *view = (*index)->views, *next; view != NULL; view = next) {
        next = view->next;
        free_view(view);
    }
    free_view((*index)->everything);
    pthread_mutex_destroy(&(*index)->lock);
    arena_free(&(*index)->arena);
    free(*index);
    *index = NULL;
}

/* --- what an event says --- */

/* False where it says more words than are counted. */
static bool say(const struct dimension *dimension, struct sv words, struct index_said *ret)
{
    *ret = (struct index_said){.any = words.n == 0};
    for (uint32_t i = 0; words.n > 0 && i < dimension->count; i++) {
        if (!event_logsource_is(words, dimension->names[i]))
            continue;
        if (ret->count == INDEX_WORDS_MAX)
            return false;
        ret->numbers[ret->count++] = i + 1;
    }
    return true;
}

static bool applies(const struct index_said *said, uint32_t of_rule)
{
    if (said->any || of_rule == 0)
        return true;
    for (uint32_t i = 0; i < said->count; i++)
        if (said->numbers[i] == of_rule)
            return true;
    return false;
}

/* --- views --- */

/* The detections that apply to what is said, and their number. The caller frees. */
static const struct rule **rules_for(const struct rule_index *index, const struct index_said *said,
                                     size_t *ret_count)
{
    const struct rule **rules = tc_alloc((index->rule_count + 1) * sizeof rules[0]);
    size_t n = 0;
    for (size_t i = 0; i < index->rule_count; i++) {
        bool all = index->rules[i].kind == RULE_DETECTION;
        for (size_t d = 0; d < INDEX_DIMENSIONS; d++)
            all = all && applies(&said[d], index->dimensions[d].of_rule[i]);
        if (all)
            rules[n++] = &index->rules[i];
    }
    *ret_count = n;
    return rules;
}

static struct index_view *build_view(const struct index_said *said, const struct rule *const *rules,
                                     size_t count)
{
    struct index_view *view = tc_alloc(sizeof *view);
    memcpy(view->said, said, sizeof view->said);
    index_tables_build(&view->arena, rules, count, &view->tables);
    return view;
}

static const struct index_view *everything(struct rule_index *index)
{
    static const struct index_said nothing[INDEX_DIMENSIONS] = {{.any = 1}, {.any = 1}, {.any = 1}};
    size_t count;
    if (index->everything == NULL) {
        const struct rule **rules = rules_for(index, nothing, &count);
        index->everything = build_view(nothing, rules, count);
        free(rules);
    }
    return index->everything;
}

static const struct index_view *new_view(struct rule_index *index, const struct index_said *said)
{
    size_t count, most = index->rule_count * VIEWS_SHARE + VIEWS_ROOM;
    const struct rule **rules = rules_for(index, said, &count);
    struct index_view *view = NULL;
    if (index->view_count < VIEWS_MAX && index->views_hold + count <= most) {
        view = build_view(said, rules, count);
        view->next = index->views;
        index->views = view;
        index->view_count++;
        index->views_hold += count;
    }
    free(rules);
    return view;
}

static const struct index_view *find_view(struct rule_index *index, const struct event *event,
                                          bool *ret_exact)
{
    struct index_said said[INDEX_DIMENSIONS];
    const struct index_view *view = NULL;
    bool all_any = true, counted = true;
    for (size_t d = 0; d < INDEX_DIMENSIONS; d++) {
        counted = say(&index->dimensions[d], index_dimension_of_event(event, d), &said[d]) && counted;
        all_any = all_any && said[d].any;
    }
    pthread_mutex_lock(&index->lock);
    if (counted && !all_any) {
        view = index->views;
        while (view != NULL && memcmp(view->said, said, sizeof said) != 0)
            view = view->next;
        if (view == NULL)
            view = new_view(index, said);
    }
    *ret_exact = all_any || view != NULL;
    if (view == NULL)
        view = everything(index);
    pthread_mutex_unlock(&index->lock);
    return view;
}

static bool is_recent(const struct index_recent *r, const struct rule_index *index, const struct sv *texts)
{
    const char *at = r->texts;
    if (r->serial != index->serial)
        return false;
    for (size_t d = 0; d < INDEX_DIMENSIONS; at += r->lengths[d++])
        if (!sv_eq(texts[d], sv_make(at, r->lengths[d])))
            return false;
    return true;
}

static void remember(struct index_recent *r, const struct rule_index *index, const struct sv *texts)
{
    char *to = r->texts;
    r->serial = index->serial;
    for (size_t d = 0; d < INDEX_DIMENSIONS; d++) {
        r->lengths[d] = (uint16_t)texts[d].n;
        if (texts[d].n > 0)
            memcpy(to, texts[d].p, texts[d].n);
        to += texts[d].n;
    }
}

const struct index_view *index_view_of(struct rule_index *index, const struct event *event,
                                       struct index_recent *recent, bool *ret_exact)
{
    struct sv texts[INDEX_DIMENSIONS];
    size_t bytes = 0;
    uint64_t hash = 0;
    for (size_t d = 0; d < INDEX_DIMENSIONS; d++) {
        texts[d] = index_dimension_of_event(event, d);
        bytes += texts[d].n;
        hash = index_mix(hash + d,
                         texts[d].n == 0 ? 0 : index_exact_hash(sv_head(texts[d], INDEX_ANCHOR_MAX_BYTES)));
    }
    struct index_recent *slot = &recent[hash % INDEX_RECENT];
    if (!is_recent(slot, index, texts)) {
        slot->serial = 0;
        slot->view = find_view(index, event, &slot->exact);
        if (bytes <= INDEX_RECENT_BYTES)
            remember(slot, index, texts);
    }
    *ret_exact = slot->exact;
    return slot->view;
}

size_t index_leave_out(const struct rule_index *index, const struct event *event, uint32_t *ordinals,
                       size_t count)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (rule_applies(&index->rules[ordinals[i]], event))
            ordinals[n++] = ordinals[i];
    return n;
}
