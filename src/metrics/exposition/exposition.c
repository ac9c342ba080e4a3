/*
 * The two text formats; see exposition.h. One reader for both: they differ in white space, comments, escapes,
 * time stamps, exemplars, and the end.
 */
#include "metrics/exposition/exposition.h"

#include "base/go_text.h"
#include "base/utf8.h"
#include "metrics/exposition/check.h"

#include <math.h>
#include <stdlib.h>

const char *const metric_type_names[METRIC_TYPES] = {[METRIC_UNKNOWN] = "unknown",
                                                     [METRIC_COUNTER] = "counter",
                                                     [METRIC_GAUGE] = "gauge",
                                                     [METRIC_HISTOGRAM] = "histogram",
                                                     [METRIC_GAUGE_HISTOGRAM] = "gaugehistogram",
                                                     [METRIC_SUMMARY] = "summary",
                                                     [METRIC_INFO] = "info",
                                                     [METRIC_STATESET] = "stateset"};

struct input {
    const char *p, *end;
    unsigned line;
    bool open_metrics;
    struct arena arena; /* of one sample */
    const struct exposition_handler *handler;
    struct check *check; /* NULL: not strict */
    struct check *types; /* text: TYPE lines and what they forbid */
    struct label labels[EXPOSITION_LABELS_MAX], exemplar_labels[EXPOSITION_LABELS_MAX];
    struct err *err;
};

static int bad(struct input *in, const char *what)
{
    return err_at(in->err, TC_EINPUT, NULL, in->line, 0, "%s", what);
}

static bool at(const struct input *in, char c)
{
    return in->p < in->end && *in->p == c;
}

static bool take(struct input *in, char c)
{
    if (!at(in, c))
        return false;
    in->p++;
    return true;
}

/* Text: any blanks. OpenMetrics: none. */
static void skip_blanks(struct input *in)
{
    while (!in->open_metrics && in->p < in->end && (*in->p == ' ' || *in->p == '\t'))
        in->p++;
}

static bool name_char(char c, bool first, bool colon)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (colon && c == ':') ||
           (!first && c >= '0' && c <= '9');
}

static struct sv read_name(struct input *in, bool colon)
{
    const char *from = in->p;
    while (in->p < in->end && name_char(*in->p, in->p == from, colon))
        in->p++;
    return sv_make(from, (size_t)(in->p - from));
}

static int unescape(struct input *in, struct sv raw, struct sv *ret)
{
    char *out = arena_alloc_raw(&in->arena, raw.n + 1, 1);
    size_t n = 0;
    for (size_t i = 0; i < raw.n; i++) {
        if (raw.p[i] != '\\') {
            out[n++] = raw.p[i];
            continue;
        }
        char c = raw.p[++i];
        if (c == 'n' || c == '\\' || c == '"') {
            out[n++] = c == 'n' ? '\n' : c;
        } else if (in->open_metrics) {
            out[n++] = '\\';
            out[n++] = c;
        } else {
            return bad(in, "invalid escape sequence");
        }
    }
    *ret = sv_make(out, n);
    return 0;
}

/* After the opening quote. */
static int read_quoted(struct input *in, struct sv *ret)
{
    const char *from = in->p;
    bool escapes = false;
    for (; in->p < in->end && *in->p != '"'; in->p++) {
        if (*in->p == '\n')
            return bad(in, "a quoted text goes on past the end of its line");
        if (*in->p == '\\') {
            escapes = true;
            if (++in->p >= in->end || *in->p == '\n')
                return bad(in, "a quoted text does not end");
        }
    }
    if (in->p >= in->end)
        return bad(in, "a quoted text does not end");
    *ret = sv_make(from, (size_t)(in->p++ - from));
    if (utf8_valid(*ret) != ret->n)
        return bad(in, "a quoted text is not UTF-8");
    return escapes ? unescape(in, *ret, ret) : 0;
}

static bool float_ends(char c)
{
    return c == ' ' || c == '\n' || c == '\t';
}

/* A decimal number, infinity or NaN, as far as the next blank. */
static int read_float(struct input *in, double *ret)
{
    const char *from = in->p;
    while (in->p < in->end && !float_ends(*in->p) && !(*in->p == '#' && !in->open_metrics))
        in->p++;
    struct sv text = sv_make(from, (size_t)(in->p - from));
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == 'x' || text.p[i] == 'X' || text.p[i] == '_' || text.p[i] == 'p' || text.p[i] == 'P')
            return bad(in, "unsupported character in float");
    /* the usual case, a short integer, needs no library */
    uint64_t v = 0;
    size_t i = 0;
    for (; i < text.n && i < 15 && text.p[i] >= '0' && text.p[i] <= '9'; i++)
        v = v * 10 + (uint64_t)(text.p[i] - '0');
    if (i == text.n && i > 0) {
        *ret = (double)v;
        return 0;
    }
    return text.n > 0 && go_parse_float(text, ret) ? 0 : bad(in, "expected a number");
}

/* Labels after the opening brace; in a metric's braces a quoted name without value is the metric's. */
static int read_labels(struct input *in, struct label *labels, size_t *count, bool *has_name)
{
    size_t first = *count;
    skip_blanks(in);
    while (!take(in, '}')) {
        struct label *l = &labels[*count];
        bool quoted = take(in, '"');
        int rc = 0;
        if (quoted)
            rc = read_quoted(in, &l->name);
        else
            l->name = read_name(in, false);
        if (rc != 0)
            return rc;
        if (!quoted && l->name.n == 0)
            return bad(in, "expected a label name");
        skip_blanks(in);
        if (quoted && has_name != NULL && (at(in, ',') || at(in, '}'))) {
            if (*has_name)
                return bad(in, "multiple metric names");
            if (l->name.n == 0)
                return bad(in, "invalid metric name");
            *has_name = true;
            labels[0] = (struct label){METRIC_NAME, l->name};
        } else {
            if (l->name.n == 0)
                return bad(in, "expected a label name");
            if (!take(in, '='))
                return bad(in, "expected '=' after a label name");
            skip_blanks(in);
            if (!take(in, '"'))
                return bad(in, "expected '\"' at the start of a label value");
            rc = read_quoted(in, &l->value);
            if (rc != 0)
                return rc;
            for (size_t i = first; i < *count; i++)
                if (sv_eq(labels[i].name, l->name))
                    return bad(in, "a label name stands twice");
            if (++*count == EXPOSITION_LABELS_MAX)
                return bad(in, "a sample has too many labels");
        }
        skip_blanks(in);
        if (take(in, ','))
            skip_blanks(in);
        else if (!at(in, '}'))
            return bad(in, "expected ',' or '}' after a label");
    }
    return 0;
}

static int read_time(struct input *in, struct exposition_sample *s)
{
    if (in->open_metrics) {
        int rc = read_float(in, &s->t_s);
        if (rc != 0)
            return rc;
        if (!isfinite(s->t_s))
            return bad(in, "invalid timestamp");
        /* past what a store takes, but within an integer */
        s->t_ms = (int64_t)fmin(fmax(s->t_s * 1000, -9e18), 9e18);
    } else {
        bool minus = take(in, '-');
        uint64_t v = 0;
        size_t digits = 0;
        for (; in->p < in->end && *in->p >= '0' && *in->p <= '9' && digits < 18; in->p++, digits++)
            v = v * 10 + (uint64_t)(*in->p - '0');
        if (digits == 0 || (in->p < in->end && !float_ends(*in->p)))
            return bad(in, "expected a timestamp");
        s->t_ms = minus ? -(int64_t)v : (int64_t)v;
        s->t_s = (double)s->t_ms / 1000;
    }
    s->has_t = true;
    return 0;
}

static int read_exemplar(struct input *in, struct exposition_exemplar *e)
{
    static const char opening[] = " # {";
    for (size_t i = 0; i < sizeof opening - 1; i++)
        if (!take(in, opening[i]))
            return bad(in, "expected the end of the line, or an exemplar");
    *e = (struct exposition_exemplar){.labels = in->exemplar_labels};
    int rc = read_labels(in, e->labels, &e->count, NULL);
    if (rc != 0)
        return rc;
    if (!take(in, ' '))
        return bad(in, "expected a value after the exemplar's labels");
    rc = read_float(in, &e->value);
    if (rc == 0 && take(in, ' ')) {
        rc = read_float(in, &e->t_s);
        e->has_t = true;
        if (rc == 0 && !isfinite(e->t_s))
            return bad(in, "invalid exemplar timestamp");
    }
    return rc;
}

static int read_sample(struct input *in)
{
    struct exposition_sample s = {.labels = in->labels};
    struct exposition_exemplar exemplar;
    const char *from = in->p;
    struct sv name = read_name(in, true);
    bool has_name = name.n > 0;
    arena_reset(&in->arena);
    s.labels[0] = (struct label){METRIC_NAME, name};
    s.count = 1;
    skip_blanks(in);
    if (take(in, '{')) {
        int rc = read_labels(in, s.labels, &s.count, has_name && in->open_metrics ? NULL : &has_name);
        if (rc != 0)
            return rc;
    }
    if (!has_name)
        return bad(in, "invalid metric name");
    s.series = sv_make(from, (size_t)(in->p - from));
    if (in->open_metrics ? !take(in, ' ') : (in->p == from || in->p >= in->end))
        return bad(in, "expected a value");
    skip_blanks(in);
    int rc = read_float(in, &s.value);
    if (rc != 0)
        return rc;
    skip_blanks(in);
    bool more = in->p < in->end && *in->p != '\n';
    if (more && (!in->open_metrics || (in->end - in->p > 1 && *in->p == ' ' && in->p[1] != '#'))) {
        in->p += in->open_metrics;
        if ((rc = read_time(in, &s)) != 0)
            return rc;
        skip_blanks(in);
    }
    if (in->open_metrics && in->p < in->end && *in->p != '\n') {
        if ((rc = read_exemplar(in, &exemplar)) != 0)
            return rc;
        s.exemplar = &exemplar;
    }
    if (in->p < in->end && !take(in, '\n'))
        return bad(in, "expected the end of the line after a sample");
    else if (in->p >= in->end && in->open_metrics && in->p[-1] != '\n')
        return bad(in, "data does not end with # EOF");
    struct check *check = in->check != NULL ? in->check : in->types;
    if (check != NULL) {
        const char *why = check_sample(check, &s);
        if (why != NULL)
            return bad(in, why);
    }
    s.line = in->line;
    return in->handler->sample(in->handler->context, &s, in->err);
}

/* A metric's name in a comment, bare or quoted. */
static int read_meta_name(struct input *in, struct sv *ret)
{
    if (take(in, '"')) {
        int rc = read_quoted(in, ret);
        return rc != 0 ? rc : ret->n == 0 ? bad(in, "invalid metric name") : 0;
    }
    *ret = read_name(in, true);
    if (ret->n == 0 || (in->p < in->end && !float_ends(*in->p)))
        return bad(in, "invalid metric name in comment");
    return 0;
}

static bool parse_type(struct sv text, bool open_metrics, enum metric_type *ret)
{
    if (!open_metrics && sv_is(text, "untyped")) {
        *ret = METRIC_UNKNOWN;
        return true;
    }
    if (!open_metrics && sv_is(text, "gauge_histogram")) {
        *ret = METRIC_GAUGE_HISTOGRAM;
        return true;
    }
    for (unsigned i = 0; i < METRIC_TYPES; i++)
        if (sv_is(text, metric_type_names[i])) {
            *ret = (enum metric_type)i;
            return true;
        }
    return false;
}

static int handle_meta(struct input *in, char kind, struct sv name, struct sv text)
{
    const struct exposition_handler *h = in->handler;
    enum metric_type type = METRIC_UNKNOWN;
    if (kind == 'T' && !parse_type(text, in->open_metrics, &type))
        return bad(in, "invalid metric type");
    struct check *check = in->check != NULL ? in->check : in->types;
    const char *why = check == NULL ? NULL : check_meta(check, kind, name, type, text);
    if (why != NULL)
        return bad(in, why);
    if (kind == 'T')
        return h->type == NULL ? 0 : h->type(h->context, name, type, in->err);
    if (kind == 'H') {
        struct sv help = text;
        if (h->help == NULL)
            return 0;
        if (memchr(text.p, '\\', text.n) != NULL) {
            bool om = in->open_metrics;
            in->open_metrics = true; /* unknown escapes stay in help of either format */
            int rc = text.p[text.n - 1] == '\\' ? 0 : unescape(in, text, &help);
            in->open_metrics = om;
            if (rc != 0)
                return rc;
        }
        return h->help(h->context, name, help, in->err);
    }
    return h->unit == NULL ? 0 : h->unit(h->context, name, text, in->err);
}

static struct sv rest_of_line(struct input *in)
{
    struct sv rest = sv_make(in->p, (size_t)(in->end - in->p));
    size_t n = sv_find_char(rest, '\n');
    in->p += n + (n < rest.n);
    return sv_head(rest, n);
}

/* After '#'. */
static int read_comment_open_metrics(struct input *in, bool *ret_end)
{
    struct sv rest = sv_make(in->p, (size_t)(in->end - in->p));
    if (sv_starts(rest, SV(" EOF"))) {
        in->p += 4;
        take(in, '\n');
        *ret_end = true;
        return in->p < in->end ? bad(in, "unexpected data after # EOF") : 0;
    }
    static const char *const words[] = {" TYPE ", " HELP ", " UNIT "};
    for (size_t i = 0; i < TC_ARRAY_LEN(words); i++) {
        if (!sv_starts(rest, sv_of(words[i])))
            continue;
        in->p += 6;
        struct sv name;
        int rc = read_meta_name(in, &name);
        if (rc != 0)
            return rc;
        if (!take(in, ' '))
            return bad(in, "expected text after a metric name");
        if (memchr(in->p, '\n', (size_t)(in->end - in->p)) == NULL)
            return bad(in, "data does not end with # EOF");
        return handle_meta(in, words[i][1], name, rest_of_line(in));
    }
    return bad(in, "a comment that is neither TYPE, HELP, UNIT nor EOF");
}

static int read_comment_text(struct input *in)
{
    skip_blanks(in);
    struct sv rest = sv_make(in->p, (size_t)(in->end - in->p));
    char kind = sv_starts(rest, SV("TYPE")) ? 'T' : sv_starts(rest, SV("HELP")) ? 'H' : 0;
    if (kind == 0 || rest.n < 5 || (rest.p[4] != ' ' && rest.p[4] != '\t')) {
        (void)rest_of_line(in);
        return 0;
    }
    in->p += 4;
    skip_blanks(in);
    if (in->p >= in->end || *in->p == '\n') {
        (void)rest_of_line(in);
        return 0;
    }
    struct sv name;
    int rc = read_meta_name(in, &name);
    if (rc != 0)
        return rc;
    skip_blanks(in);
    struct sv text = rest_of_line(in);
    while (kind == 'T' && text.n > 0 && float_ends(text.p[text.n - 1]))
        text.n--;
    return handle_meta(in, kind, name, text);
}

static int read_all(struct input *in)
{
    bool end = false;
    int rc = 0;
    for (in->line = 1; rc == 0 && !end; in->line++) {
        skip_blanks(in);
        if (in->p >= in->end)
            break;
        if (*in->p == '\n' && !in->open_metrics) {
            in->p++;
            continue;
        }
        if (take(in, '#'))
            rc = in->open_metrics ? read_comment_open_metrics(in, &end) : read_comment_text(in);
        else
            rc = read_sample(in);
    }
    if (rc == 0 && in->open_metrics && !end)
        return bad(in, "data does not end with # EOF");
    if (rc == 0 && in->check != NULL) {
        const char *why = check_end(in->check);
        if (why != NULL)
            return bad(in, why);
    }
    return rc;
}

int exposition_parse(struct sv body, enum exposition_format format, bool strict,
                     const struct exposition_handler *handler, struct err *err)
{
    struct input *in = tc_alloc(sizeof *in);
    in->p = body.p;
    in->end = body.p + body.n;
    in->open_metrics = format == EXPOSITION_OPENMETRICS;
    in->handler = handler;
    in->err = err;
    if (strict && in->open_metrics)
        in->check = check_new(true);
    else if (strict)
        in->types = check_new(false);
    int rc = body.n == 0 && !in->open_metrics ? 0 : read_all(in);
    check_free(&in->check);
    check_free(&in->types);
    arena_free(&in->arena);
    free(in);
    return rc;
}

enum exposition_format exposition_format_of(struct sv content_type, enum exposition_format unknown)
{
    struct sv kind = sv_trim(sv_cut(&content_type, ';'));
    if (sv_eq_nocase(kind, SV("application/openmetrics-text")))
        return EXPOSITION_OPENMETRICS;
    if (sv_eq_nocase(kind, SV("application/vnd.google.protobuf")))
        return EXPOSITION_PROTOBUF;
    return sv_eq_nocase(kind, SV("text/plain")) ? EXPOSITION_TEXT : unknown;
}
