/*
 * Running a pipeline over one line: filters, formats, unwrap; extract.c has the parsers.
 */
#include "query/line.h"

#include "base/num.h"
#include "query/functions.h"
#include "template/prometheus.h"

#include <stdio.h>

enum { FORMATTED_MAX = 1 << 20 };

/* --- line filters */

static bool test_one(enum logql_op op, const struct logql_line_test *test, struct sv line)
{
    if (test->is_ip)
        return ip_range_in_line(&test->ip, line);
    if (op == LOGQL_EQ || op == LOGQL_NEQ)
        return test->text.n == 0 || sv_find(line, test->text) < line.n;
    if (op == LOGQL_RE || op == LOGQL_NRE)
        return re2_matches(test->re, line);
    return test->text.n == 0 || capture_test(&test->pattern, line);
}

bool query_line_test(const struct logql_stage *stage, struct sv line)
{
    bool some = false;
    for (const struct logql_line_test *test = stage->tests; test != NULL && !some; test = test->next)
        some = test_one(stage->op, test, line);
    return some == (stage->op == LOGQL_EQ || stage->op == LOGQL_RE || stage->op == LOGQL_LIKE);
}

/* --- label filters */

bool query_compare(enum logql_op op, double a, double b)
{
    switch (op) {
    case LOGQL_EQ:
        return a == b;
    case LOGQL_NEQ:
        return a != b;
    case LOGQL_GT:
        return a > b;
    case LOGQL_GTE:
        return a >= b;
    case LOGQL_LT:
        return a < b;
    default:
        return a <= b;
    }
}

static bool test_filter(struct query_line *line, const struct logql_filter *f)
{
    double number;
    if (f->kind == FILTER_AND)
        return test_filter(line, f->left) && test_filter(line, f->right);
    if (f->kind == FILTER_OR)
        return test_filter(line, f->left) || test_filter(line, f->right);
    struct sv value = query_line_get(line, f->match.name);
    if (f->kind == FILTER_TEXT)
        return query_match(&f->match, value);
    if (value.p == NULL)
        return false;
    if (f->kind == FILTER_IP)
        return ip_range_has(&f->ip, value) == (f->match.op == LOGQL_EQ);
    bool good = f->kind == FILTER_NUMBER     ? num_double(value, &number)
                : f->kind == FILTER_DURATION ? logql_duration(value, &number)
                                             : logql_bytes(value, &number);
    if (good)
        return query_compare(f->match.op, number, f->number);
    query_line_error(line, "LabelFilterErr", "the label's value is not of the kind that it is compared with");
    return true; /* as Loki: what could not be judged is kept, with its error */
}

/* --- formats */

static bool format(struct query_line *line, const struct logql *query, struct sv name, struct sv *ret)
{
    struct sv names[QUERY_LABELS_MAX + TC_EVENT_FIELDS_MAX], values[QUERY_LABELS_MAX + TC_EVENT_FIELDS_MAX];
    size_t n = 0;
    struct err err = {0};
    struct buf out;
    struct query_template_context context = {.line = line->line, .ns = line->ns};
    struct template_run run = {.missing_key = MISSING_KEY_ZERO, .context = &context, .max_steps = 100000};
    for (uint32_t i = 0; i < TC_MIN(line->event.field_count, (uint32_t)TC_EVENT_FIELDS_MAX); i++) {
        const struct field *field = &line->event.fields[i];
        if (field->type == FIELD_OBJECT || field->type == FIELD_ARRAY)
            continue;
        names[n] = query_flat_name(field->name, line->arena);
        values[n++] = field->value;
    }
    for (size_t i = 0; i < line->label_count; i++) { /* of equal names the last holds */
        names[n] = line->labels[i].name;
        values[n++] = line->labels[i].value;
    }
    buf_init(&out, FORMATTED_MAX);
    int rc =
        template_execute(query->templates, name, template_prometheus_labels(line->arena, names, values, n),
                         &run, line->arena, &out, &err);
    if (rc == 0)
        *ret = arena_sv(line->arena, buf_view(&out));
    else
        query_line_error(line, "TemplateFormatErr", err.text);
    buf_free(&out);
    return rc == 0;
}

static void format_labels(struct query_line *line, const struct logql *query, const struct logql_assign *one)
{
    for (; one != NULL; one = one->next) {
        struct sv value;
        if (one->is_template) {
            if (format(line, query, one->text, &value))
                query_line_set(line, one->name, value);
            continue;
        }
        value = query_line_get(line, one->text);
        if (value.p == NULL)
            continue;
        for (size_t i = 0; i < line->label_count; i++)
            if (sv_eq(line->labels[i].name, one->text)) {
                query_line_remove(line, i);
                break;
            }
        query_line_set(line, one->name, value);
    }
}

/* Without ANSI's sequences: ESC [ … letter */
static void decolorize(struct query_line *line)
{
    struct sv text = line->line;
    if (sv_find_char(text, '\x1b') == text.n)
        return;
    char *out = arena_alloc_raw(line->arena, text.n + 1, 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] != '\x1b' || i + 1 >= text.n || text.p[i + 1] != '[') {
            out[n++] = text.p[i];
            continue;
        }
        for (i += 2; i < text.n && !((text.p[i] | 0x20) >= 'a' && (text.p[i] | 0x20) <= 'z'); i++)
            ;
    }
    line->line = sv_make(out, n);
    line->changed = true;
}

static bool is_named(const struct query_label *label, const struct logql_stage *stage)
{
    for (size_t i = 0; i < stage->matcher_count; i++)
        if (sv_eq(stage->matchers[i].name, label->name) && query_match(&stage->matchers[i], label->value))
            return true;
    return false;
}

static void drop_or_keep(struct query_line *line, const struct logql_stage *stage)
{
    for (size_t i = line->label_count; i-- > 0;) {
        bool named = is_named(&line->labels[i], stage);
        bool special = sv_starts(line->labels[i].name, SV("__"));
        if (stage->kind == STAGE_DROP ? named : !named && !special)
            query_line_remove(line, i);
    }
}

static bool unwrap(struct query_line *line, const struct logql_stage *stage)
{
    struct sv value = query_line_get(line, stage->text);
    if (value.p == NULL)
        return false;
    bool good = stage->convert == CONVERT_NUMBER     ? num_double(value, &line->value)
                : stage->convert == CONVERT_DURATION ? logql_duration(value, &line->value)
                                                     : logql_bytes(value, &line->value);
    if (stage->convert == CONVERT_DURATION)
        line->value /= (double)TC_SECOND_NS;
    if (!good) {
        line->value = 0;
        query_line_error(line, "SampleExtractionErr", "the label's value is no such number");
    }
    for (size_t i = 0; i < line->label_count; i++)
        if (sv_eq(line->labels[i].name, stage->text)) {
            query_line_remove(line, i);
            break;
        }
    return true;
}

bool query_pipeline(struct query_line *line, const struct logql *query, const struct logql_stage *stage)
{
    for (; stage != NULL; stage = stage->next) {
        struct sv text;
        switch (stage->kind) {
        case STAGE_LINE:
            if (!query_line_test(stage, line->line))
                return false;
            break;
        case STAGE_FILTER:
            if (!test_filter(line, stage->filter))
                return false;
            break;
        case STAGE_LINE_FORMAT:
            if (format(line, query, stage->text, &text)) {
                line->line = text;
                line->changed = true;
            }
            break;
        case STAGE_LABEL_FORMAT:
            format_labels(line, query, stage->assigns);
            break;
        case STAGE_DECOLORIZE:
            decolorize(line);
            break;
        case STAGE_DROP:
        case STAGE_KEEP:
            drop_or_keep(line, stage);
            break;
        case STAGE_UNWRAP:
            if (!unwrap(line, stage))
                return false;
            break;
        default:
            query_extract(line, stage);
        }
    }
    return true;
}
