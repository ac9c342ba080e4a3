/*
 * Splitting streams into records; see split.h.
 *
 * The scanner is resumable: it remembers where it stood (depth, in a string), so a record that arrives in
 * many reads is looked at once. A record that grows past the limit is no longer kept, only counted and
 * hashed, until its end is found.
 *
 * What ends a record of a stream of JSON values that is broken? Once a stream has shown values that end with
 * their line (NDJSON), a value that is not complete at its line's end is broken, and costs that line. Before
 * that, a newline inside a string (which JSON forbids), or an incomplete line that does not look as if it
 * went on, followed by a complete one, tell.
 */
#include "event/split.h"

#include "base/arena.h"
#include "event/json.h"

#include <stdlib.h>

enum { READ_BYTES = 1 << 17, PEEK_BYTES = 64 << 10, BUFFER_MAX = TC_EVENT_RAW_MAX + 2 * READ_BYTES };

enum wrapper { WRAPPER_NONE, WRAPPER_ARRAY, WRAPPER_RECORDS };

struct splitter {
    enum split_mode mode;
    split_read_fn read;
    void *context;
    char *data;
    size_t capacity, at, end; /* unconsumed bytes are data[at, end) */
    bool eof, started;
    uint64_t bytes;
    uint64_t line; /* of data[counted] */
    size_t counted;
    /* the scan of the record that begins at `at` */
    size_t scanned; /* bytes of it that were looked at */
    size_t depth;
    bool in_string, escaped, complete, opened;
    /* a record past the limit */
    bool cutting;
    uint64_t full_bytes;
    struct sha256_ctx hash;
    char *kept;
    /* JSON streams */
    bool ndjson; /* a value has ended with its line */
    enum wrapper wrapper;
    uint64_t index;
    struct sv members; /* of a Records[] found inside a buffered object: what is left of them */
    uint64_t members_line;
    const char *members_counted;
};

struct splitter *splitter_new(enum split_mode mode, split_read_fn read, void *context)
{
    struct splitter *s = tc_alloc(sizeof *s);
    s->mode = mode;
    s->read = read;
    s->context = context;
    s->line = 1;
    return s;
}

void splitter_free(struct splitter **splitter_at)
{
    struct splitter *s = *splitter_at;
    if (s == NULL)
        return;
    free(s->data);
    free(s->kept);
    free(s);
    *splitter_at = NULL;
}

void splitter_set_mode(struct splitter *s, enum split_mode mode)
{
    tc_assert(!s->started);
    s->mode = mode;
}

uint64_t splitter_bytes(const struct splitter *s)
{
    return s->bytes;
}

static void count_lines(struct splitter *s, size_t up_to)
{
    const char *p = s->data + s->counted, *end = s->data + up_to;
    while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        s->line++;
        p++;
    }
    s->counted = up_to;
}

static void consume(struct splitter *s, size_t n)
{
    s->at += n;
    s->bytes += n;
}

/* Reads more behind data[end). 1 = some came, 0 = the end, negative = failed. */
static int more(struct splitter *s, struct err *err)
{
    if (s->eof)
        return 0;
    if (s->at > 0 && s->capacity - s->end < READ_BYTES) {
        count_lines(s, s->at);
        memmove(s->data, s->data + s->at, s->end - s->at);
        s->end -= s->at;
        s->at = s->counted = 0;
    }
    if (s->capacity - s->end < READ_BYTES) {
        s->capacity = TC_MIN(TC_MAX(s->capacity * 2, (size_t)2 * READ_BYTES), (size_t)BUFFER_MAX);
        s->data = tc_realloc(s->data, s->capacity);
    }
    int64_t got =
        s->read(s->context, s->data + s->end, TC_MIN(s->capacity - s->end, (size_t)READ_BYTES), err);
    if (got < 0) {
        s->eof = true; /* what was read before is still delivered by the calls to come */
        return (int)got;
    }
    s->eof = got == 0;
    s->end += (size_t)got;
    return got > 0;
}

int splitter_peek(struct splitter *s, struct sv *ret_head, struct err *err)
{
    int rc = 1;
    while (s->end - s->at < PEEK_BYTES && (rc = more(s, err)) > 0)
        ;
    if (rc < 0)
        return rc;
    *ret_head = sv_make(s->data + s->at, TC_MIN(s->end - s->at, (size_t)PEEK_BYTES));
    return 0;
}

/* --- finding the end of a record
 * ------------------------------------------------------------------------------------- */

static void scan_reset(struct splitter *s)
{
    s->scanned = s->depth = 0;
    s->in_string = s->escaped = s->complete = s->opened = false;
}

/* A line: up to and with its newline. */
static bool scan_line(struct splitter *s)
{
    size_t have = s->end - s->at;
    const char *found =
        have > s->scanned ? memchr(s->data + s->at + s->scanned, '\n', have - s->scanned) : NULL;
    s->scanned = found != NULL ? (size_t)(found - (s->data + s->at)) + 1 : have;
    s->complete = found != NULL;
    return s->complete;
}

static bool complete_line_follows(const struct splitter *s, size_t from)
{
    const char *p = s->data + s->at + from;
    size_t n = s->end - s->at - from;
    const char *newline = n > 0 && *p == '{' ? memchr(p, '\n', n) : NULL;
    if (newline == NULL)
        return false;
    struct sv line = sv_trim(sv_make(p, (size_t)(newline - p)));
    return json_value_length(line) == line.n;
}

static char last_token(const char *p, size_t n)
{
    while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t' || p[n - 1] == '\r'))
        n--;
    return n > 0 ? p[n - 1] : '\0';
}

/* At the newline at offset `at` of an incomplete value: is it broken here? */
static bool broken_at_newline(const struct splitter *s, size_t at)
{
    if (s->in_string || s->ndjson)
        return true;
    if (s->wrapper != WRAPPER_NONE)
        return false;
    char last = last_token(s->data + s->at, at);
    return last != ',' && last != '[' && last != '{' && last != ':' && complete_line_follows(s, at + 1);
}

static bool is_word_end(char c)
{
    return c == ',' || c == ']' || c == '}' || c == ' ' || c == '\n' || c == '\r' || c == '\t';
}

/* A JSON value that begins at data[at]. `scanned` is its length when this returns true. */
static bool scan_value(struct splitter *s)
{
    const char *p = s->data + s->at;
    size_t have = s->end - s->at;
    while (s->scanned < have) {
        size_t at = s->scanned++;
        char c = p[at];
        if (c == '\n' && !s->escaped && s->opened && broken_at_newline(s, at))
            return s->complete = true;
        if (s->escaped) {
            s->escaped = false;
        } else if (s->in_string) {
            s->escaped = c == '\\';
            s->in_string = c != '"';
            if (!s->in_string && s->depth == 0)
                return s->complete = true;
        } else if (c == '"') {
            s->in_string = s->opened = true;
        } else if (c == '{' || c == '[') {
            s->depth++;
            s->opened = true;
        } else if (c == '}' || c == ']') {
            if (s->depth == 0) {
                s->scanned -= at > 0; /* a stray bracket ends a word; alone it is a record of its own */
                return s->complete = true;
            }
            if (--s->depth == 0)
                return s->complete = true;
        } else if (s->depth == 0 && !s->opened && at > 0 && is_word_end(c)) {
            s->scanned--;
            return s->complete = true;
        }
    }
    return false;
}

/* --- records
 * ---------------------------------------------------------------------------------------------------------
 */

static void cut_begin(struct splitter *s)
{
    s->cutting = true;
    s->full_bytes = 0;
    if (s->kept == NULL)
        s->kept = tc_alloc(TC_EVENT_CUT_BYTES);
    memcpy(s->kept, s->data + s->at, TC_EVENT_CUT_BYTES);
    sha256_init(&s->hash);
}

static void cut_take(struct splitter *s, size_t n)
{
    sha256_update(&s->hash, n, (const uint8_t *)s->data + s->at);
    s->full_bytes += n;
    consume(s, n);
}

/*
 * Scans until the record that begins at data[at] is complete or the stream ends. Returns 1 with *ret filled,
 * 0 where nothing is left, negative on a read error.
 */
static int take_record(struct splitter *s, bool (*scan)(struct splitter *), struct split_record *ret,
                       struct err *err)
{
    int rc = 1;
    count_lines(s, s->at);
    *ret = (struct split_record){.line = s->line, .index = s->index, .in_array = s->wrapper != WRAPPER_NONE};
    scan_reset(s);
    while (!scan(s)) {
        if (s->scanned > TC_EVENT_RAW_MAX && !s->cutting)
            cut_begin(s);
        if (s->cutting) {
            cut_take(s, s->scanned);
            s->scanned = 0;
        }
        rc = more(s, err);
        if (rc <= 0)
            break;
    }
    if (rc < 0)
        return rc;
    if (s->scanned > TC_EVENT_RAW_MAX && !s->cutting)
        cut_begin(s);
    if (s->cutting) {
        cut_take(s, s->scanned);
        ret->raw = sv_make(s->kept, TC_EVENT_CUT_BYTES);
        ret->cut = true;
        ret->full_bytes = s->full_bytes;
        hash_sha256_final(&s->hash, ret->sha256);
        s->cutting = false;
        return 1;
    }
    if (s->scanned == 0)
        return 0;
    ret->raw = sv_make(s->data + s->at, s->scanned);
    consume(s, s->scanned);
    return 1;
}

static struct sv without_line_end(struct sv line)
{
    if (line.n > 0 && line.p[line.n - 1] == '\n')
        line.n--;
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

static int next_line(struct splitter *s, struct split_record *ret, struct err *err)
{
    int rc = take_record(s, scan_line, ret, err);
    if (rc > 0 && !ret->cut)
        ret->raw = without_line_end(ret->raw);
    return rc;
}

/* The next byte that is not white space (nor a comma, between members), or -1 at the end, or a negative code
 * below -1. */
static int next_byte(struct splitter *s, struct err *err)
{
    for (;;) {
        while (s->at < s->end) {
            char c = s->data[s->at];
            bool skip =
                c == ' ' || c == '\n' || c == '\t' || c == '\r' || (c == ',' && s->wrapper != WRAPPER_NONE);
            if (!skip)
                return (unsigned char)c;
            consume(s, 1);
        }
        int rc = more(s, err);
        if (rc <= 0)
            return rc == 0 ? -1 : rc - 1;
    }
}

static size_t skip_white(const char *p, size_t at, size_t n)
{
    while (at < n && (p[at] == ' ' || p[at] == '\n' || p[at] == '\t' || p[at] == '\r'))
        at++;
    return at;
}

/* Offset behind the bracket of `{"Records": [` at the front of `text`, where a member { or ] follows; else 0.
 */
static size_t records_prefix(struct sv text)
{
    static const char *const tokens[] = {"{", "\"Records\"", ":", "["};
    size_t at = 0;
    for (size_t i = 0; i < TC_ARRAY_LEN(tokens); i++) {
        at = skip_white(text.p, at, text.n);
        if (!sv_starts(sv_from(text, at), sv_of(tokens[i])))
            return 0;
        at += strlen(tokens[i]);
    }
    size_t next = skip_white(text.p, at, text.n);
    return next < text.n && (text.p[next] == '{' || text.p[next] == ']') ? at : 0;
}

/* Where a buffered object has a member Records that is an array of objects behind other members: the text
 * behind its bracket. */
static struct sv find_records(struct sv object)
{
    if (object.n < 2 || object.p[0] != '{' || sv_find(object, SV("\"Records\"")) == object.n)
        return (struct sv){0};
    size_t at = 1;
    for (;;) {
        at = skip_white(object.p, at, object.n);
        if (at >= object.n || object.p[at] != '"')
            return (struct sv){0};
        size_t key = json_value_length(sv_from(object, at));
        bool is_records = sv_eq(sv_make(object.p + at, key), SV("\"Records\""));
        at = skip_white(object.p, at + key, object.n);
        if (key == 0 || at >= object.n || object.p[at] != ':')
            return (struct sv){0};
        at = skip_white(object.p, at + 1, object.n);
        if (is_records && at < object.n && object.p[at] == '[') {
            size_t first = skip_white(object.p, at + 1, object.n);
            return first < object.n && object.p[first] == '{' ? sv_from(object, at + 1) : (struct sv){0};
        }
        size_t value = json_value_length(sv_from(object, at));
        at = skip_white(object.p, at + value, object.n);
        if (value == 0 || at >= object.n || object.p[at] != ',')
            return (struct sv){0};
        at++;
    }
}

/* A member of a Records[] that lies whole in the buffer. */
static bool next_member(struct splitter *s, struct split_record *ret)
{
    size_t at = 0;
    while (at < s->members.n && strchr(" \n\t\r,", s->members.p[at]) != NULL && s->members.p[at] != '\0')
        at++;
    struct sv rest = sv_from(s->members, at);
    size_t n = rest.n > 0 && rest.p[0] != ']' ? json_value_length(rest) : 0;
    if (n == 0) {
        s->members = (struct sv){0};
        return false;
    }
    for (const char *p = s->members_counted; p < rest.p; p++)
        s->members_line += *p == '\n';
    s->members_counted = rest.p;
    *ret = (struct split_record){
        .raw = sv_head(rest, n), .line = s->members_line, .index = s->index++, .in_array = true};
    s->members = sv_from(rest, n);
    return true;
}

/* Enough of the stream to see whether an object begins with Records. */
static size_t look_for_records(struct splitter *s, struct err *err)
{
    size_t n;
    while ((n = records_prefix(sv_make(s->data + s->at, s->end - s->at))) == 0 && s->end - s->at < 4096 &&
           more(s, err) > 0)
        ;
    return n;
}

/* Skips the rest of an object whose Records[] was streamed: up to its closing brace. */
static int skip_rest(struct splitter *s, struct err *err)
{
    size_t depth = 1;
    bool in_string = false, escaped = false;
    for (;;) {
        while (s->at < s->end) {
            char c = s->data[s->at];
            consume(s, 1);
            if (escaped)
                escaped = false;
            else if (in_string) {
                escaped = c == '\\';
                in_string = c != '"';
            } else if (c == '"')
                in_string = true;
            else if (c == '{' || c == '[')
                depth++;
            else if ((c == '}' || c == ']') && --depth == 0)
                return 1;
        }
        int rc = more(s, err);
        if (rc <= 0)
            return rc;
    }
}

/* A value begins at data[at]: does a container of records begin? 1 = entered, 0 = no. */
static int enter_wrapper(struct splitter *s, int c, struct err *err)
{
    size_t skip = c == '[' ? 1 : c == '{' ? look_for_records(s, err) : 0;
    if (skip == 0)
        return 0;
    s->wrapper = c == '[' ? WRAPPER_ARRAY : WRAPPER_RECORDS;
    s->index = 0;
    consume(s, skip);
    return 1;
}

static int leave_wrapper(struct splitter *s, struct err *err)
{
    enum wrapper was = s->wrapper;
    consume(s, 1);
    s->wrapper = WRAPPER_NONE;
    s->index = 0;
    return was == WRAPPER_RECORDS ? skip_rest(s, err) : 1;
}

static void note_ndjson(struct splitter *s, const struct split_record *record)
{
    if (s->wrapper != WRAPPER_NONE || s->ndjson || record->cut ||
        memchr(record->raw.p, '\n', record->raw.n) != NULL)
        return;
    size_t at = s->at;
    while (at < s->end && (s->data[at] == ' ' || s->data[at] == '\r' || s->data[at] == '\t'))
        at++;
    s->ndjson = at < s->end && s->data[at] == '\n';
}

/* In a stream that ends values with their lines, a line that looks whole is taken without looking at every
 * byte. */
static bool take_whole_line(struct splitter *s, struct split_record *ret)
{
    const char *p = s->data + s->at;
    const char *newline = memchr(p, '\n', s->end - s->at);
    if (newline == NULL || newline - p > TC_EVENT_RAW_MAX)
        return false;
    struct sv line = sv_trim(sv_make(p, (size_t)(newline - p)));
    if (line.p[line.n - 1] != '}' || sv_find(line, SV("}{")) < line.n || sv_find(line, SV("} {")) < line.n)
        return false; /* perhaps broken, perhaps several values: the scanner knows */
    count_lines(s, s->at);
    *ret = (struct split_record){.raw = line, .line = s->line};
    consume(s, (size_t)(newline - p));
    return true;
}

static int next_json(struct splitter *s, struct split_record *ret, struct err *err)
{
    if (s->members.n > 0 && next_member(s, ret))
        return 1;
    for (;;) {
        int c = next_byte(s, err);
        if (c < 0)
            return c == -1 ? 0 : c + 1;
        int rc = 0;
        if (s->wrapper != WRAPPER_NONE && c == ']')
            rc = leave_wrapper(s, err);
        else if (s->wrapper == WRAPPER_NONE && !s->ndjson)
            rc = enter_wrapper(s, c, err);
        else if (s->wrapper == WRAPPER_NONE && c == '{')
            rc = enter_wrapper(s, c, err);
        if (rc < 0)
            return rc;
        if (rc > 0)
            continue;
        rc = s->ndjson && s->wrapper == WRAPPER_NONE && c == '{' && take_whole_line(s, ret)
                 ? 1
                 : take_record(s, scan_value, ret, err);
        if (rc <= 0)
            return rc;
        note_ndjson(s, ret);
        if (s->wrapper != WRAPPER_NONE) {
            s->index++;
        } else if (!ret->cut) {
            s->members = find_records(ret->raw);
            s->index = 0;
            s->members_line = ret->line;
            s->members_counted = ret->raw.p;
            if (s->members.n > 0 && next_member(s, ret))
                return 1;
        }
        if (!ret->cut)
            ret->raw = sv_trim(ret->raw);
        return 1;
    }
}

int splitter_next(struct splitter *s, struct split_record *ret, struct err *err)
{
    s->started = true;
    return s->mode == SPLIT_LINES ? next_line(s, ret, err) : next_json(s, ret, err);
}
