/*
 * Telephone numbers in text. Three forms count, so that other numbers stay:
 * - international: + (or %2B), a calling code that exists, and as many digits as its numbers have;
 * - North American groups: (212) 555-0123, 212-555-0123, 212.555.0123, with the digits that these begin with;
 * - any number of 7 to 15 digits behind a word that announces one (phone, mobile, fax, tel: …), or as the
 *   value of a field of such a name; dates and IP addresses are none.
 * Spaces, dashes, dots, slashes and parentheses may stand in it, an extension (x123) behind it.
 */
#ifndef EVENT_REDACT_PHONE_H
#define EVENT_REDACT_PHONE_H

#include "base/sv.h"

/* A number whose '+' (or %2B: `sign` is the bytes of it) stands at `at`: where it ends, else 0. */
size_t redact_phone_plus(struct sv text, size_t at, size_t sign);
/* North American groups, the last separator of which stands at `at`: true with its bytes [*ret_from,
 * *ret_to).
 */
bool redact_phone_groups(struct sv text, size_t at, size_t *ret_from, size_t *ret_to);
/* What is announced by the `n` bytes of a word at `at`. */
bool redact_phone_announced(struct sv text, size_t at, size_t n, size_t *ret_from, size_t *ret_to);
/* All of `value` is a number, as the value of a field with a telephone's name. */
bool redact_phone_is(struct sv value);

#endif
