/*
 * The few words that every file uses: attributes, lengths, and the assertion that stays on in release builds.
 */
#ifndef BASE_TC_H
#define BASE_TC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TC_PRINTF(format_at, first_arg) __attribute__((format(printf, format_at, first_arg)))
#define TC_MUST_USE                     __attribute__((warn_unused_result))
#define TC_ARRAY_LEN(array)             (sizeof(array) / sizeof((array)[0]))
#define TC_FALLTHROUGH                  __attribute__((fallthrough)) /* a case that goes on into the next one */
#define TC_MIN(a, b)                    ((a) < (b) ? (a) : (b))
#define TC_MAX(a, b)                    ((a) > (b) ? (a) : (b))
#define TC_LIKELY(x)                    __builtin_expect(!!(x), 1)
#define TC_UNLIKELY(x)                  __builtin_expect(!!(x), 0)

#define TC_VERSION "0.1.0"

/* A broken contract between parts of this program: prints where, and aborts. Never for bad input. */
#define tc_assert(condition)                                                                                 \
    (TC_LIKELY(condition) ? (void)0 : tc_assert_failed(__FILE__, __LINE__, #condition))
_Noreturn void tc_assert_failed(const char *file, int line, const char *condition);

#endif
