/*
 * Slack's body against golden files that were written by hand from the ledger's row E-01, and what strangers'
 * text can do to it (nothing).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/arena.h"
#include "base/fs.h"
#include "event/json.h"
#include "notify/notify.h"

#include <stdio.h>
#include <stdlib.h>

/* Goldens are laid out for people: white space outside strings does not count. */
static void compact(struct buf *text)
{
    size_t to = 0;
    bool in_string = false;
    for (size_t i = 0; i < text->n; i++) {
        char c = text->p[i];
        if (c == '"' && (i == 0 || text->p[i - 1] != '\\'))
            in_string = !in_string;
        if (in_string || (c != ' ' && c != '\n'))
            text->p[to++] = c;
    }
    text->n = to;
}

static void expect_golden(const char *path, const struct channel_config *config, const char *payload,
                          const char *console_url)
{
    struct buf golden, body;
    struct err err;
    buf_init(&golden, 1 << 16);
    buf_init(&body, 1 << 16);
    assert_int_equal(fs_read_file(&fs_system, path, &golden, &err), 0);
    compact(&golden);
    assert_int_equal(slack_body(config, sv_of(payload), console_url, &body, &err), 0);
    buf_char(&golden, '\0');
    buf_char(&body, '\0');
    assert_string_equal(body.p, golden.p);
    buf_free(&golden);
    buf_free(&body);
}

#define ID "4f0c9d3ab1e2f3a4b5c6d7e8f9012345"

static void test_E_01_P1(void **state)
{
    (void)state;
    expect_golden("test/golden/slack_p1.json", &(struct channel_config){.name = SV("soc")},
                  "{\"key\":\"" ID "-new\",\"reason\":\"new\",\"count\":1,\"alert\":{\"id\":\"" ID
                  "\",\"title\":\"COORDINATED_ATTACK\",\"severity\":\"P1\",\"state\":\"firing\",\"message\":"
                  "\"COORDINATED_ATTACK: 12 accounts from 203.0.113.7\",\"first_seen\":"
                  "\"2026-11-21T09:17:26Z\",\"last_seen\":\"2026-11-21T09:17:26Z\"}}",
                  "http://127.0.0.1:9797");
}

static void test_D_21_owners_runbook_and_steps_in_order(void **state)
{
    static const char payload[] =
        "{\"key\":\"k\",\"reason\":\"severity_raised\",\"count\":2,\"alert\":{\"id\":\"" ID
        "\",\"title\":\"T\",\"severity\":\"P2\",\"message\":\"m\",\"owner\":\"soc\","
        "\"secondary_owner\":\"leadership\",\"runbook\":\"a&b.md\",\"actions\":[\"z first\",\"a then\"]}}";
    struct buf body;
    struct err err;
    (void)state;
    buf_init(&body, 1 << 16);
    assert_int_equal(
        slack_body(&(struct channel_config){.name = SV("soc")}, sv_of(payload), "http://c", &body, &err), 0);
    buf_char(&body, '\0');
    assert_non_null(strstr(body.p, "{\"title\":\"Owner\",\"value\":\"soc\",\"short\":true}"));
    assert_non_null(strstr(body.p, "\"Secondary owner\",\"value\":\"leadership\""));
    assert_non_null(strstr(body.p, "\"value\":\"a&amp;b.md\""));
    assert_non_null(strstr(body.p, "\"value\":\"1. z first\\n2. a then\""));
    buf_free(&body);
}

static void test_E_01_P2_D_06_count_step(void **state)
{
    (void)state;
    expect_golden("test/golden/slack_p2.json", &(struct channel_config){.name = SV("soc")},
                  "{\"reason\":\"count_step\",\"count\":10,\"alert\":{\"id\":\"" ID
                  "\",\"title\":\"BRUTE_FORCE_ATTACK\",\"severity\":\"P2\",\"message\":"
                  "\"BRUTE_FORCE_ATTACK: user \\\"<!channel> A&B\\\" from 203.0.113.7\",\"count\":10,"
                  "\"first_seen\":\"2026-11-21T09:17:00Z\",\"last_seen\":\"2026-11-21T09:17:26.5Z\"}}",
                  "https://tocsin.example.com/");
}

static void test_E_01_P3_X_16_names_of_the_configuration(void **state)
{
    (void)state;
    expect_golden("test/golden/slack_p3.json",
                  &(struct channel_config){.name = SV("noc"),
                                           .slack_channel = SV("#noc"),
                                           .username = SV("Tocsin"),
                                           .icon_emoji = SV(":bell:")},
                  "{\"reason\":\"new\",\"count\":1,\"alert\":{\"id\":\"00000000000000000000000000000001\","
                  "\"title\":\"Caf\\u00e9 unlocked\",\"severity\":\"P3\",\"message\":\"\",\"first_seen\":"
                  "\"2026-11-21T09:17:00Z\",\"last_seen\":null}}",
                  "http://127.0.0.1:9797");
}

static void body_of(const char *title, const char *message, struct arena *arena, struct event *ret)
{
    struct buf payload, body;
    struct err err;
    buf_init(&payload, 1 << 20);
    buf_init(&body, 1 << 20);
    buf_printf(&payload,
               "{\"reason\":\"count_step\",\"count\":50,\"alert\":{\"id\":\"a\",\"title\":\"%s\","
               "\"severity\":\"P4\",\"message\":\"%s\"}}",
               title, message);
    assert_int_equal(slack_body(&(struct channel_config){0}, buf_view(&payload), NULL, &body, &err), 0);
    char *kept = arena_str(arena, buf_view(&body));
    assert_int_equal(json_parse_event(sv_make(kept, body.n), arena, ret, &err), 0);
    event_index(ret, arena);
    buf_free(&payload);
    buf_free(&body);
}

static void test_long_texts_are_cut_between_characters(void **state)
{
    struct arena arena = {0};
    struct event e = {.time = {TC_NO_TIME}};
    char title[1201], message[4001];
    (void)state;
    memset(title, '<', sizeof title);
    title[sizeof title - 1] = '\0';
    for (size_t i = 0; i < sizeof message - 1; i += 2)
        memcpy(message + i, "\xc3\xa9", 2);
    memmove(message + 1, message, sizeof message - 2);
    message[0] = 'x'; /* so that the bound falls into a character */
    message[sizeof message - 2] = '\0';
    body_of(title, message, &arena, &e);
    struct sv cut = event_value(&e, "attachments.title"), text = event_value(&e, "attachments.text");
    assert_int_equal(cut.n, 1000 * 4 + 3);
    assert_true(sv_ends(cut, SV("&lt;\xe2\x80\xa6")));
    assert_true(sv_ends(text, SV("\xc3\xa9\xe2\x80\xa6 (50 occurrences)")));
    assert_int_equal(text.n, 2999 + 3 + strlen(" (50 occurrences)"));
    assert_int_equal(e.flags & EVENT_BAD_UTF8, 0);
    arena_free(&arena);
}

static void test_bytes_of_strangers_stay_json(void **state)
{
    struct arena arena = {0};
    struct event e = {.time = {TC_NO_TIME}};
    (void)state;
    body_of("\xff\xfe", "a\\u0000b\\n\\\"}],<http://evil|here>", &arena, &e);
    assert_true(sv_is(event_value(&e, "attachments.title"), "\xef\xbf\xbd\xef\xbf\xbd"));
    assert_true(sv_eq(event_value(&e, "attachments.text"),
                      SV("a\0b\n\"}],&lt;http://evil|here&gt; (50 occurrences)")));
    arena_free(&arena);
}

static void test_what_is_no_intent_is_an_error(void **state)
{
    static const char *const bad[] = {"",
                                      "{",
                                      "[]",
                                      "{}",
                                      "\"x\"",
                                      "{\"alert\":{\"title\":\"no id\"}}",
                                      "{\"alert\":[{\"id\":\"a\"}]}",
                                      "{\"alert.id\":\"a\"}"};
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(bad); i++) {
        struct buf body;
        struct err err = {0};
        buf_init(&body, 1 << 16);
        assert_int_equal(slack_body(&(struct channel_config){0}, sv_of(bad[i]), "", &body, &err), TC_EINPUT);
        assert_int_equal(body.n, 0);
        assert_true(err.text[0] != '\0');
        buf_free(&body);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_E_01_P1),
        cmocka_unit_test(test_D_21_owners_runbook_and_steps_in_order),
        cmocka_unit_test(test_E_01_P2_D_06_count_step),
        cmocka_unit_test(test_E_01_P3_X_16_names_of_the_configuration),
        cmocka_unit_test(test_long_texts_are_cut_between_characters),
        cmocka_unit_test(test_bytes_of_strangers_stay_json),
        cmocka_unit_test(test_what_is_no_intent_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
