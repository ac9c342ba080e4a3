/*
 * POST /api/v1/write: Prometheus remote write 1.0 and 2.0, answered only once its samples are on stable
 * storage.
 *
 *   head: type, encoding -> body -> snappy -> check -> append -> wait -> 204
 *
 * As the protocol wants it: 400 where a sample cannot be taken, with the others kept, so that a sender does
 * not repeat what will never be taken; 415 for another message or encoding; 429 and 503 where it may try
 * again. Messages 2.0 are told what was written.
 */
#include "api/api_priv.h"

#include "metrics/remote/remote_write.h"
#include "metrics/remote/snappy.h"

#include <stdio.h>

enum { FUTURE_MS = 10 * 60 * 1000 /* samples further ahead are refused, as Prometheus does */ };

void write_begin(struct api *api, struct request *request, struct reply *reply)
{
    enum remote_write_version version;
    if (api->options.tsdb == NULL)
        reply_error(reply, 404, "metrics are off: set metrics.enabled in the configuration");
    else if (!remote_write_version_of(request_header(request, "Content-Type"), &version))
        reply_error(reply, 415,
                    "remote write is Content-Type application/x-protobuf, of prometheus.WriteRequest or "
                    "io.prometheus.write.v2.Request");
    else if (!sv_eq_nocase(request_header(request, "Content-Encoding"), SV("snappy")))
        reply_error(reply, 415, "remote write is Content-Encoding snappy");
}

static void written(struct reply *reply, const struct write_result *result)
{
    char text[32];
    if (!result->version_2)
        return;
    snprintf(text, sizeof text, "%llu", (unsigned long long)result->samples);
    reply_header(reply, "X-Prometheus-Remote-Write-Samples-Written", text);
    snprintf(text, sizeof text, "%llu", (unsigned long long)result->histograms);
    reply_header(reply, "X-Prometheus-Remote-Write-Histograms-Written", text);
    snprintf(text, sizeof text, "%llu", (unsigned long long)result->exemplars);
    reply_header(reply, "X-Prometheus-Remote-Write-Exemplars-Written", text);
}

static void durable(void *context, int rc)
{
    pending_done(context, rc, 0);
}

static void append(struct api *api, struct request *request, enum remote_write_version version,
                   struct sv message, struct reply *reply)
{
    struct tsdb_appender appender;
    struct remote_write got;
    struct err err = {0};
    char source[TSDB_SOURCE_NAME_MAX];
    snprintf(source, sizeof source, "write:%s", request->source == NULL ? "" : request->source);
    unsigned number = tsdb_source(api->options.tsdb, sv_of(source));
    int64_t now_ms = clk_now(api->options.clk).ns / 1000000;
    int rc = tsdb_begin(api->options.tsdb, number, now_ms + FUTURE_MS, &appender, &err);
    if (rc != 0) {
        reply_error(reply, rc == TC_EAGAIN ? 429 : 503, "%s", err.text);
        return;
    }
    remote_write_append(version, message, &appender, &got);
    request->write = (struct write_result){.version_2 = version == REMOTE_WRITE_2,
                                           .samples = got.samples,
                                           .histograms = got.histograms,
                                           .exemplars = got.exemplars,
                                           .refused = got.refused};
    if (got.refused > 0)
        buf_printf(&request->answer, "%llu samples were not taken; the first: %s",
                   (unsigned long long)got.refused, got.text);
    request->pending = pending_new(api, request);
    tsdb_commit(&appender, durable, request->pending);
    if (api->options.metadata != NULL)
        remote_write_metadata(version, message, api->options.metadata);
}

static void finish(struct request *request, int rc, struct reply *reply)
{
    const struct write_result *result = &request->write;
    if (rc != 0) {
        reply_error(reply, 503,
                    rc == TC_EBOUND ? "the disk is full: send this again later"
                                    : "the log of samples could not keep this: see Tocsin's log");
        return;
    }
    written(reply, result);
    if (result->refused == 0) {
        reply->status = 204;
        return;
    }
    reply_error(reply, 400, "%.*s", SV_FMT(buf_view(&request->answer)));
}

void write_handle(struct api *api, struct request *request, struct reply *reply)
{
    int rc = 0;
    if (request->pending == NULL) {
        enum remote_write_version version;
        struct buf message;
        struct err err = {0};
        (void)remote_write_version_of(request_header(request, "Content-Type"), &version);
        buf_init(&message, api->options.max_body_bytes);
        rc = snappy_unpack(buf_view(&request->body), &message, &err);
        if (rc == 0)
            rc = remote_write_check(version, buf_view(&message), &err);
        if (rc == 0)
            append(api, request, version, buf_view(&message), reply);
        else
            reply_error(reply, rc == TC_EBOUND ? 413 : 400, "%s", err.text);
        buf_free(&message);
    }
    if (request->pending == NULL)
        return;
    switch (pending_wait(api, request->pending, &rc)) {
    case PENDING_LATER:
        reply->later = true;
        return;
    case PENDING_DONE:
        finish(request, rc, reply);
        return;
    case PENDING_ABANDONED:
        reply_error(reply, 503, "Tocsin stops before it knows whether this is kept: send it again");
        return;
    }
}
