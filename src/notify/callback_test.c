/*
 * Callbacks: the vendors' signatures (computed by another program), what is refused, what is asked for, what
 * a repeat does.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clk.h"
#include "notify/callback_priv.h"

#include <stdlib.h>

#define ID    "4f0c9d3ab1e2f3a4b5c6d7e8f9012345"
#define NOW_S INT64_C(1763716800) /* 2025-11-21T09:20:00Z */

/* SV() is no constant. */
#define TEXT(literal)                                                                                        \
    {                                                                                                        \
        literal, sizeof(literal) - 1                                                                         \
    }

static const struct sv phone = {"+15005550007", 12};
static const struct channel_header people[] = {{TEXT("U1"), TEXT("carol")}};
static const struct channel_config channels[] = {
    {.name = TEXT("sms"),
     .type = TEXT("sms"),
     .token = TEXT("token"),
     .to = &phone,
     .to_count = 1,
     .callback_url = TEXT("https://t.example/")},
    {.name = TEXT("slack"),
     .type = TEXT("slack_app"),
     .signing_secret = TEXT("secret"),
     .people = people,
     .people_count = 1},
    {.name = TEXT("pager"), .type = TEXT("pagerduty"), .signing_secret = TEXT("secret")},
    {.name = TEXT("bare"), .type = TEXT("pagerduty")},
    {.name = TEXT("log"), .type = TEXT("file")},
};

struct headers {
    const char *pairs[8]; /* name, value, … */
};

static struct sv header_of(void *context, const char *name)
{
    const struct headers *headers = context;
    for (size_t i = 0; i + 1 < TC_ARRAY_LEN(headers->pairs) && headers->pairs[i] != NULL; i += 2)
        if (sv_is(sv_of(name), headers->pairs[i]))
            return sv_of(headers->pairs[i + 1]);
    return (struct sv){0};
}

static struct callback read_at(struct callbacks *callbacks, const char *channel, const char *alert,
                               const char *body, struct headers headers, int64_t now_s)
{
    struct callback callback;
    struct callback_request request = {.channel = sv_of(channel),
                                       .alert_id = sv_of(alert),
                                       .body = sv_of(body),
                                       .header = header_of,
                                       .context = &headers,
                                       .now_ns = now_s * TC_SECOND_NS};
    callback_read(callbacks, &request, &callback);
    return callback;
}

static void answer(struct callbacks *callbacks, const struct callback *callback, int rc, const char *want)
{
    struct buf out;
    const char *type;
    buf_init(&out, 4096);
    callback_answer(callbacks, callback, rc, "it is resolved <already>", &type, &out);
    buf_char(&out, '\0');
    assert_string_equal(out.p, want);
    buf_free(&out);
}

#define SMS_BODY "Body=ACK+4f0c9d&From=%2B15005550007&MessageSid=SM1"
#define SMS_SIGNED                                                                                           \
    (struct headers)                                                                                         \
    {                                                                                                        \
        {                                                                                                    \
            "X-Twilio-Signature", "m3cxKOlsrGWB+UtRTH88tOLxN4U="                                             \
        }                                                                                                    \
    }

static void test_E_06_reply_to_an_SMS(void **state)
{
    struct callbacks *callbacks = callbacks_new(channels, TC_ARRAY_LEN(channels));
    struct callback_stats stats;
    (void)state;
    struct callback callback = read_at(callbacks, "sms", "", SMS_BODY, SMS_SIGNED, NOW_S);
    assert_int_equal(callback.status, 200);
    assert_string_equal(callback.verb, "ack");
    assert_string_equal(callback.alert_id, "4f0c9d");
    assert_string_equal(callback.by, "sms ...0007"); /* the whole number is nobody's business */
    answer(callbacks, &callback, TC_ESTATE,
           "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Message>it is resolved "
           "&lt;already&gt;</Message>"
           "</Response>");
    assert_string_equal(read_at(callbacks, "sms", "", SMS_BODY, SMS_SIGNED, NOW_S).verb,
                        "ack"); /* not done yet */
    answer(callbacks, &callback, 0,
           "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Message>4f0c9d is acknowledged. Thank you."
           "</Message></Response>");
    assert_string_equal(read_at(callbacks, "sms", "", SMS_BODY, SMS_SIGNED, NOW_S).verb, ""); /* a repeat */
    callbacks_stats(callbacks, &stats);
    assert_int_equal(stats.carried_out, 1);
    assert_int_equal(stats.repeated, 1);
    assert_int_equal(stats.remembered, 1);
    /* one byte of body, address or signature */
    assert_int_equal(read_at(callbacks, "sms", "", SMS_BODY "2", SMS_SIGNED, NOW_S).status, 401);
    assert_int_equal(read_at(callbacks, "sms", ID, SMS_BODY, SMS_SIGNED, NOW_S).status, 401);
    assert_int_equal(read_at(callbacks, "sms", "", SMS_BODY, (struct headers){0}, NOW_S).status, 401);
    assert_int_equal(read_at(callbacks, "sms", "", "a=%4", SMS_SIGNED, NOW_S).status, 400);
    callbacks_free(&callbacks);
}

#define CLICK                                                                                                \
    "payload=%7B%22type%22%3A%22block_actions%22%2C%22user%22%3A%7B%22id%22%3A%22U1%22%7D%2C%22response_url" \
    "%22%3A%22https%3A%2F%2Fevil.example%2Fx%22%2C%22actions%22%3A%5B%7B%22action_id%22%3A%22tocsin_ack%22%" \
    "2C%22value%22%3A%224f0c9d3ab1e2f3a4b5c6d7e8f9012345%22%7D%5D%7D"
#define CLICK_SIGNED                                                                                         \
    (struct headers)                                                                                         \
    {                                                                                                        \
        {                                                                                                    \
            "X-Slack-Signature", "v0=4bf418abb6ff51c3b7105eae2d39ee6ebb9302befab5df9039d5cb28f22324ec",      \
                "X-Slack-Request-Timestamp", "1763716800"                                                    \
        }                                                                                                    \
    }

static void test_D_09_a_click_in_Slack(void **state)
{
    struct callbacks *callbacks = callbacks_new(channels, TC_ARRAY_LEN(channels));
    struct channel_config nobody = channels[1];
    (void)state;
    struct callback callback = read_at(callbacks, "slack", "", CLICK, CLICK_SIGNED, NOW_S + 299);
    assert_int_equal(callback.status, 200);
    assert_string_equal(callback.verb, "ack");
    assert_string_equal(callback.alert_id, ID);
    assert_string_equal(callback.by, "carol");
    assert_int_equal(read_at(callbacks, "slack", "", CLICK, CLICK_SIGNED, NOW_S + 301).status, 401);
    assert_int_equal(read_at(callbacks, "slack", "", CLICK, CLICK_SIGNED, NOW_S - 301).status, 401);
    assert_int_equal(read_at(callbacks, "slack", "", CLICK "%20", CLICK_SIGNED, NOW_S).status, 401);
    callbacks_free(&callbacks);
    nobody.people_count = 0; /* the user is not linked, and the address to answer at is not Slack's */
    callbacks = callbacks_new(&nobody, 1);
    callback = read_at(callbacks, "slack", "", CLICK, CLICK_SIGNED, NOW_S);
    assert_int_equal(callback.status, 200);
    assert_string_equal(callback.verb, "");
    assert_string_equal(callback.reply_url, "");
    nobody.api_url = SV("https://evil.exam"); /* a part of a name is not the name */
    assert_string_equal(read_at(callbacks, "slack", "", CLICK, CLICK_SIGNED, NOW_S).reply_url, "");
    nobody.api_url = SV("https://evil.example/");
    assert_string_equal(read_at(callbacks, "slack", "", CLICK, CLICK_SIGNED, NOW_S).reply_url,
                        "https://evil.example/x");
    callbacks_free(&callbacks);
}

#define INCIDENT                                                                                             \
    "{\"event\":{\"id\":\"E1\",\"event_type\":\"incident.resolved\",\"occurred_at\":\"2026-11-21T09:00:"     \
    "00Z\""                                                                                                  \
    ",\"agent\":{\"id\":\"P1\",\"summary\":\"Earline\"},\"data\":{\"incident_key\":\"" ID "\"}}}"
#define INCIDENT_SIGNED                                                                                      \
    (struct headers)                                                                                         \
    {                                                                                                        \
        {                                                                                                    \
            "X-PagerDuty-Signature",                                                                         \
                "v1=00,v1=321f72e47bed8886271566bfa780de188f7e63916ee8659eb565d792204b3d55"                  \
        }                                                                                                    \
    }

static void test_E_04_resolved_in_PagerDuty(void **state)
{
    const int64_t at_s = 1795251600; /* 2026-11-21T09:00:00Z */
    struct callbacks *callbacks = callbacks_new(channels, TC_ARRAY_LEN(channels));
    (void)state;
    struct callback callback = read_at(callbacks, "pager", "", INCIDENT, INCIDENT_SIGNED, at_s + 60);
    assert_int_equal(callback.status, 200);
    assert_string_equal(callback.verb, "resolve");
    assert_string_equal(callback.alert_id, ID);
    assert_string_equal(callback.by, "Earline");
    answer(callbacks, &callback, 0, "{\"result\":\"done\"}");
    assert_int_equal(read_at(callbacks, "pager", "", INCIDENT, INCIDENT_SIGNED, at_s + 90000).status, 401);
    assert_int_equal(read_at(callbacks, "pager", "", INCIDENT, INCIDENT_SIGNED, at_s - 400).status, 401);
    assert_int_equal(read_at(callbacks, "pager", "", INCIDENT " ", INCIDENT_SIGNED, at_s).status, 401);
    assert_int_equal(read_at(callbacks, "bare", "", INCIDENT, INCIDENT_SIGNED, at_s).status, 404);
    assert_int_equal(read_at(callbacks, "log", "", INCIDENT, INCIDENT_SIGNED, at_s).status, 404);
    assert_int_equal(read_at(callbacks, "nobody", "", INCIDENT, INCIDENT_SIGNED, at_s).status, 404);
    callbacks_free(&callbacks);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_E_06_reply_to_an_SMS),
                                       cmocka_unit_test(test_D_09_a_click_in_Slack),
                                       cmocka_unit_test(test_E_04_resolved_in_PagerDuty)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
