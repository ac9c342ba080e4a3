/*
 * Batches on their way to the journal; see outlet.h.
 *
 * The journal copies the blocks, so one batch is enough to gather in; what is on its way is a counter and,
 * per batch, the number of its records (to say how many were lost where a write fails).
 */
#include "ingest/outlet.h"

#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

struct flight {
    struct outlet *outlet;
    uint32_t count; /* of its records; 0 = free */
};

struct outlet {
    struct outlet_options options;
    struct intake_batch batch;
    pthread_mutex_t lock; /* guards flights */
    pthread_cond_t landed;
    struct flight flights[TC_OUTLET_FLIGHTS];
    bool refusing; /* the last append was refused: logged once */
    atomic_ullong records, batches, lost, oversized, refused;
    atomic_uint in_flight;
};

struct outlet *outlet_new(const struct outlet_options *options)
{
    struct outlet *outlet = tc_alloc(sizeof *outlet);
    outlet->options = *options;
    pthread_mutex_init(&outlet->lock, NULL);
    pthread_cond_init(&outlet->landed, NULL);
    for (size_t i = 0; i < TC_OUTLET_FLIGHTS; i++)
        outlet->flights[i].outlet = outlet;
    intake_batch_init(&outlet->batch, TC_OUTLET_BATCH_BYTES);
    return outlet;
}

void outlet_free(struct outlet **outlet_at)
{
    struct outlet *outlet = *outlet_at;
    if (outlet == NULL)
        return;
    pthread_mutex_lock(&outlet->lock);
    while (outlet->in_flight > 0)
        pthread_cond_wait(&outlet->landed, &outlet->lock);
    pthread_mutex_unlock(&outlet->lock);
    if (outlet->batch.count > 0)
        log_error(outlet->options.room, "%u records could not be handed to the journal and are lost",
                  outlet->batch.count);
    intake_batch_free(&outlet->batch);
    pthread_cond_destroy(&outlet->landed);
    pthread_mutex_destroy(&outlet->lock);
    free(outlet);
    *outlet_at = NULL;
}

/* --- on their way ----------------------------------------------------------------------------------------
 */

static void land(struct flight *flight, int rc)
{
    struct outlet *outlet = flight->outlet;
    int wake_fd = outlet->options.wake_fd;
    if (rc != 0) {
        outlet->lost += flight->count;
        log_error(outlet->options.room, "%u records could not be written and are lost", flight->count);
    }
    /* The eventfd first, under the lock: once in_flight is 0, outlet and eventfd may be gone. */
    pthread_mutex_lock(&outlet->lock);
    ssize_t written = write(wake_fd, &(uint64_t){1}, sizeof(uint64_t));
    (void)written; /* a counter that is full has woken already */
    flight->count = 0;
    outlet->in_flight--;
    pthread_cond_signal(&outlet->landed);
    pthread_mutex_unlock(&outlet->lock);
}

static void batch_done(void *context, int rc, uint64_t first)
{
    (void)first;
    land(context, rc);
}

static struct flight *take_flight(struct outlet *outlet)
{
    struct flight *found = NULL;
    pthread_mutex_lock(&outlet->lock);
    for (size_t i = 0; i < TC_OUTLET_FLIGHTS && found == NULL; i++)
        if (outlet->flights[i].count == 0)
            found = &outlet->flights[i];
    if (found != NULL) {
        found->count = outlet->batch.count;
        outlet->in_flight++;
    }
    pthread_mutex_unlock(&outlet->lock);
    return found;
}

static void give_back(struct flight *flight)
{
    pthread_mutex_lock(&flight->outlet->lock);
    flight->count = 0;
    flight->outlet->in_flight--;
    pthread_mutex_unlock(&flight->outlet->lock);
}

static void note_refusal(struct outlet *outlet, bool refusing, const char *why)
{
    outlet->refused += refusing;
    if (refusing && !outlet->refusing)
        log_warn(outlet->options.room, "waiting: %s", why);
    else if (!refusing && outlet->refusing)
        log_info(outlet->options.room, "the journal takes records again");
    outlet->refusing = refusing;
}

/* A refused batch is sealed once more: what is added later is the newer. */
static void seal(struct outlet *outlet, struct flight *flight)
{
    if (outlet->options.seal == NULL)
        return;
    outlet->batch.blocks.max_bytes = TC_OUTLET_BATCH_BYTES + TC_OUTLET_SEAL_BYTES;
    outlet->options.seal(outlet->options.seal_context, &outlet->batch);
    outlet->batch.blocks.max_bytes = TC_OUTLET_BATCH_BYTES;
    flight->count = outlet->batch.count;
}

enum outlet_state outlet_flush(struct outlet *outlet)
{
    struct err err = {0};
    if (outlet->batch.count == 0 && outlet->options.seal == NULL)
        return OUTLET_OPEN;
    struct flight *flight = take_flight(outlet);
    if (flight == NULL)
        return OUTLET_BUSY;
    seal(outlet, flight);
    if (outlet->batch.count == 0) {
        give_back(flight);
        return OUTLET_OPEN;
    }
    uint32_t count = outlet->batch.count;
    int rc = outlet->options.append(outlet->options.context, &outlet->batch, batch_done, flight, &err);
    note_refusal(outlet, rc != 0, err.text);
    if (rc != 0) {
        give_back(flight);
        return OUTLET_FULL;
    }
    outlet->records += count;
    outlet->batches++;
    intake_batch_clear(&outlet->batch);
    return OUTLET_OPEN;
}

/* --- gathering -------------------------------------------------------------------------------------------
 */

int outlet_take(struct outlet *outlet, const struct parser *parser, struct sv source, uint64_t position,
                int zone_offset_s, const struct split_record *record)
{
    struct parse_state state;
    /* A live message's year is that of its arrival, whatever came before it. */
    parse_state_init(&state, zone_offset_s, 0, intake_now(outlet->options.intake).ns);
    return outlet_take_line(outlet, parser, &state, source, position, record);
}

size_t outlet_gathered_bytes(const struct outlet *outlet)
{
    return outlet->batch.blocks.n;
}

int outlet_take_line(struct outlet *outlet, const struct parser *parser, struct parse_state *state,
                     struct sv source, uint64_t position, const struct split_record *record)
{
    if (outlet->batch.blocks.n > TC_OUTLET_COMMIT_BYTES && outlet_flush(outlet) != OUTLET_OPEN)
        return TC_EAGAIN;
    for (;;) {
        int rc = intake_record(outlet->options.intake, parser, state, source, position, record,
                               &outlet->batch, NULL);
        if (rc != TC_EBOUND)
            return rc;
        if (outlet->batch.count == 0) {
            outlet->oversized++;
            return TC_EBOUND;
        }
        if (outlet_flush(outlet) != OUTLET_OPEN)
            return TC_EAGAIN;
    }
}

void outlet_stats(const struct outlet *outlet, struct outlet_stats *ret)
{
    /* First of all: what is no longer on its way by now is counted in all that is read below. */
    unsigned in_flight = outlet->in_flight;
    *ret = (struct outlet_stats){.records = outlet->records,
                                 .batches = outlet->batches,
                                 .lost = outlet->lost,
                                 .oversized = outlet->oversized,
                                 .refused = outlet->refused,
                                 .in_flight = in_flight};
}
