/*
 * Appends each notification as one line of JSON to a file: {"key", "reason", "count", "alert": {…}}.
 *
 * The file is opened anew each time, so that it may be rotated; O_APPEND, so that several may write; synced
 * before the receipt, so that "sent" means on disk. A line that was cut (disk full, power) is ended by the
 * next one's leading line break and stays one bad line.
 */
#include "notify/channel.h"

#include "base/json_out.h"
#include "notify/payload.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

static int file_check(const struct channel_config *config, struct err *err)
{
    if (config->path.n == 0)
        return err_set(err, TC_EINPUT, "a file channel needs a path");
    if (config->path.n >= PATH_MAX || memchr(config->path.p, '\0', config->path.n) != NULL)
        return err_set(err, TC_EINPUT, "the path of a file channel is not a path");
    return 0;
}

static int file_body(const struct channel_config *config, const struct message *message, struct buf *out,
                     struct err *err)
{
    struct payload p;
    (void)config;
    int rc = payload_read(message->payload, &p, err);
    if (rc == 0) {
        struct json_out json = json_out_to(out);
        json_object(&json);
        json_kv_string(&json, "key", message->key);
        json_kv_string(&json, "reason", p.reason);
        json_kv_u64(&json, "count", p.count);
        json_key(&json, SV("alert"));
        size_t from = out->n;
        json_raw(&json, p.alert);
        for (size_t i = from; i < out->n; i++) /* line breaks between tokens; inside strings JSON has none */
            if (out->p[i] == '\n' || out->p[i] == '\r')
                out->p[i] = ' ';
        json_object_end(&json);
        buf_char(out, '\n');
    }
    payload_free(&p);
    return rc;
}

/* A new file's name is durable only once its directory is. */
static int sync_directory(const char *path)
{
    char dir[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t n = slash == NULL ? 0 : TC_MAX((size_t)(slash - path), (size_t)1);
    memcpy(dir, slash == NULL ? "." : path, slash == NULL ? 2 : n);
    if (slash != NULL)
        dir[n] = '\0';
    int handle = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (handle < 0)
        return -1;
    int rc = fsync(handle);
    close(handle);
    return rc;
}

static int open_append(const char *path)
{
    const int flags = O_RDWR | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
    int file = open(path, flags);
    if (file >= 0 || errno != ENOENT)
        return file;
    file = open(path, flags | O_CREAT, 0600);
    if (file >= 0 && sync_directory(path) != 0) {
        int saved = errno;
        close(file);
        errno = saved;
        return -1;
    }
    return file;
}

static int write_all(int file, struct sv bytes)
{
    while (bytes.n > 0) {
        ssize_t n = write(file, bytes.p, bytes.n);
        if (n < 0 && errno != EINTR)
            return -1;
        bytes = sv_from(bytes, n < 0 ? 0 : (size_t)n);
    }
    return 0;
}

static int append(int file, struct sv line)
{
    struct stat st;
    char last = '\n';
    if (fstat(file, &st) != 0)
        return -1;
    if (!S_ISREG(st.st_mode)) {
        errno = EINVAL; /* a pipe or device could hold up every channel */
        return -1;
    }
    if (st.st_size > 0 && pread(file, &last, 1, st.st_size - 1) < 0)
        return -1;
    if ((last != '\n' && write_all(file, SV("\n")) != 0) || write_all(file, line) != 0)
        return -1;
    return fdatasync(file);
}

static enum send_result file_deliver(const struct channel_config *config, struct sv body, struct err *err)
{
    char path[PATH_MAX];
    memcpy(path, config->path.p, config->path.n);
    path[config->path.n] = '\0';
    int file = open_append(path);
    if (file < 0) {
        err_sys(err, "cannot open %s", path);
        return SEND_RETRY;
    }
    int rc = append(file, body);
    if (rc != 0)
        err_sys(err, "cannot append to %s", path);
    if (close(file) != 0 && rc == 0)
        rc = err_sys(err, "cannot append to %s", path);
    return rc == 0 ? SEND_OK : SEND_RETRY;
}

const struct channel channel_file = {.type = "file",
                                     .check = file_check,
                                     .body = file_body,
                                     .deliver = file_deliver,
                                     .lowest = SEVERITY_P4,
                                     .tells_acknowledged = true,
                                     .tells_resolved = true};
