/*
 * Values of placeholders, for the modifier `expand`: documents with a top-level key `placeholders`, which may
 * stand in any file among the rules.
 *
 *     placeholders:
 *         Admins_Workstations: [ADM-01, ADM-02]
 *         dc: dc.*
 *
 * A placeholder stands for each of its values in turn, any of which will do; they are Sigma texts, as if
 * written in its place, so wildcards count. Where a value holds several placeholders all combinations are
 * tried. The values are part of what a rule means.
 *
 * Or a document with the key `calendar` (calendar.h), which gives the placeholder of its name its hours.
 *
 * Or a file NAME.list (list.h): then the placeholder must be the whole value, and is looked up. Lists change
 * daily, so what is in one is not part of what a rule means: windows go on.
 */
#include "detect/sigma_draft.h"

enum { COMBINATIONS_MAX = 10000 };

struct placeholder {
    const struct sv *values;
    size_t count;
    struct list *list;         /* in place of values */
    struct calendar *calendar; /* likewise */
};

struct placeholders *placeholders_new(struct arena *arena)
{
    struct placeholders *p = ARENA_NEW(arena, struct placeholders);
    map_init(&p->names, SIGMA_DOCUMENT_NODES_MAX);
    return p;
}

void placeholders_free(struct placeholders *p)
{
    map_free(&p->names);
}

int sigma_add_list(struct sigma *sigma, struct sv name, struct list *list)
{
    bool fresh = false;
    uint64_t *slot = map_put(&sigma->placeholders->names, name, &fresh);
    struct placeholder *p =
        slot == NULL || fresh ? NULL : (struct placeholder *)(uintptr_t)*slot; /* it has values already */
    if (slot == NULL || (p != NULL && (p->list == NULL || list_in_pack(p->list) == list_in_pack(list))))
        return sigma_refuse(sigma, TC_EEXIST, 0, 0, "placeholders",
                            "the placeholder %.*s has values elsewhere, too", SV_FMT(sv_head(name, 60)));
    if (p == NULL)
        p = ARENA_NEW(sigma->arena, struct placeholder);
    if (p->list == NULL || list_in_pack(p->list))
        p->list = list;
    *slot = (uint64_t)(uintptr_t)p;
    return 0;
}

int sigma_add_calendar(struct sigma *sigma, struct calendar *calendar, const struct yaml_node *at)
{
    bool fresh = false;
    uint64_t *slot = map_put(&sigma->placeholders->names, calendar->name, &fresh);
    struct placeholder *p = slot == NULL || fresh ? NULL : (struct placeholder *)(uintptr_t)*slot;
    if (slot == NULL || (p != NULL && (p->calendar == NULL || p->calendar->in_pack == calendar->in_pack)))
        return sigma_refuse(sigma, TC_EEXIST, SIGMA_AT(at), "calendar",
                            "%.*s is the name of something else among the placeholders, too",
                            SV_FMT(sv_head(calendar->name, 60)));
    if (p == NULL)
        p = ARENA_NEW(sigma->arena, struct placeholder);
    if (p->calendar == NULL || p->calendar->in_pack)
        p->calendar = calendar;
    *slot = (uint64_t)(uintptr_t)p;
    return 0;
}

void placeholders_each_list(const struct placeholders *placeholders,
                            void (*each)(void *context, const struct list *list), void *context)
{
    struct map_entry *entry;
    for (size_t i = 0; map_next(&placeholders->names, &i, &entry);) {
        const struct placeholder *p = (const struct placeholder *)(uintptr_t)entry->value;
        if (p != NULL && p->list != NULL)
            each(context, p->list);
    }
}

void placeholders_each_calendar(const struct placeholders *placeholders,
                                void (*each)(void *context, const struct calendar *calendar), void *context)
{
    struct map_entry *entry;
    for (size_t i = 0; map_next(&placeholders->names, &i, &entry);) {
        const struct placeholder *p = (const struct placeholder *)(uintptr_t)entry->value;
        if (p != NULL && p->calendar != NULL)
            each(context, p->calendar);
    }
}

static void add_hash(struct placeholders *p, const uint8_t document[TC_SHA256_BYTES])
{
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, sizeof p->hash, p->hash);
    sha256_update(&context, TC_SHA256_BYTES, document);
    hash_sha256_final(&context, p->hash);
}

static int add(struct sigma *sigma, const struct yaml_node *node)
{
    struct placeholder *p = ARENA_NEW(sigma->arena, struct placeholder);
    bool fresh = false;
    int rc = sigma_texts(sigma, node, "a placeholder", &p->values, &p->count);
    if (rc != 0)
        return rc;
    if (p->count == 0)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(node), "placeholders",
                            "the placeholder %.*s has no values", SV_FMT(sv_head(node->key, 60)));
    uint64_t *slot = map_put(&sigma->placeholders->names, node->key, &fresh);
    if (slot == NULL || !fresh)
        return sigma_refuse(sigma, TC_EEXIST, SIGMA_AT_KEY(node), "placeholders",
                            "the placeholder %.*s has values elsewhere, too", SV_FMT(sv_head(node->key, 60)));
    *slot = (uint64_t)(uintptr_t)p;
    return 0;
}

int sigma_read_placeholders(struct sigma *sigma, const struct yaml_node *map,
                            const uint8_t document_hash[TC_SHA256_BYTES])
{
    int rc = 0;
    if (map->type != YAML_MAP)
        return sigma_refuse(sigma, TC_EINPUT, SIGMA_AT(map), "placeholders",
                            "placeholders must be a map of names to values");
    for (const struct yaml_node *n = map->first; rc == 0 && n != NULL; n = n->next)
        rc = add(sigma, n);
    add_hash(sigma->placeholders, document_hash);
    return rc;
}

static bool is_name_char(char c)
{
    return c == '_' || c == '-' || c == '.' || (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
}

bool placeholder_is_name(struct sv text)
{
    size_t n = 0;
    while (n < text.n && is_name_char(text.p[n]))
        n++;
    return n > 0 && n == text.n;
}

/* A placeholder is %name%, neither % escaped. Returns its length at the start of `text`, or 0. */
static size_t placeholder_at(struct sv text)
{
    size_t n = 1;
    if (text.n == 0 || text.p[0] != '%')
        return 0;
    while (n < text.n && is_name_char(text.p[n]))
        n++;
    return n > 1 && n < text.n && text.p[n] == '%' ? n + 1 : 0;
}

struct texts { /* all combinations so far */
    struct sv *items;
    size_t count;
};

static int append_values(struct item_draft *item, const struct draft_value *value, struct texts *t,
                         struct sv name)
{
    struct arena *arena = item->sigma->scratch;
    const uint64_t *slot =
        item->sigma->placeholders == NULL ? NULL : map_get(&item->sigma->placeholders->names, name);
    const struct placeholder *p = slot == NULL ? NULL : (const struct placeholder *)(uintptr_t)*slot;
    if (p == NULL)
        return sigma_refuse(item->sigma, TC_EUNSUPPORTED, SIGMA_AT(value->node), "expand without values",
                            "the placeholder %%%.*s%% has no values: give them in a document with the key "
                            "placeholders",
                            SV_FMT(sv_head(name, 100)));
    if (p->calendar != NULL)
        return sigma_refuse(item->sigma, TC_EUNSUPPORTED, SIGMA_AT(value->node), "calendar",
                            "%%%.*s%% is a calendar: it must be the whole of a value",
                            SV_FMT(sv_head(name, 100)));
    if (p->list != NULL)
        return sigma_refuse(item->sigma, TC_EUNSUPPORTED, SIGMA_AT(value->node), "list",
                            "%%%.*s%% is a list: it must be the whole of a value",
                            SV_FMT(sv_head(name, 100)));
    if (p->count > COMBINATIONS_MAX / t->count)
        return sigma_refuse(item->sigma, TC_EBOUND, SIGMA_AT(value->node), "too large",
                            "more than %d combinations of placeholders", COMBINATIONS_MAX);
    struct sv *all = ARENA_ARRAY(arena, struct sv, t->count * p->count);
    for (size_t i = 0; i < t->count; i++)
        for (size_t k = 0; k < p->count; k++)
            all[i * p->count + k] =
                arena_printf(arena, "%.*s%.*s", SV_FMT(t->items[i]), SV_FMT(p->values[k]));
    t->items = all;
    t->count *= p->count;
    item->sigma->expanded = true;
    return 0;
}

/* The text between placeholders. \% stands for %. */
static void append_text(struct item_draft *item, struct texts *t, struct sv text)
{
    struct arena *arena = item->sigma->scratch;
    char *plain = arena_alloc(arena, text.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '\\' && i + 1 < text.n && text.p[i + 1] == '%')
            i++;
        plain[n++] = text.p[i];
    }
    for (size_t i = 0; i < t->count && n > 0; i++)
        t->items[i] = arena_printf(arena, "%.*s%.*s", SV_FMT(t->items[i]), (int)n, plain);
}

int placeholders_expand(struct item_draft *item, const struct draft_value *value, struct sv raw,
                        const struct sv **ret, size_t *ret_count)
{
    struct texts t = {ARENA_ARRAY(item->sigma->scratch, struct sv, 1), 1};
    size_t from = 0;
    t.items[0] = SV("");
    for (size_t i = 0; i < raw.n; i++) {
        size_t length = placeholder_at(sv_from(raw, i));
        if (raw.p[i] == '\\' && i + 1 < raw.n && raw.p[i + 1] == '%')
            i++;
        else if (length > 0) {
            append_text(item, &t, sv_make(raw.p + from, i - from));
            int rc = append_values(item, value, &t, sv_make(raw.p + i + 1, length - 2));
            if (rc != 0)
                return rc;
            i += length - 1;
            from = i + 1;
        }
    }
    append_text(item, &t, sv_from(raw, from));
    *ret = t.items;
    *ret_count = t.count;
    return 0;
}

/* What a value that is a placeholder and nothing else stands for; NULL: it is none, or has nothing. */
static const struct placeholder *whole(const struct sigma *sigma, struct sv raw)
{
    const uint64_t *slot = NULL;
    if (raw.n > 2 && placeholder_at(raw) == raw.n && sigma->placeholders != NULL)
        slot = map_get(&sigma->placeholders->names, sv_make(raw.p + 1, raw.n - 2));
    return slot == NULL ? NULL : (const struct placeholder *)(uintptr_t)*slot;
}

struct list *placeholders_list(const struct item_draft *item, struct sv raw)
{
    const struct placeholder *p = whole(item->sigma, raw);
    return p == NULL ? NULL : p->list;
}

const struct calendar *placeholders_calendar(const struct sigma *sigma, struct sv raw)
{
    const struct placeholder *p = whole(sigma, raw);
    return p == NULL ? NULL : p->calendar;
}
