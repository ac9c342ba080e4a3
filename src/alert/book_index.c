/*
 * The book's tables: all alerts in a dense array; by id; the newest of each merge key; the ended ones in
 * order of ending; a heap of timers; those that changed since somebody last asked.
 *
 * Timers are lazy. An occurrence puts an alert's timer off, which would cost a sift in the heap per event;
 * instead the heap keeps the old time, and an alert that comes up too early is put back with the true one.
 * The set of alerts that are due at a tick is the same either way, and the tick works in order of serial, so
 * what the heap looks like never shows.
 */
#include "alert/alert_priv.h"

#include "alert/silence.h"

#include <stdlib.h>

static const uint64_t default_steps[] = {10, 50, 100, 0};

int64_t book_add_ns(int64_t a, int64_t b)
{
    int64_t sum;
    if (!__builtin_add_overflow(a, b, &sum))
        return sum;
    return b > 0 ? INT64_MAX : INT64_MIN;
}

static void book_take_options(struct book *book, const struct alert_options *options)
{
    struct alert_options *o = &book->options;
    const int64_t hour = 3600 * TC_SECOND_NS;
    *o = options != NULL ? *options : (struct alert_options){0};
    o->dedup_ns = o->dedup_ns > 0 ? o->dedup_ns : hour;
    o->resolve_after_ns = o->resolve_after_ns > 0 ? o->resolve_after_ns : 24 * hour;
    o->forget_after_ns = o->forget_after_ns > 0 ? o->forget_after_ns : 48 * hour;
    o->answer_within_ns = o->answer_within_ns > 0 ? o->answer_within_ns : 24 * hour;
    o->raise_to = o->raise_to != SEVERITY_NONE ? o->raise_to : SEVERITY_P1;
    o->max_open = o->max_open > 0 ? o->max_open : BOOK_MAX_OPEN;
    const uint64_t *steps = o->count_steps != NULL ? o->count_steps : default_steps;
    size_t n = 0;
    for (; n < BOOK_STEPS_MAX && steps[n] != 0; n++) {
        tc_assert(n == 0 || steps[n] > steps[n - 1]);
        book->steps[n] = steps[n];
    }
    o->count_steps = book->steps;
}

struct book *book_new(const struct alert_options *options)
{
    struct book *book = tc_alloc(sizeof *book);
    book->order = tc_alloc(sizeof *book->order);
    book->silences = tc_alloc(sizeof *book->silences);
    book->silence_due_ns = INT64_MAX;
    book_take_options(book, options);
    map_init(&book->by_id, SIZE_MAX);
    map_init(&book->by_key, SIZE_MAX);
    map_init(&book->cards, SIZE_MAX);
    return book;
}

static void book_bury(struct book *book)
{
    for (struct held *held = book->dying, *next; held != NULL; held = next) {
        next = held->newer;
        held_free(&book->cards, &held);
    }
    book->dying = NULL;
}

void book_free(struct book **book)
{
    struct book *old = *book;
    *book = NULL;
    if (old == NULL)
        return;
    book_bury(old);
    for (size_t i = 0; i < old->count; i++)
        held_free(&old->cards, &old->all[i]);
    map_free(&old->by_id);
    map_free(&old->by_key);
    map_free(&old->cards);
    arena_free(&old->scratch);
    silences_free(old->silences);
    free(old->silences);
    free(old->order->items);
    free(old->order);
    free(old->all);
    free(old->due);
    free(old->changed);
    free(old);
}

void book_enter(struct book *book)
{
    book_bury(book);
    arena_reset(&book->scratch);
}

/* --- the heap of timers */

static void heap_set(struct book *book, size_t at, struct held *held)
{
    book->due[at] = held;
    held->heap_at = at;
}

static void heap_up(struct book *book, size_t at)
{
    struct held *held = book->due[at];
    for (; at > 0 && book->due[(at - 1) / 2]->due_ns > held->due_ns; at = (at - 1) / 2)
        heap_set(book, at, book->due[(at - 1) / 2]);
    heap_set(book, at, held);
}

static void heap_down(struct book *book, size_t at)
{
    struct held *held = book->due[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= book->due_count)
            break;
        if (child + 1 < book->due_count && book->due[child + 1]->due_ns < book->due[child]->due_ns)
            child++;
        if (book->due[child]->due_ns >= held->due_ns)
            break;
        heap_set(book, at, book->due[child]);
        at = child;
    }
    heap_set(book, at, held);
}

static void heap_remove(struct book *book, struct held *held)
{
    size_t at = held->heap_at;
    if (at == SIZE_MAX)
        return;
    struct held *last = book->due[--book->due_count];
    held->heap_at = SIZE_MAX;
    if (last == held)
        return;
    heap_set(book, at, last);
    heap_up(book, at);
    heap_down(book, last->heap_at);
}

void book_schedule(struct book *book, struct held *held)
{
    held->due_ns = book_timer_ns(book, held);
    if (held->heap_at != SIZE_MAX) {
        heap_up(book, held->heap_at);
        heap_down(book, held->heap_at);
        return;
    }
    if (book->due_count == book->due_capacity) {
        book->due_capacity = book->due_capacity == 0 ? 64 : book->due_capacity * 2;
        book->due = tc_realloc(book->due, book->due_capacity * sizeof(struct held *));
    }
    heap_set(book, book->due_count++, held);
    heap_up(book, held->heap_at);
}

struct held *book_pop_due(struct book *book, int64_t now_ns)
{
    while (book->due_count > 0 && book->due[0]->due_ns <= now_ns) {
        struct held *held = book->due[0];
        int64_t truth = book_timer_ns(book, held);
        if (truth <= now_ns) {
            heap_remove(book, held);
            return held;
        }
        held->due_ns = truth;
        heap_down(book, 0);
    }
    return NULL;
}

/* --- ids, keys, order */

static struct sv key_view(const struct held *held)
{
    return sv_make((const char *)held->key, sizeof held->key);
}

static struct held *map_held(const struct map *map, struct sv key)
{
    const uint64_t *value = map_get(map, key);
    return value == NULL ? NULL : (struct held *)(uintptr_t)*value;
}

static void map_set(struct map *map, struct sv key, struct held *held)
{
    uint64_t *value = map_put(map, key, NULL);
    tc_assert(value != NULL); /* the book's own bound is far below the map's */
    *value = (uintptr_t)held;
}

struct held *book_current(const struct book *book, const uint8_t key[TC_SHA256_BYTES])
{
    return map_held(&book->by_key, sv_make((const char *)key, TC_SHA256_BYTES));
}

void book_make_current(struct book *book, struct held *held)
{
    struct held *before = book_current(book, held->key);
    if (before != NULL)
        before->current = false;
    held->current = true;
    map_set(&book->by_key, key_view(held), held);
}

void book_insert(struct book *book, struct held *held)
{
    if (book->count == book->capacity) {
        book->capacity = book->capacity == 0 ? 64 : book->capacity * 2;
        book->all = tc_realloc(book->all, book->capacity * sizeof(struct held *));
    }
    held->at = book->count;
    held->heap_at = held->changed_at = SIZE_MAX;
    book->all[book->count++] = held;
    book->order->valid = false;
    map_set(&book->by_id, sv_of(held->alert.id), held);
    book_schedule(book, held);
    book_mark_changed(book, held);
}

static void ended_unlink(struct book *book, struct held *held)
{
    if (lifecycle_open(held->alert.state))
        return;
    *(held->older != NULL ? &held->older->newer : &book->ended_oldest) = held->newer;
    *(held->newer != NULL ? &held->newer->older : &book->ended_newest) = held->older;
    held->older = held->newer = NULL;
}

void book_mark_ended(struct book *book, struct held *held)
{
    held->older = book->ended_newest;
    held->newer = NULL;
    *(book->ended_newest != NULL ? &book->ended_newest->newer : &book->ended_oldest) = held;
    book->ended_newest = held;
}

void book_mark_changed(struct book *book, struct held *held)
{
    if (held->changed_at != SIZE_MAX)
        return;
    if (book->changed_count == book->changed_capacity) {
        book->changed_capacity = TC_MAX(book->changed_capacity * 2, (size_t)64);
        book->changed = tc_realloc(book->changed, book->changed_capacity * sizeof(struct held *));
    }
    held->changed_at = book->changed_count;
    book->changed[book->changed_count++] = held;
}

static void changed_unlink(struct book *book, struct held *held)
{
    if (held->changed_at == SIZE_MAX)
        return;
    struct held *last = book->changed[--book->changed_count];
    book->changed[held->changed_at] = last;
    last->changed_at = held->changed_at;
    held->changed_at = SIZE_MAX;
}

void book_remove(struct book *book, struct held *held)
{
    heap_remove(book, held);
    ended_unlink(book, held);
    changed_unlink(book, held);
    map_remove(&book->by_id, sv_of(held->alert.id));
    if (held->current)
        map_remove(&book->by_key, key_view(held));
    book->all[held->at] = book->all[--book->count];
    book->all[held->at]->at = held->at;
    book->order->valid = false;
    held->gone = true;
    held->newer = book->dying;
    book->dying = held;
}

int book_compare_serial(const void *a, const void *b)
{
    const struct held *x = *(struct held *const *)a, *y = *(struct held *const *)b;
    return (x->serial > y->serial) - (x->serial < y->serial);
}

static int compare_age(const void *a, const void *b)
{
    const struct alert *x = &(*(struct held *const *)a)->alert, *y = &(*(struct held *const *)b)->alert;
    if (x->first_ns != y->first_ns)
        return x->first_ns < y->first_ns ? -1 : 1;
    return memcmp(x->id, y->id, sizeof x->id);
}

size_t book_count(const struct book *book)
{
    return book->count;
}

const struct alert *book_at(const struct book *book, size_t at)
{
    struct book_order *order = book->order;
    tc_assert(at < book->count);
    if (!order->valid) {
        if (order->capacity < book->count) {
            order->capacity = book->capacity;
            order->items = tc_realloc(order->items, order->capacity * sizeof(struct held *));
        }
        order->count = book->count;
        memcpy(order->items, book->all, book->count * sizeof(struct held *));
        qsort(order->items, order->count, sizeof(struct held *), compare_age);
        order->valid = true;
    }
    return &order->items[at]->alert;
}

void book_each_changed(struct book *book, bool all, book_alert_fn each, void *context)
{
    struct held **list = all ? book->all : book->changed;
    size_t count = all ? book->count : book->changed_count;
    struct held **sorted = tc_alloc(count * sizeof(struct held *));
    if (count > 0)
        memcpy(sorted, list, count * sizeof(struct held *));
    qsort(sorted, count, sizeof(struct held *), compare_age);
    for (size_t i = 0; i < book->changed_count; i++)
        book->changed[i]->changed_at = SIZE_MAX;
    book->changed_count = 0;
    for (size_t i = 0; i < count; i++)
        each(context, &sorted[i]->alert);
    free(sorted);
}

/* --- finding by id */

static const struct alert *find_prefix(const struct book *book, struct sv prefix, struct err *err)
{
    const struct alert *found = NULL;
    for (size_t i = 0; i < book->count; i++) {
        if (memcmp(book->all[i]->alert.id, prefix.p, prefix.n) != 0)
            continue;
        if (found != NULL) {
            err_set(err, TC_EINPUT, "\"%.*s\" fits more than one alert: give more digits of the id",
                    SV_FMT(prefix));
            return NULL;
        }
        found = &book->all[i]->alert;
    }
    if (found == NULL)
        err_set(err, TC_ENOTFOUND,
                "no alert with the id %.*s is open or lately ended: `tocsin alerts list` shows the open ones",
                SV_FMT(prefix));
    return found;
}

const struct alert *book_find(const struct book *book, struct sv id_or_prefix, struct err *err)
{
    char digits[ALERT_ID_DIGITS];
    uint8_t identity[TC_SHA256_BYTES];
    if (id_or_prefix.n == 2 * sizeof identity && hash_unhex(id_or_prefix, identity, sizeof identity)) {
        const struct held *current = book_current(book, identity);
        if (current == NULL)
            err_set(err, TC_ENOTFOUND, "no alert is known by this identity");
        return current == NULL ? NULL : &current->alert;
    }
    bool good = id_or_prefix.n >= ALERT_PREFIX_MIN && id_or_prefix.n <= ALERT_ID_DIGITS;
    for (size_t i = 0; good && i < id_or_prefix.n; i++) {
        char c = id_or_prefix.p[i];
        digits[i] = c >= 'A' && c <= 'F' ? (char)(c - 'A' + 'a') : c;
        good = (digits[i] >= '0' && digits[i] <= '9') || (digits[i] >= 'a' && digits[i] <= 'f');
    }
    if (!good) {
        err_set(err, TC_EINPUT,
                "\"%.*s\" is no id of an alert: it has 32 hexadecimal digits, and 6 or more of them will do",
                SV_FMT(sv_head(id_or_prefix, 64)));
        return NULL;
    }
    struct sv id = sv_make(digits, id_or_prefix.n);
    const struct held *held = id.n == ALERT_ID_DIGITS ? map_held(&book->by_id, id) : NULL;
    return held != NULL ? &held->alert : find_prefix(book, id, err);
}
