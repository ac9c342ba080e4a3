/*
 * `tocsin seal`: makes, rotates and retires the keys that sign checkpoints. The file of private keys is for
 * the server alone; FILE.pub is for whoever verifies.
 */
#include "cli/cli.h"
#include "journal/period.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

static const struct option_spec options[] = {
    {"name", OPTION_VALUE, "NAME", "what the log is called in its checkpoints (default tocsin)"},
    {"periods", OPTION_VALUE, "N",
     "for how many periods `evolve` makes keys; rounded up to a power of two (default 262144: 7 years of "
     "15 minutes)"},
    {0}};

enum { PATH_BYTES = 4096, FILE_BYTES = NOTE_KEYS_MAX * NOTE_KEY_TEXT_MAX };

static bool public_path(const char *path, char out[PATH_BYTES])
{
    return (size_t)snprintf(out, PATH_BYTES, "%s.pub", path) < PATH_BYTES;
}

static int write_keys(const char *path, const struct note_keys *keys, bool private, struct err *err)
{
    struct buf out;
    char text[NOTE_KEY_TEXT_MAX];
    buf_init(&out, FILE_BYTES);
    for (size_t i = 0; i < keys->n; i++) {
        if (private)
            note_key_private(&keys->key[i], text);
        else
            note_key_public(&keys->key[i], text);
        buf_printf(&out, "%s\n", text);
    }
    int rc = fs_replace_file(&fs_system, path, buf_view(&out), err);
    sodium_memzero(text, sizeof text);
    if (out.p != NULL)
        sodium_memzero(out.p, out.n);
    buf_free(&out);
    return rc;
}

/* The public keys first: a server that signs with a key that nobody knows would be worse than the reverse. */
static int write_both(const char *path, const struct note_keys *keys, struct err *err)
{
    char public[PATH_BYTES];
    if (!public_path(path, public))
        return err_set(err, TC_EINPUT, "the path is too long");
    int rc = write_keys(public, keys, false, err);
    return rc == 0 ? write_keys(path, keys, true, err) : rc;
}

static int init(const char *path, const char *name, struct note_keys *keys, struct err *err)
{
    struct fs_stat st;
    if (fs_system.stat(&fs_system, path, &st) == 0)
        return err_at(err, TC_EINPUT, path, 0, 0, "is there already; `tocsin seal rotate` adds a new key");
    keys->n = 1;
    int rc = note_key_make(name, &rng_system, &keys->key[0], err);
    return rc == 0 ? write_both(path, keys, err) : rc;
}

static int rotate(const char *path, struct note_keys *keys, struct err *err)
{
    int rc = note_keys_read(&fs_system, path, keys, err);
    if (rc == 0 && keys->n == 0)
        rc = err_at(err, TC_EINPUT, path, 0, 0,
                    "holds a series only: a new one is made by `tocsin seal evolve`");
    if (rc == 0 && keys->n == NOTE_KEYS_MAX)
        rc = err_at(err, TC_EINPUT, path, 0, 0, "holds %d keys already: retire the old ones", NOTE_KEYS_MAX);
    if (rc != 0)
        return rc;
    memmove(&keys->key[1], &keys->key[0], keys->n * sizeof keys->key[0]);
    keys->n++;
    rc = note_key_make(keys->key[1].name, &rng_system, &keys->key[0], err);
    return rc == 0 ? write_both(path, keys, err) : rc;
}

static int retire(const char *path, struct note_keys *keys, struct err *err)
{
    int rc = note_keys_read(&fs_system, path, keys, err);
    if (rc == 0 && keys->n == 1)
        rc = err_at(err, TC_EINPUT, path, 0, 0, "holds one key only: rotate first");
    if (rc != 0)
        return rc;
    keys->n = 1;
    return write_keys(path, keys, true, err); /* the old public keys still verify what they signed */
}

/* The verification key, for whoever verifies: the one file of the three that must leave this machine. */
static int write_series(const char *path, const struct note_series *series, struct err *err)
{
    char public[PATH_BYTES], text[NOTE_KEY_TEXT_MAX + 1];
    if (!public_path(path, public))
        return err_set(err, TC_EINPUT, "the path is too long");
    note_series_text(series, text);
    strcat(text, "\n");
    return fs_replace_file(&fs_system, public, sv_of(text), err);
}

static enum cli_exit evolve(const struct cli_args *args, const char *path)
{
    struct note_series series;
    struct err err;
    uint64_t periods;
    unsigned levels = 1;
    char text[NOTE_KEY_TEXT_MAX];
    if (!cli_number(args, "periods", 2, UINT64_C(1) << NOTE_PERIOD_LEVELS_MAX, 1 << 18, &periods))
        return CLI_USAGE;
    while (UINT64_C(1) << levels < periods)
        levels++;
    int rc = period_make(&fs_system, path, cli_value(args, "name", "tocsin"), levels, &rng_system,
                         clk_now(&clk_system), &series, &err);
    if (rc == 0)
        rc = write_series(path, &series, &err);
    if (rc != 0)
        return cli_fail_err(args, &err);
    note_series_text(&series, text);
    printf("%s\n", text);
    fprintf(stderr,
            "tocsin seal: this is the verification key: keep it, and %s.pub, where nobody who can write this "
            "machine can write; %s is rewritten by the server and must never be copied\n",
            path, path);
    return CLI_DONE;
}

static enum cli_exit seal_run(const struct cli_args *args)
{
    const char *const *words;
    struct note_keys keys = {0};
    struct err err;
    char text[NOTE_KEY_TEXT_MAX];
    cli_operands(args, &words);
    int rc;
    if (strcmp(words[0], "evolve") == 0)
        return evolve(args, words[1]);
    if (strcmp(words[0], "init") == 0)
        rc = init(words[1], cli_value(args, "name", "tocsin"), &keys, &err);
    else if (strcmp(words[0], "rotate") == 0)
        rc = rotate(words[1], &keys, &err);
    else if (strcmp(words[0], "retire") == 0)
        rc = retire(words[1], &keys, &err);
    else if (strcmp(words[0], "public") == 0)
        rc = note_keys_read(&fs_system, words[1], &keys, &err);
    else
        return cli_fail(args, CLI_USAGE, "\"%s\": it is evolve, init, rotate, retire or public", words[0]);
    for (size_t i = 0; rc == 0 && i < keys.series_count; i++) {
        note_series_text(&keys.series[i], text);
        printf("%s\n", text);
    }
    for (size_t i = 0; rc == 0 && i < keys.n; i++) {
        note_key_public(&keys.key[i], text);
        printf("%s\n", text);
    }
    note_keys_wipe(&keys);
    return rc == 0 ? CLI_DONE : cli_fail_err(args, &err);
}

const struct verb verb_seal = {
    .name = "seal",
    .operands = "evolve|init|rotate|retire|public FILE",
    .summary = "make and change the keys that sign checkpoints of the journal",
    .details =
        "`init` makes FILE with a private key, for `seal: key:` of the configuration, and FILE.pub, for "
        "`tocsin verify --key`.\n"
        "`rotate` adds a new key before the old one: the next checkpoint is signed by both and names both, "
        "so "
        "that who trusts\n"
        "the old one trusts the new one. `retire` then drops the old private keys. The server reads FILE at "
        "its start. `public`\n"
        "prints the public keys. `evolve` makes a key that evolves, for `seal: period_key:`: FILE, FILE.tree "
        "(no secret) and\n"
        "FILE.pub, and prints the verification key. After each period the server replaces FILE by the next "
        "key, from which\n"
        "the old one cannot be found: who takes the machine cannot rewrite what was sealed before. Keep a "
        "copy of FILE.pub and of the checkpoints where nobody who can write "
        "the data can write.",
    .options = options,
    .min_operands = 2,
    .max_operands = 2,
    .run = seal_run,
};
