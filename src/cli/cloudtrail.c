/*
 * CloudTrail's digests; see cloudtrail.h.
 *
 * What is signed (RSA, PKCS #1 v1.5, SHA-256): end time, newline, bucket and object of the digest, newline,
 * SHA-256 of its unpacked content in hexadecimal, newline, signature of the digest before it in hexadecimal,
 * or "null".
 */
#include "cli/cloudtrail.h"

#include "base/arena.h"
#include "base/fs.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/unpack.h"
#include "base/yaml.h"

#include <nettle/asn1.h>
#include <nettle/base64.h>
#include <nettle/rsa.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    KEYS_MAX = 64,
    DIGESTS_MAX = 1 << 20,
    DEPTH_MAX = 16,
    PATH_BYTES = 4096,
    FILE_BYTES_MAX = 512 << 20, /* unpacked */
    DIGEST_BYTES_MAX = 8 << 20,
    SIGNATURE_BYTES_MAX = 1024,
    PROBLEMS_MAX = 10000,
    UNPACK_RATIO = 2000,
};

struct key {
    struct sv fingerprint; /* n == 0: of any digest */
    struct rsa_public_key rsa;
};

struct digest {
    char *path;
    struct sv object, bucket, end_time, fingerprint, previous_object, previous_hash, previous_signature;
    struct sv chain; /* those of one chain name each other */
    char hash[TC_SHA256_HEX];
    bool has_previous;
    const struct digest *next; /* that names this one as previous */
};

struct work {
    const char *dir;
    struct arena arena;
    struct key keys[KEYS_MAX];
    size_t key_count;
    struct digest *digests;
    size_t count, capacity;
    struct cloudtrail_report *report;
    struct err *err;
    int rc;
};

static void TC_PRINTF(3, 4) problem(struct work *w, const char *path, const char *format, ...)
{
    char text[PATH_BYTES + 512];
    va_list arguments;
    if (w->report->problems++ >= PROBLEMS_MAX)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    buf_printf(&w->report->text, "%s: %s\n", path, text);
}

/* --- keys
 * -------------------------------------------------------------------------------------------------------------
 */

static bool take_key(struct key *key, struct asn1_der_iterator *at)
{
    rsa_public_key_init(&key->rsa);
    if (at->type == ASN1_SEQUENCE && rsa_public_key_from_der_iterator(&key->rsa, 0, at))
        return true;
    rsa_public_key_clear(&key->rsa);
    return false;
}

/* RSAPublicKey, as AWS gives it, or SubjectPublicKeyInfo, in whose bit string one is. */
static bool read_der(struct key *key, const uint8_t *der, size_t n)
{
    struct asn1_der_iterator whole, inner, bits;
    if (asn1_der_iterator_first(&whole, n, der) == ASN1_ITERATOR_CONSTRUCTED && take_key(key, &whole))
        return true;
    return asn1_der_iterator_first(&whole, n, der) == ASN1_ITERATOR_CONSTRUCTED &&
           whole.type == ASN1_SEQUENCE &&
           asn1_der_decode_constructed(&whole, &inner) == ASN1_ITERATOR_CONSTRUCTED &&
           asn1_der_iterator_next(&inner) == ASN1_ITERATOR_PRIMITIVE && inner.type == ASN1_BITSTRING &&
           asn1_der_decode_bitstring(&inner, &bits) == ASN1_ITERATOR_CONSTRUCTED && take_key(key, &bits);
}

static bool add_key(struct work *w, struct sv base64, struct sv fingerprint)
{
    struct base64_decode_ctx context;
    if (w->key_count == KEYS_MAX)
        return false;
    struct key *key = &w->keys[w->key_count];
    uint8_t *der = arena_alloc_raw(&w->arena, BASE64_DECODE_LENGTH(base64.n) + 1, 16);
    size_t n = BASE64_DECODE_LENGTH(base64.n);
    base64_decode_init(&context);
    if (!base64_decode_update(&context, &n, der, base64.n, base64.p) || !base64_decode_final(&context))
        return false;
    if (!read_der(key, der, n))
        return false;
    key->fingerprint = fingerprint;
    w->key_count++;
    return true;
}

static struct sv text_of(const struct yaml_node *map, const char *key)
{
    const struct yaml_node *node = yaml_get(map, key);
    return node == NULL || node->type != YAML_SCALAR || yaml_is_null(node) ? (struct sv){0} : node->text;
}

static bool read_pem(struct work *w, struct sv text)
{
    struct sv rest = text, body;
    sv_cut(&rest, '\n'); /* -----BEGIN … */
    size_t end = sv_find(rest, SV("-----END"));
    body = sv_head(rest, end);
    return end < rest.n && add_key(w, body, (struct sv){0});
}

static int read_keys(struct work *w, const char *path)
{
    struct buf bytes;
    struct yaml_doc *docs;
    buf_init(&bytes, DIGEST_BYTES_MAX);
    int rc = fs_read_file(&fs_system, path, &bytes, w->err);
    struct sv text = rc == 0 ? arena_sv(&w->arena, buf_view(&bytes)) : (struct sv){0};
    buf_free(&bytes);
    if (rc != 0)
        return rc;
    if (sv_starts(text, SV("-----BEGIN")))
        return read_pem(w, text) ? 0 : err_at(w->err, TC_EINPUT, path, 1, 1, "no RSA public key in PEM");
    rc = yaml_parse(&w->arena, path, text, &docs, w->err);
    if (rc != 0)
        return rc;
    const struct yaml_node *list = docs == NULL ? NULL : yaml_get(docs->root, "PublicKeyList");
    for (const struct yaml_node *key = list == NULL ? NULL : list->first; key != NULL; key = key->next)
        if (!add_key(w, text_of(key, "Value"), text_of(key, "Fingerprint")))
            return err_at(w->err, TC_EINPUT, path, key->line, key->column,
                          "not an RSA public key in base64, or more than %d", KEYS_MAX);
    return w->key_count > 0
               ? 0
               : err_at(w->err, TC_EINPUT, path, 1, 1,
                        "neither a public key in PEM nor the output of `aws cloudtrail list-public-keys`");
}

/* --- files
 * ------------------------------------------------------------------------------------------------------------
 */

static int read_unpacked(const char *path, size_t max, struct buf *out, struct err *err)
{
    struct unpack *unpack;
    int64_t got = unpack_open(path, &unpack, err);
    if (got != 0)
        return (int)got;
    do {
        char *to = buf_reserve(out, 1 << 16);
        got = to == NULL ? err_set(err, TC_EBOUND, "longer than %zu bytes", max)
                         : unpack_read(unpack, to, 1 << 16, err);
        out->n += got > 0 ? (size_t)got : 0;
    } while (got > 0);
    unpack_free(&unpack);
    return (int)got;
}

static bool hash_file(const char *path, char hex[TC_SHA256_HEX], struct err *err)
{
    struct buf bytes;
    uint8_t hash[TC_SHA256_BYTES];
    buf_init(&bytes, FILE_BYTES_MAX);
    bool good = read_unpacked(path, FILE_BYTES_MAX, &bytes, err) == 0;
    hash_sha256(buf_view(&bytes), hash);
    hash_hex(hash, sizeof hash, hex);
    buf_free(&bytes);
    return good;
}

/* Where a copy of the bucket has an object: DIR may stand for the bucket, or for what holds buckets. */
static bool find_object(const struct work *w, struct sv bucket, struct sv object, char out[PATH_BYTES])
{
    struct fs_stat st;
    if (sv_find(object, SV("..")) < object.n || sv_find(bucket, SV("/")) < bucket.n)
        return false;
    snprintf(out, PATH_BYTES, "%s/%.*s", w->dir, SV_FMT(object));
    if (fs_system.stat(&fs_system, out, &st) == 0)
        return true;
    snprintf(out, PATH_BYTES, "%s/%.*s/%.*s", w->dir, SV_FMT(bucket), SV_FMT(object));
    return fs_system.stat(&fs_system, out, &st) == 0;
}

/* --- digests
 * ----------------------------------------------------------------------------------------------------------
 */

static void judge_logs(struct work *w, const struct yaml_node *root, const char *path)
{
    const struct yaml_node *list = yaml_get(root, "logFiles");
    for (const struct yaml_node *log = list == NULL ? NULL : list->first; log != NULL; log = log->next) {
        char file[PATH_BYTES], hex[TC_SHA256_HEX];
        struct err err = {0};
        struct sv object = text_of(log, "s3Object");
        w->report->logs++;
        if (!find_object(w, text_of(log, "s3Bucket"), object, file))
            problem(w, path, "the log file %.*s is missing", SV_FMT(object));
        else if (!hash_file(file, hex, &err))
            problem(w, file, "cannot be read: %s", err.text);
        else if (!sv_is(text_of(log, "hashValue"), hex))
            problem(w, file, "is not what the digest %s names: its hash differs", path);
        else
            w->report->logs_good++;
    }
}

static void take_digest(struct work *w, const char *path)
{
    struct buf bytes;
    struct err err = {0};
    struct yaml_doc *docs;
    uint8_t hash[TC_SHA256_BYTES];
    buf_init(&bytes, DIGEST_BYTES_MAX);
    if (read_unpacked(path, DIGEST_BYTES_MAX, &bytes, &err) != 0) {
        problem(w, path, "cannot be read: %s", err.text);
        buf_free(&bytes);
        w->report->digests++;
        return;
    }
    struct sv text = arena_sv(&w->arena, buf_view(&bytes));
    buf_free(&bytes);
    w->report->digests++;
    if (yaml_parse(&w->arena, path, text, &docs, &err) != 0 || docs == NULL ||
        text_of(docs->root, "digestS3Object").n == 0) {
        problem(w, path, "is no digest of CloudTrail");
        return;
    }
    if (w->count == w->capacity) {
        w->capacity = TC_MAX((size_t)64, 2 * w->capacity);
        w->digests = tc_realloc(w->digests, w->capacity * sizeof w->digests[0]);
    }
    const struct yaml_node *root = docs->root;
    struct digest *d = &w->digests[w->count++];
    *d = (struct digest){.path = arena_str(&w->arena, sv_of(path)),
                         .object = text_of(root, "digestS3Object"),
                         .bucket = text_of(root, "digestS3Bucket"),
                         .end_time = text_of(root, "digestEndTime"),
                         .fingerprint = text_of(root, "digestPublicKeyFingerprint"),
                         .previous_object = text_of(root, "previousDigestS3Object"),
                         .previous_hash = text_of(root, "previousDigestHashValue"),
                         .previous_signature = text_of(root, "previousDigestSignature")};
    hash_sha256(text, hash);
    hash_hex(hash, sizeof hash, d->hash);
    if (!sv_ends(sv_of(path), d->object))
        problem(w, path, "is not where it says that it was written: %.*s", SV_FMT(d->object));
    judge_logs(w, root, path);
}

static bool signature_fits(const struct work *w, const struct digest *d, struct sv signature)
{
    uint8_t bytes[SIGNATURE_BYTES_MAX];
    struct sha256_ctx hash;
    char text[PATH_BYTES * 2];
    mpz_t number;
    bool good = false;
    signature = sv_trim(signature);
    if (signature.n / 2 > sizeof bytes || !hash_unhex(signature, bytes, signature.n / 2))
        return false;
    int n = snprintf(text, sizeof text, "%.*s\n%.*s/%.*s\n%s\n", SV_FMT(d->end_time), SV_FMT(d->bucket),
                     SV_FMT(d->object), d->hash);
    if (n < 0 || (size_t)n >= sizeof text)
        return false;
    struct sv previous = d->previous_signature.n > 0 ? d->previous_signature : SV("null");
    mpz_init(number);
    mpz_import(number, signature.n / 2, 1, 1, 1, 0, bytes);
    for (size_t i = 0; i < w->key_count && !good; i++) {
        const struct key *key = &w->keys[i];
        sha256_init(&hash);
        sha256_update(&hash, (size_t)n, (const uint8_t *)text);
        sha256_update(&hash, previous.n, (const uint8_t *)previous.p);
        good = (key->fingerprint.n == 0 || sv_eq(key->fingerprint, d->fingerprint)) &&
               rsa_sha256_verify(&key->rsa, &hash, number) == 1;
    }
    mpz_clear(number);
    return good;
}

/* The signature that stands beside the newest one, where somebody kept it. */
static struct sv signature_beside(struct work *w, const struct digest *d)
{
    char path[PATH_BYTES + 16];
    struct buf bytes;
    buf_init(&bytes, 2 * SIGNATURE_BYTES_MAX + 16);
    snprintf(path, sizeof path, "%s.signature", d->path);
    struct sv text = fs_read_file(&fs_system, path, &bytes, NULL) == 0 ? arena_sv(&w->arena, buf_view(&bytes))
                                                                       : (struct sv){0};
    buf_free(&bytes);
    return text;
}

static int by_object(const void *a, const void *b)
{
    return sv_cmp(((const struct digest *)a)->object, ((const struct digest *)b)->object);
}

static void link_digests(struct work *w)
{
    if (w->count > 0)
        qsort(w->digests, w->count, sizeof w->digests[0], by_object);
    for (size_t i = 0; i < w->count; i++) {
        const struct digest *d = &w->digests[i], like = {.object = d->previous_object};
        struct digest *previous = d->previous_object.n == 0
                                      ? NULL
                                      : bsearch(&like, w->digests, w->count, sizeof w->digests[0], by_object);
        if (previous != NULL)
            previous->next = d;
        w->digests[i].has_previous = previous != NULL;
    }
}

/* Of an account, a region and a trail: the folder above YYYY/MM/DD, and the name without its time. */
static struct sv chain_of(struct work *w, struct sv object)
{
    size_t slash = object.n, time = object.n;
    for (int parts = 0; slash > 0 && parts < 4;)
        parts += object.p[--slash] == '/';
    while (time > slash && object.p[time - 1] != '_')
        time--;
    struct sv name = sv_head(object, time);
    for (size_t at; (at = sv_find_char(name, '/')) < name.n;)
        name = sv_from(name, at + 1);
    return arena_printf(&w->arena, "%.*s/%.*s", SV_FMT(sv_head(object, slash)), SV_FMT(name));
}

static int by_chain(const void *a, const void *b)
{
    const struct digest *x = *(const struct digest *const *)a, *y = *(const struct digest *const *)b;
    int c = sv_cmp(x->chain, y->chain);
    return c != 0 ? c : sv_cmp(x->object, y->object);
}

/* A copy may begin in the middle of a chain; of the newest, the signature is not in the copy. */
static void judge_digest(struct work *w, const struct digest *d, bool first, bool newest)
{
    struct sv signature = d->next != NULL && d->next->previous_signature.n > 0 ? d->next->previous_signature
                                                                               : signature_beside(w, d);
    if (d->next != NULL && !sv_is(d->next->previous_hash, d->hash))
        problem(w, d->path, "is not what the digest after it names: its hash differs");
    else if (signature.n > 0 && !signature_fits(w, d, signature))
        problem(w, d->path, "no key that was given made its signature");
    else if (signature.n == 0 && !newest)
        problem(w, d->path, "no digest after it holds its signature, and none stands beside it");
    else
        w->report->proven += signature.n > 0;
    if (!first && !d->has_previous && d->previous_object.n > 0)
        problem(w, d->path, "the digest before it is missing: %.*s", SV_FMT(d->previous_object));
}

static void judge_digests(struct work *w)
{
    const struct digest **order = ARENA_ARRAY(&w->arena, const struct digest *, w->count + 1);
    link_digests(w);
    for (size_t i = 0; i < w->count; i++) {
        w->digests[i].chain = chain_of(w, w->digests[i].object);
        order[i] = &w->digests[i];
    }
    qsort(order, w->count, sizeof order[0], by_chain);
    for (size_t i = 0; i < w->count; i++)
        judge_digest(w, order[i], i == 0 || !sv_eq(order[i - 1]->chain, order[i]->chain),
                     i + 1 == w->count || !sv_eq(order[i + 1]->chain, order[i]->chain));
}

/* --- all
 * ---------------------------------------------------------------------------------------------------------------
 */

struct walk {
    struct work *work;
    const char *path;
    unsigned depth;
};

static void look_at(void *context, const char *name)
{
    const struct walk *at = context;
    struct work *w = at->work;
    char path[PATH_BYTES];
    struct fs_stat st;
    if (at->depth > DEPTH_MAX ||
        (size_t)snprintf(path, sizeof path, "%s/%s", at->path, name) >= sizeof path ||
        fs_system.stat(&fs_system, path, &st) != 0)
        return;
    bool is_digest = strstr(path, "/CloudTrail-Digest/") != NULL &&
                     (sv_ends(sv_of(name), SV(".json")) || sv_ends(sv_of(name), SV(".json.gz")));
    if (st.is_dir)
        fs_system.list(&fs_system, path, look_at, &(struct walk){w, path, at->depth + 1});
    else if (is_digest && w->count < DIGESTS_MAX)
        take_digest(w, path);
}

int cloudtrail_verify(const char *dir, const char *keys, struct cloudtrail_report *ret, struct err *err)
{
    struct work w = {.dir = dir, .report = ret, .err = err};
    *ret = (struct cloudtrail_report){0};
    buf_init(&ret->text, 64 << 20);
    int rc = read_keys(&w, keys);
    if (rc == 0) {
        int listed = fs_system.list(&fs_system, dir, look_at, &(struct walk){&w, dir, 0});
        if (listed < 0)
            rc = err_at(err, TC_EINPUT, dir, 0, 0, "is no directory that can be read");
        else if (ret->digests == 0)
            rc = err_at(err, TC_EINPUT, dir, 0, 0,
                        "holds no digest of CloudTrail (…/CloudTrail-Digest/…/*.json.gz)");
    }
    if (rc == 0)
        judge_digests(&w);
    for (size_t i = 0; i < w.key_count; i++)
        rsa_public_key_clear(&w.keys[i].rsa);
    free(w.digests);
    arena_free(&w.arena);
    return rc;
}

void cloudtrail_free(struct cloudtrail_report *report)
{
    buf_free(&report->text);
}
