/*
 * The HTTP client of verbs; see client.h.
 */
#include "cli/client.h"

#include "base/arena.h"
#include "base/json_out.h"
#include "event/json.h"

#include <ctype.h>
#include <curl/curl.h>
#include <unistd.h>

enum { BEARER_MAX_BYTES = 8192 };

static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
    struct buf *body = context;
    buf_add(body, bytes, size * count);
    return body->overflow ? 0 : size * count;
}

static struct curl_slist *with_bearer(struct curl_slist *headers, const char *bearer, struct err *err)
{
    struct buf header;
    buf_init(&header, BEARER_MAX_BYTES);
    buf_printf(&header, "Authorization: Bearer %s", bearer);
    buf_char(&header, '\0');
    if (header.overflow)
        err_set(err, TC_EINPUT, "the token is longer than %d bytes", BEARER_MAX_BYTES);
    else
        headers = curl_slist_append(headers, header.p);
    buf_free(&header);
    return headers;
}

int client_request(const struct client_call *call, struct buf *body, long *ret_status, struct err *err)
{
    struct err problem = {0};
    struct curl_slist *headers =
        call->post != NULL ? curl_slist_append(NULL, "Content-Type: application/json") : NULL;
    if (call->bearer != NULL)
        headers = with_bearer(headers, call->bearer, &problem);
    CURL *curl = problem.code == 0 ? curl_easy_init() : NULL;
    if (curl == NULL) {
        curl_slist_free_all(headers);
        return problem.code != 0 ? err_set(err, problem.code, "%s", problem.text)
                                 : err_set(err, TC_EIO, "cannot start the HTTP client");
    }
    curl_easy_setopt(curl, CURLOPT_URL, call->url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT,
                     call->timeout_s > 0 ? call->timeout_s : (long)TC_CLIENT_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "tocsin/" TC_VERSION);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    if (call->post != NULL)
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, call->post);
    CURLcode code = curl_easy_perform(curl);
    if (code == CURLE_OK)
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, ret_status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK)
        return err_set(err, TC_EIO,
                       "cannot reach %s: %s (is `tocsin run` running? --url names another server)", call->url,
                       curl_easy_strerror(code));
    return 0;
}

enum cli_exit client_exit(const struct cli_args *args, long status, struct sv body)
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

enum cli_exit client_talk(const struct cli_args *args, const char *path, const char *post, struct buf *body)
{
    struct buf url;
    struct err err;
    long status = 0;
    enum cli_exit code;
    buf_init(&url, 16 << 10);
    buf_printf(&url, "%s%s", cli_value(args, "url", TC_SERVER_URL), path);
    buf_char(&url, '\0');
    if (url.overflow)
        code = cli_fail(args, CLI_USAGE, "the URL is too long");
    else if (client_request(&(struct client_call){.url = url.p, .post = post}, body, &status, &err) != 0)
        code = cli_fail_err(args, &err);
    else
        code = client_exit(args, status, buf_view(body));
    buf_free(&url);
    return code;
}

void client_command_body(const struct cli_args *args, const struct client_member_option *options,
                         struct buf *out)
{
    struct json_out json = json_out_to(out);
    const char *by = cli_value(args, "by", NULL), *login = getlogin();
    json_object(&json);
    json_kv_str(&json, "by", by != NULL ? by : login != NULL ? login : "cli");
    for (; options->option != NULL; options++)
        if (cli_value(args, options->option, NULL) != NULL)
            json_kv_str(&json, options->member, cli_value(args, options->option, NULL));
    json_object_end(&json);
    buf_char(out, '\0');
}

void client_encode(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++)
        if (isalnum((unsigned char)*text) || strchr("-._~", *text) != NULL)
            buf_char(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned char)*text);
}

bool client_member(struct sv *rest, struct sv *ret)
{
    *rest = sv_trim(*rest);
    while (rest->n > 0 && (rest->p[0] == '[' || rest->p[0] == ','))
        *rest = sv_trim(sv_from(*rest, 1));
    if (rest->n == 0 || rest->p[0] != '{')
        return false;
    size_t n = json_value_length(*rest);
    if (n == 0)
        return false;
    *ret = sv_head(*rest, n);
    *rest = sv_from(*rest, n);
    return true;
}
