/*
 * Asking a running server; see client.h.
 */
#include "cli/client.h"

#include <curl/curl.h>

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct buf *body = context;
    buf_add(body, bytes, size * count);
    return body->overflow ? 0 : size * count;
}

int client_request(const char *url, const char *post, long timeout_s, struct buf *body, long *ret_status,
                   struct err *err)
{
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return err_set(err, TC_EIO, "cannot start the HTTP client");
    struct curl_slist *headers =
        post != NULL ? curl_slist_append(NULL, "Content-Type: application/json") : NULL;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, timeout_s);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "tocsin/" TC_VERSION);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    if (post != NULL) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, post);
        curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    }
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK)
        return err_set(err, TC_EIO,
                       "cannot reach %s: %s (is `tocsin run` running? --url names another server)", url,
                       curl_easy_strerror(code));
    return 0;
}
