/*
 * One followed file: what it is known by, and how that is kept; see tail_priv.h.
 *
 * A file is known by device and inode while it exists, and by two hashes of the bytes that were read of it:
 * of the first TAIL_HEAD_BYTES, and of the TAIL_LAST_BYTES before the offset. What was read of a log does not
 * change, so the hashes stay true while the file grows; an inode that was used again, a file that was
 * truncated and written anew, and a copy are told by them.
 *
 * A position is JSON:
 * {"path","base","directory_device","device","inode","offset","size","head_hash","head_bytes","last_hash",
 * "last_bytes","packed","done","parser","columns"}; hashes are XXH3 in hexadecimal.
 */
#include "ingest/tail_priv.h"

#include "base/json_out.h"
#include "base/num.h"
#include "event/json.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>

const struct tail_source *tail_source_of(const struct tail *tail, const char *path)
{
    for (size_t i = 0; i < tail->options.source_count; i++)
        for (size_t j = 0; j < tail->options.sources[i].path_count; j++)
            if (fnmatch(tail->options.sources[i].paths[j], path, FNM_PATHNAME | FNM_PERIOD) == 0)
                return &tail->options.sources[i];
    return NULL;
}

struct tail_file *tail_file_add(struct tail *tail, const struct tail_source *source, const char *base,
                                const char *path)
{
    if (tail->count >= tail->options.files_max) {
        tail->refused_files++;
        return NULL;
    }
    struct tail_file *file = tc_alloc(sizeof *file);
    *file = (struct tail_file){.serial = tail->next_serial++,
                               .source = source,
                               .base = tc_strdup(base),
                               .path = tc_strdup(path),
                               .parser = source == NULL ? NULL : source->parser,
                               .handle = -1,
                               .changed_ns = tail_now(tail)};
    tail->files[tail->count++] = file;
    return file;
}

void tail_file_close(struct tail *tail, struct tail_file *file)
{
    if (file->handle < 0)
        return;
    tail->options.fs->close(tail->options.fs, file->handle);
    file->handle = -1;
    tail->open_files--;
}

void tail_file_free(struct tail *tail, struct tail_file *file)
{
    tail_file_close(tail, file);
    tail_packed_free(&file->packed);
    free(file->cut);
    free(file->base);
    free(file->path);
    free(file);
}

void tail_file_dirty(struct tail *tail, struct tail_file *file, bool moved)
{
    tail->dirty += !file->is_dirty;
    file->is_dirty = true;
    file->is_moved |= moved;
}

void tail_file_forget(struct tail *tail, struct tail_file *file)
{
    tail_file_close(tail, file);
    file->is_gone = true;
    tail_file_dirty(tail, file, false);
}

void tail_sweep(struct tail *tail)
{
    size_t kept = 0;
    for (size_t i = 0; i < tail->count; i++) {
        if (tail->files[i]->is_gone && !tail->files[i]->is_dirty)
            tail_file_free(tail, tail->files[i]);
        else
            tail->files[kept++] = tail->files[i];
    }
    tail->count = kept;
}

/* --- the bytes that were read ----------------------------------------------------------------------------
 */

static bool hash_at(const struct fs *fs, int handle, uint64_t offset, size_t n, uint64_t *ret)
{
    char bytes[TAIL_HEAD_BYTES];
    if (fs->read_at(fs, handle, bytes, n, offset) != (int64_t)n)
        return false;
    *ret = hash_64(sv_make(bytes, n));
    return true;
}

static bool same_bytes(const struct fs *fs, int handle, const struct tail_file *file)
{
    uint64_t head = 0, last = 0;
    return (file->head_bytes == 0 ||
            (hash_at(fs, handle, 0, file->head_bytes, &head) && head == file->head_hash)) &&
           (file->last_bytes == 0 ||
            (hash_at(fs, handle, file->offset - file->last_bytes, file->last_bytes, &last) &&
             last == file->last_hash));
}

void tail_file_take_hashes(struct tail *tail, struct tail_file *file)
{
    const struct fs *fs = tail->options.fs;
    uint32_t head = (uint32_t)TC_MIN(file->offset, (uint64_t)TAIL_HEAD_BYTES);
    uint32_t last = (uint32_t)TC_MIN(file->offset, (uint64_t)TAIL_LAST_BYTES);
    if (hash_at(fs, file->handle, 0, head, &file->head_hash))
        file->head_bytes = head;
    if (hash_at(fs, file->handle, file->offset - last, last, &file->last_hash))
        file->last_bytes = last;
}

int tail_file_open(struct tail *tail, struct tail_file *file)
{
    const struct fs *fs = tail->options.fs;
    struct fs_stat st;
    uint64_t size;
    if (file->handle >= 0)
        return 1;
    if (tail->open_files >= tail->options.open_max)
        return -EMFILE;
    int handle = fs->open(fs, file->path, FS_READ | FS_NO_WAIT);
    if (handle < 0)
        return handle;
    int rc = fs->size(fs, handle, &size);
    if (rc == 0) /* the name may mean another file by now: then the next scan tells where ours is */
        rc = fs->stat(fs, file->path, &st);
    if (rc == 0 && (st.device != file->device || st.inode != file->inode))
        rc = -ENOENT;
    if (rc == 0 && size >= file->offset && same_bytes(fs, handle, file)) {
        file->handle = handle;
        tail->open_files++;
        return 1;
    }
    fs->close(fs, handle);
    return rc;
}

bool tail_file_matches(struct tail *tail, const struct tail_file *file, const char *path, bool packed)
{
    const struct fs *fs = tail->options.fs;
    if (file->head_bytes == 0 || file->last_bytes == 0)
        return false;
    if (packed) {
        char head[TAIL_HEAD_BYTES], last[TAIL_LAST_BYTES];
        return tail_packed_peek(fs, path, file->offset, head, file->head_bytes, NULL, 0) &&
               hash_64(sv_make(head, file->head_bytes)) == file->head_hash &&
               tail_packed_peek(fs, path, file->offset, NULL, 0, last, file->last_bytes) &&
               hash_64(sv_make(last, file->last_bytes)) == file->last_hash;
    }
    int handle = fs->open(fs, path, FS_READ | FS_NO_WAIT);
    if (handle < 0)
        return false;
    bool same = same_bytes(fs, handle, file);
    fs->close(fs, handle);
    return same;
}

void tail_file_become_packed(struct tail *tail, struct tail_file *file, const char *path,
                             const struct fs_stat *st)
{
    const struct fs *fs = tail->options.fs;
    tail_file_close(tail, file);
    free(file->path);
    file->path = tc_strdup(path);
    file->is_packed = true;
    file->device = st->device;
    file->inode = st->inode;
    file->size = st->size_bytes;
    file->head_bytes = file->last_bytes = 0;
    int handle = fs->open(fs, path, FS_READ | FS_NO_WAIT);
    uint32_t head = (uint32_t)TC_MIN(st->size_bytes, (uint64_t)TAIL_HEAD_BYTES);
    if (handle >= 0 && hash_at(fs, handle, 0, head, &file->head_hash))
        file->head_bytes = head;
    if (handle >= 0)
        fs->close(fs, handle);
    tail_file_dirty(tail, file, false);
}

static void begin_anew(struct tail *tail, struct tail_file *file)
{
    tail_file_close(tail, file);
    tail_packed_free(&file->packed);
    free(file->cut);
    file->cut = NULL;
    file->is_packed = file->is_done = false;
    file->offset = file->size = 0;
    file->head_bytes = file->last_bytes = 0;
    file->state_ready = false;
    file->parser = file->source == NULL ? NULL : file->source->parser;
    tail_file_dirty(tail, file, false);
}

/* What is under its name is looked at anew, and what was read of it is looked for elsewhere. */
static void lose_name(struct tail *tail, struct tail_file *file)
{
    tail_file_close(tail, file);
    tail_packed_free(&file->packed);
    file->device = file->inode = 0;
    file->missing_ns = tail_now(tail);
    file->is_found = false;
    tail_file_dirty(tail, file, false);
}

void tail_file_replaced(struct tail *tail, struct tail_file *file)
{
    tail->scan_wanted = true;
    if (strcmp(file->path, file->base) != 0) { /* a copy was written over an older one */
        lose_name(tail, file);
        return;
    }
    tail->truncations += !file->is_packed;
    if (!file->is_packed && (file->head_bytes > 0 || file->size > file->offset)) {
        struct tail_file *old = tail_file_add(tail, file->source, file->base, file->path);
        if (old == NULL) {
            tail_say_loss(tail, file, "was truncated before it was read to its end",
                          file->size > file->offset ? file->size - file->offset : 0);
        } else {
            old->offset = file->offset;
            old->size = file->size;
            old->head_hash = file->head_hash;
            old->head_bytes = file->head_bytes;
            old->last_hash = file->last_hash;
            old->last_bytes = file->last_bytes;
            old->parser = file->parser;
            old->state = file->state;
            old->state_ready = file->state_ready;
            old->missing_ns = tail_now(tail);
            tail_file_dirty(tail, old, false);
        }
    }
    begin_anew(tail, file);
}

/* --- positions -------------------------------------------------------------------------------------------
 */

static void put_hash(struct json_out *json, const char *key, uint64_t hash)
{
    char text[17];
    snprintf(text, sizeof text, "%016llx", (unsigned long long)hash);
    json_kv_str(json, key, text);
}

void tail_file_save(const struct tail_file *file, struct buf *out)
{
    struct json_out json = json_out_to(out);
    char columns[2 * TC_PARSE_COLUMNS_MAX + 1];
    if (file->is_gone)
        return;
    json_object(&json);
    json_kv_str(&json, "path", file->path);
    json_kv_str(&json, "base", file->base);
    json_kv_u64(&json, "directory_device", file->directory_device);
    json_kv_u64(&json, "device", file->device);
    json_kv_u64(&json, "inode", file->inode);
    json_kv_u64(&json, "offset", file->offset);
    json_kv_u64(&json, "size", file->size);
    put_hash(&json, "head_hash", file->head_hash);
    json_kv_u64(&json, "head_bytes", file->head_bytes);
    put_hash(&json, "last_hash", file->last_hash);
    json_kv_u64(&json, "last_bytes", file->last_bytes);
    json_kv_bool(&json, "packed", file->is_packed);
    json_kv_bool(&json, "done", file->is_done);
    if (file->parser != NULL)
        json_kv_str(&json, "parser", file->parser->name);
    if (file->state_ready && file->state.column_count > 0) {
        hash_hex(file->state.columns, file->state.column_count, columns);
        json_kv_str(&json, "columns", columns);
    }
    json_object_end(&json);
}

static bool read_number(const struct event *json, const char *key, uint64_t max, uint64_t *ret)
{
    return num_u64(event_value(json, key), 0, max, ret);
}

static bool read_hash(const struct event *json, const char *key, uint64_t *ret)
{
    uint8_t bytes[8];
    if (!hash_unhex(event_value(json, key), bytes, sizeof bytes))
        return false;
    *ret = 0;
    for (size_t i = 0; i < sizeof bytes; i++)
        *ret = *ret << 8 | bytes[i];
    return true;
}

static bool read_file(struct tail_file *file, const struct event *json)
{
    uint64_t head_bytes, last_bytes;
    if (!read_number(json, "directory_device", UINT64_MAX, &file->directory_device) ||
        !read_number(json, "device", UINT64_MAX, &file->device) ||
        !read_number(json, "inode", UINT64_MAX, &file->inode) ||
        !read_number(json, "offset", INT64_MAX, &file->offset) ||
        !read_number(json, "size", INT64_MAX, &file->size) ||
        !read_hash(json, "head_hash", &file->head_hash) || !read_hash(json, "last_hash", &file->last_hash) ||
        !read_number(json, "head_bytes", TAIL_HEAD_BYTES, &head_bytes) ||
        !read_number(json, "last_bytes", TAIL_LAST_BYTES, &last_bytes) || last_bytes > file->offset)
        return false;
    file->head_bytes = (uint32_t)head_bytes;
    file->last_bytes = (uint32_t)last_bytes;
    file->is_packed = sv_is(event_value(json, "packed"), "true");
    file->is_done = sv_is(event_value(json, "done"), "true");
    return true;
}

static void read_state(const struct tail *tail, struct tail_file *file, const struct event *json)
{
    struct sv columns = event_value(json, "columns");
    if (file->parser == NULL)
        file->parser = parser_find(event_value(json, "parser"));
    if (columns.n == 0 || columns.n > 2 * (size_t)TC_PARSE_COLUMNS_MAX)
        return;
    parse_state_init(&file->state, tail->options.zone_offset_s, 0, clk_now(tail->options.clk).ns);
    if (!hash_unhex(columns, file->state.columns, columns.n / 2))
        return;
    file->state.column_count = (uint8_t)(columns.n / 2);
    file->state_ready = true;
}

bool tail_file_load(struct tail *tail, uint64_t serial, struct sv value)
{
    struct arena arena = {0};
    struct event json = {.time = {TC_NO_TIME}};
    bool good = json_parse_event(value, &arena, &json, NULL) == 0;
    if (good) {
        event_index(&json, &arena);
        const char *base = arena_str(&arena, event_value(&json, "base"));
        const char *path = arena_str(&arena, event_value(&json, "path"));
        struct tail_file *file = tail_file_add(tail, tail_source_of(tail, base), base, path);
        good = file != NULL && read_file(file, &json);
        if (good) {
            file->serial = serial;
            read_state(tail, file, &json);
            tail->next_serial = TC_MAX(tail->next_serial, serial + 1);
        } else if (file != NULL) {
            tail_file_free(tail, file);
            tail->count--;
        }
    }
    arena_free(&arena);
    return good;
}
