/*
 * `tocsin test`: runs the rule tests that lie beside rules, under a virtual clock.
 *
 * A test file is YAML with the top-level key `tests` (docs/rule-tests.md). Each test names its rules
 * (default: those of the pack it lies in), gives events on a timeline, and says which rules must fire how
 * often, when, and for which group. What is not expected must not fire. Exit code 0 all passed, 1 a case
 * failed, 2 an unusable file; the last line is `N passed, M failed`.
 */
#include "base/json_out.h"
#include "base/num.h"
#include "base/utf8.h"
#include "base/yaml.h"
#include "cli/cli.h"
#include "cli/cmd_test_prometheus.h"
#include "cli/cmd_test_promql.h"
#include "cli/rules.h"
#include "cli/test_routes.h"
#include "event/parse.h"

#include <stdio.h>
#include <stdlib.h>

static const struct option_spec options[] = {

    {"enable-feature", OPTION_LIST, "LIST",
     "with `rules`: Prometheus' feature flags of PromQL, parted by commas (docs/promql.md)"},
    {"quiet", OPTION_FLAG, NULL, "print failures and the last line only"},
    {"junit", OPTION_VALUE, "FILE", "also write the outcome of each case as JUnit XML, for build servers"},
    {"pipeline", OPTION_LIST, "FILE|NAME", RULES_PIPELINE_HELP},
    {0}};

enum {
    TEST_FILE_MAX = 8 << 20,
    TEST_EVENTS_MAX = 100000,
    TEST_PATHS_MAX = 64,
    TEST_PATH_BYTES = 4096,
    JUNIT_MAX_BYTES = 64 << 20
};

struct test_run {
    const struct cli_args *args;
    bool quiet;
    size_t passed, failed, errors;
    bool unusable;
    bool as_junit;
    struct buf cases; /* JUnit's, one after another */
};

struct rule_case {
    struct arena *arena;
    const struct cli_args *args;
    const char *file;
    const struct yaml_node *node;
    int64_t start_ns;
    struct ruleset *ruleset;
    struct event **events;
    size_t count;
    struct finding_list findings;
    struct buf why; /* what was not as expected; empty: passed */
};

static const char *const case_keys[] = {"name",   "rules",  "start",  "lateness",
                                        "events", "expect", "others", NULL};
static const char *const event_keys[] = {"at", "times", "every", "event", "line", "input", NULL};
static const char *const expect_keys[] = {"rule", "exactly", "at_least", "at_most", "at", "group", NULL};

static int bad(const struct rule_case *c, const struct yaml_node *node, struct err *err, const char *what)
{
    return err_at(err, TC_EINPUT, c->file, node->line, node->column, "%s", what);
}

/* --- JUnit
 * ---------------------------------------------------------------------------------------------------------
 */

/* Text of an attribute or element: what XML 1.0 cannot hold at all becomes a question mark. */
static void xml_text(struct buf *out, struct sv text)
{
    static const char *const escapes[128] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\n'] = "&#10;"};
    for (size_t i = 0; i < text.n;) {
        uint32_t rune = 0;
        size_t n = utf8_decode(sv_from(text, i), &rune);
        if (n == 1 && escapes[rune] != NULL)
            buf_str(out, escapes[rune]);
        else if (n == 0 || (rune < 0x20 && rune != '\t') || rune == 0xFFFE || rune == 0xFFFF)
            buf_char(out, '?');
        else
            buf_add(out, text.p + i, n);
        i += n == 0 ? 1 : n;
    }
}

/* `what`: failure or error; NULL: passed. */
static void junit_case(struct test_run *run, const char *file, struct sv name, const char *what,
                       struct sv why)
{
    struct buf *out = &run->cases;
    if (!run->as_junit)
        return;
    buf_str(out, "  <testcase classname=\"");
    xml_text(out, sv_of(file));
    buf_str(out, "\" name=\"");
    xml_text(out, name);
    if (what == NULL) {
        buf_str(out, "\"/>\n");
        return;
    }
    buf_printf(out, "\">\n    <%s message=\"", what);
    xml_text(out, sv_trim(why));
    buf_printf(out, "\"/>\n  </testcase>\n");
}

static void junit_write(struct test_run *run)
{
    const char *path = cli_value(run->args, "junit", NULL);
    FILE *file = path == NULL ? NULL : fopen(path, "w");
    if (path == NULL)
        return;
    bool ok = file != NULL &&
              fprintf(file,
                      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                      "<testsuite name=\"tocsin test\" tests=\"%zu\" failures=\"%zu\" errors=\"%zu\">\n",
                      run->passed + run->failed + run->errors, run->failed, run->errors) > 0 &&
              fwrite(run->cases.p, 1, run->cases.n, file) == run->cases.n &&
              fputs("</testsuite>\n", file) >= 0 && !run->cases.overflow;
    if (file != NULL && fclose(file) != 0)
        ok = false;
    if (!ok) {
        cli_fail(run->args, CLI_USAGE, "%s cannot be written", path);
        run->unusable = true;
    }
}

/* --- events
 * ----------------------------------------------------------------------------------------------------------
 */

/* "{n}" in a text stands for the event's number within its `times`, from 1. */
static struct sv numbered(struct rule_case *c, struct sv text, uint64_t n)
{
    size_t at = sv_find(text, SV("{n}"));
    if (at == text.n)
        return text;
    return arena_printf(c->arena, "%.*s%llu%.*s", SV_FMT(sv_head(text, at)), (unsigned long long)n,
                        SV_FMT(sv_from(text, at + 3)));
}

static void node_json(struct rule_case *c, const struct yaml_node *node, uint64_t n, struct json_out *json)
{
    bool truth;
    if (node->type == YAML_MAP) {
        json_object(json);
        for (const struct yaml_node *m = node->first; m != NULL; m = m->next) {
            json_key(json, m->key);
            node_json(c, m, n, json);
        }
        json_object_end(json);
    } else if (node->type == YAML_LIST) {
        json_array(json);
        for (const struct yaml_node *m = node->first; m != NULL; m = m->next)
            node_json(c, m, n, json);
        json_array_end(json);
    } else if (yaml_is_null(node)) {
        json_null(json);
    } else if (yaml_bool(node, &truth)) {
        json_bool(json, truth);
    } else if ((yaml_is_integer(node) || yaml_is_float(node)) && node->text.p[0] != '+' &&
               node->text.p[0] != '.') {
        json_raw(json, node->text);
    } else {
        json_string(json, numbered(c, node->text, n));
    }
}

static struct sv event_text(struct rule_case *c, const struct yaml_node *item, uint64_t n)
{
    const struct yaml_node *line = yaml_get(item, "line");
    if (line != NULL)
        return numbered(c, line->text, n);
    struct buf buf;
    buf_init(&buf, TC_EVENT_RAW_MAX);
    struct json_out json = json_out_to(&buf);
    node_json(c, yaml_get(item, "event"), n, &json);
    struct sv text = arena_sv(c->arena, buf_view(&buf));
    buf_free(&buf);
    return text;
}

static int add_event(struct rule_case *c, const struct yaml_node *item, uint64_t n, int64_t ns,
                     struct err *err)
{
    const struct yaml_node *input = yaml_get(item, "input");
    struct sv name = input != NULL ? input->text : yaml_get(item, "line") != NULL ? SV("sshd") : SV("json");
    const struct parser *parser = parser_find(name);
    if (parser == NULL)
        return bad(c, input, err, "input: it is json, sshd or text");
    if (c->count == TEST_EVENTS_MAX)
        return bad(c, item, err, "more than 100,000 events in one test");
    struct parse_state state;
    parse_state_init(&state, 0, 0, ns);
    struct event *event = ARENA_NEW(c->arena, struct event);
    parse_record(parser, &state, event_text(c, item, n), c->arena, event);
    event->time.ns = ns; /* the timeline rules, whatever time the event bears */
    event->received.ns = ns;
    event->source = SV("test");
    if (c->count % 1024 == 0) {
        struct event **more = ARENA_ARRAY(c->arena, struct event *, c->count + 1024);
        if (c->count > 0)
            memcpy(more, c->events, c->count * sizeof more[0]);
        c->events = more;
    }
    event->position = c->count;
    c->events[c->count++] = event;
    return 0;
}

static int duration(struct rule_case *c, const struct yaml_node *map, const char *key, int64_t fallback,
                    int64_t *ret, struct err *err)
{
    const struct yaml_node *node = yaml_get(map, key);
    *ret = fallback;
    if (node != NULL && (node->type != YAML_SCALAR || clk_parse_duration(node->text, ret, NULL) != 0))
        return bad(c, node, err, "a duration is expected here, such as 90s or 5m");
    return 0;
}

static int number(struct rule_case *c, const struct yaml_node *map, const char *key, uint64_t fallback,
                  uint64_t *ret, struct err *err)
{
    const struct yaml_node *node = yaml_get(map, key);
    *ret = fallback;
    if (node != NULL && (node->type != YAML_SCALAR || !num_u64(node->text, 0, TEST_EVENTS_MAX, ret)))
        return bad(c, node, err, "a whole number up to 100,000 is expected here");
    return 0;
}

static int read_item(struct rule_case *c, const struct yaml_node *item, struct err *err)
{
    int64_t at, every;
    uint64_t times;
    if (item->type != YAML_MAP)
        return bad(c, item, err, "an event is a map with `at` and `event` or `line`");
    int rc = yaml_check_keys(item, c->file, event_keys, err);
    if (rc == 0)
        rc = duration(c, item, "at", 0, &at, err);
    if (rc == 0)
        rc = duration(c, item, "every", 0, &every, err);
    if (rc == 0)
        rc = number(c, item, "times", 1, &times, err);
    const struct yaml_node *event = yaml_get(item, "event"), *line = yaml_get(item, "line");
    if (rc == 0 && ((event == NULL) == (line == NULL) || (event != NULL && event->type != YAML_MAP) ||
                    (line != NULL && line->type != YAML_SCALAR)))
        rc = bad(c, item, err, "give either `event` (a map) or `line` (a text)");
    for (uint64_t n = 1; rc == 0 && n <= times; n++)
        rc = add_event(c, item, n, c->start_ns + at + (int64_t)(n - 1) * every, err);
    return rc;
}

static int by_time(const void *a, const void *b)
{
    const struct event *x = *(struct event *const *)a, *y = *(struct event *const *)b;
    return x->time.ns != y->time.ns ? (x->time.ns < y->time.ns ? -1 : 1)
                                    : (x->position < y->position ? -1 : 1);
}

static int read_events(struct rule_case *c, struct err *err)
{
    const struct yaml_node *list = yaml_get(c->node, "events");
    if (list == NULL || list->type != YAML_LIST)
        return bad(c, c->node, err, "a test needs `events`, a list");
    int rc = 0;
    for (const struct yaml_node *n = list->first; rc == 0 && n != NULL; n = n->next)
        rc = read_item(c, n, err);
    return rc;
}

/* --- judging
 * ---------------------------------------------------------------------------------------------------------
 */

/* Ties keep the order of the file, which `position` holds; with a declared lateness the file's order is that
 * of arrival. */
static void judge(struct rule_case *c, int64_t lateness_ns)
{
    if (lateness_ns == 0)
        qsort(c->events, c->count, sizeof c->events[0], by_time);
    struct detector *detector =
        detector_new(c->ruleset, &(struct detector_options){.lateness_ns = lateness_ns});
    c->findings.arena = c->arena;
    for (size_t i = 0; i < c->count; i++)
        c->events[i]->position = i + 1;
    for (size_t i = 0; i < c->count; i++) {
        const struct event *event = c->events[i];
        detector_judge(detector, &event, 1, &c->findings);
    }
    detector_finish(detector, &c->findings);
    detector_free(&detector);
}

static bool names_rule(const struct finding *f, struct sv name)
{
    return sv_eq(f->rule->title, name) || sv_eq(f->rule->id, name) ||
           (f->rule->name.n > 0 && sv_eq(f->rule->name, name));
}

static bool same_group(const struct finding *f, const struct yaml_node *group)
{
    if (group == NULL)
        return true;
    if (group->type != YAML_MAP || group->count != f->group_count)
        return false;
    for (size_t i = 0; i < f->group_count; i++) {
        const struct yaml_node *value = group->first;
        while (value != NULL && !sv_eq(value->key, f->group[i].name))
            value = value->next;
        if (value == NULL || !sv_eq(value->text, f->group[i].value))
            return false;
    }
    return true;
}

static int expect_one(struct rule_case *c, const struct yaml_node *expect, bool *claimed, struct err *err)
{
    uint64_t exactly, at_least, at_most, count = 0;
    int64_t at;
    const struct yaml_node *rule = yaml_get(expect, "rule");
    int rc = expect->type != YAML_MAP || rule == NULL
                 ? bad(c, expect, err, "an expectation is a map that names a `rule`")
                 : yaml_check_keys(expect, c->file, expect_keys, err);
    if (rc == 0)
        rc = number(c, expect, "exactly", UINT64_MAX, &exactly, err);
    if (rc == 0)
        rc = number(c, expect, "at_least", 0, &at_least, err);
    if (rc == 0)
        rc = number(c, expect, "at_most", UINT64_MAX, &at_most, err);
    if (rc == 0)
        rc = duration(c, expect, "at", INT64_MIN, &at, err);
    if (rc != 0)
        return rc;
    if (exactly == UINT64_MAX && at_least == 0 && at_most == UINT64_MAX)
        exactly = 1;
    bool known = false;
    for (size_t i = 0; i < ruleset_count(c->ruleset); i++)
        known |= names_rule(&(struct finding){.rule = ruleset_rule(c->ruleset, i)}, rule->text);
    if (!known)
        return bad(c, rule, err, "no loaded rule has this title, name or id");
    for (size_t i = 0; i < c->findings.count; i++) {
        const struct finding *f = &c->findings.items[i];
        if (f->repeat || f->resets != NULL || claimed[i] || !names_rule(f, rule->text) ||
            !same_group(f, yaml_get(expect, "group")) || (at != INT64_MIN && f->time.ns != c->start_ns + at))
            continue;
        claimed[i] = true;
        count++;
    }
    if ((exactly != UINT64_MAX && count != exactly) || count < at_least || count > at_most)
        buf_printf(&c->why, "  line %u: %.*s fired %llu times as described here\n", expect->line,
                   SV_FMT(rule->text), (unsigned long long)count);
    return 0;
}

static int compare(struct rule_case *c, struct err *err)
{
    bool *claimed = ARENA_ARRAY(c->arena, bool, c->findings.count + 1);
    const struct yaml_node *list = yaml_get(c->node, "expect"), *others = yaml_get(c->node, "others");
    int rc = 0;
    if (list == NULL || list->type != YAML_LIST)
        return bad(c, c->node, err, "a test needs `expect`, a list ([]: nothing fires)");
    if (others != NULL && !sv_is(others->text, "allow") && !sv_is(others->text, "refuse"))
        return bad(c, others, err, "others: it is allow or refuse");
    for (const struct yaml_node *n = list->first; rc == 0 && n != NULL; n = n->next)
        rc = expect_one(c, n, claimed, err);
    for (size_t i = 0; rc == 0 && i < c->findings.count && (others == NULL || sv_is(others->text, "refuse"));
         i++) {
        const struct finding *f = &c->findings.items[i];
        char time[TC_RFC3339_MAX] = "-";
        if (f->repeat || f->resets != NULL || claimed[i])
            continue;
        if (f->time.ns != TC_NO_TIME)
            clk_rfc3339(f->time.ns, time);
        buf_printf(&c->why, "  %.*s fired at %s and was not expected\n", SV_FMT(f->rule->title), time);
    }
    return rc;
}

/* --- a case, a file
 * -------------------------------------------------------------------------------------------------- */

/* The rules that a case names, relative to its file; by default those of the folder above `tests/`, or of its
 * own folder. */
static int load_rules(struct rule_case *c, struct err *err)
{
    const char *paths[TEST_PATHS_MAX];
    size_t count = 0;
    const struct yaml_node *list = yaml_get(c->node, "rules");
    const char *slash = strrchr(c->file, '/');
    struct sv dir = slash == NULL ? SV(".") : sv_make(c->file, (size_t)(slash - c->file));
    if (list == NULL)
        paths[count++] = sv_ends(dir, SV("/tests")) ? arena_str(c->arena, sv_head(dir, dir.n - 6))
                         : sv_is(dir, "tests")      ? "."
                                                    : arena_str(c->arena, dir);
    else if (list->type != YAML_LIST || list->count == 0 || list->count > TEST_PATHS_MAX)
        return bad(c, list, err, "rules: a list of 1 to 64 paths is expected here");
    else
        for (const struct yaml_node *n = list->first; n != NULL; n = n->next)
            paths[count++] = n->text.n > 0 && n->text.p[0] == '/'
                                 ? n->text.p
                                 : arena_printf(c->arena, "%.*s/%.*s", SV_FMT(dir), SV_FMT(n->text)).p;
    struct rule_source *sources;
    size_t source_count;
    const char *const *pipelines;
    size_t pipeline_count = cli_list(c->args, "pipeline", &pipelines);
    int rc = rules_collect(paths, count, c->arena, &sources, &source_count, err);
    if (rc == 0)
        rc = rules_pipelines(pipelines, pipeline_count, c->arena, &sources, &source_count, err);
    if (rc == 0)
        rc = ruleset_new(sources, source_count, &c->ruleset, err);
    for (size_t i = 0; rc == 0 && i < ruleset_note_count(c->ruleset); i++)
        if (ruleset_note(c->ruleset, i)->verdict == RULE_REFUSED) {
            if (err != NULL)
                *err = ruleset_note(c->ruleset, i)->err;
            rc = TC_EINPUT;
        }
    return rc;
}

static int run_case(struct rule_case *c, struct err *err)
{
    const struct yaml_node *start = yaml_get(c->node, "start");
    int64_t lateness_ns;
    if (c->node->type != YAML_MAP)
        return bad(c, c->node, err, "a test is a map with `events` and `expect`");
    int rc = yaml_check_keys(c->node, c->file, case_keys, err);
    if (rc == 0 &&
        !clk_parse_rfc3339(start != NULL ? start->text : SV("2026-01-01T00:00:00Z"), 0, &c->start_ns))
        rc = bad(c, start, err, "start: a time such as 2026-01-01T00:00:00Z is expected here");
    if (rc == 0)
        rc = duration(c, c->node, "lateness", 0, &lateness_ns, err);
    if (rc == 0)
        rc = load_rules(c, err);
    if (rc == 0)
        rc = read_events(c, err);
    if (rc == 0) {
        judge(c, lateness_ns);
        rc = compare(c, err);
    }
    return rc;
}

static void report_unusable(struct test_run *run, const char *file, struct sv name, const struct err *err)
{
    char text[TC_ERR_TEXT_MAX + TC_ERR_FILE_MAX + 32];
    run->unusable = true;
    run->errors++;
    junit_case(run, file, name, "error", sv_of(err_format(err, text, sizeof text)));
    cli_fail_err(run->args, err);
}

static void run_node(struct test_run *run, const char *file, const struct yaml_node *node)
{
    struct arena arena = {0};
    struct err err = {0};
    struct rule_case c = {.arena = &arena, .args = run->args, .file = file, .node = node};
    const struct yaml_node *name = yaml_get(node, "name");
    struct sv title = name != NULL ? name->text : SV("(without name)");
    buf_init(&c.why, 1 << 20);
    if (run_case(&c, &err) != 0)
        report_unusable(run, file, title, &err);
    else if (c.why.n > 0) {
        run->failed++;
        junit_case(run, file, title, "failure", buf_view(&c.why));
        printf("FAILED %s:%u: %.*s\n%.*s", file, node->line, SV_FMT(title), SV_FMT(buf_view(&c.why)));
    } else {
        run->passed++;
        junit_case(run, file, title, NULL, SV(""));
        if (!run->quiet)
            printf("ok     %s: %.*s\n", file, SV_FMT(title));
    }
    ruleset_free(&c.ruleset);
    buf_free(&c.why);
    arena_free(&arena);
}

static void run_file(struct test_run *run, const char *file, bool named)
{
    struct arena arena = {0};
    struct buf bytes;
    struct yaml_doc *docs = NULL;
    struct err err;
    buf_init(&bytes, TEST_FILE_MAX);
    int rc = fs_read_file(&fs_system, file, &bytes, &err);
    if (rc == 0)
        rc = yaml_parse(&arena, file, buf_view(&bytes), &docs, &err);
    if (rc != 0)
        report_unusable(run, file, SV("(file)"), &err);
    size_t seen = 0;
    for (const struct yaml_doc *doc = docs; rc == 0 && doc != NULL; doc = doc->next) {
        const struct yaml_node *tests = yaml_get(doc->root, "tests");
        if (tests == NULL)
            continue;
        seen++;
        if (tests->type != YAML_LIST) {
            err_at(&err, TC_EINPUT, file, tests->line, tests->column, "tests: a list is expected here");
            report_unusable(run, file, SV("(file)"), &err);
            continue;
        }
        for (const struct yaml_node *n = tests->first; n != NULL; n = n->next)
            run_node(run, file, n);
    }
    if (rc == 0 && seen == 0 && named) {
        err_at(&err, TC_EINPUT, file, 0, 0, "is not a test file: it has no top-level key `tests`");
        report_unusable(run, file, SV("(file)"), &err);
    }
    buf_free(&bytes);
    arena_free(&arena);
}

struct walk {
    struct test_run *run;
    const char *dir;
};

static void run_path(struct test_run *run, const char *path, bool named);

static void visit(void *context, const char *name)
{
    struct walk *walk = context;
    struct sv n = sv_of(name);
    char path[TEST_PATH_BYTES];
    struct fs_stat st;
    if ((size_t)snprintf(path, sizeof path, "%s/%s", walk->dir, name) >= sizeof path)
        return; /* the system would refuse it as well */
    bool is_dir = fs_system.stat(&fs_system, path, &st) == 0 && st.is_dir;
    if (is_dir || sv_ends(n, SV(".yml")) || sv_ends(n, SV(".yaml")))
        run_path(walk->run, path, false);
}

static void run_path(struct test_run *run, const char *path, bool named)
{
    struct fs_stat st;
    struct err err;
    size_t n = strlen(path);
    char *clean = tc_strdup(path);
    while (n > 1 && clean[n - 1] == '/')
        clean[--n] = '\0';
    int rc = fs_system.stat(&fs_system, clean, &st);
    if (rc != 0) {
        err_at(&err, TC_EINPUT, clean, 0, 0, "no such file or directory");
        report_unusable(run, clean, SV("(file)"), &err);
    } else if (st.is_dir) {
        fs_system.list(&fs_system, clean, visit, &(struct walk){run, clean});
    } else {
        run_file(run, clean, named);
    }
    free(clean);
}

static enum cli_exit run_routes(const struct cli_args *args)
{
    const char *const *paths;
    size_t count = cli_operands(args, &paths);
    return test_routes_run(args, paths + 1, count - 1);
}

/* What the first operand may say in place of a path. */
static const struct {
    const char *word;
    enum cli_exit (*run)(const struct cli_args *args);
} others[] = {{"rules", cmd_test_prometheus}, {"promql", cmd_test_promql}, {"routes", run_routes}};

static enum cli_exit test_run(const struct cli_args *args)
{
    struct test_run run = {.args = args, .quiet = cli_flag(args, "quiet")};
    const char *const *paths;
    size_t count = cli_operands(args, &paths);
    for (size_t i = 0; count > 1 && i < TC_ARRAY_LEN(others); i++)
        if (strcmp(paths[0], others[i].word) == 0)
            return others[i].run(args);
    run.as_junit = cli_value(args, "junit", NULL) != NULL;
    buf_init(&run.cases, JUNIT_MAX_BYTES);
    for (size_t i = 0; i < count; i++)
        run_path(&run, paths[i], true);
    if (run.passed + run.failed == 0 && !run.unusable) {
        cli_fail(args, CLI_USAGE, "no tests were found below the paths given");
        run.unusable = true;
    }
    junit_write(&run);
    buf_free(&run.cases);
    printf("%zu passed, %zu failed\n", run.passed, run.failed);
    return run.unusable ? CLI_USAGE : run.failed > 0 ? CLI_FOUND : CLI_DONE;
}

const struct verb verb_test = {
    .name = "test",
    .operands = "[rules|promql|routes] PATH...",
    .summary = "run the tests that lie beside rules, Prometheus' unit tests, or tests of routes",
    .details =
        "A test gives events on a timeline and says which rules must fire. Directories are walked for "
        "YAML files with the\n"
        "top-level key `tests`. The last line is `N passed, M failed`; exit code 1 where a case "
        "failed, 2 for an unusable file.\n"
        "`test rules` runs promtool's unit tests of Prometheus rules, `test promql` Prometheus' tests of\n"
        "its query language, `test routes` tests of an alertmanager.yml: alerts and silences on a\n"
        "timeline, and the notifications that must come of them (docs/alertmanager.md). A folder of such\n"
        "a name is ./rules.",
    .options = options,
    .min_operands = 1,
    .max_operands = 100000,
    .run = test_run,
};
