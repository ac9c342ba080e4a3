/*
 * The journal of systemd; see journald_source.h.
 *
 * The cursor is of the entry taken last. After a restart the entry found there is compared with it: the same
 * one is passed over, any other means that it is gone.
 */
#include "ingest/journald_source.h"

#include "base/json_out.h"
#include "base/log.h"
#include "event/record.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

enum {
    ENTRY_BYTES = 8 << 20, /* of its JSON; a longer entry is cut by intake anyway, or loses fields */
    ROUND_ENTRIES = 4096,
    WAIT_MS = 200,
    FULL_WAIT_MS = 50,
    CURSOR_BYTES = 1024,
};
#define KEY  SV("journald:")
#define HEAD "head" /* in place of a cursor: the journal was empty, all that comes is new */

struct journald_source {
    struct journald_options options;
    struct outlet *outlet;
    const struct parser *parser;
    sd_journal *journal;       /* NULL: not open */
    char cursor[CURSOR_BYTES]; /* "": from the start that the options say */
    bool moved;                /* the cursor is to be written */
    bool told;                 /* that it cannot be read */
    int64_t retry_ms;          /* until the next attempt */
    struct buf json;
    bool has_entry; /* json is an entry that was not taken yet */
    char entry_cursor[CURSOR_BYTES];
    enum outlet_state state;
    int wake_fd;
    pthread_t thread;
    bool thread_started;
    atomic_bool stop;
    atomic_ullong entries, gaps, skipped, up, waiting;
};

/* --- positions -------------------------------------------------------------------------------------------
 */

static void seal(void *context, struct intake_batch *batch)
{
    struct journald_source *s = context;
    if (!s->moved)
        return;
    if (batch->count == 0)
        batch->received = intake_now(s->options.intake);
    record_encode_plain(REC_POSITION, CLASS_DEBUG, KEY, batch->received, (struct event_time){TC_NO_TIME},
                        sv_of(s->cursor), &batch->blocks);
    batch->count++;
    s->moved = false;
}

void journald_source_restore(struct journald_source *s, struct sv key, struct sv value)
{
    if (!sv_eq(key, KEY) || value.n >= sizeof s->cursor)
        return;
    memcpy(s->cursor, value.p, value.n);
    s->cursor[value.n] = '\0';
}

static void move_to(struct journald_source *s, const char *cursor)
{
    snprintf(s->cursor, sizeof s->cursor, "%s", cursor);
    s->moved = true;
}

/* --- opening ---------------------------------------------------------------------------------------------
 */

static bool read_cursor(sd_journal *journal, char *to, size_t size)
{
    char *cursor = NULL;
    if (sd_journal_get_cursor(journal, &cursor) < 0)
        return false;
    bool fits = strlen(cursor) < size;
    if (fits)
        snprintf(to, size, "%s", cursor);
    free(cursor);
    return fits;
}

/* The next sd_journal_next gives the first entry that is to be taken. */
static int seek(struct journald_source *s)
{
    if (strcmp(s->cursor, HEAD) == 0 || (s->cursor[0] == '\0' && s->options.from_beginning))
        return sd_journal_seek_head(s->journal);
    if (s->cursor[0] == '\0') {
        int rc = sd_journal_seek_tail(s->journal);
        if (rc < 0)
            return rc;
        rc = sd_journal_previous(s->journal); /* the newest there is: those behind it are taken */
        if (rc > 0 && read_cursor(s->journal, s->entry_cursor, sizeof s->entry_cursor))
            move_to(s, s->entry_cursor);
        if (rc != 0)
            return TC_MIN(rc, 0);
        move_to(s, HEAD);
        return sd_journal_seek_head(s->journal);
    }
    int rc = sd_journal_seek_cursor(s->journal, s->cursor);
    if (rc < 0)
        return rc;
    rc = sd_journal_next(s->journal);
    if (rc <= 0)
        return rc;
    if (sd_journal_test_cursor(s->journal, s->cursor) > 0)
        return 0;
    s->gaps++;
    log_warn("journald", "the entry that was read last is gone: entries after it may be missing");
    rc = sd_journal_previous(s->journal);
    return rc == 0 ? sd_journal_seek_head(s->journal) : TC_MIN(rc, 0);
}

static void close_journal(struct journald_source *s)
{
    if (s->journal != NULL)
        sd_journal_close(s->journal);
    s->journal = NULL;
    s->up = 0;
}

static void say_trouble(struct journald_source *s, const char *what, int rc)
{
    close_journal(s);
    s->retry_ms = TC_JOURNALD_RETRY_S * 1000;
    if (!s->told)
        log_warn("journald", "%s: %s; trying again every %d s", what, strerror(-rc), TC_JOURNALD_RETRY_S);
    s->told = true;
}

/* The library opens a journal of which it may read no file, or that has none, without a word. */
static bool has_files(struct journald_source *s)
{
    if (s->options.directory != NULL)
        return access(s->options.directory, R_OK | X_OK) == 0;
    return sd_journal_has_persistent_files(s->journal) > 0 || sd_journal_has_runtime_files(s->journal) > 0;
}

static bool open_journal(struct journald_source *s)
{
    int rc = s->options.directory != NULL ? sd_journal_open_directory(&s->journal, s->options.directory, 0)
                                          : sd_journal_open(&s->journal, SD_JOURNAL_LOCAL_ONLY);
    if (rc < 0) {
        s->journal = NULL;
        say_trouble(s, "the journal of systemd cannot be opened", rc);
        return false;
    }
    if (!has_files(s)) {
        say_trouble(
            s, "there is no journal of systemd that may be read (the groups systemd-journal and adm may)",
            -ENOENT);
        return false;
    }
    sd_journal_set_data_threshold(s->journal, 2 * (size_t)TC_EVENT_RAW_MAX);
    rc = seek(s);
    if (rc < 0) {
        say_trouble(s, "the journal of systemd cannot be read", rc);
        return false;
    }
    if (s->told)
        log_info("journald", "the journal of systemd is read again");
    s->told = false;
    s->up = 1;
    return true;
}

/* --- entries ---------------------------------------------------------------------------------------------
 */

static void put_time(struct json_out *json, const char *key, uint64_t microseconds)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)microseconds);
    json_kv_str(json, key, text);
}

/* The entry where the journal stands, as JSON. False where it cannot be read. */
static bool read_entry(struct journald_source *s)
{
    struct json_out json = json_out_to(&s->json);
    const void *data;
    size_t length;
    uint64_t realtime;
    int rc = 1, fields = 0;
    buf_clear(&s->json);
    if (sd_journal_get_realtime_usec(s->journal, &realtime) < 0 ||
        !read_cursor(s->journal, s->entry_cursor, sizeof s->entry_cursor))
        return false;
    json_object(&json);
    json_kv_str(&json, "__CURSOR", s->entry_cursor);
    put_time(&json, "__REALTIME_TIMESTAMP", realtime);
    sd_journal_restart_data(s->journal);
    while (fields++ < TC_JOURNALD_FIELDS &&
           (rc = sd_journal_enumerate_available_data(s->journal, &data, &length)) > 0) {
        struct sv field = sv_make(data, length);
        size_t end = sv_find_char(field, '=');
        if (end == field.n || s->json.n + 6 * field.n + 1024 > ENTRY_BYTES)
            continue;
        json_key(&json, sv_head(field, end));
        json_string(&json, sv_from(field, end + 1));
    }
    json_object_end(&json);
    return rc >= 0;
}

static bool take_entry(struct journald_source *s)
{
    struct split_record record = {.raw = buf_view(&s->json), .line = 1, .full_bytes = s->json.n};
    if (record.raw.n > TC_EVENT_RAW_MAX) {
        hash_sha256(record.raw, record.sha256);
        record.raw = sv_head(record.raw, TC_EVENT_CUT_BYTES);
        record.cut = true;
    }
    struct parse_state state; /* entries bear whole times: nothing is remembered from one to the next */
    parse_state_init(&state, 0, 0, intake_now(s->options.intake).ns);
    state.lateness_ns = s->options.has_lateness ? s->options.lateness_ns : -1;
    if (outlet_take_line(s->outlet, s->parser, &state, SV("journald"), 0, &record) == TC_EAGAIN)
        return false;
    s->entries++;
    s->has_entry = false;
    move_to(s, s->entry_cursor);
    return true;
}

/* Returns whether there may be more at once. */
static bool read_some(struct journald_source *s)
{
    for (int i = 0; i < ROUND_ENTRIES; i++) {
        if (s->has_entry && !take_entry(s))
            return true;
        int rc = sd_journal_next(s->journal);
        if (rc < 0)
            say_trouble(s, "the journal of systemd cannot be read", rc);
        if (rc <= 0)
            return false;
        s->has_entry = read_entry(s);
        s->skipped += !s->has_entry;
    }
    return true;
}

/* --- thread ----------------------------------------------------------------------------------------------
 */

static void wait_ms(struct journald_source *s, int ms)
{
    uint64_t count;
    struct pollfd fds[] = {
        {.fd = s->wake_fd, .events = POLLIN},
        {.fd = s->journal != NULL && s->state == OUTLET_OPEN ? sd_journal_get_fd(s->journal) : -1,
         .events = POLLIN}};
    poll(fds, TC_ARRAY_LEN(fds), ms);
    ssize_t got = read(s->wake_fd, &count, sizeof count);
    (void)got; /* nothing to read is fine */
    if (s->journal != NULL)
        sd_journal_process(s->journal);
}

static void *journald_main(void *context)
{
    struct journald_source *s = context;
    while (!atomic_load(&s->stop)) {
        bool more = false;
        s->state = outlet_flush(s->outlet);
        if (s->journal == NULL && (s->retry_ms -= WAIT_MS) <= 0)
            open_journal(s);
        if (s->journal != NULL && s->state == OUTLET_OPEN)
            more = read_some(s);
        s->state = outlet_flush(s->outlet);
        s->waiting = s->state == OUTLET_FULL;
        wait_ms(s, s->state == OUTLET_FULL ? FULL_WAIT_MS : more && s->state == OUTLET_OPEN ? 0 : WAIT_MS);
    }
    outlet_flush(s->outlet);
    close_journal(s);
    return NULL;
}

int journald_source_new(const struct journald_options *options, struct journald_source **ret, struct err *err)
{
    int wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (wake_fd < 0)
        return err_sys(err, "cannot make what wakes the thread that reads the journal of systemd");
    struct journald_source *s = tc_alloc(sizeof *s);
    s->options = *options;
    s->parser = parser_find(SV("journald"));
    s->wake_fd = wake_fd;
    buf_init(&s->json, ENTRY_BYTES + 4096);
    s->outlet = outlet_new(&(struct outlet_options){.intake = options->intake,
                                                    .append = options->append,
                                                    .seal = seal,
                                                    .seal_context = s,
                                                    .context = options->context,
                                                    .wake_fd = wake_fd,
                                                    .room = "journald"});
    *ret = s;
    return 0;
}

int journald_source_start(struct journald_source *s, struct err *err)
{
    int rc = pthread_create(&s->thread, NULL, journald_main, s);
    if (rc != 0) {
        errno = rc;
        return err_sys(err, "cannot start the thread that reads the journal of systemd");
    }
    s->thread_started = true;
    return 0;
}

void journald_source_free(struct journald_source **source_at)
{
    struct journald_source *s = *source_at;
    if (s == NULL)
        return;
    if (s->thread_started) {
        atomic_store(&s->stop, true);
        ssize_t written = write(s->wake_fd, &(uint64_t){1}, sizeof(uint64_t));
        (void)written; /* a counter that is full has woken already */
        pthread_join(s->thread, NULL);
    }
    outlet_free(&s->outlet);
    close(s->wake_fd);
    buf_free(&s->json);
    free(s);
    *source_at = NULL;
}

void journald_source_stats(const struct journald_source *s, struct journald_stats *ret)
{
    *ret = (struct journald_stats){
        .entries = s->entries, .gaps = s->gaps, .skipped = s->skipped, .up = s->up, .waiting = s->waiting};
}
