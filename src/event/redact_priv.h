/*
 * What the detectors share, for redact_*.c only: the text that is searched, classes of bytes, small tests.
 */
#ifndef EVENT_REDACT_PRIV_H
#define EVENT_REDACT_PRIV_H

#include "event/redact_find.h"

enum byte_class {
    B_DIGIT = 1,
    B_ALPHA = 2,
    B_WORD = 4,    /* letters, digits, _ and -: base64url */
    B_LOCAL = 8,   /* local part of an e-mail address, without what separates it from its surroundings */
    B_DOMAIN = 16, /* letters, digits, - and . */
    B_TOKEN = 32,  /* RFC 6750 */
};
extern uint8_t redact_classes[256]; /* filled by redact_make_classes, then read only */
void redact_make_classes(void);

static inline bool is(char c, unsigned class)
{
    return (redact_classes[(uint8_t)c] & class) != 0;
}
static inline char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}
/* `c` is one of the bytes of `set` (NUL is of none). */
static inline bool one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}
/* How many bytes from `at` on are of the class. */
size_t redact_run(struct sv text, size_t at, unsigned class);
/* `literal` (in lower case where nocase) stands at `at`. */
bool redact_has(struct sv text, size_t at, struct sv literal, bool nocase);
/* Length of one of our replacements at `at`, 0 where there is none. */
size_t redact_replacement_at(struct sv text, size_t at);

struct search {
    struct sv text;
    struct arena *arena;
    struct redact_spans *spans;
    size_t resume;               /* nothing before it is looked at again */
    size_t jwt_skip;             /* no JWT starts before it */
    size_t plain_from, plain_to; /* a value without quotes that starts between these ends at the second */
};

void redact_found(struct search *search, size_t from, size_t to, enum redact_kind kind);

/* A detector: its literal stands at `at`; it calls redact_found where it agrees. Linear over the whole text.
 */
typedef void (*redact_find_fn)(struct search *search, size_t at, struct sv literal);
void redact_email(struct search *search, size_t at, struct sv literal);
void redact_bearer(struct search *search, size_t at, struct sv literal);
void redact_jwt(struct search *search, size_t at, struct sv literal);
void redact_private_key(struct search *search, size_t at, struct sv literal);
void redact_api_key(struct search *search, size_t at, struct sv literal);
void redact_slack_hook(struct search *search, size_t at, struct sv literal);
void redact_url_password(struct search *search, size_t at, struct sv literal);
void redact_named_secret(struct search *search, size_t at, struct sv literal);
void redact_announced_phone(struct search *search, size_t at, struct sv literal);
void redact_plus_phone(struct search *search, size_t at, struct sv literal);
/* A parameter of a URL's query, whose name starts at `at`. */
void redact_query_secret(struct search *search, size_t at);
/* The same in raw JSON, before strings are decoded: false where the detector would find nothing there. */
bool redact_address_announced(struct sv text, size_t at);
bool redact_secret_announced(struct sv text, size_t at, size_t literal_bytes);
/* A name around the '_' or '-' at `at` that is a secret's, a value behind it. */
bool redact_separated_announced(struct sv text, size_t at);

enum { TC_REDACT_GAP_MAX = 8 }; /* spaces, quotes and backslashes between a name and its value */

#endif
