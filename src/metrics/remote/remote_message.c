/*
 * Writing messages of remote write; see remote_message.h.
 *
 * A nested message stands behind its length. It is written where it belongs with room for the longest length,
 * and moved back once that is known.
 */
#include "metrics/remote/remote_message.h"

#include "base/varint.h"
#include "metrics/remote/protobuf.h"

#include <snappy-c.h>

enum { LENGTH_ROOM = 5 };

static void put_key(struct buf *out, unsigned number, unsigned wire)
{
    buf_varint(out, number << 3 | wire);
}

static void put_bytes(struct buf *out, unsigned number, struct sv bytes)
{
    put_key(out, number, PROTO_BYTES);
    buf_varint(out, bytes.n);
    buf_sv(out, bytes);
}

/* As in protobuf 3, what is zero is not written: but -0 is no zero. */
static void put_double(struct buf *out, unsigned number, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    if (bits == 0)
        return;
    put_key(out, number, PROTO_64);
    buf_u64(out, bits);
}

static void put_varint(struct buf *out, unsigned number, uint64_t v)
{
    if (v == 0)
        return;
    put_key(out, number, PROTO_VARINT);
    buf_varint(out, v);
}

static void put_zigzag(struct buf *out, unsigned number, int64_t v)
{
    put_varint(out, number, varint_fold(v));
}

/* Begins a nested message; the place goes to `end`. */
static size_t begin(struct buf *out, unsigned number)
{
    static const char room[LENGTH_ROOM] = {0};
    put_key(out, number, PROTO_BYTES);
    buf_add(out, room, sizeof room);
    return out->n;
}

static void end(struct buf *out, size_t from)
{
    char length[10];
    struct buf varint = {.p = length, .capacity = sizeof length, .max_bytes = sizeof length};
    if (out->overflow)
        return;
    buf_varint(&varint, out->n - from);
    char *to = out->p + from - LENGTH_ROOM;
    memmove(to + varint.n, out->p + from, out->n - from);
    memcpy(to, length, varint.n);
    out->n -= LENGTH_ROOM - varint.n;
}

static void put_labels(struct buf *out, const struct label *labels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t at = begin(out, 1);
        put_bytes(out, 1, labels[i].name);
        put_bytes(out, 2, labels[i].value);
        end(out, at);
    }
}

static void put_sample(struct buf *out, const struct outgoing_sample *sample)
{
    size_t at = begin(out, 2);
    put_double(out, 1, sample->v);
    put_varint(out, 2, (uint64_t)sample->t);
    end(out, at);
}

static void put_numbers(struct buf *out, unsigned number, const double *values, size_t n)
{
    if (n == 0)
        return;
    size_t at = begin(out, number);
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        buf_u64(out, bits);
    }
    end(out, at);
}

/* Runs of buckets in a row: the distance to the run before (of the first: to 0), and how many. */
static void put_spans(struct buf *out, unsigned number, const struct histogram_side *side)
{
    int64_t next = 0;
    for (size_t i = 0, to; i < side->n; i = to) {
        for (to = i + 1; to < side->n && side->index[to] == side->index[to - 1] + 1; to++) {
        }
        size_t at = begin(out, number);
        put_zigzag(out, 1, side->index[i] - next);
        put_varint(out, 2, to - i);
        end(out, at);
        next = (int64_t)side->index[to - 1] + 1;
    }
}

static void put_histogram(struct buf *out, const struct outgoing_sample *sample)
{
    const struct histogram *h = sample->histogram;
    size_t at = begin(out, 4);
    /* of one of two: it is written also where it is 0, to say that counts are floats */
    uint64_t bits;
    put_key(out, 2, PROTO_64);
    memcpy(&bits, &h->count, sizeof bits);
    buf_u64(out, bits);
    put_double(out, 3, h->sum);
    put_zigzag(out, 4, h->schema);
    put_double(out, 5, h->zero_threshold);
    put_key(out, 7, PROTO_64);
    memcpy(&bits, &h->zero_count, sizeof bits);
    buf_u64(out, bits);
    put_spans(out, 8, &h->negative);
    put_numbers(out, 10, h->negative.count, h->negative.n);
    put_spans(out, 11, &h->positive);
    put_numbers(out, 13, h->positive.count, h->positive.n);
    put_varint(out, 14, (uint64_t)h->hint);
    put_varint(out, 15, (uint64_t)sample->t);
    put_numbers(out, 16, h->bounds, h->bound_count);
    end(out, at);
}

void remote_message_series(struct buf *out, const struct outgoing_series *series)
{
    size_t at = begin(out, 1);
    put_labels(out, series->labels, series->label_count);
    for (size_t i = 0; i < series->sample_count; i++)
        if (series->samples[i].histogram == NULL)
            put_sample(out, &series->samples[i]);
    if (series->sample_count == 0) {
        size_t exemplar = begin(out, 3);
        put_labels(out, series->exemplar_labels, series->exemplar_label_count);
        put_double(out, 2, series->exemplar.v);
        put_varint(out, 3, (uint64_t)series->exemplar.t);
        end(out, exemplar);
    }
    for (size_t i = 0; i < series->sample_count; i++)
        if (series->samples[i].histogram != NULL)
            put_histogram(out, &series->samples[i]);
    end(out, at);
}

int remote_message_pack(struct sv message, struct buf *out, struct err *err)
{
    size_t n = snappy_max_compressed_length(message.n);
    buf_clear(out);
    char *room = buf_reserve(out, n);
    if (room == NULL || snappy_compress(message.p, message.n, room, &n) != SNAPPY_OK)
        return err_set(err, TC_EBOUND, "the message of remote write is too long");
    out->n = n;
    return 0;
}
