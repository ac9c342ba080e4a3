/*
 * LogQL's tree as text. What it prints parses to an equal tree: binary operations are put in parentheses
 * where they stand inside of one another.
 */
#include "query/logql.h"

#include "base/clk.h"
#include "base/json_out.h"

static void print_quoted(struct sv text, struct buf *out)
{
    buf_char(out, '"');
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '"' || c == '\\')
            buf_printf(out, "\\%c", c);
        else if (c == '\n')
            buf_str(out, "\\n");
        else if (c == '\t')
            buf_str(out, "\\t");
        else if ((uint8_t)c < 0x20 || c == 0x7f)
            buf_printf(out, "\\x%02x", (unsigned)(uint8_t)c);
        else
            buf_char(out, c);
    }
    buf_char(out, '"');
}

static void print_number(double number, struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_double(&json, number);
}

static void print_duration(int64_t ns, struct buf *out)
{
    char text[TC_RFC3339_MAX];
    if (ns % 1000000 != 0) { /* finer than what durations of configuration have */
        buf_printf(out, "%s%lldns", ns < 0 ? "-" : "", (long long)(ns < 0 ? -ns : ns));
        return;
    }
    clk_format_duration(ns < 0 ? -ns : ns, text);
    buf_printf(out, "%s%s", ns < 0 ? "-" : "", text);
}

static void print_matcher(const struct logql_matcher *m, struct buf *out)
{
    buf_sv(out, m->name);
    if (m->op == LOGQL_OP_NONE)
        return;
    buf_str(out, m->op == LOGQL_EQ ? "=" : logql_op_texts[m->op]);
    print_quoted(m->value, out);
}

static void print_filter(const struct logql_filter *f, struct buf *out)
{
    if (f->kind == FILTER_AND || f->kind == FILTER_OR) {
        buf_str(out, "( ");
        print_filter(f->left, out);
        buf_str(out, f->kind == FILTER_AND ? " , " : " or ");
        print_filter(f->right, out);
        buf_str(out, " )");
    } else if (f->kind == FILTER_TEXT) {
        print_matcher(&f->match, out);
    } else if (f->kind == FILTER_IP) {
        buf_sv(out, f->match.name);
        buf_str(out, f->match.op == LOGQL_EQ ? "=ip(" : "!=ip(");
        print_quoted(f->match.value, out);
        buf_char(out, ')');
    } else {
        buf_sv(out, f->match.name);
        buf_str(out, logql_op_texts[f->match.op]);
        buf_sv(out, f->match.value);
    }
}

static void print_assigns(const struct logql_assign *one, struct buf *out)
{
    for (; one != NULL; one = one->next) {
        buf_sv(out, one->name);
        buf_char(out, '=');
        if (one->is_template)
            print_quoted(one->text, out);
        else
            buf_sv(out, one->text);
        buf_str(out, one->next != NULL ? "," : "");
    }
}

static void print_line_filter(const struct logql_stage *stage, struct buf *out)
{
    static const char *const signs[] = {[LOGQL_EQ] = "|=",  [LOGQL_NEQ] = "!=",  [LOGQL_RE] = "|~",
                                        [LOGQL_NRE] = "!~", [LOGQL_LIKE] = "|>", [LOGQL_NLIKE] = "!>"};
    buf_printf(out, " %s ", signs[stage->op]);
    for (const struct logql_line_test *test = stage->tests; test != NULL; test = test->next) {
        buf_str(out, test->is_ip ? "ip(" : "");
        print_quoted(test->text, out);
        buf_str(out, test->is_ip ? ")" : "");
        buf_str(out, test->next != NULL ? " or " : "");
    }
}

static void print_chosen(const struct logql_stage *stage, struct buf *out)
{
    buf_str(out, stage->strict ? " --strict" : "");
    buf_str(out, stage->keep_empty ? " --keep-empty" : "");
    for (const struct logql_assign *one = stage->assigns; one != NULL; one = one->next) {
        buf_str(out, one == stage->assigns ? " " : ",");
        buf_sv(out, one->name);
        buf_char(out, '=');
        print_quoted(one->text, out);
    }
}

static void print_unwrap(const struct logql_stage *stage, struct buf *out)
{
    static const char *const converts[] = {
        [CONVERT_NUMBER] = " ", [CONVERT_DURATION] = " duration(", [CONVERT_BYTES] = " bytes("};
    bool plain = stage->convert == CONVERT_NUMBER;
    buf_str(out, converts[stage->convert]);
    buf_sv(out, stage->text);
    buf_str(out, plain ? "" : ")");
}

static void print_stage(const struct logql_stage *stage, struct buf *out)
{
    static const char *const names[] = {
        [STAGE_JSON] = "json",
        [STAGE_LOGFMT] = "logfmt",
        [STAGE_REGEXP] = "regexp",
        [STAGE_PATTERN] = "pattern",
        [STAGE_UNPACK] = "unpack",
        [STAGE_LINE_FORMAT] = "line_format",
        [STAGE_LABEL_FORMAT] = "label_format",
        [STAGE_DECOLORIZE] = "decolorize",
        [STAGE_DROP] = "drop",
        [STAGE_KEEP] = "keep",
        [STAGE_UNWRAP] = "unwrap",
    };
    if (stage->kind == STAGE_LINE) {
        print_line_filter(stage, out);
        return;
    }
    buf_str(out, " | ");
    if (stage->kind == STAGE_FILTER) {
        print_filter(stage->filter, out);
        return;
    }
    buf_str(out, names[stage->kind]);
    if (stage->kind == STAGE_JSON || stage->kind == STAGE_LOGFMT) {
        print_chosen(stage, out);
    } else if (stage->kind == STAGE_LABEL_FORMAT) {
        buf_char(out, ' ');
        print_assigns(stage->assigns, out);
    } else if (stage->kind == STAGE_DROP || stage->kind == STAGE_KEEP) {
        for (size_t i = 0; i < stage->matcher_count; i++) {
            buf_str(out, i == 0 ? " " : ",");
            print_matcher(&stage->matchers[i], out);
        }
    } else if (stage->kind == STAGE_UNWRAP) {
        print_unwrap(stage, out);
    } else if (stage->text.p != NULL) {
        buf_char(out, ' ');
        print_quoted(stage->text, out);
    }
}

static void print_log(const struct logql_expr *expr, struct buf *out)
{
    buf_char(out, '{');
    for (size_t i = 0; i < expr->matcher_count; i++) {
        buf_str(out, i == 0 ? "" : ", ");
        print_matcher(&expr->matchers[i], out);
    }
    buf_char(out, '}');
    for (const struct logql_stage *stage = expr->stages; stage != NULL; stage = stage->next)
        print_stage(stage, out);
}

static void print_labels(const char *word, const struct logql_grouping *grouping, struct buf *out)
{
    buf_printf(out, " %s (", word);
    for (size_t i = 0; i < grouping->count; i++) {
        buf_str(out, i == 0 ? "" : ", ");
        buf_sv(out, grouping->labels[i]);
    }
    buf_char(out, ')');
}

static void print_grouping(const struct logql_grouping *grouping, struct buf *out)
{
    if (grouping->given)
        print_labels(grouping->without ? "without" : "by", grouping, out);
}

static void print_binary(const struct logql_expr *expr, struct buf *out)
{
    const struct logql_expr *sides[] = {expr->left, expr->right};
    for (size_t i = 0; i < 2; i++) {
        bool inside = sides[i]->kind == LOGQL_BINARY;
        buf_str(out, inside ? "(" : "");
        logql_print(sides[i], out);
        buf_str(out, inside ? ")" : "");
        if (i == 1)
            break;
        buf_printf(out, " %s", logql_op_texts[expr->op]);
        buf_str(out, expr->return_bool ? " bool" : "");
        if (expr->matching.given)
            print_labels(expr->on ? "on" : "ignoring", &expr->matching, out);
        if (expr->cardinality != LOGQL_ONE_TO_ONE)
            print_labels(expr->cardinality == LOGQL_GROUP_LEFT ? "group_left" : "group_right", &expr->include,
                         out);
        buf_char(out, ' ');
    }
}

static void print_range(const struct logql_expr *expr, struct buf *out)
{
    buf_printf(out, "%s(", logql_range_names[expr->range_op]);
    if (expr->range_op == RANGE_QUANTILE) {
        print_number(expr->number, out);
        buf_str(out, ", ");
    }
    print_log(expr->left, out);
    buf_str(out, " [");
    print_duration(expr->range_ns, out);
    buf_char(out, ']');
    if (expr->offset_ns != 0) {
        buf_str(out, " offset ");
        print_duration(expr->offset_ns, out);
    }
    buf_char(out, ')');
    print_grouping(&expr->grouping, out);
}

void logql_print(const struct logql_expr *expr, struct buf *out)
{
    switch (expr->kind) {
    case LOGQL_LOG:
        print_log(expr, out);
        return;
    case LOGQL_RANGE:
        print_range(expr, out);
        return;
    case LOGQL_AGGREGATE:
        buf_str(out, logql_aggregate_names[expr->aggregate_op]);
        print_grouping(&expr->grouping, out);
        buf_str(out, expr->grouping.given ? " (" : "(");
        if (expr->aggregate_op == AGGREGATE_TOPK || expr->aggregate_op == AGGREGATE_BOTTOMK) {
            print_number(expr->number, out);
            buf_str(out, ", ");
        }
        logql_print(expr->left, out);
        buf_char(out, ')');
        return;
    case LOGQL_BINARY:
        print_binary(expr, out);
        return;
    case LOGQL_VECTOR:
    case LOGQL_NUMBER:
        buf_str(out, expr->kind == LOGQL_VECTOR ? "vector(" : "");
        print_number(expr->number, out);
        buf_str(out, expr->kind == LOGQL_VECTOR ? ")" : "");
        return;
    case LOGQL_REPLACE:
        buf_str(out, "label_replace(");
        logql_print(expr->left, out);
        for (size_t i = 0; i < 4; i++) {
            buf_str(out, ", ");
            print_quoted(expr->replace[i], out);
        }
        buf_char(out, ')');
        return;
    }
}
