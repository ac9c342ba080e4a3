/*
 * Tests of routing and notification: a file names an alertmanager.yml and gives cases, each with alerts and
 * silences on a timeline and the notifications that must come of them, and no others. The pipeline is the one
 * of alert/alertmanager/dispatch.h, so that grouping, timers, inhibition, silences and mutes are all in it.
 */
#include "cli/test_routes.h"

#include "alert/alertmanager/dispatch.h"
#include "base/clk.h"
#include "base/fs.h"
#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX_BYTES = 8 << 20, STEPS_MAX = 10000, TOLD_MAX = 10000, LOOKS_MAX = 5000000, LABELS_MAX = 256 };

struct step { /* an alert of the timeline, or what is expected of it */
    const struct yaml_node *node;
    int64_t at_ns;
    bool met;
};

struct route_case {
    struct arena *arena;
    const char *file;
    const struct yaml_node *node;
    const struct am_config *config;
    struct am_pool pool;
    int64_t start_ns, until_ns;
    struct step *alerts, *expects; /* alerts in order of time */
    size_t alert_count, expect_count, told_count, looks;
    struct am_silence *silences;
    size_t silence_count;
    struct buf why; /* what was not as expected; empty: passed */
};

static const char *const file_keys[] = {"alertmanager", "tests", NULL};
static const char *const case_keys[] = {"name", "start", "until", "alerts", "silences", "expect", NULL};
static const char *const alert_keys[] = {"at", "ends", "labels", "annotations", NULL};
static const char *const silence_keys[] = {"from", "to", "matchers", NULL};
static const char *const expect_keys[] = {"at",     "receiver", "integration", "reason",
                                          "firing", "resolved", "group",       NULL};

static int bad(const struct route_case *c, const struct yaml_node *node, struct err *err, const char *what)
{
    return err_at(err, TC_EINPUT, c->file, node->line, node->column, "%s", what);
}

/* Time since the start; absent is `fallback_ns`. */
static int read_offset(const struct route_case *c, const struct yaml_node *map, const char *key,
                       int64_t fallback_ns, int64_t *ret_ns, struct err *err)
{
    const struct yaml_node *node = yaml_get(map, key);
    *ret_ns = fallback_ns;
    if (node == NULL)
        return 0;
    if (node->type != YAML_SCALAR || clk_parse_duration(node->text, ret_ns, NULL) != 0)
        return bad(c, node, err, "a time since the start is meant: 30s, 5m, 1h30m");
    *ret_ns += c->start_ns;
    return 0;
}

static int read_labels(const struct route_case *c, const struct yaml_node *map, const char *key,
                       struct am_labels *ret, struct err *err)
{
    const struct yaml_node *node = yaml_get(map, key);
    *ret = (struct am_labels){0};
    if (node == NULL)
        return 0;
    if (node->type != YAML_MAP || node->count > LABELS_MAX)
        return bad(c, node, err, "a map of at most 256 names and values is meant");
    struct am_label *labels = ARENA_ARRAY(c->arena, struct am_label, node->count + 1);
    size_t count = 0;
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next) {
        if (n->type != YAML_SCALAR)
            return bad(c, n, err, "a value is a text");
        if (n->text.n > 0)
            labels[count++] = (struct am_label){n->key, n->text};
    }
    *ret = (struct am_labels){labels, am_labels_sort(labels, count)};
    return 0;
}

static int compare_steps(const void *a, const void *b)
{
    const struct step *x = a, *y = b;
    if (x->at_ns != y->at_ns)
        return x->at_ns < y->at_ns ? -1 : 1;
    return (x->node->line > y->node->line) - (x->node->line < y->node->line);
}

static int read_steps(struct route_case *c, const char *key, const char *const known[], struct step **ret,
                      size_t *ret_count, struct err *err)
{
    const struct yaml_node *list = yaml_get(c->node, key);
    size_t count = 0;
    if (list != NULL && (list->type != YAML_LIST || list->count > STEPS_MAX))
        return bad(c, list, err, "a list of at most 10,000 entries is meant");
    struct step *steps = ARENA_ARRAY(c->arena, struct step, list == NULL ? 1 : list->count + 1);
    for (const struct yaml_node *n = list == NULL ? NULL : list->first; n != NULL; n = n->next) {
        if (n->type != YAML_MAP)
            return bad(c, n, err, "an entry is a map");
        int rc = yaml_check_keys(n, c->file, known, err);
        if (rc == 0)
            rc = read_offset(c, n, "at", c->start_ns, &steps[count].at_ns, err);
        if (rc != 0)
            return rc;
        steps[count++].node = n;
    }
    qsort(steps, count, sizeof steps[0], compare_steps);
    *ret = steps;
    *ret_count = count;
    return 0;
}

static int read_silence(struct route_case *c, const struct yaml_node *node, struct am_silence *ret,
                        struct err *err)
{
    const struct yaml_node *matchers = yaml_get(node, "matchers");
    struct buf joined;
    int rc = yaml_check_keys(node, c->file, silence_keys, err);
    if (rc == 0)
        rc = read_offset(c, node, "from", c->start_ns, &ret->starts_at_ns, err);
    if (rc == 0)
        rc = read_offset(c, node, "to", INT64_MAX, &ret->ends_at_ns, err);
    if (rc != 0)
        return rc;
    if (matchers == NULL || matchers->type != YAML_LIST || matchers->count == 0)
        return bad(c, node, err, "a silence has `matchers`, a list of at least one");
    buf_init(&joined, 65536);
    for (const struct yaml_node *n = matchers->first; n != NULL; n = n->next) {
        buf_sv(&joined, n->text);
        buf_char(&joined, ',');
    }
    struct err why = {0};
    if (am_matchers_parse(&c->pool, AM_MATCHERS_FALLBACK, buf_view(&joined), &ret->matchers, NULL, &why) != 0)
        rc = bad(c, matchers, err, why.text);
    buf_free(&joined);
    return rc;
}

static int read_silences(struct route_case *c, struct err *err)
{
    const struct yaml_node *list = yaml_get(c->node, "silences");
    if (list == NULL)
        return 0;
    if (list->type != YAML_LIST || list->count > STEPS_MAX)
        return bad(c, list, err, "a list of at most 10,000 entries is meant");
    c->silences = ARENA_ARRAY(c->arena, struct am_silence, list->count + 1);
    for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
        int rc = n->type == YAML_MAP ? read_silence(c, n, &c->silences[c->silence_count++], err)
                                     : bad(c, n, err, "an entry is a map");
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int read_case(struct route_case *c, struct err *err)
{
    const struct yaml_node *start = yaml_get(c->node, "start");
    int rc = yaml_check_keys(c->node, c->file, case_keys, err);
    if (rc != 0)
        return rc;
    (void)clk_from_civil((struct civil){.year = 2026, .month = 1, .day = 1}, &c->start_ns);
    if (start != NULL && (start->type != YAML_SCALAR || !clk_parse_rfc3339(start->text, 0, &c->start_ns)))
        return bad(c, start, err, "`start` is a time: 2026-11-21T12:00:00Z");
    rc = read_steps(c, "alerts", alert_keys, &c->alerts, &c->alert_count, err);
    if (rc == 0)
        rc = read_steps(c, "expect", expect_keys, &c->expects, &c->expect_count, err);
    if (rc == 0)
        rc = read_silences(c, err);
    int64_t last_ns = c->start_ns;
    for (size_t i = 0; rc == 0 && i < c->alert_count; i++)
        last_ns = TC_MAX(last_ns, c->alerts[i].at_ns);
    for (size_t i = 0; rc == 0 && i < c->expect_count; i++)
        last_ns = TC_MAX(last_ns, c->expects[i].at_ns);
    return rc != 0 ? rc : read_offset(c, c->node, "until", last_ns, &c->until_ns, err);
}

/* --- running --- */

static bool says(const struct yaml_node *expect, const char *key, struct sv is)
{
    const struct yaml_node *node = yaml_get(expect, key);
    return node == NULL || sv_eq(node->text, is);
}

static bool counts(const struct yaml_node *expect, const char *key, uint64_t is)
{
    const struct yaml_node *node = yaml_get(expect, key);
    uint64_t want;
    return node == NULL || (num_u64(node->text, 0, UINT64_MAX, &want) && want == is);
}

static bool meets(const struct step *expect, const struct am_notification *note)
{
    const struct yaml_node *node = expect->node;
    return expect->at_ns == note->at_ns && says(node, "receiver", note->receiver->name) &&
           says(node, "integration", sv_of(note->kind->name)) &&
           says(node, "reason", sv_of(am_reason_text(note->reason))) &&
           says(node, "group", note->group_key) && counts(node, "firing", note->firing_count) &&
           counts(node, "resolved", note->count - note->firing_count);
}

static void print_offset(struct route_case *c, int64_t at_ns)
{
    char text[TC_RFC3339_MAX];
    clk_format_duration(at_ns - c->start_ns, text);
    buf_str(&c->why, text);
}

static bool take(void *context, const struct am_notification *note)
{
    struct route_case *c = context;
    bool met = false;
    c->told_count++;
    for (size_t i = 0; i < c->expect_count; i++)
        if (meets(&c->expects[i], note))
            met = c->expects[i].met = true;
    if (met || c->told_count > TOLD_MAX)
        return true;
    buf_str(&c->why, "    not expected: at ");
    print_offset(c, note->at_ns);
    buf_printf(&c->why, " %.*s (%s): %s, %zu firing, %zu resolved, group %.*s\n",
               SV_FMT(note->receiver->name), note->kind->name, am_reason_text(note->reason),
               note->firing_count, note->count - note->firing_count, SV_FMT(sv_head(note->group_key, 500)));
    return true;
}

static void run_until(struct route_case *c, struct am_dispatch *dispatch, int64_t until_ns)
{
    int64_t next;
    while ((next = am_dispatch_next_ns(dispatch)) <= until_ns && c->told_count <= TOLD_MAX &&
           c->looks++ <= LOOKS_MAX)
        am_dispatch_run(dispatch, next, c->silences, c->silence_count, take, c);
}

/* An alert that says when it ends comes in again then, as Prometheus would send it. */
static int send_alert(struct route_case *c, struct am_dispatch *dispatch, const struct step *step,
                      struct err *err)
{
    struct am_alert alert = {.starts_at_ns = step->at_ns, .ends_at_ns = INT64_MAX};
    int rc = read_labels(c, step->node, "labels", &alert.labels, err);
    if (rc == 0)
        rc = read_labels(c, step->node, "annotations", &alert.annotations, err);
    if (rc == 0)
        rc = read_offset(c, step->node, "ends", INT64_MAX, &alert.ends_at_ns, err);
    if (rc != 0)
        return rc;
    if (alert.labels.count == 0)
        return bad(c, step->node, err, "an alert has `labels`, at least one");
    if (alert.ends_at_ns <= step->at_ns && alert.ends_at_ns != INT64_MAX)
        return bad(c, step->node, err, "`ends` must be later than `at`");
    return am_dispatch_alert(dispatch, &alert, step->at_ns, err);
}

static int run_case(struct route_case *c, struct err *err)
{
    struct am_dispatch *dispatch = am_dispatch_new();
    int rc = am_dispatch_configure(dispatch, c->config, c->start_ns, err);
    for (size_t i = 0; i < c->alert_count && rc == 0; i++) {
        run_until(c, dispatch, c->alerts[i].at_ns - 1);
        rc = send_alert(c, dispatch, &c->alerts[i], err);
    }
    if (rc == 0)
        run_until(c, dispatch, c->until_ns);
    am_dispatch_free(dispatch);
    if (rc == 0 && (c->told_count > TOLD_MAX || c->looks > LOOKS_MAX))
        rc = bad(c, c->node, err,
                 "more than 10,000 notifications or 5,000,000 looks at groups: make it shorter");
    for (size_t i = 0; i < c->expect_count && rc == 0; i++)
        if (!c->expects[i].met) {
            buf_str(&c->why, "    expected and did not come: at ");
            print_offset(c, c->expects[i].at_ns);
            buf_printf(&c->why, ", line %u\n", c->expects[i].node->line);
        }
    return rc;
}

/* --- files --- */

struct tally {
    size_t passed, failed;
    bool quiet, unusable;
};

static int one_case(struct tally *tally, struct arena *arena, const char *path, const struct yaml_node *node,
                    const struct am_config *config, struct err *err)
{
    struct route_case c = {.arena = arena, .file = path, .node = node, .config = config};
    const struct yaml_node *name = yaml_get(node, "name");
    if (node->type != YAML_MAP || name == NULL || name->type != YAML_SCALAR)
        return bad(&c, node, err, "a test is a map with a `name`");
    buf_init(&c.why, 1 << 20);
    int rc = read_case(&c, err);
    if (rc == 0)
        rc = run_case(&c, err);
    if (rc == 0) {
        bool passed = c.why.n == 0 && !c.why.overflow;
        tally->passed += passed;
        tally->failed += !passed;
        if (!passed || !tally->quiet)
            printf("%s %s: %.*s\n%.*s", passed ? "ok" : "FAILED", path, SV_FMT(name->text),
                   SV_FMT(buf_view(&c.why)));
    }
    buf_free(&c.why);
    am_pool_free(&c.pool);
    return rc;
}

static int read_named_config(struct arena *arena, const char *path, const struct yaml_node *name,
                             struct am_config **ret, struct err *err)
{
    const char *slash = strrchr(path, '/');
    size_t folder = slash == NULL || sv_starts(name->text, SV("/")) ? 0 : (size_t)(slash - path) + 1;
    struct sv full = arena_printf(arena, "%.*s%.*s", (int)folder, path, SV_FMT(name->text));
    struct buf bytes;
    buf_init(&bytes, FILE_MAX_BYTES);
    int rc = fs_read_file(&fs_system, full.p, &bytes, err);
    if (rc == 0) {
        rc = am_config_read(buf_view(&bytes), AM_MATCHERS_FALLBACK, ret, err);
        if (rc != 0)
            snprintf(err->file, sizeof err->file, "%s", full.p);
    }
    buf_free(&bytes);
    return rc;
}

static int one_file(struct tally *tally, struct arena *arena, const char *path, struct err *err)
{
    struct buf bytes;
    struct yaml_doc *docs = NULL;
    struct am_config *config = NULL;
    buf_init(&bytes, FILE_MAX_BYTES);
    int rc = fs_read_file(&fs_system, path, &bytes, err);
    if (rc == 0)
        rc = yaml_parse(arena, path, buf_view(&bytes), &docs, err);
    buf_free(&bytes);
    if (rc != 0)
        return rc;
    const struct yaml_node *root = docs == NULL ? NULL : docs->root;
    const struct yaml_node *name = yaml_get(root, "alertmanager"), *tests = yaml_get(root, "tests");
    if (name == NULL || name->type != YAML_SCALAR || tests == NULL || tests->type != YAML_LIST)
        return err_at(
            err, TC_EINPUT, path, 1, 1,
            "a test of routes has `alertmanager`, a file, and `tests`, a list (of Tocsin's own routes: "
            "`tocsin routes --config FILE --test FILE`)");
    rc = yaml_check_keys(root, path, file_keys, err);
    if (rc == 0)
        rc = read_named_config(arena, path, name, &config, err);
    for (const struct yaml_node *n = tests->first; n != NULL && rc == 0; n = n->next)
        rc = one_case(tally, arena, path, n, config, err);
    am_config_free(config);
    return rc;
}

enum cli_exit test_routes_run(const struct cli_args *args, const char *const *paths, size_t count)
{
    struct tally tally = {.quiet = cli_flag(args, "quiet")};
    for (size_t i = 0; i < count; i++) {
        struct arena arena = {0};
        struct err err = {0};
        if (one_file(&tally, &arena, paths[i], &err) != 0) {
            cli_fail_err(args, &err);
            tally.unusable = true;
        }
        arena_free(&arena);
    }
    printf("%zu passed, %zu failed\n", tally.passed, tally.failed);
    return tally.unusable ? CLI_USAGE : tally.failed > 0 ? CLI_FOUND : CLI_DONE;
}
