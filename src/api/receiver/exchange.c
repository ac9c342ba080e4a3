/*
 * libcurl's options for requests and mails; see exchange.h.
 *
 * Debian's libcurl speaks TLS by GnuTLS, which takes certificates and keys as files only. What the
 * configuration has inline is therefore put into memory files (memfd_create), which no disk ever sees.
 */
#include "api/receiver/exchange.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { REDIRECTS_MAX = 10, PATH_BYTES = 4096 };

/* --- the pool --- */

static struct exchange *take_exchange(struct exchange_pool *pool)
{
    struct exchange *e = pool->free;
    if (e == NULL) {
        e = tc_alloc(sizeof *e);
        buf_init(&e->answer, EXCHANGE_ANSWER_MAX_BYTES);
        e->easy = curl_easy_init();
        if (e->easy == NULL) {
            free(e);
            return NULL;
        }
    } else {
        pool->free = e->next;
    }
    for (size_t i = 0; i < TC_ARRAY_LEN(e->memory_files); i++)
        e->memory_files[i] = -1;
    return e;
}

void exchange_end(struct exchange_pool *pool, struct exchange *e)
{
    curl_easy_reset(e->easy);
    curl_slist_free_all(e->headers);
    curl_slist_free_all(e->proxy_headers);
    curl_slist_free_all(e->recipients);
    curl_slist_free_all(e->connect_to);
    e->headers = e->proxy_headers = e->recipients = e->connect_to = NULL;
    for (size_t i = 0; i < TC_ARRAY_LEN(e->memory_files); i++)
        if (e->memory_files[i] >= 0)
            close(e->memory_files[i]);
    buf_clear(&e->answer);
    e->next = pool->free;
    pool->free = e;
}

void exchange_pool_free(struct exchange_pool *pool)
{
    for (struct exchange *e = pool->free, *next; e != NULL; e = next) {
        next = e->next;
        curl_easy_cleanup(e->easy);
        buf_free(&e->answer);
        free(e);
    }
    pool->free = NULL;
}

/* --- options --- */

/* libcurl wants texts with a zero at their end; it copies them. Secrets do not stay behind. */
static bool set_text(CURL *easy, CURLoption option, struct sv text)
{
    if (text.n == 0)
        return true;
    char *copy = tc_alloc(text.n + 1);
    memcpy(copy, text.p, text.n);
    CURLcode rc = curl_easy_setopt(easy, option, copy);
    explicit_bzero(copy, text.n);
    free(copy);
    return rc == CURLE_OK;
}

static bool set_long(CURL *easy, CURLoption option, long value)
{
    return curl_easy_setopt(easy, option, value) == CURLE_OK;
}

/* A header that is not one line would be two. */
static bool add_line(struct curl_slist **list, struct sv line)
{
    if (sv_find_char(line, '\n') < line.n || sv_find_char(line, '\r') < line.n)
        return false;
    char *copy = tc_alloc(line.n + 1);
    memcpy(copy, line.p, line.n);
    struct curl_slist *longer = curl_slist_append(*list, copy);
    explicit_bzero(copy, line.n);
    free(copy);
    if (longer != NULL)
        *list = longer;
    return longer != NULL;
}

/* A file's path, or that of a memory file with `pem` in it. */
static bool set_file(struct exchange *e, size_t index, CURLoption option, struct sv path, struct sv pem)
{
    char name[64];
    if (pem.n == 0)
        return set_text(e->easy, option, path);
    int file = e->memory_files[index] = memfd_create("pem", MFD_CLOEXEC);
    if (file < 0 || write(file, pem.p, pem.n) != (ssize_t)pem.n)
        return false;
    snprintf(name, sizeof name, "/proc/self/fd/%d", file);
    return curl_easy_setopt(e->easy, option, name) == CURLE_OK;
}

static bool set_tls_versions(CURL *easy, const struct courier_client *client)
{
    static const long lowest[] = {CURL_SSLVERSION_TLSv1_0, CURL_SSLVERSION_TLSv1_1, CURL_SSLVERSION_TLSv1_2,
                                  CURL_SSLVERSION_TLSv1_3},
                      highest[] = {CURL_SSLVERSION_MAX_TLSv1_0, CURL_SSLVERSION_MAX_TLSv1_1,
                                   CURL_SSLVERSION_MAX_TLSv1_2, CURL_SSLVERSION_MAX_TLSv1_3};
    unsigned min = client->min_tls >= 10 ? client->min_tls : 12; /* as Go's default */
    if (client->min_tls == 0 && client->max_tls > 0 && client->max_tls < min)
        min = client->max_tls;
    long versions = lowest[TC_MIN(min - 10, 3u)];
    if (client->max_tls >= 10)
        versions |= highest[TC_MIN(client->max_tls - 10, 3u)];
    return set_long(easy, CURLOPT_SSLVERSION, versions);
}

static bool set_tls(struct exchange *e, const struct courier_client *client)
{
    CURL *easy = e->easy;
    return set_long(easy, CURLOPT_SSL_VERIFYPEER, client->skip_verify ? 0 : 1) &&
           set_long(easy, CURLOPT_SSL_VERIFYHOST, client->skip_verify ? 0 : 2) &&
           set_tls_versions(easy, client) &&
           set_file(e, 0, CURLOPT_CAINFO, client->ca_file, client->ca_pem) &&
           set_file(e, 1, CURLOPT_SSLCERT, client->cert_file, client->cert_pem) &&
           set_file(e, 2, CURLOPT_SSLKEY, client->key_file, client->key_pem);
}

/* libcurl takes http_proxy in small letters only (https://httpoxy.org); Go takes both outside of CGI. */
static const char *environment_proxy(struct sv url)
{
    const char *proxy =
        sv_starts(url, SV("http:")) && getenv("http_proxy") == NULL && getenv("REQUEST_METHOD") == NULL
            ? getenv("HTTP_PROXY")
            : NULL;
    return proxy;
}

static bool set_proxy(struct exchange *e, const struct courier_client *client, struct sv url)
{
    CURL *easy = e->easy;
    if (client->proxy_from_environment) {
        const char *proxy = environment_proxy(url);
        return proxy == NULL || curl_easy_setopt(easy, CURLOPT_PROXY, proxy) == CURLE_OK;
    }
    if (client->proxy_url.n == 0) /* none, whatever the environment says */
        return curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
               curl_easy_setopt(easy, CURLOPT_NOPROXY, "*") == CURLE_OK;
    bool ok = set_text(easy, CURLOPT_PROXY, client->proxy_url);
    if (client->no_proxy.n > 0)
        ok = ok && set_text(easy, CURLOPT_NOPROXY, client->no_proxy);
    else
        ok = ok && curl_easy_setopt(easy, CURLOPT_NOPROXY, "") == CURLE_OK;
    for (size_t i = 0; i < client->proxy_header_count && ok; i++)
        ok = add_line(&e->proxy_headers, client->proxy_headers[i]);
    if (e->proxy_headers != NULL)
        ok = ok && curl_easy_setopt(easy, CURLOPT_PROXYHEADER, e->proxy_headers) == CURLE_OK;
    return ok && set_long(easy, CURLOPT_HEADEROPT, CURLHEADER_SEPARATE);
}

static size_t take_answer(char *bytes, size_t size, size_t n, void *context)
{
    struct exchange *e = context;
    size_t room = EXCHANGE_ANSWER_MAX_BYTES - e->answer.n, take = TC_MIN(room, size * n);
    buf_add(&e->answer, bytes, take);
    return take; /* short where it is full: libcurl ends the transfer */
}

static bool set_common(struct exchange *e, int64_t timeout_ns)
{
    CURL *easy = e->easy;
    long timeout_ms = (long)TC_MAX(timeout_ns / 1000000, INT64_C(1));
    return set_long(easy, CURLOPT_NOSIGNAL, 1) && set_long(easy, CURLOPT_TIMEOUT_MS, timeout_ms) &&
           set_long(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms) &&
           curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_answer) == CURLE_OK &&
           curl_easy_setopt(easy, CURLOPT_WRITEDATA, e) == CURLE_OK;
}

/* --- requests --- */

/* The certificate is to bear another name than the URL: the URL takes that name, and the connection goes
 * where the URL went. */
static bool set_server_name(struct exchange *e, const struct courier_client *client, struct sv url)
{
    char *host = NULL, *port = NULL, *whole = NULL, text[PATH_BYTES];
    CURLU *parts = curl_url();
    snprintf(text, sizeof text, "%.*s", SV_FMT(url));
    bool ok = parts != NULL && url.n < sizeof text &&
              curl_url_set(parts, CURLUPART_URL, text, 0) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK;
    if (ok) {
        snprintf(text, sizeof text, "Host: %s:%s", host, port);
        ok = add_line(&e->headers, sv_of(text));
        snprintf(text, sizeof text, "::%s:%s", host, port);
        ok = ok && add_line(&e->connect_to, sv_of(text));
        snprintf(text, sizeof text, "%.*s", SV_FMT(client->server_name));
        ok = ok && curl_url_set(parts, CURLUPART_HOST, text, 0) == CURLUE_OK &&
             curl_url_get(parts, CURLUPART_URL, &whole, 0) == CURLUE_OK &&
             curl_easy_setopt(e->easy, CURLOPT_URL, whole) == CURLE_OK &&
             curl_easy_setopt(e->easy, CURLOPT_CONNECT_TO, e->connect_to) == CURLE_OK;
    }
    curl_free(host);
    curl_free(port);
    curl_free(whole);
    curl_url_cleanup(parts);
    return ok;
}

static bool set_headers(struct exchange *e, const struct courier_client *client,
                        const struct courier_request *request)
{
    char line[256];
    bool ok = add_line(&e->headers, SV("Expect:")), own = false; /* a round trip saved */
    if (request->content_type != NULL) {
        snprintf(line, sizeof line, "Content-Type: %s", request->content_type);
        ok = ok && add_line(&e->headers, sv_of(line));
    } else {
        ok = ok && add_line(&e->headers, SV("Content-Type:"));
    }
    for (size_t i = 0; i < request->header_count && ok; i++) {
        own = own || sv_starts(request->headers[i], SV("Authorization:"));
        ok = add_line(&e->headers, request->headers[i]);
    }
    for (size_t i = 0; i < client->header_count && ok; i++)
        ok = add_line(&e->headers, client->headers[i]);
    if (client->authorization.n > 0 && !own) {
        struct buf text;
        buf_init(&text, 1 << 20);
        buf_str(&text, "Authorization: ");
        buf_sv(&text, client->authorization);
        ok = ok && add_line(&e->headers, buf_view(&text));
        explicit_bzero(text.p, text.n);
        buf_free(&text);
    }
    return ok && curl_easy_setopt(e->easy, CURLOPT_HTTPHEADER, e->headers) == CURLE_OK;
}

static bool set_body(CURL *easy, const struct courier_request *request)
{
    if (strcmp(request->method, "GET") == 0)
        return set_long(easy, CURLOPT_HTTPGET, 1);
    bool ok =
        set_long(easy, CURLOPT_POST, 1) &&
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.n) == CURLE_OK &&
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, request->body.n > 0 ? request->body.p : "") == CURLE_OK;
    return ok && (strcmp(request->method, "POST") == 0 ||
                  curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, request->method) == CURLE_OK);
}

struct exchange *exchange_http(struct exchange_pool *pool, const struct courier_client *client,
                               const struct courier_request *request, int64_t timeout_ns)
{
    struct exchange *e = take_exchange(pool);
    if (e == NULL)
        return NULL;
    CURL *easy = e->easy;
    bool https = sv_starts(request->url, SV("https:")), named = client->server_name.n > 0 && https;
    long http = client->no_http2 || !https ? CURL_HTTP_VERSION_1_1 : CURL_HTTP_VERSION_2TLS;
    bool ok = set_common(e, timeout_ns) && set_text(easy, CURLOPT_URL, request->url) &&
              (!named || set_server_name(e, client, request->url)) &&
              curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_USERAGENT, "tocsin/" TC_VERSION) == CURLE_OK &&
              set_long(easy, CURLOPT_HTTP_VERSION, http) &&
              set_long(easy, CURLOPT_FOLLOWLOCATION, client->follow_redirects) &&
              set_long(easy, CURLOPT_MAXREDIRS, REDIRECTS_MAX) && (!https || set_tls(e, client)) &&
              set_proxy(e, client, request->url) && set_headers(e, client, request) &&
              set_body(easy, request);
    if (ok)
        return e;
    exchange_end(pool, e);
    return NULL;
}

/* --- mails --- */

static size_t give_message(char *to, size_t size, size_t n, void *context)
{
    struct exchange *e = context;
    size_t take = TC_MIN(e->message.n, size * n);
    memcpy(to, e->message.p, take);
    e->message = sv_from(e->message, take);
    return take;
}

static bool is_local(struct sv host)
{
    return sv_is(host, "localhost") || sv_is(host, "127.0.0.1") || sv_is(host, "::1");
}

/* Where both a password and a secret are given, attempts take turns: which mechanisms the server has is not
 * known before. As in Go, PLAIN is not said in clear to another host. */
static bool set_login(CURL *easy, const struct courier_mail *mail, unsigned attempt)
{
    if (mail->username.n == 0)
        return true;
    bool by_secret = mail->secret.n > 0 && (mail->password.n == 0 || attempt % 2 == 0);
    bool safe = mail->implicit_tls || mail->require_tls || is_local(mail->host);
    const char *how = by_secret ? "AUTH=CRAM-MD5" : safe ? "AUTH=PLAIN;AUTH=LOGIN" : "AUTH=LOGIN";
    return set_text(easy, CURLOPT_USERNAME, mail->username) &&
           set_text(easy, CURLOPT_PASSWORD, by_secret ? mail->secret : mail->password) &&
           set_text(easy, CURLOPT_SASL_AUTHZID, mail->identity) &&
           curl_easy_setopt(easy, CURLOPT_LOGIN_OPTIONS, how) == CURLE_OK;
}

/* As set_server_name: where the certificate is to bear another name, the URL has that. */
static bool set_envelope(struct exchange *e, const struct courier_mail *mail)
{
    char text[PATH_BYTES], host[264];
    bool bare = mail->host.n > 0 && mail->host.p[0] != '[' && sv_find_char(mail->host, ':') < mail->host.n,
         ok = true;
    struct sv name = mail->tls.server_name, port = sv_head(mail->port, 5);
    snprintf(host, sizeof host, "%s%.*s%s", bare ? "[" : "", SV_FMT(sv_head(mail->host, 255)),
             bare ? "]" : "");
    if (name.n > 0) {
        snprintf(text, sizeof text, "::%s:%.*s", host, SV_FMT(port));
        ok = add_line(&e->connect_to, sv_of(text)) &&
             curl_easy_setopt(e->easy, CURLOPT_CONNECT_TO, e->connect_to) == CURLE_OK;
        snprintf(host, sizeof host, "%.*s", SV_FMT(sv_head(name, 255)));
    }
    snprintf(text, sizeof text, "%s://%s:%.*s/%.*s", mail->implicit_tls ? "smtps" : "smtp", host,
             SV_FMT(port), SV_FMT(sv_head(mail->hello, 255)));
    ok = ok && curl_easy_setopt(e->easy, CURLOPT_URL, text) == CURLE_OK;
    snprintf(text, sizeof text, "<%.*s>", SV_FMT(sv_head(mail->from, 512)));
    ok = ok && curl_easy_setopt(e->easy, CURLOPT_MAIL_FROM, text) == CURLE_OK;
    for (size_t i = 0; i < mail->to_count && ok; i++) {
        snprintf(text, sizeof text, "<%.*s>", SV_FMT(sv_head(mail->to[i], 512)));
        ok = add_line(&e->recipients, sv_of(text));
    }
    return ok && curl_easy_setopt(e->easy, CURLOPT_MAIL_RCPT, e->recipients) == CURLE_OK;
}

struct exchange *exchange_mail(struct exchange_pool *pool, const struct courier_mail *mail, unsigned attempt,
                               int64_t timeout_ns)
{
    struct exchange *e = take_exchange(pool);
    if (e == NULL)
        return NULL;
    CURL *easy = e->easy;
    e->message = mail->message;
    bool ok = set_common(e, timeout_ns) && set_envelope(e, mail) && set_tls(e, &mail->tls) &&
              set_login(easy, mail, attempt) &&
              curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps") == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
              set_long(easy, CURLOPT_USE_SSL,
                       mail->require_tls || mail->implicit_tls ? CURLUSESSL_ALL : CURLUSESSL_NONE) &&
              set_long(easy, CURLOPT_UPLOAD, 1) &&
              curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_message) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_READDATA, e) == CURLE_OK;
    if (ok)
        return e;
    exchange_end(pool, e);
    return NULL;
}

/* --- what came back --- */

struct courier_answer exchange_answer(const struct exchange *e, bool mail, CURLcode outcome)
{
    struct courier_answer answer = {.body = buf_view(&e->answer), .problem = curl_easy_strerror(outcome)};
    long status = 0;
    char *type = NULL;
    curl_easy_getinfo(e->easy, CURLINFO_RESPONSE_CODE, &status);
    if (outcome == CURLE_WRITE_ERROR && e->answer.n == EXCHANGE_ANSWER_MAX_BYTES)
        outcome = CURLE_OK; /* we hung up on a long answer; its status stands */
    if (mail) {
        answer.status = outcome == CURLE_OK ? 250 : 0;
        return answer;
    }
    if (outcome == CURLE_OK && status > 0) {
        answer.status = (unsigned)status;
        curl_easy_getinfo(e->easy, CURLINFO_CONTENT_TYPE, &type);
        answer.content_type = sv_of(type);
    }
    return answer;
}
