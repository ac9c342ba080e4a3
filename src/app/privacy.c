/*
 * Opening the vault, minting tokens for the redactor, revealing and erasing with an audit record; see
 * privacy.h.
 */
#include "app/privacy.h"

#include "base/json_out.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

enum { PATH_BYTES = 4096, JSON_BYTES = 1 << 20, TOKENS_MAX = 1000 };

/* --- opening --- */

/* The key of hashes, and of tokens for which the vault has no room: made once, kept with the data. */
static int read_redact_key(const char *dir, uint8_t key[TC_REDACT_KEY_BYTES], struct err *err)
{
    char path[PATH_BYTES];
    struct fs_stat st;
    snprintf(path, sizeof path, "%s/redact.key", dir);
    if (fs_system.stat(&fs_system, path, &st) != 0) {
        rng_fill(&rng_system, key, TC_REDACT_KEY_BYTES);
        return fs_replace_file(&fs_system, path, sv_make((const char *)key, TC_REDACT_KEY_BYTES), err);
    }
    struct buf bytes;
    buf_init(&bytes, TC_REDACT_KEY_BYTES);
    int rc = fs_read_file(&fs_system, path, &bytes, err);
    if (rc == 0 && bytes.n != TC_REDACT_KEY_BYTES)
        rc = err_set(err, TC_ECORRUPT, "%s is damaged: restore it from a backup", path);
    if (rc == 0)
        memcpy(key, bytes.p, TC_REDACT_KEY_BYTES);
    buf_free(&bytes);
    return rc;
}

static bool kind_of(const char *word, enum vault_kind *ret)
{
    for (int kind = 1; kind < VAULT_KIND_COUNT; kind++)
        if (strcmp(word, vault_kind_name((enum vault_kind)kind)) == 0) {
            *ret = (enum vault_kind)kind;
            return true;
        }
    return false;
}

static int make_token(void *context, const char *word, struct sv value, char ret[17])
{
    struct privacy *p = context;
    enum vault_kind kind;
    struct err err;
    if (!kind_of(word, &kind))
        return TC_EINPUT;
    if (value.n > TC_VAULT_VALUE_MAX)
        return 1; /* no person has such a name: a keyed hash will do */
    int rc = vault_token(p->vault, kind, value, ret, &err);
    return rc == TC_EBOUND ? 1 : rc;
}

int privacy_open(struct privacy *p, const struct config *c, const char *store_path, struct err *err)
{
    uint8_t key[TC_REDACT_KEY_BYTES];
    struct vault_stats stats;
    p->store_path = store_path;
    int rc = policy_new(c->policy_text, &p->policy, err);
    if (rc == 0)
        rc = read_redact_key(c->data, key, err);
    if (rc == 0)
        rc = vault_open(
            &(struct vault_options){
                .fs = &fs_system, .rng = &rng_system, .dir = c->data, .key_path = c->vault_key_path},
            &p->vault, err);
    if (rc != 0)
        return rc;
    vault_stats(p->vault, &stats);
    if (stats.damaged_bytes > 0)
        log_warn("vault",
                 "%llu bytes of the vault are no entries: a torn tail, or damage; they are stepped over",
                 (unsigned long long)stats.damaged_bytes);
    p->redactor = redactor_new(key);
    explicit_bzero(key, sizeof key);
    redactor_use_tokens(p->redactor, make_token, p);
    redactor_use_policy(p->redactor, p->policy);
    return 0;
}

void privacy_close(struct privacy *p)
{
    redactor_free(&p->redactor);
    policy_free(&p->policy);
    vault_close(&p->vault);
}

int privacy_before_commit(struct privacy *p, struct err *err)
{
    return p->vault == NULL ? 0 : vault_commit(p->vault, err);
}

/* --- commands --- */

bool privacy_is_command(struct sv verb)
{
    return sv_is(verb, "reveal") || sv_is(verb, "erase") || sv_is(verb, "reveal_alert");
}

struct sv privacy_clean(struct privacy *p, struct sv text, struct arena *arena)
{
    struct buf out;
    buf_init(&out, text.n * 4 + 4096);
    enum redact_outcome outcome = redact_raw(p->redactor, text, false, arena, &out);
    struct sv kept = outcome == REDACT_CHANGED ? arena_sv(arena, buf_view(&out))
                     : outcome == REDACT_CLEAN ? text
                                               : SV("<masked>");
    buf_free(&out);
    return kept;
}

/* The token that is meant; a value (for erasing) is looked up as each kind. */
static int token_meant(struct privacy *p, struct sv subject, bool may_be_value, char ret[TC_VAULT_TOKEN_HEX],
                       struct err *err)
{
    struct buf canonical;
    int rc = TC_ENOTFOUND;
    if (vault_parse_token(subject, ret))
        return 0;
    if (!may_be_value)
        return err_set(err, TC_EINPUT, "this is no token: they look like <email:0123456789abcdef>");
    buf_init(&canonical, subject.n + 1);
    for (int kind = 1; rc == TC_ENOTFOUND && kind < VAULT_KIND_COUNT; kind++) {
        redact_canonical(vault_kind_name((enum vault_kind)kind), subject, &canonical);
        rc = vault_find(p->vault, (enum vault_kind)kind, buf_view(&canonical), ret, err);
    }
    buf_free(&canonical);
    return rc;
}

static int reveal(struct privacy *p, const char *token, struct buf *ret_json, struct err *err)
{
    struct buf value;
    enum vault_kind kind = 0;
    struct json_out json = json_out_to(ret_json);
    buf_init(&value, TC_VAULT_VALUE_MAX);
    int rc = vault_reveal(p->vault, token, &kind, &value, err);
    if (rc == 0) {
        json_object(&json);
        json_kv_str(&json, "token", token);
        json_kv_str(&json, "kind", vault_kind_name(kind));
        json_kv_string(&json, "value", buf_view(&value));
        json_object_end(&json);
        atomic_fetch_add(&p->revealed, 1);
    }
    buf_free(&value);
    return rc;
}

static int erase(struct privacy *p, const char *token, struct buf *ret_json, struct err *err)
{
    int rc = vault_erase(p->vault, token, err);
    if (rc != 0)
        return rc;
    struct json_out json = json_out_to(ret_json);
    json_object(&json);
    json_kv_str(&json, "token", token);
    json_kv_bool(&json, "erased", true);
    json_object_end(&json);
    atomic_fetch_add(&p->erased, 1);
    return 0;
}

/* --- an alert's tokens --- */

/* Length of "<word:16 hex>" at the start of `text`, 0 where there is none. */
static size_t token_at(struct sv text, char ret[TC_VAULT_TOKEN_HEX])
{
    size_t end = sv_find_char(sv_head(text, 32), '>');
    if (text.n == 0 || text.p[0] != '<' || end >= TC_MIN(text.n, (size_t)32))
        return 0;
    return vault_parse_token(sv_head(text, end + 1), ret) ? end + 1 : 0;
}

/* The alert's JSON with the values in place of tokens; those that lead nowhere stay. */
static void put_revealed(struct privacy *p, struct sv alert, struct buf *out)
{
    char token[TC_VAULT_TOKEN_HEX];
    struct buf value, quoted;
    buf_init(&value, TC_VAULT_VALUE_MAX);
    buf_init(&quoted, 8 * TC_VAULT_VALUE_MAX);
    for (size_t i = 0; i < alert.n;) {
        enum vault_kind kind;
        struct err err;
        size_t n = token_at(sv_from(alert, i), token);
        buf_clear(&value);
        if (n == 0 || vault_reveal(p->vault, token, &kind, &value, &err) != 0) {
            buf_char(out, alert.p[i++]);
            continue;
        }
        struct json_out json = json_out_to(&quoted);
        buf_clear(&quoted);
        json_string(&json, buf_view(&value));
        buf_add(out, quoted.p + 1, quoted.n - 2); /* inside of a string already */
        i += n;
        atomic_fetch_add(&p->revealed, 1);
    }
    buf_free(&value);
    buf_free(&quoted);
}

static int reveal_alert(struct privacy *p, struct core *core, const struct alert_command *command,
                        struct sv note, struct buf *ret_json, struct err *err)
{
    struct store *store = NULL;
    struct buf alert;
    buf_init(&alert, JSON_BYTES);
    int rc = store_open_reader(p->store_path, &store, err);
    if (rc == 0)
        rc = store_get_alert(store, command->alert_id, &alert, err);
    store_close(&store);
    if (rc == 0)
        rc = core_audit(core, SV("vault_reveal_alert"), SV("alert"), command->alert_id, command->by, note,
                        err);
    if (rc == 0)
        put_revealed(p, buf_view(&alert), ret_json);
    buf_free(&alert);
    return rc;
}

int privacy_command(struct privacy *p, struct core *core, const struct alert_command *command,
                    struct buf *ret_json, struct err *err)
{
    struct arena arena = {0};
    char token[TC_VAULT_TOKEN_HEX];
    bool erases = sv_is(command->verb, "erase");
    struct sv note = privacy_clean(p, sv_trim(command->note), &arena);
    int rc = note.n > 0 ? 0 : err_set(err, TC_EINPUT, "a reason is needed: it goes into the audit record");
    if (rc == 0 && sv_is(command->verb, "reveal_alert")) {
        rc = reveal_alert(p, core, command, note, ret_json, err);
        arena_free(&arena);
        return rc;
    }
    if (rc == 0)
        rc = token_meant(p, command->alert_id, erases, token, err);
    if (rc == 0)
        rc = core_audit(core, erases ? SV("vault_erase") : SV("vault_reveal"), SV("token"), sv_of(token),
                        command->by, note, err);
    if (rc == 0)
        rc = erases ? erase(p, token, ret_json, err) : reveal(p, token, ret_json, err);
    arena_free(&arena);
    return rc;
}
