/*
 * Card numbers in text: an issuer's prefix with one of its lengths, Luhn's check, and clear edges.
 */
#ifndef EVENT_REDACT_CARD_H
#define EVENT_REDACT_CARD_H

#include "base/sv.h"

/* The first card number at or behind *at: true with its bytes [*ret_from, *ret_to) and *at moved behind it.
 * Looks at about every thirteenth byte of text without digits. */
bool redact_card_next(struct sv text, size_t *at, size_t *ret_from, size_t *ret_to);
/* Digits alone, all of them one number. */
bool redact_card_is(struct sv digits);

#endif
