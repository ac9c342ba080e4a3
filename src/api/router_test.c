/*
 * Tests of the router: what each path finds, and what it refuses.
 */
#include "api/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void nothing(struct api *api, struct request *request, struct reply *reply)
{
    (void)api;
    (void)request;
    (void)reply;
}

static const struct route table[] = {
    {"GET", "/", ROLE_READER, NULL, nothing, 0},
    {"GET", "/v1/alerts", ROLE_READER, NULL, nothing, 0},
    {"GET", "/v1/alerts/{id}", ROLE_READER, NULL, nothing, 0},
    {"POST", "/v1/alerts/{id}/ack", ROLE_OPERATOR, NULL, nothing, 0},
    {"POST", "/v1/both", ROLE_OPERATOR, NULL, nothing, 0},
    {"GET", "/v1/both", ROLE_READER, NULL, nothing, 0},
    {"GET", "/packs/{path*}", ROLE_READER, NULL, nothing, 0},
    {0},
};

static void test_paths(void **state)
{
    static const struct {
        const char *method, *path;
        unsigned status;
        const char *pattern, *param, *allow;
    } cases[] = {
        {"GET", "/", 200, "/", NULL, NULL},
        {"HEAD", "/", 200, "/", NULL, NULL},
        {"GET", "/v1/alerts", 200, "/v1/alerts", NULL, NULL},
        {"GET", "/v1/alerts/", 404, NULL, NULL, NULL},
        {"GET", "/v1/alerts/ab12", 200, "/v1/alerts/{id}", "ab12", NULL},
        {"GET", "/v1/alerts/a%20b%2fc", 200, "/v1/alerts/{id}", "a b/c", NULL},
        {"POST", "/v1/alerts/ab12/ack", 200, "/v1/alerts/{id}/ack", "ab12", NULL},
        {"POST", "/v1/alerts//ack", 404, NULL, NULL, NULL},
        {"POST", "/v1/alerts/ab12/ack/", 404, NULL, NULL, NULL},
        {"POST", "/v1/alerts/ab12/snooze", 404, NULL, NULL, NULL},
        {"GET", "/v1/alerts/ab12/ack", 405, NULL, NULL, "POST"},
        {"DELETE", "/v1/both", 405, NULL, NULL, "POST, GET, HEAD"},
        {"OPTIONS", "/", 405, NULL, NULL, "GET, HEAD"},
        {"get", "/", 405, NULL, NULL, "GET, HEAD"},
        {"GET", "/packs/auth/runbooks/x.md", 200, "/packs/{path*}", "auth/runbooks/x.md", NULL},
        {"GET", "/packs/", 404, NULL, NULL, NULL},
        {"GET", "/packs", 404, NULL, NULL, NULL},
        {"GET", "", 400, NULL, NULL, NULL},
        {"GET", "*", 400, NULL, NULL, NULL},
        {"GET", "v1/alerts", 400, NULL, NULL, NULL},
        {"GET", "//", 404, NULL, NULL, NULL},
        {"GET", "/v1/alerts/%", 400, NULL, NULL, NULL},
        {"GET", "/v1/alerts/%4", 400, NULL, NULL, NULL},
        {"GET", "/v1/alerts/%zz", 400, NULL, NULL, NULL},
        {"GET", "/v1/alerts/a%00b", 400, NULL, NULL, NULL},
        {"GET", "/nowhere", 404, NULL, NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct route_match match = {0};
        unsigned status = router_find(table, sv_of(cases[i].method), sv_of(cases[i].path), &match);
        if (status != cases[i].status)
            print_message("%s %s\n", cases[i].method, cases[i].path);
        assert_int_equal(status, cases[i].status);
        if (cases[i].pattern != NULL)
            assert_string_equal(match.route->pattern, cases[i].pattern);
        if (cases[i].param != NULL)
            assert_true(sv_is(match.params[0], cases[i].param));
        if (cases[i].allow != NULL)
            assert_string_equal(match.allow, cases[i].allow);
    }
}

static void test_long_parameter(void **state)
{
    char path[TC_ROUTE_PARAM_BYTES + 64] = "/v1/alerts/";
    struct route_match match = {0};
    size_t n = strlen(path);
    (void)state;
    memset(path + n, 'a', TC_ROUTE_PARAM_BYTES);
    assert_int_equal(router_find(table, SV("GET"), sv_make(path, n + TC_ROUTE_PARAM_BYTES), &match), 200);
    assert_int_equal(match.params[0].n, TC_ROUTE_PARAM_BYTES);
    path[n + TC_ROUTE_PARAM_BYTES] = 'a';
    assert_int_equal(router_find(table, SV("GET"), sv_make(path, n + TC_ROUTE_PARAM_BYTES + 1), &match), 404);
}

static void test_decode(void **state)
{
    char out[4];
    size_t n = 0;
    (void)state;
    assert_true(router_decode(SV("a%2Bb"), out, sizeof out, &n));
    assert_int_equal(n, 3);
    assert_memory_equal(out, "a+b", 3);
    assert_true(router_decode(SV("%e2%82%ac%41"), out, sizeof out, &n));
    assert_int_equal(n, 4);
    assert_false(router_decode(SV("abcde"), out, sizeof out, &n));
    assert_false(router_decode(SV("%00"), out, sizeof out, &n));
    assert_false(router_decode(SV("a%"), out, sizeof out, &n));
    assert_false(router_decode(sv_make("a\0b", 3), out, sizeof out, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_long_parameter),
        cmocka_unit_test(test_decode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
