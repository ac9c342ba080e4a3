/*
 * Text to tree; see template.h.
 *
 * The grammar is that of Go's text/template/parse (Go 1.24): else if, else with, break, continue, define,
 * block, trim markers, comments. The words of errors are Go's, because people search for them.
 */
#include "template/tree.h"

#include "base/utf8.h"
#include "template/go_format.h"
#include "template/lex.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

struct parser {
    struct lexer lexer;
    struct template_set *set;
    struct tree *tree;
    struct err *err;
    size_t action_at; /* where the action began */
    struct sv *variables;
    size_t variable_count, variable_capacity;
    unsigned nesting, ranges;
    bool failed;
};

/* --- the parser's hands --- */

static struct arena *arena_of(struct parser *p)
{
    return p->tree->arena;
}

static unsigned line_at(struct sv text, size_t at)
{
    unsigned line = 1;
    for (size_t i = 0; i < at && i < text.n; i++)
        line += text.p[i] == '\n';
    return line;
}

TC_PRINTF(3, 4) static void *fail(struct parser *p, size_t at, const char *format, ...)
{
    if (p->failed)
        return NULL;
    p->failed = true;
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err_set(p->err, TC_EINPUT, "template: %.*s:%u: %s", SV_FMT(p->tree->text_name),
            line_at(p->tree->text, at), text);
    return NULL;
}

static struct token lex(struct parser *p, struct lexer *lexer)
{
    return template_lex(lexer, arena_of(p));
}

static struct token next(struct parser *p)
{
    return lex(p, &p->lexer);
}

static struct token next_non_space(struct parser *p)
{
    struct token token = next(p);
    while (token.kind == TOKEN_SPACE)
        token = next(p);
    return token;
}

static struct token peek(struct parser *p)
{
    struct lexer copy = p->lexer;
    return lex(p, &copy);
}

static struct token peek_non_space(struct parser *p)
{
    struct lexer copy = p->lexer;
    struct token token = lex(p, &copy);
    while (token.kind == TOKEN_SPACE)
        token = lex(p, &copy);
    return token;
}

/* As Go shows a token in its complaints. */
static struct sv token_shown(struct parser *p, struct token token)
{
    if (token.kind == TOKEN_EOF)
        return SV("EOF");
    if (token.kind == TOKEN_ERROR)
        return token.text;
    if (token.kind >= TOKEN_BREAK || token.kind == TOKEN_NIL)
        return arena_printf(arena_of(p), "<%.*s>", SV_FMT(token.text));
    struct buf quoted;
    buf_init(&quoted, 4096);
    go_quote(&quoted, sv_head(token.text, 10));
    struct sv shown = token.text.n > 10 ? arena_printf(arena_of(p), "%.*s...", SV_FMT(buf_view(&quoted)))
                                        : arena_sv(arena_of(p), buf_view(&quoted));
    buf_free(&quoted);
    return shown;
}

static void *unexpected(struct parser *p, struct token token, const char *context)
{
    struct sv shown = token_shown(p, token);
    if (token.kind != TOKEN_ERROR)
        return fail(p, token.at, "unexpected %.*s in %s", SV_FMT(shown), context);
    unsigned begun = line_at(p->tree->text, p->action_at);
    if (p->lexer.inside && begun != line_at(p->tree->text, token.at))
        return fail(p, token.at, "%.*s%s started at %.*s:%u", SV_FMT(shown),
                    sv_ends(shown, SV(" action")) ? "" : " in action", SV_FMT(p->tree->text_name), begun);
    return fail(p, token.at, "%.*s", SV_FMT(shown));
}

static struct node *node_new(struct parser *p, enum node_kind kind, size_t at)
{
    struct node *node = ARENA_NEW(arena_of(p), struct node);
    node->kind = kind;
    node->at = (uint32_t)at;
    return node;
}

static void variable_push(struct parser *p, struct sv name)
{
    if (p->variable_count == p->variable_capacity) {
        p->variable_capacity = TC_MAX(16, p->variable_capacity * 2);
        struct sv *wider = ARENA_ARRAY(arena_of(p), struct sv, p->variable_capacity);
        if (p->variable_count > 0)
            memcpy(wider, p->variables, p->variable_count * sizeof *wider);
        p->variables = wider;
    }
    p->variables[p->variable_count++] = name;
}

/* --- operands, commands, pipelines --- */

static struct node *parse_pipeline(struct parser *p, const char *context, enum token_kind end);

static bool unquote(struct parser *p, struct token token, struct sv *ret);

static struct node *parse_number(struct parser *p, struct token token)
{
    struct node *node = node_new(p, NODE_NUMBER, token.at);
    node->text = token.text;
    int64_t integer;
    double number;
    struct sv text;
    if (token.kind == TOKEN_CHARACTER) {
        uint32_t rune;
        if (!unquote(p, token, &text) || utf8_decode(text, &rune) != text.n || text.n == 0)
            return fail(p, token.at, "malformed character constant: %.*s", SV_FMT(token.text));
        node->value = template_int(rune);
        return node;
    }
    if (go_parse_int(token.text, &integer)) {
        node->value = template_int(integer);
        return node;
    }
    char digits[128];
    size_t n = 0;
    for (size_t i = 0; i < token.text.n && n < sizeof digits; i++)
        if (token.text.p[i] != '_')
            digits[n++] = token.text.p[i];
    if (token.text.n > 0 && token.text.n <= sizeof digits && go_parse_float(sv_make(digits, n), &number)) {
        if (memchr(token.text.p, '.', token.text.n) == NULL &&
            memchr(token.text.p, 'e', token.text.n) == NULL &&
            memchr(token.text.p, 'E', token.text.n) == NULL &&
            memchr(token.text.p, 'p', token.text.n) == NULL)
            return fail(p, token.at, "integer overflow: \"%.*s\"", SV_FMT(token.text));
        node->value = template_float(number);
        return node;
    }
    return fail(p, token.at, "illegal number syntax: \"%.*s\"", SV_FMT(token.text));
}

static bool hex_value(struct sv digits, uint32_t *ret)
{
    uint32_t v = 0;
    for (size_t i = 0; i < digits.n; i++) {
        char c = digits.p[i];
        int digit = c >= '0' && c <= '9'                     ? c - '0'
                    : (c | 0x20) >= 'a' && (c | 0x20) <= 'f' ? (c | 0x20) - 'a' + 10
                                                             : -1;
        if (digit < 0)
            return false;
        v = v * 16 + (uint32_t)digit;
    }
    *ret = v;
    return true;
}

/* strconv.Unquote of a token in its quotes. */
static bool unquote(struct parser *p, struct token token, struct sv *ret)
{
    static const char simple[] = "a\ab\bf\fn\nr\rt\tv\v\\\\''\"\"";
    struct sv in = sv_make(token.text.p + 1, token.text.n - 2);
    if (token.kind == TOKEN_RAW_STRING) {
        *ret = in;
        return true;
    }
    char quote = token.text.p[0], *out = arena_alloc_raw(arena_of(p), in.n + 4, 1);
    size_t n = 0;
    for (size_t i = 0; i < in.n;) {
        if (in.p[i] != '\\') {
            out[n++] = in.p[i++];
            continue;
        }
        if (i + 1 >= in.n)
            return false;
        char c = in.p[i + 1];
        uint32_t v;
        size_t digits = c == 'x' ? 2 : c == 'u' ? 4 : c == 'U' ? 8 : 0;
        if (digits > 0) {
            if (i + 2 + digits > in.n || !hex_value(sv_make(in.p + i + 2, digits), &v))
                return false;
            if (c == 'x')
                out[n++] = (char)v;
            else if (v > 0x10FFFF || (v >= 0xD800 && v < 0xE000))
                return false;
            else
                n += utf8_encode(v, out + n);
            i += 2 + digits;
        } else if (c >= '0' && c <= '7') {
            if (i + 4 > in.n)
                return false;
            v = 0;
            for (size_t j = 1; j < 4; j++) {
                if (in.p[i + j] < '0' || in.p[i + j] > '7')
                    return false;
                v = v * 8 + (uint32_t)(in.p[i + j] - '0');
            }
            if (v > 255)
                return false;
            out[n++] = (char)v;
            i += 4;
        } else {
            const char *found = NULL;
            for (size_t j = 0; j + 1 < sizeof simple && found == NULL; j += 2)
                if (simple[j] == c)
                    found = &simple[j + 1];
            if (found == NULL || ((c == '\'' || c == '"') && c != quote))
                return false;
            out[n++] = *found;
            i += 2;
        }
    }
    *ret = sv_make(out, n);
    return true;
}

static struct node *parse_identifier(struct parser *p, struct token token)
{
    struct node *node = node_new(p, NODE_IDENTIFIER, token.at);
    node->text = token.text;
    node->function = template_function_find(p->set, token.text);
    if (node->function == NULL)
        return fail(p, token.at, "function \"%.*s\" not defined", SV_FMT(token.text));
    return node;
}

static struct node *parse_variable(struct parser *p, struct token token)
{
    for (size_t i = p->variable_count; i-- > 0;)
        if (sv_eq(p->variables[i], token.text)) {
            struct node *node = node_new(p, NODE_VARIABLE, token.at);
            node->names = ARENA_NEW(arena_of(p), struct sv);
            node->names[0] = token.text;
            node->name_count = 1;
            return node;
        }
    return fail(p, token.at, "undefined variable \"%.*s\"", SV_FMT(token.text));
}

/* One operand without the fields behind it; NULL (and nothing taken) where the next token begins none. */
static struct node *parse_term(struct parser *p)
{
    struct lexer before = p->lexer;
    struct token token = next_non_space(p);
    struct node *node;
    switch (token.kind) {
    case TOKEN_IDENTIFIER:
        return parse_identifier(p, token);
    case TOKEN_DOT:
        return node_new(p, NODE_DOT, token.at);
    case TOKEN_NIL:
        return node_new(p, NODE_NIL, token.at);
    case TOKEN_VARIABLE:
        return parse_variable(p, token);
    case TOKEN_FIELD:
        node = node_new(p, NODE_FIELD, token.at);
        node->names = ARENA_NEW(arena_of(p), struct sv);
        node->names[0] = sv_from(token.text, 1);
        node->name_count = 1;
        return node;
    case TOKEN_BOOL:
        node = node_new(p, NODE_BOOL, token.at);
        node->value = template_bool(sv_is(token.text, "true"));
        node->text = token.text;
        return node;
    case TOKEN_CHARACTER:
    case TOKEN_NUMBER:
        return parse_number(p, token);
    case TOKEN_OPEN:
        return parse_pipeline(p, "parenthesized pipeline", TOKEN_CLOSE);
    case TOKEN_STRING:
    case TOKEN_RAW_STRING:
        node = node_new(p, NODE_STRING, token.at);
        node->text = token.text;
        struct sv text;
        if (!unquote(p, token, &text))
            return fail(p, token.at, "invalid syntax");
        node->value = template_text(text);
        return node;
    default:
        p->lexer = before;
        return NULL;
    }
}

/* A term and the fields behind it: .A.B of a field or variable is one node, of anything else a chain. */
static struct node *parse_operand(struct parser *p)
{
    struct node *term = parse_term(p);
    if (term == NULL || peek(p).kind != TOKEN_FIELD)
        return term;
    struct lexer copy = p->lexer;
    size_t n = 0;
    while (lex(p, &copy).kind == TOKEN_FIELD)
        n++;
    bool grows = term->kind == NODE_FIELD || term->kind == NODE_VARIABLE;
    struct node *node = grows ? term : node_new(p, NODE_CHAIN, term->at);
    node->at = peek(p).at; /* an error in a chain of fields is shown where the chain begins */
    struct sv *names = ARENA_ARRAY(arena_of(p), struct sv, term->name_count + n);
    if (!grows) {
        if (term->kind == NODE_BOOL || term->kind == NODE_STRING || term->kind == NODE_NUMBER ||
            term->kind == NODE_NIL || term->kind == NODE_DOT) {
            struct buf shown;
            buf_init(&shown, 256);
            node_print(term, &shown);
            fail(p, peek(p).at, "unexpected . after term \"%.*s\"", SV_FMT(buf_view(&shown)));
            buf_free(&shown);
            return NULL;
        }
        node->first = term;
    } else if (term->name_count > 0) {
        memcpy(names, term->names, term->name_count * sizeof *names);
    }
    size_t have = grows ? term->name_count : 0;
    node->names = names;
    node->name_count = have + n;
    for (size_t i = 0; i < n; i++)
        node->names[have + i] = sv_from(next(p).text, 1);
    return node;
}

static struct node *parse_command(struct parser *p)
{
    struct node *command = node_new(p, NODE_COMMAND, peek_non_space(p).at), **tail = &command->first;
    while (!p->failed) {
        while (peek(p).kind == TOKEN_SPACE)
            (void)next(p);
        struct node *operand = parse_operand(p);
        if (p->failed)
            return NULL;
        if (operand != NULL) {
            *tail = operand;
            tail = &operand->next;
        }
        struct lexer before = p->lexer;
        struct token token = next(p);
        if (token.kind == TOKEN_SPACE)
            continue;
        if (token.kind == TOKEN_RIGHT || token.kind == TOKEN_CLOSE)
            p->lexer = before;
        else if (token.kind != TOKEN_PIPE)
            return unexpected(p, token, "operand");
        break;
    }
    if (!p->failed && command->first == NULL)
        return fail(p, command->at, "empty command");
    return command;
}

/* `$x := `, `$x = `, and in range also `$i, $x := `. */
static bool parse_declarations(struct parser *p, struct node *pipe, const char *context)
{
    bool range = strcmp(context, "range") == 0;
    struct sv names[2];
    size_t n = 0;
    struct lexer before = p->lexer;
    for (;;) {
        struct token variable = next_non_space(p), then = next_non_space(p);
        if (variable.kind != TOKEN_VARIABLE ||
            (then.kind != TOKEN_ASSIGN && then.kind != TOKEN_DECLARE && then.kind != TOKEN_COMMA)) {
            if (n > 0) {
                fail(p, variable.at, "range can only initialize variables");
                return false;
            }
            p->lexer = before;
            return true;
        }
        if (then.kind == TOKEN_COMMA && (!range || n == 1)) {
            fail(p, then.at, "too many declarations in %s", context);
            return false;
        }
        names[n++] = variable.text;
        if (then.kind == TOKEN_COMMA) {
            before = p->lexer;
            continue;
        }
        pipe->assigns = then.kind == TOKEN_ASSIGN;
        break;
    }
    pipe->names = ARENA_ARRAY(arena_of(p), struct sv, n);
    memcpy(pipe->names, names, n * sizeof *names);
    pipe->name_count = n;
    for (size_t i = 0; i < n; i++) /* as in Go, setting an unknown variable fails only when it is executed */
        variable_push(p, names[i]);
    return true;
}

static bool check_pipeline(struct parser *p, const struct node *pipe, const char *context)
{
    if (pipe->first == NULL) {
        fail(p, TC_MAX(p->lexer.at, 1) - 1, "missing value for %s", context);
        return false;
    }
    unsigned stage = 1;
    for (const struct node *command = pipe->first->next; command != NULL; command = command->next) {
        stage++;
        enum node_kind kind = command->first->kind;
        if (kind == NODE_BOOL || kind == NODE_DOT || kind == NODE_NIL || kind == NODE_NUMBER ||
            kind == NODE_STRING) {
            fail(p, command->at, "non executable command in pipeline stage %u", stage);
            return false;
        }
    }
    return true;
}

static struct node *parse_pipeline(struct parser *p, const char *context, enum token_kind end)
{
    struct node *pipe = node_new(p, NODE_PIPE, peek_non_space(p).at), **tail = &pipe->first;
    if (++p->nesting > TEMPLATE_NEST_MAX)
        return fail(p, pipe->at, "nested more than %d deep", TEMPLATE_NEST_MAX);
    if (!parse_declarations(p, pipe, context))
        return NULL;
    while (!p->failed) {
        struct lexer before = p->lexer;
        struct token token = next_non_space(p);
        if (token.kind == end) {
            p->nesting--;
            return check_pipeline(p, pipe, context) ? pipe : NULL;
        }
        if (token.kind != TOKEN_OPEN && (token.kind < TOKEN_DOT || token.kind > TOKEN_RAW_STRING))
            return unexpected(p, token, context);
        p->lexer = before;
        struct node *command = parse_command(p);
        if (command == NULL)
            return NULL;
        *tail = command;
        tail = &command->next;
    }
    return NULL;
}

/* --- actions --- */

enum list_end { ENDS_EOF, ENDS_END, ENDS_ELSE };

static bool parse_list(struct parser *p, struct node **ret, enum list_end *ret_end);

/* if, range, with: the pipeline, the body, what stands after else. `else if` is an if inside the else that
 * shares its end. */
static struct node *parse_control(struct parser *p, enum node_kind kind, size_t at)
{
    const char *context = kind == NODE_IF ? "if" : kind == NODE_RANGE ? "range" : "with";
    struct node *node = node_new(p, kind, at);
    size_t variables = p->variable_count;
    enum list_end end;
    if (++p->nesting > TEMPLATE_NEST_MAX)
        return fail(p, at, "nested more than %d deep", TEMPLATE_NEST_MAX);
    node->first = parse_pipeline(p, context, TOKEN_RIGHT);
    p->ranges += kind == NODE_RANGE;
    if (node->first == NULL || !parse_list(p, &node->body, &end))
        return NULL;
    p->ranges -= kind == NODE_RANGE;
    if (end == ENDS_EOF)
        return fail(p, p->tree->text.n, "unexpected EOF");
    if (end == ENDS_ELSE) {
        enum token_kind word = peek_non_space(p).kind;
        if ((word == TOKEN_IF && kind == NODE_IF) || (word == TOKEN_WITH && kind == NODE_WITH)) {
            size_t place = next_non_space(p).at;
            node->otherwise = parse_control(p, kind, place);
            if (node->otherwise == NULL)
                return NULL;
        } else {
            struct token right = next_non_space(p);
            if (right.kind != TOKEN_RIGHT)
                return unexpected(p, right, "else");
            if (!parse_list(p, &node->otherwise, &end))
                return NULL;
            if (end != ENDS_END)
                return fail(p, p->lexer.at,
                            end == ENDS_EOF ? "unexpected EOF" : "expected end; found {{else}}");
        }
    }
    p->variable_count = variables;
    p->nesting--;
    return node;
}

static struct node *parse_template_call(struct parser *p, const char *context)
{
    struct token name = next_non_space(p);
    struct node *node = node_new(p, NODE_TEMPLATE, name.at);
    if (name.kind != TOKEN_STRING && name.kind != TOKEN_RAW_STRING)
        return unexpected(p, name, context);
    if (!unquote(p, name, &node->text))
        return fail(p, name.at, "invalid syntax");
    struct lexer before = p->lexer;
    if (next_non_space(p).kind == TOKEN_RIGHT)
        return node;
    p->lexer = before;
    node->first = parse_pipeline(p, context, TOKEN_RIGHT);
    return node->first == NULL ? NULL : node;
}

static bool tree_is_empty(const struct tree *tree)
{
    for (const struct node *node = tree->root; node != NULL; node = node->next)
        if (node->kind != NODE_TEXT || sv_trim(node->text).n > 0)
            return false;
    return true;
}

/* As in Go: nothing does not replace something, and one text defines a name once. */
static bool tree_add(struct parser *p, struct tree *tree)
{
    uint64_t *old = map_get(&p->set->trees, tree->name);
    const struct tree *before = old == NULL ? NULL : (const struct tree *)(uintptr_t)*old;
    if (before != NULL && tree_is_empty(tree))
        return true;
    if (before != NULL && before->text.p == tree->text.p && !tree_is_empty(before))
        return fail(p, p->lexer.at, "template: multiple definition of template \"%.*s\"",
                    SV_FMT(tree->name)) != NULL;
    uint64_t *slot = map_put(&p->set->trees, tree->name, NULL);
    if (slot == NULL)
        return fail(p, p->lexer.at, "more than %d templates", TEMPLATE_COUNT_MAX) != NULL;
    *slot = (uint64_t)(uintptr_t)tree;
    return true;
}

/* {{define "name"}}...{{end}}, and the body of a block, are trees of their own with their own variables. */
static bool parse_definition(struct parser *p, struct sv name, const char *context)
{
    struct tree *outer = p->tree, *tree = ARENA_NEW(arena_of(p), struct tree);
    *tree = *outer;
    tree->name = name;
    tree->root = NULL;
    struct sv *variables = p->variables;
    size_t count = p->variable_count, capacity = p->variable_capacity;
    unsigned ranges = p->ranges;
    enum list_end end;
    if (++p->nesting > TEMPLATE_NEST_MAX)
        return fail(p, p->lexer.at, "nested more than %d deep", TEMPLATE_NEST_MAX) != NULL;
    p->tree = tree;
    p->variables = NULL;
    p->variable_count = p->variable_capacity = 0;
    p->ranges = 0;
    variable_push(p, SV("$"));
    bool good = parse_list(p, &tree->root, &end);
    if (good && end != ENDS_END)
        good = fail(p, p->lexer.at, end == ENDS_EOF ? "unexpected EOF" : "unexpected {{else}} in %s",
                    context) != NULL;
    p->nesting--;
    p->tree = outer;
    p->variables = variables;
    p->variable_count = count;
    p->variable_capacity = capacity;
    p->ranges = ranges;
    return good && tree_add(p, tree);
}

static struct node *parse_block(struct parser *p, size_t at)
{
    struct node *node = parse_template_call(p, "block clause");
    if (node == NULL)
        return NULL;
    if (node->first == NULL)
        return fail(p, at, "missing value for block clause");
    return parse_definition(p, node->text, "block clause") ? node : NULL;
}

static struct node *parse_jump(struct parser *p, enum node_kind kind, struct token token)
{
    struct token right = next_non_space(p);
    if (right.kind != TOKEN_RIGHT)
        return unexpected(p, right, kind == NODE_BREAK ? "{{break}}" : "{{continue}}");
    if (p->ranges == 0)
        return fail(p, token.at, "{{%.*s}} outside {{range}}", SV_FMT(token.text));
    return node_new(p, kind, token.at);
}

static bool parse_define(struct parser *p)
{
    struct token name = next_non_space(p);
    struct sv text;
    if (name.kind != TOKEN_STRING && name.kind != TOKEN_RAW_STRING)
        return unexpected(p, name, "define clause") != NULL;
    if (!unquote(p, name, &text))
        return fail(p, name.at, "invalid syntax") != NULL;
    struct token right = next_non_space(p);
    if (right.kind != TOKEN_RIGHT)
        return unexpected(p, right, "define clause") != NULL;
    return parse_definition(p, text, "define clause");
}

/* What stands in one {{ }}. *ret NULL where it adds nothing to the list. */
static bool parse_action(struct parser *p, struct node **ret, enum list_end *ret_end, bool *ret_ends)
{
    struct lexer before = p->lexer;
    struct token token = next_non_space(p);
    *ret = NULL;
    switch (token.kind) {
    case TOKEN_IF:
        *ret = parse_control(p, NODE_IF, token.at);
        return *ret != NULL;
    case TOKEN_RANGE:
        *ret = parse_control(p, NODE_RANGE, token.at);
        return *ret != NULL;
    case TOKEN_WITH:
        *ret = parse_control(p, NODE_WITH, token.at);
        return *ret != NULL;
    case TOKEN_TEMPLATE:
        *ret = parse_template_call(p, "template clause");
        return *ret != NULL;
    case TOKEN_BLOCK:
        *ret = parse_block(p, token.at);
        return *ret != NULL;
    case TOKEN_BREAK:
        *ret = parse_jump(p, NODE_BREAK, token);
        return *ret != NULL;
    case TOKEN_CONTINUE:
        *ret = parse_jump(p, NODE_CONTINUE, token);
        return *ret != NULL;
    case TOKEN_DEFINE:
        if (p->nesting > 0 || p->ranges > 0)
            return unexpected(p, token, "command") != NULL;
        return parse_define(p);
    case TOKEN_END:
        token = next_non_space(p);
        *ret_end = ENDS_END;
        *ret_ends = true;
        return token.kind == TOKEN_RIGHT || unexpected(p, token, "end") != NULL;
    case TOKEN_ELSE:
        *ret_end = ENDS_ELSE; /* what follows it is for who asked */
        *ret_ends = true;
        return true;
    default:
        p->lexer = before;
        struct node *pipe = parse_pipeline(p, "command", TOKEN_RIGHT);
        if (pipe == NULL)
            return false;
        *ret = node_new(p, NODE_ACTION, pipe->at);
        (*ret)->first = pipe;
        return true;
    }
}

static bool parse_list(struct parser *p, struct node **ret, enum list_end *ret_end)
{
    struct node **tail = ret;
    for (;;) {
        struct token token = next(p);
        struct node *node = NULL;
        bool ends = false;
        if (token.kind == TOKEN_EOF) {
            *ret_end = ENDS_EOF;
            return true;
        }
        if (token.kind == TOKEN_TEXT) {
            node = node_new(p, NODE_TEXT, token.at);
            node->text = token.text;
        } else if (token.kind == TOKEN_LEFT) {
            p->action_at = token.at;
            if (!parse_action(p, &node, ret_end, &ends))
                return false;
        } else {
            return unexpected(p, token, "input") != NULL;
        }
        if (ends)
            return true;
        if (node != NULL) {
            *tail = node;
            tail = &node->next;
        }
    }
}

int template_parse(struct template_set *set, struct sv name, struct sv text, struct err *err)
{
    if (text.n > TEMPLATE_TEXT_MAX)
        return err_set(err, TC_EBOUND, "template: %.*s: longer than %d bytes", SV_FMT(name),
                       TEMPLATE_TEXT_MAX);
    struct tree *tree = ARENA_NEW(&set->arena, struct tree);
    *tree = (struct tree){.arena = &set->arena};
    tree->name = tree->text_name = arena_sv(&set->arena, name);
    tree->text = arena_sv(&set->arena, text);
    struct parser parser = {.lexer = {.text = tree->text}, .set = set, .tree = tree, .err = err};
    enum list_end end;
    variable_push(&parser, SV("$"));
    bool good = parse_list(&parser, &tree->root, &end);
    if (good && end != ENDS_EOF)
        good = fail(&parser, parser.lexer.at, "unexpected {{%s}}", end == ENDS_END ? "end" : "else") != NULL;
    return good && tree_add(&parser, tree) ? 0 : TC_EINPUT;
}
