/*
 * Replies: what a handler fills in, and how it becomes bytes on the wire. Every error is JSON and names the
 * remedy; every reply bears the headers that keep a browser from guessing, framing and keeping.
 */
#include "api/api_priv.h"

#include "base/json_out.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

void reply_header(struct reply *reply, const char *name, const char *value)
{
    tc_assert(reply->header_count < TC_REPLY_HEADERS_MAX);
    struct reply_header *header = &reply->headers[reply->header_count++];
    header->name = name;
    snprintf(header->value, sizeof header->value, "%s", value);
}

void reply_json(struct reply *reply, unsigned status)
{
    reply->status = status;
    reply->content_type = "application/json";
}

void reply_error(struct reply *reply, unsigned status, const char *format, ...)
{
    char text[TC_ERR_TEXT_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    reply_json(reply, status);
    buf_clear(&reply->body);
    struct json_out json = json_out_to(&reply->body);
    json_object(&json);
    json_kv_str(&json, "error", text);
    json_object_end(&json);
    if (status == 429 || status == 503)
        reply_header(reply, "Retry-After", "1");
    else if (status == 507) /* somebody must make room first */
        reply_header(reply, "Retry-After", "10");
}

void reply_err(struct reply *reply, const struct err *err)
{
    static const struct {
        int code;
        unsigned status;
    } map[] = {
        {TC_EINPUT, 400}, {TC_ENOTFOUND, 404}, {TC_ESTATE, 409}, {TC_EDENIED, 403},
        {TC_EAGAIN, 429}, {TC_EBOUND, 507},    {TC_EIO, 503},    {TC_EUNSUPPORTED, 400},
    };
    unsigned status = 500;
    for (size_t i = 0; i < TC_ARRAY_LEN(map); i++)
        if (map[i].code == err->code)
            status = map[i].status;
    reply_error(reply, status, "%s", err->text[0] != '\0' ? err->text : "failed without a reason given");
}

void reply_static(struct reply *reply, const char *content_type, struct sv bytes)
{
    reply->status = 200;
    reply->content_type = content_type;
    /* The library takes void *, but only reads what is persistent. */
    union {
        const char *from;
        void *to;
    } p = {.from = bytes.p};
    reply->response = MHD_create_response_from_buffer(bytes.n, p.to, MHD_RESPMEM_PERSISTENT);
}

static struct MHD_Response *response_of(struct reply *reply)
{
    if (reply->response != NULL)
        return reply->response;
    struct MHD_Response *response =
        MHD_create_response_from_buffer(reply->body.n, reply->body.p, MHD_RESPMEM_MUST_FREE);
    if (response != NULL)
        reply->body.p = NULL; /* the response's own now */
    return response;
}

static void add_headers(const struct reply *reply, struct MHD_Response *response)
{
    static const char *const always[][2] = {
        {"X-Content-Type-Options", "nosniff"},
        {"X-Frame-Options", "DENY"},
        {"Referrer-Policy", "no-referrer"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; "
                                    "frame-ancestors 'none'; object-src 'none'"},
        {"Cache-Control", "no-store"},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(always); i++)
        MHD_add_response_header(response, always[i][0], always[i][1]);
    if (reply->content_type != NULL)
        MHD_add_response_header(response, "Content-Type", reply->content_type);
    for (size_t i = 0; i < reply->header_count; i++)
        MHD_add_response_header(response, reply->headers[i].name, reply->headers[i].value);
}

enum MHD_Result reply_send(struct reply *reply, struct MHD_Connection *connection)
{
    struct MHD_Response *response = reply->body.overflow ? NULL : response_of(reply);
    enum MHD_Result result = MHD_NO; /* closes the connection: the library has no memory, or we no room */
    if (response != NULL) {
        reply->response = NULL;
        add_headers(reply, response);
        result = MHD_queue_response(connection, reply->status, response);
        MHD_destroy_response(response);
    }
    reply_free(reply);
    return result;
}

void reply_free(struct reply *reply)
{
    if (reply->response != NULL)
        MHD_destroy_response(reply->response);
    buf_free(&reply->body);
    *reply = (struct reply){0};
}
