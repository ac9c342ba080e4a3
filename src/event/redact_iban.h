/*
 * International bank account numbers (ISO 13616) in text: a country's letters and length, and the check
 * digits (ISO 7064, modulo 97). In capitals, whole or in groups of four.
 */
#ifndef EVENT_REDACT_IBAN_H
#define EVENT_REDACT_IBAN_H

#include "base/sv.h"

/* The first one at or behind *at: true with its bytes [*ret_from, *ret_to) and *at moved behind it. Looks at
 * about every seventh byte of other text. */
bool redact_iban_next(struct sv text, size_t *at, size_t *ret_from, size_t *ret_to);

#endif
