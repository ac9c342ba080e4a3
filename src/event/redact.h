/*
 * Redaction: what is not safe to keep is never written. Stands before the journal and fails closed.
 *
 * Detectors (a table): e-mail addresses become pseudonyms "<email:16 hex digits>" (keyed hash: the same
 * address gives the same token, so that counting distinct users still works); bearer tokens, JWTs, private
 * keys, well-known API keys and card numbers (Luhn, known issuer lengths) become "<token>", "<key>", "<card>"
 * for ever. In JSON the decoded value is examined (so \u0040 hides nothing) and the raw bytes are rewritten
 * so that they stay valid JSON; keys are examined like values. The event is then parsed again from the
 * rewritten bytes.
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

#endif
