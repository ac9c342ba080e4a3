/*
 * `eval`: reading the command with its expectations, and running it in all its forms.
 */
#include "metrics/promql/test_language_priv.h"

#include "base/go_text.h"
#include "metrics/grow.h"
#include "metrics/prom_duration.h"
#include "metrics/promql/eval_priv.h"

#include <stdlib.h>

/* --- expectations --- */

static int read_expect(struct test_file *t, struct eval_command *c, struct sv line, struct err *err)
{
    static const char *const kinds[EXPECT_KINDS] = {"ordered", "fail", "warn", "no_warn", "info", "no_info"};
    static const char wrong[] =
        "invalid expect statement, must match `expect <type> <match_type>: <string>` format";
    struct expectation *e = ARENA_NEW(&t->arena, struct expectation);
    struct err inner = {0};
    test_word(&line);
    struct sv kind = test_word(&line);
    size_t k = 0;
    while (k < EXPECT_KINDS && !sv_is(kind, kinds[k]))
        k++;
    if (k == EXPECT_KINDS)
        return test_error(t, t->at, err, "%s", wrong);
    e->kind = (enum expect_kind)k;
    e->any = line.n == 0;
    if (sv_starts(line, SV("msg:"))) {
        e->message = sv_trim(sv_from(line, 4));
    } else if (sv_starts(line, SV("regex:"))) {
        struct sv pattern = sv_trim(sv_from(line, 6));
        if (re2_compile(pattern, RE2_ANYWHERE, &e->regex, &inner) != 0)
            return test_error(t, t->at, err, "invalid regex %.*s for %s", SV_FMT(pattern), kinds[k]);
    } else if (!e->any) {
        return test_error(t, t->at, err, "%s", wrong);
    }
    e->next = c->expectations;
    c->expectations = e;
    c->counts[k]++;
    if (c->counts[EXPECT_INFO] > 0 && c->counts[EXPECT_NO_INFO] > 0)
        return test_error(t, t->at, err, "invalid expect lines, info and no_info cannot be used together");
    if (c->counts[EXPECT_WARN] > 0 && c->counts[EXPECT_NO_WARN] > 0)
        return test_error(t, t->at, err, "invalid expect lines, warn and no_warn cannot be used together");
    if (c->counts[EXPECT_FAIL] > 1)
        return test_error(t, t->at, err, "invalid expect lines, multiple expect fail lines are not allowed");
    return 0;
}

/* The older form: one line after eval_fail. */
static int read_legacy_fail(struct test_file *t, struct eval_command *c, struct sv line, struct err *err)
{
    struct expectation *e = ARENA_NEW(&t->arena, struct expectation);
    bool regex = sv_starts(line, SV("expected_fail_regexp"));
    test_word(&line);
    e->kind = EXPECT_FAIL;
    e->message = line;
    if (regex && re2_compile(line, RE2_ANYWHERE, &e->regex, NULL) != 0)
        return test_error(t, t->at, err, "invalid regexp '%.*s' for expected_fail_regexp", SV_FMT(line));
    e->next = c->expectations;
    c->expectations = e;
    c->counts[EXPECT_FAIL]++;
    return 0;
}

/* --- the command --- */

static int take_time(struct test_file *t, struct sv text, const char *what, int64_t *ret_ms, struct err *err)
{
    struct err inner = {0};
    int64_t ns;
    if (prom_parse_duration(text, &ns, &inner) != 0)
        return test_error(t, t->at, err, "invalid %s definition \"%.*s\": %s", what, SV_FMT(text),
                          inner.text);
    *ret_ms = ns / 1000000;
    return 0;
}

static int take_times(struct test_file *t, struct sv *rest, struct eval_command *c, struct err *err)
{
    static const char wrong[] = "invalid evaluation command, must be from <start> to <end> step <step>";
    if (!sv_is(test_word(rest), "from"))
        return test_error(t, t->at, err, "%s", wrong);
    struct sv from = test_word(rest);
    if (!sv_is(test_word(rest), "to"))
        return test_error(t, t->at, err, "%s", wrong);
    struct sv to = test_word(rest);
    if (!sv_is(test_word(rest), "step"))
        return test_error(t, t->at, err, "%s", wrong);
    struct sv step = test_word(rest);
    int rc = take_time(t, from, "start timestamp", &c->start_ms, err);
    if (rc == 0)
        rc = take_time(t, to, "end timestamp", &c->end_ms, err);
    if (rc == 0)
        rc = take_time(t, step, "step", &c->step_ms, err);
    if (rc == 0 && c->end_ms < c->start_ms)
        rc = test_error(t, t->at, err,
                        "invalid test definition, end timestamp (%.*s) is before start timestamp (%.*s)",
                        SV_FMT(to), SV_FMT(from));
    return rc;
}

static int read_head(struct test_file *t, struct eval_command *c, struct err *err)
{
    static const char wrong[] =
        "invalid evaluation command. Must be either 'eval[_fail|_warn|_ordered] instant [at "
        "<offset:duration>] <query>' or 'eval[_fail|_warn] range from <from> to <to> step "
        "<step> <query>'";
    struct sv rest = t->lines[t->at], word = test_word(&rest), form = test_word(&rest);
    int rc = 0;
    c->legacy_fail = sv_is(word, "eval_fail");
    c->legacy_warn = sv_is(word, "eval_warn");
    c->legacy_info = sv_is(word, "eval_info");
    c->legacy_ordered = sv_is(word, "eval_ordered");
    bool known =
        sv_is(word, "eval") || c->legacy_fail || c->legacy_warn || c->legacy_info || c->legacy_ordered;
    c->is_range = sv_is(form, "range");
    if (!known || (!c->is_range && !sv_is(form, "instant")))
        return test_error(t, t->at, err, "%s", wrong);
    if (c->is_range) {
        rc = take_times(t, &rest, c, err);
    } else {
        if (!sv_is(test_word(&rest), "at"))
            return test_error(t, t->at, err, "%s", wrong);
        rc = take_time(t, test_word(&rest), "timestamp", &c->at_ms, err);
        c->start_ms = c->at_ms;
    }
    if (rc == 0 && rest.n == 0)
        rc = test_error(t, t->at, err, "%s", wrong);
    c->expr = rest;
    return rc;
}

static int read_range_vector(struct test_file *t, struct eval_command *c, struct sv line, struct err *err)
{
    for (int i = 0; i < 3; i++)
        test_word(&line);
    int rc = take_times(t, &line, c, err);
    c->expect_range_vector = true;
    c->at_ms = c->end_ms;
    return rc;
}

static int read_string(struct test_file *t, struct eval_command *c, struct sv line, struct err *err)
{
    struct buf b;
    test_word(&line);
    test_word(&line);
    buf_init(&b, PROMQL_TEXT_MAX);
    bool ok = go_unquote(line, &b);
    c->string = arena_sv(&t->arena, buf_view(&b));
    c->expect_string = true;
    buf_free(&b);
    return ok ? 0
              : test_error(t, t->at, err,
                           "expected string literal not valid - check that the string is correctly quoted");
}

static int read_expected_series(struct test_file *t, struct eval_command *c, size_t position, struct err *err)
{
    struct series_description d;
    int rc = test_series(t, t->lines[t->at], t->at, &d, err);
    if (rc != 0)
        return rc;
    if (d.value_count > 1 && !c->is_range && !c->expect_range_vector)
        return test_error(
            t, t->at, err,
            "expecting multiple values in instant evaluation not allowed. consider using 'expect range "
            "vector' directive to enable a range vector result for an instant query");
    c->series = grow(&t->arena, c->series, c->series_count, &c->series_capacity, sizeof *c->series);
    c->series[c->series_count++] =
        (struct expected_series){.labels = labels_intern(&t->labels, d.labels, d.label_count),
                                 .values = d.values,
                                 .count = d.value_count,
                                 .position = position};
    c->expect_scalar = false;
    return 0;
}

int test_read_eval(struct test_file *t, struct eval_command *c, struct err *err)
{
    *c = (struct eval_command){.line = (unsigned)t->at + 1};
    struct promql_parse parse = {0};
    struct err inner = {0};
    size_t position = 1;
    int rc = read_head(t, c, err);
    if (rc == 0 && promql_parse(&parse, c->expr, &inner) != 0)
        rc = test_error(t, t->at, err, "%s", inner.text);
    promql_parse_free(&parse);
    for (t->at++; rc == 0 && t->at < t->line_count && t->lines[t->at].n > 0; t->at++) {
        struct sv line = t->lines[t->at];
        if (c->legacy_fail && sv_starts(line, SV("expected_fail_"))) {
            rc = read_legacy_fail(t, c, line, err);
        } else if (sv_starts(line, SV("expect range vector"))) {
            rc = read_range_vector(t, c, line, err);
        } else if (sv_starts(line, SV("expect string"))) {
            rc = read_string(t, c, line, err);
        } else if (sv_is(line, "expect") || sv_starts(line, SV("expect "))) {
            rc = read_expect(t, c, line, err);
        } else if (go_parse_number(line, &c->scalar)) {
            c->expect_scalar = true;
            t->at++;
            break;
        } else {
            rc = read_expected_series(t, c, position++, err);
        }
    }
    return rc;
}

/* --- the form with every selector pinned --- */

/* Pins what is not pinned yet; false where some function depends on the time of evaluation. */
static bool pin(struct expr *e, int64_t at_ms, bool within_pinned)
{
    bool fine = true;
    if (e == NULL || e->kind == EXPR_DURATION)
        return true;
    if (!within_pinned) {
        if ((e->kind == EXPR_SELECTOR || e->kind == EXPR_SUBQUERY) && !e->has_timestamp) {
            e->has_timestamp = true;
            e->timestamp_ms = at_ms;
        }
        fine = e->kind != EXPR_CALL || !function_changes_with_time(e->function->id);
    }
    within_pinned |= e->kind == EXPR_SUBQUERY && e->has_timestamp;
    fine &= pin(e->left, at_ms, within_pinned);
    fine &= pin(e->right, at_ms, within_pinned);
    for (size_t i = 0; i < e->arg_count; i++)
        fine &= pin(e->args[i], at_ms, within_pinned);
    return fine;
}

static bool pinned_text(struct test_file *t, const struct eval_command *c, struct sv *ret)
{
    struct promql_parse parse = {0};
    struct buf b;
    bool fine = promql_parse(&parse, c->expr, NULL) == 0 && pin(parse.expr, c->at_ms, false);
    buf_init(&b, PROMQL_TEXT_MAX);
    if (fine)
        promql_print(&b, parse.expr);
    *ret = arena_sv(&t->arena, buf_view(&b));
    buf_free(&b);
    promql_parse_free(&parse);
    return fine;
}

/* --- checking --- */

static bool fits(const struct expectation *e, struct sv text)
{
    return e->any || (e->regex != NULL ? re2_matches(e->regex, text) : sv_eq(e->message, text));
}

static bool fails(const struct eval_command *c)
{
    return c->legacy_fail || c->counts[EXPECT_FAIL] > 0;
}

static void check_failure(const struct eval_command *c, const char *error, struct buf *why)
{
    for (const struct expectation *e = c->expectations; e != NULL; e = e->next)
        if (e->kind == EXPECT_FAIL && !fits(e, sv_of(error)))
            buf_printf(why, "expected another error than: %s", error);
}

static void check_kind(const struct eval_command *c, enum expect_kind kind, const char *name,
                       const struct sv *texts, size_t count, struct buf *why)
{
    if (c->counts[kind] == 0)
        return;
    if (count == 0) {
        buf_printf(why, "expected %s annotations but none were found", name);
        return;
    }
    for (const struct expectation *e = c->expectations; e != NULL; e = e->next) {
        bool found = e->kind != kind;
        for (size_t i = 0; i < count && !found; i++)
            found = fits(e, texts[i]);
        if (!found)
            buf_printf(why, "expected %s annotation %.*s, found: %.*s", name, SV_FMT(e->message),
                       SV_FMT(texts[0]));
    }
    for (size_t i = 0; i < count; i++) {
        bool found = false;
        for (const struct expectation *e = c->expectations; e != NULL && !found; e = e->next)
            found = e->kind == kind && fits(e, texts[i]);
        if (!found)
            buf_printf(why, "unexpected %s annotation %.*s", name, SV_FMT(texts[i]));
    }
}

static void check_annotations(const struct eval_command *c, const struct promql_result *r, struct buf *why)
{
    if (c->legacy_warn && r->warning_count == 0)
        buf_str(why, "expected warnings but got none");
    if (c->legacy_info && r->info_count == 0)
        buf_str(why, "expected info annotations but got none");
    check_kind(c, EXPECT_WARN, "warn", r->warnings, r->warning_count, why);
    check_kind(c, EXPECT_INFO, "info", r->infos, r->info_count, why);
    if (c->counts[EXPECT_NO_WARN] > 0 && r->warning_count > 0)
        buf_printf(why, "unexpected warning annotation %.*s", SV_FMT(r->warnings[0]));
    if (c->counts[EXPECT_NO_INFO] > 0 && r->info_count > 0)
        buf_printf(why, "unexpected info annotation %.*s", SV_FMT(r->infos[0]));
}

/* --- running --- */

static void forget_seen(struct eval_command *c)
{
    for (size_t i = 0; i < c->series_count; i++)
        c->series[i].seen = false;
}

/* True where the query gave a result (to be freed by the caller in any case). */
static bool run(struct test_file *t, struct eval_command *c, struct sv expr,
                const struct promql_options *options, struct promql_result *result, struct buf *why)
{
    struct series_source source = memory_store_source(t->store);
    struct err err = {0};
    forget_seen(c);
    if (promql_query(&source, expr, options, result, &err) == 0)
        return true;
    if (fails(c))
        check_failure(c, err.text, why);
    else
        buf_printf(why, "error: %s", err.text);
    return false;
}

static bool asks_for_range(struct sv expr)
{
    static const char *const calls[] = {"start()", "end()", "range()", "step()"};
    for (size_t i = 0; i < TC_ARRAY_LEN(calls); i++)
        if (sv_find(expr, sv_of(calls[i])) < expr.n)
            return true;
    return false;
}

/* What a range query gives at one time, as an instant result. */
static void cut_out(struct promql_result *r, int64_t at_ms, bool scalar)
{
    size_t kept = 0;
    r->type = scalar ? VALUE_SCALAR : VALUE_VECTOR;
    for (size_t k = 0; k < r->count; k++) {
        struct promql_series *s = &r->series[k];
        for (size_t i = 0; i < s->n; i++) {
            if (s->t[i] != at_ms)
                continue;
            r->scalar = s->f[i];
            r->series[kept] = *s;
            r->series[kept].n = 1;
            r->series[kept].t = s->t + i;
            r->series[kept].f = s->f + i;
            r->series[kept++].h = s->h != NULL ? s->h + i : NULL;
            break;
        }
    }
    r->count = kept;
}

static bool is_sorted(const struct promql_result *r)
{
    for (size_t k = 1; k < r->count; k++)
        if (labels_compare(r->series[k - 1].labels, r->series[k].labels) > 0)
            return false;
    return true;
}

static void run_as_range(struct test_file *t, struct eval_command *c, struct sv expr, int64_t at_ms,
                         bool scalar, struct buf *why)
{
    struct promql_options options = {
        .start_ms = at_ms - 60000, .end_ms = at_ms + 60000, .step_ms = 60000, .delayed_name_removal = true};
    struct promql_result result = {0};
    struct series_source source = memory_store_source(t->store);
    struct err err = {0};
    forget_seen(c);
    if (promql_query(&source, expr, &options, &result, &err) != 0) {
        buf_printf(why, "error in range mode: %s", err.text);
    } else if (!is_sorted(&result)) {
        buf_str(why, "the result of a range query is not sorted by labels");
    } else if (!c->legacy_ordered && c->counts[EXPECT_ORDERED] == 0) {
        cut_out(&result, at_ms, scalar);
        test_compare(t, c, &result, why);
        if (why->n > 0)
            buf_str(why, " (in range mode)");
    }
    promql_result_free(&result);
}

static void run_instant(struct test_file *t, struct eval_command *c, struct sv expr, int64_t at_ms,
                        struct buf *why)
{
    struct promql_options options = {.start_ms = at_ms, .end_ms = at_ms, .delayed_name_removal = true};
    struct promql_result result = {0};
    bool again = false, scalar = false;
    if (run(t, c, expr, &options, &result, why)) {
        if (fails(c))
            buf_str(why, "expected an error but got none");
        else
            check_annotations(c, &result, why);
        if (why->n == 0)
            test_compare(t, c, &result, why);
        scalar = result.type == VALUE_SCALAR;
        again = why->n == 0 && !c->expect_range_vector && !c->expect_string && !asks_for_range(expr);
    }
    promql_result_free(&result);
    if (again)
        run_as_range(t, c, expr, at_ms, scalar, why);
    if (why->n > 0)
        buf_printf(why, " [%.*s at %lld ms]", SV_FMT(expr), (long long)at_ms);
}

static void run_range(struct test_file *t, struct eval_command *c, struct buf *why)
{
    struct promql_options options = {
        .start_ms = c->start_ms, .end_ms = c->end_ms, .step_ms = c->step_ms, .delayed_name_removal = true};
    struct promql_result result = {0};
    if (run(t, c, c->expr, &options, &result, why)) {
        if (fails(c))
            buf_str(why, "expected an error but got none");
        else
            check_annotations(c, &result, why);
        if (why->n == 0 && !is_sorted(&result))
            buf_str(why, "the result is not sorted by labels");
        if (why->n == 0)
            test_compare(t, c, &result, why);
    }
    promql_result_free(&result);
}

void test_eval(struct test_file *t, struct eval_command *c, struct buf *why)
{
    struct sv pinned;
    if (c->is_range) {
        run_range(t, c, why);
        return;
    }
    run_instant(t, c, c->expr, c->at_ms, why);
    if (why->n > 0 || !pinned_text(t, c, &pinned))
        return;
    const int64_t at = c->at_ms, zero_times[] = {-1000, 0, 1000},
                  times[] = {-10 * at, 0, at / 5, at, 10 * at};
    const int64_t *list = at == 0 ? zero_times : times;
    for (size_t i = 0; i < (at == 0 ? TC_ARRAY_LEN(zero_times) : TC_ARRAY_LEN(times)) && why->n == 0; i++)
        run_instant(t, c, pinned, list[i], why);
}
