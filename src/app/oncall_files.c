/*
 * Files of people and policies; see oncall_files.h.
 */
#include "app/oncall_files.h"

#include "base/fs.h"
#include "base/hash.h"
#include "base/log.h"
#include "cli/client.h"

#include <stdio.h>

/* Of all calendars together: a reload by signal keeps the main thread, which answers to the supervisor. */
enum { FETCH_ALL_S = 10, PATH_BYTES = 4096 };

struct gathering {
    const struct config *config;
    struct arena *arena;
    struct oncall_files *files;
    struct err *err;
    int rc;
    int64_t fetch_until_mono_ns; /* 0: nothing was fetched yet */
};

/* --- calendars */

static bool is_url(struct sv path)
{
    return sv_starts(path, SV("http://")) || sv_starts(path, SV("https://"));
}

static void copy_path(const struct config *c, struct sv url, char out[PATH_BYTES])
{
    uint8_t digest[TC_SHA256_BYTES];
    char hex[TC_SHA256_HEX];
    hash_sha256(url, digest);
    hash_hex(digest, sizeof digest, hex);
    snprintf(out, PATH_BYTES, "%s/calendars/%s", c->data, hex);
}

/* Keeps what was fetched for the day on which its server does not answer. */
static void keep_copy(const struct config *c, struct sv url, struct sv text)
{
    char path[PATH_BYTES], directory[PATH_BYTES];
    struct err err;
    if (c->data == NULL)
        return;
    snprintf(directory, sizeof directory, "%s/calendars", c->data);
    copy_path(c, url, path);
    if (fs_make_dirs(&fs_system, directory, &err) != 0 || fs_replace_file(&fs_system, path, text, &err) != 0)
        log_warn("oncall", "the copy of a calendar could not be kept: %s", err.text);
}

/* In whole seconds, as the client has it; 0: there is none left. */
static long time_left_s(struct gathering *g)
{
    int64_t now_ns = clk_monotonic_ns(&clk_system);
    if (g->fetch_until_mono_ns == 0)
        g->fetch_until_mono_ns = now_ns + FETCH_ALL_S * TC_SECOND_NS;
    return (long)TC_MAX((g->fetch_until_mono_ns - now_ns + TC_SECOND_NS / 2) / TC_SECOND_NS, INT64_C(0));
}

static int fetch(struct gathering *g, struct sv url, struct buf *out, struct err *err)
{
    const struct config *c = g->config;
    struct buf text;
    struct err why;
    char path[PATH_BYTES];
    long status = 0, left_s = time_left_s(g);
    int rc = TC_EAGAIN;
    buf_init(&text, 4096);
    buf_sv(&text, url);
    buf_char(&text, '\0');
    if (left_s > 0)
        rc = client_request(&(struct client_call){.url = text.p, .timeout_s = left_s}, out, &status, &why);
    buf_free(&text);
    if (rc == 0 && status == 200 && !out->overflow) {
        keep_copy(c, url, buf_view(out));
        return 0;
    }
    const char *what = out->overflow ? "it is longer than 4 MiB"
                       : left_s == 0 ? "those before took all the time"
                       : rc != 0     ? "nobody answers"
                                     : "the server refuses";
    buf_clear(out);
    if (c->data != NULL) {
        copy_path(c, url, path);
        if (fs_read_file(&fs_system, path, out, &why) == 0) {
            log_warn("oncall", "a calendar could not be fetched (%s, %ld): the copy of the last time is used",
                     what, status);
            return 0;
        }
    }
    return err_set(err, TC_EINPUT, "a calendar could not be fetched: %s (%ld), and there is no copy of it",
                   what, status);
}

static bool take_calendar(void *context, struct sv path, struct sv *ret)
{
    struct gathering *g = context;
    struct buf text;
    if (g->rc != 0)
        return false;
    buf_init(&text, ONCALL_ICAL_BYTES);
    g->rc = is_url(path) ? fetch(g, path, &text, g->err)
                         : fs_read_file(&fs_system, arena_str(g->arena, path), &text, g->err);
    if (g->rc == 0) {
        *ret = arena_sv(g->arena, buf_view(&text));
        g->files->calendars[g->files->calendar_count++] =
            (struct core_text){.path = arena_sv(g->arena, path), .bytes = *ret};
    }
    buf_free(&text);
    return g->rc == 0;
}

/* --- channels, which only the configuration knows */

static int check_channel(const struct config *c, struct sv name, unsigned line, struct err *err)
{
    for (size_t i = 0; i < c->channel_count; i++)
        if (sv_eq(c->channels[i].name, name))
            return 0;
    return err_at(err, TC_EINPUT, c->oncall, line, 0, "there is no channel \"%.*s\" in the configuration",
                  SV_FMT(sv_head(name, 64)));
}

static int check_refs(const struct config *c, const struct oncall_ref *refs, size_t count, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < count; i++)
        if (refs[i].kind == ONCALL_CHANNEL)
            rc = check_channel(c, refs[i].name, refs[i].line, err);
    return rc;
}

static int check_channels(const struct config *c, const struct oncall *o, struct err *err)
{
    int rc = 0;
    for (size_t i = 0; i < o->person_count; i++)
        for (size_t k = 0; rc == 0 && k < o->people[i].contact_count; k++)
            rc = check_channel(c, o->people[i].contacts[k].channel, o->people[i].contacts[k].line, err);
    for (size_t i = 0; rc == 0 && i < o->role_count; i++)
        rc = check_refs(c, o->roles[i].refs, o->roles[i].ref_count, err);
    for (size_t i = 0; i < o->policy_count; i++)
        for (size_t k = 0; rc == 0 && k < o->policies[i].step_count; k++)
            rc = check_refs(c, o->policies[i].steps[k].refs, o->policies[i].steps[k].ref_count, err);
    return rc;
}

/* --- the whole */

int oncall_files_read(const struct config *c, struct arena *arena, struct oncall_files *ret, struct err *err)
{
    struct gathering g = {.config = c, .arena = arena, .files = ret, .err = err};
    struct oncall *oncall = NULL;
    struct buf text;
    *ret =
        (struct oncall_files){.text = {.path = SV("built-in policies"), .bytes = SV("# no file is named\n")}};
    if (c->oncall == NULL)
        return 0;
    buf_init(&text, ONCALL_FILE_MAX);
    int rc = fs_read_file(&fs_system, c->oncall, &text, err);
    ret->text = (struct core_text){.path = arena_sv(arena, sv_of(c->oncall)),
                                   .bytes = arena_sv(arena, buf_view(&text))};
    ret->calendars = ARENA_ARRAY(arena, struct core_text, ONCALL_SCHEDULES_MAX);
    if (rc == 0)
        rc = oncall_read(c->oncall, ret->text.bytes, take_calendar, &g, &oncall, err);
    if (rc == 0)
        rc = g.rc;
    if (rc == 0)
        rc = check_channels(c, oncall, err);
    oncall_free(&oncall);
    buf_free(&text);
    return rc == TC_EIO ? (err->code = TC_EINPUT)
                        : rc; /* a named file that cannot be read is the user's to mend */
}

static bool give_calendar(void *context, struct sv path, struct sv *ret)
{
    const struct oncall_files *files = context;
    for (size_t i = 0; i < files->calendar_count; i++)
        if (sv_eq(files->calendars[i].path, path)) {
            *ret = files->calendars[i].bytes;
            return true;
        }
    return false;
}

int oncall_files_parse(const struct oncall_files *files, struct oncall **ret, struct err *err)
{
    return oncall_read("", files->text.bytes, give_calendar, (void *)(uintptr_t)files, ret, err);
}

int oncall_files_check(const struct oncall_files *files, const struct config *running, struct err *err)
{
    struct oncall *oncall = NULL;
    char text[TC_ERR_TEXT_MAX];
    int rc = oncall_files_parse(files, &oncall, err);
    if (rc == 0)
        rc = check_channels(running, oncall, err);
    if (rc != 0 && err != NULL) {
        snprintf(text, sizeof text, "%s", err->text);
        snprintf(err->text, sizeof err->text, "%.*s that runs: channels are made at a restart",
                 (int)sizeof err->text - 64, text);
        snprintf(err->file, sizeof err->file, "%.*s",
                 SV_FMT(sv_head(files->text.path, sizeof err->file - 1)));
    }
    oncall_free(&oncall);
    return rc;
}

/* --- gaps */

struct gaps {
    const struct oncall_schedule *schedule;
    oncall_gap_fn each;
    void *context;
    size_t count;
};

static bool take_gap(void *context, const struct oncall_shift *shift)
{
    struct gaps *gaps = context;
    if (shift->person.n > 0 || shift->to_ns - shift->from_ns < 3600 * TC_SECOND_NS)
        return true;
    gaps->count++;
    if (gaps->each != NULL)
        gaps->each(gaps->context, gaps->schedule, shift->from_ns, shift->to_ns);
    return true;
}

size_t oncall_gaps(const struct oncall *oncall, int64_t now_ns, oncall_gap_fn each, void *context)
{
    size_t count = 0;
    for (size_t i = 0; i < oncall->schedule_count; i++) {
        struct gaps gaps = {&oncall->schedules[i], each, context, 0};
        oncall_each_shift(gaps.schedule, NULL, now_ns,
                          now_ns + ONCALL_GAP_DAYS * INT64_C(86400) * TC_SECOND_NS, take_gap, &gaps);
        count += gaps.count;
    }
    return count;
}
