/*
 * POSTs and their answers; see http.h.
 */
#include "notify/http.h"

#include "base/arena.h"
#include "base/num.h"
#include "event/json.h"
#include "notify/retry.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

/* Who reads a JSON answer needs all of it. */
enum { RESPONSE_BYTES = 4096, READ_RESPONSE_BYTES = 64 << 10, KEY_HEADER_BYTES = 4096, WORD_BYTES = 60 };

struct http_request {
    struct transfer transfer;
    const struct http_reading *reading; /* NULL: the status says it all */
    struct curl_slist *headers;
    struct buf response;
};

static pthread_once_t setup_once = PTHREAD_ONCE_INIT;
static CURLcode setup_outcome;

static void setup(void)
{
    setup_outcome = curl_global_init(CURL_GLOBAL_DEFAULT);
}

int http_setup(struct err *err)
{
    pthread_once(&setup_once, setup);
    return setup_outcome == CURLE_OK ? 0 : err_set(err, TC_EIO, "libcurl cannot start");
}

static bool is_http(CURLU *parts)
{
    char *scheme = NULL, *host = NULL;
    bool ok = curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK && host[0] != '\0' &&
              (sv_is(sv_of(scheme), "http") || sv_is(sv_of(scheme), "https"));
    curl_free(scheme);
    curl_free(host);
    return ok;
}

int http_check_url(struct sv url, struct err *err)
{
    bool plain = url.n > 0;
    for (size_t i = 0; i < url.n; i++)
        plain = plain && (unsigned char)url.p[i] > ' ' && url.p[i] != 0x7f;
    char *text = tc_alloc(url.n + 1);
    memcpy(text, url.p, url.n);
    CURLU *parts = curl_url();
    bool ok =
        plain && parts != NULL && curl_url_set(parts, CURLUPART_URL, text, 0) == CURLUE_OK && is_http(parts);
    curl_url_cleanup(parts);
    free(text);
    return ok ? 0
              : err_set(err, TC_EINPUT,
                        "its url (not shown: it is a secret) is not an http or https address");
}

static size_t take_response(char *bytes, size_t size, size_t n, void *context)
{
    struct http_request *r = context;
    size_t take = TC_MIN(r->response.max_bytes - r->response.n, size * n);
    buf_add(&r->response, bytes, take);
    return take; /* short where it is full: libcurl ends the transfer */
}

static void add_header(struct http_request *r, const char *line)
{
    struct curl_slist *longer = curl_slist_append(r->headers, line);
    tc_assert(longer != NULL);
    r->headers = longer;
}

/* Keys are ours and plain; a byte that could end the header is written as %XX. */
static void add_key(struct http_request *r, struct sv key)
{
    char line[KEY_HEADER_BYTES];
    struct buf out = {.p = line, .capacity = sizeof line, .max_bytes = sizeof line - 1};
    buf_str(&out, "Idempotency-Key: ");
    for (size_t i = 0; i < key.n; i++) {
        unsigned char c = (unsigned char)key.p[i];
        if (c > ' ' && c < 0x7f)
            buf_char(&out, key.p[i]);
        else
            buf_printf(&out, "%%%02X", c);
    }
    line[out.n] = '\0';
    add_header(r, line);
}

static char *text_of(struct sv text)
{
    char *copy = tc_alloc(text.n + 1);
    if (text.n > 0)
        memcpy(copy, text.p, text.n);
    return copy;
}

/* Where the text is a secret, it does not stay behind in memory that was given back. */
static CURLcode set_text(CURL *easy, CURLoption option, struct sv text)
{
    if (text.n == 0)
        return CURLE_OK;
    char *copy = text_of(text);
    CURLcode rc = curl_easy_setopt(easy, option, copy);
    explicit_bzero(copy, text.n);
    free(copy);
    return rc;
}

static bool set_authentication(CURL *easy, const struct http_post *post)
{
    bool ok = true;
    if (post->bearer_token.n > 0)
        ok = curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BEARER) == CURLE_OK &&
             set_text(easy, CURLOPT_XOAUTH2_BEARER, post->bearer_token) == CURLE_OK;
    else if (post->username.n > 0)
        ok = curl_easy_setopt(easy, CURLOPT_HTTPAUTH, (long)CURLAUTH_BASIC) == CURLE_OK &&
             set_text(easy, CURLOPT_USERNAME, post->username) == CURLE_OK &&
             set_text(easy, CURLOPT_PASSWORD, post->password) == CURLE_OK;
    return ok && set_text(easy, CURLOPT_AWS_SIGV4, post->aws_sigv4) == CURLE_OK;
}

static void free_request(struct transfer *transfer);
static void judge(const struct transfer *transfer, CURLcode outcome, int64_t now_ns, struct answer *ret);

struct transfer *http_transfer_new(const struct http_post *post)
{
    struct http_request *r = tc_alloc(sizeof *r);
    char type[128];
    r->transfer.judge = judge;
    r->transfer.free = free_request;
    r->reading = post->reading;
    buf_init(&r->response, post->reading == NULL ? RESPONSE_BYTES : READ_RESPONSE_BYTES);
    snprintf(type, sizeof type, "Content-Type: %s", post->content_type);
    add_header(r, type);
    if (post->aws_sigv4.n == 0)   /* libcurl would sign the header that it then leaves out */
        add_header(r, "Expect:"); /* a round trip saved */
    if (post->key.n > 0)
        add_key(r, post->key);
    for (size_t i = 0; i < post->header_count; i++) {
        char *line = text_of(post->headers[i]);
        add_header(r, line);
        free(line);
    }
    long timeout_ms = (long)TC_MAX(post->timeout_ns / 1000000, INT64_C(1));
    CURL *easy = r->transfer.easy = curl_easy_init();
    bool ok = easy != NULL && set_text(easy, CURLOPT_URL, post->url) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
              set_text(easy, CURLOPT_CAINFO, post->ca_file) == CURLE_OK && set_authentication(easy, post) &&
              curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_USERAGENT, "tocsin/" TC_VERSION) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_HTTPHEADER, r->headers) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_POST, 1L) == CURLE_OK &&
              (post->method.n == 0 || sv_is(post->method, "POST") ||
               set_text(easy, CURLOPT_CUSTOMREQUEST, post->method) == CURLE_OK) &&
              curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post->body.n) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_POSTFIELDS, post->body.p) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_response) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_WRITEDATA, r) == CURLE_OK;
    if (ok)
        return &r->transfer;
    free_request(&r->transfer);
    return NULL;
}

static void free_request(struct transfer *transfer)
{
    struct http_request *r = (struct http_request *)(void *)transfer;
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(r->headers);
    buf_free(&r->response);
    free(r);
}

static bool is_token(struct sv name)
{
    for (size_t i = 0; i < name.n; i++)
        if ((unsigned char)name.p[i] <= ' ' || (unsigned char)name.p[i] >= 0x7f ||
            strchr("()<>@,;:\\\"/[]?={}", name.p[i]) != NULL)
            return false;
    return name.n > 0 && name.n <= 100;
}

int http_check_header(struct sv name, struct sv value, struct err *err)
{
    static const char *const ours[] = {"content-type", "content-length",     "transfer-encoding",
                                       "host",         "idempotency-key",    "connection",
                                       "expect",       "x-tocsin-signature", "x-tocsin-timestamp",
                                       "authorization"};
    if (!is_token(name))
        return err_set(err, TC_EINPUT, "the name of a header is letters, digits and dashes");
    for (size_t i = 0; i < TC_ARRAY_LEN(ours); i++)
        if (sv_eq_nocase(name, sv_of(ours[i])))
            return err_set(err, TC_EINPUT, "the header %s cannot be configured", ours[i]);
    if (value.n > 4096)
        return err_set(err, TC_EINPUT, "the value of the header %.*s is longer than 4096 bytes",
                       SV_FMT(name));
    for (size_t i = 0; i < value.n; i++)
        if (((unsigned char)value.p[i] < ' ' && value.p[i] != '\t') || value.p[i] == 0x7f)
            return err_set(err, TC_EINPUT, "the value of the header %.*s holds a control character",
                           SV_FMT(name));
    return 0;
}

static bool stands_in_url(const struct http_request *r, struct sv word)
{
    const char *url = NULL;
    return curl_easy_getinfo(r->transfer.easy, CURLINFO_EFFECTIVE_URL, &url) != 0 || url == NULL ||
           sv_find(sv_of(url), word) < strlen(url);
}

/* A server's word for what it minds, such as Slack's "invalid_payload": letters and underscores only, and not
 * a part of the URL that it might be echoing. */
static struct sv server_word(const struct http_request *r)
{
    struct sv word = sv_trim(buf_view(&r->response));
    if (word.n == 0 || word.n > WORD_BYTES)
        return SV("");
    for (size_t i = 0; i < word.n; i++)
        if ((word.p[i] < 'a' || word.p[i] > 'z') && word.p[i] != '_' && word.p[i] != ' ')
            return SV("");
    return stands_in_url(r, word) ? SV("") : word;
}

/* The same of a member of a JSON answer: words, or a number of up to six digits. No token is only that. */
static struct sv told_error(const struct http_request *r, struct sv text)
{
    size_t digits = 0;
    if (text.n == 0 || text.n > WORD_BYTES)
        return SV("");
    for (size_t i = 0; i < text.n; i++) {
        bool letter = (text.p[i] >= 'a' && text.p[i] <= 'z') || (text.p[i] >= 'A' && text.p[i] <= 'Z') ||
                      (text.p[i] != '\0' && strchr("_ :,.'-", text.p[i]) != NULL);
        digits += text.p[i] >= '0' && text.p[i] <= '9';
        if (!letter && digits == 0)
            return SV("");
    }
    if (digits > 0 && (digits != text.n || digits > 6))
        return SV("");
    return digits == 0 && stands_in_url(r, text) ? SV("") : text;
}

static const struct {
    long from, to;
    enum send_result result;
    bool destination_down;
} statuses[] = {
    {200, 299, SEND_OK, false},   {408, 408, SEND_RETRY, false},   {425, 425, SEND_RETRY, false},
    {429, 429, SEND_RETRY, true}, {400, 499, SEND_REFUSED, false}, {502, 504, SEND_RETRY, true},
};

static void judge_status(const struct http_request *r, long status, struct answer *ret)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(statuses); i++)
        if (status >= statuses[i].from && status <= statuses[i].to) {
            ret->result = statuses[i].result;
            ret->destination_down = statuses[i].destination_down;
            break;
        }
    struct sv word = server_word(r);
    snprintf(ret->detail, sizeof ret->detail, word.n > 0 ? "HTTP status %ld: %.*s" : "HTTP status %ld%.*s",
             status, SV_FMT(word));
    /* A proxy's login or error page is not the webhook's answer. */
    struct sv response = sv_trim(buf_view(&r->response));
    bool takes_xml = r->reading != NULL && r->reading->xml_id != NULL;
    if (ret->result == SEND_OK && response.n > 0 && response.p[0] == '<' && !takes_xml) {
        ret->result = SEND_RETRY;
        snprintf(ret->detail, sizeof ret->detail, "HTTP status %ld with a web page: not the webhook's answer",
                 status);
    }
}

/* Plain words only: it goes into receipts. */
static void take_id(const struct event *said, const struct http_reading *reading, struct answer *ret)
{
    char id[sizeof ret->provider_id];
    size_t n = 0;
    for (size_t i = 0; i < TC_ARRAY_LEN(reading->id_members) && reading->id_members[i] != NULL; i++) {
        struct sv part = event_value(said, reading->id_members[i]);
        if (part.n == 0 && reading->id_otherwise != NULL)
            part = event_value(said, reading->id_otherwise);
        if (part.n == 0 || n + 1 + part.n >= sizeof id)
            return;
        if (i > 0)
            id[n++] = ':';
        for (size_t j = 0; j < part.n; j++) {
            if (part.p[j] <= ' ' || (unsigned char)part.p[j] >= 0x7f)
                return;
            id[n++] = part.p[j];
        }
    }
    memcpy(ret->provider_id, id, n);
    ret->provider_id[n] = '\0';
}

/* <MessageId>94f20ce6-13c5</MessageId> */
static void take_xml_id(struct sv text, const char *element, struct answer *ret)
{
    char open[64];
    int n = snprintf(open, sizeof open, "<%s>", element);
    size_t at = sv_find(text, sv_make(open, (size_t)n));
    struct sv id = sv_from(text, at + (size_t)n);
    id = sv_head(id, sv_find_char(id, '<'));
    for (size_t i = 0; i < id.n; i++)
        if (id.p[i] <= ' ' || (unsigned char)id.p[i] >= 0x7f)
            return;
    if (at < text.n && id.n < sizeof ret->provider_id)
        snprintf(ret->provider_id, sizeof ret->provider_id, "%.*s", SV_FMT(id));
}

static bool means_later(const struct http_reading *reading, struct sv error)
{
    for (const char *const *word = reading->later; word != NULL && *word != NULL; word++)
        if (sv_is(error, *word))
            return true;
    return false;
}

/* What the service says in words: "chat not found", 21610. */
static void judge_words(const struct http_request *r, const struct event *said, struct answer *ret)
{
    const struct http_reading *reading = r->reading;
    struct sv raw = reading->error_member == NULL ? (struct sv){0} : event_value(said, reading->error_member);
    struct sv error = told_error(r, raw);
    bool not_done = ret->result == SEND_OK && reading->ok_member != NULL &&
                    !sv_is(event_value(said, reading->ok_member), "true");
    if (not_done) {
        ret->result = means_later(reading, raw) || said->field_count == 0 ? SEND_RETRY : SEND_REFUSED;
        ret->destination_down = ret->result == SEND_RETRY && said->field_count > 0;
    }
    if (ret->result != SEND_OK && error.n > 0)
        snprintf(ret->detail, sizeof ret->detail, "HTTP status %u: %.*s", ret->code, SV_FMT(error));
    else if (not_done)
        snprintf(ret->detail, sizeof ret->detail, "HTTP status %u, but it is not done", ret->code);
    uint64_t seconds;
    if (ret->result == SEND_RETRY && reading->retry_after_member != NULL &&
        num_u64(event_value(said, reading->retry_after_member), 0, UINT32_MAX, &seconds))
        ret->retry_after_ns = TC_MIN((int64_t)seconds * TC_SECOND_NS, TC_RETRY_AFTER_MAX_NS);
}

/*
 * A bulk is taken only where all of its parts are: 429 and 5xx of one is again, another error final. An
 * answer too long to be read to its end is final, too: whoever sent many parts sends fewer, and those that
 * were taken are there already then.
 */
static void judge_items(const struct http_request *r, const struct event *said, struct answer *ret)
{
    struct sv member = sv_of(r->reading->item_status_member);
    const struct field *field = event_find(said, member, event_name_hash(member));
    bool cut = r->response.n == r->response.max_bytes || (said->flags & EVENT_FIELDS_CUT) != 0;
    size_t taken = 0, worst = 0;
    if (cut || field == NULL) {
        ret->result = cut ? SEND_REFUSED : SEND_RETRY;
        snprintf(ret->detail, sizeof ret->detail, "HTTP status %u with an answer that is %s", ret->code,
                 cut ? "too long" : "none to a bulk");
        return;
    }
    for (; field != NULL; field = event_next(said, field)) {
        uint64_t status;
        if (!num_u64(field->value, 100, 599, &status) || status < 300 || status == 409) {
            taken++;
            continue;
        }
        bool later = status == 429 || status >= 500;
        ret->result = later || ret->result == SEND_RETRY ? SEND_RETRY : SEND_REFUSED;
        worst = status;
    }
    if (worst > 0)
        snprintf(ret->detail, sizeof ret->detail, "a part of the bulk has status %zu; %zu are taken", worst,
                 taken);
}

static void read_answer(const struct http_request *r, struct answer *ret)
{
    struct arena arena = {0};
    struct event said = {0};
    if (json_parse_event(buf_view(&r->response), &arena, &said, NULL) == 0)
        event_index(&said, &arena);
    else
        said.field_count = 0;
    judge_words(r, &said, ret);
    if (ret->result == SEND_OK && r->reading->item_status_member != NULL)
        judge_items(r, &said, ret);
    if (ret->result == SEND_OK && r->reading->xml_id != NULL)
        take_xml_id(buf_view(&r->response), r->reading->xml_id, ret);
    else if (ret->result == SEND_OK)
        take_id(&said, r->reading, ret);
    arena_free(&arena);
}

static void judge(const struct transfer *transfer, CURLcode outcome, int64_t now_ns, struct answer *ret)
{
    const struct http_request *request = (const struct http_request *)(const void *)transfer;
    long status = 0;
    *ret = (struct answer){.result = SEND_RETRY, .retry_after_ns = -1};
    curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    if (outcome == CURLE_WRITE_ERROR && request->response.n == request->response.max_bytes)
        outcome = CURLE_OK; /* we hung up on a long answer; its status stands */
    if (outcome != CURLE_OK || status == 0) {
        ret->destination_down = true;
        snprintf(ret->detail, sizeof ret->detail, "no answer: %s", curl_easy_strerror(outcome));
        return;
    }
    ret->code = (unsigned)status;
    judge_status(request, status, ret);
    if (request->reading != NULL)
        read_answer(request, ret);
    struct curl_header *header;
    if (ret->result == SEND_RETRY &&
        curl_easy_header(transfer->easy, "Retry-After", 0, CURLH_HEADER, -1, &header) == CURLHE_OK)
        ret->retry_after_ns = retry_after(sv_of(header->value), now_ns);
}
