/*
 * Headers of one's own; see http_headers.h.
 */
#include "metrics/scrape/http_headers.h"

#include "metrics/grow.h"
#include "metrics/scrape/http_client.h"

#include <stdio.h>

enum { HEADER_MAX = 16 << 10, HEADERS_MAX = 100 };

/* That change the connection, or that the client sets itself. */
static const char *const reserved[] = {"Authorization",
                                       "Host",
                                       "Content-Encoding",
                                       "Content-Length",
                                       "Content-Type",
                                       "User-Agent",
                                       "Connection",
                                       "Keep-Alive",
                                       "Proxy-Authenticate",
                                       "Proxy-Authorization",
                                       "Www-Authenticate",
                                       "Accept-Encoding",
                                       "X-Prometheus-Remote-Write-Version",
                                       "X-Prometheus-Remote-Read-Version",
                                       "X-Prometheus-Scrape-Timeout-Seconds",
                                       "X-Amz-Date",
                                       "X-Amz-Security-Token",
                                       "X-Amz-Content-Sha256"};

struct header_fields {
    struct typed_list values, secrets, files;
};
static const struct typed_field header_fields[] = {
    {"values", TYPED_LIST, offsetof(struct header_fields, values)},
    {"secrets", TYPED_LIST, offsetof(struct header_fields, secrets)},
    {"files", TYPED_LIST, offsetof(struct header_fields, files)},
    {0},
};

static const char *reserved_name(struct sv name)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(reserved); i++)
        if (sv_eq_nocase(name, sv_of(reserved[i])))
            return reserved[i];
    return NULL;
}

/* A line of a header holds no line end, and its name what a token has (RFC 9110, 5.6.2). */
static bool is_name(struct sv name)
{
    for (size_t i = 0; i < name.n; i++) {
        char c = name.p[i];
        if (c <= ' ' || c >= 127 || strchr("\"(),/:;<=>?@[\\]{}", c) != NULL)
            return false;
    }
    return name.n > 0;
}

static bool is_value(struct sv value)
{
    for (size_t i = 0; i < value.n; i++)
        if (value.p[i] == '\r' || value.p[i] == '\n' || value.p[i] == '\0')
            return false;
    return true;
}

static void add_each(struct typed_yaml *yaml, const char *name, const struct typed_list *list, bool files,
                     const char *dir, struct http_headers *ret, size_t *io_capacity)
{
    for (const struct yaml_node *n = list->first; n != NULL; n = n->next) {
        if (n->type != YAML_SCALAR || !is_value(n->text) || ret->n == HEADERS_MAX) {
            rule_problem_add(yaml->problems, false, n->line, n->column,
                             ret->n == HEADERS_MAX ? "more than %d headers"
                                                   : "a header's value is one line of text",
                             HEADERS_MAX);
            return;
        }
        ret->items = grow(yaml->arena, ret->items, ret->n, io_capacity, sizeof *ret->items);
        ret->items[ret->n++] =
            (struct http_header){.name = name,
                                 .value = files ? NULL : arena_str(yaml->arena, n->text),
                                 .file = files ? http_client_path(yaml->arena, dir, n->text) : NULL};
    }
}

void http_headers_read(struct typed_yaml *yaml, const struct yaml_node *node, const char *dir,
                       struct http_headers *ret)
{
    size_t capacity = 0;
    *ret = (struct http_headers){0};
    if (node->type != YAML_MAP) {
        rule_problem_add(yaml->problems, false, node->line, node->column,
                         "a map of headers is expected here");
        return;
    }
    for (const struct yaml_node *header = node->first; header != NULL; header = header->next) {
        struct header_fields f = {0};
        const char *taken = reserved_name(header->key);
        if (taken != NULL || !is_name(header->key)) {
            rule_problem_add(yaml->problems, false, header->key_line, header->key_column,
                             taken != NULL ? "setting header \"%s\" is not allowed"
                                           : "\"%s\" is no header's name",
                             taken != NULL ? taken : arena_str(yaml->arena, sv_head(header->key, 100)));
            continue;
        }
        const char *name = arena_str(yaml->arena, header->key);
        typed_map(yaml, header, header_fields, "a header", &f);
        add_each(yaml, name, &f.values, false, dir, ret, &capacity);
        add_each(yaml, name, &f.secrets, false, dir, ret, &capacity);
        add_each(yaml, name, &f.files, true, dir, ret, &capacity);
    }
}

int http_headers_apply(const struct http_headers *own, const struct fs *fs, struct curl_slist **headers,
                       struct err *err)
{
    struct buf line, file;
    int rc = 0;
    buf_init(&line, HEADER_MAX);
    buf_init(&file, HEADER_MAX / 2);
    for (size_t i = 0; i < own->n && rc == 0; i++) {
        const struct http_header *header = &own->items[i];
        struct sv value = header->value == NULL ? SV("") : sv_of(header->value);
        buf_clear(&line);
        buf_clear(&file);
        if (header->file != NULL)
            rc = fs_read_file(fs, header->file, &file, err);
        if (rc == 0 && header->file != NULL)
            value = sv_trim(buf_view(&file));
        if (rc == 0 && !is_value(value))
            rc = err_set(err, TC_EINPUT, "%s holds no value of the header %s: it is one line", header->file,
                         header->name);
        /* libcurl sends an empty header only where a semicolon stands in place of the colon */
        buf_printf(&line, value.n > 0 ? "%s: %.*s" : "%s;", header->name, SV_FMT(value));
        buf_char(&line, '\0');
        if (rc == 0 && line.overflow)
            rc = err_set(err, TC_EBOUND, "the header %s is too long", header->name);
        if (rc == 0)
            *headers = curl_slist_append(*headers, line.p);
    }
    buf_free(&line);
    buf_free(&file);
    return rc;
}
