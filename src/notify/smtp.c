/*
 * Mail; see smtp.h.
 */
#include "notify/smtp.h"

#include "base/address.h"
#include "base/arena.h"
#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>

enum { COMMAND_BYTES = 400, REPLY_BYTES = 160, DATE_BYTES = 64 };

enum recipient { RECIPIENT_SKIPPED, RECIPIENT_ASKED, RECIPIENT_TAKEN, RECIPIENT_LATER, RECIPIENT_REFUSED };

struct mail {
    struct transfer transfer;
    struct curl_slist *recipients;
    struct sv parts[2]; /* Date, then the rest */
    size_t at[2];
    char date[DATE_BYTES];
    const struct sv *to;
    size_t to_count;
    enum recipient states[TC_RECIPIENTS_MAX];
    size_t asking; /* whom the reply to come is about; to_count: nobody */
    bool over;     /* libcurl says good-bye: what is answered to that says nothing */
    bool in_data;  /* the message itself is out: the next reply is the last word */
    unsigned code; /* of the last reply */
    char reply[REPLY_BYTES];
};

int smtp_check_smarthost(struct sv smarthost, struct err *err)
{
    struct sv host = smarthost, port = {0};
    size_t colon = smarthost.n;
    while (colon > 0 && smarthost.p[colon - 1] != ':')
        colon--;
    uint64_t number;
    if (colon > 1) {
        port = sv_from(smarthost, colon);
        host = sv_head(smarthost, colon - 1);
    }
    bool ok = host.n > 0 && host.n <= 255 && num_u64(port, 1, 65535, &number);
    for (size_t i = 0; i < host.n; i++)
        ok = ok && ((host.p[i] >= 'a' && host.p[i] <= 'z') || (host.p[i] >= 'A' && host.p[i] <= 'Z') ||
                    (host.p[i] >= '0' && host.p[i] <= '9') || strchr("-._:[]", host.p[i]) != NULL);
    return ok ? 0
              : err_set(err, TC_EINPUT, "its smarthost is not a name and port, such as mail.example.com:587");
}

struct sv smtp_address(struct sv mailbox)
{
    struct sv address = sv_trim(mailbox);
    size_t open = sv_find_char(address, '<');
    if (open < address.n) {
        if (!sv_ends(address, SV(">")))
            return SV("");
        address = sv_from(sv_head(address, address.n - 1), open + 1);
    }
    size_t at = sv_find_char(address, '@');
    bool ok = at > 0 && at + 1 < address.n && address.n <= 254;
    for (size_t i = 0; i < address.n; i++)
        ok = ok && address.p[i] > ' ' && address.p[i] < 0x7f && strchr("<>(),;:\\\"", address.p[i]) == NULL &&
             (address.p[i] != '@' || i == at);
    return ok ? address : SV("");
}

/* --- what the server says --------------------------------------------------------------------------------
 */

static size_t recipient_of(const struct mail *mail, struct sv command)
{
    struct sv address = sv_trim(sv_from(command, sizeof "RCPT TO:" - 1));
    address = sv_head(sv_from(address, 1), sv_find_char(sv_from(address, 1), '>'));
    for (size_t i = 0; i < mail->to_count; i++)
        if (mail->states[i] == RECIPIENT_ASKED && sv_eq(smtp_address(mail->to[i]), address))
            return i;
    return mail->to_count;
}

static void take_reply(struct mail *mail, struct sv line)
{
    uint64_t code;
    line = sv_trim(line);
    if (line.n < 3 || !num_u64(sv_head(line, 3), 200, 599, &code) || (line.n > 3 && line.p[3] == '-'))
        return; /* more lines of this reply are to come */
    mail->code = (unsigned)code;
    snprintf(mail->reply, sizeof mail->reply, "%.*s", (int)TC_MIN(line.n, sizeof mail->reply - 1), line.p);
    for (char *c = mail->reply; *c != '\0'; c++)
        if ((unsigned char)*c < ' ' || (unsigned char)*c >= 0x7f)
            *c = '?';
    if (mail->asking < mail->to_count)
        mail->states[mail->asking] = code < 400   ? RECIPIENT_TAKEN
                                     : code < 500 ? RECIPIENT_LATER
                                                  : RECIPIENT_REFUSED;
    mail->asking = mail->to_count;
}

/* Of commands only RCPT is looked at; those that bear a password pass by unread. */
static int listen_in(CURL *easy, curl_infotype type, char *bytes, size_t n, void *context)
{
    struct mail *mail = context;
    struct sv text = sv_make(bytes, n);
    (void)easy;
    if (type == CURLINFO_HEADER_OUT && sv_starts(text, SV("RCPT TO:")))
        mail->asking = recipient_of(mail, text);
    else if (type == CURLINFO_HEADER_OUT && sv_starts(text, SV("QUIT")))
        mail->over = true;
    else if (type == CURLINFO_HEADER_OUT)
        mail->asking = mail->to_count;
    else if (type == CURLINFO_HEADER_IN && !mail->over)
        take_reply(mail, text);
    return 0;
}

static size_t give_body(char *to, size_t size, size_t n, void *context)
{
    struct mail *mail = context;
    size_t room = size * n, given = 0;
    for (size_t i = 0; i < TC_ARRAY_LEN(mail->parts) && given < room; i++) {
        struct sv rest = sv_from(mail->parts[i], mail->at[i]);
        size_t take = TC_MIN(rest.n, room - given);
        if (take > 0)
            memcpy(to + given, rest.p, take);
        mail->at[i] += take;
        given += take;
    }
    mail->in_data = true;
    return given;
}

/* --- the end ----------------------------------------------------------------------------------------------
 */

static size_t count_of(const struct mail *mail, enum recipient state)
{
    size_t count = 0;
    for (size_t i = 0; i < mail->to_count; i++)
        count += mail->states[i] == state;
    return count;
}

/* "250 2.0.0 Ok: queued as 4F2c" gives "4F2c"; servers that say it otherwise give none. */
static void take_id(const struct mail *mail, struct answer *ret)
{
    struct sv reply = sv_of(mail->reply);
    const struct sv marks[] = {SV("queued as "), SV("id="), SV("Message accepted for delivery: ")};
    for (size_t i = 0; i < TC_ARRAY_LEN(marks); i++) {
        size_t at = sv_find(reply, marks[i]);
        if (at == reply.n)
            continue;
        struct sv id = sv_from(reply, at + marks[i].n);
        id = sv_head(id, sv_find_char(id, ' '));
        snprintf(ret->provider_id, sizeof ret->provider_id, "%.*s",
                 (int)TC_MIN(id.n, sizeof ret->provider_id - 1), id.p);
        return;
    }
}

static void judge_taken(const struct mail *mail, struct answer *ret)
{
    size_t later = count_of(mail, RECIPIENT_LATER), refused = count_of(mail, RECIPIENT_REFUSED);
    for (size_t i = 0; i < mail->to_count; i++)
        if (mail->states[i] != RECIPIENT_LATER)
            ret->served |= UINT64_C(1) << i;
    ret->result = later > 0 ? SEND_RETRY : SEND_OK;
    take_id(mail, ret);
    if (later + refused == 0)
        snprintf(ret->detail, sizeof ret->detail, "SMTP reply %s", mail->reply);
    else
        snprintf(ret->detail, sizeof ret->detail,
                 "taken for %zu of %zu recipients (%zu refused for good, %zu for now): %s",
                 count_of(mail, RECIPIENT_TAKEN), mail->to_count - count_of(mail, RECIPIENT_SKIPPED), refused,
                 later, mail->reply);
}

/* 530, 534, 535, 538: the server wants another login. That is ours to mend, and no message's fault. */
static bool wants_login(unsigned code)
{
    return code == 530 || code == 534 || code == 535 || code == 538;
}

/* What the last reply says about the message; false where there was none to it (no connection, TLS,
 * greeting). */
static bool judge_reply(const struct mail *mail, CURLcode outcome, struct answer *ret)
{
    size_t later = count_of(mail, RECIPIENT_LATER), refused = count_of(mail, RECIPIENT_REFUSED);
    bool to_sender =
        outcome == CURLE_SEND_ERROR; /* of libcurl: MAIL, RCPT or DATA was answered with 4xx or 5xx */
    bool to_message = mail->in_data && (outcome == CURLE_WEIRD_SERVER_REPLY || outcome == CURLE_RECV_ERROR);
    if ((!to_sender && !to_message) || mail->code < 400)
        return false;
    bool temporary = mail->code < 500 || (!to_message && later > 0);
    bool none_left = refused == 0 || to_message || later + count_of(mail, RECIPIENT_TAKEN) == 0;
    ret->result = temporary || !none_left ? SEND_RETRY : SEND_REFUSED;
    ret->destination_down = mail->code == 421;
    snprintf(ret->detail, sizeof ret->detail, "SMTP reply %s", mail->reply);
    return true;
}

static void judge(const struct transfer *transfer, CURLcode outcome, int64_t now_ns, struct answer *ret)
{
    const struct mail *mail = (const struct mail *)(const void *)transfer;
    (void)now_ns;
    *ret = (struct answer){.result = SEND_RETRY, .retry_after_ns = -1, .code = mail->code};
    if (outcome == CURLE_OK) {
        judge_taken(mail, ret);
    } else if (outcome == CURLE_LOGIN_DENIED || wants_login(mail->code)) {
        ret->destination_down = true;
        snprintf(ret->detail, sizeof ret->detail, "the mail server refuses the login: %s", mail->reply);
    } else if (!judge_reply(mail, outcome, ret)) {
        ret->destination_down = true;
        snprintf(ret->detail, sizeof ret->detail, "no delivery: %s", curl_easy_strerror(outcome));
    }
}

static void free_mail(struct transfer *transfer)
{
    struct mail *mail = (struct mail *)(void *)transfer;
    curl_easy_cleanup(transfer->easy);
    curl_slist_free_all(mail->recipients);
    free(mail);
}

/* --- the beginning ----------------------------------------------------------------------------------------
 */

static void put_date(struct mail *mail, int64_t now_ns)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct civil c = clk_to_civil(now_ns);
    int n =
        snprintf(mail->date, sizeof mail->date, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n",
                 days[clk_weekday(now_ns)], c.day, months[c.month - 1], c.year, c.hour, c.minute, c.second);
    mail->parts[0] = sv_make(mail->date, (size_t)n);
}

static CURLcode set_text(CURL *easy, CURLoption option, struct sv text)
{
    if (text.n == 0)
        return CURLE_OK;
    char *copy = tc_alloc(text.n + 1);
    memcpy(copy, text.p, text.n);
    CURLcode rc = curl_easy_setopt(easy, option, copy);
    explicit_bzero(copy, text.n);
    free(copy);
    return rc;
}

static CURLcode set_url(CURL *easy, const struct channel_config *config)
{
    char url[600]; /* the path is what EHLO says */
    struct sv hello = config->hello.n > 0 ? config->hello : SV("localhost");
    snprintf(url, sizeof url, "%s://%.*s/%.*s", config->implicit_tls ? "smtps" : "smtp",
             (int)TC_MIN(config->smarthost.n, (size_t)262), config->smarthost.p,
             (int)TC_MIN(hello.n, (size_t)255), hello.p);
    return curl_easy_setopt(easy, CURLOPT_URL, url);
}

/* "<soc@example.com>": libcurl takes it as it stands. */
static const char *in_brackets(struct sv mailbox, char out[COMMAND_BYTES])
{
    struct sv address = smtp_address(mailbox);
    snprintf(out, COMMAND_BYTES, "<%.*s>", SV_FMT(address));
    return out;
}

static bool add_recipients(struct mail *mail, const struct channel_config *config, uint64_t served)
{
    char address[COMMAND_BYTES];
    mail->to = config->to;
    mail->to_count = mail->asking = TC_MIN(config->to_count, (size_t)TC_RECIPIENTS_MAX);
    for (size_t i = 0; i < mail->to_count; i++) {
        if ((served >> i & 1) != 0)
            continue;
        struct curl_slist *longer = curl_slist_append(mail->recipients, in_brackets(config->to[i], address));
        if (longer == NULL)
            return false;
        mail->recipients = longer;
        mail->states[i] = RECIPIENT_ASKED;
    }
    return mail->recipients != NULL;
}

struct transfer *smtp_transfer_new(const struct channel_config *config, const struct parcel *parcel)
{
    struct mail *mail = tc_alloc(sizeof *mail);
    char from[COMMAND_BYTES];
    mail->transfer.judge = judge;
    mail->transfer.free = free_mail;
    mail->parts[1] = parcel->body;
    put_date(mail, parcel->now_ns);
    long timeout_ms = (long)TC_MAX(parcel->timeout_ns / 1000000, INT64_C(1));
    long tls = config->require_tls ? CURLUSESSL_ALL : CURLUSESSL_TRY;
    CURL *easy = mail->transfer.easy = curl_easy_init();
    bool ok = easy != NULL && add_recipients(mail, config, parcel->served) &&
              set_url(easy, config) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "smtp,smtps") == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_USE_SSL, tls) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
              set_text(easy, CURLOPT_CAINFO, config->ca_file) == CURLE_OK &&
              set_text(easy, CURLOPT_USERNAME, config->auth_username) == CURLE_OK &&
              set_text(easy, CURLOPT_PASSWORD, config->auth_password) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, timeout_ms) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, timeout_ms) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_MAIL_FROM, in_brackets(config->from, from)) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_MAIL_RCPT, mail->recipients) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_MAIL_RCPT_ALLLOWFAILS, 1L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_UPLOAD, 1L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_READFUNCTION, give_body) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_READDATA, mail) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_VERBOSE, 1L) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_DEBUGFUNCTION, listen_in) == CURLE_OK &&
              curl_easy_setopt(easy, CURLOPT_DEBUGDATA, mail) == CURLE_OK;
    if (ok)
        return &mail->transfer;
    free_mail(&mail->transfer);
    return NULL;
}
