/*
 * Counting a chunk's records by labels, from its columns alone; see query_fold in scan.h.
 *
 * A label is what query_line_labels and query_line_get would make of the record: a label of the stream if one
 * of its fields has a value, else the first field of that name. What cannot be said so (labels that records
 * bring themselves, below `labels.`) is left to whole records.
 */
#include "query/scan_priv.h"

#include "journal/cold_chunk.h"

enum { CELLS = 256, CANDIDATES_MAX = QUERY_STREAM_FIELDS_MAX + 1, MATCHERS_MAX = 8 };

/* Lines that came with the same values one after another, or nearly so. */
struct cell {
    struct sv values[QUERY_FOLD_LABELS_MAX];
    uint64_t lines;
};

struct folding {
    struct scan *scan;
    struct cold_chunk *chunk;
    const struct cold_entry *entry;
    struct arena arena;
    struct cold_ids ids;
    bool *fits;                               /* by envelope */
    struct sv *labels[QUERY_FOLD_LABELS_MAX]; /* by record */
    struct sv *matched[MATCHERS_MAX];         /* the same for the selector's labels of fields */
    const struct logql_matcher *matchers[MATCHERS_MAX];
    size_t matcher_count;
    const int64_t *times; /* NULL: all alike */
};

static bool is_of_envelope(struct sv label)
{
    return sv_is(label, "source") || sv_is(label, "class");
}

/* No record brings labels of its own: 1; 0; negative. */
static int shapes_are_plain(struct folding *f, struct err *err)
{
    for (uint32_t s = 1; s <= f->ids.shape_count; s++) {
        const struct field *fields;
        uint32_t count;
        int rc = cold_chunk_fields(f->chunk, s, &fields, &count, err);
        for (uint32_t i = 0; rc == 1 && i < count; i++)
            if (sv_starts(fields[i].name, SV("labels.")))
                return 0;
        if (rc != 1)
            return rc;
    }
    for (uint32_t i = 0; i < f->entry->count; i++)
        if (f->ids.shape[i] == 0)
            return 0;
    return 1;
}

typedef bool (*is_it_fn)(const struct field *field, struct sv name, uint32_t hash);

static bool is_named(const struct field *field, struct sv name, uint32_t hash)
{
    return field->name_hash == hash && event_name_eq(field->name, name);
}

static bool is_flat(const struct field *field, struct sv name, uint32_t hash)
{
    (void)hash;
    return field->type != FIELD_OBJECT && field->type != FIELD_ARRAY && query_flat_equals(field->name, name);
}

/* Fills in the values of the first field of that name where the label has none yet. 1; 0; negative. */
static int add_candidate(struct folding *f, struct sv name, is_it_fn is_it, struct sv *values,
                         struct err *err)
{
    int32_t *field = ARENA_ARRAY(&f->arena, int32_t, f->ids.shape_count + 1);
    uint32_t hash = event_name_hash(name), count;
    bool some = false;
    for (uint32_t s = 1; s <= f->ids.shape_count; s++) {
        const struct field *fields;
        int rc = cold_chunk_fields(f->chunk, s, &fields, &count, err);
        if (rc != 1)
            return rc;
        uint32_t i = 0;
        while (i < count && !is_it(&fields[i], name, hash))
            i++;
        field[s] = i < count ? (int32_t)i : -1;
        some = some || i < count;
    }
    if (!some)
        return 1;
    struct sv *found = ARENA_ARRAY(&f->arena, struct sv, f->entry->count);
    int rc = cold_chunk_values(f->chunk, field, found, err);
    for (uint32_t i = 0; rc == 1 && i < f->entry->count; i++)
        if (values[i].n == 0)
            values[i] = found[i];
    return rc;
}

/* `or_field`: where the stream has no such label, a field counts. */
static int fill_label(struct folding *f, struct sv name, bool or_field, struct sv *values, struct err *err)
{
    static const char *const classes[] = {"security", "audit", "debug"};
    const struct query_stream_label *stream = query_stream_label(name);
    int rc = 1;
    for (uint32_t i = 0; is_of_envelope(name) && i < f->entry->count; i++) {
        const struct cold_envelope *e = &f->ids.envelopes[f->ids.envelope[i]];
        values[i] =
            sv_is(name, "source") ? e->source : sv_of(e->class < CLASS_COUNT ? classes[e->class] : "other");
    }
    for (size_t k = 0; stream != NULL && rc == 1 && k < QUERY_STREAM_FIELDS_MAX && stream->fields[k] != NULL;
         k++)
        rc = add_candidate(f, sv_of(stream->fields[k]), is_named, values, err);
    return rc == 1 && or_field ? add_candidate(f, name, is_flat, values, err) : rc;
}

static int fill_labels(struct folding *f, struct err *err)
{
    const struct query_fold *fold = f->scan->fold;
    const struct logql_expr *log = f->scan->log;
    int rc = 1;
    for (size_t i = 0; rc == 1 && i < fold->label_count; i++) {
        f->labels[i] = ARENA_ARRAY(&f->arena, struct sv, f->entry->count);
        rc = fill_label(f, fold->labels[i], true, f->labels[i], err);
    }
    for (size_t i = 0; rc == 1 && i < log->matcher_count; i++) {
        if (is_of_envelope(log->matchers[i].name))
            continue;
        if (f->matcher_count == MATCHERS_MAX)
            return 0;
        struct sv *values = ARENA_ARRAY(&f->arena, struct sv, f->entry->count);
        f->matchers[f->matcher_count] = &log->matchers[i];
        f->matched[f->matcher_count++] = values;
        rc = fill_label(f, log->matchers[i].name, false, values, err);
    }
    return rc;
}

static void judge_envelopes(struct folding *f)
{
    f->fits = ARENA_ARRAY(&f->arena, bool, f->ids.envelope_count + 1);
    for (uint32_t i = 0; i < f->ids.envelope_count; i++) {
        const struct cold_envelope *e = &f->ids.envelopes[i];
        struct event event = {.type = e->type, .class = e->class, .source = e->source};
        f->fits[i] = scan_envelope_fits(f->scan, &event);
    }
}

static bool is_counted(const struct folding *f, uint32_t i)
{
    if (!f->fits[f->ids.envelope[i]])
        return false;
    if (f->times != NULL && (f->times[i] < f->scan->from_ns || f->times[i] >= f->scan->to_ns))
        return false;
    for (size_t k = 0; k < f->matcher_count; k++)
        if (!query_match(f->matchers[k], f->matched[k][i]))
            return false;
    return true;
}

/* Equal texts of a dictionary are the same pointer, so pointers are compared, and equal texts elsewhere only
 * cost a call more. */
static struct cell *cell_of(const struct folding *f, struct cell *cells, uint32_t i, bool *ret_is_it)
{
    size_t n = f->scan->fold->label_count;
    uint64_t h = 0;
    for (size_t k = 0; k < n; k++)
        h = (h ^ (uintptr_t)f->labels[k][i].p) * UINT64_C(0x9E3779B97F4A7C15);
    struct cell *cell = &cells[h >> 56];
    *ret_is_it = true;
    for (size_t k = 0; k < n; k++)
        *ret_is_it =
            *ret_is_it && cell->values[k].p == f->labels[k][i].p && cell->values[k].n == f->labels[k][i].n;
    return cell;
}

static int tell(const struct folding *f, const struct cell *cell, int64_t ns, struct err *err)
{
    f->scan->stats->matched += cell->lines;
    return cell->lines == 0 ? 0 : f->scan->fold->count(f->scan->context, cell->values, ns, cell->lines, err);
}

static int count_all(struct folding *f, struct err *err)
{
    struct cell *cells = ARENA_ARRAY(&f->arena, struct cell, CELLS);
    size_t n = f->scan->fold->label_count;
    int rc = 0;
    for (uint32_t i = 0; rc == 0 && i < f->entry->count; i++) {
        bool is_it;
        if (!is_counted(f, i))
            continue;
        struct cell *cell = cell_of(f, cells, i, &is_it);
        if (!is_it || f->times != NULL) {
            rc = f->times == NULL ? tell(f, cell, f->entry->min_ns, err) : 0;
            for (size_t k = 0; k < n; k++)
                cell->values[k] = f->labels[k][i];
            cell->lines = 0;
        }
        cell->lines++;
        if (f->times != NULL)
            rc = tell(f, cell, f->times[i], err);
    }
    for (size_t i = 0; rc == 0 && f->times == NULL && i < CELLS; i++)
        rc = tell(f, &cells[i], f->entry->min_ns, err);
    return rc;
}

int scan_fold_chunk(struct scan *scan, struct cold_chunk *chunk, const struct cold_entry *e, struct err *err)
{
    struct folding f = {.scan = scan, .chunk = chunk, .entry = e};
    bool inside = e->min_ns >= scan->from_ns && e->max_ns < scan->to_ns && e->first > scan->source->after;
    if (e->first <= scan->source->after)
        return 0; /* positions matter */
    int rc = cold_chunk_ids(chunk, &f.ids, err);
    rc = rc == 0 ? shapes_are_plain(&f, err) : rc;
    if (rc == 1)
        rc = fill_labels(&f, err);
    if (rc == 1 && !(inside && scan->fold->alike(scan->context, e->min_ns, e->max_ns)))
        rc = cold_chunk_times(chunk, &f.times, err) == 0 ? 1 : TC_ECORRUPT;
    if (rc == 1) {
        judge_envelopes(&f);
        rc = count_all(&f, err);
        rc = rc == 0 ? 1 : rc;
    }
    arena_free(&f.arena);
    return rc;
}
