/*
 * Client settings of scrapes and discoveries; see http_client.h. Error texts are Prometheus' own where it has
 * the same error.
 */
#include "metrics/scrape/http_client.h"

#include <stdio.h>
#include <string.h>

enum { SECRET_FILE_MAX = 64 << 10, REDIRECTS_MAX = 10, HEADER_MAX = 16 << 10 };

/* --- reading --- */

struct basic_fields {
    struct typed_text username, username_file, password, password_file;
};
static const struct typed_field basic_fields[] = {
    {"username", TYPED_TEXT, offsetof(struct basic_fields, username)},
    {"username_file", TYPED_TEXT, offsetof(struct basic_fields, username_file)},
    {"password", TYPED_TEXT, offsetof(struct basic_fields, password)},
    {"password_file", TYPED_TEXT, offsetof(struct basic_fields, password_file)},
    {0},
};

struct authorization_fields {
    struct typed_text type, credentials, credentials_file;
};
static const struct typed_field authorization_fields[] = {
    {"type", TYPED_TEXT, offsetof(struct authorization_fields, type)},
    {"credentials", TYPED_TEXT, offsetof(struct authorization_fields, credentials)},
    {"credentials_file", TYPED_TEXT, offsetof(struct authorization_fields, credentials_file)},
    {0},
};

struct tls_fields {
    struct typed_text ca, ca_file, cert, cert_file, key, key_file, server_name, min_version, max_version;
    bool insecure_skip_verify;
};
static const struct typed_field tls_fields[] = {
    {"ca", TYPED_TEXT, offsetof(struct tls_fields, ca)},
    {"ca_file", TYPED_TEXT, offsetof(struct tls_fields, ca_file)},
    {"cert", TYPED_TEXT, offsetof(struct tls_fields, cert)},
    {"cert_file", TYPED_TEXT, offsetof(struct tls_fields, cert_file)},
    {"key", TYPED_TEXT, offsetof(struct tls_fields, key)},
    {"key_file", TYPED_TEXT, offsetof(struct tls_fields, key_file)},
    {"server_name", TYPED_TEXT, offsetof(struct tls_fields, server_name)},
    {"insecure_skip_verify", TYPED_BOOL, offsetof(struct tls_fields, insecure_skip_verify)},
    {"min_version", TYPED_TEXT, offsetof(struct tls_fields, min_version)},
    {"max_version", TYPED_TEXT, offsetof(struct tls_fields, max_version)},
    {0},
};

static void problem(struct typed_yaml *yaml, const struct yaml_node *node, const char *text)
{
    rule_problem_add(yaml->problems, false, node->key_line, node->key_column, "%s", text);
}

static const char *text_of(struct typed_yaml *yaml, const struct typed_text *text)
{
    return text->text.n == 0 ? NULL : arena_str(yaml->arena, text->text);
}

const char *http_client_path(struct arena *arena, const char *dir, struct sv path)
{
    if (path.n == 0)
        return NULL;
    if (path.p[0] == '/' || dir == NULL || dir[0] == '\0')
        return arena_str(arena, path);
    return arena_printf(arena, "%s/%.*s", dir, SV_FMT(path)).p;
}

static void read_basic(struct typed_yaml *yaml, const struct yaml_node *node, const char *dir,
                       struct http_client *ret)
{
    struct basic_fields f = {0};
    typed_map(yaml, node, basic_fields, "basic_auth", &f);
    if (f.username.text.n > 0 && f.username_file.text.n > 0)
        problem(yaml, node, "at most one of basic_auth username & username_file must be configured");
    if (f.password.text.n > 0 && f.password_file.text.n > 0)
        problem(yaml, node, "at most one of basic_auth password & password_file must be configured");
    ret->basic = true;
    ret->username = text_of(yaml, &f.username);
    ret->password = text_of(yaml, &f.password);
    ret->username_file = http_client_path(yaml->arena, dir, f.username_file.text);
    ret->password_file = http_client_path(yaml->arena, dir, f.password_file.text);
}

static void read_authorization(struct typed_yaml *yaml, const struct yaml_node *node, const char *dir,
                               struct http_client *ret)
{
    struct authorization_fields f = {0};
    typed_map(yaml, node, authorization_fields, "authorization", &f);
    if (f.credentials.text.n > 0 && f.credentials_file.text.n > 0)
        problem(yaml, node, "at most one of authorization credentials & credentials_file must be configured");
    if (sv_eq_nocase(sv_trim(f.type.text), SV("basic")))
        problem(yaml, node, "authorization type cannot be set to \"basic\", use \"basic_auth\" instead");
    ret->auth_type = f.type.text.n == 0 ? "Bearer" : text_of(yaml, &f.type);
    ret->credentials = text_of(yaml, &f.credentials);
    ret->credentials_file = http_client_path(yaml->arena, dir, f.credentials_file.text);
}

static long version_of(struct typed_yaml *yaml, const struct yaml_node *node, const struct typed_text *text,
                       bool max)
{
    static const struct {
        const char *name;
        long min, max;
    } versions[] = {{"TLS10", CURL_SSLVERSION_TLSv1_0, CURL_SSLVERSION_MAX_TLSv1_0},
                    {"TLS11", CURL_SSLVERSION_TLSv1_1, CURL_SSLVERSION_MAX_TLSv1_1},
                    {"TLS12", CURL_SSLVERSION_TLSv1_2, CURL_SSLVERSION_MAX_TLSv1_2},
                    {"TLS13", CURL_SSLVERSION_TLSv1_3, CURL_SSLVERSION_MAX_TLSv1_3}};
    if (text->text.n == 0)
        return 0;
    for (size_t i = 0; i < TC_ARRAY_LEN(versions); i++)
        if (sv_is(text->text, versions[i].name))
            return max ? versions[i].max : versions[i].min;
    rule_problem_add(yaml->problems, false, text->line, text->column,
                     "unknown TLS version: %.*s; TLS10, TLS11, TLS12 and TLS13 are known (%.*s)",
                     SV_FMT(sv_head(text->text, 40)), SV_FMT(node->key));
    return 0;
}

static void read_tls(struct typed_yaml *yaml, const struct yaml_node *node, const char *dir,
                     struct http_client *ret)
{
    struct tls_fields f = {0};
    typed_map(yaml, node, tls_fields, "tls_config", &f);
    if (f.ca.text.n > 0 && f.ca_file.text.n > 0)
        problem(yaml, node, "at most one of ca and ca_file must be configured");
    if (f.cert.text.n > 0 && f.cert_file.text.n > 0)
        problem(yaml, node, "at most one of cert and cert_file must be configured");
    if (f.key.text.n > 0 && f.key_file.text.n > 0)
        problem(yaml, node, "at most one of key and key_file must be configured");
    bool cert = f.cert.text.n + f.cert_file.text.n > 0, key = f.key.text.n + f.key_file.text.n > 0;
    if (cert && !key)
        problem(yaml, node,
                "exactly one of key or key_file must be configured when a client certificate is configured");
    if (key && !cert)
        problem(yaml, node,
                "exactly one of cert or cert_file must be configured when a client key is configured");
    ret->ca = text_of(yaml, &f.ca);
    ret->cert = text_of(yaml, &f.cert);
    ret->key = text_of(yaml, &f.key);
    ret->ca_file = http_client_path(yaml->arena, dir, f.ca_file.text);
    ret->cert_file = http_client_path(yaml->arena, dir, f.cert_file.text);
    ret->key_file = http_client_path(yaml->arena, dir, f.key_file.text);
    ret->server_name = text_of(yaml, &f.server_name);
    ret->insecure_skip_verify = f.insecure_skip_verify;
    ret->min_version = version_of(yaml, node, &f.min_version, false);
    ret->max_version = version_of(yaml, node, &f.max_version, true);
}

static void read_bearer(struct typed_yaml *yaml, const struct http_client_fields *fields, const char *dir,
                        struct http_client *ret)
{
    bool token = fields->bearer_token.text.n > 0, file = fields->bearer_token_file.text.n > 0;
    unsigned line = token ? fields->bearer_token.line : fields->bearer_token_file.line;
    unsigned column = token ? fields->bearer_token.column : fields->bearer_token_file.column;
    if (!token && !file)
        return;
    if (token && file)
        rule_problem_add(yaml->problems, false, line, column,
                         "at most one of bearer_token & bearer_token_file must be configured");
    if (ret->basic)
        rule_problem_add(
            yaml->problems, false, line, column,
            "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured");
    if (ret->auth_type != NULL)
        rule_problem_add(yaml->problems, false, line, column,
                         "authorization is not compatible with bearer_token & bearer_token_file");
    ret->auth_type = "Bearer";
    ret->credentials = text_of(yaml, &fields->bearer_token);
    ret->credentials_file = http_client_path(yaml->arena, dir, fields->bearer_token_file.text);
}

void http_client_read(struct typed_yaml *yaml, const struct http_client_fields *fields, const char *dir,
                      struct http_client *ret)
{
    const struct yaml_node *refused[] = {fields->oauth2.node, fields->proxy_connect_header.node};
    *ret = (struct http_client){.follow_redirects = fields->follow_redirects,
                                .http2 = fields->enable_http2,
                                .proxy_url = text_of(yaml, &fields->proxy_url),
                                .no_proxy = text_of(yaml, &fields->no_proxy),
                                .proxy_from_environment = fields->proxy_from_environment};
    for (size_t i = 0; i < TC_ARRAY_LEN(refused); i++)
        if (refused[i] != NULL)
            rule_problem_add(yaml->problems, false, refused[i]->key_line, refused[i]->key_column,
                             "%.*s is not supported", SV_FMT(refused[i]->key));
    if (fields->http_headers.node != NULL)
        http_headers_read(yaml, fields->http_headers.node, dir, &ret->headers);
    if (fields->basic_auth.node != NULL)
        read_basic(yaml, fields->basic_auth.node, dir, ret);
    if (fields->authorization.node != NULL)
        read_authorization(yaml, fields->authorization.node, dir, ret);
    if (ret->basic && ret->auth_type != NULL)
        problem(yaml, fields->basic_auth.node,
                "at most one of basic_auth, oauth2 & authorization must be configured");
    read_bearer(yaml, fields, dir, ret);
    if (fields->tls_config.node != NULL)
        read_tls(yaml, fields->tls_config.node, dir, ret);
    if (ret->proxy_from_environment && ret->proxy_url != NULL)
        rule_problem_add(yaml->problems, false, fields->proxy_url.line, fields->proxy_url.column,
                         "if proxy_from_environment is configured, proxy_url must not be configured");
    if (ret->no_proxy != NULL && ret->proxy_url == NULL)
        rule_problem_add(yaml->problems, false, fields->no_proxy.line, fields->no_proxy.column,
                         "if no_proxy is configured, proxy_url must also be configured");
}

/* --- asking --- */

/* The text, or what its file holds without white space around it. */
static int secret(const struct fs *fs, const char *text, const char *path, struct buf *out, struct err *err)
{
    buf_clear(out);
    if (path == NULL) {
        buf_str(out, text == NULL ? "" : text);
        return 0;
    }
    int rc = fs_read_file(fs, path, out, err);
    struct sv trimmed = rc == 0 ? sv_trim(buf_view(out)) : (struct sv){0};
    if (rc != 0)
        return rc;
    memmove(out->p, trimmed.p == NULL ? "" : trimmed.p, trimmed.n);
    out->n = trimmed.n;
    return 0;
}

static int apply_authorization(const struct http_client *client, const struct fs *fs, CURL *easy,
                               struct curl_slist **headers, struct err *err)
{
    struct buf user, word;
    int rc = 0;
    buf_init(&user, SECRET_FILE_MAX);
    buf_init(&word, SECRET_FILE_MAX);
    if (client->basic) {
        rc = secret(fs, client->username, client->username_file, &user, err);
        if (rc == 0)
            rc = secret(fs, client->password, client->password_file, &word, err);
        buf_char(&user, '\0');
        buf_char(&word, '\0');
        curl_easy_setopt(easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
        curl_easy_setopt(easy, CURLOPT_USERNAME, user.p);
        curl_easy_setopt(easy, CURLOPT_PASSWORD, word.p);
    } else if (client->auth_type != NULL) {
        char header[HEADER_MAX];
        rc = secret(fs, client->credentials, client->credentials_file, &word, err);
        if (rc == 0 && (size_t)snprintf(header, sizeof header, "Authorization: %s %.*s", client->auth_type,
                                        SV_FMT(buf_view(&word))) >= sizeof header)
            rc = err_set(err, TC_EBOUND, "the credentials are too long");
        if (rc == 0)
            *headers = curl_slist_append(*headers, header);
    }
    buf_free(&user);
    buf_free(&word);
    return rc;
}

static void blob(CURL *easy, CURLoption option, const char *pem)
{
    struct curl_blob b = {(void *)(uintptr_t)pem, strlen(pem), CURL_BLOB_COPY};
    curl_easy_setopt(easy, option, &b);
}

static void apply_tls(const struct http_client *client, CURL *easy)
{
    if (client->ca != NULL)
        blob(easy, CURLOPT_CAINFO_BLOB, client->ca);
    if (client->ca_file != NULL)
        curl_easy_setopt(easy, CURLOPT_CAINFO, client->ca_file);
    if (client->cert != NULL)
        blob(easy, CURLOPT_SSLCERT_BLOB, client->cert);
    if (client->cert_file != NULL)
        curl_easy_setopt(easy, CURLOPT_SSLCERT, client->cert_file);
    if (client->key != NULL)
        blob(easy, CURLOPT_SSLKEY_BLOB, client->key);
    if (client->key_file != NULL)
        curl_easy_setopt(easy, CURLOPT_SSLKEY, client->key_file);
    if (client->insecure_skip_verify) {
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 0L);
        curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 0L);
    }
    if (client->min_version != 0 || client->max_version != 0)
        curl_easy_setopt(easy, CURLOPT_SSLVERSION, client->min_version | client->max_version);
}

/* libcurl names and verifies the host of the URL: with a server_name the URL gets that host, and the
 * connection goes to the real one. */
static void apply_server_name(const struct http_client *client, const char *url, CURL *easy,
                              struct curl_slist **headers, struct curl_slist **connect_to)
{
    CURLU *parts = curl_url();
    char *host = NULL, *port = NULL, *whole = NULL, *shown = NULL, *scheme = NULL;
    char line[HEADER_MAX];
    if (parts != NULL && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK && strcmp(scheme, "https") == 0 &&
        curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_PORT, &shown, CURLU_NO_DEFAULT_PORT) != CURLUE_BAD_PORT_NUMBER &&
        curl_url_set(parts, CURLUPART_HOST, client->server_name, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_URL, &whole, 0) == CURLUE_OK) {
        snprintf(line, sizeof line, "%s:%s:%s:%s", client->server_name, port, host, port);
        *connect_to = curl_slist_append(*connect_to, line);
        snprintf(line, sizeof line, "Host: %s%s%s", host, shown != NULL ? ":" : "",
                 shown != NULL ? shown : "");
        *headers = curl_slist_append(*headers, line);
        curl_easy_setopt(easy, CURLOPT_CONNECT_TO, *connect_to);
        curl_easy_setopt(easy, CURLOPT_URL, whole);
    }
    curl_free(host);
    curl_free(port);
    curl_free(whole);
    curl_free(shown);
    curl_free(scheme);
    curl_url_cleanup(parts);
}

int http_client_apply(const struct http_client *client, const struct fs *fs, const char *url, CURL *easy,
                      struct curl_slist **headers, struct curl_slist **connect_to, struct err *err)
{
    int rc = apply_authorization(client, fs, easy, headers, err);
    if (rc == 0)
        rc = http_headers_apply(&client->headers, fs, headers, err);
    if (rc != 0)
        return rc;
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, client->follow_redirects ? 1L : 0L);
    curl_easy_setopt(easy, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION,
                     client->http2 ? (long)CURL_HTTP_VERSION_2TLS : (long)CURL_HTTP_VERSION_1_1);
    if (!client->proxy_from_environment)
        curl_easy_setopt(easy, CURLOPT_PROXY, client->proxy_url == NULL ? "" : client->proxy_url);
    if (client->no_proxy != NULL)
        curl_easy_setopt(easy, CURLOPT_NOPROXY, client->no_proxy);
    apply_tls(client, easy);
    if (client->server_name != NULL)
        apply_server_name(client, url, easy, headers, connect_to);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *headers);
    return 0;
}
