/*
 * The kinds of value that a setting may have; see config_priv.h.
 */
#include "app/config_priv.h"

#include "base/fs.h"
#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>

enum { SECRET_MAX = 8192, SETTINGS_MAX = 64 };

int setting_bad(struct reading *r, const struct yaml_node *node, const char *what)
{
    return err_at(r->err, TC_EINPUT, r->file, node->line, node->column, "%.*s: %s", SV_FMT(node->key), what);
}

int setting_text(struct reading *r, const struct yaml_node *node, struct sv *ret)
{
    if (node->type != YAML_SCALAR || yaml_is_null(node) || node->text.n == 0)
        return setting_bad(r, node, "a text is expected here");
    *ret = arena_sv(&r->config->arena, node->text);
    return 0;
}

int setting_duration(struct reading *r, const struct yaml_node *node, int64_t *ret)
{
    struct err err;
    if (node->type != YAML_SCALAR || clk_parse_duration(node->text, ret, &err) != 0)
        return setting_bad(r, node, "a duration is expected here, such as 30s, 5m or 1h30m");
    return 0;
}

int setting_number(struct reading *r, const struct yaml_node *node, uint64_t min, uint64_t max, uint64_t *ret)
{
    if (node->type == YAML_SCALAR && num_u64(node->text, min, max, ret))
        return 0;
    char text[96];
    snprintf(text, sizeof text, "a whole number from %llu to %llu is expected here", (unsigned long long)min,
             (unsigned long long)max);
    return setting_bad(r, node, text);
}

/* A secret is named, never written: env:NAME or file:PATH. Its value stays out of every message. */
int setting_secret(struct reading *r, const struct yaml_node *node, struct sv *ret)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    if (rc != 0)
        return rc;
    if (sv_starts(text, SV("env:"))) {
        const char *value = getenv(text.p + 4);
        if (value == NULL || value[0] == '\0')
            return err_at(r->err, TC_EINPUT, r->file, node->line, node->column,
                          "%.*s: the environment variable %s is not set", SV_FMT(node->key), text.p + 4);
        *ret = arena_sv(&r->config->arena, sv_trim(sv_of(value)));
        return 0;
    }
    if (!sv_starts(text, SV("file:")))
        return setting_bad(r, node, "secrets are not written here: name one as env:NAME or file:PATH");
    struct buf bytes;
    struct err err;
    buf_init(&bytes, SECRET_MAX);
    rc = fs_read_file(&fs_system, text.p + 5, &bytes, &err);
    if (rc != 0)
        rc = err_at(r->err, TC_EINPUT, r->file, node->line, node->column, "%.*s: %s", SV_FMT(node->key),
                    err.text);
    else if (sv_trim(buf_view(&bytes)).n == 0)
        rc = setting_bad(r, node, "the secret's file is empty");
    else
        *ret = arena_sv(&r->config->arena, sv_trim(buf_view(&bytes)));
    buf_free(&bytes);
    return rc;
}

int setting_section(struct reading *r, const struct yaml_node *map, const struct setting *settings)
{
    const char *known[SETTINGS_MAX] = {0};
    if (map->type != YAML_MAP)
        return setting_bad(r, map, "a map of settings is expected here");
    for (size_t i = 0; settings[i].key != NULL; i++) {
        tc_assert(i + 1 < SETTINGS_MAX);
        known[i] = settings[i].key;
    }
    int rc = yaml_check_keys(map, r->file, known, r->err);
    for (size_t i = 0; rc == 0 && settings[i].key != NULL; i++) {
        const struct yaml_node *node = yaml_get(map, settings[i].key);
        if (node != NULL)
            rc = settings[i].read(r, node);
    }
    return rc;
}

/* Each element of a list of maps is read by `settings` into rows[i]. */
int setting_rows(struct reading *r, const struct yaml_node *list, const struct setting *settings, void *rows,
                 size_t row_bytes)
{
    int rc = 0;
    size_t i = 0;
    for (const struct yaml_node *n = list->first; rc == 0 && n != NULL; n = n->next, i++) {
        r->item = (char *)rows + i * row_bytes;
        rc = setting_section(r, n, settings);
    }
    return rc;
}

int setting_list(struct reading *r, const struct yaml_node *node)
{
    if (node->type != YAML_LIST || node->count > LIST_MAX)
        return setting_bad(r, node, "a list (of at most 256) is expected here");
    return 0;
}

int setting_names(struct reading *r, const struct yaml_node *node, size_t max, const struct sv **ret,
                  size_t *ret_count)
{
    if (node->type == YAML_LIST && node->count > max)
        return setting_bad(r, node, "the list is too long");
    if (node->type != YAML_LIST && node->type != YAML_SCALAR)
        return setting_bad(r, node, "a list is expected here");
    struct sv *names = ARENA_ARRAY(&r->config->arena, struct sv, node->count + 1);
    int rc = 0;
    size_t count = 0;
    if (node->type == YAML_SCALAR)
        rc = setting_text(r, node, &names[count++]);
    for (const struct yaml_node *n = node->first; rc == 0 && node->type == YAML_LIST && n != NULL;
         n = n->next)
        rc = n->type == YAML_SCALAR && n->text.n > 0
                 ? (names[count++] = arena_sv(&r->config->arena, n->text), 0)
                 : setting_bad(r, node, "a list of texts is expected here");
    *ret = names;
    *ret_count = count;
    return rc;
}

int setting_bool(struct reading *r, const struct yaml_node *node, bool *ret)
{
    return yaml_bool(node, ret) ? 0 : setting_bad(r, node, "true or false is expected here");
}
