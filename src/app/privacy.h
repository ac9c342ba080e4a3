/*
 * The vault and the policy at work: what `run` opens beside the core, hands to the redactor, the journal and
 * the API. docs/privacy.md has the promises.
 */
#ifndef APP_PRIVACY_H
#define APP_PRIVACY_H

#include "app/config.h"
#include "app/core.h"
#include "event/policy.h"
#include "event/redact.h"
#include "store/vault.h"

#include <stdatomic.h>

struct privacy {
    struct vault *vault;
    struct policy *policy;
    struct redactor *redactor;
    const char *store_path;
    atomic_ullong revealed, erased; /* since the start */
};

/* Opens the vault in the data directory (whose lock the core holds) and makes the redactor. */
int privacy_open(struct privacy *privacy, const struct config *config, const char *store_path,
                 struct err *err);
void privacy_close(struct privacy *privacy);
/* core_options.before_commit: no token is acknowledged whose value could be lost. */
int privacy_before_commit(struct privacy *privacy, struct err *err);
/* What a person writes, redacted as anything else is; `text` itself, or in the arena. */
struct sv privacy_clean(struct privacy *privacy, struct sv text, struct arena *arena);
/*
 * "reveal", "erase" (alert_id: a token; to erase also a value) and "reveal_alert" (alert_id: an alert's id).
 * The audit record {verb, token, by, note} is durable before anything is revealed or erased.
 */
bool privacy_is_command(struct sv verb);
int privacy_command(struct privacy *privacy, struct core *core, const struct alert_command *command,
                    struct buf *ret_json, struct err *err);

#endif
