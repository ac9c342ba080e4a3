/*
 * The outlet of a live door: records are gathered into a batch, and batches are made durable without waiting.
 *
 * A door (syslog) gives records one at a time; the outlet hands a batch to `append` when it is told to (at
 * the end of a round) or when the batch is large, and goes on with the next one while the journal writes. At
 * most TC_OUTLET_FLIGHTS batches are on their way. Where no more can be taken it says so, and the door stops
 * reading: that is the back-pressure. One thread uses an outlet; `done` comes on the journal's.
 */
#ifndef INGEST_OUTLET_H
#define INGEST_OUTLET_H

#include "ingest/intake.h"

enum {
    TC_OUTLET_FLIGHTS = 4,
    TC_OUTLET_COMMIT_BYTES = 4 << 20, /* a batch is handed on past this */
    TC_OUTLET_BATCH_BYTES = 16 << 20, /* and never grows past this: one record of 1 MiB fits beside it */
    TC_OUTLET_SEAL_BYTES = 4 << 20,   /* but for what `seal` adds */
};

/* The journal's own done: rc 0 or negative, position of the first record. */
typedef void (*outlet_done_fn)(void *context, int rc, uint64_t first);

struct outlet_options {
    struct intake *intake;
    /* Queues a copy of the batch. TC_EAGAIN, TC_EBOUND: full, try again later; `done` is called only after 0.
     */
    int (*append)(void *context, const struct intake_batch *batch, outlet_done_fn done, void *done_context,
                  struct err *err);
    /* Called before a batch is handed on, may add records of its own that must be in the same frame (how far
     * a source was read); they have TC_OUTLET_SEAL_BYTES. Also called where nothing was gathered: what it
     * adds is a batch then. NULL: nothing is added. */
    void (*seal)(void *seal_context, struct intake_batch *batch);
    void *seal_context;
    void *context;
    int wake_fd;      /* an eventfd, written when a batch has landed */
    const char *room; /* named in log lines: what the door is called */
};

enum outlet_state {
    OUTLET_OPEN,
    OUTLET_BUSY, /* as many batches as allowed are on their way: wake_fd tells when one has landed */
    OUTLET_FULL, /* the journal refuses: try again in a while */
};

struct outlet;
struct outlet *outlet_new(const struct outlet_options *options);
/* Waits for the batches on their way. What was not handed on is given up and counted as lost. */
void outlet_free(struct outlet **outlet);
/*
 * 0: taken (or an empty record). TC_EAGAIN: not taken; give it again once outlet_flush says OUTLET_OPEN.
 * TC_EBOUND: no batch can hold it; it is given up, counted.
 */
int outlet_take(struct outlet *outlet, const struct parser *parser, struct sv source, uint64_t position,
                int zone_offset_s, const struct split_record *record);
/* As outlet_take, for a stream whose parser remembers from line to line: `state` is the stream's. */
int outlet_take_line(struct outlet *outlet, const struct parser *parser, struct parse_state *state,
                     struct sv source, uint64_t position, const struct split_record *record);
/* The bytes gathered and not handed on yet. */
size_t outlet_gathered_bytes(const struct outlet *outlet);
/* Hands on what was gathered, if anything, and says whether records can be taken. */
enum outlet_state outlet_flush(struct outlet *outlet);

struct outlet_stats {
    uint64_t records, batches; /* handed on */
    uint64_t lost;      /* records of batches that the journal took and could not write, or left at the end */
    uint64_t oversized; /* given up because no batch can hold them */
    uint64_t refused;   /* times that the journal said no */
    unsigned in_flight;
};
void outlet_stats(const struct outlet *outlet, struct outlet_stats *ret); /* any thread */

#endif
