/*
 * What survives a restart: silences and the notification log, in one file of the storage path,
 * `tocsin-alertmanager.state` (Alertmanager's own files are left alone).
 *
 * The file is a list of records: length (4), XXH3 of what follows (8), kind (1), bytes; little-endian, after
 * an 8-byte name and version. Changes are appended and synced; a torn tail is cut at the start. A snapshot
 * replaces the file in one step at the start, at intervals, and at the end; what expired is left out of it.
 */
#include "api/alertmanager/server_priv.h"

#include "base/hash.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FILE_MAX_BYTES = 1 << 30, HEAD_BYTES = 12, RECORD_MAX_BYTES = 32 << 20, GROW_BYTES = 4 << 20 };

static const char magic[8] = {'T', 'C', 'A', 'M', 'S', 'T', '0', '1'};

static const char *path_of(const struct am_server *server, const char *name, char out[4096])
{
    snprintf(out, 4096, "%s/%s", server->options.storage_path, name);
    return out;
}

/* Writes length and hash before what was appended since `from`. */
static void seal(struct buf *out, size_t from)
{
    if (out->overflow)
        return;
    size_t n = out->n - from - HEAD_BYTES;
    store_u32(out->p + from, (uint32_t)n);
    store_u64(out->p + from + 4, hash_64(sv_make(out->p + from + HEAD_BYTES, n)));
}

static size_t open_record(struct buf *out, char kind)
{
    size_t from = out->n;
    buf_u32(out, 0);
    buf_u64(out, 0);
    buf_char(out, kind);
    return from;
}

static void put_silence(void *context, const struct am_silence_record *record)
{
    struct buf *out = context;
    size_t from = open_record(out, 'S');
    am_silence_write(record, out);
    seal(out, from);
}

static void put_told(void *context, struct sv name, struct sv entry)
{
    struct buf *out = context;
    size_t from = open_record(out, 'N');
    buf_string(out, name);
    buf_sv(out, entry);
    seal(out, from);
}

static int snapshot(struct am_server *server, struct err *err)
{
    char path[4096];
    struct buf out;
    size_t count;
    const struct am_silence_record *const *all = am_silences_all(server->silences, &count);
    buf_init(&out, FILE_MAX_BYTES);
    buf_add(&out, magic, sizeof magic);
    for (size_t i = 0; i < count; i++)
        put_silence(&out, all[i]);
    am_dispatch_each_told(server->dispatch, put_told, &out);
    const struct fs *fs = server->options.fs;
    path_of(server, "tocsin-alertmanager.state", path);
    int rc = out.overflow ? err_set(err, TC_EBOUND, "the state is larger than 1 GiB")
                          : fs_replace_file(fs, path, buf_view(&out), err);
    if (rc == 0) {
        if (server->log_file >= 0)
            fs->close(fs, server->log_file);
        server->log_file = fs->open(fs, path, FS_WRITE);
        server->snapshot_bytes = server->log_bytes = out.n;
        server->log_broken = server->log_file < 0;
        if (server->log_broken)
            rc = err_set(err, TC_EIO, "%s cannot be opened: %s", path, strerror(-server->log_file));
    }
    buf_free(&out);
    return rc;
}

static int append(struct am_server *server, struct sv bytes, struct err *err)
{
    const struct fs *fs = server->options.fs;
    if (server->log_broken) /* after a failed write its end is not known: all anew */
        return snapshot(server, err);
    int rc = fs_write_all(fs, server->log_file, bytes.p, bytes.n, server->log_bytes);
    if (rc == 0)
        rc = fs->sync(fs, server->log_file);
    if (rc < 0) {
        server->log_broken = true;
        return err_set(err, TC_EIO, "writing to %s: %s", server->options.storage_path, strerror(-rc));
    }
    server->log_bytes += bytes.n;
    return 0;
}

int am_state_silences(struct am_server *server, struct err *err)
{
    struct buf out;
    buf_init(&out, RECORD_MAX_BYTES);
    am_silences_changed(server->silences, put_silence, &out);
    int rc = out.n == 0 && !server->log_broken ? 0 : append(server, buf_view(&out), err);
    buf_free(&out);
    return rc;
}

void am_state_told(void *context, struct sv name, struct sv entry)
{
    struct am_server *server = context;
    put_told(&server->told, name, entry);
}

void am_state_flush(struct am_server *server)
{
    struct err err = {0};
    if (server->told.n == 0)
        return;
    /* past the bound all is written anew */
    int rc = server->told.overflow ? snapshot(server, &err) : append(server, buf_view(&server->told), &err);
    buf_clear(&server->told);
    if (rc != 0)
        am_log(server, LOG_ERROR_LEVEL, "The notification log cannot be kept", "err", err.text, NULL);
}

static bool take_record(struct am_server *server, struct sv bytes, int64_t now_ns)
{
    struct reader reader = reader_of(bytes);
    uint8_t kind = reader_u8(&reader);
    if (kind == 'S')
        return am_silence_load(server->silences, reader.rest);
    struct sv name = reader_string(&reader);
    return kind == 'N' && !reader.bad &&
           am_dispatch_load_told(server->dispatch, name, reader.rest, now_ns + server->options.retention_ns);
}

/* All whole records; what follows is a torn write, or not ours. */
static void take_records(struct am_server *server, struct sv rest, int64_t now_ns)
{
    size_t refused = 0;
    while (rest.n >= HEAD_BYTES) {
        size_t n = load_u32(rest.p);
        if (n > rest.n - HEAD_BYTES || hash_64(sv_make(rest.p + HEAD_BYTES, n)) != load_u64(rest.p + 4))
            break;
        refused += !take_record(server, sv_make(rest.p + HEAD_BYTES, n), now_ns);
        rest = sv_from(rest, HEAD_BYTES + n);
    }
    if (rest.n > 0 || refused > 0) {
        char bytes[32], records[32];
        snprintf(bytes, sizeof bytes, "%zu", rest.n);
        snprintf(records, sizeof records, "%zu", refused);
        am_log(server, LOG_WARN_LEVEL, "A part of the kept state is not readable, and left out", "bytes",
               bytes, "records", records, NULL);
    }
}

int am_state_open(struct am_server *server, struct err *err)
{
    const struct fs *fs = server->options.fs;
    char path[4096];
    struct buf bytes;
    struct fs_stat stat;
    int64_t now_ns = clk_now(server->options.clk).ns;
    int rc = fs_make_dirs(fs, server->options.storage_path, err);
    if (rc != 0)
        return rc;
    server->lock_file = fs->lock(fs, path_of(server, "tocsin-alertmanager.lock", path));
    if (server->lock_file < 0)
        return err_set(err, server->lock_file == -EAGAIN ? TC_ESTATE : TC_EIO,
                       "%s: another process uses this storage path, or it cannot be written: %s", path,
                       strerror(-server->lock_file));
    path_of(server, "tocsin-alertmanager.state", path);
    if (fs->stat(fs, path, &stat) == 0) {
        buf_init(&bytes, FILE_MAX_BYTES);
        rc = fs_read_file(fs, path, &bytes, err);
        if (rc == 0 && (bytes.n < sizeof magic || memcmp(bytes.p, magic, sizeof magic) != 0))
            rc = err_set(err, TC_ECORRUPT, "%s is no state of this version: move it away to start without it",
                         path);
        if (rc == 0)
            take_records(server, sv_from(buf_view(&bytes), sizeof magic), now_ns);
        buf_free(&bytes);
    }
    am_silences_forget(server->silences, now_ns - server->options.retention_ns);
    return rc == 0 ? snapshot(server, err) : rc;
}

void am_state_maintain(struct am_server *server, bool now)
{
    int64_t mono_ns = clk_monotonic_ns(server->options.clk);
    bool due = mono_ns - server->maintained_ns >= server->options.maintenance_ns;
    if (!now && !due && server->log_bytes < 2 * server->snapshot_bytes + GROW_BYTES)
        return;
    struct err err = {0};
    server->maintained_ns = mono_ns;
    am_silences_forget(server->silences, clk_now(server->options.clk).ns - server->options.retention_ns);
    if (snapshot(server, &err) != 0)
        am_log(server, LOG_ERROR_LEVEL, "The state cannot be kept", "err", err.text, NULL);
}

void am_state_close(struct am_server *server)
{
    const struct fs *fs = server->options.fs;
    if (server->log_file >= 0)
        fs->close(fs, server->log_file);
    if (server->lock_file >= 0)
        fs->close(fs, server->lock_file);
    server->log_file = server->lock_file = -1;
}
