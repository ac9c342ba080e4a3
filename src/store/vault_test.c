/*
 * The vault: tokens, sealing, erasure, keys, and its promise over power cuts at every call.
 */
#include "store/vault.h"

#include "base/sim_fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char dir[] = "/data";

struct life {
    struct sim_fs *sim;
    struct sim_rng rng;
    struct vault *vault;
};

static int life_open(struct life *life, struct err *err)
{
    return vault_open(
        &(struct vault_options){.fs = sim_fs_seam(life->sim), .rng = &life->rng.rng, .dir = dir},
        &life->vault, err);
}

static void life_init(struct life *life, uint64_t seed)
{
    struct err err;
    *life = (struct life){.sim = sim_fs_new(0)};
    sim_rng_init(&life->rng, seed);
    assert_int_equal(sim_fs_seam(life->sim)->mkdir(sim_fs_seam(life->sim), dir), 0);
    assert_int_equal(sim_fs_seam(life->sim)->sync_dir(sim_fs_seam(life->sim), "/"), 0);
    assert_int_equal(life_open(life, &err), 0);
}

static void life_end(struct life *life)
{
    vault_close(&life->vault);
    sim_fs_free(&life->sim);
}

static void reopen(struct life *life)
{
    struct err err;
    vault_close(&life->vault);
    if (life_open(life, &err) != 0)
        fail_msg("%s", err.text);
}

static void token_of(struct life *life, const char *value, char ret[TC_VAULT_TOKEN_HEX])
{
    struct err err;
    if (vault_token(life->vault, VAULT_EMAIL, sv_of(value), ret, &err) != 0)
        fail_msg("%s", err.text);
}

static void require_value(struct life *life, const char *token, const char *value)
{
    struct err err;
    enum vault_kind kind;
    struct buf out;
    buf_init(&out, 8192);
    if (vault_reveal(life->vault, token, &kind, &out, &err) != 0)
        fail_msg("%s: %s", token, err.text);
    assert_true(sv_eq(buf_view(&out), sv_of(value)));
    assert_int_equal(kind, VAULT_EMAIL);
    buf_free(&out);
}

static int reveal_rc(struct life *life, const char *token)
{
    struct err err;
    enum vault_kind kind;
    struct buf out;
    buf_init(&out, 8192);
    int rc = vault_reveal(life->vault, token, &kind, &out, &err);
    buf_free(&out);
    return rc;
}

static void read_all(struct life *life, const char *path, struct buf *out)
{
    struct err err;
    buf_init(out, 64 << 20);
    if (fs_read_file(sim_fs_seam(life->sim), path, out, &err) != 0)
        fail_msg("%s", err.text);
}

static void test_tokens_are_stable_and_random(void **state)
{
    (void)state;
    struct life a, b;
    char one[TC_VAULT_TOKEN_HEX], two[TC_VAULT_TOKEN_HEX], again[TC_VAULT_TOKEN_HEX],
        phone[TC_VAULT_TOKEN_HEX];
    struct err err;
    life_init(&a, 1);
    life_init(&b, 2);
    token_of(&a, "alice@example.com", one);
    token_of(&a, "bob@example.com", two);
    assert_string_not_equal(one, two);
    token_of(&a, "alice@example.com", again);
    assert_string_equal(one, again);
    assert_int_equal(vault_token(a.vault, VAULT_PHONE, SV("alice@example.com"), phone, &err), 0);
    assert_string_not_equal(one, phone);
    require_value(&a, one, "alice@example.com"); /* also before anything asked for a commit */
    assert_int_equal(vault_commit(a.vault, &err), 0);
    reopen(&a);
    token_of(&a, "alice@example.com", again);
    assert_string_equal(one, again);
    require_value(&a, two, "bob@example.com");
    token_of(&b, "alice@example.com", again);
    assert_string_not_equal(one, again);
    assert_int_equal(reveal_rc(&b, one), TC_ENOTFOUND);
    assert_int_equal(vault_find(a.vault, VAULT_EMAIL, SV("nobody@example.com"), again, &err), TC_ENOTFOUND);
    assert_int_equal(vault_find(a.vault, VAULT_EMAIL, SV("bob@example.com"), again, &err), 0);
    assert_string_equal(two, again);
    assert_int_equal(vault_token(a.vault, VAULT_EMAIL, SV(""), again, &err), TC_EINPUT);
    life_end(&a);
    life_end(&b);
}

static void test_values_lie_sealed(void **state)
{
    (void)state;
    struct life life;
    struct err err;
    struct buf bytes;
    char token[TC_VAULT_TOKEN_HEX];
    life_init(&life, 3);
    token_of(&life, "alice@example.com", token);
    assert_int_equal(vault_commit(life.vault, &err), 0);
    read_all(&life, "/data/vault/entries", &bytes);
    assert_int_equal(sv_find(buf_view(&bytes), SV("alice")), bytes.n);
    buf_free(&bytes);
    life_end(&life);
}

static void test_a_missing_or_other_key_is_told(void **state)
{
    (void)state;
    struct life life;
    struct err err;
    char token[TC_VAULT_TOKEN_HEX], other[32] = "another key of thirty-two bytes";
    life_init(&life, 4);
    token_of(&life, "alice@example.com", token);
    assert_int_equal(vault_commit(life.vault, &err), 0);
    vault_close(&life.vault);
    const struct fs *fs = sim_fs_seam(life.sim);
    assert_int_equal(fs_replace_file(fs, "/data/vault.key", sv_make(other, sizeof other), &err), 0);
    assert_int_equal(life_open(&life, &err), TC_ESTATE);
    assert_int_equal(fs->unlink(fs, "/data/vault.key"), 0);
    assert_int_equal(life_open(&life, &err), TC_ESTATE);
    assert_non_null(strstr(err.text, "restore the key"));
    life_end(&life);
}

static void test_Y_15_erased_is_gone(void **state)
{
    (void)state;
    struct life life;
    struct err err;
    struct buf before, after;
    char one[TC_VAULT_TOKEN_HEX], two[TC_VAULT_TOKEN_HEX], again[TC_VAULT_TOKEN_HEX];
    life_init(&life, 5);
    token_of(&life, "alice@example.com", one);
    token_of(&life, "bob@example.com", two);
    assert_int_equal(vault_commit(life.vault, &err), 0);
    read_all(&life, "/data/vault/entries", &before);
    assert_int_equal(vault_erase(life.vault, one, &err), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(reveal_rc(&life, one), TC_ENOTFOUND);
        assert_int_equal(vault_find(life.vault, VAULT_EMAIL, SV("alice@example.com"), again, &err),
                         TC_ENOTFOUND);
        require_value(&life, two, "bob@example.com");
        reopen(&life);
    }
    assert_int_equal(vault_erase(life.vault, one, &err), TC_ENOTFOUND);
    read_all(&life, "/data/vault/entries", &after);
    assert_int_equal(before.n, after.n);
    for (size_t i = 0; i + 16 <= before.n && i < 64 + 88 + 17; i++) /* nothing of the first entry is left */
        if (i >= 64 + 24 && i + 16 <= 64 + 88 + 17)
            assert_memory_not_equal(before.p + i, after.p + i, 16);
    token_of(&life, "alice@example.com", again);
    assert_string_not_equal(one, again);

    /* the old file comes back from a backup */
    vault_close(&life.vault);
    assert_int_equal(fs_replace_file(sim_fs_seam(life.sim), "/data/vault/entries", buf_view(&before), &err),
                     0);
    assert_int_equal(life_open(&life, &err), 0);
    assert_int_equal(reveal_rc(&life, one), TC_ENOTFOUND);
    require_value(&life, two, "bob@example.com");
    /* and a list that another directory brings */
    vault_close(&life.vault);
    char list[64];
    snprintf(list, sizeof list, "junk\n%s\n", two);
    assert_int_equal(vault_merge_erased(sim_fs_seam(life.sim), dir, sv_of(list), &err), 0);
    assert_int_equal(life_open(&life, &err), 0);
    assert_int_equal(reveal_rc(&life, two), TC_ENOTFOUND);
    buf_free(&before);
    buf_free(&after);
    life_end(&life);
}

static void test_a_bound_is_kept(void **state)
{
    (void)state;
    struct life life;
    struct err err;
    struct vault_stats stats;
    char token[TC_VAULT_TOKEN_HEX], value[32];
    life_init(&life, 6);
    vault_close(&life.vault);
    assert_int_equal(vault_open(&(struct vault_options){.fs = sim_fs_seam(life.sim),
                                                        .rng = &life.rng.rng,
                                                        .dir = dir,
                                                        .max_entries = 10},
                                &life.vault, &err),
                     0);
    for (int i = 0; i < 10; i++) {
        snprintf(value, sizeof value, "u%d@example.com", i);
        token_of(&life, value, token);
    }
    assert_int_equal(vault_token(life.vault, VAULT_EMAIL, SV("more@example.com"), token, &err), TC_EBOUND);
    token_of(&life, "u3@example.com", token);
    vault_stats(life.vault, &stats);
    assert_int_equal(stats.entries, 10);
    assert_int_equal(stats.refused, 1);
    life_end(&life);
}

static void test_a_full_disk_is_tried_again(void **state)
{
    (void)state;
    struct life life;
    struct err err;
    char one[TC_VAULT_TOKEN_HEX], two[TC_VAULT_TOKEN_HEX];
    life_init(&life, 7);
    token_of(&life, "alice@example.com", one);
    sim_fs_fail_at(life.sim, 1, -ENOSPC);
    assert_int_equal(vault_commit(life.vault, &err), TC_EBOUND);
    token_of(&life, "bob@example.com", two);
    assert_int_equal(vault_commit(life.vault, &err), 0);
    reopen(&life);
    require_value(&life, one, "alice@example.com");
    require_value(&life, two, "bob@example.com");
    sim_fs_fail_syncs(life.sim, true);
    token_of(&life, "carol@example.com", two);
    assert_int_equal(vault_commit(life.vault, &err), TC_EIO);
    sim_fs_fail_syncs(life.sim, false);
    assert_int_equal(vault_commit(life.vault, &err), TC_EIO); /* never hope after a failed sync */
    life_end(&life);
}

/* --- power cuts --- */

enum { VALUES = 12, ERASED = 3 };

struct promise {
    char token[TC_VAULT_TOKEN_HEX];
    bool acknowledged, erase_begun, erased;
};

static void value_of(unsigned i, char out[64])
{
    snprintf(out, 64, "person-%u-%.*s@example.com", i, (int)(i * 3),
             "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
}

/* A short life; stops at the first failure, as the program would. */
static void live(struct life *life, struct promise promises[VALUES])
{
    struct err err;
    char value[64];
    for (unsigned i = 0; i < VALUES; i++) {
        value_of(i, value);
        if (vault_token(life->vault, VAULT_EMAIL, sv_of(value), promises[i].token, &err) != 0)
            return;
        if (i % 3 == 2) {
            if (vault_commit(life->vault, &err) != 0)
                return;
            for (unsigned k = 0; k <= i; k++)
                promises[k].acknowledged = true;
        }
        if (i % 4 == 3) {
            struct promise *gone = &promises[i - 3];
            gone->erase_begun = true;
            if (vault_erase(life->vault, gone->token, &err) != 0)
                return;
            gone->erased = true;
            for (unsigned k = 0; k <= i; k++)
                promises[k].acknowledged = true; /* an erasure commits first */
        }
    }
}

static void require_promises(struct life *life, const struct promise promises[VALUES], uint64_t cut)
{
    char value[64];
    struct err err;
    for (unsigned i = 0; i < VALUES; i++) {
        const struct promise *p = &promises[i];
        value_of(i, value);
        if (p->acknowledged && !p->erase_begun) {
            require_value(life, p->token, value);
            char again[TC_VAULT_TOKEN_HEX];
            assert_int_equal(vault_find(life->vault, VAULT_EMAIL, sv_of(value), again, &err), 0);
            assert_string_equal(p->token, again);
        }
        if (p->erased && reveal_rc(life, p->token) != TC_ENOTFOUND)
            fail_msg("cut at call %llu: value %u came back", (unsigned long long)cut, i);
    }
}

static bool one_cut(uint64_t cut, uint64_t seed, enum sim_fs_mode mode)
{
    struct life life;
    struct err err;
    struct promise promises[VALUES] = {0};
    char token[TC_VAULT_TOKEN_HEX];
    life_init(&life, seed);
    sim_fs_cut_at(life.sim, cut);
    live(&life, promises);
    bool was_cut = sim_fs_is_cut(life.sim);
    vault_close(&life.vault);
    sim_fs_crash(life.sim, seed, mode);
    if (life_open(&life, &err) != 0)
        fail_msg("cut at call %llu: %s", (unsigned long long)cut, err.text);
    require_promises(&life, promises, cut);
    token_of(&life, "later@example.com", token);
    assert_int_equal(vault_commit(life.vault, &err), 0);
    reopen(&life);
    require_promises(&life, promises, cut);
    require_value(&life, token, "later@example.com");
    life_end(&life);
    return was_cut;
}

static void test_power_cuts(void **state)
{
    (void)state;
    static const enum sim_fs_mode modes[] = {SIM_FS_KEEP, SIM_FS_DROP, SIM_FS_SOME, SIM_FS_SHRED};
    for (size_t m = 0; m < TC_ARRAY_LEN(modes); m++)
        for (uint64_t seed = 1; seed <= 5; seed++)
            for (uint64_t cut = 1; one_cut(cut, seed, modes[m]); cut++)
                assert_true(cut < 1000);
}

/* Also while it is made: either there is a whole vault afterwards, or one can be made. */
static void test_power_cut_while_made(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++)
        for (uint64_t cut = 1; cut < 60; cut++) {
            struct life life = {.sim = sim_fs_new(0)};
            struct err err;
            sim_rng_init(&life.rng, seed);
            sim_fs_cut_at(life.sim, cut);
            life_open(&life, &err);
            vault_close(&life.vault);
            sim_fs_crash(life.sim, seed, SIM_FS_SHRED);
            if (life_open(&life, &err) != 0)
                fail_msg("cut at call %llu: %s", (unsigned long long)cut, err.text);
            life_end(&life);
        }
}

static void test_damage_costs_itself(void **state)
{
    (void)state;
    struct life life;
    struct err err;
    struct buf bytes;
    struct vault_stats stats;
    char token[3][TC_VAULT_TOKEN_HEX];
    life_init(&life, 8);
    token_of(&life, "a@example.com", token[0]);
    token_of(&life, "b@example.com", token[1]);
    token_of(&life, "c@example.com", token[2]);
    assert_int_equal(vault_commit(life.vault, &err), 0);
    vault_close(&life.vault);
    read_all(&life, "/data/vault/entries", &bytes);
    bytes.p[64 + 101 + 40] ^= 1;
    assert_int_equal(fs_replace_file(sim_fs_seam(life.sim), "/data/vault/entries", buf_view(&bytes), &err),
                     0);
    assert_int_equal(life_open(&life, &err), 0);
    vault_stats(life.vault, &stats);
    assert_int_equal(stats.damaged_bytes, 101);
    require_value(&life, token[0], "a@example.com");
    assert_int_equal(reveal_rc(&life, token[1]), TC_ENOTFOUND);
    require_value(&life, token[2], "c@example.com");
    buf_free(&bytes);
    life_end(&life);
}

static void test_parse_token(void **state)
{
    (void)state;
    char token[TC_VAULT_TOKEN_HEX];
    assert_true(vault_parse_token(SV("0123456789abcdef"), token));
    assert_true(vault_parse_token(SV("<email:0123456789ABCDEF>"), token));
    assert_string_equal(token, "0123456789abcdef");
    static const char *const bad[] = {
        "", "<>", "<email>", "<email:>", "<email:0123>", "0123456789abcdeg", "0123456789abcdef0"};
    for (size_t i = 0; i < TC_ARRAY_LEN(bad); i++)
        assert_false(vault_parse_token(sv_of(bad[i]), token));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_are_stable_and_random),
        cmocka_unit_test(test_values_lie_sealed),
        cmocka_unit_test(test_a_missing_or_other_key_is_told),
        cmocka_unit_test(test_Y_15_erased_is_gone),
        cmocka_unit_test(test_a_bound_is_kept),
        cmocka_unit_test(test_a_full_disk_is_tried_again),
        cmocka_unit_test(test_power_cuts),
        cmocka_unit_test(test_power_cut_while_made),
        cmocka_unit_test(test_damage_costs_itself),
        cmocka_unit_test(test_parse_token),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
