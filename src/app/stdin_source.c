/*
 * Standard input; see stdin_source.h.
 *
 * Lines are gathered while bytes are there and made durable before the next read would wait, so a busy pipe
 * gets large batches and a slow one loses no time. Back-pressure is the pipe itself: while the journal is
 * full nothing is read.
 */
#include "app/stdin_source.h"

#include "base/log.h"
#include "event/split.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { STDIN_BATCH_BYTES = 16 << 20, STDIN_BATCH_COMMIT = 4 << 20, STDIN_RETRY_MS = 50, STDIN_POLL_MS = 200 };

struct stdin_source {
    struct intake *intake;
    struct journal *journal;
    struct parse_state state;
    struct intake_batch batch;
    struct splitter *splitter;
    pthread_t thread;
    atomic_bool stop;
};

static int commit(struct stdin_source *s, struct err *err)
{
    int rc = 0;
    while (s->batch.count > 0) {
        struct journal_batch batch = {.kind = BATCH_INPUT,
                                      .received = s->batch.received,
                                      .blocks = buf_view(&s->batch.blocks),
                                      .count = s->batch.count};
        rc = journal_append_wait(s->journal, &batch, &(uint64_t){0}, err);
        if (rc == 0)
            intake_batch_clear(&s->batch);
        else if ((rc == TC_EAGAIN || rc == TC_EBOUND) && !atomic_load(&s->stop))
            poll(NULL, 0, STDIN_RETRY_MS); /* the queue or the disk is full: the pipe waits with us */
        else
            break;
    }
    return rc;
}

static int64_t read_stdin(void *context, void *to, size_t n, struct err *err)
{
    struct stdin_source *s = context;
    int rc = commit(s, err);
    if (rc != 0)
        return rc;
    while (!atomic_load(&s->stop)) {
        struct pollfd in = {.fd = STDIN_FILENO, .events = POLLIN};
        int ready = poll(&in, 1, STDIN_POLL_MS);
        if (ready < 0 && errno != EINTR)
            return err_sys(err, "waiting for standard input");
        if (ready <= 0)
            continue;
        ssize_t got = read(STDIN_FILENO, to, n);
        if (got >= 0)
            return got;
        if (errno != EINTR && errno != EAGAIN)
            return err_sys(err, "reading standard input");
    }
    return 0;
}

static int take_lines(struct stdin_source *s, struct err *err)
{
    const struct parser *json = parser_find(SV("json")), *sshd = parser_find(SV("sshd"));
    struct split_record record;
    int rc;
    while ((rc = splitter_next(s->splitter, &record, err)) > 0) {
        struct sv line = sv_trim(record.raw);
        const struct parser *parser = line.n > 0 && line.p[0] == '{' ? json : sshd;
        rc = intake_record(s->intake, parser, &s->state, SV("stdin"), record.line, &record, &s->batch, err);
        if (rc == TC_EBOUND &&
            (rc = commit(s, err)) == 0) /* the batch is full: hand it on, then take the line */
            rc = intake_record(s->intake, parser, &s->state, SV("stdin"), record.line, &record, &s->batch,
                               err);
        if (rc == 0 && s->batch.blocks.n > STDIN_BATCH_COMMIT)
            rc = commit(s, err);
        if (rc != 0)
            return rc;
    }
    return rc == 0 ? commit(s, err) : rc;
}

static void *stdin_main(void *context)
{
    struct stdin_source *s = context;
    struct err err;
    if (take_lines(s, &err) < 0)
        log_error("stdin", "%s; no more is read from it", err.text);
    else if (!atomic_load(&s->stop))
        log_info("stdin", "standard input has ended; the server goes on");
    return NULL;
}

int stdin_source_start(struct intake *intake, struct journal *journal, const struct clk *clk,
                       int zone_offset_s, int64_t lateness_ns, struct stdin_source **ret, struct err *err)
{
    struct stdin_source *s = tc_alloc(sizeof *s);
    s->intake = intake;
    s->journal = journal;
    parse_state_init(&s->state, zone_offset_s, 0, clk_now(clk).ns);
    s->state.lateness_ns = lateness_ns;
    intake_batch_init(&s->batch, STDIN_BATCH_BYTES);
    s->splitter = splitter_new(SPLIT_LINES, read_stdin, s);
    int rc = pthread_create(&s->thread, NULL, stdin_main, s);
    if (rc != 0) {
        errno = rc;
        rc = err_sys(err, "cannot start the thread of standard input");
        intake_batch_free(&s->batch);
        splitter_free(&s->splitter);
        free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void stdin_source_stop(struct stdin_source **source_at)
{
    struct stdin_source *s = *source_at;
    if (s == NULL)
        return;
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    intake_batch_free(&s->batch);
    splitter_free(&s->splitter);
    free(s);
    *source_at = NULL;
}
