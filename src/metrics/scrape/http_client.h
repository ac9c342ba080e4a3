/*
 * How a scrape or a discovery asks over HTTP: Prometheus' client settings (basic_auth, authorization,
 * tls_config, follow_redirects, proxy_url …), read from a map that holds them among other keys, and put into
 * a handle of libcurl.
 *
 * Secrets that lie in files are read at each request, as Prometheus does, so that they can be changed without
 * a restart. Their values never stand in an error.
 */
#ifndef METRICS_SCRAPE_HTTP_CLIENT_H
#define METRICS_SCRAPE_HTTP_CLIENT_H

#include "base/fs.h"
#include "metrics/rules/typed_yaml.h"
#include "metrics/scrape/http_headers.h"

#include <curl/curl.h>
#include <stddef.h>

/* As read; a part of a larger struct, whose table of keys holds HTTP_CLIENT_FIELDS. */
struct http_client_fields {
    struct typed_node basic_auth, authorization, tls_config, oauth2, http_headers, proxy_connect_header;
    struct typed_text bearer_token, bearer_token_file, proxy_url, no_proxy;
    bool follow_redirects, enable_http2, proxy_from_environment;
};
#define HTTP_CLIENT_DEFAULTS                                                                                 \
    {                                                                                                        \
        .follow_redirects = true, .enable_http2 = true                                                       \
    }
#define HTTP_CLIENT_FIELDS(type, member)                                                                     \
    {"basic_auth", TYPED_NODE, offsetof(type, member.basic_auth)},                                           \
        {"authorization", TYPED_NODE, offsetof(type, member.authorization)},                                 \
        {"bearer_token", TYPED_TEXT, offsetof(type, member.bearer_token)},                                   \
        {"bearer_token_file", TYPED_TEXT, offsetof(type, member.bearer_token_file)},                         \
        {"oauth2", TYPED_NODE, offsetof(type, member.oauth2)},                                               \
        {"http_headers", TYPED_NODE, offsetof(type, member.http_headers)},                                   \
        {"tls_config", TYPED_NODE, offsetof(type, member.tls_config)},                                       \
        {"follow_redirects", TYPED_BOOL, offsetof(type, member.follow_redirects)},                           \
        {"enable_http2", TYPED_BOOL, offsetof(type, member.enable_http2)},                                   \
        {"proxy_url", TYPED_TEXT, offsetof(type, member.proxy_url)},                                         \
        {"no_proxy", TYPED_TEXT, offsetof(type, member.no_proxy)},                                           \
        {"proxy_from_environment", TYPED_BOOL, offsetof(type, member.proxy_from_environment)},               \
    {                                                                                                        \
        "proxy_connect_header", TYPED_NODE, offsetof(type, member.proxy_connect_header)                      \
    }

/* NULL: not given. All texts live in the arena of the reading. */
struct http_client {
    bool basic;
    const char *username, *username_file, *password, *password_file;
    const char *auth_type, *credentials,
        *credentials_file; /* auth_type NULL: no Authorization of that kind */
    const char *ca, *ca_file, *cert, *cert_file, *key, *key_file, *server_name;
    bool insecure_skip_verify;
    long min_version, max_version; /* CURL_SSLVERSION_*, CURL_SSLVERSION_MAX_*; 0: the library's */
    const char *proxy_url, *no_proxy;
    bool proxy_from_environment, follow_redirects, http2;
    struct http_headers headers;
};

/* Paths in it become relative to `dir` ("" or NULL: as they stand). Problems go to yaml->problems. */
void http_client_read(struct typed_yaml *yaml, const struct http_client_fields *fields, const char *dir,
                      struct http_client *ret);
/* DIR/path for a relative path; in the arena. */
const char *http_client_path(struct arena *arena, const char *dir, struct sv path);

/*
 * Puts the settings into `easy` for a GET of `url`, whose headers go on after *headers (freed by the caller
 * when the transfer is over, with *connect_to). TC_EIO where a file of a secret cannot be read.
 */
int http_client_apply(const struct http_client *client, const struct fs *fs, const char *url, CURL *easy,
                      struct curl_slist **headers, struct curl_slist **connect_to, struct err *err);

#endif
