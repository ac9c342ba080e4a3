/*
 * Requests to a remote store by libcurl's easy interface; see remote_http.h. Connection and secrets: the
 * handle keeps the first from request to request, the second are read anew for each.
 */
#include "metrics/remote/remote_http.h"

#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct remote_http {
    struct remote_http_options options;
    CURL *easy;
    struct remote_answer answer;
    bool too_long, ended;
    char error[CURL_ERROR_SIZE];
};

struct remote_http *remote_http_new(const struct remote_http_options *options)
{
    struct remote_http *h = tc_alloc(sizeof *h);
    h->options = *options;
    h->easy = curl_easy_init();
    tc_assert(h->easy != NULL); /* out of memory only */
    buf_init(&h->answer.body, options->answer_max);
    return h;
}

void remote_http_free(struct remote_http **http)
{
    struct remote_http *h = *http;
    if (h == NULL)
        return;
    curl_easy_cleanup(h->easy);
    buf_free(&h->answer.body);
    free(h);
    *http = NULL;
}

void remote_http_cancel_by(struct remote_http *http, bool (*cancelled)(void *context), void *context)
{
    http->options.cancelled = cancelled;
    http->options.context = context;
}

static size_t take_body(char *bytes, size_t size, size_t n, void *context)
{
    struct remote_http *h = context;
    buf_add(&h->answer.body, bytes, size * n);
    h->too_long = h->answer.body.overflow;
    return h->too_long ? 0 : size * n;
}

/* Seconds, or a date (RFC 9110, section 10.2.3). */
static int64_t retry_after(struct sv text)
{
    uint64_t seconds;
    char date[64];
    if (num_u64(text, 0, 86400, &seconds))
        return (int64_t)seconds * 1000;
    snprintf(date, sizeof date, "%.*s", SV_FMT(sv_head(text, 60)));
    time_t at = curl_getdate(date, NULL), now = time(NULL);
    return at < 0 ? -1 : TC_MAX((int64_t)(at - now), (int64_t)0) * 1000;
}

static size_t take_header(char *bytes, size_t size, size_t n, void *context)
{
    struct remote_http *h = context;
    struct sv value = sv_make(bytes, size * n), name = sv_cut(&value, ':');
    value = sv_trim(value);
    if (sv_eq_nocase(name, SV("Retry-After")))
        h->answer.retry_after_ms = retry_after(value);
    else if (sv_eq_nocase(name, SV("Content-Type")))
        snprintf(h->answer.content_type, sizeof h->answer.content_type, "%.*s", SV_FMT(sv_head(value, 120)));
    return size * n;
}

static int look(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    struct remote_http *h = context;
    (void)a;
    (void)b;
    (void)c;
    (void)d;
    h->ended = h->options.cancelled != NULL && h->options.cancelled(h->options.context);
    return h->ended;
}

static void prepare(struct remote_http *h, struct sv body)
{
    CURL *easy = h->easy;
    if (body.p != NULL) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, body.p);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.n);
    }
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)h->options.timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)TC_MIN(h->options.timeout_ms, (int64_t)10000));
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, h->error);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, h);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, h);
    curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, look);
    curl_easy_setopt(easy, CURLOPT_XFERINFODATA, h);
    curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
}

static int failure(struct remote_http *h, const char *url, CURLcode code, struct err *err)
{
    /* a part of the URL may be a secret: its host says enough */
    struct sv shown = sv_of(url);
    size_t scheme = sv_find(shown, SV("://")) + 3, host = strcspn(url + scheme, "/?#");
    shown = sv_head(shown, scheme + host);
    size_t user = sv_find_char(shown, '@');
    if (user < shown.n)
        shown = sv_from(shown, user + 1);
    if (h->ended)
        return err_set(err, TC_EAGAIN, "the request to the remote store %.*s was ended", SV_FMT(shown));
    if (h->too_long)
        return err_set(err, TC_EBOUND,
                       "the answer of the remote store %.*s is longer than %zu MiB: ask for less",
                       SV_FMT(shown), h->options.answer_max >> 20);
    return err_set(
        err, TC_EIO,
        "the remote store %.*s does not answer: %s (look at metrics.remote_store, and whether it runs)",
        SV_FMT(shown), h->error[0] != '\0' ? h->error : curl_easy_strerror(code));
}

int remote_http_ask(struct remote_http *h, const char *url, struct sv body, const char *const *headers,
                    struct remote_answer **answer, struct err *err)
{
    struct curl_slist *list = NULL, *connect_to = NULL;
    curl_easy_reset(h->easy);
    buf_clear(&h->answer.body);
    h->answer.status = 0;
    h->answer.retry_after_ms = -1;
    h->answer.content_type[0] = h->error[0] = '\0';
    h->too_long = h->ended = false;
    for (size_t i = 0; headers[i] != NULL; i++)
        list = curl_slist_append(list, headers[i]);
    list = curl_slist_append(list, "User-Agent: Tocsin/" TC_VERSION);
    list = curl_slist_append(list, "Expect:"); /* no round trip before the body */
    int rc = http_client_apply(h->options.client, h->options.fs, url, h->easy, &list, &connect_to, err);
    if (rc == 0) {
        prepare(h, body);
        CURLcode code = curl_easy_perform(h->easy);
        curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &h->answer.status);
        rc = code == CURLE_OK ? 0 : failure(h, url, code, err);
    }
    curl_slist_free_all(list);
    curl_slist_free_all(connect_to);
    *answer = &h->answer;
    return rc;
}
