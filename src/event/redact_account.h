/*
 * Whether a text can hold a card number or an account number at all, in one quick look.
 */
#ifndef EVENT_REDACT_ACCOUNT_H
#define EVENT_REDACT_ACCOUNT_H

#include "base/sv.h"

/* False: redact_card_next, or redact_iban_next, finds nothing in `text`. */
struct redact_possible {
    bool card, iban;
};
struct redact_possible redact_account_possible(struct sv text);

#endif
