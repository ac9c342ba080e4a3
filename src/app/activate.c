/*
 * What is in force: rules, lateness, windows of alerts. Contents lie in DIR/objects/<sha256>, written once; a
 * record of type REC_ACTIVATED names them, so that old records are replayed under the rules of their time.
 */
#include "app/core_priv.h"

#include "base/json_out.h"
#include "base/num.h"
#include "event/json.h"
#include "event/policy.h"

#include <stdio.h>
#include <stdlib.h>

enum { OBJECT_MAX_BYTES = 64 << 20, PATH_BYTES = 4096 }; /* an object: a list is the largest */

static void object_path(const struct core *core, struct sv sha256, char out[PATH_BYTES])
{
    snprintf(out, PATH_BYTES, "%s/objects/%.*s", core->options.dir, SV_FMT(sha256));
}

static int object_write(struct core *core, struct sv bytes, char hex[TC_SHA256_HEX], struct err *err)
{
    uint8_t hash[TC_SHA256_BYTES];
    char path[PATH_BYTES];
    struct fs_stat st;
    hash_sha256(bytes, hash);
    hash_hex(hash, sizeof hash, hex);
    object_path(core, sv_of(hex), path);
    if (core->options.fs->stat(core->options.fs, path, &st) == 0 && st.size_bytes == bytes.n)
        return 0;
    return fs_replace_file(core->options.fs, path, bytes, err);
}

static int by_path(const void *a, const void *b)
{
    const struct rule_source *const *x = a, *const *y = b;
    return sv_cmp((*x)->path, (*y)->path);
}

static void files_json(struct json_out *json, const struct core_options *o)
{
    if (o->file_count == 0)
        return;
    json_key(json, SV("files"));
    json_array(json);
    for (size_t i = 0; i < o->file_count; i++) {
        json_object(json);
        json_kv_string(json, "what", o->files[i].what);
        json_kv_string(json, "path", o->files[i].path);
        json_kv_string(json, "sha256", o->files[i].sha256);
        json_object_end(json);
    }
    json_array_end(json);
}

static void write_watch(const struct core_options *o, struct json_out *json)
{
    json_key(json, SV("watch"));
    json_array(json);
    for (size_t i = 0; i < o->watch_count; i++) {
        json_object(json);
        json_kv_string(json, "source", o->watch[i].source);
        json_kv_i64(json, "interval_ns", o->watch[i].interval_ns);
        json_kv_i64(json, "grace_ns", o->watch[i].grace_ns);
        json_object_end(json);
    }
    json_array_end(json);
}

/* By priority. In the record they stand in the object "response". */
static const char *const overdue_keys[] = {
    [SEVERITY_P1] = "response.overdue_P1_ns",
    [SEVERITY_P2] = "response.overdue_P2_ns",
    [SEVERITY_P3] = "response.overdue_P3_ns",
    [SEVERITY_P4] = "response.overdue_P4_ns",
};
enum { RESPONSE_BYTES = sizeof "response." - 1 };

/* Absent where nothing of it was wanted, as in journals of versions that did not know it. */
static void response_json(struct json_out *json, const struct alert_options *o)
{
    if (o->acknowledge_within_ns <= 0 && o->answer_within_ns <= 0)
        return;
    json_key(json, SV("response"));
    json_object(json);
    json_kv_i64(json, "acknowledge_within_ns", o->acknowledge_within_ns);
    json_kv_i64(json, "answer_within_ns", o->answer_within_ns);
    json_kv_bool(json, "silence_is_no_objection", o->silence_is_no_objection);
    json_kv_i64(json, "raise_to", o->raise_to);
    json_kv_i64(json, "zone_offset_s", o->zone_offset_s);
    json_kv_i64(json, "notify_count", o->notify_count);
    json_kv_i64(json, "notify_within_ns", o->notify_within_ns);
    json_kv_i64(json, "flap_count", o->flap_count);
    json_kv_i64(json, "flap_within_ns", o->flap_within_ns);
    json_kv_i64(json, "flap_stable_ns", o->flap_stable_ns);
    for (int i = SEVERITY_P1; i <= SEVERITY_P4; i++)
        json_kv_i64(json, overdue_keys[i] + RESPONSE_BYTES, o->overdue_after_ns[i]);
    json_object_end(json);
}

static int64_t number_of(const struct event *json, const char *name)
{
    int64_t number;
    return num_i64(event_value(json, name), &number) ? number : 0;
}

static void read_response(const struct event *json, struct alert_options *ret)
{
    int64_t severity = number_of(json, "response.raise_to");
    ret->acknowledge_within_ns = number_of(json, "response.acknowledge_within_ns");
    ret->answer_within_ns = number_of(json, "response.answer_within_ns");
    ret->silence_is_no_objection = sv_is(event_value(json, "response.silence_is_no_objection"), "true");
    ret->raise_to =
        severity >= SEVERITY_P1 && severity <= SEVERITY_P4 ? (enum severity)severity : SEVERITY_NONE;
    ret->zone_offset_s = (int)number_of(json, "response.zone_offset_s");
    ret->notify_count = (uint32_t)number_of(json, "response.notify_count");
    ret->notify_within_ns = number_of(json, "response.notify_within_ns");
    ret->flap_count = (uint32_t)number_of(json, "response.flap_count");
    ret->flap_within_ns = number_of(json, "response.flap_within_ns");
    ret->flap_stable_ns = number_of(json, "response.flap_stable_ns");
    for (int i = SEVERITY_P1; i <= SEVERITY_P4; i++)
        ret->overdue_after_ns[i] = number_of(json, overdue_keys[i]);
}

static int text_json(struct core *core, const struct core_text *text, struct json_out *json, struct err *err)
{
    char hex[TC_SHA256_HEX] = "";
    int rc = object_write(core, text->bytes, hex, err);
    json_object(json);
    json_kv_string(json, "path", text->path);
    json_kv_str(json, "sha256", hex);
    json_object_end(json);
    return rc;
}

/* Absent where nothing escalates, as in journals of versions that did not know it. */
static int oncall_json(struct core *core, const struct core_options *o, struct json_out *json,
                       struct err *err)
{
    int rc = 0;
    if (o->oncall.path.n == 0)
        return 0;
    json_key(json, SV("oncall"));
    rc = text_json(core, &o->oncall, json, err);
    json_key(json, SV("calendars"));
    json_array(json);
    for (size_t i = 0; rc == 0 && i < o->calendar_count; i++)
        rc = text_json(core, &o->calendars[i], json, err);
    json_array_end(json);
    return rc;
}

int activate_json(struct core *core, const struct core_options *o, struct buf *out, struct err *err)
{
    static const uint64_t default_steps[] = {10, 50, 100, 0};
    const struct rule_source **sorted = tc_alloc(o->rule_count * sizeof sorted[0] + 1);
    struct json_out json = json_out_to(out);
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/objects", core->options.dir);
    int rc = fs_make_dirs(core->options.fs, path, err);
    for (size_t i = 0; i < o->rule_count; i++)
        sorted[i] = &o->rules[i];
    qsort(sorted, o->rule_count, sizeof sorted[0], by_path);
    json_object(&json);
    json_kv_i64(&json, "lateness_ns", core->options.lateness_ns);
    json_kv_i64(&json, "dedup_window_ns", o->dedup_window_ns);
    json_kv_i64(&json, "resolve_after_ns", o->resolve_after_ns);
    json_key(&json, SV("count_steps"));
    json_array(&json);
    for (const uint64_t *step = o->count_steps != NULL ? o->count_steps : default_steps; *step != 0; step++)
        json_u64(&json, *step);
    json_array_end(&json);
    response_json(&json, &o->response);
    rc = rc == 0 ? oncall_json(core, o, &json, err) : rc;
    if (o->policy.n > 0)
        json_kv_string(&json, "policy", o->policy);
    if (o->watch_count > 0)
        write_watch(o, &json);
    json_key(&json, SV("rules"));
    json_array(&json);
    for (size_t i = 0; rc == 0 && i < o->rule_count; i++) {
        char hex[TC_SHA256_HEX];
        rc = object_write(core, sorted[i]->bytes, hex, err);
        json_object(&json);
        json_kv_string(&json, "path", sorted[i]->path);
        json_kv_str(&json, "sha256", hex);
        json_kv_bool(&json, "in_pack", sorted[i]->in_pack);
        json_object_end(&json);
    }
    json_array_end(&json);
    files_json(&json, o);
    json_object_end(&json);
    free(sorted);
    if (rc == 0 && out->overflow)
        rc = err_set(err, TC_EBOUND, "too many rule files to activate");
    return rc;
}

static int object_read(struct core *core, struct sv sha256, struct arena *arena, struct sv *ret,
                       struct err *err)
{
    char path[PATH_BYTES], hex[TC_SHA256_HEX];
    uint8_t hash[TC_SHA256_BYTES];
    struct buf bytes;
    buf_init(&bytes, OBJECT_MAX_BYTES);
    object_path(core, sha256, path);
    int rc = fs_read_file(core->options.fs, path, &bytes, err);
    if (rc == 0) {
        hash_sha256(buf_view(&bytes), hash);
        hash_hex(hash, sizeof hash, hex);
        if (!sv_is(sha256, hex))
            rc = err_set(err, TC_ECORRUPT, "%s is not what its name says: restore it from a backup", path);
        else
            *ret = arena_sv(arena, buf_view(&bytes));
    }
    buf_free(&bytes);
    return rc;
}

/* Rules can be more than an event has fields: the array's elements are read one by one. */
static int read_rules(struct core *core, struct sv array, struct arena *arena, struct rule_source **ret,
                      size_t *ret_count, struct err *err)
{
    size_t capacity = 64, count = 0;
    struct rule_source *sources = ARENA_ARRAY(arena, struct rule_source, capacity);
    struct sv rest = sv_trim(array);
    while (rest.n > 0 && (rest.p[0] == '[' || rest.p[0] == ',')) {
        rest = sv_from(rest, 1);
        size_t length = rest.n > 0 && rest.p[0] == '{' ? json_value_length(rest) : 0;
        if (length == 0)
            break;
        struct event json = {.time = {TC_NO_TIME}};
        int rc = json_parse_event(sv_head(rest, length), arena, &json, err);
        if (rc != 0)
            return rc;
        event_index(&json, arena);
        if (count == capacity) {
            struct rule_source *more = ARENA_ARRAY(arena, struct rule_source, capacity * 2);
            memcpy(more, sources, count * sizeof more[0]);
            sources = more;
            capacity *= 2;
        }
        struct rule_source *source = &sources[count++];
        *source = (struct rule_source){.path = event_value(&json, "path"),
                                       .in_pack = sv_is(event_value(&json, "in_pack"), "true")};
        rc = object_read(core, event_value(&json, "sha256"), arena, &source->bytes, err);
        if (rc != 0)
            return err_while(err, "rule file %.*s", SV_FMT(source->path));
        rest = sv_from(rest, length);
    }
    *ret = sources;
    *ret_count = count;
    return 0;
}

struct in_force {
    int64_t lateness_ns;
    struct alert_options alerts;
    uint64_t steps[17];
};

static void read_settings(const struct event *json, struct in_force *ret)
{
    size_t n = 0;
    if (!num_i64(event_value(json, "lateness_ns"), &ret->lateness_ns))
        ret->lateness_ns = 0;
    if (!num_i64(event_value(json, "dedup_window_ns"), &ret->alerts.dedup_ns))
        ret->alerts.dedup_ns = 0;
    if (!num_i64(event_value(json, "resolve_after_ns"), &ret->alerts.resolve_after_ns))
        ret->alerts.resolve_after_ns = 0;
    const struct field *f = event_find(json, SV("count_steps"), event_name_hash(SV("count_steps")));
    for (; f != NULL && n < TC_ARRAY_LEN(ret->steps) - 1; f = event_next(json, f))
        if (f->type == FIELD_NUMBER && num_u64(f->value, 1, UINT64_MAX, &ret->steps[n]))
            n++;
    ret->steps[n] = 0;
    ret->alerts.count_steps = ret->steps;
    read_response(json, &ret->alerts);
}

struct calendars {
    struct core *core;
    const struct event *json;
    struct arena *arena;
    struct err *err;
    int rc;
};

static bool give_calendar(void *context, struct sv path, struct sv *ret)
{
    struct calendars *c = context;
    const struct field *at = event_find(c->json, SV("calendars.path"), event_name_hash(SV("calendars.path")));
    const struct field *sha =
        event_find(c->json, SV("calendars.sha256"), event_name_hash(SV("calendars.sha256")));
    for (; at != NULL && sha != NULL; at = event_next(c->json, at), sha = event_next(c->json, sha))
        if (sv_eq(at->value, path)) {
            c->rc = c->rc == 0 ? object_read(c->core, sha->value, c->arena, ret, c->err) : c->rc;
            return c->rc == 0;
        }
    return false;
}

/* *ret NULL: the record says nothing of it, and nothing escalates. */
static int read_oncall(struct core *core, const struct event *json, struct arena *arena, struct oncall **ret,
                       struct err *err)
{
    struct calendars calendars = {core, json, arena, err, 0};
    struct sv path = event_value(json, "oncall.path"), sha256 = event_value(json, "oncall.sha256"), bytes;
    if (path.n == 0)
        return 0;
    int rc = object_read(core, sha256, arena, &bytes, err);
    if (rc == 0)
        rc = oncall_read(arena_str(arena, path), bytes, give_calendar, &calendars, ret, err);
    return rc == 0 ? calendars.rc : rc;
}

/* What the fold is told of people from now on; without a file, the built-in policies, which nobody waits for.
 */
static void take_oncall(struct core *core, struct oncall *fresh)
{
    struct err err;
    if (fresh == NULL)
        tc_assert(oncall_read("", SV(""), NULL, NULL, &fresh, &err) == 0);
    pthread_mutex_lock(&core->oncall_lock);
    oncall_free(&core->oncall);
    core->oncall = fresh;
    pthread_mutex_unlock(&core->oncall_lock);
}

static void watch(struct core *core, const struct event *json)
{
    struct source_watch rows[SOURCES_WATCHED_MAX];
    size_t count = 0;
    const struct field *source = event_find(json, SV("watch.source"), event_name_hash(SV("watch.source")));
    const struct field *interval =
        event_find(json, SV("watch.interval_ns"), event_name_hash(SV("watch.interval_ns")));
    const struct field *grace = event_find(json, SV("watch.grace_ns"), event_name_hash(SV("watch.grace_ns")));
    for (; source != NULL && interval != NULL && count < TC_ARRAY_LEN(rows); count++) {
        rows[count] = (struct source_watch){.source = source->value};
        if (!num_i64(interval->value, &rows[count].interval_ns))
            rows[count].interval_ns = 0;
        if (grace == NULL || !num_i64(grace->value, &rows[count].grace_ns))
            rows[count].grace_ns = 0;
        source = event_next(json, source);
        interval = event_next(json, interval);
        grace = grace == NULL ? NULL : event_next(json, grace);
    }
    sources_watch(&core->watchdog.sources, rows, count);
}

/* A detector for `ruleset` that goes on where the old one stood, for the rules whose content is the same. */
static struct detector *next_detector(struct core *core, const struct ruleset *ruleset, int64_t lateness_ns)
{
    struct detector_options options = {
        .lateness_ns = lateness_ns, .receive_time_stands_in = true, .pool = core->pool};
    struct detector *fresh = detector_new(ruleset, &options);
    if (core->detector != NULL) {
        struct buf saved;
        struct err err;
        buf_init(&saved, SIZE_MAX / 2);
        detector_save(core->detector, &saved);
        tc_assert(detector_load(fresh, buf_view(&saved), &err) == 0);
        buf_free(&saved);
    }
    return fresh;
}

static struct book *next_book(struct core *core, const struct alert_options *options)
{
    struct book *fresh = book_new(options);
    if (core->book != NULL) {
        struct buf saved;
        struct err err;
        buf_init(&saved, SIZE_MAX / 2);
        book_save(core->book, &saved);
        tc_assert(book_load(fresh, buf_view(&saved), &err) == 0);
        book_pass_steps(fresh, core->book, core->folded_tick_ns);
        buf_free(&saved);
    }
    return fresh;
}

/* The rules that a reload compiled for this text, the caller's own then; NULL: none. */
static struct ruleset *take_prepared(struct core *core, struct sv text)
{
    struct ruleset *ruleset = NULL;
    pthread_mutex_lock(&core->lock);
    if (core->prepared != NULL && sv_eq(text, buf_view(&core->prepared_json))) {
        ruleset = core->prepared;
        core->prepared = NULL;
    }
    pthread_mutex_unlock(&core->lock);
    return ruleset;
}

int activate_apply(struct core *core, struct sv text, struct err *err)
{
    if (sv_eq(text, buf_view(&core->activated)))
        return 0;
    struct arena arena = {0};
    struct event json = {.time = {TC_NO_TIME}};
    struct rule_source *sources = NULL;
    struct ruleset *ruleset = take_prepared(core, text);
    struct in_force in_force = {0};
    size_t count = 0;
    int rc = json_parse_event(text, &arena, &json, err);
    if (rc == 0) {
        event_index(&json, &arena);
        read_settings(&json, &in_force);
        if (ruleset == NULL)
            rc = read_rules(core, event_value(&json, "rules"), &arena, &sources, &count, err);
    }
    struct policy *policy = NULL;
    if (rc == 0)
        rc = policy_new(event_value(&json, "policy"), &policy, err);
    if (rc == 0 && ruleset == NULL)
        rc = ruleset_new_under(sources, count, policy, &ruleset, err);
    policy_free(&policy);
    struct oncall *oncall = NULL;
    if (rc == 0)
        rc = read_oncall(core, &json, &arena, &oncall, err);
    if (rc == 0 && oncall != NULL)
        oncall_ladders(oncall, in_force.alerts.ladders);
    if (rc == 0) {
        take_oncall(core, oncall);
        struct detector *detector = next_detector(core, ruleset, in_force.lateness_ns);
        struct book *book = next_book(core, &in_force.alerts);
        if (core->detector != NULL)
            watchdog_gather(&core->watchdog, core->detector);
        detector_free(&core->detector);
        book_free(&core->book);
        ruleset_free(&core->ruleset);
        core->detector = detector;
        core->book = book;
        core->ruleset = ruleset;
        pthread_mutex_lock(&core->lock);
        core->costs.of = NULL; /* its address may be that of the old one */
        pthread_mutex_unlock(&core->lock);
        watch(core, &json);
        buf_clear(&core->activated);
        buf_sv(&core->activated, text);
    } else {
        ruleset_free(&ruleset);
    }
    arena_free(&arena);
    return rc == 0 ? 0 : err_while(err, "activating the rules that the journal names");
}
