/*
 * What the tests on third-party data share: the public rule corpus and the recorded events, which lie beside
 * the repository.
 */
#ifndef DETECT_CORPUS_TESTKIT_H
#define DETECT_CORPUS_TESTKIT_H

/* cmocka.h wants these before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "detect/detect_testkit.h"

#include <unistd.h>
#include <zstd.h>

#define DATA  "../shared/data/"
#define SIGMA DATA "sigma/"

enum { FILE_MAX_BYTES = 64 << 20, UNPACKED_MAX_BYTES = 512 << 20 };

static inline void skip_without_data(void)
{
    if (access(SIGMA "rules", R_OK) == 0)
        return;
    print_message("skipped: no third-party data at " SIGMA "\n");
    skip();
}

static const char *const evaluable[] = {SIGMA "rules", SIGMA "rules-emerging-threats",
                                        SIGMA "rules-threat-hunting", NULL};

static inline size_t load(struct kit *kit, const char *const *folders)
{
    struct rule_source all[8192];
    size_t count = 0;
    struct err err = {0};
    for (size_t i = 0; folders[i] != NULL; i++) {
        struct rule_source *sources;
        size_t n;
        if (rule_files_collect(&fs_system, folders[i], &kit->arena, &sources, &n, &err) != 0)
            fail_msg("%s", err.text);
        assert_true(count + n <= TC_ARRAY_LEN(all));
        memcpy(all + count, sources, n * sizeof sources[0]);
        count += n;
    }
    assert_int_equal(ruleset_new(all, count, &kit->set, &err), 0);
    kit->scratch = match_scratch_new();
    return count;
}

/* --- lines of JSON
 * ------------------------------------------- */

static inline struct sv read_file(struct arena *arena, const char *path)
{
    struct buf buf;
    struct err err = {0};
    buf_init(&buf, FILE_MAX_BYTES);
    if (fs_read_file(&fs_system, path, &buf, &err) != 0)
        fail_msg("%s", err.text);
    struct sv text = arena_sv(arena, buf_view(&buf));
    buf_free(&buf);
    return text;
}

static inline struct sv read_zstd(struct arena *arena, const char *path)
{
    struct sv packed = read_file(arena, path);
    struct buf buf;
    buf_init(&buf, UNPACKED_MAX_BYTES);
    ZSTD_DStream *stream = ZSTD_createDStream();
    ZSTD_inBuffer in = {packed.p, packed.n, 0};
    while (in.pos < in.size) {
        char chunk[64 << 10];
        ZSTD_outBuffer out = {chunk, sizeof chunk, 0};
        assert_false(ZSTD_isError(ZSTD_decompressStream(stream, &out, &in)));
        buf_add(&buf, chunk, out.pos);
    }
    for (size_t got = 1; got > 0;) { /* what the stream still holds back */
        char chunk[64 << 10];
        ZSTD_outBuffer out = {chunk, sizeof chunk, 0};
        assert_false(ZSTD_isError(ZSTD_decompressStream(stream, &out, &in)));
        buf_add(&buf, chunk, out.pos);
        got = out.pos;
    }
    ZSTD_freeDStream(stream);
    assert_false(buf.overflow);
    struct sv text = arena_sv(arena, buf_view(&buf));
    buf_free(&buf);
    return text;
}

static inline bool next_line(struct sv *rest, struct sv *ret)
{
    while (rest->n > 0) {
        *ret = sv_cut(rest, '\n');
        if (sv_trim(*ret).n > 0)
            return true;
    }
    return false;
}

static inline struct event parse(struct arena *arena, struct sv json)
{
    static uint64_t position;
    struct err err = {0};
    struct event event = {.raw = json, .position = ++position, .repeat = 1};
    if (json_parse_event(json, arena, &event, &err) != 0)
        fail_msg("%.*s: %s", SV_FMT(sv_head(json, 200)), err.text);
    event_index(&event, arena);
    return event;
}

static inline struct sv value_of(const struct event *event, const char *name)
{
    return event_value(event, name);
}

/* --- Windows events
 * ------------------------------------------- */

/* Event.System.Provider.#attributes.Name -> Provider_Name; Event.EventData.Image -> Image; n == 0: not a
 * member of either. */
static inline struct sv flat_name(struct arena *arena, struct sv name)
{
    static const struct sv attributes = {".#attributes.", 13};
    struct sv member = SV("");
    if (sv_starts(name, SV("Event.System.")))
        member = sv_from(name, 13);
    else if (sv_starts(name, SV("Event.EventData.")))
        member = sv_from(name, 16);
    size_t at = sv_find(member, attributes);
    if (at == member.n)
        return member;
    return arena_printf(arena, "%.*s_%.*s", SV_FMT(sv_head(member, at)),
                        SV_FMT(sv_from(member, at + attributes.n)));
}

static inline struct event windows_event(struct arena *arena, struct sv json)
{
    struct event nested = parse(arena, json), flat = nested;
    flat.fields = ARENA_ARRAY(arena, struct field, nested.field_count);
    flat.field_count = 0;
    for (uint32_t i = 0; i < nested.field_count; i++) {
        struct field field = nested.fields[i];
        field.name = field.exact = flat_name(arena, field.name);
        field.name_hash = event_name_hash(field.name);
        if (field.name.n > 0 && field.type != FIELD_OBJECT && sv_find_char(field.name, '#') == field.name.n)
            flat.fields[flat.field_count++] = field;
    }
    event_index(&flat, arena);
    return flat;
}

/* The recordings bear NXLog's names for two members of System. */
static inline struct event nxlog_event(struct arena *arena, struct sv json)
{
    struct event sent = parse(arena, json), event = sent;
    event.fields = ARENA_ARRAY(arena, struct field, sent.field_count * 2);
    event.field_count = 0;
    for (uint32_t i = 0; i < sent.field_count; i++) {
        struct field field = event.fields[event.field_count++] = sent.fields[i];
        if (sv_is(field.name, "SourceName"))
            field.name = field.exact = SV("Provider_Name");
        else if (sv_is(field.name, "Hostname"))
            field.name = field.exact = SV("Computer");
        else
            continue;
        field.name_hash = event_name_hash(field.name);
        event.fields[event.field_count++] = field;
    }
    event_index(&event, arena);
    return event;
}

#endif
