/*
 * The link by which a user answers "was that you?" (ledger D-16): CONSOLE/confirm/ID/NUMBER-TOKEN.
 *
 * The token is a keyed hash of alert and number of the question, so that nothing secret lies in the journal:
 * the courier makes it when it writes the mail, the API makes it again to compare. That a link works once is
 * the book's doing: it knows whether that question waits for an answer.
 */
#ifndef NOTIFY_QUESTION_H
#define NOTIFY_QUESTION_H

#include "base/sv.h"

#include <stdint.h>

enum { TC_QUESTION_KEY_BYTES = 32, TC_QUESTION_TOKEN_BYTES = 48 };

/* "3-0123456789abcdef0123456789abcdef", terminated. */
void question_token(const uint8_t key[TC_QUESTION_KEY_BYTES], struct sv alert_id, uint64_t number,
                    char ret[TC_QUESTION_TOKEN_BYTES]);
/* Whether it is the token of some question about this alert; compared in constant time. */
bool question_token_holds(const uint8_t key[TC_QUESTION_KEY_BYTES], struct sv alert_id, struct sv token,
                          uint64_t *ret_number);

#endif
