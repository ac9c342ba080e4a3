/*
 * The public side of a series of keys that evolve; see note.h. docs/format/checkpoint.md has the bytes.
 *
 * A series' line is that of a key of signed-note's kind 0xff, which says by a long text what it is.
 */
#include "journal/merkle.h"
#include "journal/note.h"

#include <stdio.h>
#include <string.h>

enum { ALGORITHM_OTHER = 0xff, KIND_BYTES = 16, SERIES_BYTES = 1 + KIND_BYTES + 1 + TC_SHA256_BYTES };
static const char kind[] = "tocsin-periods-1";
_Static_assert(sizeof kind - 1 == KIND_BYTES, "the kind's length is part of the format");

static void pack(const struct note_series *series, uint8_t out[SERIES_BYTES])
{
    out[0] = ALGORITHM_OTHER;
    memcpy(out + 1, kind, KIND_BYTES);
    out[1 + KIND_BYTES] = series->levels;
    memcpy(out + 2 + KIND_BYTES, series->root, TC_SHA256_BYTES);
}

void note_series_identify(struct note_series *series)
{
    struct sha256_ctx context;
    uint8_t bytes[SERIES_BYTES], hash[TC_SHA256_BYTES];
    pack(series, bytes);
    sha256_init(&context);
    sha256_update(&context, strlen(series->name), (const uint8_t *)series->name);
    sha256_update(&context, 1, (const uint8_t *)"\n");
    sha256_update(&context, sizeof bytes, bytes);
    hash_sha256_final(&context, hash);
    memcpy(series->id, hash, sizeof series->id);
}

void note_series_text(const struct note_series *series, char out[NOTE_KEY_TEXT_MAX])
{
    uint8_t bytes[SERIES_BYTES];
    char id[2 * sizeof series->id + 1], text[2 * SERIES_BYTES];
    pack(series, bytes);
    hash_hex(series->id, sizeof series->id, id);
    note_base64(bytes, sizeof bytes, text, sizeof text);
    snprintf(out, NOTE_KEY_TEXT_MAX, "%s+%s+%s", series->name, id, text);
}

int note_series_parse(struct sv line, struct note_series *ret, struct err *err)
{
    struct note_series s = {0};
    struct sv rest = line, name = sv_cut(&rest, '+'), id = sv_cut(&rest, '+');
    uint8_t bytes[SERIES_BYTES], wanted[sizeof s.id];
    bool good = note_is_name(name) && hash_unhex(id, wanted, sizeof wanted) &&
                note_unbase64(rest, bytes, sizeof bytes) && bytes[0] == ALGORITHM_OTHER &&
                memcmp(bytes + 1, kind, KIND_BYTES) == 0;
    if (good) {
        memcpy(s.name, name.p, name.n);
        s.levels = bytes[1 + KIND_BYTES];
        memcpy(s.root, bytes + 2 + KIND_BYTES, sizeof s.root);
        note_series_identify(&s);
        good = memcmp(s.id, wanted, sizeof wanted) == 0 && s.levels > 0 && s.levels <= NOTE_PERIOD_LEVELS_MAX;
    }
    if (!good)
        return err_set(err, TC_EINPUT, "this is no series of keys: NAME+ID+KEY is expected (`tocsin seal`)");
    *ret = s;
    return 0;
}

void note_period_leaf(const uint8_t public_key[NOTE_PUBLIC_BYTES], uint8_t out[TC_SHA256_BYTES])
{
    struct sha256_ctx context;
    sha256_init(&context);
    sha256_update(&context, 1, (const uint8_t *)"");
    sha256_update(&context, NOTE_PUBLIC_BYTES, public_key);
    hash_sha256_final(&context, out);
}

bool note_series_holds(const struct note_series *series, const struct note_period *p)
{
    uint8_t node[TC_SHA256_BYTES];
    if (!p->opens || p->levels != series->levels || p->number >> series->levels != 0 ||
        strcmp(p->key.name, series->name) != 0)
        return false;
    note_period_leaf(p->key.public_key, node);
    for (unsigned level = 0; level < p->levels; level++) {
        if (p->number >> level & 1)
            merkle_join(p->path[level], node, node);
        else
            merkle_join(node, p->path[level], node);
    }
    return memcmp(node, series->root, sizeof node) == 0;
}
