/*
 * The vault's order towards the journal, over power cuts at every call: an event that was acknowledged never
 * bears a token whose value is lost.
 */
#include "journal/journal.h"
#include "store/vault.h"

#include "base/sim_fs.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>

enum { EVENTS = 10, SEEDS = 4 };
static const char dir[] = "/data";

struct life {
    struct sim_fs *sim;
    struct sim_clk clk;
    struct sim_rng rng;
    struct journal *journal;
    struct vault *vault;
    char tokens[EVENTS][TC_VAULT_TOKEN_HEX];
    bool acknowledged[EVENTS];
};

static int before_commit(void *context, struct err *err)
{
    struct life *life = context;
    return life->vault == NULL ? 0 : vault_commit(life->vault, err);
}

static int life_open(struct life *life, struct err *err)
{
    struct journal_recovery recovery;
    struct journal_options options = {.fs = sim_fs_seam(life->sim),
                                      .clk = &life->clk.clk,
                                      .rng = &life->rng.rng,
                                      .dir = dir,
                                      .inline_commit = true,
                                      .before_commit = before_commit,
                                      .before_context = life};
    int rc = fs_make_dirs(options.fs, dir, err);
    if (rc == 0)
        rc = journal_open(&options, &life->journal, &recovery, err);
    if (rc == 0)
        rc = vault_open(&(struct vault_options){.fs = options.fs, .rng = options.rng, .dir = dir},
                        &life->vault, err);
    return rc;
}

static void acknowledged(void *context, int rc, uint64_t first)
{
    (void)first;
    *(bool *)context = rc == 0;
}

static void value_of(int i, char out[32])
{
    snprintf(out, 32, "person-%d@example.com", i);
}

static void live(struct life *life)
{
    struct err err;
    char value[32];
    for (int i = 0; i < EVENTS; i++) {
        struct buf block;
        buf_init(&block, 4096);
        value_of(i, value);
        if (vault_token(life->vault, VAULT_EMAIL, sv_of(value), life->tokens[i], &err) != 0) {
            buf_free(&block);
            return;
        }
        struct receive_time now = clk_now(&life->clk.clk);
        record_encode_plain(REC_COMMAND, CLASS_AUDIT, SV("t"), now, (struct event_time){TC_NO_TIME},
                            sv_of(life->tokens[i]), &block);
        struct journal_batch batch = {
            .kind = BATCH_CONTROL, .received = now, .blocks = buf_view(&block), .count = 1};
        journal_append(life->journal, &batch, acknowledged, &life->acknowledged[i], NULL, &err);
        buf_free(&block);
    }
}

static void require_value(struct life *life, struct sv token, uint64_t cut)
{
    struct err err;
    enum vault_kind kind;
    struct buf value;
    char hex[TC_VAULT_TOKEN_HEX];
    buf_init(&value, TC_VAULT_VALUE_MAX);
    assert_true(vault_parse_token(token, hex));
    if (vault_reveal(life->vault, hex, &kind, &value, &err) != 0)
        fail_msg("cut at call %llu: the journal bears %s, and the vault: %s", (unsigned long long)cut, hex,
                 err.text);
    buf_free(&value);
}

/* Every token that stands in the journal, acknowledged or not, has its value. */
static void require_promises(struct life *life, uint64_t cut)
{
    struct err err;
    struct journal_reader *reader;
    struct journal_frame frame;
    struct event event;
    for (int i = 0; i < EVENTS; i++)
        if (life->acknowledged[i])
            require_value(life, sv_of(life->tokens[i]), cut);
    assert_int_equal(journal_reader_open(sim_fs_seam(life->sim), dir, 0, life->journal, &reader, &err), 0);
    while (journal_reader_next(reader, &frame, &err) > 0)
        if (record_decode_envelope(frame.blocks, &event, &err) == 0 && event.type == REC_COMMAND)
            require_value(life, event.raw, cut);
    journal_reader_close(&reader);
}

static bool one_cut(uint64_t cut, uint64_t seed, enum sim_fs_mode mode)
{
    struct life life = {.sim = sim_fs_new(0)};
    struct err err;
    sim_clk_init(&life.clk, INT64_C(1790000000) * TC_SECOND_NS);
    sim_rng_init(&life.rng, seed);
    sim_fs_cut_at(life.sim, cut);
    if (life_open(&life, &err) == 0)
        live(&life);
    bool was_cut = sim_fs_is_cut(life.sim);
    vault_close(&life.vault);
    journal_close(&life.journal);
    sim_fs_crash(life.sim, seed, mode);
    if (life_open(&life, &err) != 0)
        fail_msg("cut at call %llu: %s", (unsigned long long)cut, err.text);
    require_promises(&life, cut);
    vault_close(&life.vault);
    journal_close(&life.journal);
    sim_fs_free(&life.sim);
    return was_cut;
}

static void test_no_acknowledged_token_without_its_value(void **state)
{
    (void)state;
    static const enum sim_fs_mode modes[] = {SIM_FS_KEEP, SIM_FS_DROP, SIM_FS_SOME, SIM_FS_SHRED};
    unsigned cuts = 0;
    for (size_t m = 0; m < TC_ARRAY_LEN(modes); m++)
        for (uint64_t seed = 1; seed <= SEEDS; seed++)
            for (uint64_t cut = 1; one_cut(cut, seed, modes[m]); cut++)
                cuts++;
    print_message("%u cuts\n", cuts);
    assert_true(cuts > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_acknowledged_token_without_its_value)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
