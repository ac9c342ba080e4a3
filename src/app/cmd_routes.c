/*
 * `tocsin routes`: where alerts go. By an alertmanager.yml that is cli/alertmanager_routes.c's; by Tocsin's
 * own configuration (`routing`, its routes, and the channels' severities) it is asked here, of one alert or
 * of a file of them with the channels that must be told: what a team's change of `routing` is tried with
 * before it is put in force.
 */
#include "app/app.h"

#include "app/config_priv.h"
#include "base/fs.h"
#include "base/yaml.h"
#include "cli/alertmanager_file.h"
#include "cli/alertmanager_routes.h"

#include <stdio.h>

static const struct option_spec options[] = {
    {"config", OPTION_VALUE, "FILE", "Tocsin's configuration, whose `routing` is meant"},
    {"priority", OPTION_VALUE, "P1|P2|P3|P4", "with --config: the alert's; without it, all four are shown"},
    {"tag", OPTION_LIST, "TAG", "with --config: a tag of the alert's rule (may be given again)"},
    {"test", OPTION_VALUE, "FILE", "with --config: alerts, and the channels that must be told of each"},
    {"alertmanager", OPTION_VALUE, "FILE", "or the alertmanager.yml whose routes are meant"},
    {"tree", OPTION_FLAG, NULL,
     "with --alertmanager: print the tree of routes, as amtool config routes show prints it"},
    ALERTMANAGER_FEATURE_OPTION,
    {0}};

enum { TESTS_MAX_BYTES = 1 << 20, TESTS_MAX = 10000, TEST_NAMES_MAX = 256, TOLD_BYTES = 1 << 16 };

/* --- who is told --- */

static size_t told(const struct config *config, const struct alert *alert, struct sv *ret)
{
    const struct routing *routing = config_routing_of(config, alert, alert->severity);
    size_t count = 0;
    for (size_t i = 0; i < config->channel_count && count < TEST_NAMES_MAX; i++)
        if (config_routes(routing, &config->channels[i], alert->severity, SV("new")))
            ret[count++] = config->channels[i].name;
    return count;
}

static void add_names(const struct sv *names, size_t count, struct buf *out)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "%s%.*s", i == 0 ? "" : ",", SV_FMT(names[i]));
}

/* What decided: a route, `routing` itself, or the channels' severities. */
static void add_why(const struct config *config, const struct alert *alert, struct buf *out)
{
    const struct config_route *route = config_route_of(config, alert);
    const struct routing *routing = config_routing_of(config, alert, alert->severity);
    if (route != NULL && routing == &route->routing[alert->severity])
        buf_printf(out, "route %zu", (size_t)(route - config->routes) + 1);
    else
        buf_str(out, routing->given ? "routing" : "min_severity of the channels");
    if (route != NULL && routing != &route->routing[alert->severity])
        buf_printf(out, "; route %zu fits and says nothing of %s", (size_t)(route - config->routes) + 1,
                   severity_name(alert->severity));
}

static void show_one(const struct config *config, const struct alert *alert, bool alone)
{
    struct sv names[TEST_NAMES_MAX];
    struct buf out;
    buf_init(&out, TOLD_BYTES);
    size_t count = told(config, alert, names);
    if (!alone)
        buf_printf(&out, "%s: ", severity_name(alert->severity));
    add_names(names, count, &out);
    if (!alone) {
        buf_printf(&out, "%s  (", count == 0 ? "nobody" : "");
        add_why(config, alert, &out);
        buf_char(&out, ')');
    }
    printf("%.*s\n", SV_FMT(buf_view(&out)));
    buf_free(&out);
}

/* `owner` is no label of an alert; a route looks at it as if it were. */
static void take_labels(struct arena *arena, const struct am_label *labels, size_t count, struct alert *alert)
{
    struct alert_label *own = ARENA_ARRAY(arena, struct alert_label, count + 1);
    for (size_t i = 0; i < count; i++)
        if (sv_is(labels[i].name, "owner"))
            alert->owner = labels[i].value;
        else
            own[alert->label_count++] = (struct alert_label){labels[i].name, labels[i].value};
    alert->labels = own;
}

static int show(const struct cli_args *args, const struct config *config, struct arena *arena,
                struct err *err)
{
    const char *word = cli_value(args, "priority", NULL);
    const char *const *tags;
    struct am_label labels[ROUTES_LABELS_MAX];
    struct am_pool pool = {0};
    struct alert alert = {.tag_count = cli_list(args, "tag", &tags)};
    struct sv *own = ARENA_ARRAY(arena, struct sv, alert.tag_count + 1);
    size_t count = 0;
    enum severity only = word == NULL ? SEVERITY_NONE : severity_of(sv_of(word));
    if (word != NULL && only == SEVERITY_NONE)
        return err_set(err, TC_EINPUT, "--priority %s: it is P1, P2, P3 or P4", word);
    for (size_t i = 0; i < alert.tag_count; i++)
        own[i] = sv_of(tags[i]);
    alert.tags = own;
    int rc = routes_labels(args, &pool, labels, &count, err);
    if (rc == 0 && count > ALERT_LABELS_MAX)
        rc = err_set(err, TC_EBOUND, "an alert has at most %d labels", ALERT_LABELS_MAX);
    if (rc == 0)
        take_labels(arena, labels, count, &alert);
    for (int i = SEVERITY_P1; rc == 0 && i <= SEVERITY_P4; i++) {
        alert.severity = (enum severity)i;
        if (only == SEVERITY_NONE || alert.severity == only)
            show_one(config, &alert, only != SEVERITY_NONE);
    }
    am_pool_free(&pool);
    return rc;
}

/* --- tests --- */

struct routes_test {
    const struct config *config;
    struct arena *arena;
    const char *file;
    struct err *err;
    size_t passed, failed;
};

static const char *const test_keys[] = {"name", "priority", "labels", "tags", "owner", "told", NULL};

static int bad(const struct routes_test *t, const struct yaml_node *node, const char *what)
{
    return err_at(t->err, TC_EINPUT, t->file, node->line, node->column, "%s", what);
}

static int read_names(const struct routes_test *t, const struct yaml_node *node, struct sv *ret,
                      size_t *ret_count)
{
    *ret_count = 0;
    if (node == NULL)
        return 0;
    if (node->type != YAML_LIST || node->count > TEST_NAMES_MAX)
        return bad(t, node, "a list of at most 256 names is meant");
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next)
        ret[(*ret_count)++] = n->text;
    return 0;
}

static int read_label_map(const struct routes_test *t, const struct yaml_node *node, struct alert *ret)
{
    struct am_label labels[ALERT_LABELS_MAX];
    size_t count = 0;
    if (node == NULL)
        return 0;
    if (node->type != YAML_MAP || node->count > ALERT_LABELS_MAX)
        return bad(t, node, "a map of names and values is meant, of as many as an alert may have");
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next) {
        if (n->type != YAML_SCALAR)
            return bad(t, n, "a value is a text");
        labels[count++] = (struct am_label){n->key, n->text};
    }
    take_labels(t->arena, labels, count, ret);
    return 0;
}

static bool same_names(const struct sv *a, size_t a_count, const struct sv *b, size_t b_count)
{
    size_t found = 0;
    for (size_t i = 0; i < a_count; i++)
        for (size_t k = 0; k < b_count; k++)
            found += sv_eq(a[i], b[k]);
    return a_count == b_count && found == a_count;
}

static void judge(struct routes_test *t, const struct yaml_node *node, const struct alert *alert,
                  const struct sv *expected, size_t expected_count)
{
    const struct yaml_node *name = yaml_get(node, "name");
    struct sv is[TEST_NAMES_MAX];
    size_t count = told(t->config, alert, is);
    struct buf text;
    if (same_names(is, count, expected, expected_count)) {
        t->passed++;
        return;
    }
    t->failed++;
    buf_init(&text, TOLD_BYTES);
    buf_printf(&text, "%s:%u: FAILED %.*s: told are ", t->file, node->line,
               SV_FMT(name == NULL ? SV("(without a name)") : name->text));
    add_names(is, count, &text);
    buf_printf(&text, "%s (", count == 0 ? "nobody" : "");
    add_why(t->config, alert, &text);
    buf_str(&text, "), expected ");
    add_names(expected, expected_count, &text);
    printf("%.*s%s\n", SV_FMT(buf_view(&text)), expected_count == 0 ? "nobody" : "");
    buf_free(&text);
}

static int one_test(struct routes_test *t, const struct yaml_node *node)
{
    struct sv expected[TEST_NAMES_MAX];
    struct sv *tags = ARENA_ARRAY(t->arena, struct sv, TEST_NAMES_MAX);
    struct alert alert = {.tags = tags};
    size_t expected_count;
    if (node->type != YAML_MAP)
        return bad(t, node, "a test is a map");
    int rc = yaml_check_keys(node, t->file, test_keys, t->err);
    const struct yaml_node *priority = yaml_get(node, "priority"), *owner = yaml_get(node, "owner");
    if (rc == 0) {
        alert.severity = priority == NULL ? SEVERITY_NONE : severity_of(priority->text);
        if (alert.severity == SEVERITY_NONE || yaml_get(node, "told") == NULL)
            rc = bad(t, node, "a test has `priority`, P1 to P4, and `told`, a list of channels");
    }
    if (rc == 0)
        rc = read_label_map(t, yaml_get(node, "labels"), &alert);
    if (rc == 0)
        rc = read_names(t, yaml_get(node, "tags"), tags, &alert.tag_count);
    if (rc == 0)
        rc = read_names(t, yaml_get(node, "told"), expected, &expected_count);
    for (size_t i = 0; rc == 0 && i < expected_count; i++)
        if (!config_is_channel(t->config, expected[i]))
            rc = bad(t, yaml_get(node, "told"), "it names a channel that the configuration does not have");
    if (rc != 0)
        return rc;
    if (owner != NULL)
        alert.owner = owner->text;
    judge(t, node, &alert, expected, expected_count);
    return 0;
}

static int run_tests(struct routes_test *t)
{
    static const char *const keys[] = {"tests", NULL};
    struct buf bytes;
    struct yaml_doc *docs = NULL;
    buf_init(&bytes, TESTS_MAX_BYTES);
    int rc = fs_read_file(&fs_system, t->file, &bytes, t->err);
    if (rc == 0)
        rc = yaml_parse(t->arena, t->file, buf_view(&bytes), &docs, t->err);
    buf_free(&bytes);
    const struct yaml_node *root = rc != 0 || docs == NULL ? NULL : docs->root;
    const struct yaml_node *tests = root == NULL ? NULL : yaml_get(root, "tests");
    if (rc == 0 && (tests == NULL || tests->type != YAML_LIST || tests->count > TESTS_MAX))
        rc = err_at(t->err, TC_EINPUT, t->file, 1, 1, "`tests` is needed, a list of at most 10,000");
    if (rc == 0)
        rc = yaml_check_keys(root, t->file, keys, t->err);
    for (const struct yaml_node *n = rc == 0 ? tests->first : NULL; rc == 0 && n != NULL; n = n->next)
        rc = one_test(t, n);
    return rc;
}

/* --- the verb --- */

static enum cli_exit routes_config(const struct cli_args *args, const char *path)
{
    struct arena arena = {0};
    struct config config;
    struct err err = {0};
    struct routes_test test = {
        .config = &config, .arena = &arena, .file = cli_value(args, "test", NULL), .err = &err};
    config_defaults(&config);
    int rc = config_load(path, &config, &err);
    if (rc == 0)
        rc = test.file != NULL ? run_tests(&test) : show(args, &config, &arena, &err);
    if (rc == 0 && test.file != NULL)
        printf("%zu passed, %zu failed\n", test.passed, test.failed);
    enum cli_exit code = rc != 0 ? cli_fail_err(args, &err) : test.failed > 0 ? CLI_FOUND : CLI_DONE;
    config_free(&config);
    arena_free(&arena);
    return code;
}

static enum cli_exit run(const struct cli_args *args)
{
    const char *own = cli_value(args, "config", NULL), *theirs = cli_value(args, "alertmanager", NULL);
    if ((own == NULL) == (theirs == NULL))
        return cli_fail(args, CLI_USAGE, "give --config FILE, or --alertmanager FILE");
    return own != NULL ? routes_config(args, own) : routes_alertmanager(args, theirs);
}

const struct verb verb_routes = {
    .name = "routes",
    .operands = "[NAME=VALUE...]",
    .summary = "where alerts go, by `routing` of the configuration or by an alertmanager.yml",
    .details =
        "With --config: the channels that are told of a new alert with these labels (and owner=NAME), by\n"
        "priority, and what decides it; with --priority the channels alone, separated by commas. --test\n"
        "takes a file of alerts and the channels that must be told (docs/channels.md); exit code 1 where\n"
        "one is told otherwise. With --alertmanager: the receivers that an alert of these labels goes to,\n"
        "in order and separated by commas, as amtool config routes test does; without labels, those of\n"
        "an alert that has none.",
    .options = options,
    .min_operands = 0,
    .max_operands = ROUTES_LABELS_MAX,
    .run = run,
};
