/*
 * Regular expressions of rules, by PCRE2.
 *
 * Rules come from strangers and events from attackers, so every search is bounded: match and depth limits,
 * a bounded stack for compiled code, no \C. A limit that is hit is an outcome of its own (counted), because
 * "no match" would let an attacker switch a rule off in silence. Values that are not UTF-8 are searched
 * around their bad bytes, which match nothing.
 */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/buf.h"
#include "base/utf8.h"
#include "detect/match.h"

#include <pcre2.h>
#include <stdlib.h>

enum {
    REGEX_TEXT_MAX_BYTES = 64 << 10,
    REGEX_REPLACED_MAX_BYTES = 1 << 20,
    REGEX_MATCH_LIMIT = 1000000,
    REGEX_DEPTH_LIMIT = 10000,
    REGEX_HEAP_LIMIT_KIB = 8 << 10,
    REGEX_STACK_BYTES = 32 << 10,
    REGEX_STACK_MAX_BYTES = 1 << 20,
};

struct regex {
    pcre2_code *code;
    struct regex *next;
    struct sv required;
};

static uint32_t compile_options(struct sv text, unsigned flags)
{
    uint32_t options = PCRE2_NEVER_BACKSLASH_C;
    if (flags & REGEX_NOCASE)
        options |= PCRE2_CASELESS;
    if (flags & REGEX_MULTILINE)
        options |= PCRE2_MULTILINE;
    if (flags & REGEX_DOTALL)
        options |= PCRE2_DOTALL;
    if (utf8_valid(text) == text.n)
        options |= PCRE2_UTF | PCRE2_MATCH_INVALID_UTF;
    return options;
}

int regex_compile(struct arena *arena, struct sv text, unsigned flags, struct regex **list,
                  const struct regex **ret, struct err *err)
{
    if (text.n > REGEX_TEXT_MAX_BYTES)
        return err_set(err, TC_EBOUND, "a regular expression of %zu bytes: the most is 64 KiB", text.n);
    int code;
    PCRE2_SIZE at;
    pcre2_code *compiled = pcre2_compile((PCRE2_SPTR)(text.n == 0 ? "" : text.p), text.n,
                                         compile_options(text, flags), &code, &at, NULL);
    if (compiled == NULL) {
        char why[160];
        pcre2_get_error_message(code, (PCRE2_UCHAR *)why, sizeof why);
        return err_set(err, TC_EINPUT, "not a regular expression: %s at byte %zu of \"%.*s\"", why,
                       (size_t)at, SV_FMT(sv_head(text, 120)));
    }
    /* where the system lets no code be written, the interpreter does the same work, more slowly */
    (void)pcre2_jit_compile(compiled, PCRE2_JIT_COMPLETE);
    struct regex *regex = ARENA_NEW(arena, struct regex);
    *regex = (struct regex){compiled, *list, regex_literal(arena, text)};
    *list = regex;
    *ret = regex;
    return 0;
}

/* From the way in which groups are written in Python, that pipelines are in, to PCRE2's. */
static struct sv pcre_replacement(struct arena *arena, struct sv text)
{
    struct buf out;
    buf_init(&out, REGEX_TEXT_MAX_BYTES);
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i], next = i + 1 < text.n ? text.p[i + 1] : '\0';
        if (c == '$') {
            buf_str(&out, "$$");
        } else if (c == '\\' && next >= '0' && next <= '9') {
            buf_printf(&out, "${%c}", next);
            i++;
        } else if (c == '\\' && next == 'g' && i + 2 < text.n && text.p[i + 2] == '<') {
            struct sv rest = sv_from(text, i + 3);
            size_t n = sv_find_char(rest, '>');
            buf_printf(&out, "${%.*s}", SV_FMT(sv_head(rest, n)));
            i += n + 3;
        } else {
            i += c == '\\' && next == '\\';
            buf_char(&out, c);
        }
    }
    struct sv done = arena_sv(arena, buf_view(&out));
    buf_free(&out);
    return done;
}

bool regex_replace(const struct regex *regex, struct sv value, struct sv replacement, struct arena *arena,
                   struct sv *ret)
{
    struct sv with = pcre_replacement(arena, replacement);
    PCRE2_SIZE n = value.n * 2 + 1024;
    for (; n <= REGEX_REPLACED_MAX_BYTES; n = REGEX_REPLACED_MAX_BYTES) {
        char *to = arena_alloc(arena, n);
        PCRE2_SIZE length = n;
        int rc = pcre2_substitute(
            regex->code, (PCRE2_SPTR)(value.n == 0 ? "" : value.p), value.n, 0, PCRE2_SUBSTITUTE_GLOBAL, NULL,
            NULL, (PCRE2_SPTR)(with.n == 0 ? "" : with.p), with.n, (PCRE2_UCHAR *)to, &length);
        if (rc >= 0) {
            *ret = sv_make(to, length);
            return true;
        }
        if (rc != PCRE2_ERROR_NOMEMORY || n == REGEX_REPLACED_MAX_BYTES)
            return false;
    }
    return false;
}

struct sv regex_required(const struct regex *regex)
{
    return regex->required;
}

void regex_free_list(struct regex **list)
{
    for (struct regex *r = *list; r != NULL; r = r->next)
        pcre2_code_free(r->code);
    *list = NULL;
}

struct regex_scratch {
    pcre2_match_context *context;
    pcre2_match_data *data;
    pcre2_jit_stack *stack;
};

struct regex_scratch *regex_scratch_new(void)
{
    struct regex_scratch *s = tc_alloc(sizeof *s);
    s->context = pcre2_match_context_create(NULL);
    s->data = pcre2_match_data_create(1, NULL);
    s->stack = pcre2_jit_stack_create(REGEX_STACK_BYTES, REGEX_STACK_MAX_BYTES, NULL);
    tc_assert(s->context != NULL && s->data != NULL);
    pcre2_set_match_limit(s->context, REGEX_MATCH_LIMIT);
    pcre2_set_depth_limit(s->context, REGEX_DEPTH_LIMIT);
    pcre2_set_heap_limit(s->context, REGEX_HEAP_LIMIT_KIB);
    if (s->stack != NULL)
        pcre2_jit_stack_assign(s->context, NULL, s->stack);
    return s;
}

void regex_scratch_free(struct regex_scratch **scratch)
{
    if (*scratch == NULL)
        return;
    pcre2_match_context_free((*scratch)->context);
    pcre2_match_data_free((*scratch)->data);
    if ((*scratch)->stack != NULL)
        pcre2_jit_stack_free((*scratch)->stack);
    free(*scratch);
    *scratch = NULL;
}

bool regex_matches(const struct regex *regex, struct sv value, struct regex_scratch *scratch,
                   uint64_t *limit_hits)
{
    int rc = pcre2_match(regex->code, (PCRE2_SPTR)(value.n == 0 ? "" : value.p), value.n, 0, 0, scratch->data,
                         scratch->context);
    if (rc >= 0)
        return true;
    *limit_hits += rc == PCRE2_ERROR_MATCHLIMIT || rc == PCRE2_ERROR_DEPTHLIMIT ||
                   rc == PCRE2_ERROR_HEAPLIMIT || rc == PCRE2_ERROR_JIT_STACKLIMIT ||
                   rc == PCRE2_ERROR_NOMEMORY;
    return false;
}
