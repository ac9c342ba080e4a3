/*
 * Numbers in text, exactly: 64-bit integers never pass through a double, and decimals are compared as
 * written.
 */
#ifndef BASE_NUM_H
#define BASE_NUM_H

#include "base/sv.h"

/* The whole of `text` must be the number, in range; no sign for the unsigned one; no white space. */
TC_MUST_USE bool num_u64(struct sv text, uint64_t min, uint64_t max, uint64_t *ret);
TC_MUST_USE bool num_i64(struct sv text, int64_t *ret);
/* A JSON-like number (also "+1", ".5", "1."), finite. Locale-independent. */
TC_MUST_USE bool num_double(struct sv text, double *ret);
/* True where `text` is an optionally signed decimal number, with or without fraction and exponent. */
bool num_is_number(struct sv text);
/*
 * Compares two decimal numbers by value and exactly ("10" = "1e1", 9007199254740993 > 9007199254740992).
 * Returns false where one of them is not a number; else *ret is -1, 0 or 1. Exponents beyond +-100,000 are
 * not numbers.
 */
TC_MUST_USE bool num_compare(struct sv a, struct sv b, int *ret);

/*
 * An amount in whole millionths: what can be added up, in any order, without a double's drift. A product with
 * 2^47 fits.
 */
__extension__ typedef __int128 num_amount;
#define NUM_AMOUNT_MAX ((num_amount)1000000000000000000 * 1000000) /* of one number: 10^18 */
enum { NUM_AMOUNT_TEXT_BYTES = 48 };
/* Further digits are cut off. False where the text is no number or beyond +-10^18. */
TC_MUST_USE bool num_millionths(struct sv text, num_amount *ret);
/* As a decimal without needless zeros: "12.5"; NUL-terminated. */
struct sv num_amount_text(num_amount amount, char text[static NUM_AMOUNT_TEXT_BYTES]);

#endif
