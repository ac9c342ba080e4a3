/*
 * Splitting a stream into records; see split.h.
 *
 * A window over the stream holds the record at hand. It grows to TC_EVENT_RAW_MAX and a little; what is
 * longer is hashed and counted as it passes by. Where a JSON value ends is asked of the JSON parser
 * (json_scan), not of brackets alone, so that a line with a missing brace is noticed at the next line and
 * costs only itself. Most streams have one object a line: these are told by their ends and by what follows
 * each brace, without looking at the rest.
 *
 * What must hold: every byte is consumed once and in order (`bytes`, `line` follow it); after a broken value,
 * bytes that were scanned in vain are scanned line by line only (`broken_until`), so the work stays linear.
 */
#include "event/split.h"

#include "event/json.h"

#include <stdlib.h>

enum {
    READ_BYTES = 256 << 10,
    WINDOW_MAX = TC_EVENT_RAW_MAX + 3 * READ_BYTES,
    PEEK_BYTES = 64 << 10,
};

enum where { AT_TOP, IN_ARRAY, IN_RECORDS };

struct splitter {
    enum split_mode mode;
    split_read_fn read;
    void *context;
    char *data; /* window: data[at .. end) is not consumed yet */
    size_t at, end, capacity;
    bool started, eof;
    int rc; /* a read error: what came before it is delivered first */
    struct err err;
    uint64_t bytes; /* consumed; the stream's offset of data[at] */
    uint64_t line;  /* of data[at] */
    enum where where;
    uint64_t index;        /* of the next member */
    uint64_t broken_until; /* stream offset; see above */
    uint64_t hint_at;      /* stream offset of a "Records", UINT64_MAX: none up to hint_end */
    uint64_t hint_end;
    char *kept; /* first TC_EVENT_CUT_BYTES of a record that is too long */
};

struct splitter *splitter_new(enum split_mode mode, split_read_fn read, void *context)
{
    struct splitter *s = tc_alloc(sizeof *s);
    s->mode = mode;
    s->read = read;
    s->context = context;
    s->line = 1;
    s->hint_at = UINT64_MAX;
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

/* --- the window --- */

static struct sv window(const struct splitter *s)
{
    return sv_make(s->data + s->at, s->end - s->at);
}

static size_t have(const struct splitter *s)
{
    return s->end - s->at;
}

static void consume(struct splitter *s, size_t n)
{
    const char *p = s->data + s->at, *end = p + n;
    while (p < end && (p = memchr(p, '\n', (size_t)(end - p))) != NULL) {
        s->line++;
        p++;
    }
    s->at += n;
    s->bytes += n;
}

static void make_room(struct splitter *s)
{
    if (s->capacity - s->end >= READ_BYTES)
        return;
    if (s->at > 0) {
        memmove(s->data, s->data + s->at, have(s));
        s->end -= s->at;
        s->at = 0;
    }
    if (s->capacity - s->end < READ_BYTES) {
        s->capacity = TC_MIN(TC_MAX(s->capacity * 2, (size_t)2 * READ_BYTES), (size_t)WINDOW_MAX);
        s->data = tc_realloc(s->data, s->capacity);
    }
}

/* Reads once more. False at the end of the stream, or of what could be read of it. */
static bool fill(struct splitter *s)
{
    if (s->eof)
        return false;
    make_room(s);
    int64_t got =
        s->read(s->context, s->data + s->end, TC_MIN(s->capacity - s->end, (size_t)READ_BYTES), &s->err);
    s->rc = got < 0 ? (int)got : 0;
    s->eof = got <= 0;
    s->end += got > 0 ? (size_t)got : 0;
    return !s->eof;
}

static bool ensure(struct splitter *s, size_t n)
{
    while (have(s) < n && fill(s))
        ;
    return have(s) >= n;
}

int splitter_peek(struct splitter *s, struct sv *ret_head, struct err *err)
{
    ensure(s, PEEK_BYTES);
    if (s->rc < 0 && have(s) == 0) {
        if (err != NULL)
            *err = s->err;
        return s->rc;
    }
    *ret_head = s->data == NULL ? (struct sv){0} : sv_head(window(s), PEEK_BYTES);
    return 0;
}

/* --- giving records out --- */

static struct split_record record_here(const struct splitter *s)
{
    return (struct split_record){.line = s->line, .index = s->index, .in_array = s->where != AT_TOP};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* A record too long to be kept, taken in pieces; a trailing \r waits, as it may belong to the line's end. */
struct cut {
    struct sha256_ctx hash;
    size_t kept;
    uint64_t full_bytes;
    bool pending_cr;
};

static void cut_add(struct splitter *s, struct cut *cut, const char *p, size_t n)
{
    size_t keep = TC_MIN(n, (size_t)TC_EVENT_CUT_BYTES - cut->kept);
    memcpy(s->kept + cut->kept, p, keep);
    cut->kept += keep;
    cut->full_bytes += n;
    sha256_update(&cut->hash, n, (const uint8_t *)p);
}

/* Consumes n bytes into the record. */
static void cut_take(struct splitter *s, struct cut *cut, size_t n)
{
    const char *p = s->data + s->at;
    if (n > 0 && cut->pending_cr)
        cut_add(s, cut, "\r", 1);
    if (n > 0) {
        cut->pending_cr = p[n - 1] == '\r';
        cut_add(s, cut, p, n - cut->pending_cr);
    }
    consume(s, n);
}

static void cut_begin(struct splitter *s, struct cut *cut, struct split_record *ret)
{
    *ret = record_here(s);
    *cut = (struct cut){0};
    sha256_init(&cut->hash);
    if (s->kept == NULL)
        s->kept = tc_alloc(TC_EVENT_CUT_BYTES);
}

static void cut_end(struct splitter *s, struct cut *cut, struct split_record *ret)
{
    ret->raw = sv_make(s->kept, cut->kept);
    ret->cut = true;
    ret->full_bytes = cut->full_bytes;
    hash_sha256_final(&cut->hash, ret->sha256);
    s->index++;
}

/* A record of the next n bytes, which the window holds. */
static void take(struct splitter *s, size_t n, struct split_record *ret)
{
    struct sv raw = sv_head(window(s), n);
    while (raw.n > 0 && is_blank(raw.p[raw.n - 1]))
        raw.n--;
    if (raw.n > TC_EVENT_RAW_MAX) {
        struct cut cut;
        cut_begin(s, &cut, ret);
        cut_take(s, &cut, raw.n);
        cut_end(s, &cut, ret);
        consume(s, n - raw.n);
        return;
    }
    *ret = record_here(s);
    ret->raw = raw;
    s->index++;
    consume(s, n);
}

/* --- lines --- */

/* Offset of the next newline, or of the end of the stream. False: it is further than a record may be long. */
static bool find_newline(struct splitter *s, size_t *ret)
{
    size_t looked = 0;
    for (;;) {
        struct sv view = window(s);
        const char *found = view.n > looked ? memchr(view.p + looked, '\n', view.n - looked) : NULL;
        if (found != NULL) {
            *ret = (size_t)(found - view.p);
            return *ret <= TC_EVENT_RAW_MAX + 1; /* one more for \r */
        }
        looked = view.n;
        if (looked > TC_EVENT_RAW_MAX + 1)
            return false;
        if (!fill(s)) {
            *ret = have(s);
            return true;
        }
    }
}

static void take_long_line(struct splitter *s, struct split_record *ret)
{
    struct cut cut;
    cut_begin(s, &cut, ret);
    do {
        struct sv view = window(s);
        size_t n = sv_find_char(view, '\n');
        cut_take(s, &cut, n);
        if (n < view.n) {
            consume(s, 1);
            break;
        }
    } while (fill(s));
    cut_end(s, &cut, ret);
}

static bool next_line(struct splitter *s, struct split_record *ret)
{
    size_t n;
    s->index = 0;
    if (!ensure(s, 1))
        return false;
    bool fits = find_newline(s, &n);
    size_t length = n;
    if (fits && length > 0 && s->data[s->at + length - 1] == '\r')
        length--;
    if (!fits || length > TC_EVENT_RAW_MAX) {
        take_long_line(s, ret);
        ret->index = 0;
        return true;
    }
    *ret = record_here(s);
    ret->raw = sv_make(s->data + s->at, length);
    consume(s, TC_MIN(n + 1, have(s)));
    return true;
}

/* --- where a JSON value ends --- */

enum extent { EXTENT_WHOLE, EXTENT_BROKEN, EXTENT_LONG };

/* Of the value at data[at]: *ret = its end, or where it broke. The window grows by doubling, so a value is
 * scanned twice at most. */
static enum extent value_extent(struct splitter *s, size_t *ret)
{
    for (;;) {
        enum json_scan scan = json_scan(window(s), ret);
        bool open_end = scan == JSON_PARTIAL || (scan == JSON_WHOLE && *ret == have(s) && !s->eof);
        if (!open_end)
            return scan == JSON_WHOLE ? EXTENT_WHOLE : EXTENT_BROKEN;
        if (have(s) > TC_EVENT_RAW_MAX)
            return EXTENT_LONG;
        if (scan == JSON_WHOLE && strchr("}]\"", s->data[s->at + *ret - 1]) != NULL)
            return EXTENT_WHOLE; /* a bare number or word could go on, these cannot */
        size_t before = have(s);
        ensure(s, TC_MIN(2 * before, (size_t)TC_EVENT_RAW_MAX + 1));
        if (have(s) == before) {
            *ret = before;
            return scan == JSON_WHOLE ? EXTENT_WHOLE : EXTENT_BROKEN;
        }
    }
}

/* Follows brackets and strings; for values that are broken or too long to be looked at in one piece. */
struct brackets {
    uint32_t depth;
    bool in_string, escaped;
};

/* True where the value ends behind this byte. */
static bool brackets_step(struct brackets *b, char c)
{
    if (b->escaped) {
        b->escaped = false;
    } else if (b->in_string) {
        b->escaped = c == '\\';
        b->in_string = c != '"';
        return !b->in_string && b->depth == 0;
    } else if (c == '"') {
        b->in_string = true;
    } else if (c == '{' || c == '[') {
        b->depth++;
    } else if (c == '}' || c == ']') {
        b->depth -= b->depth > 0;
        return b->depth == 0;
    }
    return false;
}

/* A value of more than TC_EVENT_RAW_MAX. One that has no newline in its first MiB ends with its line at the
 * latest, so that a lost brace does not swallow the stream. */
static void take_long_value(struct splitter *s, struct split_record *ret)
{
    struct cut cut;
    struct brackets b = {0};
    bool one_line = memchr(s->data + s->at, '\n', TC_EVENT_RAW_MAX) == NULL, done = false;
    cut_begin(s, &cut, ret);
    do {
        struct sv view = window(s);
        size_t n = 0;
        while (n < view.n && !done) {
            char c = view.p[n];
            if (c == '\n' && (one_line || b.in_string))
                break;
            n++;
            done = brackets_step(&b, c);
        }
        cut_take(s, &cut, n);
        done |= n < view.n;
    } while (!done && fill(s));
    cut_end(s, &cut, ret);
}

/* Length of the value at the front of `text` by brackets that match in kind; 0 where they do not. *ret_stop =
 * how far that was looked. */
static size_t balanced(struct sv text, size_t *ret_stop)
{
    char closers[TC_JSON_DEPTH_MAX];
    struct brackets b = {0};
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        bool quoted = b.in_string;
        *ret_stop = i;
        if (!quoted && (c == '{' || c == '[')) {
            if (b.depth == TC_JSON_DEPTH_MAX)
                return 0;
            closers[b.depth] = c == '{' ? '}' : ']';
        }
        if (c == '\n' && quoted)
            return 0;
        if (!quoted && (c == '}' || c == ']') && (b.depth == 0 || closers[b.depth - 1] != c))
            return 0;
        if (brackets_step(&b, c))
            return i + 1;
    }
    *ret_stop = text.n;
    return 0;
}

static void note_broken(struct splitter *s, size_t looked)
{
    s->broken_until = TC_MAX(s->broken_until, s->bytes + looked);
}

/* --- values at the top: one a line, or one after another --- */

static void take_line(struct splitter *s, struct split_record *ret)
{
    size_t n;
    if (find_newline(s, &n))
        take(s, n, ret);
    else
        take_long_line(s, ret);
}

/* True where behind no brace another value begins: only there the line could hold two. (A brace in a string
 * may be followed by anything; where that is a value's beginning, the caller looks closer.) */
static bool is_one_value(struct sv line)
{
    const char *p = line.p, *end = line.p + line.n;
    while ((p = memchr(p, '}', (size_t)(end - p))) != NULL) {
        p++;
        while (p < end && (is_blank(*p) || *p == ','))
            p++;
        if (p == end)
            return true;
        if (*p == '{' || *p == '[')
            return false;
    }
    return true;
}

/*
 * True where the line of n bytes is one object by its looks: between } and { of the next line a value must
 * have ended. Whether it is good JSON is the parser's to say; it costs its own line only.
 */
static bool is_plain_line(const struct splitter *s, struct sv line, size_t n)
{
    struct sv next = sv_from(window(s), n);
    size_t at = 0;
    while (at < next.n && is_blank(next.p[at]))
        at++;
    bool at_border = at < next.n ? next.p[at] == '{' : s->eof;
    return line.n > 1 && line.p[line.n - 1] == '}' && at_border && is_one_value(line);
}

/* Does the word "Records" stand in the next n bytes? Each byte of the stream is searched once. */
static bool has_records_word(struct splitter *s, size_t n)
{
    static const struct sv word = {"\"Records\"", 9};
    uint64_t window_end = s->bytes + have(s);
    if (s->hint_at < s->bytes || (s->hint_at == UINT64_MAX && s->hint_end < window_end)) {
        uint64_t from = TC_MAX(s->bytes, s->hint_at == UINT64_MAX ? s->hint_end : s->bytes);
        size_t skip = (size_t)(from - s->bytes);
        struct sv rest = sv_from(window(s), skip);
        size_t found = sv_find(rest, word);
        s->hint_at = found < rest.n ? from + found : UINT64_MAX;
        s->hint_end = found < rest.n ? window_end : TC_MAX(from, window_end - TC_MIN(window_end, word.n - 1));
    }
    return s->hint_at < s->bytes + n;
}

static size_t skip_blank(struct sv text, size_t at)
{
    while (at < text.n && is_blank(text.p[at]))
        at++;
    return at;
}

/* Of a member of an object at `at`: its key, and where its value begins; 0 where that cannot be seen. */
static size_t member_value(struct sv text, size_t at, struct sv *ret_key)
{
    size_t end;
    if (at >= text.n || text.p[at] != '"' || json_scan(sv_from(text, at), &end) != JSON_WHOLE)
        return 0;
    *ret_key = sv_make(text.p + at, end);
    at = skip_blank(text, at + end);
    return at < text.n && text.p[at] == ':' ? skip_blank(text, at + 1) : 0;
}

/* Offset behind the bracket of the member "Records" of the object at the front of `text`, where its value is
 * an array whose first member is an object; 0 where there is none, or not within `text`. */
static size_t find_records(struct sv text)
{
    size_t at = 0;
    do {
        struct sv key;
        at = member_value(text, skip_blank(text, at + 1), &key);
        if (at == 0 || at >= text.n)
            return 0;
        if (sv_is(key, "\"Records\"") && text.p[at] == '[') {
            size_t first = skip_blank(text, at + 1);
            return first < text.n && text.p[first] == '{' ? at + 1 : 0;
        }
        size_t end;
        if (json_scan(sv_from(text, at), &end) != JSON_WHOLE)
            return 0;
        at = skip_blank(text, at + end);
    } while (at < text.n && text.p[at] == ',');
    return 0;
}

static bool enter(struct splitter *s, enum where where, size_t skip)
{
    consume(s, skip);
    s->where = where;
    s->index = 0;
    return true;
}

/* An object with Records[] begins at data[at]: goes in. `n` bytes are known to be its line, or all there is.
 */
static bool enter_records(struct splitter *s, size_t n)
{
    size_t skip = has_records_word(s, n) ? find_records(sv_head(window(s), TC_EVENT_RAW_MAX)) : 0;
    return skip > 0 && enter(s, IN_RECORDS, skip);
}

/* After a value that ends at offset n of the window: the line ends, or another value begins. Where anything
 * else follows on the line on which the value began, the line is broken. */
static bool value_may_follow(struct splitter *s, size_t n)
{
    size_t newline;
    if (!find_newline(s, &newline) || n > newline)
        return true;
    struct sv rest = sv_make(s->data + s->at + n, newline - n);
    size_t at = 0;
    while (at < rest.n && (is_blank(rest.p[at]) || rest.p[at] == ','))
        at++;
    return at == rest.n || rest.p[at] == '{' || rest.p[at] == '[';
}

/* An object of several lines, or of a line that is not plain. False: Records[] was entered. */
static bool take_object(struct splitter *s, struct split_record *ret)
{
    size_t n;
    if (s->bytes < s->broken_until) {
        take_line(s, ret);
        return true;
    }
    enum extent extent = value_extent(s, &n);
    if (enter_records(s, have(s)))
        return false; /* the head of an object decides, even where the rest of it is broken or not here yet */
    if (extent == EXTENT_LONG) {
        take_long_value(s, ret);
    } else if (extent == EXTENT_WHOLE && value_may_follow(s, n)) {
        take(s, n, ret);
    } else {
        if (extent == EXTENT_BROKEN)
            note_broken(s, n);
        take_line(s, ret);
    }
    return true;
}

/* True with a record, false where Records[] was entered. */
static bool top_object(struct splitter *s, struct split_record *ret)
{
    size_t n, end;
    if (!find_newline(s, &n))
        return take_object(s, ret);
    struct sv line = sv_head(window(s), n);
    while (line.n > 0 && is_blank(line.p[line.n - 1]))
        line.n--;
    if (enter_records(s, line.n))
        return false;
    bool plain = is_plain_line(s, line, n) || (json_scan(line, &end) == JSON_WHOLE && end == line.n);
    if (!plain)
        return take_object(s, ret);
    take(s, n, ret);
    return true;
}

/* "[Sun Dec 04 …] [error] …" and "[1234] …" are lines of text in between, not arrays. */
static bool is_array_here(struct splitter *s)
{
    size_t stop, newline;
    if (!find_newline(s, &newline))
        return true;
    size_t first = skip_blank(window(s), 1);
    if (first < newline && s->data[s->at + first] == '{')
        return true;
    enum json_scan scan = json_scan(window(s), &stop);
    if (scan == JSON_WHOLE)
        return value_may_follow(s, stop);
    if (scan == JSON_PARTIAL || stop > newline)
        return true;
    /* broken on this line: an array nevertheless if its first member is good */
    struct sv text = window(s);
    first = skip_blank(text, 1);
    scan = json_scan(sv_from(text, first), &stop);
    first = skip_blank(text, first + stop);
    return scan == JSON_WHOLE && first < newline && text.p[first] == ',';
}

/* --- members of an array, or of Records[] --- */

static size_t broken_scalar(struct sv line)
{
    size_t n = 1;
    while (n < line.n && line.p[n] != ',' && line.p[n] != ']')
        n++;
    return n;
}

/* As balanced(), over as much of the stream as a record may be long. */
static size_t balanced_here(struct splitter *s, size_t *ret_stop)
{
    for (;;) {
        struct sv view = sv_head(window(s), TC_EVENT_RAW_MAX);
        size_t n = balanced(view, ret_stop);
        if (n > 0 || *ret_stop < view.n || view.n == TC_EVENT_RAW_MAX || !ensure(s, view.n + 1))
            return n;
        ensure(s, TC_MIN(2 * view.n, (size_t)TC_EVENT_RAW_MAX));
    }
}

/* A member that is not JSON: as a whole where its brackets match, else its first line. `looked` = how far it
 * was found to be broken. */
static void take_broken_member(struct splitter *s, size_t looked, struct split_record *ret)
{
    size_t newline, stop = 0, n = 0;
    bool fits = find_newline(s, &newline);
    struct sv line = sv_head(window(s), fits ? newline : TC_EVENT_RAW_MAX);
    bool is_container = line.p[0] == '{' || line.p[0] == '[';
    if (is_container)
        n = s->bytes >= s->broken_until ? balanced_here(s, &stop) : balanced(line, &stop);
    if (n == 0)
        note_broken(s, TC_MAX(looked, stop));
    if (n == 0 && !fits) {
        take_long_line(s, ret);
        return;
    }
    line = sv_head(window(s), newline); /* the window may have moved */
    take(s, n > 0 ? n : is_container ? line.n : broken_scalar(line), ret);
    if (ret->raw.n > 1 && ret->raw.p[ret->raw.n - 1] == ',')
        ret->raw.n--;
}

static void take_member(struct splitter *s, struct split_record *ret)
{
    size_t n, newline;
    if (s->bytes < s->broken_until && find_newline(s, &newline) &&
        json_scan(sv_head(window(s), newline), &n) != JSON_WHOLE) {
        take_broken_member(s, 0, ret);
        return;
    }
    switch (value_extent(s, &n)) {
    case EXTENT_WHOLE:
        take(s, n, ret);
        break;
    case EXTENT_LONG:
        take_long_value(s, ret);
        break;
    case EXTENT_BROKEN:
        take_broken_member(s, n, ret);
    }
}

/* Behind Records[]: the other members of its object are passed over, up to its brace. One that is missing is
 * noticed by an object that stands where a member's name should. */
static void skip_rest_of_object(struct splitter *s)
{
    struct brackets b = {.depth = 1};
    char last = ',';
    do {
        while (have(s) > 0) {
            char c = s->data[s->at];
            if ((c == '{' && b.depth == 1 && !b.in_string && last != ':') || (c == '\n' && b.in_string))
                return;
            consume(s, 1);
            if (brackets_step(&b, c))
                return;
            last = is_blank(c) ? last : c;
        }
    } while (fill(s));
}

static void leave(struct splitter *s)
{
    consume(s, 1);
    if (s->where == IN_RECORDS)
        skip_rest_of_object(s);
    s->where = AT_TOP;
    s->index = 0;
}

/* --- the stream --- */

/* To the next byte that is neither white space nor a comma between values; false at the end. */
static bool skip_separators(struct splitter *s)
{
    do {
        size_t n = 0;
        struct sv view = window(s);
        while (n < view.n && (is_blank(view.p[n]) || view.p[n] == ','))
            n++;
        consume(s, n);
    } while (have(s) == 0 && fill(s));
    return have(s) > 0;
}

static bool next_json(struct splitter *s, struct split_record *ret)
{
    while (skip_separators(s)) {
        char c = s->data[s->at];
        if (s->where == AT_TOP)
            s->index = 0;
        if (s->where != AT_TOP && c == ']') {
            leave(s);
        } else if (s->where != AT_TOP) {
            take_member(s, ret);
            return true;
        } else if (c == '[' && is_array_here(s)) {
            enter(s, IN_ARRAY, 1);
        } else if (c != '{') {
            take_line(s, ret);
            return true;
        } else if (top_object(s, ret)) {
            return true;
        }
    }
    return false;
}

static void start(struct splitter *s)
{
    s->started = true;
    if (ensure(s, 3) && memcmp(s->data + s->at, "\xEF\xBB\xBF", 3) == 0)
        consume(s, 3); /* a byte order mark is not part of the first record */
}

int splitter_next(struct splitter *s, struct split_record *ret, struct err *err)
{
    if (!s->started)
        start(s);
    if (s->mode == SPLIT_LINES ? next_line(s, ret) : next_json(s, ret))
        return 1;
    if (s->rc < 0 && err != NULL)
        *err = s->err;
    return s->rc;
}
