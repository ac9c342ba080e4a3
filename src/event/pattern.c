/*
 * The pattern table at work; see pattern.h.
 *
 * What makes it quick is what it does not do: a pattern is looked at only where the first byte of the text is
 * the first byte of its `starts` (an index of 256 ordered lists), its regular expression is run only where
 * its literals are there, and a literal is looked for only where its pairs of bytes occur in the text at all
 * (one pass over the text marks the pairs that it has). So a line costs about one expression, whatever the
 * length of the table.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "event/pattern.h"

#include <pcre2.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { PATTERN_HEAP_LIMIT_KIB = 4096, PATTERN_GROUPS_MAX = 64 };
enum {
    PAIR_BITS = 2048,
    LITERAL_PAIRS_MAX = 4,
    MARK_FROM = 8 /* patterns: a shorter list is not worth it */
};

struct pairs { /* those that a text has: a bit each, several pairs may share one */
    uint64_t bits[PAIR_BITS / 64];
};

struct ready_capture {
    uint32_t group; /* number */
    struct sv field;
    uint32_t hash;
    uint8_t type;
};

struct ready {
    const struct pattern *pattern;
    struct sv program, starts, literal;
    pcre2_code *code;  /* NULL: the literals decide */
    struct field *set; /* made in advance, copied on a match */
    struct ready_capture *captures;
    uint32_t set_count, capture_count;
    uint16_t pairs[LITERAL_PAIRS_MAX]; /* of the literal */
    uint8_t pair_count;
};

struct pattern_set {
    struct arena arena; /* of everything below but the PCRE2 codes */
    struct ready *items;
    size_t count;
    uint16_t *first[256]; /* numbers of the patterns to try for a text with that first byte, in order */
    uint16_t first_count[256];
    uint16_t *empty; /* those to try for an empty text */
    uint16_t empty_count;
    uint32_t groups; /* the most that an expression has */
    pcre2_match_context *limits;
    atomic_uint_fast64_t *limit_hits; /* the one thing that changes, so it stands apart */
};

/* --- compiling --- */

static int compile_regex(struct ready *item, struct err *err)
{
    int code;
    PCRE2_SIZE at;
    PCRE2_UCHAR text[256];
    const char *regex = item->pattern->regex;
    item->code = pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, PCRE2_NEVER_UTF | PCRE2_DOTALL,
                               &code, &at, NULL);
    if (item->code == NULL) {
        pcre2_get_error_message(code, text, sizeof text);
        return err_set(err, TC_EINPUT, "pattern \"%s\": %s at character %zu of its expression",
                       item->pattern->name, (const char *)text, (size_t)at + 1);
    }
    /* without JIT (no support, no executable memory) the interpreter does the same, only slower */
    (void)pcre2_jit_compile(item->code, PCRE2_JIT_COMPLETE);
    return 0;
}

/* Raises *groups to what this expression needs. */
static int count_groups(const struct ready *item, uint32_t *groups, struct err *err)
{
    uint32_t count = 0;
    pcre2_pattern_info(item->code, PCRE2_INFO_CAPTURECOUNT, &count);
    if (count > PATTERN_GROUPS_MAX)
        return err_set(err, TC_EBOUND,
                       "pattern \"%s\": %u groups are more than the %d that are allowed; write (?:…)",
                       item->pattern->name, count, PATTERN_GROUPS_MAX);
    *groups = TC_MAX(*groups, count);
    return 0;
}

static int compile_captures(struct arena *arena, struct ready *item, struct err *err)
{
    const struct pattern *pattern = item->pattern;
    item->captures = ARENA_ARRAY(arena, struct ready_capture, TC_PATTERN_CAPTURES_MAX);
    for (size_t i = 0; i < TC_PATTERN_CAPTURES_MAX && pattern->captures[i].group != NULL; i++) {
        const struct pattern_capture *from = &pattern->captures[i];
        int group = item->code == NULL
                        ? PCRE2_ERROR_NOSUBSTRING
                        : pcre2_substring_number_from_name(item->code, (PCRE2_SPTR)from->group);
        if (group < 0)
            return err_set(err, TC_EINPUT, "pattern \"%s\": its expression has no group (?<%s>…)",
                           pattern->name, from->group);
        item->captures[item->capture_count++] =
            (struct ready_capture){.group = (uint32_t)group,
                                   .field = sv_of(from->field),
                                   .hash = event_name_hash(sv_of(from->field)),
                                   .type = from->type};
    }
    return 0;
}

static inline uint16_t pair_at(const char *p)
{
    return (uint16_t)(((uint8_t)p[0] * 37u + (uint8_t)p[1] * 257u) % PAIR_BITS);
}

/* Spread over the literal: pairs within one word tend to come together. */
static void take_pairs(struct ready *item)
{
    size_t pairs = item->literal.n < 2 ? 0 : item->literal.n - 1;
    item->pair_count = (uint8_t)TC_MIN(pairs, (size_t)LITERAL_PAIRS_MAX);
    for (size_t i = 0; i < item->pair_count; i++)
        item->pairs[i] = pair_at(item->literal.p + i * pairs / item->pair_count);
}

static int compile_item(struct pattern_set *set, const struct pattern *pattern, struct ready *item,
                        struct err *err)
{
    struct arena *arena = &set->arena;
    *item = (struct ready){.pattern = pattern,
                           .program = sv_of(pattern->program),
                           .starts = sv_of(pattern->starts),
                           .literal = sv_of(pattern->literal)};
    take_pairs(item);
    item->set = ARENA_ARRAY(arena, struct field, TC_PATTERN_SET_MAX);
    for (size_t i = 0; i < TC_PATTERN_SET_MAX && pattern->set[i].name != NULL; i++) {
        struct sv name = sv_of(pattern->set[i].name);
        item->set[item->set_count++] =
            pattern_make_field(name, event_name_hash(name), sv_of(pattern->set[i].value), FIELD_STRING);
    }
    int rc = pattern->regex == NULL ? 0 : compile_regex(item, err);
    if (rc == 0 && item->code != NULL)
        rc = count_groups(item, &set->groups, err);
    return rc != 0 ? rc : compile_captures(arena, item, err);
}

static void index_by_first_byte(struct pattern_set *set)
{
    for (size_t byte = 0; byte < 256; byte++) {
        set->first[byte] = ARENA_ARRAY(&set->arena, uint16_t, set->count);
        for (size_t i = 0; i < set->count; i++)
            if (set->items[i].starts.n == 0 || (uint8_t)set->items[i].starts.p[0] == byte)
                set->first[byte][set->first_count[byte]++] = (uint16_t)i;
    }
    set->empty = ARENA_ARRAY(&set->arena, uint16_t, set->count);
    for (size_t i = 0; i < set->count; i++)
        if (set->items[i].starts.n == 0)
            set->empty[set->empty_count++] = (uint16_t)i;
}

struct pattern_set *pattern_set_new(const struct pattern *patterns, size_t count, struct err *err)
{
    if (count > TC_PATTERNS_MAX) {
        err_set(err, TC_EBOUND, "%zu patterns are more than the %d that one table may have", count,
                TC_PATTERNS_MAX);
        return NULL;
    }
    struct pattern_set *set = tc_alloc(sizeof *set);
    set->items = ARENA_ARRAY(&set->arena, struct ready, count);
    for (; set->count < count; set->count++)
        if (compile_item(set, &patterns[set->count], &set->items[set->count], err) != 0) {
            set->count++; /* its code, if there is one, is to be freed, too */
            pattern_set_free(&set);
            return NULL;
        }
    set->limits = pcre2_match_context_create(NULL);
    tc_assert(set->limits != NULL);
    pcre2_set_match_limit(set->limits, TC_PATTERN_MATCH_LIMIT);
    pcre2_set_depth_limit(set->limits, TC_PATTERN_MATCH_LIMIT);
    pcre2_set_heap_limit(set->limits, PATTERN_HEAP_LIMIT_KIB);
    set->limit_hits = tc_alloc(sizeof *set->limit_hits);
    index_by_first_byte(set);
    return set;
}

void pattern_set_free(struct pattern_set **set_at)
{
    struct pattern_set *set = *set_at;
    if (set == NULL)
        return;
    for (size_t i = 0; i < set->count; i++)
        pcre2_code_free(set->items[i].code);
    pcre2_match_context_free(set->limits);
    free(set->limit_hits);
    arena_free(&set->arena);
    free(set);
    *set_at = NULL;
}

uint64_t pattern_limit_hits(const struct pattern_set *set)
{
    return atomic_load_explicit(set->limit_hits, memory_order_relaxed);
}

/* --- matching --- */

static void *from_arena(size_t bytes, void *arena)
{
    return arena_alloc_raw(arena, bytes, 16);
}

static void to_arena(void *memory, void *arena)
{
    (void)memory; /* goes with the arena */
    (void)arena;
}

/* Match data live in the caller's arena: nothing is shared, nothing is to be freed. */
static pcre2_match_data *match_data_new(const struct pattern_set *set, struct arena *scratch)
{
    pcre2_general_context *general = pcre2_general_context_create(from_arena, to_arena, scratch);
    tc_assert(general != NULL);
    pcre2_match_data *data = pcre2_match_data_create(set->groups + 1, general);
    tc_assert(data != NULL);
    return data;
}

static bool is_program(const struct ready *item, struct sv program)
{
    const char *const *programs = item->pattern->programs;
    if (item->program.n > 0 && !sv_eq(item->program, program))
        return false;
    if (programs == NULL)
        return true;
    while (*programs != NULL && !sv_is(program, *programs))
        programs++;
    return *programs != NULL;
}

static void mark_pairs(struct pairs *pairs, struct sv text)
{
    memset(pairs, 0, sizeof *pairs);
    for (size_t i = 0; i + 1 < text.n; i++) {
        uint16_t pair = pair_at(text.p + i);
        pairs->bits[pair / 64] |= UINT64_C(1) << pair % 64;
    }
}

/* False: the literal is not in the text. True: it may be. */
static bool pairs_hold(const struct ready *item, const struct pairs *pairs)
{
    for (uint8_t i = 0; i < item->pair_count; i++)
        if ((pairs->bits[item->pairs[i] / 64] >> item->pairs[i] % 64 & 1) == 0)
            return false;
    return true;
}

/* `pairs`: of the text, or NULL. */
static bool literals_hold(const struct ready *item, struct sv program, struct sv text,
                          const struct pairs *pairs)
{
    return (pairs == NULL || pairs_hold(item, pairs)) && sv_starts(text, item->starts) &&
           is_program(item, program) && (item->literal.n == 0 || sv_find(text, item->literal) < text.n);
}

static uint32_t fill_fields(const struct ready *item, struct sv text, pcre2_match_data *data,
                            struct field *fields)
{
    uint32_t n = item->set_count;
    if (n > 0)
        memcpy(fields, item->set, n * sizeof fields[0]);
    if (item->capture_count == 0)
        return n;
    const PCRE2_SIZE *ovector = pcre2_get_ovector_pointer(data);
    for (uint32_t i = 0; i < item->capture_count; i++) {
        const struct ready_capture *capture = &item->captures[i];
        if (ovector[2 * capture->group] == PCRE2_UNSET)
            continue;
        PCRE2_SIZE from = ovector[2 * capture->group], to = ovector[2 * capture->group + 1];
        fields[n++] = pattern_make_field(capture->field, capture->hash,
                                         sv_make(text.p + from, to > from ? to - from : 0), capture->type);
    }
    return n;
}

/* 1 yes, 0 no, -1 a limit was hit. */
static int regex_holds(const struct pattern_set *set, const struct ready *item, struct sv text,
                       pcre2_match_data *data)
{
    int rc = pcre2_match(item->code, (PCRE2_SPTR)text.p, text.n, 0, 0, data, set->limits);
    if (rc >= 0)
        return 1;
    return rc == PCRE2_ERROR_NOMATCH ? 0 : -1;
}

enum pattern_outcome pattern_match(const struct pattern_set *set, struct sv program, struct sv text,
                                   struct arena *scratch, struct field *fields, uint32_t *ret_count,
                                   const struct pattern **ret_pattern)
{
    if (text.n == 0)
        text.p = ""; /* PCRE2 wants an address */
    uint8_t byte = (uint8_t)text.p[0];
    const uint16_t *list = text.n == 0 ? set->empty : set->first[byte];
    uint16_t count = text.n == 0 ? set->empty_count : set->first_count[byte];
    pcre2_match_data *data = NULL;
    struct pairs pairs;
    bool marked = count >= MARK_FROM;
    if (marked)
        mark_pairs(&pairs, text);
    for (uint16_t i = 0; i < count; i++) {
        const struct ready *item = &set->items[list[i]];
        if (!literals_hold(item, program, text, marked ? &pairs : NULL))
            continue;
        if (item->code != NULL && data == NULL)
            data = match_data_new(set, scratch);
        int holds = item->code == NULL ? 1 : regex_holds(set, item, text, data);
        if (holds < 0) {
            atomic_fetch_add_explicit(set->limit_hits, 1, memory_order_relaxed);
            return PATTERN_LIMIT;
        }
        if (holds == 0)
            continue;
        *ret_count = fill_fields(item, text, data, fields);
        if (ret_pattern != NULL)
            *ret_pattern = item->pattern;
        return PATTERN_MATCH;
    }
    return PATTERN_NONE;
}
