/*
 * Fuzz target: whatever an intent holds, no channel's body breaks its format. A mail has the headers that we
 * write and no other, in printable ASCII and bounded lines; JSON is JSON.
 */
#include "event/json.h"
#include "notify/channel.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct sv recipient = {"soc@example.com", 15};
static const struct channel_config mail = {
    .name = {"mail", 4}, .from = {"tocsin@example.com", 18}, .to = &recipient, .to_count = 1};
static const struct channel_config other = {.name = {"a.b", 3}, .routing_key = {"k", 1}};

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

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {"email", "webhook", "pagerduty", "slack", "file"};
    for (size_t i = 0; i < TC_ARRAY_LEN(types); i++) {
        struct buf body;
        struct err err;
        buf_init(&body, TC_CHANNEL_BODY_MAX);
        const struct channel *channel = channel_find(sv_of(types[i]));
        if (channel->body(i == 0 ? &mail : &other, SV("k-new:mail"), sv_make((const char *)data, size),
                          "http://127.0.0.1:9797", &body, &err) == 0 &&
            !body.overflow) {
            if (i == 0)
                check_mail(buf_view(&body));
            else if (i == 1 || i == 3) /* the others hand on the alert's own JSON */
                tc_assert(json_check(buf_view(&body), &err) == 0);
        }
        buf_free(&body);
    }
    return 0;
}
