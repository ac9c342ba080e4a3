/*
 * Intake: a body of bytes becomes a batch of record blocks, parsed and redacted, with the errors of single
 * items.
 *
 * Used by every door that takes bodies (HTTP, standard input). Knows nothing of the wire it came over, nor of
 * rules. Thread-safe: an intake is read-only apart from its counters.
 */
#ifndef INGEST_INTAKE_H
#define INGEST_INTAKE_H

#include "base/buf.h"
#include "base/clk.h"
#include "base/err.h"
#include "event/parse.h"
#include "event/redact.h"

struct intake_options {
    const struct clk *clk;
    const struct redactor *redactor; /* NULL only in tests */
    int64_t lateness_ns; /* older event times are marked suspect; later than receive + 5 min too */
    size_t max_records;  /* per body; 0 = 100,000 */
    int zone_offset_s;   /* for times without zone */
};

struct intake_error {
    uint64_t index; /* of the item in the body, 0-based */
    struct sv text;
};

struct intake_batch {
    struct receive_time received;
    struct buf blocks;  /* init with the bound by intake_batch_init */
    uint32_t count;     /* blocks = accepted items */
    bool all_have_time; /* every event bears its own event time: then equal bodies are repeats
                           (docs/life-of-an-event.md) */
    struct intake_error *errors;
    size_t error_count; /* at most 1,000 are kept; error_total says how many there were */
    uint64_t error_total;
    struct arena arena;
};

struct intake;
struct intake *intake_new(const struct intake_options *options);
void intake_free(struct intake **intake);
void intake_batch_init(struct intake_batch *batch, size_t max_bytes);
void intake_batch_clear(struct intake_batch *batch); /* for the next body; keeps memory */
void intake_batch_free(struct intake_batch *batch);

/* How strict a door is: strict doors report an item that is not JSON as an error; lenient ones keep it as
 * text. */
enum intake_mode { INTAKE_JSON_STRICT, INTAKE_LENIENT };
/* Fills *batch from an unpacked body (object, array, NDJSON; with INTAKE_LENIENT also lines). TC_EBOUND: too
 * many records. */
int intake_body(struct intake *intake, struct sv source, enum intake_mode mode, struct sv body,
                struct intake_batch *batch, struct err *err);
/* One line of a live stream, appended to *batch (standard input; later files and syslog). `state` belongs to
 * the stream. */
int intake_line(struct intake *intake, const struct parser *parser, struct parse_state *state,
                struct sv source, uint64_t source_position, struct sv line, struct intake_batch *batch,
                struct err *err);

struct intake_stats {
    uint64_t records, text, errors, redacted, redaction_failed, suspect_time, bytes;
};
void intake_stats(const struct intake *intake, struct intake_stats *ret);

#endif
