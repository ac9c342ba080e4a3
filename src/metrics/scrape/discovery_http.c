/*
 * http_sd_configs: a body of target groups as JSON. See discovery_priv.h.
 */
#include "metrics/scrape/discovery_priv.h"

#include "base/address.h"

#include <stdlib.h>

enum { TIMEOUT_MAX_S = 60 };

static size_t take(char *bytes, size_t size, size_t n, void *context)
{
    struct buf *body = context;
    buf_add(body, bytes, size * n);
    return body->overflow ? 0 : size * n;
}

/* libcurl calls it about once a second, and gives up where it does not return 0. */
static int give_up(void *context, curl_off_t a, curl_off_t b, curl_off_t c, curl_off_t d)
{
    const atomic_bool *ending = context;
    (void)a, (void)b, (void)c, (void)d;
    return atomic_load(ending);
}

static int read_answer(const struct http_sd *config, CURL *easy, struct sv body, struct held_groups **ret,
                       struct err *err)
{
    long status = 0;
    const char *type = NULL;
    curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(easy, CURLINFO_CONTENT_TYPE, &type);
    struct sv kind = sv_of(type);
    kind = sv_trim(sv_head(kind, sv_find_char(kind, ';')));
    if (status != 200)
        return err_set(err, TC_EINPUT, "server returned HTTP status %ld", status);
    if (!sv_eq_nocase(kind, SV("application/json")))
        return err_set(err, TC_EINPUT, "unsupported content type \"%.*s\"", SV_FMT(sv_head(kind, 100)));
    struct held_groups *held = tc_alloc(sizeof *held);
    struct sv url = address_shown_url(&held->arena, sv_of(config->url));
    struct label from = {SV("__meta_url"), url};
    int rc =
        target_groups_parse(&held->arena, arena_sv(&held->arena, body), url.p, &from, &held->groups, err);
    if (rc == 0)
        *ret = held;
    else
        held_groups_free(&held);
    return rc;
}

int discovery_refresh_http(const struct http_sd *config, const struct fs *fs, const atomic_bool *ending,
                           struct held_groups **ret, struct err *err)
{
    struct curl_slist *headers = NULL, *connect_to = NULL;
    struct arena arena = {0};
    struct buf body;
    char header[128];
    CURL *easy = curl_easy_init();
    if (easy == NULL)
        return err_set(err, TC_EIO, "cannot make a transfer");
    buf_init(&body, TARGET_GROUP_BYTES_MAX);
    snprintf(header, sizeof header, "X-Prometheus-Refresh-Interval-Seconds: %g",
             (double)config->refresh_ns / (double)TC_SECOND_NS);
    headers = curl_slist_append(headers, "Accept: application/json");
    headers = curl_slist_append(headers, "User-Agent: Tocsin/" TC_VERSION);
    headers = curl_slist_append(headers, header);
    int rc = http_client_apply(&config->client, fs, config->url, easy, &headers, &connect_to, err);
    if (rc == 0) {
        int64_t seconds = TC_MIN(config->refresh_ns / TC_SECOND_NS, (int64_t)TIMEOUT_MAX_S);
        curl_easy_setopt(easy, CURLOPT_TIMEOUT, (long)TC_MAX(seconds, (int64_t)1));
        curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take);
        curl_easy_setopt(easy, CURLOPT_WRITEDATA, &body);
        curl_easy_setopt(easy, CURLOPT_XFERINFOFUNCTION, give_up);
        curl_easy_setopt(easy, CURLOPT_XFERINFODATA, (void *)(uintptr_t)ending);
        curl_easy_setopt(easy, CURLOPT_NOPROGRESS, 0L);
        CURLcode code = curl_easy_perform(easy);
        rc = code == CURLE_OK
                 ? read_answer(config, easy, buf_view(&body), ret, err)
                 : err_set(err, TC_EIO, "cannot ask %s: %s", address_shown_url(&arena, sv_of(config->url)).p,
                           body.overflow ? "the answer is too long" : curl_easy_strerror(code));
    }
    curl_easy_cleanup(easy);
    curl_slist_free_all(headers);
    curl_slist_free_all(connect_to);
    buf_free(&body);
    arena_free(&arena);
    return rc;
}
