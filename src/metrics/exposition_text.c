/*
 * The text format, a line at a time; see exposition_text.h.
 */
#include "metrics/exposition_text.h"

#include "base/go_text.h"
#include "base/utf8.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>

struct line {
    struct sv rest;
    struct arena *arena;
    struct label labels[EXPOSITION_LABELS_MAX];
    size_t count;
    const char *wrong; /* what is, or NULL */
};

static void skip_blank(struct line *l)
{
    while (l->rest.n > 0 && (l->rest.p[0] == ' ' || l->rest.p[0] == '\t'))
        l->rest = sv_from(l->rest, 1);
}

static bool take(struct line *l, char c)
{
    skip_blank(l);
    if (l->rest.n == 0 || l->rest.p[0] != c)
        return false;
    l->rest = sv_from(l->rest, 1);
    return true;
}

static struct sv take_name(struct line *l)
{
    size_t n = 0;
    skip_blank(l);
    while (n < l->rest.n &&
           (isalnum((unsigned char)l->rest.p[n]) || l->rest.p[n] == '_' || l->rest.p[n] == ':'))
        n++;
    struct sv name = sv_head(l->rest, n);
    l->rest = sv_from(l->rest, n);
    return name;
}

/* After the opening quote. Escapes: \\, \", \n. */
static struct sv take_quoted(struct line *l)
{
    char *out = arena_alloc(l->arena, l->rest.n + 1);
    size_t n = 0, i = 0;
    for (; i < l->rest.n && l->rest.p[i] != '"'; i++) {
        char c = l->rest.p[i];
        if (c == '\\' && i + 1 < l->rest.n) {
            c = l->rest.p[++i];
            c = c == 'n' ? '\n' : c;
        }
        out[n++] = c;
    }
    if (i == l->rest.n)
        l->wrong = "a quoted text is not ended";
    l->rest = sv_from(l->rest, i + 1);
    if (utf8_valid(sv_make(out, n)) != n)
        l->wrong = "a text is not UTF-8";
    return sv_make(out, n);
}

static void add_label(struct line *l, struct sv name, struct sv value)
{
    if (l->count == EXPOSITION_LABELS_MAX)
        l->wrong = "there are more than 256 labels";
    else if (name.n == 0)
        l->wrong = "a label has no name";
    else
        l->labels[l->count++] = (struct label){name, value};
}

static void take_labels(struct line *l)
{
    while (l->wrong == NULL && !take(l, '}')) {
        bool quoted = take(l, '"');
        struct sv name = quoted ? take_quoted(l) : take_name(l);
        if (quoted && !take(l, '=')) {
            add_label(l, METRIC_NAME, name);
        } else {
            if (!quoted && !take(l, '='))
                l->wrong = "= is expected after a label's name";
            else if (!take(l, '"'))
                l->wrong = "a label's value is expected in double quotes";
            else
                add_label(l, name, take_quoted(l));
        }
        if (l->wrong == NULL && !take(l, ',')) {
            if (!take(l, '}'))
                l->wrong = ", or } is expected after a label";
            return;
        }
    }
}

static struct sv take_field(struct line *l)
{
    size_t n = 0;
    skip_blank(l);
    while (n < l->rest.n && l->rest.p[n] != ' ' && l->rest.p[n] != '\t')
        n++;
    struct sv field = sv_head(l->rest, n);
    l->rest = sv_from(l->rest, n);
    return field;
}

static void take_sample(struct line *l, bool openmetrics, int64_t default_ms, struct memory_sample *ret)
{
    double time;
    struct sv name = take_name(l);
    if (name.n > 0)
        add_label(l, METRIC_NAME, name);
    if (take(l, '{'))
        take_labels(l);
    if (l->wrong != NULL)
        return;
    *ret = (struct memory_sample){.t = default_ms};
    if (!go_parse_float(take_field(l), &ret->f)) {
        l->wrong = "a number is expected after the series";
        return;
    }
    struct sv field = take_field(l);
    if (field.n == 0 || field.p[0] == '#')
        return;
    if (!go_parse_float(field, &time) || !(fabs(time) < 1e15))
        l->wrong = "a time is expected after the value";
    else
        ret->t = (int64_t)round(openmetrics ? time * 1000 : time);
}

int exposition_text_load(struct sv text, const char *file, int64_t default_ms, struct memory_store *store,
                         struct err *err)
{
    struct arena arena = {0};
    struct sv rest = text;
    bool openmetrics = sv_ends(sv_trim(text), SV("# EOF"));
    struct line *l = tc_alloc(sizeof *l);
    int rc = 0;
    for (unsigned number = 1; rc == 0 && rest.n > 0; number++) {
        struct memory_sample sample;
        struct err inner = {0};
        struct sv line = sv_trim(sv_cut(&rest, '\n'));
        if (line.n == 0 || line.p[0] == '#')
            continue;
        l->rest = line;
        l->arena = &arena;
        l->count = 0;
        l->wrong = NULL;
        take_sample(l, openmetrics, default_ms, &sample);
        if (l->wrong != NULL)
            rc = err_at(err, TC_EINPUT, file, number, 0, "%s", l->wrong);
        else if (memory_store_append(store, l->labels, l->count, &sample, 1, &inner) != 0)
            rc = err_at(err, TC_EINPUT, file, number, 0, "%s", inner.text);
        arena_reset(&arena);
    }
    arena_free(&arena);
    free(l);
    return rc;
}
