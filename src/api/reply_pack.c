/*
 * Answers packed by gzip, for clients that take it (RFC 9110, 12.5.3): Grafana and Prometheus' clients do,
 * and a range of many series shrinks to a tenth. The page's HTML is left alone: it holds a secret, and the
 * length of what is packed tells of what is in it.
 */
#include "api/api_priv.h"

#include "base/num.h"

#include <stdlib.h>
#include <zlib.h>

enum { PACK_FROM_BYTES = 1400 }; /* below it, all fits one segment of the network */

/* "gzip", "gzip;q=0.5"; not "gzip;q=0". */
static bool takes_gzip(struct sv accept)
{
    while (accept.n > 0) {
        struct sv weight = sv_cut(&accept, ','), name = sv_trim(sv_cut(&weight, ';'));
        double q = 1;
        weight = sv_trim(weight);
        if (!sv_eq_nocase(name, SV("gzip")) && !sv_eq_nocase(name, SV("x-gzip")))
            continue;
        if (sv_starts(weight, SV("q=")) && !num_double(sv_from(weight, 2), &q))
            q = 0;
        return q > 0;
    }
    return false;
}

static bool is_packable(const struct reply *reply)
{
    static const char *const types[] = {"application/json", "text/plain", "application/openmetrics-text"};
    bool fits = false;
    for (size_t i = 0; reply->content_type != NULL && i < TC_ARRAY_LEN(types); i++)
        fits = fits || sv_starts(sv_of(reply->content_type), sv_of(types[i]));
    for (size_t i = 0; i < reply->header_count; i++)
        fits = fits && strcmp(reply->headers[i].name, "Content-Encoding") != 0;
    return fits && reply->response == NULL && !reply->body.overflow && reply->body.n >= PACK_FROM_BYTES;
}

void reply_pack(struct reply *reply, struct sv accept_encoding, size_t max_bytes)
{
    if (!is_packable(reply) || reply->body.n > max_bytes || !takes_gzip(accept_encoding))
        return;
    z_stream z = {0};
    if (deflateInit2(&z, Z_BEST_SPEED, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
        return;
    struct buf packed;
    buf_init(&packed, reply->body.n);
    char *to = buf_reserve(&packed, reply->body.n);
    z.next_in = (unsigned char *)reply->body.p;
    z.avail_in = (unsigned)reply->body.n;
    z.next_out = (unsigned char *)to;
    z.avail_out = (unsigned)reply->body.n;
    /* what does not get shorter stays what it is */
    bool shorter = to != NULL && deflate(&z, Z_FINISH) == Z_STREAM_END;
    packed.n = shorter ? z.total_out : 0;
    deflateEnd(&z);
    if (shorter) {
        buf_free(&reply->body);
        reply->body = packed;
        reply_header(reply, "Content-Encoding", "gzip");
    } else {
        buf_free(&packed);
    }
}
