/*
 * Fuzz target: whatever an intent holds, no channel's body breaks its format. A mail has the headers that we
 * write and no other, in printable ASCII and bounded lines; JSON is JSON (but the alert's own, which is
 * handed on); a service's list has its requests and no other.
 */
#include "event/json.h"
#include "notify/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sv recipient = {"soc@example.com", 15};
static const struct channel_config mail = {
    .name = {"mail", 4}, .from = {"tocsin@example.com", 18}, .to = &recipient, .to_count = 1};
static const struct channel_config other = {.name = {"a.b", 3}, .routing_key = {"k", 1}};

static const struct sv number = {"+15005550007", 12};
static const struct channel_config service_config = {.name = {"a", 1},
                                                     .account = {"AC", 2},
                                                     .token = {"t", 1},
                                                     .url = {"http://h/x", 10},
                                                     .from = {"+15005550006", 12},
                                                     .to = &number,
                                                     .to_count = 1,
                                                     .region = {"eu-west-1", 9},
                                                     .project = {"SEC", 3},
                                                     .transition = {"31", 2},
                                                     .callback_url = {"https://h", 9}};

static void check_mail(struct sv rest)
{
    size_t headers = 0;
    for (bool in_headers = true; rest.n > 0;) {
        struct sv line = sv_head(rest, sv_find(rest, SV("\r\n")));
        tc_assert(line.n <= 998);
        for (size_t i = 0; i < line.n; i++)
            tc_assert((line.p[i] >= ' ' || line.p[i] == '\t') && line.p[i] < 0x7f);
        in_headers = in_headers && line.n > 0;
        headers += in_headers && line.p[0] != ' ';
        rest = sv_from(rest, line.n + 2);
    }
    tc_assert(headers == 8 || headers == 10);
}

/* METHOD SP PATH LF BODY RS, once or more. hands_on: the alert's own JSON is in it, good or bad. */
static void check_requests(struct sv list, const struct service *service, bool hands_on)
{
    tc_assert(sv_ends(list, SV("\x1e")));
    size_t steps = service_steps(list);
    tc_assert(steps >= 1 && steps <= 2);
    while (list.n > 0) {
        struct sv body = sv_cut(&list, 0x1e), line = sv_cut(&body, '\n');
        tc_assert(sv_starts(line, SV("POST ")) || sv_starts(line, SV("PUT ")));
        for (size_t i = 0; i < line.n; i++)
            tc_assert(line.p[i] >= ' ' && line.p[i] < 0x7f);
        if (!hands_on && sv_starts(sv_of(service->content_type), SV("application/json")))
            tc_assert(json_check(body, NULL) == 0);
        else if (!hands_on)
            tc_assert(sv_find_char(body, '\n') == body.n);
    }
}

static void check_services(const struct message *message)
{
    static const char *const types[] = {"sms",        "voice",      "slack_app", "teams",  "discord",
                                        "telegram",   "mattermost", "pushover",  "webex",  "opsgenie",
                                        "victorops",  "sns",        "jira",      "ticket", "datadog",
                                        "splunk_hec", "elastic"};
    for (size_t i = 0; i < TC_ARRAY_LEN(types); i++) {
        struct buf body;
        struct err err;
        buf_init(&body, TC_CHANNEL_BODY_MAX);
        const struct channel *channel = channel_find(sv_of(types[i]));
        if (channel->body(&service_config, message, &body, &err) == 0 && !body.overflow)
            check_requests(buf_view(&body), channel->service, channel->events != NULL);
        buf_free(&body);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"email", "webhook", "pagerduty", "slack", "file"};
    for (size_t i = 0; i < TC_ARRAY_LEN(types); i++) {
        struct buf body;
        struct err err;
        buf_init(&body, TC_CHANNEL_BODY_MAX);
        const struct channel *channel = channel_find(sv_of(types[i]));
        const struct message message = {.key = SV("k-new:mail"),
                                        .payload = sv_make((const char *)data, size),
                                        .console_url = "http://127.0.0.1:9797"};
        if (channel->body(i == 0 ? &mail : &other, &message, &body, &err) == 0 && !body.overflow) {
            if (i == 0)
                check_mail(buf_view(&body));
            else if (i == 1 || i == 3) /* the others hand on the alert's own JSON */
                tc_assert(json_check(buf_view(&body), &err) == 0);
        }
        buf_free(&body);
    }
    check_services(&(struct message){.key = SV("k"),
                                     .payload = sv_make((const char *)data, size),
                                     .first_id = SV("C0:1.2"),
                                     .console_url = "http://127.0.0.1:9797"});
    return 0;
}
