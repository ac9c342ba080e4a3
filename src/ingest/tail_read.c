/*
 * Bytes to lines; see tail_priv.h.
 *
 * A plain file is read from its offset, together with the last bytes that were read before: where these are
 * others now, the file was truncated and written anew. Only whole lines move the offset, so an unfinished one
 * is read again when there is more of it. A line past the limit is not kept but measured and hashed on the
 * way (tail_cut). A compressed file is unpacked from its beginning, what was read of it passed over.
 */
#include "ingest/tail_priv.h"

#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum { RECOGNISE_BYTES = 64 << 10, PACKED_RECORDS = 4096, PACKED_RATIO = 2000 };

/* --- one line out ----------------------------------------------------------------------------------------
 */

static struct sv label(const struct tail_file *file, char *to, size_t size)
{
    int n = file->source->name.n > 0 ? snprintf(to, size, "file:%.*s", SV_FMT(file->source->name))
                                     : snprintf(to, size, "file:%s", file->base);
    return sv_make(to, TC_MIN((size_t)n, size - 1));
}

static bool take(struct tail *tail, struct tail_file *file, const struct split_record *record,
                 uint64_t position)
{
    char name[TAIL_PATH_BYTES + 16];
    if (!file->state_ready)
        parse_state_init(&file->state, tail->options.zone_offset_s, 0,
                         file->modified_ns != 0 ? file->modified_ns : clk_now(tail->options.clk).ns);
    file->state_ready = true;
    file->state.lateness_ns = file->source->has_lateness ? file->source->lateness_ns : -1;
    int rc = outlet_take_line(tail->outlet, file->parser, &file->state, label(file, name, sizeof name),
                              position, record);
    if (rc == TC_EAGAIN)
        return false;
    tail->lines++;
    return true;
}

static struct sv without_end(struct sv line)
{
    return line.n > 0 && line.p[line.n - 1] == '\r' ? sv_head(line, line.n - 1) : line;
}

static bool take_line(struct tail *tail, struct tail_file *file, struct sv line, uint64_t position)
{
    if (position == 0 && sv_starts(line, SV("\xEF\xBB\xBF")))
        line = sv_from(line, 3);
    struct split_record record = {.raw = without_end(line), .line = 1, .full_bytes = without_end(line).n};
    if (record.raw.n > TC_EVENT_RAW_MAX) {
        hash_sha256(record.raw, record.sha256);
        record.raw = sv_head(record.raw, TC_EVENT_CUT_BYTES);
        record.cut = true;
    }
    return take(tail, file, &record, position);
}

/* Auto: a file is what its first lines are; text only once they are enough to say so. */
static bool choose_parser(struct tail *tail, struct tail_file *file)
{
    char *head;
    if (file->source->parser != NULL || (file->parser != NULL && !sv_is(sv_of(file->parser->name), "text")) ||
        (file->parser != NULL && file->offset > RECOGNISE_BYTES))
        return true;
    head = tc_alloc(RECOGNISE_BYTES);
    int64_t n = tail->options.fs->read_at(tail->options.fs, file->handle, head, RECOGNISE_BYTES, 0);
    if (n > 0)
        file->parser = parser_recognise(sv_make(head, (size_t)n));
    free(head);
    return n > 0;
}

/* --- a line past the limit -------------------------------------------------------------------------------
 */

static void cut_add(struct tail_cut *cut, struct sv bytes)
{
    if (bytes.n == 0)
        return;
    if (cut->held_cr) {
        cut->held_cr = false;
        cut_add(cut, SV("\r"));
    }
    if (bytes.p[bytes.n - 1] == '\r' && !(bytes.n == 1 && cut->at == 0)) {
        cut->held_cr = true;
        bytes.n--;
    }
    if (cut->bytes < TC_EVENT_CUT_BYTES && bytes.n > 0)
        memcpy(cut->first + cut->bytes, bytes.p, TC_MIN(bytes.n, TC_EVENT_CUT_BYTES - (size_t)cut->bytes));
    sha256_update(&cut->sha256, bytes.n, (const uint8_t *)bytes.p);
    cut->bytes += bytes.n;
}

static bool cut_end(struct tail *tail, struct tail_file *file, uint64_t next)
{
    struct tail_cut *cut = file->cut;
    struct sha256_ctx copy = cut->sha256;
    struct split_record record = {
        .raw = sv_make(cut->first, TC_EVENT_CUT_BYTES), .line = 1, .cut = true, .full_bytes = cut->bytes};
    hash_sha256_final(&copy, record.sha256);
    if (!take(tail, file, &record, file->offset))
        return false;
    free(cut);
    file->cut = NULL;
    file->offset = next;
    tail_file_take_hashes(tail, file);
    tail_file_dirty(tail, file, true);
    return true;
}

static enum tail_turn read_cut(struct tail *tail, struct tail_file *file, bool finished)
{
    struct tail_cut *cut = file->cut;
    int64_t got =
        tail->options.fs->read_at(tail->options.fs, file->handle, tail->room, TAIL_LINE_BYTES, cut->at);
    if (got < 0)
        return TURN_DRY;
    struct sv bytes = sv_make(tail->room, (size_t)got);
    size_t end = sv_find_char(bytes, '\n');
    if (end == bytes.n && !(finished && got == 0)) {
        cut_add(cut, bytes);
        cut->at += bytes.n;
        tail->bytes += bytes.n;
        return bytes.n == TAIL_LINE_BYTES ? TURN_MORE : TURN_DRY;
    }
    struct tail_cut before = *cut;
    cut_add(cut, sv_head(bytes, end));
    if (!cut_end(tail, file, before.at + end + (end < bytes.n))) {
        *cut = before;
        return TURN_STUCK;
    }
    tail->bytes += end;
    return TURN_MORE;
}

static void begin_cut(struct tail_file *file)
{
    file->cut = tc_alloc(sizeof *file->cut);
    sha256_init(&file->cut->sha256);
    file->cut->at = file->offset;
}

/* --- plain files -----------------------------------------------------------------------------------------
 */

/* The lines of `bytes`, which begin at the offset. Moves the offset; false where the outlet takes no more. */
static bool take_lines(struct tail *tail, struct tail_file *file, struct sv bytes, bool finished)
{
    while (bytes.n > 0) {
        size_t end = sv_find_char(bytes, '\n');
        size_t zeros = 0;
        while (zeros < bytes.n && bytes.p[zeros] == '\0')
            zeros++;
        if (zeros >= TC_TAIL_HOLE_BYTES) {
            file->offset += zeros;
            bytes = sv_from(bytes, zeros);
            continue;
        }
        if (end == bytes.n && !finished)
            return true;
        if (!take_line(tail, file, sv_head(bytes, end), file->offset))
            return false;
        size_t whole = TC_MIN(end + 1, bytes.n);
        file->offset += whole;
        bytes = sv_from(bytes, whole);
    }
    return true;
}

static bool was_rotated(const struct tail_file *file)
{
    return file->missing_ns != 0 || strcmp(file->path, file->base) != 0;
}

/* No more is to come: what is unfinished is a line. */
static bool is_finished(const struct tail *tail, const struct tail_file *file)
{
    return was_rotated(file) && tail_now(tail) - file->changed_ns > TC_TAIL_QUIET_S * TC_SECOND_NS;
}

/* What was read: the hash of its end, from the bytes in the room, which begin at `room_at`. */
static void moved(struct tail *tail, struct tail_file *file, uint64_t room_at, uint64_t from)
{
    if (file->offset == from)
        return;
    tail->bytes += file->offset - from;
    if (file->head_bytes < TAIL_HEAD_BYTES) {
        tail_file_take_hashes(tail, file);
    } else {
        file->last_bytes = TAIL_LAST_BYTES;
        file->last_hash =
            hash_64(sv_make(tail->room + (file->offset - TAIL_LAST_BYTES - room_at), TAIL_LAST_BYTES));
    }
    tail_file_dirty(tail, file, true);
}

static enum tail_turn read_plain(struct tail *tail, struct tail_file *file)
{
    const struct fs *fs = tail->options.fs;
    uint64_t size;
    if (fs->size(fs, file->handle, &size) != 0)
        return TURN_DRY;
    if (size < file->offset) {
        tail_file_replaced(tail, file);
        return TURN_MORE;
    }
    if (size != file->seen_bytes)
        file->changed_ns = tail_now(tail);
    file->seen_bytes = size;
    bool finished = is_finished(tail, file);
    if (size == file->offset) {
        file->size = size;
        return TURN_DRY;
    }
    if (!choose_parser(tail, file))
        return TURN_DRY;
    if (file->cut != NULL) {
        if (size < file->cut->at) {
            tail_file_replaced(tail, file);
            return TURN_MORE;
        }
        file->size = size;
        return read_cut(tail, file, finished);
    }
    uint64_t from = file->offset, room_at = from - file->last_bytes;
    int64_t got = fs->read_at(fs, file->handle, tail->room, file->last_bytes + TAIL_LINE_BYTES, room_at);
    if (got < (int64_t)file->last_bytes ||
        (file->last_bytes > 0 && hash_64(sv_make(tail->room, file->last_bytes)) != file->last_hash)) {
        if (got >= 0)
            tail_file_replaced(tail, file);
        return got >= 0 ? TURN_MORE : TURN_DRY;
    }
    file->size = size; /* now it is known to be of this file */
    struct sv bytes = sv_from(sv_make(tail->room, (size_t)got), file->last_bytes);
    bool full = bytes.n == TAIL_LINE_BYTES;
    if (full && sv_find_char(bytes, '\n') == bytes.n && bytes.p[0] != '\0') {
        begin_cut(file);
        return TURN_MORE;
    }
    bool taken = take_lines(tail, file, bytes, finished && !full);
    moved(tail, file, room_at, from);
    if (!taken)
        return TURN_STUCK;
    if (full && file->offset == from) { /* zeros, and then no end of the line */
        begin_cut(file);
        return TURN_MORE;
    }
    return full ? TURN_MORE : TURN_DRY;
}

/* --- compressed files ------------------------------------------------------------------------------------
 */

struct tail_packed {
    const struct fs *fs;
    int handle;
    uint64_t at; /* of the packed bytes */
    struct unpack *unpack;
    struct splitter *splitter;
    uint64_t begin;             /* offset of what the splitter gets */
    struct split_record record; /* to be taken */
    bool has_record;
    uint64_t record_end;
};

static int64_t read_raw(void *context, void *to, size_t n, struct err *err)
{
    struct tail_packed *packed = context;
    int64_t got = packed->fs->read_at(packed->fs, packed->handle, to, n, packed->at);
    if (got < 0) {
        errno = (int)-got;
        return err_sys(err, "reading a compressed file");
    }
    packed->at += (uint64_t)got;
    return got;
}

static struct tail_packed *packed_open(const struct fs *fs, const char *path)
{
    int handle = fs->open(fs, path, FS_READ | FS_NO_WAIT);
    if (handle < 0)
        return NULL;
    struct tail_packed *packed = tc_alloc(sizeof *packed);
    *packed = (struct tail_packed){.fs = fs, .handle = handle};
    packed->unpack = unpack_new(read_raw, packed, PACKED_RATIO);
    return packed;
}

void tail_packed_free(struct tail_packed **packed_at)
{
    struct tail_packed *packed = *packed_at;
    if (packed == NULL)
        return;
    splitter_free(&packed->splitter);
    unpack_free(&packed->unpack);
    packed->fs->close(packed->fs, packed->handle);
    free(packed);
    *packed_at = NULL;
}

/* Exactly n bytes; `to` NULL: passed over. */
static bool packed_get(struct tail_packed *packed, char *to, uint64_t n)
{
    char scrap[16384];
    while (n > 0) {
        size_t part = (size_t)(to == NULL ? TC_MIN(n, (uint64_t)sizeof scrap) : n);
        int64_t got = unpack_read(packed->unpack, to == NULL ? scrap : to, part, NULL);
        if (got <= 0)
            return false;
        n -= (uint64_t)got;
        to = to == NULL ? NULL : to + got;
    }
    return true;
}

bool tail_packed_peek(const struct fs *fs, const char *path, uint64_t offset, char *head, size_t head_bytes,
                      char *last, size_t last_bytes)
{
    struct tail_packed *packed = packed_open(fs, path);
    if (packed == NULL)
        return false;
    bool good = head_bytes == 0 || packed_get(packed, head, head_bytes);
    if (good && last_bytes > 0)
        good = packed_get(packed, NULL, offset - last_bytes) && packed_get(packed, last, last_bytes);
    tail_packed_free(&packed);
    return good;
}

static void packed_done(struct tail *tail, struct tail_file *file)
{
    tail_packed_free(&file->packed);
    file->is_done = true;
    tail_file_dirty(tail, file, false);
}

static bool packed_begin(struct tail *tail, struct tail_file *file)
{
    struct sv head;
    struct tail_packed *packed = packed_open(tail->options.fs, file->path);
    if (packed == NULL)
        return false;
    file->packed = packed;
    if (!packed_get(packed, NULL, file->offset)) {
        packed_done(tail, file);
        return false;
    }
    packed->begin = file->offset;
    packed->splitter = splitter_new(SPLIT_LINES, unpack_read, packed->unpack);
    if (file->parser == NULL)
        file->parser = splitter_peek(packed->splitter, &head, NULL) == 0 ? parser_recognise(head)
                                                                         : parser_find(SV("text"));
    return true;
}

static enum tail_turn read_packed(struct tail *tail, struct tail_file *file)
{
    struct err err = {0};
    if (file->packed == NULL && !packed_begin(tail, file))
        return TURN_DRY;
    struct tail_packed *packed = file->packed;
    for (int i = 0; i < PACKED_RECORDS; i++) {
        int rc = packed->has_record ? 1 : splitter_next(packed->splitter, &packed->record, &err);
        if (rc < 0) {
            log_warn("tail", "%s: %s", file->path, err.text);
            tail_say_loss(tail, file, "cannot be unpacked to its end", 0);
        }
        if (rc <= 0) {
            packed_done(tail, file);
            return TURN_DRY;
        }
        packed->has_record = true;
        uint64_t end = packed->begin + splitter_bytes(packed->splitter);
        if (!take(tail, file, &packed->record, file->offset))
            return TURN_STUCK;
        packed->has_record = false;
        tail->bytes += end - file->offset;
        file->offset = end;
        tail_file_dirty(tail, file, true);
    }
    return TURN_MORE;
}

enum tail_turn tail_read(struct tail *tail, struct tail_file *file)
{
    return file->is_packed ? read_packed(tail, file) : read_plain(tail, file);
}
