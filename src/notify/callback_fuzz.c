/*
 * Fuzz target: a callback whose signature fits (its body is what the fuzzer likes). Whatever it holds, what
 * it asks for is bounded text, and the answer is well-formed. The first byte says whose it is.
 */
#include "event/json.h"
#include "notify/callback_priv.h"

#include "base/clk.h"

#include <stdio.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define NOW_S INT64_C(1795251600)

static const struct channel_header people[] = {{{"U1", 2}, {"carol", 5}}};
static const struct channel_config channels[] = {
    {.name = {"slack", 5},
     .type = {"slack_app", 9},
     .signing_secret = {"s", 1},
     .people = people,
     .people_count = 1},
    {.name = {"pager", 5}, .type = {"pagerduty", 9}, .signing_secret = {"s", 1}},
};

struct signature {
    const char *name;
    char text[80], time[24];
};

static struct sv header_of(void *context, const char *name)
{
    const struct signature *signature = context;
    return sv_is(sv_of(name), "X-Slack-Request-Timestamp") ? sv_of(signature->time)
           : sv_is(sv_of(name), signature->name)           ? sv_of(signature->text)
                                                           : (struct sv){0};
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct callbacks *callbacks;
    if (callbacks == NULL)
        callbacks = callbacks_new(channels, TC_ARRAY_LEN(channels));
    if (size == 0)
        return 0;
    bool slack = data[0] % 2 == 0;
    struct sv body = sv_make((const char *)data + 1, size - 1);
    struct signature s = {.name = slack ? "X-Slack-Signature" : "X-PagerDuty-Signature"};
    char hex[TC_SHA256_HEX];
    snprintf(s.time, sizeof s.time, "%lld", (long long)NOW_S);
    struct sv parts[] = {SV("v0:"), sv_of(s.time), SV(":"), body};
    callback_hmac(SV("s"), slack ? parts : &body, slack ? 4 : 1, hex);
    snprintf(s.text, sizeof s.text, "v%d=%s", slack ? 0 : 1, hex);
    struct callback callback;
    struct callback_request request = {.channel = channels[slack ? 0 : 1].name,
                                       .body = body,
                                       .header = header_of,
                                       .context = &s,
                                       .now_ns = NOW_S * TC_SECOND_NS};
    callback_read(callbacks, &request, &callback);
    tc_assert(memchr(callback.alert_id, '\0', sizeof callback.alert_id) != NULL);
    tc_assert(memchr(callback.by, '\0', sizeof callback.by) != NULL);
    if (callback.status == 200) {
        struct buf out;
        const char *type;
        buf_init(&out, 1 << 16);
        callback_answer(callbacks, &callback, 0, NULL, &type, &out);
        tc_assert(json_check(buf_view(&out), NULL) == 0);
        buf_free(&out);
    }
    return 0;
}
