/*
 * Redaction: what is not safe to keep is never written. Stands before the journal and fails closed.
 *
 * Detectors (a table): e-mail addresses and telephone numbers become tokens "<email:16 hex digits>",
 * "<phone:…>" (the same value has the same token, so that counting distinct users still works); bearer
 * tokens, JWTs, private keys, well-known API keys, card and bank account numbers become "<token>", "<key>",
 * "<card>", "<iban>" for ever. Beside them the policy (policy.h) decides by a field's name.
 *
 * Tokens come from the caller (the vault, redactor_use_tokens). Without one, or where it has no room, they
 * are keyed hashes, which look the same and cannot be revealed. In JSON the decoded value is examined (so
 * \u0040 hides nothing) and the raw bytes are rewritten so that they stay valid JSON; keys are examined like
 * values. The event is then parsed again from the rewritten bytes.
 */
#ifndef EVENT_REDACT_H
#define EVENT_REDACT_H

#include "base/buf.h"
#include "event/event.h"
#include "event/parse.h"

struct redactor;
enum { TC_REDACT_KEY_BYTES = 32 };
/* `key` makes pseudonyms; the same key in the same data directory for ever. Read-only after this: any thread
 * may use it. */
struct redactor *redactor_new(const uint8_t key[TC_REDACT_KEY_BYTES]);
void redactor_free(struct redactor **redactor);
/*
 * Where tokens come from: fills `ret` with 16 hex digits for a value of the kind "email", "phone" or
 * "person"; the same value has the same ones. 0; 1 = no room, a keyed hash will do; negative: nothing of the
 * record may be kept. Called on any thread.
 */
typedef int (*redact_token_fn)(void *context, const char *kind, struct sv value, char ret[17]);
void redactor_use_tokens(struct redactor *redactor, redact_token_fn token, void *context);
/* Lent; NULL: none. */
struct policy;
void redactor_use_policy(struct redactor *redactor, const struct policy *policy);
/* Brings a value into the form that is looked up: an e-mail address in lower case, a telephone number as its
 * digits. `out` is cleared. */
void redact_canonical(const char *kind, struct sv value, struct buf *out);
/* Test seam (H-03): the redactor fails for every record whose raw bytes contain `marker`; NULL switches it
 * off. */
void redactor_fail_on(struct redactor *redactor, const char *marker);

enum redact_outcome { REDACT_CLEAN, REDACT_CHANGED, REDACT_FAILED };
/*
 * Examines `raw` (is_json: as a JSON text) and, where something was found, appends the rewritten bytes to
 * `out` (REDACT_CHANGED). REDACT_CLEAN: nothing found, `raw` stands. REDACT_FAILED: nothing of the record may
 * be kept.
 */
enum redact_outcome redact_raw(const struct redactor *redactor, struct sv raw, bool is_json,
                               struct arena *scratch, struct buf *out);
/*
 * A private key that is sent as several lines: its first is caught by redact_raw, this catches the others.
 * `left` belongs to the stream, 0 at its start. Returns the line without its part of the key (in `scratch`),
 * or `raw`.
 */
struct sv redact_key_line(uint8_t *left, struct sv raw, struct arena *scratch);
/* The same of a parsed event, with the policy: fields that it names are replaced in event->raw, too. Where
 * such a value cannot be found there again the outcome is REDACT_FAILED. */
enum redact_outcome redact_event(const struct redactor *redactor, const struct event *event, bool is_json,
                                 struct arena *scratch, struct buf *out);

#endif
