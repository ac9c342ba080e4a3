/*
 * Who may come in. Loopback is not trust: a page of a stranger's site runs in a browser on this host, too.
 *
 *   Host      must be ours: the listen address, localhost, 127.0.0.1 or [::1] with our port, or the host of
 *             console_url. Where we listen on every address, any address literal with our port: DNS rebinding
 *             needs a name.
 *   Origin    where there is one, must be ours by the same rule (and its scheme).
 *   token     senders of events: needed where tokens are configured (anything but loopback must have some).
 *             Compared by SHA-256 digests, all of them, in constant time.
 *   signature callbacks of vendors are let in whatever their Host, because each is proved by its signature;
 *             alerts that others post, because each is proved by a source's token.
 *   secret    changes that come from a browser (Origin or Sec-Fetch-Site is there) bear X-Tocsin-Secret,
 *             which only our page knows; Sec-Fetch-Site must not be cross-site.
 *   person    people who have a token of their own: what they do bears their name, and nobody does
 *             anything in it without that token. Others may still come without one.
 *   peer      people's routes are served to peers on this host only. Whoever listens on other addresses
 *             reaches them by a tunnel or a proxy on this host: source tokens are no people's passwords.
 *
 * Pure functions over texts, so that every refusal is tested without a server.
 */
#ifndef API_AUTH_H
#define API_AUTH_H

#include "api/router.h"
#include "base/hash.h"

enum {
    TC_AUTH_TOKENS_MAX = 1000,
    TC_AUTH_SECRET_HEX = 65,
};

struct auth_token {
    uint8_t digest[TC_SHA256_BYTES];
    char source[128]; /* "http:NAME" */
};

enum { TC_AUTH_PERSON_BYTES = 128 };
struct auth_person {
    uint8_t digest[TC_SHA256_BYTES];
    char name[TC_AUTH_PERSON_BYTES];
    enum route_role role; /* ROLE_READER or ROLE_OPERATOR */
};

struct auth {
    char host[64]; /* of the listen address, without brackets */
    unsigned port;
    bool loopback;     /* the listen address is */
    bool wildcard;     /* 0.0.0.0 or :: */
    char console[256]; /* scheme://host[:port] of console_url, lower case; "" where there is none */
    char secret[TC_AUTH_SECRET_HEX];
    struct auth_token *tokens;
    size_t token_count;
    struct auth_person *people;
    size_t person_count;
};

/* What auth looks at; p == NULL where the header is absent. */
struct auth_request {
    struct sv method, host, origin, fetch_site, authorization, secret;
    struct sv api_key; /* the token as DD-API-KEY or X-Amz-Firehose-Access-Key, which senders cannot rename */
    bool peer_local;   /* the peer's address is loopback */
    enum route_role role;
};

/* The refusal: 0 = come in. `text` names the remedy. */
struct auth_result {
    unsigned status;
    const char *text;
    bool bad_token;     /* counts as auth_invalid_token_total */
    const char *source; /* ROLE_SOURCE: the events' source */
    const char *person; /* people's routes: whose token it is; NULL: nobody's */
    bool unknown_token; /* people have tokens, and this bearer token is none of theirs. No refusal: a privacy
                           officer's is checked elsewhere */
};

/* Of a token that was shown in another way than as Bearer: its source; NULL: nobody's. Where loopback needs
 * no token, Host must be ours after all: a tunnel that lets vendors in would let everybody in. */
const char *auth_source_of(const struct auth *auth, struct sv token, struct sv host);
void auth_check(const struct auth *auth, const struct auth_request *request, struct auth_result *ret);

/* Fills host, port, loopback, wildcard from "127.0.0.1:9797" or "[::1]:0". */
int auth_set_listen(struct auth *auth, struct sv listen, struct err *err);
/* Origin of a URL: "https://tocsin.example" of "https://Tocsin.example/x". */
int auth_set_console(struct auth *auth, struct sv url, struct err *err);
/* TC_EINPUT for an empty or too short secret, a source name that is no word, or one secret given twice. */
int auth_add_token(struct auth *auth, struct sv source, struct sv secret, struct err *err);
/* TC_EINPUT for an empty or long name or secret, or one secret given twice. A name may have several tokens.
 */
int auth_add_person(struct auth *auth, struct sv name, struct sv secret, enum route_role role,
                    struct err *err);
/* Whether somebody with a token has this name, whatever the case of its letters and what stands around it. */
bool auth_is_person(const struct auth *auth, struct sv name);
/* Who a command is made by: the person whose token it bore, else who `by` says. TC_EINPUT where that is the
 * name of another person who has a token. */
int auth_author(const struct auth *auth, const char *person, struct sv by, struct sv *ret, struct err *err);
void auth_fini(struct auth *auth);

#endif
