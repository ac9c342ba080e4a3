/*
 * Reading an alertmanager.yml and the templates that it names; see alertmanager_file.h.
 */
#include "cli/alertmanager_file.h"

#include "base/fs.h"
#include "template/alertmanager.h"

#include <glob.h>
#include <stdio.h>

enum { CONFIG_MAX_BYTES = 8 << 20, TEMPLATE_MAX_BYTES = 1 << 20 };

bool alertmanager_file_mode(const struct cli_args *args, enum am_matcher_mode *ret)
{
    const char *feature = cli_value(args, "enable-feature", "");
    *ret = strcmp(feature, "classic-mode") == 0       ? AM_MATCHERS_CLASSIC
           : strcmp(feature, "utf8-strict-mode") == 0 ? AM_MATCHERS_UTF8
                                                      : AM_MATCHERS_FALLBACK;
    if (*ret != AM_MATCHERS_FALLBACK || feature[0] == '\0')
        return true;
    cli_fail(args, CLI_USAGE, "--enable-feature %s: it is classic-mode or utf8-strict-mode", feature);
    return false;
}

int alertmanager_file_read(const struct cli_args *args, const char *path, struct am_config **ret,
                           struct err *err)
{
    struct buf bytes;
    enum am_matcher_mode mode;
    if (!alertmanager_file_mode(args, &mode))
        return TC_EINPUT;
    buf_init(&bytes, CONFIG_MAX_BYTES);
    int rc = fs_read_file(&fs_system, path, &bytes, err);
    if (rc == 0) {
        rc = am_config_read(buf_view(&bytes), mode, ret, err);
        if (rc != 0)
            snprintf(err->file, sizeof err->file, "%s", path);
    }
    buf_free(&bytes);
    return rc;
}

static int parse_template(struct template_set *set, const char *path, struct err *err)
{
    struct buf bytes;
    buf_init(&bytes, TEMPLATE_MAX_BYTES);
    int rc = fs_read_file(&fs_system, path, &bytes, err);
    if (rc == 0) {
        rc = template_parse(set, SV(""), buf_view(&bytes), err);
        if (rc != 0)
            snprintf(err->file, sizeof err->file, "%s", path);
    }
    buf_free(&bytes);
    return rc;
}

static int parse_glob(struct template_set *set, const char *pattern, struct err *err)
{
    glob_t found = {0};
    int rc = 0;
    if (glob(pattern, 0, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc && rc == 0; i++)
            rc = parse_template(set, found.gl_pathv[i], err);
    globfree(&found);
    return rc;
}

int alertmanager_file_templates(const struct am_config *config, const char *path, struct err *err)
{
    struct template_set *set = NULL;
    const char *slash = strrchr(path, '/');
    size_t folder = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    int rc = template_alertmanager_set(&set, err);
    for (size_t i = 0; i < config->template_count && rc == 0; i++) {
        char pattern[4096];
        struct sv written = config->templates[i];
        bool absolute = sv_starts(written, SV("/"));
        int n =
            snprintf(pattern, sizeof pattern, "%.*s%.*s", absolute ? 0 : (int)folder, path, SV_FMT(written));
        rc = n >= (int)sizeof pattern
                 ? err_set(err, TC_EINPUT, "templates: a path of %d bytes is too long", n)
                 : parse_glob(set, pattern, err);
    }
    template_set_free(set);
    return rc;
}
