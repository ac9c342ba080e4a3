/*
 * One scrape's HTTP exchange; see manager_priv.h. Failures are told in Prometheus' words where it has some.
 */
#include "metrics/scrape/manager_priv.h"

#include <stdio.h>

static size_t take_body(char *bytes, size_t size, size_t n, void *context)
{
    struct scrape_target *target = context;
    struct scrape_transfer *t = &target->transfer;
    struct scrape_manager *m = target->manager;
    n *= size;
    t->too_long = t->body.n + n > t->body_max;
    t->no_room = !t->too_long && m->body_bytes + n > SCRAPE_BODIES_BYTES_MAX;
    if (t->too_long || t->no_room)
        return 0;
    m->body_bytes += n;
    buf_add(&t->body, bytes, n);
    return n;
}

/* Keeps what stands behind HTTP/1.1 in the newest status line (redirects have theirs). */
static size_t take_header(char *bytes, size_t size, size_t n, void *context)
{
    struct scrape_target *target = context;
    struct sv line = sv_trim(sv_make(bytes, size * n));
    if (sv_starts(line, SV("HTTP/"))) {
        (void)sv_cut(&line, ' ');
        snprintf(target->transfer.reason, sizeof target->transfer.reason, "%.*s", SV_FMT(sv_head(line, 60)));
    }
    return size * n;
}

static void add_headers(struct scrape_target *target)
{
    const struct scrape_job *job = target->job->config;
    struct scrape_transfer *t = &target->transfer;
    char line[1024];
    snprintf(line, sizeof line, "Accept: %s", job->accept);
    t->headers = curl_slist_append(t->headers, line);
    t->headers = curl_slist_append(t->headers, "User-Agent: Tocsin/" TC_VERSION);
    snprintf(line, sizeof line, "X-Prometheus-Scrape-Timeout-Seconds: %g",
             (double)target->made.timeout_ns / (double)TC_SECOND_NS);
    t->headers = curl_slist_append(t->headers, line);
}

int transfer_start(struct scrape_target *target, int64_t t_ms, struct err *err)
{
    struct scrape_manager *m = target->manager;
    const struct scrape_job *job = target->job->config;
    struct scrape_transfer *t = &target->transfer;
    *t = (struct scrape_transfer){
        .easy = curl_easy_init(), .t_ms = t_ms, .started_mono_ns = clk_monotonic_ns(m->options.clk)};
    if (t->easy == NULL)
        return err_set(err, TC_EIO, "cannot make a transfer");
    t->body_max = job->body_size_limit == 0
                      ? SCRAPE_BODY_BYTES_MAX
                      : (size_t)TC_MIN(job->body_size_limit, (uint64_t)SCRAPE_BODY_BYTES_MAX);
    buf_init(&t->body, t->body_max);
    add_headers(target);
    int rc = http_client_apply(&job->client, m->options.fs, target->made.url, t->easy, &t->headers,
                               &t->connect_to, err);
    if (rc != 0)
        return rc;
    curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS,
                     (long)TC_MAX(target->made.timeout_ns / 1000000, (int64_t)1));
    curl_easy_setopt(t->easy, CURLOPT_ERRORBUFFER, t->error);
    curl_easy_setopt(t->easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(t->easy, CURLOPT_WRITEDATA, target);
    curl_easy_setopt(t->easy, CURLOPT_HEADERFUNCTION, take_header);
    curl_easy_setopt(t->easy, CURLOPT_HEADERDATA, target);
    curl_easy_setopt(t->easy, CURLOPT_PRIVATE, target);
    if (job->compression)
        curl_easy_setopt(t->easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    if (curl_multi_add_handle(m->multi, t->easy) != CURLM_OK)
        return err_set(err, TC_EIO, "cannot begin a transfer");
    t->added = true;
    m->under_way++;
    return 0;
}

const char *transfer_failure(struct scrape_target *target, CURLcode code, char *text, size_t size)
{
    struct scrape_transfer *t = &target->transfer;
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->too_long)
        snprintf(text, size, "body size limit exceeded");
    else if (t->no_room)
        snprintf(text, size, "too many bytes of bodies are under way");
    else if (code == CURLE_OPERATION_TIMEDOUT)
        snprintf(text, size, "Get \"%.500s\": context deadline exceeded", target->made.url);
    else if (code != CURLE_OK)
        snprintf(text, size, "Get \"%.500s\": %s", target->made.url,
                 t->error[0] != '\0' ? t->error : curl_easy_strerror(code));
    else if (status != 200)
        snprintf(text, size, "server returned HTTP status %s", t->reason);
    else
        return NULL;
    return text;
}

struct sv transfer_content_type(const struct scrape_target *target)
{
    const char *type = NULL;
    curl_easy_getinfo(target->transfer.easy, CURLINFO_CONTENT_TYPE, &type);
    return sv_of(type);
}

void transfer_end(struct scrape_target *target)
{
    struct scrape_transfer *t = &target->transfer;
    struct scrape_manager *m = target->manager;
    if (t->easy == NULL)
        return;
    if (t->added) {
        curl_multi_remove_handle(m->multi, t->easy);
        m->under_way--;
    }
    m->body_bytes -= t->body.n;
    curl_easy_cleanup(t->easy);
    curl_slist_free_all(t->headers);
    curl_slist_free_all(t->connect_to);
    buf_free(&t->body);
    *t = (struct scrape_transfer){0};
}
