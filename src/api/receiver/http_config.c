/*
 * A receiver's http_config as the courier takes it (prometheus/common/config): secrets are read here, and
 * only here.
 */
#include "api/receiver/receiver.h"

#include <sodium.h>
#include <stdio.h>

enum { HEADERS_MAX = 64 };

static bool is_a_line(struct sv value)
{
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] == '\n' || value.p[i] == '\r' || value.p[i] == '\0')
            return false;
    return true;
}

static struct sv *add_header(struct receiver_draft *d, struct sv *lines, size_t *count, struct sv name,
                             struct sv value)
{
    if (!is_a_line(value) || !is_a_line(name))
        receiver_fail(d, TC_EINPUT, "a header in http_config has a line break");
    else if (*count == HEADERS_MAX)
        receiver_fail(d, TC_EBOUND, "http_config has more than %d headers", HEADERS_MAX);
    else
        lines[(*count)++] = arena_printf(d->arena, "%.*s: %.*s", SV_FMT(name), SV_FMT(value));
    return lines;
}

static void take_headers(struct receiver_draft *d, const struct am_object *http)
{
    static const char *const lists[] = {"values", "secrets", "files"};
    const struct am_value *headers = am_get(http, "http_headers");
    struct sv *lines = ARENA_ARRAY(d->arena, struct sv, HEADERS_MAX);
    size_t count = 0;
    for (size_t i = 0; i < headers->count; i++)
        for (size_t k = 0; k < TC_ARRAY_LEN(lists); k++) {
            const struct am_value *list = am_get(headers->items[i].object, lists[k]);
            for (size_t j = 0; j < list->count; j++) {
                struct sv value = list->items[j].text;
                if (k == 2)
                    value = receiver_read_file(d, value);
                add_header(d, lines, &count, headers->items[i].key, value);
            }
        }
    d->job->client.headers = lines;
    d->job->client.header_count = count;
}

static void take_proxy(struct receiver_draft *d, const struct am_object *object,
                       struct courier_client *client)
{
    const struct am_value *headers = am_get(object, "proxy_connect_header");
    struct sv *lines = ARENA_ARRAY(d->arena, struct sv, HEADERS_MAX);
    for (size_t i = 0; i < headers->count; i++)
        for (size_t k = 0; k < headers->items[i].count; k++)
            add_header(d, lines, &client->proxy_header_count, headers->items[i].key,
                       headers->items[i].items[k].text);
    client->proxy_headers = lines;
    client->proxy_url = arena_sv(d->arena, am_get_text(object, "proxy_url"));
    client->no_proxy = arena_sv(d->arena, am_get_text(object, "no_proxy"));
    client->proxy_from_environment = am_get(object, "proxy_from_environment")->number != 0;
}

/* Paths in the configuration are relative to its file. */
static struct sv path_of(struct receiver_draft *d, struct sv path)
{
    const char *file = d->world->config_file, *slash = strrchr(file, '/');
    int folder = slash == NULL || sv_starts(path, SV("/")) || path.n == 0 ? 0 : (int)(slash - file) + 1;
    return arena_printf(d->arena, "%.*s%.*s", folder, file, SV_FMT(path));
}

/* Secrets by reference need a secret manager, which Alertmanager has not, either. */
static void refuse_references(struct receiver_draft *d, const struct am_object *object,
                              const char *const *names)
{
    for (; *names != NULL; names++)
        if (am_get_text(object, *names).n > 0)
            receiver_fail(d, TC_EUNSUPPORTED, "http_config: %s: there is no secret manager", *names);
}

/* "TLS12" is 12. */
static unsigned tls_version(struct sv text)
{
    return text.n == 5 ? (unsigned)((text.p[3] - '0') * 10 + text.p[4] - '0') : 0;
}

void receiver_tls_config(struct receiver_draft *d, const struct am_object *tls, struct courier_client *client)
{
    static const char *const references[] = {"ca_ref", "cert_ref", "key_ref", NULL};
    if (tls == NULL)
        return;
    refuse_references(d, tls, references);
    client->skip_verify = am_get(tls, "insecure_skip_verify")->number != 0;
    client->ca_pem = arena_sv(d->arena, am_get_text(tls, "ca"));
    client->cert_pem = arena_sv(d->arena, am_get_text(tls, "cert"));
    client->key_pem = arena_sv(d->arena, am_get_text(tls, "key"));
    client->ca_file = path_of(d, am_get_text(tls, "ca_file"));
    client->cert_file = path_of(d, am_get_text(tls, "cert_file"));
    client->key_file = path_of(d, am_get_text(tls, "key_file"));
    client->server_name = arena_sv(d->arena, am_get_text(tls, "server_name"));
    client->min_tls = tls_version(am_get_text(tls, "min_version"));
    client->max_tls = tls_version(am_get_text(tls, "max_version"));
}

static void take_basic(struct receiver_draft *d, const struct am_object *basic)
{
    static const char *const references[] = {"username_ref", "password_ref", NULL};
    refuse_references(d, basic, references);
    struct sv username = receiver_secret(d, basic, "username"),
              password = receiver_secret(d, basic, "password");
    struct sv both = arena_printf(d->arena, "%.*s:%.*s", SV_FMT(username), SV_FMT(password));
    size_t size = sodium_base64_encoded_len(both.n, sodium_base64_VARIANT_ORIGINAL);
    char *encoded = arena_alloc(d->arena, size);
    sodium_bin2base64(encoded, size, (const unsigned char *)both.p, both.n, sodium_base64_VARIANT_ORIGINAL);
    d->job->client.authorization = arena_printf(d->arena, "Basic %s", encoded);
}

static void take_authorization(struct receiver_draft *d, const struct am_object *authorization)
{
    static const char *const references[] = {"credentials_ref", NULL};
    refuse_references(d, authorization, references);
    struct sv type = am_get_text(authorization, "type"),
              credentials = receiver_secret(d, authorization, "credentials");
    if (type.n == 0)
        type = SV("Bearer");
    if (!is_a_line(credentials))
        receiver_fail(d, TC_EINPUT, "http_config: the credentials have a line break");
    d->job->client.authorization = arena_printf(d->arena, "%.*s %.*s", SV_FMT(type), SV_FMT(credentials));
}

void receiver_bearer(struct receiver_draft *d, struct sv token)
{
    if (!is_a_line(token))
        receiver_fail(d, TC_EINPUT, "the token has a line break");
    d->job->client.authorization = arena_printf(d->arena, "Bearer %.*s", SV_FMT(token));
    d->job->client.oauth2 = NULL;
}

static void take_oauth2(struct receiver_draft *d, const struct am_object *given)
{
    static const char *const references[] = {"client_secret_ref", "client_certificate_key_ref", NULL};
    struct courier_oauth2 *oauth2 = ARENA_NEW(d->arena, struct courier_oauth2);
    struct courier_client *client = ARENA_NEW(d->arena, struct courier_client);
    struct buf form, scopes;
    refuse_references(d, given, references);
    struct sv grant = am_get_text(given, "grant_type");
    if (grant.n > 0 && !sv_is(grant, "client_credentials"))
        receiver_fail(d, TC_EUNSUPPORTED, "http_config.oauth2.grant_type %.*s is not done by this version",
                      SV_FMT(sv_head(grant, 100)));
    buf_init(&form, 64 << 10);
    buf_init(&scopes, 64 << 10);
    const struct am_value *list = am_get(given, "scopes"), *more = am_get(given, "endpoint_params");
    for (size_t i = 0; i < list->count; i++) {
        buf_str(&scopes, i > 0 ? " " : "");
        buf_sv(&scopes, list->items[i].text);
    }
    if (scopes.n > 0)
        receiver_add_parameter(&form, "scope", buf_view(&scopes));
    for (size_t i = 0; i < more->count; i++)
        receiver_add_parameter(&form, arena_str(d->arena, more->items[i].key), more->items[i].text);
    *oauth2 = (struct courier_oauth2){.token_url = arena_sv(d->arena, am_get_text(given, "token_url")),
                                      .client_id = arena_sv(d->arena, am_get_text(given, "client_id")),
                                      .client_secret = receiver_secret(d, given, "client_secret"),
                                      .form = arena_sv(d->arena, buf_view(&form)),
                                      .client = client};
    buf_free(&form);
    buf_free(&scopes);
    client->follow_redirects = true;
    receiver_tls_config(d, am_get_object(given, "tls_config"), client);
    take_proxy(d, given, client);
    d->job->client.oauth2 = oauth2;
}

void receiver_http_config(struct receiver_draft *d, const struct am_object *http)
{
    struct courier_client *client = &d->job->client;
    if (http == NULL)
        return;
    client->follow_redirects = am_get(http, "follow_redirects")->number != 0;
    client->no_http2 = am_get(http, "enable_http2")->number == 0;
    take_headers(d, http);
    take_proxy(d, http, client);
    receiver_tls_config(d, am_get_object(http, "tls_config"), client);
    if (am_get_object(http, "basic_auth") != NULL)
        take_basic(d, am_get_object(http, "basic_auth"));
    if (am_get_object(http, "authorization") != NULL)
        take_authorization(d, am_get_object(http, "authorization"));
    if (am_get_object(http, "oauth2") != NULL)
        take_oauth2(d, am_get_object(http, "oauth2"));
}
