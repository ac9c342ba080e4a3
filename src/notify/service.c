/*
 * Requests to HTTP services; see service.h.
 */
#include "notify/service.h"

#include <stdio.h>
#include <stdlib.h>

enum { URL_BYTES = 8 << 10, HEADER_BYTES = 8 << 10, RECORD_SEPARATOR = 0x1e };

/* --- writing the list -------------------------------------------------------------------------------------
 */

static void percent_encode(struct sv text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     (c != '\0' && strchr("-_.~", c) != NULL);
        if (plain)
            buf_char(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

struct sv service_path_part(struct sv part, struct buf *scratch)
{
    size_t from = scratch->n;
    percent_encode(part, scratch);
    return sv_from(buf_view(scratch), from);
}

void service_begin(struct buf *out, const char *method)
{
    buf_str(out, method);
    buf_char(out, ' ');
}

void service_body(struct buf *out)
{
    buf_char(out, '\n');
}

void service_end(struct buf *out)
{
    buf_char(out, RECORD_SEPARATOR);
}

void service_form(struct buf *out, const char *name, struct sv value)
{
    if (out->n > 0 && out->p[out->n - 1] != '\n')
        buf_char(out, '&');
    buf_str(out, name);
    buf_char(out, '=');
    percent_encode(value, out);
}

/* --- using it ---------------------------------------------------------------------------------------------
 */

size_t service_steps(struct sv list)
{
    size_t count = 0;
    for (size_t i = 0; i < list.n; i++)
        count += list.p[i] == RECORD_SEPARATOR;
    return count;
}

static void put_address(const struct service *service, const struct channel_config *config, struct buf *out)
{
    const struct sv mark = SV("{region}");
    struct sv address = config->api_url.n > 0   ? config->api_url
                        : service->base != NULL ? sv_of(service->base)
                                                : config->url;
    size_t at = config->api_url.n > 0 || service->base == NULL ? address.n : sv_find(address, mark);
    buf_sv(out, sv_head(address, at));
    if (at < address.n) {
        buf_sv(out, config->region);
        buf_sv(out, sv_from(address, at + mark.n));
    }
}

static int check_address(const struct service *service, const struct channel_config *config, struct err *err)
{
    struct buf url;
    buf_init(&url, URL_BYTES);
    put_address(service, config, &url);
    int rc = url.n == 0 ? err_set(err, TC_EINPUT, "it needs a url: the address of the webhook")
                        : http_check_url(buf_view(&url), err);
    buf_free(&url);
    return rc;
}

int service_check(const struct service *service, const struct channel_config *config, struct err *err)
{
    if (service->login == LOGIN_HEADER && config->token.n == 0)
        return err_set(err, TC_EINPUT, "it needs a token, as env:NAME or file:PATH");
    if ((service->login == LOGIN_ACCOUNT || service->login == LOGIN_AWS) &&
        (config->token.n == 0 || config->account.n == 0))
        return err_set(err, TC_EINPUT, "it needs an account, and its token as env:NAME or file:PATH");
    if (http_check_header(SV("X-Token"), config->token, NULL) != 0)
        return err_set(err, TC_EINPUT, "its token holds a control character, or is too long");
    return check_address(service, config, err);
}

struct request {
    struct sv method, path, body;
};

static bool request_at(struct sv list, size_t step, struct request *ret)
{
    struct sv record = {0};
    for (size_t i = 0; i <= step; i++) {
        if (list.n == 0)
            return false;
        record = sv_cut(&list, RECORD_SEPARATOR);
    }
    struct sv line = sv_cut(&record, '\n');
    ret->method = sv_cut(&line, ' ');
    ret->path = line;
    ret->body = record;
    return ret->method.n > 0;
}

/* "aws:amz:eu-west-1:sns" */
static void put_aws(const struct service *service, const struct channel_config *config, struct buf *out)
{
    buf_printf(out, "aws:amz:%.*s:%s", SV_FMT(config->region), service->aws_service);
}

static void put_login(const struct service *service, const struct channel_config *config,
                      struct http_post *post, struct buf *header, struct buf *aws)
{
    bool basic = service->login == LOGIN_BASIC && config->auth_username.n > 0;
    if (service->login == LOGIN_ACCOUNT || service->login == LOGIN_AWS) {
        post->username = config->account;
        post->password = config->token;
    } else if (basic) {
        post->username = config->auth_username;
        post->password = config->auth_password;
    } else if (service->header != NULL && config->token.n > 0) {
        buf_str(header, service->header);
        buf_sv(header, config->token);
    }
    if (service->login == LOGIN_AWS) {
        put_aws(service, config, aws);
        post->aws_sigv4 = buf_view(aws);
    }
}

struct transfer *service_send(const struct service *service, const struct channel_config *config,
                              const struct parcel *parcel)
{
    struct request request;
    if (!request_at(parcel->body, parcel->step, &request))
        return NULL;
    struct buf url, header, aws, key;
    buf_init(&url, URL_BYTES);
    buf_init(&key, URL_BYTES);
    buf_init(&header, HEADER_BYTES);
    buf_init(&aws, 256);
    put_address(service, config, &url);
    while (sv_starts(request.path, SV("/")) && url.n > 0 && url.p[url.n - 1] == '/')
        url.n--;
    buf_sv(&url, request.path);
    buf_sv(&key, parcel->key);
    if (parcel->step > 0) /* each request is one of its own */
        buf_printf(&key, "/%zu", parcel->step);
    struct http_post post = {.url = buf_view(&url),
                             .method = request.method,
                             .content_type = service->content_type,
                             .key = buf_view(&key),
                             .body = request.body,
                             .ca_file = config->ca_file,
                             .timeout_ns = parcel->timeout_ns,
                             .reading = &service->reading};
    put_login(service, config, &post, &header, &aws);
    struct sv lines[] = {buf_view(&header)};
    post.headers = lines;
    post.header_count = header.n > 0;
    struct transfer *transfer = url.overflow || header.overflow ? NULL : http_transfer_new(&post);
    if (header.n > 0)
        explicit_bzero(header.p, header.n);
    explicit_bzero(url.p, url.n);
    buf_free(&url);
    buf_free(&header);
    buf_free(&aws);
    buf_free(&key);
    return transfer;
}
