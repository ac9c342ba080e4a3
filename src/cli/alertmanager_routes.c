/*
 * `tocsin routes --alertmanager`: the tree of routes of an alertmanager.yml, or the receivers that an alert
 * of the given labels goes to, both as amtool prints them.
 */
#include "cli/alertmanager_routes.h"

#include "cli/alertmanager_file.h"

#include <stdio.h>
#include <stdlib.h>

enum { TREE_MAX_BYTES = 64 << 20 };

/* A route's line and those below it. `prefix` is what stands before its children; it has room to grow. */
static void print_tree(const struct am_route *route, bool last, struct buf *prefix, struct buf *out)
{
    size_t before = prefix->n;
    buf_sv(out, buf_view(prefix));
    buf_str(out, last ? "\342\224\224\342\224\200\342\224\200 " : "\342\224\234\342\224\200\342\224\200 ");
    if (route->matchers.count == 0)
        buf_str(out, "default-route");
    else
        am_matchers_print(route->matchers, out);
    if (route->continue_matching)
        buf_str(out, "  continue: true");
    buf_str(out, "  receiver: ");
    buf_sv(out, route->receiver);
    buf_char(out, '\n');
    buf_str(prefix, last ? "    " : "\342\224\202   ");
    for (size_t i = 0; i < route->route_count; i++)
        print_tree(route->routes[i], i + 1 == route->route_count, prefix, out);
    prefix->n = before;
}

static int show(const struct am_config *config, struct err *err)
{
    struct buf prefix, out;
    buf_init(&prefix, 1 << 16);
    buf_init(&out, TREE_MAX_BYTES);
    buf_str(&out, "Routing tree:\n.\n");
    print_tree(config->route, true, &prefix, &out);
    bool overflow = out.overflow;
    if (!overflow)
        printf("%.*s\n", SV_FMT(buf_view(&out)));
    buf_free(&prefix);
    buf_free(&out);
    return overflow ? err_set(err, TC_EBOUND, "the tree is longer than 64 MiB") : 0;
}

int routes_labels(const struct cli_args *args, struct am_pool *pool,
                  struct am_label labels[ROUTES_LABELS_MAX], size_t *ret_count, struct err *err)
{
    const char *const *words;
    size_t count = cli_operands(args, &words);
    enum am_matcher_mode mode;
    if (!alertmanager_file_mode(args, &mode))
        return TC_EINPUT;
    for (size_t i = 0; i < count; i++) {
        struct am_matcher matcher;
        int rc = am_matcher_parse(pool, mode, sv_of(words[i]), &matcher, err);
        if (rc != 0)
            return err_while(err, "label %zu", i + 1);
        if (matcher.type != AM_EQUAL)
            return err_set(err, TC_EINPUT, "label %zu: labels are given as name=value", i + 1);
        labels[i] = (struct am_label){matcher.name, matcher.value};
    }
    *ret_count = am_labels_sort(labels, count);
    return 0;
}

static int test(const struct cli_args *args, const struct am_config *config, struct err *err)
{
    struct am_pool pool = {0};
    struct am_label labels[ROUTES_LABELS_MAX];
    size_t count = 0;
    int rc = routes_labels(args, &pool, labels, &count, err);
    if (rc == 0) {
        const struct am_route **routes = tc_alloc(config->route_count * sizeof(struct am_route *));
        size_t found =
            am_route_match(config->route, (struct am_labels){labels, count}, routes, config->route_count);
        for (size_t i = 0; i < found; i++)
            printf("%s%.*s", i == 0 ? "" : ",", SV_FMT(routes[i]->receiver));
        putchar('\n');
        free(routes);
    }
    am_pool_free(&pool);
    return rc;
}

enum cli_exit routes_alertmanager(const struct cli_args *args, const char *path)
{
    struct am_config *config = NULL;
    struct err err = {0};
    enum am_matcher_mode mode;
    if (!alertmanager_file_mode(args, &mode))
        return CLI_USAGE;
    int rc = alertmanager_file_read(args, path, &config, &err);
    if (rc == 0)
        rc = cli_flag(args, "tree") ? show(config, &err) : test(args, config, &err);
    am_config_free(config);
    return rc == 0 ? CLI_DONE : cli_fail_err(args, &err);
}
