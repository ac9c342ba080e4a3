/*
 * Detected labels and fields; see detected.h. Every (name, value) that was seen stands once in a map, whose
 * keys, sorted, are the answer group by group.
 */
#include "api/detected.h"

#include "base/json_out.h"
#include "base/map.h"

#include <stdlib.h>

enum { VALUES_MAX = 100 * 1000, KEY_MAX = 1 << 20, ENOUGH = TC_ESTATE };

enum field_kind { KIND_NONE, KIND_INT, KIND_FLOAT, KIND_BOOL, KIND_DURATION, KIND_BYTES, KIND_STRING };
static const char *const kind_names[] = {
    [KIND_NONE] = "string",       [KIND_INT] = "int",     [KIND_FLOAT] = "float",   [KIND_BOOL] = "boolean",
    [KIND_DURATION] = "duration", [KIND_BYTES] = "bytes", [KIND_STRING] = "string",
};

struct detected {
    const struct search_parameters *what;
    struct map seen; /* name ‖ 0 ‖ value, with its kind; a name has no zero byte */
    struct buf key;
    uint64_t lines;
};

static void see(struct detected *d, struct sv name, struct sv value, enum field_kind kind)
{
    buf_clear(&d->key);
    buf_sv(&d->key, name);
    buf_char(&d->key, '\0');
    buf_sv(&d->key, value);
    uint64_t *entry = d->key.overflow ? NULL : map_put(&d->seen, buf_view(&d->key), NULL);
    if (entry != NULL) /* else there are enough */
        *entry = (uint64_t)kind;
}

static enum field_kind kind_of(const struct field *field)
{
    double number;
    switch (field->type) {
    case FIELD_NUMBER:
        return sv_find(field->value, SV(".")) == field->value.n &&
                       sv_find(field->value, SV("e")) == field->value.n &&
                       sv_find(field->value, SV("E")) == field->value.n
                   ? KIND_INT
                   : KIND_FLOAT;
    case FIELD_BOOL:
        return KIND_BOOL;
    default:
        return logql_duration(field->value, &number) ? KIND_DURATION
               : logql_bytes(field->value, &number)  ? KIND_BYTES
                                                     : KIND_STRING;
    }
}

static void see_fields(struct detected *d, const struct query_line *line)
{
    const struct event *event = &line->event;
    for (uint32_t i = 0; i < event->field_count; i++) {
        const struct field *field = &event->fields[i];
        struct sv name = query_flat_name(field->name, line->arena);
        bool wanted = field->type <= FIELD_BOOL && !sv_starts(field->name, SV("labels.")) &&
                      (d->what->kind == SEARCH_DETECTED_FIELDS || sv_eq(name, d->what->label));
        if (wanted)
            see(d, name, field->value, kind_of(field));
    }
}

static int see_line(void *context, struct query_line *line, struct err *err)
{
    struct detected *d = context;
    const struct logql *query = d->what->query_count > 0 ? d->what->queries[0] : NULL;
    int rc = query_line_labels(line, err);
    if (rc != 0 || (query != NULL && !query_pipeline(line, query, query->root->stages)))
        return rc;
    if (d->what->kind == SEARCH_DETECTED_LABELS) {
        for (size_t i = 0; i < TC_MIN(line->stream_count, line->label_count); i++)
            if (line->labels[i].value.n > 0)
                see(d, line->labels[i].name, line->labels[i].value, KIND_STRING);
        return 0;
    }
    see_fields(d, line);
    return ++d->lines >= d->what->line_limit ? ENOUGH : 0;
}

/* --- the answer
 * ----------------------------------------------------------------------------------------------------- */

static int by_key(const void *a, const void *b)
{
    const struct map_entry *const *x = a, *const *y = b;
    return sv_cmp((*x)->key, (*y)->key);
}

static void write_group(struct json_out *json, const struct detected *d, struct sv name, uint64_t count,
                        enum field_kind kind)
{
    json_object(json);
    json_kv_string(json, "label", name);
    if (d->what->kind == SEARCH_DETECTED_FIELDS)
        json_kv_str(json, "type", kind_names[kind]);
    json_kv_u64(json, "cardinality", count);
    if (d->what->kind == SEARCH_DETECTED_FIELDS) {
        json_key(json, SV("parsers"));
        json_null(json); /* fields are found without one, as structured metadata is */
    }
    json_object_end(json);
}

/* Names with the number of their values, at most `limit`; or the values. */
static void write_list(struct json_out *json, const struct detected *d, struct map_entry **sorted, size_t n)
{
    uint64_t written = 0;
    for (size_t i = 0, next; i < n && written < d->what->limit; i = next, written++) {
        struct sv value = sorted[i]->key, name = sv_cut(&value, '\0');
        enum field_kind kind = (enum field_kind)sorted[i]->value;
        if (d->what->kind == SEARCH_DETECTED_VALUES) {
            json_string(json, value);
            next = i + 1;
            continue;
        }
        for (next = i + 1; next < n; next++) {
            struct sv rest = sorted[next]->key;
            if (!sv_eq(sv_cut(&rest, '\0'), name))
                break;
            kind = kind == (enum field_kind)sorted[next]->value ? kind : KIND_STRING;
        }
        write_group(json, d, name, next - i, kind);
    }
}

static void write_answer(struct detected *d, struct buf *out)
{
    struct map_entry **sorted = tc_alloc((d->seen.live + 1) * sizeof(struct map_entry *)), *entry;
    struct json_out json = json_out_to(out);
    size_t n = 0;
    for (size_t i = 0; map_next(&d->seen, &i, &entry);)
        sorted[n++] = entry;
    qsort(sorted, n, sizeof(struct map_entry *), by_key);
    json_object(&json);
    json_key(&json, d->what->kind == SEARCH_DETECTED_LABELS   ? SV("detectedLabels")
                    : d->what->kind == SEARCH_DETECTED_FIELDS ? SV("fields")
                                                              : SV("values"));
    json_array(&json);
    write_list(&json, d, sorted, n);
    json_array_end(&json);
    if (d->what->kind != SEARCH_DETECTED_LABELS)
        json_kv_u64(&json, "limit", d->what->limit);
    json_object_end(&json);
    free(sorted);
}

int detected_find(struct search_job *job, const struct query_source *source)
{
    const struct search_parameters *what = &job->what;
    struct detected d = {.what = what};
    struct query_scan_stats stats = {0};
    map_init(&d.seen, VALUES_MAX);
    buf_init(&d.key, KEY_MAX);
    int rc = query_scan(source, what->query_count == 0 ? NULL : what->queries[0]->root, what->start_ns,
                        what->end_ns, NULL, see_line, &d, &stats, &job->err);
    if (rc == ENOUGH && d.lines >= what->line_limit)
        rc = 0;
    if (rc == 0)
        write_answer(&d, &job->json);
    map_free(&d.seen);
    buf_free(&d.key);
    return rc;
}
