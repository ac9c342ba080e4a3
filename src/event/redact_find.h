/*
 * What must not be kept, found in one text: e-mail addresses, secrets, tokens, keys, card numbers.
 *
 * The detectors are a table in redact_find.c. Each has literals that announce it; one pass over the text
 * looks at pairs of bytes and asks a detector only where one of its literals stands, so text without any
 * costs little more than reading it. No regular expressions: each detector is linear, whatever the text.
 *
 * What counts:
 * - e-mail: local@domain.tld, also "quoted local"@…, and with the @ as %40 or \u0040. The top label has
 *   letters only, so root@192.0.2.1, lib@1.2.3 and root@server stay (and so do domain literals: they hold
 *   addresses of machines). user@host.tld in a URL or an ssh argument counts: nothing tells it from an
 * address. user:password@ in a URL is a secret.
 * - secrets: the value after a name such as password, api_key or authorization with = or : behind it, quoted
 * or not. "Failed password for root" has none.
 * - card numbers: 13 to 19 digits, single spaces or dashes between groups, an issuer's prefix with its
 *   length, Luhn's check, and no letter, digit, or decimal point beside it.
 * - parameters of a URL's query whose name is a secret's (token, sig, code …) or a tracking link's.
 * - telephone numbers: see redact_phone.h; bank accounts: see redact_iban.h.
 * - our own replacements are never found again.
 */
#ifndef EVENT_REDACT_FIND_H
#define EVENT_REDACT_FIND_H

#include "base/arena.h"

/* In falling strength: where two overlap, the stronger replaces both. */
enum redact_kind {
    REDACT_SECRET,
    REDACT_KEY,
    REDACT_TOKEN,
    REDACT_CARD,
    REDACT_IBAN,
    REDACT_EMAIL,
    REDACT_PHONE,
};

struct redact_span {
    size_t from, to; /* bytes of the text */
    enum redact_kind kind;
};
struct redact_spans {
    struct redact_span *items; /* in order, not overlapping; in the arena */
    size_t count, capacity;
};

/* False: nothing of what announces a finding is there, and redact_find would find nothing, neither in `text`
 * nor, if it is JSON, in any of its decoded strings and numbers. Quick (> 1 GB/s). */
bool redact_suspicious(struct sv text);
/* Everything in `text` that must go. */
void redact_find(struct sv text, struct arena *arena, struct redact_spans *ret);
/* Digits that are a card number by themselves (a bare JSON number). */
bool redact_is_card(struct sv digits);
/* A field of this name holds a secret: 2 the name itself, 1 as the last part of a longer one (db_password),
 * 0 no, negative: its value tells (token, cookie, pwd). Case, '_' and '-' do not count. */
int redact_is_secret_name(struct sv name);
/* Is the value of a field whose name has this rank a secret? A token must look like one, a cookie have a '=',
 * a pwd be no path and have no blank. */
bool redact_is_secret_value(int rank, struct sv value);
/* Are all texts of a list under such a name secrets? */
bool redact_is_secret_list(int rank);
bool redact_is_cookie_name(struct sv name);
/* A field of this name holds a telephone number. */
bool redact_is_phone_name(struct sv name);
/* A value that is none, though its name is a secret's: empty, true, null …, or one of our replacements. */
bool redact_is_harmless(struct sv value);

#endif
