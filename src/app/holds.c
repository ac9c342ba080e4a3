/*
 * Holds that people make while Tocsin runs; see holds.h.
 */
#include "app/holds.h"

#include "base/json_out.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const class_names[CLASS_COUNT] = {"security", "audit", "debug"};
enum { ALL_CLASSES = (1 << CLASS_COUNT) - 1 };

bool holds_is_command(struct sv verb)
{
    return sv_is(verb, "hold_add") || sv_is(verb, "hold_release");
}

void holds_free(struct holds *holds)
{
    free(holds->items);
    *holds = (struct holds){0};
}

/* --- reading what is asked -------------------------------------------------------------------------------
 */

static int take_text(char *to, size_t size, struct sv text, const char *what, struct err *err)
{
    if (text.n >= size || sv_find_char(text, '\0') < text.n)
        return err_set(err, TC_EINPUT, "\"%s\" is at most %zu bytes long", what, size - 1);
    memcpy(to, text.p == NULL ? "" : text.p, text.n);
    to[text.n] = '\0';
    return 0;
}

static int take_time(int64_t *to, struct sv text, const char *what, struct err *err)
{
    if (text.n == 0 || clk_parse_rfc3339(text, 0, to))
        return 0;
    return err_set(err, TC_EINPUT, "\"%s\" is a time such as 2026-11-21T00:00:00Z; it is \"%.*s\"", what,
                   SV_FMT(sv_head(text, 64)));
}

static int take_class(uint32_t *to, struct sv text, struct err *err)
{
    for (int i = 0; i < CLASS_COUNT; i++)
        if (sv_is(text, class_names[i])) {
            *to = 1U << i;
            return 0;
        }
    return text.n == 0 ? 0
                       : err_set(err, TC_EINPUT, "\"class\" is security, audit or debug; it is \"%.*s\"",
                                 SV_FMT(sv_head(text, 64)));
}

static int read_hold(const struct alert_command *c, struct receive_time at, struct hold *ret, struct err *err)
{
    *ret = (struct hold){.made_ns = at.ns, .from_ns = INT64_MIN, .to_ns = INT64_MAX, .classes = ALL_CLASSES};
    const struct {
        char *to;
        size_t size;
        struct sv text;
        const char *what;
    } texts[] = {{ret->name, sizeof ret->name, sv_trim(c->alert_id), "name"},
                 {ret->source, sizeof ret->source, c->source, "source"},
                 {ret->text, sizeof ret->text, c->text, "text"},
                 {ret->by, sizeof ret->by, sv_head(c->by, sizeof ret->by - 1), "by"},
                 {ret->note, sizeof ret->note, sv_trim(c->note), "note"}};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < TC_ARRAY_LEN(texts); i++)
        rc = take_text(texts[i].to, texts[i].size, texts[i].text, texts[i].what, err);
    if (rc == 0)
        rc = take_time(&ret->from_ns, c->from, "from", err);
    if (rc == 0)
        rc = take_time(&ret->to_ns, c->until, "until", err);
    if (rc == 0)
        rc = take_class(&ret->classes, c->class, err);
    if (rc == 0 && ret->from_ns >= ret->to_ns)
        rc = err_set(err, TC_EINPUT, "the hold ends (\"until\") before it begins (\"from\")");
    if (rc == 0 && (ret->name[0] == '\0' || ret->note[0] == '\0'))
        rc = err_set(err, TC_EINPUT, "a hold needs a name, and a note that says why");
    return rc;
}

/* --- the commands ----------------------------------------------------------------------------------------
 */

static size_t find(const struct holds *holds, struct sv name)
{
    size_t at = 0;
    while (at < holds->count && !sv_is(name, holds->items[at].name))
        at++;
    return at;
}

static void answer(const struct hold *hold, struct buf *out)
{
    struct retention_hold what = hold_retention(hold);
    hold_json(&what, hold, out);
}

static int add(struct holds *holds, const struct alert_command *command, struct receive_time at,
               struct buf *ret_json, struct err *err)
{
    struct hold fresh;
    int rc = read_hold(command, at, &fresh, err);
    if (rc != 0)
        return rc;
    if (find(holds, sv_of(fresh.name)) < holds->count)
        return err_set(err, TC_ESTATE, "there is a hold \"%s\" already: take another name", fresh.name);
    if (holds->count == HOLDS_MAX)
        return err_set(err, TC_ESTATE, "there are %d holds already: release one first", HOLDS_MAX);
    holds->items = tc_realloc(holds->items, (holds->count + 1) * sizeof holds->items[0]);
    holds->items[holds->count] = fresh;
    answer(&holds->items[holds->count++], ret_json);
    return 0;
}

static int release(struct holds *holds, const struct alert_command *command, struct buf *ret_json,
                   struct err *err)
{
    size_t at = find(holds, sv_trim(command->alert_id));
    if (sv_trim(command->note).n == 0)
        return err_set(err, TC_EINPUT, "to release a hold needs a note that says why");
    if (at == holds->count)
        return err_set(
            err, TC_ENOTFOUND,
            "there is no hold \"%.*s\" that was made at run time; one of the configuration ends there",
            SV_FMT(sv_head(command->alert_id, 64)));
    answer(&holds->items[at], ret_json);
    memmove(&holds->items[at], &holds->items[at + 1], (holds->count - at - 1) * sizeof holds->items[0]);
    holds->count--;
    return 0;
}

int holds_command(struct holds *holds, const struct alert_command *command, struct receive_time at,
                  struct buf *ret_json, struct err *err)
{
    return sv_is(command->verb, "hold_add") ? add(holds, command, at, ret_json, err)
                                            : release(holds, command, ret_json, err);
}

/* --- what others see -------------------------------------------------------------------------------------
 */

struct retention_hold hold_retention(const struct hold *hold)
{
    return (struct retention_hold){.name = hold->name,
                                   .from_ns = hold->from_ns,
                                   .to_ns = hold->to_ns,
                                   .classes = hold->classes,
                                   .source = sv_of(hold->source),
                                   .text = sv_of(hold->text)};
}

void hold_json(const struct retention_hold *what, const struct hold *made, struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_object(&json);
    json_kv_str(&json, "name", what->name);
    json_kv_time(&json, "from", what->from_ns == INT64_MIN ? TC_NO_TIME : what->from_ns);
    json_kv_time(&json, "to", what->to_ns == INT64_MAX ? TC_NO_TIME : what->to_ns);
    json_key(&json, SV("classes"));
    json_array(&json);
    for (int i = 0; i < CLASS_COUNT; i++)
        if (what->classes >> i & 1)
            json_string(&json, sv_of(class_names[i]));
    json_array_end(&json);
    json_kv_string(&json, "source", what->source);
    json_kv_string(&json, "text", what->text);
    json_kv_time(&json, "made", made == NULL ? TC_NO_TIME : made->made_ns);
    json_kv_str(&json, "by", made == NULL ? "" : made->by);
    json_kv_str(&json, "note", made == NULL ? "" : made->note);
    json_kv_bool(&json, "configured", made == NULL);
    json_object_end(&json);
}

/* --- saving ----------------------------------------------------------------------------------------------
 */

void holds_save(const struct holds *holds, struct buf *out)
{
    buf_u32(out, (uint32_t)holds->count);
    for (size_t i = 0; i < holds->count; i++) {
        const struct hold *h = &holds->items[i];
        const char *const texts[] = {h->name, h->source, h->text, h->by, h->note};
        for (size_t k = 0; k < TC_ARRAY_LEN(texts); k++)
            buf_string(out, sv_of(texts[k]));
        buf_u64(out, (uint64_t)h->made_ns);
        buf_u64(out, (uint64_t)h->from_ns);
        buf_u64(out, (uint64_t)h->to_ns);
        buf_u32(out, h->classes);
    }
}

static bool load_one(struct reader *r, struct hold *h)
{
    const struct {
        char *to;
        size_t size;
    } texts[] = {{h->name, sizeof h->name},
                 {h->source, sizeof h->source},
                 {h->text, sizeof h->text},
                 {h->by, sizeof h->by},
                 {h->note, sizeof h->note}};
    bool good = true;
    for (size_t i = 0; good && i < TC_ARRAY_LEN(texts); i++)
        good = take_text(texts[i].to, texts[i].size, reader_string(r), "", NULL) == 0;
    h->made_ns = (int64_t)reader_u64(r);
    h->from_ns = (int64_t)reader_u64(r);
    h->to_ns = (int64_t)reader_u64(r);
    h->classes = reader_u32(r);
    return good && !r->bad;
}

bool holds_load(struct holds *holds, struct sv saved)
{
    struct reader r = reader_of(saved);
    uint32_t count = reader_u32(&r);
    if (r.bad || count > HOLDS_MAX)
        return false;
    struct holds loaded = {.items = tc_alloc((count + 1) * sizeof loaded.items[0]), .count = count};
    bool good = true;
    for (size_t i = 0; good && i < count; i++)
        good = load_one(&r, &loaded.items[i]);
    if (!good || r.rest.n > 0) {
        holds_free(&loaded);
        return false;
    }
    holds_free(holds);
    *holds = loaded;
    return true;
}
