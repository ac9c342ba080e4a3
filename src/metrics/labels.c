/*
 * Interned label sets; see labels.h.
 */
#include "metrics/labels.h"

#include "base/go_text.h"
#include "base/hash.h"
#include "base/utf8.h"

#include <stdlib.h>
#include <xxhash.h>

enum { LABELS_SLOTS_FIRST = 64 };

void labels_table_init(struct labels_table *table)
{
    *table = (struct labels_table){.slot_count = LABELS_SLOTS_FIRST};
    table->slots = tc_alloc(LABELS_SLOTS_FIRST * sizeof *table->slots);
}

void labels_table_free(struct labels_table *table)
{
    free(table->slots);
    labels_memo_free(&table->nameless);
    arena_free(&table->arena);
    *table = (struct labels_table){0};
}

void labels_stretch(size_t id, size_t *first, size_t *size)
{
    enum { STRETCH_FIRST = 32 };
    size_t end = *first + *size;
    if (*size == 0) {
        *first = id - id % STRETCH_FIRST;
        *size = STRETCH_FIRST;
    } else if (id < *first) {
        *first = TC_MIN(id, *first > *size ? *first - *size : 0);
        *size = end - *first;
    } else if (id >= end) {
        *size = TC_MAX(id + 1 - *first, *size * 2);
    }
}

const struct labels **labels_memo_at(struct labels_memo *memo, const struct labels *labels)
{
    size_t first = memo->first, size = memo->size;
    labels_stretch(labels->id, &first, &size);
    if (size != memo->size) {
        const struct labels **more = tc_alloc(size * sizeof *more);
        if (memo->size > 0)
            memcpy(more + (memo->first - first), memo->by_id, memo->size * sizeof *more);
        free(memo->by_id);
        *memo = (struct labels_memo){more, first, size};
    }
    return &memo->by_id[labels->id - first];
}

void labels_memo_free(struct labels_memo *memo)
{
    free(memo->by_id);
    *memo = (struct labels_memo){0};
}

static int by_name(const void *a, const void *b)
{
    const struct label *x = a, *y = b;
    int c = sv_cmp(x->name, y->name);
    return c != 0 ? c : (x < y ? -1 : 1);
}

uint64_t labels_items_hash(const struct label *items, size_t count)
{
    uint64_t hash = count;
    for (size_t i = 0; i < count; i++)
        hash = hash_64_seed(items[i].value, hash_64_seed(items[i].name, hash));
    return hash;
}

static bool same_items(const struct labels *labels, const struct label *items, size_t count)
{
    if (labels->count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!sv_eq(labels->items[i].name, items[i].name) || !sv_eq(labels->items[i].value, items[i].value))
            return false;
    return true;
}

static void grow(struct labels_table *table)
{
    size_t count = table->slot_count * 2;
    const struct labels **slots = tc_alloc(count * sizeof *slots);
    for (size_t i = 0; i < table->slot_count; i++) {
        if (table->slots[i] == NULL)
            continue;
        size_t at = table->slots[i]->hash & (count - 1);
        while (slots[at] != NULL)
            at = (at + 1) & (count - 1);
        slots[at] = table->slots[i];
    }
    free(table->slots);
    table->slots = slots;
    table->slot_count = count;
}

/* Sets made one after the other have most of their text in common. */
static struct sv keep_text(struct labels_table *table, struct sv text, struct sv like)
{
    return sv_eq(text, like) ? like : arena_sv(&table->arena, text);
}

/* Items are sorted, unique and without empty values. */
static const struct labels *intern_sorted(struct labels_table *table, const struct label *items, size_t count,
                                          uint64_t hash)
{
    if (table->used * 2 >= table->slot_count)
        grow(table);
    size_t at = hash & (table->slot_count - 1);
    for (; table->slots[at] != NULL; at = (at + 1) & (table->slot_count - 1))
        if (table->slots[at]->hash == hash && same_items(table->slots[at], items, count))
            return table->slots[at];
    struct labels *made = arena_alloc(&table->arena, sizeof *made + count * sizeof(struct label));
    made->hash = hash;
    made->id = (uint32_t)table->used;
    made->count = (uint32_t)count;
    for (size_t i = 0; i < count; i++) {
        const struct label *like =
            table->newest != NULL && i < table->newest->count ? &table->newest->items[i] : NULL;
        made->items[i].name = keep_text(table, items[i].name, like != NULL ? like->name : SV(""));
        made->items[i].value = keep_text(table, items[i].value, like != NULL ? like->value : SV(""));
        if (sv_eq(items[i].name, METRIC_NAME))
            made->name_at = (uint32_t)i + 1;
    }
    table->newest = made;
    table->slots[at] = made;
    table->used++;
    return made;
}

const struct labels *labels_intern(struct labels_table *table, struct label *items, size_t count)
{
    size_t kept = 0;
    bool sorted = true;
    for (size_t i = 1; i < count && sorted; i++)
        sorted = sv_cmp(items[i - 1].name, items[i].name) < 0;
    if (!sorted)
        qsort(items, count, sizeof items[0], by_name);
    for (size_t i = 0; i < count; i++) {
        if (kept > 0 && sv_eq(items[kept - 1].name, items[i].name))
            kept--;
        items[kept++] = items[i];
    }
    count = kept;
    kept = 0;
    for (size_t i = 0; i < count; i++)
        if (items[i].value.n > 0)
            items[kept++] = items[i];
    return intern_sorted(table, items, kept, labels_items_hash(items, kept));
}

const struct labels *labels_import(struct labels_table *table, const struct labels *labels)
{
    return intern_sorted(table, labels->items, labels->count, labels->hash);
}

const struct labels *labels_empty(struct labels_table *table)
{
    return intern_sorted(table, NULL, 0, labels_items_hash(NULL, 0));
}

struct sv labels_get(const struct labels *labels, struct sv name)
{
    for (uint32_t i = 0; i < labels->count; i++)
        if (sv_eq(labels->items[i].name, name))
            return labels->items[i].value;
    return (struct sv){0};
}

int labels_compare(const struct labels *a, const struct labels *b)
{
    for (uint32_t i = 0; a != b && i < a->count && i < b->count; i++) {
        int c = sv_cmp(a->items[i].name, b->items[i].name);
        if (c == 0)
            c = sv_cmp(a->items[i].value, b->items[i].value);
        if (c != 0)
            return c;
    }
    return a == b ? 0 : (a->count > b->count) - (a->count < b->count);
}

static void put_label(struct buf *out, const struct label *label, bool *first)
{
    if (!*first)
        buf_str(out, ", ");
    *first = false;
    if (label_name_is_legacy(label->name))
        buf_sv(out, label->name);
    else
        go_quote(out, label->name);
    buf_char(out, '=');
    go_quote(out, label->value);
}

void labels_format(struct buf *out, const struct labels *labels)
{
    bool first = true;
    buf_char(out, '{');
    for (uint32_t i = 0; i < labels->count; i++)
        put_label(out, &labels->items[i], &first);
    buf_char(out, '}');
}

void labels_format_series(struct buf *out, const struct labels *labels)
{
    struct sv name = labels_get(labels, METRIC_NAME);
    bool first = true, plain = label_name_is_legacy(name);
    if (name.n == 0 || !plain) {
        labels_format(out, labels);
        return;
    }
    buf_sv(out, name);
    if (labels->count == 1)
        return;
    buf_char(out, '{');
    for (uint32_t i = 0; i < labels->count; i++)
        if (!sv_eq(labels->items[i].name, METRIC_NAME))
            put_label(out, &labels->items[i], &first);
    buf_char(out, '}');
}

static void hash_text(XXH64_state_t *state, struct sv text)
{
    unsigned char size[4] = {(unsigned char)text.n};
    size_t n = 1;
    if (text.n >= 255) {
        size[0] = 255;
        for (size_t i = 1; i < 4; i++)
            size[i] = (unsigned char)(text.n >> (8 * (i - 1)));
        n = 4;
    }
    XXH64_update(state, size, n);
    XXH64_update(state, text.p, text.n);
}

uint64_t labels_sampling_hash(const struct labels *labels)
{
    XXH64_state_t *state = XXH64_createState();
    XXH64_reset(state, 0);
    for (uint32_t i = 0; i < labels->count; i++) {
        hash_text(state, labels->items[i].name);
        hash_text(state, labels->items[i].value);
    }
    uint64_t hash = XXH64_digest(state);
    XXH64_freeState(state);
    return hash;
}

static bool listed(struct sv name, const struct sv *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (sv_eq(names[i], name))
            return true;
    return false;
}

/* Room for a draft: on the stack for sets of a usual size. */
struct draft {
    struct label small[64];
    struct label *items;
    size_t count;
};

static void draft_open(struct draft *draft, size_t max)
{
    draft->items = max <= TC_ARRAY_LEN(draft->small) ? draft->small : tc_alloc(max * sizeof(struct label));
    draft->count = 0;
}

static const struct labels *draft_close(struct draft *draft, struct labels_table *table)
{
    const struct labels *made =
        intern_sorted(table, draft->items, draft->count, labels_items_hash(draft->items, draft->count));
    if (draft->items != draft->small)
        free(draft->items);
    return made;
}

const struct labels *labels_keep(struct labels_table *table, const struct labels *labels,
                                 const struct sv *names, size_t count)
{
    struct draft draft;
    draft_open(&draft, labels->count);
    for (uint32_t i = 0; i < labels->count; i++)
        if (listed(labels->items[i].name, names, count))
            draft.items[draft.count++] = labels->items[i];
    return draft_close(&draft, table);
}

const struct labels *labels_drop(struct labels_table *table, const struct labels *labels,
                                 const struct sv *names, size_t count, bool drop_name)
{
    struct draft draft;
    draft_open(&draft, labels->count);
    for (uint32_t i = 0; i < labels->count; i++)
        if (!listed(labels->items[i].name, names, count) &&
            !(drop_name && sv_eq(labels->items[i].name, METRIC_NAME)))
            draft.items[draft.count++] = labels->items[i];
    return draft_close(&draft, table);
}

const struct labels *labels_drop_metadata(struct labels_table *table, const struct labels *labels)
{
    const struct sv names[] = {METRIC_NAME, SV("__type__"), SV("__unit__")};
    const struct labels *made = *labels_memo_at(&table->nameless, labels);
    if (made == NULL) {
        made = labels_drop(table, labels, names, TC_ARRAY_LEN(names), false);
        *labels_memo_at(&table->nameless, labels) = made;
    }
    return made;
}

const struct labels *labels_import_nameless(struct labels_table *table, const struct labels *labels)
{
    const struct sv names[] = {METRIC_NAME, SV("__type__"), SV("__unit__")};
    struct draft draft;
    draft_open(&draft, labels->count);
    for (uint32_t i = 0; i < labels->count; i++) {
        struct sv name = labels->items[i].name;
        if (name.n < 2 || name.p[0] != '_' || !listed(name, names, TC_ARRAY_LEN(names)))
            draft.items[draft.count++] = labels->items[i];
    }
    return draft_close(&draft, table);
}

const struct labels *labels_set(struct labels_table *table, const struct labels *labels, struct sv name,
                                struct sv value)
{
    struct draft draft;
    bool placed = value.n == 0;
    draft_open(&draft, labels->count + 1);
    for (uint32_t i = 0; i < labels->count; i++) {
        int c = sv_cmp(labels->items[i].name, name);
        if (c >= 0 && !placed) {
            draft.items[draft.count++] = (struct label){name, value};
            placed = true;
        }
        if (c != 0)
            draft.items[draft.count++] = labels->items[i];
    }
    if (!placed)
        draft.items[draft.count++] = (struct label){name, value};
    return draft_close(&draft, table);
}

bool label_name_is_legacy(struct sv name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
              (i > 0 && c >= '0' && c <= '9')))
            return false;
    }
    return name.n > 0;
}

bool label_name_is_valid(struct sv name)
{
    return name.n > 0 && utf8_valid(name) == name.n;
}
