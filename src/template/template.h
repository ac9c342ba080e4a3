/*
 * Go's templates (https://pkg.go.dev/text/template and html/template): a set of named templates is parsed
 * once and executed with data into a bounded buffer.
 *
 * A set may be executed by many threads at once when nothing is parsed into it any more. Bounds: text 1 MiB a
 * template, 10,000 templates, nesting 100, calls of templates 1,000 deep (100 where a function renders
 * again), 5,000,000 steps. In HTML the place of each action decides how its value is escaped; where a
 * template's branches end in different places the place is that of the branch that was taken.
 */
#ifndef TEMPLATE_TEMPLATE_H
#define TEMPLATE_TEMPLATE_H

#include "template/value.h"

enum template_missing_key {
    MISSING_KEY_DEFAULT, /* "<no value>" */
    MISSING_KEY_ZERO,
    MISSING_KEY_ERROR,
};

struct template_set;

/* `functions` (NULL-terminated tables, searched in order; Go's own come after them) must outlive the set. */
struct template_set *template_set_new(const struct template_function *const functions[]);
void template_set_free(struct template_set *set);

/*
 * Parses `text` as the template `name`; its {{define}}s join the set, later ones replacing earlier ones of
 * the name. Texts are copied. TC_EINPUT with Go's words: "template: NAME:LINE: problem".
 */
int template_parse(struct template_set *set, struct sv name, struct sv text, struct err *err);
bool template_defined(const struct template_set *set, struct sv name);

struct template_run {
    bool html;
    enum template_missing_key missing_key;
    int64_t now_ns;     /* what `now` says */
    const char *zone;   /* where tz "Local" is; NULL: UTC */
    void *context;      /* for functions of the caller's */
    uint64_t max_steps; /* 0: 5,000,000 */
};

/* Executes the template `name` with `data` as dot. Values made on the way live in `arena`. On failure the
 * text so far stands in `out`. TC_EINPUT with Go's words: "template: NAME:LINE:COLUMN: executing ...";
 * TC_EBOUND past a bound. */
int template_execute(const struct template_set *set, struct sv name, struct template_value data,
                     const struct template_run *run, struct arena *arena, struct buf *out, struct err *err);
/* Parses and executes `text` under `name`, beside the set's templates, which stay as they are. */
int template_execute_text(const struct template_set *set, struct sv name, struct sv text,
                          struct template_value data, const struct template_run *run, struct arena *arena,
                          struct buf *out, struct err *err);

/* --- for functions --- */

struct template_call {
    const struct template_set *set;
    const struct template_run *run;
    struct arena *arena;
    struct template_value root; /* $ of the execution */
    const char *name;           /* of the function */
    unsigned calls;             /* of templates, one inside another */
    const void *chain;          /* a function's own list of what it is inside of */
};

/* Renders `text` with the root of the running execution, for functions that do so; `chain` is what
 * call->chain says there. */
int template_call_text(struct template_call *call, struct sv name, struct sv text, const void *chain,
                       struct buf *out, struct err *err);

/* net/url's QueryEscape. */
void template_query_escape(struct sv in, struct buf *out);

/* Go's own functions, ending with name NULL. */
extern const struct template_function template_builtins[];

#endif
