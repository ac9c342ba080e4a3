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
#include "event/geoip.h"
#include "event/parse.h"
#include "event/redact.h"
#include "event/split.h"

enum {
    TC_INTAKE_RECORDS_MAX = 100 * 1000,
    TC_INTAKE_ERRORS_MAX = 1000,
    TC_INTAKE_FUTURE_S = 300, /* an event time further ahead of the receive time is suspect */
};

/* Which retention class events get: the first of the rows that fits; security where none does. */
struct intake_class {
    struct sv source; /* exact, or with a * at its end; n == 0: any */
    const struct sv
        *levels; /* any of these is the event's level (log.level, level, severity), in any case of letters */
    size_t level_count; /* 0: any, or none */
    enum record_class class;
};

/* How late a sender of bodies may be, where it declared that. */
struct intake_lateness {
    struct sv source; /* exact */
    int64_t lateness_ns;
};

struct intake_options {
    const struct clk *clk;
    const struct redactor *redactor; /* NULL only in tests */
    struct geoip *geoip;             /* where addresses are; NULL: nobody asks */
    int64_t lateness_ns; /* older event times are marked suspect; later than receive + 5 min too */
    size_t max_records;  /* per body; 0 = 100,000 */
    const struct intake_lateness *declared; /* lent; in place of lateness_ns. Of equal sources the longest */
    size_t declared_count;
    int zone_offset_s;                  /* for times without zone */
    const struct intake_class *classes; /* lent */
    size_t class_count;
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
    struct arena arena;   /* error texts; lives as long as the batch */
    struct arena scratch; /* one record's fields; emptied after each */
    struct buf rewritten; /* one record's redacted bytes */
};

struct intake;
struct intake *intake_new(const struct intake_options *options);
void intake_free(struct intake **intake);
/* The receive time that a batch begun now would bear. */
struct receive_time intake_now(const struct intake *intake);
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
/*
 * One line of a live stream, appended to *batch (standard input; later files and syslog). `state` belongs to
 * the stream. An empty line adds nothing. A line longer than TC_EVENT_RAW_MAX is cut and flagged. TC_EBOUND:
 * the batch is full and was left as it was; hand it on, clear it, and give the same line again. All records
 * of a batch bear the receive time of its first.
 */
int intake_line(struct intake *intake, const struct parser *parser, struct parse_state *state,
                struct sv source, uint64_t source_position, struct sv line, struct intake_batch *batch,
                struct err *err);

/* The same for what a splitter delivered, which may have been cut there already. */
int intake_record(struct intake *intake, const struct parser *parser, struct parse_state *state,
                  struct sv source, uint64_t source_position, const struct split_record *record,
                  struct intake_batch *batch, struct err *err);

/* Since intake_new; all but `errors` count what was put into batches. */
struct intake_stats {
    uint64_t records, text, errors, redacted, redaction_failed, suspect_time, bytes;
};
void intake_stats(const struct intake *intake, struct intake_stats *ret);

#endif
