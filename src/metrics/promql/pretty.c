/*
 * An expression on several lines where it is long, as Prometheus' `promtool format` lays it out.
 */
#include "metrics/promql/pretty.h"

#include "metrics/promql/printer.h"

enum { LINE_MAX = 100 };

static void indent(struct buf *out, unsigned level)
{
    for (unsigned i = 0; i < level; i++)
        buf_str(out, "  ");
}

static bool is_long(const struct expr *e)
{
    struct buf text;
    buf_init(&text, PROMQL_TEXT_MAX * 2);
    promql_print(&text, e);
    bool longer = text.overflow || text.n > LINE_MAX;
    buf_free(&text);
    return longer;
}

static void pretty(struct buf *out, const struct expr *e, unsigned level);

static void pretty_aggregate(struct buf *out, const struct expr *e, unsigned level)
{
    indent(out, level);
    promql_print_aggregation(out, e);
    buf_str(out, "(\n");
    if (e->right != NULL) {
        pretty(out, e->right, level + 1);
        buf_str(out, ",\n");
    }
    pretty(out, e->left, level + 1);
    buf_char(out, '\n');
    indent(out, level);
    buf_char(out, ')');
}

static void pretty_binary(struct buf *out, const struct expr *e, unsigned level)
{
    pretty(out, e->left, level + 1);
    buf_char(out, '\n');
    indent(out, level);
    promql_print_operator(out, e);
    buf_char(out, '\n');
    pretty(out, e->right, level + 1);
}

static void pretty_call(struct buf *out, const struct expr *e, unsigned level)
{
    indent(out, level);
    buf_printf(out, "%s(\n", e->function->name);
    for (size_t i = 0; i < e->arg_count; i++) {
        buf_str(out, i > 0 ? ",\n" : "");
        pretty(out, e->args[i], level + 1);
    }
    buf_char(out, '\n');
    indent(out, level);
    buf_char(out, ')');
}

static void pretty_paren(struct buf *out, const struct expr *e, unsigned level)
{
    indent(out, level);
    buf_str(out, "(\n");
    pretty(out, e->left, level + 1);
    buf_char(out, '\n');
    indent(out, level);
    buf_char(out, ')');
}

/* The operator stands before what it is of, which begins at the same place. */
static void pretty_unary(struct buf *out, const struct expr *e, unsigned level)
{
    struct buf operand;
    buf_init(&operand, PROMQL_TEXT_MAX * 2);
    pretty(&operand, e->left, level);
    indent(out, level);
    buf_str(out, token_text(e->op));
    buf_sv(out, sv_trim(buf_view(&operand)));
    buf_free(&operand);
}

static void pretty(struct buf *out, const struct expr *e, unsigned level)
{
    static void (*const splits[])(struct buf * out, const struct expr *e, unsigned level) = {
        [EXPR_AGGREGATE] = pretty_aggregate,
        [EXPR_BINARY] = pretty_binary,
        [EXPR_CALL] = pretty_call,
        [EXPR_PAREN] = pretty_paren,
    };
    if (e->kind == EXPR_UNARY) {
        pretty_unary(out, e, level);
    } else if (e->kind == EXPR_SUBQUERY) {
        if (is_long(e)) {
            pretty(out, e->left, level);
            promql_print_subquery(out, e);
        } else {
            promql_print(out, e); /* without an indent, as Prometheus has it */
        }
    } else if (e->kind < TC_ARRAY_LEN(splits) && splits[e->kind] != NULL && is_long(e)) {
        splits[e->kind](out, e, level);
    } else {
        indent(out, level);
        promql_print(out, e);
    }
}

void promql_pretty(struct buf *out, const struct expr *e)
{
    pretty(out, e, 0);
}
