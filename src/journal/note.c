/*
 * Signed notes; see note.h. Reading is strict: a line in the wrong place refuses the note.
 */
#include "journal/note.h"

#include "base/num.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

enum { ALGORITHM_ED25519 = 1, ID_BYTES = 4, KEY_FILE_MAX = 64 << 10 };
_Static_assert((int)NOTE_PUBLIC_BYTES == (int)crypto_sign_PUBLICKEYBYTES &&
                   (int)NOTE_SIGNATURE_BYTES == (int)crypto_sign_BYTES,
               "Ed25519");

#define PRIVATE_PREFIX SV("PRIVATE+KEY+")
#define SIGNATURE_MARK SV("\xe2\x80\x94 ") /* an em dash and a blank */

/* --- base64 and hexadecimal
 * ------------------------------------------------------------------------------------------------------ */

enum { BASE64 = sodium_base64_VARIANT_ORIGINAL };

size_t note_base64(const void *bytes, size_t n, char *out, size_t size)
{
    tc_assert(sodium_base64_ENCODED_LEN(n, BASE64) <= size);
    return strlen(sodium_bin2base64(out, size, bytes, n, BASE64));
}

static void add_base64(struct buf *out, const void *bytes, size_t n)
{
    char text[256];
    tc_assert(sodium_base64_ENCODED_LEN(n, BASE64) <= sizeof text);
    buf_str(out, sodium_bin2base64(text, sizeof text, bytes, n, BASE64));
    sodium_memzero(text, sizeof text);
}

bool note_unbase64(struct sv text, void *out, size_t n)
{
    uint8_t bytes[128];
    size_t got;
    tc_assert(n < sizeof bytes);
    bool good =
        sodium_base642bin(bytes, sizeof bytes, text.p, text.n, NULL, &got, NULL, BASE64) == 0 && got == n;
    if (good)
        memcpy(out, bytes, n);
    sodium_memzero(bytes, sizeof bytes);
    return good;
}

/* --- keys
 * ----------------------------------------------------------------------------------------------------------
 */

bool note_is_name(struct sv name)
{
    if (name.n == 0 || name.n > NOTE_NAME_MAX)
        return false;
    for (size_t i = 0; i < name.n; i++)
        if ((uint8_t)name.p[i] <= ' ' || (uint8_t)name.p[i] > '~' || name.p[i] == '+')
            return false;
    return true;
}

/* SHA-256(name ‖ newline ‖ algorithm ‖ public key), its first four bytes. */
static void fill_id(struct note_key *key)
{
    struct sha256_ctx context;
    uint8_t hash[TC_SHA256_BYTES];
    static const uint8_t middle[] = {'\n', ALGORITHM_ED25519};
    sha256_init(&context);
    sha256_update(&context, strlen(key->name), (const uint8_t *)key->name);
    sha256_update(&context, sizeof middle, middle);
    sha256_update(&context, sizeof key->public_key, key->public_key);
    hash_sha256_final(&context, hash);
    memcpy(key->id, hash, sizeof key->id);
}

static void fill_from_seed(struct note_key *key)
{
    uint8_t secret[crypto_sign_SECRETKEYBYTES];
    crypto_sign_seed_keypair(key->public_key, secret, key->seed);
    sodium_memzero(secret, sizeof secret);
    key->is_private = true;
    fill_id(key);
}

int note_key_make(const char *name, const struct rng *rng, struct note_key *ret, struct err *err)
{
    if (!note_is_name(sv_of(name)))
        return err_set(err, TC_EINPUT,
                       "a key's name is 1 to %d characters of ASCII without blanks and plus signs",
                       NOTE_NAME_MAX);
    uint8_t seed[sizeof ret->seed];
    rng_fill(rng, seed, sizeof seed);
    note_key_from_seed(name, seed, ret);
    sodium_memzero(seed, sizeof seed);
    return 0;
}

void note_key_from_seed(const char *name, const uint8_t seed[32], struct note_key *ret)
{
    *ret = (struct note_key){0};
    snprintf(ret->name, sizeof ret->name, "%s", name);
    memcpy(ret->seed, seed, sizeof ret->seed);
    fill_from_seed(ret);
}

static void write_key(const struct note_key *key, struct sv prefix, const uint8_t *bytes,
                      char out[NOTE_KEY_TEXT_MAX])
{
    uint8_t tagged[1 + NOTE_PUBLIC_BYTES] = {ALGORITHM_ED25519};
    char id[2 * ID_BYTES + 1], text[64];
    memcpy(tagged + 1, bytes, NOTE_PUBLIC_BYTES);
    hash_hex(key->id, sizeof key->id, id);
    sodium_bin2base64(text, sizeof text, tagged, sizeof tagged, BASE64);
    snprintf(out, NOTE_KEY_TEXT_MAX, "%.*s%s+%s+%s", SV_FMT(prefix), key->name, id, text);
    sodium_memzero(tagged, sizeof tagged);
    sodium_memzero(text, sizeof text);
}

void note_key_public(const struct note_key *key, char out[NOTE_KEY_TEXT_MAX])
{
    write_key(key, (struct sv){0}, key->public_key, out);
}

void note_key_private(const struct note_key *key, char out[NOTE_KEY_TEXT_MAX])
{
    write_key(key, PRIVATE_PREFIX, key->seed, out);
}

int note_key_parse(struct sv line, struct note_key *ret, struct err *err)
{
    struct note_key key = {.is_private = sv_starts(line, PRIVATE_PREFIX)};
    struct sv rest = key.is_private ? sv_from(line, PRIVATE_PREFIX.n) : line;
    struct sv name = sv_cut(&rest, '+'), id = sv_cut(&rest, '+');
    uint8_t tagged[1 + NOTE_PUBLIC_BYTES], wanted[ID_BYTES];
    bool good = note_is_name(name) && hash_unhex(id, wanted, sizeof wanted) &&
                note_unbase64(rest, tagged, sizeof tagged) && tagged[0] == ALGORITHM_ED25519;
    if (good) {
        memcpy(key.name, name.p, name.n);
        memcpy(key.is_private ? key.seed : key.public_key, tagged + 1, NOTE_PUBLIC_BYTES);
        if (key.is_private)
            fill_from_seed(&key);
        fill_id(&key);
        good = memcmp(key.id, wanted, sizeof wanted) == 0;
    }
    sodium_memzero(tagged, sizeof tagged);
    if (good)
        *ret = key;
    sodium_memzero(&key, sizeof key);
    return good ? 0 : err_set(err, TC_EINPUT, "this is no key: NAME+ID+KEY is expected (`tocsin seal`)");
}

/* A line of a file of keys. */
static int take_key(struct note_keys *keys, struct sv line, const char *path, unsigned number,
                    struct err *err)
{
    struct note_key key;
    struct note_series series;
    if (note_series_parse(line, &series, NULL) == 0) {
        if (keys->series_count == NOTE_SERIES_MAX)
            return err_at(err, TC_EINPUT, path, number, 1, "more than %d series", NOTE_SERIES_MAX);
        keys->series[keys->series_count++] = series;
        return 0;
    }
    if (sv_starts(line, NOTE_PERIOD_PREFIX))
        return err_at(err, TC_EINPUT, path, number, 1,
                      "this is the secret of a key that evolves: it belongs to `seal: period_key:`; whoever "
                      "verifies has %s.pub",
                      path);
    if (note_key_parse(line, &key, NULL) != 0)
        return err_at(err, TC_EINPUT, path, number, 1, "this line is no key (`tocsin seal` makes one)");
    if (keys->n == NOTE_KEYS_MAX)
        return err_at(err, TC_EINPUT, path, number, 1, "more than %d keys", NOTE_KEYS_MAX);
    keys->key[keys->n++] = key;
    sodium_memzero(&key, sizeof key);
    return 0;
}

int note_keys_read(const struct fs *fs, const char *path, struct note_keys *ret, struct err *err)
{
    struct buf bytes;
    *ret = (struct note_keys){0};
    buf_init(&bytes, KEY_FILE_MAX);
    int rc = fs_read_file(fs, path, &bytes, err);
    struct sv rest = buf_view(&bytes);
    for (unsigned number = 1; rc == 0 && rest.n > 0; number++) {
        struct sv line = sv_trim(sv_cut(&rest, '\n'));
        if (line.n == 0 || line.p[0] == '#')
            continue;
        rc = take_key(ret, line, path, number, err);
    }
    if (rc == 0 && ret->n == 0 && ret->series_count == 0)
        rc = err_at(err, TC_EINPUT, path, 0, 0, "holds no key (`tocsin seal` makes one)");
    if (bytes.p != NULL)
        sodium_memzero(bytes.p, bytes.n);
    buf_free(&bytes);
    if (rc != 0)
        note_keys_wipe(ret);
    return rc;
}

void note_keys_wipe(struct note_keys *keys)
{
    sodium_memzero(keys, sizeof *keys);
}

const struct note_key *note_keys_find(const struct note_keys *keys, const struct note_key *like)
{
    for (size_t i = 0; i < keys->n; i++)
        if (strcmp(keys->key[i].name, like->name) == 0 &&
            memcmp(keys->key[i].public_key, like->public_key, NOTE_PUBLIC_BYTES) == 0)
            return &keys->key[i];
    return NULL;
}

/* --- writing
 * ------------------------------------------------------------------------------------------------------- */

static void add_hex(struct buf *out, const char *word, const uint8_t hash[TC_SHA256_BYTES])
{
    char hex[TC_SHA256_HEX];
    hash_hex(hash, TC_SHA256_BYTES, hex);
    buf_printf(out, "%s %s\n", word, hex);
}

static void write_period(const struct note_period *p, struct buf *out)
{
    char id[2 * ID_BYTES + 1], key[NOTE_KEY_TEXT_MAX];
    hash_hex(p->series, sizeof p->series, id);
    buf_printf(out, "period %s %u%s\n", id, p->number, p->ends ? " ends" : "");
    if (!p->opens)
        return;
    note_key_public(&p->key, key);
    buf_printf(out, "period-key %s\n", key);
    for (size_t i = 0; i < p->levels; i++)
        add_hex(out, "path", p->path[i]);
}

static void write_text(const struct checkpoint *c, struct buf *out)
{
    char time[TC_RFC3339_MAX], key[NOTE_KEY_TEXT_MAX];
    clk_rfc3339(c->time.ns, time);
    buf_printf(out, "%s\n%llu\n", c->origin, (unsigned long long)c->size);
    add_base64(out, c->root, sizeof c->root);
    buf_printf(out, "\ntime %s\nepoch %016llx\n", time, (unsigned long long)c->epoch);
    add_hex(out, "head", c->head);
    add_hex(out, "previous", c->previous);
    if (c->period.is_set)
        write_period(&c->period, out);
    for (size_t i = 0; i < c->keys.n; i++) {
        note_key_public(&c->keys.key[i], key);
        buf_printf(out, "key %s\n", key);
    }
}

static void sign(const struct note_key *key, struct sv text, struct buf *out)
{
    uint8_t public_key[crypto_sign_PUBLICKEYBYTES], secret[crypto_sign_SECRETKEYBYTES];
    uint8_t bytes[ID_BYTES + NOTE_SIGNATURE_BYTES];
    crypto_sign_seed_keypair(public_key, secret, key->seed);
    memcpy(bytes, key->id, sizeof key->id);
    crypto_sign_detached(bytes + ID_BYTES, NULL, (const uint8_t *)text.p, text.n, secret);
    sodium_memzero(secret, sizeof secret);
    buf_sv(out, SIGNATURE_MARK);
    buf_printf(out, "%s ", key->name);
    add_base64(out, bytes, sizeof bytes);
    buf_char(out, '\n');
}

void note_write(const struct checkpoint *checkpoint, const struct note_keys *signers, struct buf *out)
{
    struct buf text;
    buf_init(&text, NOTE_MAX_BYTES);
    write_text(checkpoint, &text);
    buf_sv(out, buf_view(&text));
    buf_char(out, '\n');
    for (size_t i = 0; i < signers->n; i++)
        if (signers->key[i].is_private)
            sign(&signers->key[i], buf_view(&text), out);
    buf_char(out, '\n');
    buf_free(&text);
}

/* --- reading
 * ------------------------------------------------------------------------------------------------------- */

/* The value of the line "WORD value" that must come next; n == 0: it does not. */
static struct sv word_line(struct sv *rest, struct sv word)
{
    struct sv at = *rest, line = sv_cut(&at, '\n');
    if (!sv_starts(line, word) || line.n <= word.n + 1 || line.p[word.n] != ' ')
        return (struct sv){0};
    *rest = at;
    return sv_from(line, word.n + 1);
}

static bool read_epoch(struct sv text, uint64_t *ret)
{
    uint8_t bytes[8];
    if (!hash_unhex(text, bytes, sizeof bytes))
        return false;
    *ret = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        *ret = *ret << 8 | bytes[i];
    return true;
}

/* False: the lines are there and wrong. Without them all is well. */
static bool read_period(struct sv *text, struct note_period *p)
{
    struct sv value = word_line(text, SV("period")), line;
    if (value.n == 0)
        return true;
    struct sv id = sv_cut(&value, ' '), number = sv_cut(&value, ' ');
    uint64_t n;
    p->is_set = true;
    p->ends = sv_is(value, "ends");
    if (!hash_unhex(id, p->series, sizeof p->series) ||
        !num_u64(number, 0, ((uint64_t)1 << NOTE_PERIOD_LEVELS_MAX) - 1, &n) || (value.n > 0 && !p->ends))
        return false;
    p->number = (uint32_t)n;
    struct sv key = word_line(text, SV("period-key"));
    if (key.n == 0)
        return true;
    p->opens = true;
    if (note_key_parse(key, &p->key, NULL) != 0 || p->key.is_private)
        return false;
    while ((line = word_line(text, SV("path"))).n > 0)
        if (p->levels == NOTE_PERIOD_LEVELS_MAX || !hash_unhex(line, p->path[p->levels++], TC_SHA256_BYTES))
            return false;
    return p->levels > 0;
}

static bool read_text(struct sv text, struct checkpoint *c)
{
    struct sv origin = sv_cut(&text, '\n'), size = sv_cut(&text, '\n'), root = sv_cut(&text, '\n');
    if (!note_is_name(origin) || !num_u64(size, 0, UINT64_MAX, &c->size) ||
        !note_unbase64(root, c->root, sizeof c->root))
        return false;
    memcpy(c->origin, origin.p, origin.n);
    if (!clk_parse_rfc3339(word_line(&text, SV("time")), 0, &c->time.ns) ||
        !read_epoch(word_line(&text, SV("epoch")), &c->epoch) ||
        !hash_unhex(word_line(&text, SV("head")), c->head, sizeof c->head) ||
        !hash_unhex(word_line(&text, SV("previous")), c->previous, sizeof c->previous) ||
        !read_period(&text, &c->period))
        return false;
    while (text.n > 0) {
        struct sv key = word_line(&text, SV("key"));
        if (c->keys.n == NOTE_KEYS_MAX || note_key_parse(key, &c->keys.key[c->keys.n], NULL) != 0 ||
            c->keys.key[c->keys.n].is_private)
            return false;
        c->keys.n++;
    }
    return true;
}

static bool read_signature(struct sv line, struct note *n)
{
    uint8_t bytes[ID_BYTES + NOTE_SIGNATURE_BYTES];
    if (!sv_starts(line, SIGNATURE_MARK))
        return false;
    struct sv rest = sv_from(line, SIGNATURE_MARK.n), name = sv_cut(&rest, ' ');
    if (!note_is_name(name) || rest.n == 0)
        return false;
    /* signatures of kinds that we do not know (a witness may add its own) are passed over */
    if (n->signature_count == NOTE_KEYS_MAX || !note_unbase64(rest, bytes, sizeof bytes))
        return true;
    memcpy(n->signatures[n->signature_count].name, name.p, name.n);
    memcpy(n->signatures[n->signature_count].id, bytes, ID_BYTES);
    memcpy(n->signatures[n->signature_count++].bytes, bytes + ID_BYTES, NOTE_SIGNATURE_BYTES);
    return true;
}

/* Bytes up to and with the first "\n\n"; 0: there is none within a note's length. */
static size_t paragraph(struct sv text)
{
    text = sv_head(text, NOTE_MAX_BYTES);
    const char *end = text.n == 0 ? NULL : memmem(text.p, text.n, "\n\n", 2);
    return end == NULL ? 0 : (size_t)(end - text.p) + 2;
}

int note_next(struct sv *rest, struct note *ret, struct err *err)
{
    if (rest->n == 0)
        return 0;
    *ret = (struct note){0};
    size_t text = paragraph(*rest), signatures = text == 0 ? 0 : paragraph(sv_from(*rest, text));
    bool good = signatures > 0;
    if (good) {
        ret->text = sv_head(*rest, text - 1);
        ret->whole = sv_head(*rest, text + signatures);
        good = read_text(ret->text, &ret->checkpoint);
    }
    struct sv lines = good ? sv_head(sv_from(*rest, text), signatures - 1) : (struct sv){0};
    while (good && lines.n > 0)
        good = read_signature(sv_cut(&lines, '\n'), ret);
    if (!good)
        return err_set(err, TC_EINPUT, "this is no whole checkpoint");
    *rest = sv_from(*rest, ret->whole.n);
    return 1;
}

size_t note_last_end(struct sv text, struct note *ret_last)
{
    size_t start = 0, end = 0;
    struct note note;
    while (start < text.n) {
        struct sv rest = sv_from(text, start);
        if (note_next(&rest, &note, NULL) == 1) {
            start += note.whole.n;
            end = start;
            if (ret_last != NULL)
                *ret_last = note;
        } else {
            start += sv_find(rest, SV("\n\n")) + 2;
        }
    }
    return end;
}

bool note_follows(struct sv text)
{
    struct note note;
    for (size_t at; (at = sv_find(text, SV("\n\n"))) < text.n; text = sv_from(text, at + 1)) {
        struct sv rest = sv_from(text, at + 2);
        if (note_next(&rest, &note, NULL) == 1)
            return true;
    }
    return false;
}

bool note_is_signed(const struct note *n, const struct note_key *key)
{
    for (size_t i = 0; i < n->signature_count; i++)
        if (strcmp(n->signatures[i].name, key->name) == 0 &&
            memcmp(n->signatures[i].id, key->id, ID_BYTES) == 0 &&
            crypto_sign_verify_detached(n->signatures[i].bytes, (const uint8_t *)n->text.p, n->text.n,
                                        key->public_key) == 0)
            return true;
    return false;
}

const struct note_key *note_signer(const struct note *n, const struct note_keys *trusted)
{
    for (size_t k = 0; k < trusted->n; k++)
        if (note_is_signed(n, &trusted->key[k]))
            return &trusted->key[k];
    return NULL;
}
