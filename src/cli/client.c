/*
 * Talking to a running server; see client.h.
 */
#include "cli/client.h"

#include "base/arena.h"
#include "event/json.h"

#include <curl/curl.h>

enum { REQUEST_TIMEOUT_S = 30 };

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct buf *body = context;
    buf_add(body, bytes, size * count);
    return body->overflow ? 0 : size * count;
}

int client_request(const char *url, const char *post, struct buf *body, long *ret_status, struct err *err)
{
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return err_set(err, TC_EIO, "cannot start the HTTP client");
    struct curl_slist *headers =
        post != NULL ? curl_slist_append(NULL, "Content-Type: application/json") : NULL;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)REQUEST_TIMEOUT_S);
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

enum cli_exit client_answer(const struct cli_args *args, long status, struct sv body)
{
    if (status >= 200 && status < 300)
        return CLI_DONE;
    struct arena arena = {0};
    struct event e = {.time = {TC_NO_TIME}};
    struct err err;
    struct sv text = {0};
    if (json_parse_event(body, &arena, &e, &err) == 0) {
        event_index(&e, &arena);
        text = event_value(&e, "error");
    }
    cli_fail(args, CLI_USAGE, "the server answered %ld%s%.*s", status, text.n > 0 ? ": " : "", SV_FMT(text));
    arena_free(&arena);
    return status >= 500 ? CLI_FAILED : CLI_USAGE;
}
