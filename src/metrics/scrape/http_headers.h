/*
 * http_headers of Prometheus' client settings: headers of one's own, with values, secrets and files.
 */
#ifndef METRICS_SCRAPE_HTTP_HEADERS_H
#define METRICS_SCRAPE_HTTP_HEADERS_H

#include "base/fs.h"
#include "metrics/rules/typed_yaml.h"

#include <curl/curl.h>

struct http_header {
    const char *name, *value, *file; /* the file holds the value where it is not NULL */
};
struct http_headers {
    struct http_header *items; /* one for each value */
    size_t n;
};

/* Paths become relative to `dir`; texts lie in the arena of the reading. Problems go to yaml->problems. */
void http_headers_read(struct typed_yaml *yaml, const struct yaml_node *node, const char *dir,
                       struct http_headers *ret);
/* Appends them to *headers. TC_EIO where a file cannot be read, TC_EINPUT where it holds no header's value.
 */
int http_headers_apply(const struct http_headers *own, const struct fs *fs, struct curl_slist **headers,
                       struct err *err);

#endif
