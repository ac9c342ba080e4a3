/*
 * Bodies of samples, whatever their form: unpacked, read by their door, appended, and answered once they are
 * on stable storage.
 *
 *   head -> body -> unpack -> door->read -> append -> wait -> door->answer
 */
#include "api/api_priv.h"

#include "base/log.h"
#include "base/metric_text.h"
#include "base/unpack.h"
#include "metrics/intake/samples.h"

#include <stdio.h>
#include <zlib.h>

/* Also what sources are called, beside their token's name. */
static const char *const kind_names[SAMPLES_KINDS] = {[SAMPLES_OTLP] = "otlp",
                                                      [SAMPLES_CLOUDWATCH] = "cloudwatch",
                                                      [SAMPLES_METRIC_STREAM] = "metric-stream",
                                                      [SAMPLES_DATADOG] = "datadog"};

enum { EXPANSION_MAX = 100, FREE_EXPANSION_BYTES = 1 << 20 };

static void refuse(const struct samples_door *door, struct request *request, struct reply *reply,
                   unsigned status, const char *text)
{
    if (door->refuse != NULL)
        door->refuse(request, reply, status, text);
    else
        reply_error(reply, status, "%s", text);
}

void samples_begin(struct api *api, struct request *request, struct reply *reply)
{
    static const char *const encodings[] = {"", "identity", "gzip", "x-gzip", "deflate", "zstd"};
    struct sv encoding = request_header(request, "Content-Encoding");
    bool known = false;
    for (size_t i = 0; i < TC_ARRAY_LEN(encodings); i++)
        known = known || sv_eq_nocase(encoding, sv_of(encodings[i]));
    if (api->options.tsdb == NULL) {
        reply_error(reply, 404, "metrics are off: set metrics.enabled in the configuration");
    } else if (!known) {
        reply_error(reply, 415, "this Content-Encoding is not known: send gzip, deflate, zstd, or none");
        reply_header(reply, "Accept-Encoding", "gzip, deflate, zstd");
    }
}

/* zlib's own format, as HTTP's "deflate" is. */
static int inflate_body(struct sv body, struct buf *out, struct err *err)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)body.p, .avail_in = (uInt)body.n};
    size_t most = TC_MIN(out->max_bytes, TC_MAX(body.n * EXPANSION_MAX, (size_t)FREE_EXPANSION_BYTES));
    int rc = Z_OK;
    if (inflateInit(&z) != Z_OK)
        return err_set(err, TC_EIO, "cannot unpack");
    while (rc == Z_OK) {
        char *room = out->n >= most ? NULL : buf_reserve(out, TC_MIN((size_t)64 << 10, most - out->n));
        if (room == NULL)
            break;
        uInt n = (uInt)TC_MIN((size_t)64 << 10, most - out->n);
        z.next_out = (Bytef *)room;
        z.avail_out = n;
        rc = inflate(&z, Z_NO_FLUSH);
        out->n += n - z.avail_out;
        if (rc == Z_BUF_ERROR)
            rc = Z_DATA_ERROR;
    }
    inflateEnd(&z);
    if (rc == Z_OK)
        return err_set(err, TC_EBOUND, "the unpacked body is too long");
    return rc == Z_STREAM_END ? 0 : err_set(err, TC_EINPUT, "the packed body is damaged");
}

static int unpack_body(const struct request *request, struct buf *unpacked, struct sv *ret, struct err *err)
{
    struct sv encoding = request_header(request, "Content-Encoding"), body = buf_view(&request->body);
    *ret = body;
    if (encoding.n == 0 || sv_eq_nocase(encoding, SV("identity")))
        return 0;
    int rc = sv_eq_nocase(encoding, SV("deflate")) ? inflate_body(body, unpacked, err)
                                                   : unpack_bytes(body, EXPANSION_MAX, unpacked, err);
    *ret = buf_view(unpacked);
    return rc;
}

static void durable(void *context, int rc)
{
    pending_done(context, rc, 0);
}

static void append(struct api *api, struct request *request, const struct samples_door *door,
                   struct sample_list *list, struct reply *reply)
{
    char source[TSDB_SOURCE_NAME_MAX];
    struct err err = {0};
    snprintf(source, sizeof source, "%s:%s", kind_names[door->kind],
             request->source == NULL ? "" : request->source);
    struct sample_target target = {.tsdb = api->options.tsdb,
                                   .deltas = api->options.deltas,
                                   .source = tsdb_source(api->options.tsdb, sv_of(source)),
                                   .now_ms = clk_now(api->options.clk).ns / 1000000};
    struct pending *pending = request->pending = pending_new(api, request);
    int rc = sample_list_append(list, &target, durable, pending, &err);
    if (rc != 0) {
        pending_cancel(pending);
        pending_release(api, &request->pending);
        refuse(door, request, reply, rc == TC_EAGAIN ? 429 : 503, err.text);
        return;
    }
    /* not every protocol has a word for it in its answer */
    atomic_fetch_add(&api->samples_taken[door->kind], list->taken);
    atomic_fetch_add(&api->samples_refused[door->kind], list->refused);
    if (list->refused > 0)
        log_warn("samples", "%s: %llu samples were not taken; the first: %s", source,
                 (unsigned long long)list->refused, list->first);
    request->samples = (struct samples_result){
        .taken = list->taken, .refused = list->refused, .refused_points = list->refused_points};
    snprintf(request->samples.first, sizeof request->samples.first, "%s", list->first);
}

static void take_body(struct api *api, struct request *request, const struct samples_door *door,
                      struct reply *reply)
{
    struct sample_list list = {0};
    struct buf unpacked;
    struct sv body;
    struct err err = {0};
    buf_init(&unpacked, api->options.max_body_bytes);
    int rc = unpack_body(request, &unpacked, &body, &err);
    if (rc != 0)
        refuse(door, request, reply, rc == TC_EBOUND ? 413 : 400, err.text);
    else if (door->read(api, request, body, &list, reply))
        append(api, request, door, &list, reply);
    sample_list_free(&list);
    buf_free(&unpacked);
}

void samples_take(struct api *api, struct request *request, const struct samples_door *door,
                  struct reply *reply)
{
    int rc = 0;
    if (request->pending == NULL)
        take_body(api, request, door, reply);
    if (request->pending == NULL)
        return;
    switch (pending_wait(api, request->pending, &rc)) {
    case PENDING_LATER:
        reply->later = true;
        return;
    case PENDING_DONE:
        if (rc == 0)
            door->answer(request, reply);
        else
            refuse(door, request, reply, 503,
                   rc == TC_EBOUND ? "the disk is full: send this again later"
                                   : "the log of samples could not keep this: see Tocsin's log");
        return;
    case PENDING_ABANDONED:
        refuse(door, request, reply, 503, "Tocsin stops before it knows whether this is kept: send it again");
        return;
    }
}

void samples_metrics(const struct api *api, struct buf *out)
{
    const struct {
        const char *name, *help;
        const atomic_ullong *counts;
    } rows[] = {
        {"tocsin_samples_taken_total", "Samples that were posted and taken, by protocol.",
         api->samples_taken},
        {"tocsin_samples_refused_total",
         "Samples that were posted, could not be read or were not taken, and were left out beside others, by "
         "protocol.",
         api->samples_refused},
    };
    for (size_t r = 0; r < TC_ARRAY_LEN(rows); r++) {
        metric_head(out, rows[r].name, "counter", rows[r].help);
        for (size_t i = 0; i < SAMPLES_KINDS; i++)
            metric_labelled(out, rows[r].name, "protocol", sv_of(kind_names[i]),
                            (double)atomic_load(&rows[r].counts[i]));
    }
}
