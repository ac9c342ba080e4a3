/*
 * Executing a tree; see template.h.
 *
 * As in Go, the node that is being evaluated is remembered, so that an error names it; a value that a
 * pipeline ends with is printed, or set to a variable. Variables lie on a stack that each template call and
 * each control structure cuts back.
 */
#include "template/tree.h"

#include "template/go_format.h"
#include "template/html.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CALLS_MAX = 1000, ARGS_MAX = 64, STEPS_MAX = 5000000, VARIABLES_MAX = 10000, TEXT_COSTS_CALLS = 10 };

/* Nil that came out of a map has a type in Go, and a field of it is an error; nil from nowhere has none, and
 * gives nothing. */
static const struct template_type nil_interface = {.name = "<nil>"};

struct variable {
    struct sv name;
    struct template_value value;
};

enum flow { FLOW_ON, FLOW_BREAK, FLOW_CONTINUE, FLOW_FAIL };

struct exec {
    const struct tree *tree;
    const struct node *node; /* for error texts */
    struct variable *variables;
    size_t variable_count, variable_capacity;
    struct template_call call;
    struct html_place *place; /* NULL: text */
    struct buf *out;
    struct err *err;
    uint64_t steps_left;
};

/* --- errors --- */

static struct sv exec_where(const struct exec *x)
{
    struct buf text;
    buf_init(&text, 8192);
    buf_str(&text, "template: ");
    if (x->node == NULL) {
        buf_sv(&text, x->tree->name);
    } else {
        tree_place(x->tree, x->node, &text);
        buf_str(&text, ": executing ");
        go_quote(&text, x->tree->name);
        buf_str(&text, " at <");
        node_print(x->node, &text);
        buf_char(&text, '>');
    }
    struct sv made = arena_sv(x->call.arena, buf_view(&text));
    buf_free(&text);
    return made;
}

TC_PRINTF(3, 4) static bool fail(struct exec *x, int code, const char *format, ...)
{
    char text[768];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    err_set(x->err, code, "%.*s: %s", SV_FMT(exec_where(x)), text);
    return false;
}

static void at(struct exec *x, const struct node *node)
{
    x->node = node;
}

/* --- variables --- */

static bool variable_push(struct exec *x, struct sv name, struct template_value value)
{
    if (x->variable_count == x->variable_capacity) {
        if (x->variable_count >= VARIABLES_MAX)
            return fail(x, TC_EBOUND, "more than %d variables", VARIABLES_MAX);
        x->variable_capacity = TC_MAX(16, x->variable_capacity * 2);
        x->variables = tc_realloc(x->variables, x->variable_capacity * sizeof *x->variables);
    }
    x->variables[x->variable_count++] = (struct variable){name, value};
    return true;
}

static struct variable *variable_find(struct exec *x, struct sv name)
{
    for (size_t i = x->variable_count; i-- > 0;)
        if (sv_eq(x->variables[i].name, name))
            return &x->variables[i];
    return NULL;
}

/* --- evaluation --- */

static bool eval_pipe(struct exec *x, struct template_value dot, const struct node *pipe,
                      struct template_value *ret);

static bool eval_operand(struct exec *x, struct template_value dot, const struct node *node,
                         struct template_value *ret);

/* Does `value` fit the parameter? Constants become what the parameter is, as Go's untyped constants do. */
static bool fits(char parameter, struct template_value *value, const char **ret_wanted)
{
    static const struct {
        char letter;
        enum template_kind kind;
        const char *name;
    } simple[] = {{'s', TEMPLATE_STRING, "string"},
                  {'i', TEMPLATE_INT, "int"},
                  {'t', TEMPLATE_TIME, "time.Time"},
                  {'l', TEMPLATE_LIST, "[]interface {}"},
                  {'m', TEMPLATE_MAP, "map[string]interface {}"}};
    if (parameter == 'a')
        return true;
    if (parameter == 'S') {
        *ret_wanted = "[]string";
        if (value->kind == TEMPLATE_NONE)
            *value = (struct template_value){.kind = TEMPLATE_LIST,
                                             .type = &template_type_strings,
                                             .as.list = &(const struct template_list){0}};
        return value->kind == TEMPLATE_LIST && value->type != NULL && value->type->text_elements;
    }
    if (parameter == 'd') {
        *ret_wanted = "time.Duration";
        return value->kind == TEMPLATE_DURATION || value->kind == TEMPLATE_INT;
    }
    if (parameter == 'q' || parameter == 'p') {
        const char *name = parameter == 'q' ? "template.queryResult" : "*template.sample";
        *ret_wanted = name;
        return value->type != NULL && strcmp(value->type->name, name) == 0;
    }
    for (size_t i = 0; i < TC_ARRAY_LEN(simple); i++)
        if (simple[i].letter == parameter) {
            *ret_wanted = simple[i].name;
            return value->kind == simple[i].kind;
        }
    return false;
}

static bool check_argument(struct exec *x, char parameter, const struct node *node,
                           struct template_value *value)
{
    const char *wanted = "";
    if (fits(parameter, value, &wanted))
        return true;
    if (node != NULL && (node->kind == NODE_NUMBER || node->kind == NODE_BOOL || node->kind == NODE_STRING)) {
        at(x, node);
        return fail(x, TC_EINPUT, "expected %s; found %.*s", wanted, SV_FMT(node->text));
    }
    if (value->kind == TEMPLATE_NONE)
        return fail(x, TC_EINPUT, "invalid value; expected %s", wanted);
    return fail(x, TC_EINPUT, "wrong type for value; expected %s; got %s", wanted,
                template_type_name(*value));
}

static size_t signature_min(const char *signature)
{
    size_t n = strlen(signature);
    return n > 0 && signature[n - 1] == '*' ? n - 2 : n;
}

/*
 * Calls a function or method: arguments are evaluated from their nodes, the piped value (if any) is the last
 * one. `self` is put in front for a method.
 */
static bool call_function(struct exec *x, struct template_value dot, const struct template_function *function,
                          const struct template_value *self, const struct node *node, const struct node *arg,
                          const struct template_value *piped, struct template_value *ret)
{
    struct template_value args[ARGS_MAX];
    const char *signature = function->signature;
    size_t length = strlen(signature), fixed = signature_min(signature), given = piped != NULL, n = 0;
    bool variadic = fixed != length;
    for (const struct node *a = arg; a != NULL; a = a->next)
        given++;
    if (given + 1 > ARGS_MAX)
        return fail(x, TC_EBOUND, "more than %d arguments for %s", ARGS_MAX - 1, function->name);
    if (given < fixed || (!variadic && given > fixed))
        return fail(x, TC_EINPUT, "wrong number of args for %s: want %s%zu got %zu", function->name,
                    variadic ? "at least " : "", fixed, given);
    if (self != NULL)
        args[n++] = *self;
    size_t position = 0;
    for (const struct node *a = arg; a != NULL; a = a->next, position++) {
        char parameter = position < fixed ? signature[position] : signature[length - 2];
        if (!eval_operand(x, dot, a, &args[n]) || !check_argument(x, parameter, a, &args[n]))
            return false;
        n++;
    }
    if (piped != NULL) {
        args[n] = *piped;
        if (!check_argument(x, position < fixed ? signature[position] : signature[length - 2], NULL,
                            &args[n]))
            return false;
        n++;
    }
    struct err problem = {0};
    x->call.name = function->name;
    *ret = template_none();
    int done = function->call(&x->call, args, n, ret, &problem);
    if (done != 0) {
        at(x, node);
        return fail(x, done == TC_EBOUND ? TC_EBOUND : TC_EINPUT, "error calling %s: %s", function->name,
                    problem.text);
    }
    return true;
}

/* `and` and `or` stop at the argument that decides. */
static bool eval_short_circuit(struct exec *x, struct template_value dot, bool stops_at,
                               const struct node *arg, const struct template_value *piped,
                               struct template_value *ret)
{
    for (; arg != NULL; arg = arg->next) {
        if (!eval_operand(x, dot, arg, ret))
            return false;
        if (template_is_true(*ret) == stops_at)
            return true;
    }
    if (piped != NULL)
        *ret = *piped;
    return true;
}

static bool eval_function(struct exec *x, struct template_value dot, const struct node *identifier,
                          const struct node *command, const struct node *arg,
                          const struct template_value *piped, struct template_value *ret)
{
    const struct template_function *function = identifier->function;
    at(x, identifier);
    bool is_and = strcmp(function->name, "and") == 0, is_or = strcmp(function->name, "or") == 0;
    if ((is_and || is_or) && (arg != NULL || piped != NULL))
        return eval_short_circuit(x, dot, is_or, arg, piped, ret);
    return call_function(x, dot, function, NULL, command, arg, piped, ret);
}

static const struct template_function *find_method(struct template_value value, struct sv name)
{
    const struct template_function *methods = value.type != NULL ? value.type->methods : NULL;
    if (value.kind == TEMPLATE_TIME)
        methods = template_time_methods;
    else if (value.kind == TEMPLATE_DURATION)
        methods = template_duration_methods;
    for (; methods != NULL && methods->name != NULL; methods++)
        if (sv_is(name, methods->name))
            return methods;
    return NULL;
}

static bool eval_field(struct exec *x, struct template_value dot, struct template_value of, struct sv name,
                       const struct node *node, const struct node *arg, const struct template_value *piped,
                       struct template_value *ret)
{
    const struct template_function *method = find_method(of, name);
    if (method != NULL)
        return call_function(x, dot, method, &of, node, arg, piped, ret);
    if (of.kind == TEMPLATE_NONE && of.type == &nil_interface)
        return fail(x, TC_EINPUT, "nil pointer evaluating interface {}.%.*s", SV_FMT(name));
    if (of.kind == TEMPLATE_NONE) {
        if (x->call.run->missing_key == MISSING_KEY_ERROR)
            return fail(x, TC_EINPUT, "nil data; no entry for key \"%.*s\"", SV_FMT(name));
        *ret = template_none();
        return true;
    }
    const struct template_value *found = template_get(of, name);
    bool has_args = arg != NULL || piped != NULL;
    if (of.kind == TEMPLATE_OBJECT && found != NULL) {
        if (has_args)
            return fail(x, TC_EINPUT, "%.*s has arguments but cannot be invoked as function", SV_FMT(name));
        *ret = *found;
        return true;
    }
    if (of.kind == TEMPLATE_MAP) {
        if (has_args)
            return fail(x, TC_EINPUT, "%.*s is not a method but has arguments", SV_FMT(name));
        if (found != NULL) {
            *ret = *found;
            if (ret->kind == TEMPLATE_NONE)
                ret->type = &nil_interface;
            return true;
        }
        if (x->call.run->missing_key == MISSING_KEY_ERROR)
            return fail(x, TC_EINPUT, "map has no entry for key \"%.*s\"", SV_FMT(name));
        bool zero = x->call.run->missing_key == MISSING_KEY_ZERO && of.type != NULL && of.type->zero_is_text;
        *ret = zero ? template_text(SV("")) : template_none();
        if (!zero && x->call.run->missing_key == MISSING_KEY_ZERO)
            ret->type = &nil_interface;
        return true;
    }
    return fail(x, TC_EINPUT, "can't evaluate field %.*s in type %s", SV_FMT(name), template_type_name(of));
}

/* The names of a field, variable or chain, taken one after another; arguments belong to the last. */
static bool eval_names(struct exec *x, struct template_value dot, struct template_value of,
                       const struct node *node, size_t from, const struct node *arg,
                       const struct template_value *piped, struct template_value *ret)
{
    for (size_t i = from; i < node->name_count; i++) {
        bool last = i + 1 == node->name_count;
        if (!eval_field(x, dot, of, node->names[i], node, last ? arg : NULL, last ? piped : NULL, &of))
            return false;
    }
    *ret = of;
    return true;
}

static bool eval_variable(struct exec *x, struct template_value dot, const struct node *node,
                          const struct node *arg, const struct template_value *piped,
                          struct template_value *ret)
{
    at(x, node);
    const struct variable *variable = variable_find(x, node->names[0]);
    if (variable == NULL)
        return fail(x, TC_EINPUT, "undefined variable: %.*s", SV_FMT(node->names[0]));
    if (node->name_count == 1 && (arg != NULL || piped != NULL))
        return fail(x, TC_EINPUT, "can't give argument to non-function %.*s", SV_FMT(node->names[0]));
    return eval_names(x, dot, variable->value, node, 1, arg, piped, ret);
}

static bool eval_chain(struct exec *x, struct template_value dot, const struct node *node,
                       const struct node *arg, const struct template_value *piped, struct template_value *ret)
{
    struct template_value of;
    at(x, node);
    if (node->first->kind == NODE_NIL)
        return fail(x, TC_EINPUT, "indirection through explicit nil");
    return eval_operand(x, dot, node->first, &of) && eval_names(x, dot, of, node, 0, arg, piped, ret);
}

/* A node as an argument or alone. */
static bool eval_operand(struct exec *x, struct template_value dot, const struct node *node,
                         struct template_value *ret)
{
    at(x, node);
    switch (node->kind) {
    case NODE_DOT:
        *ret = dot;
        return true;
    case NODE_NIL:
        *ret = template_none();
        return true;
    case NODE_BOOL:
    case NODE_NUMBER:
    case NODE_STRING:
        *ret = node->value;
        return true;
    case NODE_FIELD:
        return eval_names(x, dot, dot, node, 0, NULL, NULL, ret);
    case NODE_VARIABLE:
        return eval_variable(x, dot, node, NULL, NULL, ret);
    case NODE_CHAIN:
        return eval_chain(x, dot, node, NULL, NULL, ret);
    case NODE_PIPE:
        return eval_pipe(x, dot, node, ret);
    case NODE_IDENTIFIER:
        return eval_function(x, dot, node, node, NULL, NULL, ret);
    default:
        return fail(x, TC_EINPUT, "can't handle this as an operand");
    }
}

static bool eval_command(struct exec *x, struct template_value dot, const struct node *command,
                         const struct template_value *piped, struct template_value *ret)
{
    const struct node *first = command->first, *arg = first->next;
    at(x, first);
    switch (first->kind) {
    case NODE_FIELD:
        return eval_names(x, dot, dot, first, 0, arg, piped, ret);
    case NODE_CHAIN:
        return eval_chain(x, dot, first, arg, piped, ret);
    case NODE_IDENTIFIER:
        return eval_function(x, dot, first, command, arg, piped, ret);
    case NODE_VARIABLE:
        return eval_variable(x, dot, first, arg, piped, ret);
    default:
        if (arg != NULL || piped != NULL) {
            struct buf text;
            buf_init(&text, 512);
            node_print(first, &text);
            fail(x, TC_EINPUT, "can't give argument to non-function %.*s", SV_FMT(buf_view(&text)));
            buf_free(&text);
            return false;
        }
        if (first->kind == NODE_NIL)
            return fail(x, TC_EINPUT, "nil is not a command");
        return eval_operand(x, dot, first, ret);
    }
}

static bool eval_pipe(struct exec *x, struct template_value dot, const struct node *pipe,
                      struct template_value *ret)
{
    struct template_value value = template_none();
    at(x, pipe);
    if (x->steps_left == 0)
        return fail(x, TC_EBOUND, "more steps than are allowed");
    x->steps_left--;
    for (const struct node *command = pipe->first; command != NULL; command = command->next) {
        struct template_value made;
        if (!eval_command(x, dot, command, command == pipe->first ? NULL : &value, &made))
            return false;
        value = made;
    }
    for (size_t i = 0; i < pipe->name_count; i++) {
        if (!pipe->assigns) {
            if (!variable_push(x, pipe->names[i], value))
                return false;
            continue;
        }
        struct variable *variable = variable_find(x, pipe->names[i]);
        if (variable == NULL)
            return fail(x, TC_EINPUT, "undefined variable: %.*s", SV_FMT(pipe->names[i]));
        variable->value = value;
    }
    *ret = value.kind == TEMPLATE_NONE ? template_none() : value;
    return true;
}

/* --- walking --- */

static enum flow walk_list(struct exec *x, struct template_value dot, const struct node *list);

static bool print_value(struct exec *x, const struct node *action, struct template_value value)
{
    at(x, action);
    if (x->place == NULL) {
        if (value.kind == TEMPLATE_NONE)
            buf_str(x->out, "<no value>");
        else
            go_print_value(x->out, value);
    } else {
        const struct node *last = action->first->first;
        while (last->next != NULL)
            last = last->next;
        /* What `html` made stands in the page as it is. */
        if (last->first->kind == NODE_IDENTIFIER && sv_is(last->first->text, "html") &&
            value.kind == TEMPLATE_STRING)
            value.content = CONTENT_HTML;
        html_value(x->place, value, x->out);
    }
    return !x->out->overflow || fail(x, TC_EBOUND, "the text is longer than %zu bytes", x->out->max_bytes);
}

static enum flow walk_branch(struct exec *x, struct template_value dot, const struct node *node)
{
    struct template_value value;
    size_t variables = x->variable_count;
    if (!eval_pipe(x, dot, node->first, &value))
        return FLOW_FAIL;
    bool truth = template_is_true(value);
    enum flow flow =
        walk_list(x, truth && node->kind == NODE_WITH ? value : dot, truth ? node->body : node->otherwise);
    x->variable_count = variables;
    return flow;
}

static enum flow walk_element(struct exec *x, const struct node *node, struct template_value index,
                              struct template_value element)
{
    size_t variables = x->variable_count;
    const struct node *pipe = node->first;
    if (pipe->name_count > 0) {
        struct template_value values[2] = {pipe->name_count > 1 ? index : element, element};
        for (size_t i = 0; i < pipe->name_count; i++) {
            struct variable *variable = pipe->assigns ? variable_find(x, pipe->names[i]) : NULL;
            if (pipe->assigns && variable != NULL)
                variable->value = values[i];
            else if (!variable_push(x, pipe->names[i], values[i]))
                return FLOW_FAIL;
        }
    }
    enum flow flow = walk_list(x, element, node->body);
    x->variable_count = variables;
    return flow;
}

static enum flow walk_range(struct exec *x, struct template_value dot, const struct node *node)
{
    struct template_value of;
    /* The variables get the elements, not the value of the pipeline. */
    struct node pipe = *node->first;
    pipe.name_count = 0;
    size_t variables = x->variable_count;
    if (!eval_pipe(x, dot, &pipe, &of))
        return FLOW_FAIL;
    size_t n = 0;
    enum flow flow = FLOW_ON;
    switch (of.kind) {
    case TEMPLATE_NONE:
        break;
    case TEMPLATE_LIST:
        n = of.as.list->n;
        for (size_t i = 0; i < n && (flow == FLOW_ON || flow == FLOW_CONTINUE); i++)
            flow = walk_element(x, node, template_int((int64_t)i), of.as.list->items[i]);
        break;
    case TEMPLATE_MAP:
        n = of.as.pairs->n;
        for (size_t i = 0; i < n && (flow == FLOW_ON || flow == FLOW_CONTINUE); i++)
            flow = walk_element(x, node, template_text(of.as.pairs->items[i].name),
                                *of.as.pairs->items[i].value);
        break;
    case TEMPLATE_INT:
        if (node->first->name_count > 1) {
            fail(x, TC_EINPUT, "can't use %lld to iterate over more than one variable",
                 (long long)of.as.integer);
            return FLOW_FAIL;
        }
        if (of.type == NULL) {
            n = of.as.integer > 0 ? (size_t)of.as.integer : 0;
            for (size_t i = 0; i < n && (flow == FLOW_ON || flow == FLOW_CONTINUE); i++)
                flow = x->steps_left-- > 0
                           ? walk_element(x, node, template_int((int64_t)i), template_int((int64_t)i))
                           : (fail(x, TC_EBOUND, "more steps than are allowed"), FLOW_FAIL);
            break;
        }
        TC_FALLTHROUGH;
    default: {
        struct buf shown;
        buf_init(&shown, 512);
        go_print_value(&shown, of);
        fail(x, TC_EINPUT, "range can't iterate over %.*s", SV_FMT(buf_view(&shown)));
        buf_free(&shown);
        return FLOW_FAIL;
    }
    }
    if (n == 0)
        flow = walk_list(x, dot, node->otherwise);
    x->variable_count = variables;
    return flow == FLOW_FAIL ? flow : n == 0 ? flow : FLOW_ON;
}

static enum flow walk_template(struct exec *x, struct template_value dot, const struct node *node)
{
    at(x, node);
    const struct tree *tree = template_tree(x->call.set, node->text);
    if (tree == NULL) {
        fail(x, TC_EINPUT, "template \"%.*s\" not defined", SV_FMT(node->text));
        return FLOW_FAIL;
    }
    if (x->call.calls >= CALLS_MAX) {
        fail(x, TC_EBOUND, "exceeded maximum template depth (%d)", CALLS_MAX);
        return FLOW_FAIL;
    }
    struct template_value value = template_none();
    if (node->first != NULL && !eval_pipe(x, dot, node->first, &value))
        return FLOW_FAIL;
    struct exec inner = *x;
    inner.tree = tree;
    inner.call.calls++;
    inner.variables = NULL;
    inner.variable_count = inner.variable_capacity = 0;
    enum flow flow = variable_push(&inner, SV("$"), value) ? walk_list(&inner, value, tree->root) : FLOW_FAIL;
    free(inner.variables);
    x->steps_left = inner.steps_left;
    return flow;
}

static enum flow walk(struct exec *x, struct template_value dot, const struct node *node)
{
    struct template_value value;
    switch (node->kind) {
    case NODE_TEXT:
        if (x->place == NULL)
            buf_sv(x->out, node->text);
        else
            html_text(x->place, node->text, x->out);
        return x->out->overflow && !fail(x, TC_EBOUND, "the text is longer than %zu bytes", x->out->max_bytes)
                   ? FLOW_FAIL
                   : FLOW_ON;
    case NODE_ACTION:
        if (!eval_pipe(x, dot, node->first, &value))
            return FLOW_FAIL;
        return node->first->name_count > 0 || print_value(x, node, value) ? FLOW_ON : FLOW_FAIL;
    case NODE_IF:
    case NODE_WITH:
        return walk_branch(x, dot, node);
    case NODE_RANGE:
        return walk_range(x, dot, node);
    case NODE_TEMPLATE:
        return walk_template(x, dot, node);
    case NODE_BREAK:
        return FLOW_BREAK;
    case NODE_CONTINUE:
        return FLOW_CONTINUE;
    default:
        fail(x, TC_EINPUT, "unknown node");
        return FLOW_FAIL;
    }
}

static enum flow walk_list(struct exec *x, struct template_value dot, const struct node *list)
{
    for (; list != NULL; list = list->next) {
        if (x->steps_left == 0) {
            fail(x, TC_EBOUND, "more steps than are allowed");
            return FLOW_FAIL;
        }
        x->steps_left--;
        enum flow flow = walk(x, dot, list);
        if (flow != FLOW_ON)
            return flow;
    }
    return FLOW_ON;
}

/* --- entry --- */

static int execute(const struct template_set *set, struct sv name, struct template_value data,
                   const struct template_run *run, unsigned calls, const void *chain, struct arena *arena,
                   struct buf *out, struct err *err)
{
    struct html_place place = {0};
    struct err problem = {0};
    const struct tree *tree = template_tree(set, name);
    if (tree == NULL)
        return err_set(err, TC_EINPUT, "template: no template \"%.*s\"", SV_FMT(name));
    if (calls >= CALLS_MAX)
        return err_set(err, TC_EBOUND, "template: \"%.*s\" renders itself too often", SV_FMT(name));
    struct exec x = {
        .tree = tree,
        .call = {.set = set, .run = run, .arena = arena, .root = data, .calls = calls, .chain = chain},
        .place = run->html ? &place : NULL,
        .out = out,
        .err = &problem,
        .steps_left = run->max_steps == 0 ? STEPS_MAX : run->max_steps};
    enum flow flow = variable_push(&x, SV("$"), data) ? walk_list(&x, data, tree->root) : FLOW_FAIL;
    free(x.variables);
    if (flow != FLOW_FAIL)
        return 0;
    if (err != NULL)
        *err = problem;
    return problem.code == 0 ? TC_EINPUT : problem.code;
}

int template_execute(const struct template_set *set, struct sv name, struct template_value data,
                     const struct template_run *run, struct arena *arena, struct buf *out, struct err *err)
{
    return execute(set, name, data, run, 0, NULL, arena, out, err);
}

static int execute_text(const struct template_set *set, struct sv name, struct sv text,
                        struct template_value data, const struct template_run *run, unsigned calls,
                        const void *chain, struct arena *arena, struct buf *out, struct err *err)
{
    struct template_set *own = template_set_new(set->functions);
    own->parent = set;
    int done = template_parse(own, name, text, err);
    if (done ==
        0) /* a text that is nothing but white space or definitions adds no template of its own name */
        done = template_defined(own, name) ? execute(own, name, data, run, calls, chain, arena, out, err) : 0;
    template_set_free(own);
    return done;
}

int template_execute_text(const struct template_set *set, struct sv name, struct sv text,
                          struct template_value data, const struct template_run *run, struct arena *arena,
                          struct buf *out, struct err *err)
{
    return execute_text(set, name, text, data, run, 0, NULL, arena, out, err);
}

int template_call_text(struct template_call *call, struct sv name, struct sv text, const void *chain,
                       struct buf *out, struct err *err)
{
    return execute_text(call->set, name, text, call->root, call->run, call->calls + TEXT_COSTS_CALLS, chain,
                        call->arena, out, err);
}
