/*
 * Parsing of a pipeline: line filters, parsers, label filters, formats.
 */
#include "query/parse.h"

#include "query/functions.h"

#include <stdio.h>

/* --- line filters: |= "text" or ip("…") or "text" */

static int parse_line_test(struct parsing *p, enum logql_op op, struct logql_line_test *ret)
{
    struct err why = {0};
    size_t at = peek(p)->at;
    int rc = 0;
    if (is_word(p, "ip") && (op == LOGQL_EQ || op == LOGQL_NEQ)) {
        ret->is_ip = true;
        if ((rc = parse_move(p)) != 0 || (rc = parse_sign(p, "(")) != 0 ||
            (rc = parse_string(p, &ret->text)) != 0)
            return rc;
        if (!ip_range_parse(ret->text, &ret->ip))
            return lex_fail(&p->lexer, at, p->err, "ip(\"%.*s\") is no address, network or range",
                            SV_FMT(sv_head(ret->text, 80)));
        return parse_sign(p, ")");
    }
    if ((rc = parse_string(p, &ret->text)) != 0)
        return rc;
    if (op == LOGQL_RE || op == LOGQL_NRE)
        return parse_regex(p, ret->text, RE2_ANYWHERE, at, &ret->re);
    if ((op == LOGQL_LIKE || op == LOGQL_NLIKE) && ret->text.n > 0 &&
        capture_parse(ret->text, false, &p->query->arena, &ret->pattern, &why) != 0)
        return lex_fail(&p->lexer, at, p->err, "%s", why.text);
    return 0;
}

static int parse_line_filter(struct parsing *p, enum logql_op op, struct logql_stage *stage)
{
    struct logql_line_test **at = &stage->tests;
    size_t count = 0;
    int rc = parse_move(p);
    stage->kind = STAGE_LINE;
    stage->op = op;
    while (rc == 0) {
        if (++count > LOGQL_LIST_MAX)
            return parse_fail(p, "more than %d alternatives", LOGQL_LIST_MAX);
        *at = ARENA_NEW(&p->query->arena, struct logql_line_test);
        rc = parse_line_test(p, op, *at);
        at = &(*at)->next;
        if (rc != 0 || !is_word(p, "or"))
            break;
        rc = parse_move(p);
    }
    return rc;
}

/* --- label filters */

static bool is_comparison(enum logql_op op)
{
    return op == LOGQL_EQ || op == LOGQL_NEQ || (op >= LOGQL_GT && op <= LOGQL_LTE);
}

static enum logql_op filter_op(const struct parsing *p)
{
    static const struct {
        const char *text;
        enum logql_op op;
    } signs[] = {{"=", LOGQL_EQ}, {"==", LOGQL_EQ},  {"!=", LOGQL_NEQ}, {"=~", LOGQL_RE}, {"!~", LOGQL_NRE},
                 {">", LOGQL_GT}, {">=", LOGQL_GTE}, {"<", LOGQL_LT},   {"<=", LOGQL_LTE}};
    for (size_t i = 0; i < TC_ARRAY_LEN(signs); i++)
        if (is_sign(p, signs[i].text))
            return signs[i].op;
    return LOGQL_OP_NONE;
}

static int parse_filter_value(struct parsing *p, struct logql_filter *f)
{
    struct token token = *peek(p);
    enum logql_op op = f->match.op;
    bool minus = is_sign(p, "-");
    int rc;
    if (minus) {
        if ((rc = parse_move(p)) != 0)
            return rc;
        token = *peek(p);
    }
    if (token.kind == TOKEN_STRING && !minus && op >= LOGQL_EQ && op <= LOGQL_NRE) {
        f->kind = FILTER_TEXT;
        f->match.value = token.value;
        rc = op >= LOGQL_RE ? parse_regex(p, token.value, RE2_WHOLE, token.at, &f->match.re) : 0;
        return rc != 0 ? rc : parse_move(p);
    }
    if (is_word(p, "ip") && !minus && (op == LOGQL_EQ || op == LOGQL_NEQ)) {
        f->kind = FILTER_IP;
        if ((rc = parse_move(p)) != 0 || (rc = parse_sign(p, "(")) != 0 ||
            (rc = parse_string(p, &f->match.value)) != 0)
            return rc;
        if (!ip_range_parse(f->match.value, &f->ip))
            return lex_fail(&p->lexer, token.at, p->err, "ip(\"%.*s\") is no address, network or range",
                            SV_FMT(sv_head(f->match.value, 80)));
        return parse_sign(p, ")");
    }
    if (token.kind < TOKEN_NUMBER || token.kind > TOKEN_BYTES || !is_comparison(op))
        return parse_unexpected(p,
                                is_comparison(op) ? "a string, number, duration, size or ip(…)" : "a string");
    f->kind = token.kind == TOKEN_NUMBER     ? FILTER_NUMBER
              : token.kind == TOKEN_DURATION ? FILTER_DURATION
                                             : FILTER_BYTES;
    f->number = minus ? -token.number : token.number;
    f->match.value = minus ? arena_printf(&p->query->arena, "-%.*s", SV_FMT(token.text)) : token.text;
    return parse_move(p);
}

static int parse_filter_or(struct parsing *p, const struct logql_filter **ret);

static int parse_filter_one(struct parsing *p, const struct logql_filter **ret)
{
    int rc;
    if (is_sign(p, "(")) {
        if ((rc = parse_move(p)) != 0 || (rc = parse_filter_or(p, ret)) != 0)
            return rc;
        return parse_sign(p, ")");
    }
    struct logql_filter *f = ARENA_NEW(&p->query->arena, struct logql_filter);
    *ret = f;
    if ((rc = parse_word(p, "a label's name", &f->match.name)) != 0)
        return rc;
    f->match.op = filter_op(p);
    if (f->match.op == LOGQL_OP_NONE)
        return parse_unexpected(p, "one of = != =~ !~ == > >= < <=");
    rc = parse_move(p);
    return rc != 0 ? rc : parse_filter_value(p, f);
}

static void join(struct parsing *p, enum logql_filter_kind kind, const struct logql_filter **left,
                 const struct logql_filter *right)
{
    struct logql_filter *both = ARENA_NEW(&p->query->arena, struct logql_filter);
    *both = (struct logql_filter){.kind = kind, .left = *left, .right = right};
    *left = both;
}

/* `and`, a comma, or nothing between two of them. */
static int parse_filter_and(struct parsing *p, const struct logql_filter **ret)
{
    int rc = parse_filter_one(p, ret);
    size_t count = 0;
    while (rc == 0 && (is_word(p, "and") || is_sign(p, ",") || is_sign(p, "(") ||
                       (peek(p)->kind == TOKEN_WORD && !is_word(p, "or") && !is_word(p, "offset") &&
                        !is_word(p, "unless")))) {
        const struct logql_filter *right;
        if (++count > LOGQL_LIST_MAX)
            return parse_fail(p, "more than %d conditions", LOGQL_LIST_MAX);
        if ((is_word(p, "and") || is_sign(p, ",")) && (rc = parse_move(p)) != 0)
            return rc;
        if ((rc = parse_filter_one(p, &right)) == 0)
            join(p, FILTER_AND, ret, right);
    }
    return rc;
}

static int parse_filter_or(struct parsing *p, const struct logql_filter **ret)
{
    if (++p->depth > LOGQL_DEPTH_MAX)
        return parse_fail(p, "nested more than %d deep", LOGQL_DEPTH_MAX);
    int rc = parse_filter_and(p, ret);
    size_t count = 0;
    while (rc == 0 && is_word(p, "or")) {
        const struct logql_filter *right;
        if (++count > LOGQL_LIST_MAX)
            return parse_fail(p, "more than %d conditions", LOGQL_LIST_MAX);
        if ((rc = parse_move(p)) == 0 && (rc = parse_filter_and(p, &right)) == 0)
            join(p, FILTER_OR, ret, right);
    }
    p->depth--;
    return rc;
}

/* --- the other stages */

static int parse_flags(struct parsing *p, struct logql_stage *stage)
{
    int rc = 0;
    while (rc == 0 && peek(p)->kind == TOKEN_FLAG) {
        bool strict = sv_is(peek(p)->text, "--strict");
        if (!strict && !sv_is(peek(p)->text, "--keep-empty"))
            return parse_unexpected(p, "--strict or --keep-empty");
        *(strict ? &stage->strict : &stage->keep_empty) = true;
        rc = parse_move(p);
    }
    return rc;
}

/* json and logfmt: label="expression", or label alone. */
static int parse_chosen(struct parsing *p, struct logql_stage *stage)
{
    struct logql_assign **at = &stage->assigns;
    size_t count = 0;
    int rc = 0;
    while (rc == 0 && peek(p)->kind == TOKEN_WORD && !is_word(p, "or") && !is_word(p, "and")) {
        struct logql_assign *one = *at = ARENA_NEW(&p->query->arena, struct logql_assign);
        at = &one->next;
        if (++count > LOGQL_LIST_MAX)
            return parse_fail(p, "more than %d labels", LOGQL_LIST_MAX);
        if ((rc = parse_word(p, "a label's name", &one->name)) != 0)
            return rc;
        one->text = one->name;
        if (is_sign(p, "=") && ((rc = parse_move(p)) != 0 || (rc = parse_string(p, &one->text)) != 0))
            return rc;
        if (!is_sign(p, ","))
            break;
        rc = parse_move(p);
    }
    return rc;
}

/* Compiles a template under its text as name; equal texts are one. */
static int parse_template(struct parsing *p, struct sv text, size_t at)
{
    struct err why = {0};
    if (p->query->templates == NULL)
        p->query->templates = template_set_new(query_functions);
    if (template_defined(p->query->templates, text))
        return 0;
    if (template_parse(p->query->templates, text, text, &why) == 0)
        return 0;
    return lex_fail(&p->lexer, at, p->err, "invalid template: %s", why.text);
}

static int parse_label_format(struct parsing *p, struct logql_stage *stage)
{
    struct logql_assign **at = &stage->assigns;
    for (size_t count = 0;; count++) {
        struct logql_assign *one = *at = ARENA_NEW(&p->query->arena, struct logql_assign);
        at = &one->next;
        int rc;
        if (count >= LOGQL_LIST_MAX)
            return parse_fail(p, "more than %d labels", LOGQL_LIST_MAX);
        if ((rc = parse_word(p, "a label's name", &one->name)) != 0 || (rc = parse_sign(p, "=")) != 0)
            return rc;
        size_t place = peek(p)->at;
        one->is_template = peek(p)->kind == TOKEN_STRING;
        rc =
            one->is_template ? parse_string(p, &one->text) : parse_word(p, "a label or a string", &one->text);
        if (rc == 0 && one->is_template)
            rc = parse_template(p, one->text, place);
        if (rc != 0 || !is_sign(p, ","))
            return rc;
        if ((rc = parse_move(p)) != 0)
            return rc;
    }
}

static int parse_drop_keep(struct parsing *p, struct logql_stage *stage)
{
    stage->matchers = ARENA_ARRAY(&p->query->arena, struct logql_matcher, LOGQL_LIST_MAX);
    for (;;) {
        if (stage->matcher_count >= LOGQL_LIST_MAX)
            return parse_fail(p, "more than %d labels", LOGQL_LIST_MAX);
        struct logql_matcher *m = &stage->matchers[stage->matcher_count++];
        int rc = parse_word(p, "a label's name", &m->name);
        if (rc != 0)
            return rc;
        if ((m->op = parse_match_op(p)) != LOGQL_OP_NONE) {
            if ((rc = parse_move(p)) != 0)
                return rc;
            size_t at = peek(p)->at;
            if ((rc = parse_string(p, &m->value)) == 0 && m->op >= LOGQL_RE)
                rc = parse_regex(p, m->value, RE2_WHOLE, at, &m->re);
        }
        if (rc != 0 || !is_sign(p, ","))
            return rc;
        if ((rc = parse_move(p)) != 0)
            return rc;
    }
}

static int parse_unwrap(struct parsing *p, struct logql_stage *stage)
{
    static const struct {
        const char *name;
        enum logql_convert convert;
    } converts[] = {
        {"duration", CONVERT_DURATION}, {"duration_seconds", CONVERT_DURATION}, {"bytes", CONVERT_BYTES}};
    int rc = parse_word(p, "a label's name", &stage->text);
    if (rc != 0 || !is_sign(p, "("))
        return rc;
    size_t i = 0;
    while (i < TC_ARRAY_LEN(converts) && !sv_is(stage->text, converts[i].name))
        i++;
    if (i == TC_ARRAY_LEN(converts))
        return parse_fail(p, "unwrap converts by duration(), duration_seconds() and bytes()");
    stage->convert = converts[i].convert;
    if ((rc = parse_move(p)) != 0 || (rc = parse_word(p, "a label's name", &stage->text)) != 0)
        return rc;
    return parse_sign(p, ")");
}

static int parse_text_stage(struct parsing *p, struct logql_stage *stage)
{
    struct err why = {0};
    size_t at = peek(p)->at;
    int rc = parse_string(p, &stage->text);
    if (rc != 0)
        return rc;
    if (stage->kind == STAGE_LINE_FORMAT)
        return parse_template(p, stage->text, at);
    if (stage->kind == STAGE_REGEXP) {
        rc = parse_regex(p, stage->text, RE2_ANYWHERE, at, &stage->re);
        if (rc == 0 && !re2_has_names(stage->re))
            rc = lex_fail(&p->lexer, at, p->err, "at least one named capture must be supplied");
        return rc;
    }
    if (capture_parse(stage->text, true, &p->query->arena, &stage->pattern, &why) != 0)
        return lex_fail(&p->lexer, at, p->err, "%s", why.text);
    return 0;
}

static int parse_named_stage(struct parsing *p, struct logql_stage *stage)
{
    static const struct {
        const char *name;
        enum logql_stage_kind kind;
        int (*parse)(struct parsing *p, struct logql_stage *stage);
    } names[] = {
        {"json", STAGE_JSON, parse_chosen},
        {"logfmt", STAGE_LOGFMT, parse_chosen},
        {"regexp", STAGE_REGEXP, parse_text_stage},
        {"pattern", STAGE_PATTERN, parse_text_stage},
        {"unpack", STAGE_UNPACK, NULL},
        {"line_format", STAGE_LINE_FORMAT, parse_text_stage},
        {"label_format", STAGE_LABEL_FORMAT, parse_label_format},
        {"decolorize", STAGE_DECOLORIZE, NULL},
        {"drop", STAGE_DROP, parse_drop_keep},
        {"keep", STAGE_KEEP, parse_drop_keep},
        {"unwrap", STAGE_UNWRAP, parse_unwrap},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(names); i++) {
        if (!is_word(p, names[i].name))
            continue;
        int rc = parse_move(p);
        stage->kind = names[i].kind;
        if (rc == 0 && stage->kind == STAGE_LOGFMT)
            rc = parse_flags(p, stage);
        return rc != 0 || names[i].parse == NULL ? rc : names[i].parse(p, stage);
    }
    stage->kind = STAGE_FILTER;
    return parse_filter_or(p, &stage->filter);
}

int parse_pipeline(struct parsing *p, struct logql_stage **ret)
{
    static const struct {
        const char *sign;
        enum logql_op op;
    } filters[] = {{"|=", LOGQL_EQ},  {"!=", LOGQL_NEQ},  {"|~", LOGQL_RE},
                   {"!~", LOGQL_NRE}, {"|>", LOGQL_LIKE}, {"!>", LOGQL_NLIKE}};
    struct logql_stage **at = ret;
    for (size_t count = 0;; count++) {
        size_t i = 0;
        int rc;
        while (i < TC_ARRAY_LEN(filters) && !is_sign(p, filters[i].sign))
            i++;
        if (i == TC_ARRAY_LEN(filters) && !is_sign(p, "|"))
            return 0;
        if (count >= LOGQL_LIST_MAX)
            return parse_fail(p, "a pipeline of more than %d stages", LOGQL_LIST_MAX);
        *at = ARENA_NEW(&p->query->arena, struct logql_stage);
        if (i < TC_ARRAY_LEN(filters))
            rc = parse_line_filter(p, filters[i].op, *at);
        else if ((rc = parse_move(p)) == 0)
            rc = parse_named_stage(p, *at);
        if (rc != 0)
            return rc;
        at = &(*at)->next;
    }
}
