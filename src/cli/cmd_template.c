/*
 * `tocsin template`: renders one of Alertmanager's templates with data from a file, to see what a
 * notification will say.
 */
#include "base/clk.h"
#include "base/fs.h"
#include "cli/cli.h"
#include "template/alertmanager.h"

#include <stdio.h>

static const struct option_spec options[] = {
    {"type", OPTION_VALUE, "text|html", "how values are escaped; default text"},
    {"data", OPTION_VALUE, "FILE", "JSON with the data, as a webhook (version 4) has it; default: no data"},
    {"templates", OPTION_LIST, "FILE", "template files beside the default ones; may be given several times"},
    {0}};

enum { FILE_MAX_BYTES = 1 << 20, DATA_MAX_BYTES = 16 << 20, OUT_MAX_BYTES = 16 << 20 };

static int read_data(const char *path, struct arena *arena, struct template_value *ret, struct err *err)
{
    struct buf bytes;
    struct template_value json;
    buf_init(&bytes, DATA_MAX_BYTES);
    int done = fs_read_file(&fs_system, path, &bytes, err);
    if (done == 0) {
        done = template_from_json(arena, arena_sv(arena, buf_view(&bytes)), &json, err);
        if (done == 0)
            done = template_alertmanager_data(arena, json, ret, err);
        if (done != 0)
            snprintf(err->file, sizeof err->file, "%s", path);
    }
    buf_free(&bytes);
    return done;
}

/* Files are named by their last part in error texts, as Go's ParseFiles names them. */
static int add_files(const struct cli_args *args, struct template_set *set, struct err *err)
{
    const char *const *files;
    size_t count = cli_list(args, "templates", &files);
    int done = 0;
    for (size_t i = 0; i < count && done == 0; i++) {
        struct buf bytes;
        const char *slash = strrchr(files[i], '/');
        buf_init(&bytes, FILE_MAX_BYTES);
        done = fs_read_file(&fs_system, files[i], &bytes, err);
        if (done == 0)
            done = template_parse(set, sv_of(slash == NULL ? files[i] : slash + 1), buf_view(&bytes), err);
        buf_free(&bytes);
    }
    return done;
}

static enum cli_exit run(const struct cli_args *args)
{
    const char *const *operands;
    (void)cli_operands(args, &operands);
    const char *type = cli_value(args, "type", "text"), *data = cli_value(args, "data", NULL);
    if (strcmp(type, "text") != 0 && strcmp(type, "html") != 0)
        return cli_fail(args, CLI_USAGE, "--type %s: text or html is meant", type);
    struct template_run how = {
        .html = type[0] == 'h', .missing_key = MISSING_KEY_ZERO, .now_ns = clk_now(&clk_system).ns};
    struct arena arena = {0};
    struct buf out;
    struct err err = {0};
    struct template_set *set = NULL;
    struct template_value value = template_none();
    buf_init(&out, OUT_MAX_BYTES);
    int done = template_alertmanager_set(&set, &err);
    if (done == 0)
        done = add_files(args, set, &err);
    if (done == 0 && data != NULL)
        done = read_data(data, &arena, &value, &err);
    if (done == 0)
        done = template_execute_text(set, SV(""), sv_of(operands[0]), value, &how, &arena, &out, &err);
    if (done == 0)
        fwrite(out.p, 1, out.n, stdout);
    template_set_free(set);
    arena_free(&arena);
    buf_free(&out);
    return done == 0 ? CLI_DONE : cli_fail_err(args, &err);
}

const struct verb verb_template = {
    .name = "template",
    .operands = "TEMPLATE",
    .summary = "render an Alertmanager template with data from a file",
    .details = "TEMPLATE is text such as '{{ template \"slack.default.title\" . }}'. Alertmanager's "
               "functions and the default "
               "templates are there; what is rendered goes to standard output with nothing added. Exit code "
               "2 where the "
               "template cannot be parsed or executed.",
    .options = options,
    .min_operands = 1,
    .max_operands = 1,
    .run = run,
};
