/*
 * Log queries: a heap of the best lines so far, whose worst is on top; see search.h. The journal is in order
 * of arrival and the answer in order of time, so all of the range is looked at; a line that cannot be among
 * the best is left by its time alone.
 */
#include "query/search.h"

#include "base/json_out.h"

#include <stdlib.h>

struct search {
    const struct logql *query;
    uint64_t limit;
    bool backward;
    struct query_found **heap; /* the worst is the first */
    size_t n, capacity;
    size_t bytes;
};

/* a comes before b in the answer. */
static bool before(const struct search *s, int64_t a_ns, uint64_t a, int64_t b_ns, uint64_t b)
{
    return s->backward ? a_ns > b_ns || (a_ns == b_ns && a > b) : a_ns < b_ns || (a_ns == b_ns && a < b);
}
static bool found_before(const struct search *s, const struct query_found *a, const struct query_found *b)
{
    return before(s, a->ns, a->position, b->ns, b->position);
}

static void sift_down(struct search *s, size_t at)
{
    for (;;) {
        size_t worst = at;
        for (size_t child = 2 * at + 1; child <= 2 * at + 2 && child < s->n; child++)
            if (found_before(s, s->heap[worst], s->heap[child]))
                worst = child;
        if (worst == at)
            return;
        struct query_found *other = s->heap[at];
        s->heap[at] = s->heap[worst];
        s->heap[worst] = other;
        at = worst;
    }
}

static void sift_up(struct search *s, size_t at)
{
    while (at > 0 && found_before(s, s->heap[(at - 1) / 2], s->heap[at])) {
        struct query_found *other = s->heap[at];
        s->heap[at] = s->heap[(at - 1) / 2];
        s->heap[(at - 1) / 2] = other;
        at = (at - 1) / 2;
    }
}

static bool is_useful(void *context, int64_t ns, uint64_t position)
{
    const struct search *s = context;
    return s->n < s->limit || before(s, ns, position, s->heap[0]->ns, s->heap[0]->position);
}

size_t query_labels_sorted(const struct query_line *line, struct query_label out[QUERY_LABELS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < line->label_count; i++) {
        size_t at = n;
        if (line->labels[i].value.n == 0)
            continue;
        for (; at > 0 && sv_cmp(out[at - 1].name, line->labels[i].name) > 0; at--)
            out[at] = out[at - 1];
        out[at] = line->labels[i];
        n++;
    }
    return n;
}

static size_t found_bytes(const struct query_found *found)
{
    size_t bytes = sizeof *found + found->label_count * sizeof found->labels[0] + found->line.n;
    for (size_t i = 0; i < found->label_count; i++)
        bytes += found->labels[i].name.n + found->labels[i].value.n;
    return bytes;
}

static struct sv put_text(char **at, struct sv text)
{
    struct sv copy = {*at, text.n};
    if (text.n > 0)
        memcpy(*at, text.p, text.n);
    *at += text.n;
    return copy;
}

/* One piece of memory holds it all. */
static struct query_found *keep(const struct query_line *line)
{
    struct query_label sorted[QUERY_LABELS_MAX];
    struct query_found view = {.ns = line->ns,
                               .position = line->event.position,
                               .line = line->line,
                               .labels = sorted,
                               .label_count = query_labels_sorted(line, sorted),
                               .stream_count = line->stream_count};
    struct query_found *found = tc_realloc(NULL, found_bytes(&view));
    *found = view;
    found->labels = (struct query_label *)(found + 1);
    char *at = (char *)(found->labels + view.label_count);
    for (size_t i = 0; i < view.label_count; i++)
        found->labels[i] =
            (struct query_label){put_text(&at, sorted[i].name), put_text(&at, sorted[i].value)};
    found->line = put_text(&at, view.line);
    return found;
}

static int take(void *context, struct query_line *line, struct err *err)
{
    struct search *s = context;
    if (!query_pipeline(line, s->query, s->query->root->stages))
        return 0;
    struct query_found *found = keep(line);
    s->bytes += found_bytes(found);
    if (s->n == s->limit) {
        s->bytes -= found_bytes(s->heap[0]);
        free(s->heap[0]);
        s->heap[0] = found;
        sift_down(s, 0);
    } else {
        if (s->n == s->capacity) {
            s->capacity = TC_MAX((size_t)256, 2 * s->capacity);
            s->heap = tc_realloc(s->heap, s->capacity * sizeof(struct query_found *));
        }
        s->heap[s->n] = found;
        sift_up(s, s->n++);
    }
    return s->bytes <= QUERY_ANSWER_BYTES_MAX
               ? 0
               : err_set(err, TC_EBOUND,
                         "the answer is longer than %d MiB: ask for fewer lines, or a shorter time",
                         QUERY_ANSWER_BYTES_MAX >> 20);
}

int query_search(const struct query_source *source, const struct logql *query, int64_t from_ns, int64_t to_ns,
                 uint64_t limit, bool backward, struct query_answer *ret, struct err *err)
{
    struct search s = {
        .query = query, .limit = TC_MIN(limit, (uint64_t)QUERY_LINES_MAX), .backward = backward};
    *ret = (struct query_answer){0};
    int rc = s.limit == 0
                 ? 0
                 : query_scan(source, query->root, from_ns, to_ns, is_useful, take, &s, &ret->stats, err);
    *ret = (struct query_answer){.found = s.heap, .count = s.n, .stats = ret->stats};
    while (s.n > 1) { /* heap sort: the worst goes to the end */
        struct query_found *worst = s.heap[0];
        s.heap[0] = s.heap[--s.n];
        s.heap[s.n] = worst;
        sift_down(&s, 0);
    }
    if (rc != 0)
        query_answer_free(ret);
    return rc;
}

void query_answer_free(struct query_answer *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        free(answer->found[i]);
    free(answer->found);
    answer->found = NULL;
    answer->count = 0;
}

void query_labels_print(const struct query_label *labels, size_t count, struct buf *out)
{
    buf_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        buf_str(out, i == 0 ? "" : ", ");
        buf_sv(out, labels[i].name);
        buf_str(out, "=\"");
        json_escape(out, labels[i].value);
        buf_char(out, '"');
    }
    buf_char(out, '}');
}
