/*
 * Notes and keys: against the example that the signed-note format's first implementation publishes, there and
 * back, and everything that is to be refused.
 */
#include "journal/note.h"

#include "base/sim_fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

static void known_note(void **state)
{
    (void)state;
    static const char key[] = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
                      text[] = "If you think cryptography is the answer to your problem,\n"
                               "then you don't know what your problem is.\n",
                      signature[] =
                          "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotp"
                          "RZb6KE6RyyBwJnAM=";
    struct note_keys keys = {.n = 1};
    char again[NOTE_KEY_TEXT_MAX];
    struct note note = {.text = sv_of(text), .signature_count = 1};
    assert_int_equal(note_key_parse(sv_of(key), &keys.key[0], NULL), 0);
    assert_false(keys.key[0].is_private);
    note_key_public(&keys.key[0], again);
    assert_string_equal(again, key);
    uint8_t bytes[4 + NOTE_SIGNATURE_BYTES];
    assert_true(note_unbase64(sv_of(signature), bytes, sizeof bytes));
    snprintf(note.signatures[0].name, sizeof note.signatures[0].name, "PeterNeumann");
    memcpy(note.signatures[0].id, bytes, 4);
    memcpy(note.signatures[0].bytes, bytes + 4, NOTE_SIGNATURE_BYTES);
    assert_ptr_equal(note_signer(&note, &keys), &keys.key[0]);
    note.text.n--;
    assert_null(note_signer(&note, &keys));
}

static void make(struct note_keys *signers, struct checkpoint *c, struct buf *out)
{
    struct sim_rng rng;
    sim_rng_init(&rng, 7);
    *signers = (struct note_keys){.n = 2};
    for (size_t i = 0; i < signers->n; i++)
        assert_int_equal(note_key_make(i == 0 ? "log.example/one" : "two", &rng.rng, &signers->key[i], NULL),
                         0);
    *c = (struct checkpoint){
        .origin = "log.example/one", .size = UINT64_MAX, .time = {1234567890123456789}, .epoch = 0x12ab};
    rng_fill(&rng.rng, c->root, sizeof c->root);
    rng_fill(&rng.rng, c->head, sizeof c->head);
    rng_fill(&rng.rng, c->previous, sizeof c->previous);
    c->keys = *signers;
    buf_init(out, NOTE_MAX_BYTES * 4);
    note_write(c, signers, out);
}

static void there_and_back(void **state)
{
    (void)state;
    struct note_keys signers, others = {.n = 1};
    struct checkpoint c;
    struct buf out;
    struct note note;
    make(&signers, &c, &out);
    size_t one = out.n;
    note_write(&c, &signers, &out);
    assert_null(memmem(out.p, out.n, "PRIVATE", 7));
    struct sv rest = buf_view(&out);
    assert_int_equal(note_next(&rest, &note, NULL), 1);
    assert_int_equal(rest.n, one);
    const struct checkpoint *got = &note.checkpoint;
    assert_string_equal(got->origin, c.origin);
    assert_true(got->size == c.size && got->time.ns == c.time.ns && got->epoch == c.epoch);
    assert_memory_equal(got->root, c.root, sizeof c.root);
    assert_memory_equal(got->head, c.head, sizeof c.head);
    assert_memory_equal(got->previous, c.previous, sizeof c.previous);
    assert_int_equal(got->keys.n, 2);
    others.key[0] = signers.key[1];
    assert_ptr_equal(note_signer(&note, &others), &others.key[0]);
    snprintf(others.key[0].name, sizeof others.key[0].name, "one");
    assert_null(note_signer(&note, &others));
    assert_int_equal(note_next(&rest, &note, NULL), 1);
    assert_int_equal(note_next(&rest, &note, NULL), 0);
    assert_int_equal(note_last_end(buf_view(&out), NULL), out.n);
    assert_int_equal(note_last_end(sv_head(buf_view(&out), out.n - 1), NULL), one);
    assert_int_equal(note_last_end(sv_from(buf_view(&out), 100), NULL), out.n - 100);
    buf_free(&out);
}

/* Every shortening is no note, and every changed byte either no note or not signed by both. */
static void changed(void **state)
{
    (void)state;
    struct note_keys signers;
    struct checkpoint c;
    struct buf out;
    struct note note;
    make(&signers, &c, &out);
    for (size_t n = 0; n < out.n; n++) {
        struct sv rest = sv_head(buf_view(&out), n);
        assert_int_equal(note_next(&rest, &note, NULL), n == 0 ? 0 : TC_EINPUT);
    }
    for (size_t at = 0; at < out.n; at++) {
        out.p[at] ^= 1;
        struct sv rest = buf_view(&out);
        unsigned good = 0;
        if (note_next(&rest, &note, NULL) == 1)
            for (size_t i = 0; i < signers.n; i++) {
                struct note_keys one = {.n = 1, .key = {signers.key[i]}};
                good += note_signer(&note, &one) != NULL;
            }
        assert_true(good < 2);
        out.p[at] ^= 1;
    }
    buf_free(&out);
}

static void key_files(void **state)
{
    (void)state;
    struct sim_fs *sim = sim_fs_new(0);
    struct note_keys signers, got;
    struct checkpoint c;
    struct buf out;
    struct err err;
    char text[NOTE_KEY_TEXT_MAX], file[2 * NOTE_KEY_TEXT_MAX + 64];
    make(&signers, &c, &out);
    note_key_private(&signers.key[0], text);
    snprintf(file, sizeof file, "# ours\n\n  %s  \r\n", text);
    sim_fs_put(sim, "/k", sv_of(file));
    assert_int_equal(note_keys_read(sim_fs_seam(sim), "/k", &got, &err), 0);
    assert_true(got.n == 1 && got.key[0].is_private);
    assert_memory_equal(got.key[0].public_key, signers.key[0].public_key, NOTE_PUBLIC_BYTES);
    text[strlen(text) - 3] ^= 1; /* another seed: the id does not fit */
    snprintf(file, sizeof file, "\n%s\n", text);
    sim_fs_put(sim, "/k", sv_of(file));
    assert_int_equal(note_keys_read(sim_fs_seam(sim), "/k", &got, &err), TC_EINPUT);
    assert_int_equal(err.line, 2);
    assert_null(strstr(err.text, "PRIVATE"));
    sim_fs_put(sim, "/k", SV("# nothing\n"));
    assert_int_equal(note_keys_read(sim_fs_seam(sim), "/k", &got, &err), TC_EINPUT);
    static const char *const bad_names[] = {"", "a b", "a+b", "a\nb", "\xc3\xa9"};
    struct sim_rng rng;
    sim_rng_init(&rng, 1);
    for (size_t i = 0; i < TC_ARRAY_LEN(bad_names); i++)
        assert_int_equal(note_key_make(bad_names[i], &rng.rng, &got.key[0], &err), TC_EINPUT);
    buf_free(&out);
    sim_fs_free(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"J-07: the example of the signed-note format verifies", known_note, NULL, NULL, NULL},
        {"J-07: a checkpoint there and back, with two keys", there_and_back, NULL, NULL, NULL},
        {"J-07: a cut or changed checkpoint is none, or loses a signature", changed, NULL, NULL, NULL},
        {"J-07: key files: comments, wrong ids, names", key_files, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
