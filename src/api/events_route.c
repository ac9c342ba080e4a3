/*
 * POST /v1/events: a body of events in, an answer only once they are on stable storage.
 *
 *   head: type, encoding, key -> body -> unpack -> intake (parse, redact) -> append -> wait -> 200
 *
 * What the batch cost is forgotten before the wait: the journal has copied the blocks, the answer is written,
 * and only a small `pending` (pending.c) lives until the journal's word.
 *
 * Repeats. The key of a batch is the hash of source and Idempotency-Key, or of source and body where every
 * event bears its own time (equal events without a time are two events). A key that the journal has seen is
 * answered as the first time, with Idempotent-Replayed: true.
 */
#include "api/api_priv.h"

#include "base/json_out.h"
#include "base/unpack.h"

#include <stdlib.h>

enum {
    KEY_BYTES_MAX = 255,
    EXPANSION_MAX = 100, /* unpacked to packed, past the first MiB */
    BLOCKS_PER_BODY = 4, /* parsed events take more room than their text; bound of a batch in bodies */
    BLOCKS_BYTES_MAX = 60 << 20, /* and in all: less than a frame of the journal holds */
    KEEP_BYTES = 16 << 20,
};

/* --- the head --------------------------------------------------------------------------------------------
 */

static bool is_one_of(struct sv word, const char *const words[])
{
    for (; *words != NULL; words++)
        if (sv_eq_nocase(word, sv_of(*words)))
            return true;
    return word.n == 0;
}

static bool key_is_good(struct sv key)
{
    for (size_t i = 0; i < key.n; i++)
        if (key.p[i] < 0x20 || key.p[i] > 0x7e)
            return false;
    return key.p == NULL || (key.n > 0 && key.n <= KEY_BYTES_MAX);
}

void events_begin(struct api *api, struct request *request, struct reply *reply)
{
    static const char *const types[] = {"application/json", "application/x-ndjson", "application/ndjson",
                                        "application/jsonl", NULL};
    static const char *const encodings[] = {"identity", "gzip", "x-gzip", "zstd", NULL};
    struct sv type = request_header(request, "Content-Type");
    if (!is_one_of(sv_trim(sv_head(type, sv_find_char(type, ';'))), types)) {
        reply_error(reply, 415,
                    "events are JSON: send Content-Type application/json or application/x-ndjson, or none");
    } else if (!is_one_of(request_header(request, "Content-Encoding"), encodings)) {
        reply_error(reply, 415, "this Content-Encoding is not known: send gzip, zstd, or none");
        reply_header(reply, "Accept-Encoding", "gzip, zstd");
    } else if (!key_is_good(request_header(request, "Idempotency-Key"))) {
        reply_error(reply, 400, "Idempotency-Key must be 1 to %d printable ASCII characters", KEY_BYTES_MAX);
    } else if (api->options.ready != NULL && !api->options.ready(api->options.context)) {
        reply_error(reply, 503,
                    "Tocsin is not ready (it is starting, or has stopped judging after an error that "
                    "its log names): send this again later");
    }
}

/* --- benches: scratch of a parse, kept between requests --------------------------------------------------
 */

static struct workbench *bench_take(struct api *api)
{
    pthread_mutex_lock(&api->lock);
    struct workbench *bench = api->benches;
    if (bench != NULL)
        api->benches = bench->next;
    pthread_mutex_unlock(&api->lock);
    if (bench != NULL)
        return bench;
    bench = tc_alloc(sizeof *bench);
    intake_batch_init(&bench->batch,
                      TC_MIN(BLOCKS_PER_BODY * api->options.max_body_bytes, (size_t)BLOCKS_BYTES_MAX));
    buf_init(&bench->unpacked, api->options.max_body_bytes);
    return bench;
}

static void shrink(struct buf *buf)
{
    size_t max_bytes = buf->max_bytes;
    buf_clear(buf);
    if (buf->capacity <= KEEP_BYTES)
        return;
    buf_free(buf);
    buf_init(buf, max_bytes);
}

static void bench_give(struct api *api, struct workbench *bench)
{
    intake_batch_clear(&bench->batch);
    shrink(&bench->batch.blocks);
    shrink(&bench->unpacked);
    pthread_mutex_lock(&api->lock);
    bench->next = api->benches;
    api->benches = bench;
    pthread_mutex_unlock(&api->lock);
}

void workbench_free_all(struct api *api)
{
    while (api->benches != NULL) {
        struct workbench *bench = api->benches;
        api->benches = bench->next;
        intake_batch_free(&bench->batch);
        buf_free(&bench->unpacked);
        free(bench);
    }
}

/* --- the body --------------------------------------------------------------------------------------------
 */

/* The body as text in *ret; else the reply is filled. */
static bool unpack(const struct request *request, struct workbench *bench, struct sv *ret,
                   struct reply *reply)
{
    struct sv encoding = request_header(request, "Content-Encoding"), body = buf_view(&request->body);
    struct err err = {0};
    *ret = body;
    if (encoding.n == 0 || sv_eq_nocase(encoding, SV("identity")))
        return true;
    bool zstd = sv_eq_nocase(encoding, SV("zstd"));
    if (body.n > 0 && !sv_starts(body, zstd ? SV("\x28\xb5\x2f\xfd") : SV("\x1f\x8b"))) {
        reply_error(reply, 400,
                    "Content-Encoding says %s, but the body is not: send it packed, or leave the "
                    "header out",
                    zstd ? "zstd" : "gzip");
        return false;
    }
    buf_clear(&bench->unpacked);
    int rc = unpack_bytes(body, EXPANSION_MAX, &bench->unpacked, &err);
    if (rc == TC_EBOUND)
        reply_error(reply, 413,
                    "the unpacked body is too long (at most %zu bytes, and %d times its packed "
                    "length): send it in smaller parts",
                    request->api->options.max_body_bytes, EXPANSION_MAX);
    else if (rc != 0)
        reply_error(reply, 400, "the packed body is damaged: %s", err.text);
    *ret = buf_view(&bench->unpacked);
    return rc == 0;
}

/* {"accepted":N,"errors":[{"index","error"}]}; with `problem` as its "error" where nothing was acceptable. */
static void write_answer(struct buf *out, const struct intake_batch *batch, const char *problem)
{
    struct json_out json = json_out_to(out);
    json_object(&json);
    if (problem != NULL)
        json_kv_str(&json, "error", problem);
    json_kv_u64(&json, "accepted", batch->count);
    json_key(&json, SV("errors"));
    json_array(&json);
    for (size_t i = 0; i < batch->error_count; i++) {
        json_object(&json);
        json_kv_u64(&json, "index", batch->errors[i].index);
        json_kv_string(&json, "error", batch->errors[i].text);
        json_object_end(&json);
    }
    json_array_end(&json);
    if (batch->error_total > batch->error_count)
        json_kv_u64(&json, "errors_total", batch->error_total);
    json_object_end(&json);
}

static bool parse(struct request *request, struct workbench *bench, struct sv body, struct reply *reply)
{
    struct err err = {0};
    struct intake_batch *batch = &bench->batch;
    int rc = intake_body(request->api->options.intake, sv_of(request->source), INTAKE_JSON_STRICT, body,
                         batch, &err);
    if (rc != 0) {
        reply_error(reply, rc == TC_EBOUND ? 413 : 400, "%s", err.text);
        return false;
    }
    if (batch->count > 0)
        return true;
    reply_json(reply, 400);
    write_answer(&reply->body, batch,
                 batch->error_total == 0
                     ? "the body holds no event: send a JSON object, an array of them, or one a line"
                     : "no event of this body can be accepted: see errors");
    return false;
}

/*
 * By what the journal knows a repeat: the first half names the batch (source and Idempotency-Key, or source
 * and body), the second is the body's. The tag keeps keys and bodies apart. The name's half is cut from a
 * hash that nobody can find a second text for, so that no source can spoil another's keys.
 */
static void make_key(const struct request *request, struct sv body, struct journal_batch *batch)
{
    struct sv key = request_header(request, "Idempotency-Key"), source = sv_of(request->source);
    struct hash_128 content = hash_128(body);
    struct sha256_ctx sha;
    uint8_t name[TC_SHA256_BYTES];
    sha256_init(&sha);
    sha256_update(&sha, key.p != NULL ? 4 : 5, (const uint8_t *)(key.p != NULL ? "key" : "body"));
    sha256_update(&sha, source.n + 1, (const uint8_t *)source.p);
    if (key.p != NULL)
        sha256_update(&sha, key.n, (const uint8_t *)key.p);
    else
        sha256_update(&sha, sizeof content, (const uint8_t *)&content);
    hash_sha256_final(&sha, name);
    memcpy(batch->key, name, 8);
    store_u64(batch->key + 8, content.low);
    batch->has_key = true;
}

/* --- to the journal --------------------------------------------------------------------------------------
 */

static void finish(struct request *request, int rc, struct reply *reply)
{
    struct api *api = request->api;
    struct pending *pending = request->pending;
    if (rc == TC_EBOUND) {
        reply_error(reply, 507,
                    "the disk is nearly full: nothing of this body was kept; free space, send again");
        return;
    }
    if (rc != 0) {
        reply_error(reply, 503,
                    "the journal could not keep this body: see Tocsin's log, send it again later");
        return;
    }
    api->accepted += pending->replayed ? 0 : pending->accepted;
    api->replays += pending->replayed;
    reply_json(reply, 200);
    buf_sv(&reply->body, buf_view(&request->answer));
    if (pending->replayed)
        reply_header(reply, "Idempotent-Replayed", "true");
}

static void wait_or_finish(struct request *request, struct reply *reply)
{
    int rc = 0;
    switch (pending_wait(request->api, request->pending, &rc)) {
    case PENDING_LATER:
        reply->later = true;
        return;
    case PENDING_DONE:
        finish(request, rc, reply);
        return;
    case PENDING_ABANDONED:
        reply_error(reply, 503,
                    "Tocsin stops before it knows whether this body is kept: send it again with the same "
                    "Idempotency-Key");
        return;
    }
}

static void refuse_append(struct reply *reply, int rc, const struct err *err)
{
    switch (rc) {
    case TC_EAGAIN:
        reply_error(reply, 429, "the journal is behind: send this body again after the time in Retry-After");
        return;
    case TC_EBOUND:
        reply_error(reply, 507,
                    "the disk is nearly full: nothing of this body was kept; free space, send again");
        return;
    case TC_EINPUT:
        reply_error(reply, 413, "%s", err->text);
        return;
    case TC_EDENIED:
        reply_error(
            reply, 422,
            "this Idempotency-Key was used for another body within 15 minutes: nothing of this one was kept; "
            "send it with a key of its own");
        return;
    default:
        reply_error(reply, 503, "the journal does not take events: %s", err->text);
    }
}

static void append(struct request *request, struct workbench *bench, struct sv body, struct reply *reply)
{
    struct api *api = request->api;
    struct intake_batch *made = &bench->batch;
    struct journal_batch batch = {.kind = BATCH_INPUT,
                                  .received = made->received,
                                  .refuse_when_full = true,
                                  .blocks = buf_view(&made->blocks),
                                  .count = made->count};
    uint64_t first = 0;
    struct err err = {0};
    if (made->all_have_time || request_header(request, "Idempotency-Key").p != NULL)
        make_key(request, body, &batch);
    write_answer(&request->answer, made, NULL);
    struct pending *pending = request->pending = pending_new(api, request);
    pending->accepted = made->count;
    int rc = api->options.append(api->options.context, &batch, pending_done, pending, &first, &err);
    pending->replayed = rc == TC_EEXIST;
    if (rc == 0 || rc == TC_EEXIST)
        return;
    pending_cancel(pending);
    pending_release(api, &request->pending);
    refuse_append(reply, rc, &err);
}

void events_take(struct api *api, struct request *request, events_convert_fn convert, struct reply *reply)
{
    if (request->pending == NULL) {
        struct workbench *bench = bench_take(api);
        struct buf converted;
        struct sv body;
        buf_init(&converted, 2 * api->options.max_body_bytes);
        api->bytes_received += request->body.n;
        bool good = unpack(request, bench, &body, reply);
        if (good && convert != NULL) {
            good = convert(request, body, &converted, reply);
            body = buf_view(&converted);
        }
        if (good && parse(request, bench, body, reply))
            append(request, bench, body, reply);
        buf_free(&converted);
        bench_give(api, bench);
    }
    if (request->pending != NULL)
        wait_or_finish(request, reply);
}

void events_handle(struct api *api, struct request *request, struct reply *reply)
{
    events_take(api, request, NULL, reply);
}
