/*
 * Sealing; see sealing.h.
 */
#include "app/sealing.h"

#include "base/log.h"
#include "base/metric_text.h"
#include "notify/http.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

enum { SLICE_RECORDS = 100000, LOOK_EVERY_MS = 200, TIMEOUT_S = 10 };

struct sealing {
    struct sealing_options options;
    struct note_keys keys;
    struct period_key *period; /* NULL: none evolves */
    struct sealer *sealer;     /* NULL: it failed, and is opened anew at the next interval */
    pthread_t thread;
    atomic_bool stop;
    struct buf note;
    int64_t next_mono_ns, period_end_mono_ns;
    bool witness_is_mended;

    pthread_mutex_t lock; /* of the figures */
    uint64_t checkpoints, failures, witness_failures, size;
    int64_t last_ns; /* wall clock, of the last checkpoint; 0: none yet */
    uint32_t period_number, period_left;
    int64_t period_since_ns; /* wall clock */
};

static void count(struct sealing *s, uint64_t *what)
{
    pthread_mutex_lock(&s->lock);
    ++*what;
    pthread_mutex_unlock(&s->lock);
}

static void failed(struct sealing *s, const struct err *err)
{
    sealer_close(&s->sealer);
    count(s, &s->failures);
    log_err(LOG_ERROR_LEVEL, "seal", err, "the journal is not sealed");
}

/* --- witnesses
 * ------------------------------------------------------------------------------------------------------ */

/* Cuts off what a crash left unfinished. */
static int mend_witness(const struct sealing *s, int file, uint64_t *end)
{
    char tail[2 * NOTE_MAX_BYTES];
    uint64_t from = *end > sizeof tail ? *end - sizeof tail : 0;
    int64_t got = s->options.fs->read_at(s->options.fs, file, tail, sizeof tail, from);
    if (got < 0)
        return (int)got;
    uint64_t good = from + note_last_end(sv_make(tail, (size_t)got), NULL);
    if (good == *end || (good == from && from > 0))
        return 0; /* whole, or nothing that we can judge */
    *end = good;
    return s->options.fs->truncate(s->options.fs, file, good);
}

static int append_witness(struct sealing *s, struct sv note)
{
    const struct fs *fs = s->options.fs;
    uint64_t end = 0;
    int file = fs->open(fs, s->options.witness_file, FS_READ | FS_WRITE | FS_CREATE);
    if (file < 0)
        return file;
    int rc = fs->size(fs, file, &end);
    if (rc >= 0 && !s->witness_is_mended)
        rc = mend_witness(s, file, &end);
    s->witness_is_mended = rc >= 0;
    if (rc >= 0)
        rc = fs_write_all(fs, file, note.p, note.n, end);
    if (rc >= 0)
        rc = fs->sync(fs, file);
    s->witness_is_mended = s->witness_is_mended && rc >= 0;
    fs->close(fs, file);
    return rc;
}

static bool post_witness(const struct sealing *s, struct sv note)
{
    struct http_post post = {.url = s->options.witness_url,
                             .content_type = "text/plain; charset=utf-8",
                             .body = note,
                             .timeout_ns = TIMEOUT_S * TC_SECOND_NS};
    struct transfer *transfer = http_transfer_new(&post);
    struct answer answer = {.result = SEND_RETRY};
    if (transfer == NULL)
        return false;
    CURLcode outcome = curl_easy_perform(transfer->easy);
    transfer->judge(transfer, outcome, clk_now(s->options.clk).ns, &answer);
    transfer_free(&transfer);
    return answer.result == SEND_OK;
}

static void show_witnesses(struct sealing *s, struct sv note)
{
    int rc = s->options.witness_file != NULL ? append_witness(s, note) : 0;
    if (rc < 0) {
        struct err err;
        errno = -rc;
        err_sys(&err, "cannot append to %s", s->options.witness_file);
        log_err(LOG_WARN_LEVEL, "seal", &err, "the witness did not get a checkpoint");
        count(s, &s->witness_failures);
    }
    if (s->options.witness_url.n > 0 && !post_witness(s, note)) {
        log_warn("seal", "the witness's URL does not answer with 2xx: it did not get a checkpoint");
        count(s, &s->witness_failures);
    }
    if (s->options.witness_log)
        log_info("seal", "checkpoint: %.*s", SV_FMT(note));
}

/* --- the round
 * ----------------------------------------------------------------------------------------------------- */

static void show_period(struct sealing *s)
{
    pthread_mutex_lock(&s->lock);
    s->period_number = period_number(s->period);
    s->period_left = period_left(s->period);
    s->period_since_ns = period_since(s->period).ns;
    pthread_mutex_unlock(&s->lock);
}

/* Another key signs from now on. */
static void begin_period(struct sealing *s)
{
    s->period_end_mono_ns = clk_monotonic_ns(s->options.clk) + s->options.period_ns;
    show_period(s);
}

/* To open it finishes an evolution that failed, or that a crash cut off. */
static bool is_open(struct sealing *s)
{
    struct err err;
    struct sealer_options o = {.fs = s->options.fs,
                               .dir = s->options.dir,
                               .journal = s->options.journal,
                               .keys = &s->keys,
                               .period = s->period,
                               .now = clk_now(s->options.clk)};
    if (s->sealer == NULL && sealer_open(&o, &s->sealer, &err) != 0)
        failed(s, &err);
    if (s->period != NULL && period_number(s->period) != s->period_number)
        begin_period(s);
    return s->sealer != NULL;
}

/* Takes in all that is durable; a stop does not wait for a long way. */
static bool follow(struct sealing *s)
{
    struct err err;
    int rc;
    if (sealer_size(s->sealer) + 1 == journal_end(s->options.journal))
        return true; /* nothing came: no look at the disk */
    while ((rc = sealer_step(s->sealer, SLICE_RECORDS, &err)) == 1)
        if (atomic_load(&s->stop))
            return false;
    if (rc < 0)
        failed(s, &err);
    return rc == 0;
}

/* A key that cannot be replaced signs on: better than no seal. */
static bool can_evolve(struct sealing *s, struct receive_time now)
{
    struct err err;
    if (period_left(s->period) == 0)
        return true;
    int rc = period_check_next(s->period, &err);
    if (rc == 0)
        rc = period_prepare(s->period, period_number(s->period) + 1, now, &err);
    if (rc == 0)
        return true;
    count(s, &s->failures);
    log_err(LOG_ERROR_LEVEL, "seal", &err, "the key cannot evolve, and signs on");
    return false;
}

/* A checkpoint; the last of its period where that is over. */
static int sign(struct sealing *s, struct receive_time now, struct err *err)
{
    if (s->period == NULL || clk_monotonic_ns(s->options.clk) < s->period_end_mono_ns || !can_evolve(s, now))
        return sealer_checkpoint(s->sealer, now, &s->note, err);
    int rc = sealer_end_period(s->sealer, now, &s->note, err);
    if (rc != 0)
        return rc;
    if (period_left(s->period) == 0)
        log_warn("seal",
                 "the series of keys ends: the key of period %u signs from here on and is never "
                 "erased; make a new series (`tocsin seal evolve`)",
                 period_number(s->period));
    begin_period(s);
    return 0;
}

static void seal(struct sealing *s)
{
    struct err err;
    struct receive_time now = clk_now(s->options.clk);
    if (!is_open(s) || !follow(s))
        return;
    uint64_t size = sealer_size(s->sealer);
    if (sign(s, now, &err) != 0) {
        failed(s, &err);
        return;
    }
    pthread_mutex_lock(&s->lock);
    s->checkpoints++;
    s->size = size;
    s->last_ns = now.ns;
    pthread_mutex_unlock(&s->lock);
    show_witnesses(s, buf_view(&s->note));
}

static void *sealing_main(void *context)
{
    struct sealing *s = context;
    while (!atomic_load(&s->stop)) {
        struct timespec nap = {.tv_nsec = LOOK_EVERY_MS * 1000000L};
        int64_t now_ns = clk_monotonic_ns(s->options.clk);
        if (now_ns >= s->next_mono_ns) {
            seal(s);
            s->next_mono_ns = now_ns + s->options.interval_ns;
        } else if (s->sealer != NULL) {
            follow(s);
        }
        nanosleep(&nap, NULL);
    }
    if (s->sealer != NULL)
        seal(s);
    return NULL;
}

static int read_static_keys(const struct sealing_options *o, struct note_keys *ret, struct err *err)
{
    *ret = (struct note_keys){0};
    if (o->key_path == NULL)
        return 0;
    int rc = note_keys_read(o->fs, o->key_path, ret, err);
    if (rc == 0 && (ret->n == 0 || !ret->key[0].is_private))
        rc = err_at(err, TC_EINPUT, o->key_path, 1, 1,
                    "a public key cannot sign: the file of private keys is needed here");
    return rc;
}

/* What is left of the period that a former run began; a clock that jumped makes it one period at most. */
static int open_period(struct sealing *s, struct err *err)
{
    const struct sealing_options *o = &s->options;
    if (o->period_key_path == NULL)
        return 0;
    int rc = period_open(o->fs, o->period_key_path, &s->period, err);
    if (rc != 0)
        return rc;
    int64_t left_ns = period_since(s->period).ns + o->period_ns - clk_now(o->clk).ns;
    s->period_end_mono_ns = clk_monotonic_ns(o->clk) + TC_MIN(TC_MAX(left_ns, INT64_C(0)), o->period_ns);
    if (period_left(s->period) < period_number(s->period) / 16 || period_left(s->period) == 0)
        log_warn("seal",
                 "%u periods are left in the series of keys: make a new one in time (`tocsin seal evolve`)",
                 period_left(s->period));
    show_period(s);
    return 0;
}

static void release(struct sealing *s)
{
    sealer_close(&s->sealer);
    period_close(&s->period);
    note_keys_wipe(&s->keys);
    buf_free(&s->note);
    pthread_mutex_destroy(&s->lock);
    free(s);
}

int sealing_start(const struct sealing_options *options, struct sealing **ret, struct err *err)
{
    if (options->witness_url.n > 0 && http_check_url(options->witness_url, err) != 0)
        return err_while(err, "seal: witness_url");
    int rc = http_setup(err);
    if (rc != 0)
        return rc;
    struct sealing *s = tc_alloc(sizeof *s);
    *s = (struct sealing){.options = *options};
    buf_init(&s->note, 2 * NOTE_MAX_BYTES);
    pthread_mutex_init(&s->lock, NULL);
    rc = read_static_keys(options, &s->keys, err);
    if (rc == 0)
        rc = open_period(s, err);
    if (rc == 0 && (errno = pthread_create(&s->thread, NULL, sealing_main, s)) != 0)
        rc = err_sys(err, "cannot start the thread that seals");
    if (rc != 0) {
        release(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void sealing_stop(struct sealing **sealing)
{
    struct sealing *s = *sealing;
    if (s == NULL)
        return;
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    release(s);
    *sealing = NULL;
}

void sealing_metrics(struct sealing *s, struct buf *out)
{
    pthread_mutex_lock(&s->lock);
    const size_t of_periods = 3; /* at the end; only where a key evolves */
    const struct metric figures[] = {
        {"tocsin_seal_checkpoints_total", "counter", "Signed checkpoints written.", (double)s->checkpoints},
        {"tocsin_seal_failures_total", "counter", "Times that the journal could not be sealed.",
         (double)s->failures},
        {"tocsin_seal_witness_failures_total", "counter", "Checkpoints that a witness did not get.",
         (double)s->witness_failures},
        {"tocsin_seal_records", "gauge", "Records that the last checkpoint covers.", (double)s->size},
        {"tocsin_seal_last_checkpoint_timestamp_seconds", "gauge",
         "When the last checkpoint was signed; 0: none yet.", (double)s->last_ns / (double)TC_SECOND_NS},
        {"tocsin_seal_period", "gauge", "Number of the period whose key signs checkpoints.",
         (double)s->period_number},
        {"tocsin_seal_period_start_timestamp_seconds", "gauge", "When that period began.",
         (double)s->period_since_ns / (double)TC_SECOND_NS},
        {"tocsin_seal_periods_left", "gauge", "Periods that the series of keys has after this one.",
         (double)s->period_left},
    };
    pthread_mutex_unlock(&s->lock);
    metric_rows(out, figures, TC_ARRAY_LEN(figures) - (s->period != NULL ? 0 : of_periods));
}
