/*
 * Who may come in; see auth.h. The checks stand in one list, from the cheapest and widest to the narrowest,
 * and the first that objects answers.
 */
#include "api/auth.h"

#include "base/log.h"

#include "base/arena.h"
#include "base/num.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

/* --- settings --------------------------------------------------------------------------------------------
 */

/* "127.0.0.1:9797" or "[::1]:9797" into host (without brackets) and port text. */
static bool split_host_port(struct sv text, struct sv *ret_host, struct sv *ret_port)
{
    size_t colon = text.n;
    while (colon > 0 && text.p[colon - 1] != ':')
        colon--;
    if (colon == 0)
        return false;
    struct sv host = sv_head(text, colon - 1);
    if (sv_starts(host, SV("[")) && sv_ends(host, SV("]")))
        host = sv_make(host.p + 1, host.n - 2);
    else if (sv_find_char(host, ':') < host.n)
        return false;
    *ret_host = host;
    *ret_port = sv_from(text, colon);
    return host.n > 0;
}

/* An address literal; *ret_loopback and *ret_any say what kind. */
static bool is_address(struct sv host, bool *ret_loopback, bool *ret_any)
{
    char text[64];
    struct in_addr v4;
    struct in6_addr v6;
    if (host.n >= sizeof text)
        return false;
    memcpy(text, host.p, host.n);
    text[host.n] = '\0';
    if (inet_pton(AF_INET, text, &v4) == 1) {
        *ret_loopback = ntohl(v4.s_addr) >> 24 == 127;
        *ret_any = v4.s_addr == 0;
        return true;
    }
    if (inet_pton(AF_INET6, text, &v6) != 1)
        return false;
    *ret_loopback = IN6_IS_ADDR_LOOPBACK(&v6);
    *ret_any = IN6_IS_ADDR_UNSPECIFIED(&v6);
    return true;
}

int auth_set_listen(struct auth *auth, struct sv listen, struct err *err)
{
    struct sv host, port;
    uint64_t number;
    if (!split_host_port(listen, &host, &port) || !num_u64(port, 0, 65535, &number))
        return err_set(err, TC_EINPUT, "listen address \"%.*s\" is not ADDRESS:PORT (as 127.0.0.1:9797)",
                       SV_FMT(listen));
    if (sv_is(host, "localhost"))
        host = SV("127.0.0.1");
    if (!is_address(host, &auth->loopback, &auth->wildcard))
        return err_set(err, TC_EINPUT,
                       "listen address \"%.*s\" has no IP address before the port (as 127.0.0.1 or [::1])",
                       SV_FMT(listen));
    memcpy(auth->host, host.p, host.n);
    auth->host[host.n] = '\0';
    auth->port = (unsigned)number;
    return 0;
}

int auth_set_console(struct auth *auth, struct sv url, struct err *err)
{
    size_t scheme = sv_find(url, SV("://"));
    struct sv host = sv_from(url, scheme + 3);
    size_t n = scheme + 3 + sv_find_char(host, '/');
    if (!(sv_starts(url, SV("http://")) || sv_starts(url, SV("https://"))) || host.n == 0 ||
        n >= sizeof auth->console)
        return err_set(err, TC_EINPUT, "console_url \"%.*s\" is not http://HOST[:PORT] or https://…",
                       SV_FMT(url));
    for (size_t i = 0; i < n; i++)
        auth->console[i] = (char)tolower((unsigned char)url.p[i]);
    auth->console[n] = '\0';
    return 0;
}

static bool is_source_name(struct sv name)
{
    for (size_t i = 0; i < name.n; i++)
        if (!isalnum((unsigned char)name.p[i]) && strchr("._-", name.p[i]) == NULL)
            return false;
    return name.n > 0 && name.n <= 100;
}

int auth_add_token(struct auth *auth, struct sv source, struct sv secret, struct err *err)
{
    struct auth_token token;
    if (!is_source_name(source))
        return err_set(err, TC_EINPUT,
                       "source name \"%.*s\" must be 1 to 100 letters, digits, dots, dashes or underscores",
                       SV_FMT(source));
    if (secret.n == 0)
        return err_set(err, TC_EINPUT, "the token of source %.*s is empty", SV_FMT(source));
    if (secret.n < 16)
        log_warn("api", "the token of source %.*s is short: 16 random characters or more are hard to guess",
                 SV_FMT(source));
    if (auth->token_count >= TC_AUTH_TOKENS_MAX)
        return err_set(err, TC_EBOUND, "more than %d tokens", TC_AUTH_TOKENS_MAX);
    hash_sha256(secret, token.digest);
    for (size_t i = 0; i < auth->token_count; i++)
        if (sodium_memcmp(token.digest, auth->tokens[i].digest, TC_SHA256_BYTES) == 0)
            return err_set(err, TC_EINPUT, "source %.*s has the same token as %s: give each its own",
                           SV_FMT(source), auth->tokens[i].source + 5);
    snprintf(token.source, sizeof token.source, "http:%.*s", SV_FMT(source));
    auth->tokens = tc_realloc(auth->tokens, (auth->token_count + 1) * sizeof *auth->tokens);
    auth->tokens[auth->token_count++] = token;
    return 0;
}

int auth_add_person(struct auth *auth, struct sv name, struct sv secret, enum route_role role,
                    struct err *err)
{
    struct auth_person person = {.role = role};
    name = sv_trim(name);
    if (name.n == 0 || name.n >= sizeof person.name || secret.n == 0)
        return err_set(err, TC_EINPUT, "a person needs a name of at most %zu bytes and a token",
                       sizeof person.name - 1);
    if (auth->person_count >= TC_AUTH_TOKENS_MAX)
        return err_set(err, TC_EBOUND, "more than %d people", TC_AUTH_TOKENS_MAX);
    memcpy(person.name, name.p, name.n);
    hash_sha256(secret, person.digest);
    for (size_t i = 0; i < auth->person_count; i++)
        if (sodium_memcmp(person.digest, auth->people[i].digest, TC_SHA256_BYTES) == 0)
            return err_set(err, TC_EINPUT, "%s and %s have the same token: give each their own", person.name,
                           auth->people[i].name);
    auth->people = tc_realloc(auth->people, (auth->person_count + 1) * sizeof *auth->people);
    auth->people[auth->person_count++] = person;
    return 0;
}

/* --- authors */

/* Without what a journal's record would show as spaces, or not at all. */
static struct sv bare(struct sv name)
{
    while (name.n > 0 && (unsigned char)name.p[0] <= ' ')
        name = sv_from(name, 1);
    while (name.n > 0 && (unsigned char)name.p[name.n - 1] <= ' ')
        name.n--;
    return name;
}

bool auth_is_person(const struct auth *auth, struct sv name)
{
    bool is = false;
    for (size_t i = 0; i < auth->person_count; i++)
        is = is || sv_eq_nocase(bare(name), sv_of(auth->people[i].name));
    return is;
}

int auth_author(const struct auth *auth, const char *person, struct sv by, struct sv *ret, struct err *err)
{
    by = bare(by);
    if (person != NULL && by.n > 0 && !sv_eq_nocase(by, sv_of(person)))
        return err_set(err, TC_EINPUT, "this token is %s's: leave \"by\" out, nobody acts in another's name",
                       person);
    if (person == NULL && auth_is_person(auth, by))
        return err_set(err, TC_EINPUT,
                       "%.*s has a token: who acts in that name shows it, as Authorization: Bearer TOKEN",
                       SV_FMT(sv_head(by, TC_AUTH_PERSON_BYTES)));
    *ret = person != NULL ? sv_of(person) : by;
    return 0;
}

void auth_fini(struct auth *auth)
{
    free(auth->people);
    free(auth->tokens);
    *auth = (struct auth){0};
}

/* --- checks ----------------------------------------------------------------------------------------------
 */

static bool host_is_console(const struct auth *auth, struct sv host)
{
    struct sv console = sv_of(auth->console);
    return console.n > 0 && sv_eq_nocase(sv_from(console, sv_find(console, SV("://")) + 3), host);
}

static bool host_is_ours(const struct auth *auth, struct sv text)
{
    struct sv host, port;
    uint64_t number;
    bool loopback, any;
    if (host_is_console(auth, text))
        return true;
    if (!split_host_port(text, &host, &port)) {
        host = text; /* without a port it means 80 */
        port = SV("80");
    }
    if (!num_u64(port, 1, 65535, &number) || number != auth->port)
        return false;
    return sv_is(host, auth->host) || sv_eq_nocase(host, SV("localhost")) || sv_is(host, "127.0.0.1") ||
           sv_is(host, "::1") || (auth->wildcard && is_address(host, &loopback, &any));
}

static bool origin_is_ours(const struct auth *auth, struct sv origin)
{
    if (auth->console[0] != '\0' && sv_eq_nocase(origin, sv_of(auth->console)))
        return true;
    return sv_starts(origin, SV("http://")) && !host_is_console(auth, sv_from(origin, 7)) &&
           host_is_ours(auth, sv_from(origin, 7));
}

/* Every token is compared, whichever matches, so that time tells nothing. */
static const char *known_token(const struct auth *auth, struct sv token)
{
    uint8_t digest[TC_SHA256_BYTES];
    const char *source = NULL;
    hash_sha256(token, digest);
    for (size_t i = 0; i < auth->token_count; i++)
        if (sodium_memcmp(digest, auth->tokens[i].digest, sizeof digest) == 0)
            source = auth->tokens[i].source;
    return source;
}

static struct sv bearer(struct sv authorization)
{
    bool is = authorization.n >= 7 && sv_eq_nocase(sv_head(authorization, 7), SV("Bearer "));
    return is ? sv_trim(sv_from(authorization, 7)) : (struct sv){0};
}

/* The access key id of an AWS client, which bears a token in its place: "AWS4-HMAC-SHA256
 * Credential=ID/date/…, …". Its signature could be checked only by who knows the secret beside it. */
static struct sv aws_access_key(struct sv authorization)
{
    if (!sv_starts(authorization, SV("AWS4-HMAC-SHA256 ")))
        return (struct sv){0};
    struct sv rest = sv_from(authorization, sv_find(authorization, SV("Credential=")));
    return rest.n == 0 ? rest : sv_cut(&(struct sv){rest.p + 11, rest.n - 11}, '/');
}

static const struct auth_person *known_person(const struct auth *auth, struct sv token)
{
    uint8_t digest[TC_SHA256_BYTES];
    const struct auth_person *person = NULL;
    hash_sha256(token, digest);
    for (size_t i = 0; i < auth->person_count; i++)
        if (sodium_memcmp(digest, auth->people[i].digest, sizeof digest) == 0)
            person = &auth->people[i];
    return person;
}

static const char *token_source(const struct auth *auth, const struct auth_request *request)
{
    struct sv token = bearer(request->authorization);
    if (token.p == NULL)
        token = request->api_key;
    if (token.p == NULL)
        token = aws_access_key(request->authorization);
    return token.n == 0 ? NULL : known_token(auth, token);
}

const char *auth_source_of(const struct auth *auth, struct sv token, struct sv host)
{
    if (auth->token_count == 0 && auth->loopback)
        return host.p != NULL && host_is_ours(auth, host) ? "http:default" : NULL;
    return known_token(auth, token);
}

static void check_source(const struct auth *auth, const struct auth_request *request, struct auth_result *ret)
{
    ret->source = "http:default";
    if (auth->token_count == 0 && auth->loopback)
        return;
    ret->source = token_source(auth, request);
    if (ret->source != NULL)
        return;
    ret->status = 401;
    ret->bad_token = true;
    ret->text = request->authorization.p == NULL && request->api_key.p == NULL
                    ? "a token is needed: send the header Authorization: Bearer TOKEN"
                    : "this token is not known: use one that is configured for a source";
}

static bool is_change(struct sv method)
{
    return !sv_is(method, "GET") && !sv_is(method, "HEAD");
}

static void check_browser(const struct auth *auth, const struct auth_request *request,
                          struct auth_result *ret)
{
    struct sv secret = sv_of(auth->secret);
    if (!is_change(request->method) || (request->origin.p == NULL && request->fetch_site.p == NULL))
        return;
    bool foreign = sv_is(request->fetch_site, "cross-site");
    if (!foreign && request->secret.n == secret.n &&
        sodium_memcmp(request->secret.p, secret.p, secret.n) == 0)
        return;
    ret->status = 403;
    ret->text = foreign ? "a change from another site is refused: use Tocsin's own page"
                        : "a change from a browser needs the page's secret in X-Tocsin-Secret: reload the "
                          "page";
}

static void check_person(const struct auth *auth, const struct auth_request *request, struct auth_result *ret)
{
    struct sv token = bearer(request->authorization);
    if (auth->person_count == 0 || token.n == 0)
        return;
    const struct auth_person *person = known_person(auth, token);
    ret->unknown_token = person == NULL;
    if (person == NULL)
        return;
    ret->person = person->name;
    if (request->role <= person->role)
        return;
    ret->status = 403;
    ret->text = "the person of this token may look, and change nothing (role: reader)";
}

void auth_check(const struct auth *auth, const struct auth_request *request, struct auth_result *ret)
{
    *ret = (struct auth_result){0};
    bool any_host = request->role == ROLE_SIGNED; /* the name that the vendor knows, by a proxy or tunnel */
    if (!any_host && (request->host.p == NULL || !host_is_ours(auth, request->host))) {
        ret->status = 403;
        ret->text = "the Host header is not this server's: use localhost, 127.0.0.1, the listen address or "
                    "console_url";
    } else if (request->origin.p != NULL && !origin_is_ours(auth, request->origin)) {
        ret->status = 403;
        ret->text = "the Origin is not this server's: requests of other sites' pages are refused";
    } else if (request->role == ROLE_SOURCE) {
        check_source(auth, request, ret);
        if (ret->status == 0)
            check_browser(auth, request, ret);
    } else if (request->role > ROLE_SIGNED && !auth->loopback && !request->peer_local) {
        ret->status = 403;
        ret->text = "the page and the alerts are served to this host only: come by an SSH tunnel or a proxy "
                    "on this host";
    } else if (request->role > ROLE_SIGNED) {
        check_person(auth, request, ret);
        if (ret->status == 0)
            check_browser(auth, request, ret);
    }
}
