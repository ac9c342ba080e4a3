/*
 * Tests of who may come in: one table row a request.
 */
#include "api/auth.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECRET "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

struct request_case {
    const char *method, *host, *origin, *fetch_site, *authorization, *secret;
    enum route_role role;
    bool remote; /* the peer is on another host */
    unsigned status;
};

static struct auth make(const char *listen)
{
    struct auth auth = {0};
    assert_int_equal(auth_set_listen(&auth, sv_of(listen), NULL), 0);
    memcpy(auth.secret, SECRET, sizeof SECRET);
    return auth;
}

static void run(const struct auth *auth, const struct request_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const struct request_case *c = &cases[i];
        struct auth_result result;
        struct auth_request request = {.method = sv_of(c->method),
                                       .host = sv_of(c->host),
                                       .origin = sv_of(c->origin),
                                       .fetch_site = sv_of(c->fetch_site),
                                       .authorization = sv_of(c->authorization),
                                       .secret = sv_of(c->secret),
                                       .peer_local = !c->remote,
                                       .role = c->role};
        auth_check(auth, &request, &result);
        if (result.status != c->status)
            print_message("case %zu: %s Host %s: %u\n", i, c->method, c->host == NULL ? "-" : c->host,
                          result.status);
        assert_int_equal(result.status, c->status);
        assert_true((result.text != NULL) == (result.status != 0));
    }
}

static void test_host(void **state)
{
    struct auth auth = make("127.0.0.2:9797");
    assert_int_equal(auth_set_console(&auth, SV("https://Tocsin.Example:8443/x"), NULL), 0);
    const struct request_case cases[] = {
        {.method = "GET", .host = "127.0.0.2:9797", .status = 0},
        {.method = "GET", .host = "localhost:9797", .status = 0},
        {.method = "GET", .host = "LocalHost:9797", .status = 0},
        {.method = "GET", .host = "127.0.0.1:9797", .status = 0},
        {.method = "GET", .host = "[::1]:9797", .status = 0},
        {.method = "GET", .host = "tocsin.example:8443", .status = 0},
        {.method = "GET", .host = "tocsin.example", .status = 403},
        {.method = "GET", .host = NULL, .status = 403},
        {.method = "GET", .host = "", .status = 403},
        {.method = "GET", .host = "localhost", .status = 403},
        {.method = "GET", .host = "localhost:9798", .status = 403},
        {.method = "GET", .host = "localhost:9797x", .status = 403},
        {.method = "GET", .host = "localhost:", .status = 403},
        {.method = "GET", .host = ":9797", .status = 403},
        {.method = "GET", .host = "evil.example:9797", .status = 403},
        {.method = "GET", .host = "127.0.0.1.evil.example:9797", .status = 403},
        {.method = "GET", .host = "localhost:9797@evil.example", .status = 403},
        {.method = "GET", .host = "192.0.2.7:9797", .status = 403},
    };
    (void)state;
    run(&auth, cases, TC_ARRAY_LEN(cases));
    auth_fini(&auth);
}

static void test_host_on_every_address(void **state)
{
    struct auth auth = make("0.0.0.0:9797");
    const struct request_case cases[] = {
        {.method = "GET", .host = "192.0.2.7:9797", .status = 0},
        {.method = "GET", .host = "[2001:db8::7]:9797", .status = 0},
        {.method = "GET", .host = "192.0.2.7:9798", .status = 403},
        {.method = "GET", .host = "rebound.example:9797", .status = 403},
    };
    (void)state;
    assert_false(auth.loopback);
    assert_true(auth.wildcard);
    run(&auth, cases, TC_ARRAY_LEN(cases));
}

static void test_host_of_port_80(void **state)
{
    struct auth auth = make("127.0.0.1:80");
    const struct request_case cases[] = {{.method = "GET", .host = "localhost", .status = 0},
                                         {.method = "GET", .host = "localhost:80", .status = 0},
                                         {.method = "GET", .host = "localhost:81", .status = 403}};
    (void)state;
    run(&auth, cases, TC_ARRAY_LEN(cases));
}

static void test_origin_and_secret(void **state)
{
    struct auth auth = make("127.0.0.1:9797");
    assert_int_equal(auth_set_console(&auth, SV("https://tocsin.example"), NULL), 0);
    const char *own = "http://localhost:9797", *host = "localhost:9797";
    const struct request_case cases[] = {
        /* reading */
        {.method = "GET", .host = host, .origin = own, .role = ROLE_READER, .status = 0},
        {.method = "GET", .host = host, .origin = "https://tocsin.example", .role = ROLE_READER, .status = 0},
        {.method = "GET",
         .host = host,
         .origin = "http://tocsin.example",
         .role = ROLE_READER,
         .status = 403},
        {.method = "GET", .host = host, .origin = "http://evil.example", .role = ROLE_READER, .status = 403},
        {.method = "GET", .host = host, .origin = "null", .role = ROLE_READER, .status = 403},
        {.method = "GET", .host = host, .origin = "", .role = ROLE_READER, .status = 403},
        {.method = "GET",
         .host = host,
         .origin = "https://localhost:9797",
         .role = ROLE_READER,
         .status = 403},
        {.method = "GET", .host = host, .fetch_site = "cross-site", .role = ROLE_READER, .status = 0},
        /* changing: from a program, from our page, from elsewhere */
        {.method = "POST", .host = host, .role = ROLE_OPERATOR, .status = 0},
        {.method = "POST", .host = host, .origin = own, .role = ROLE_OPERATOR, .status = 403},
        {.method = "POST", .host = host, .fetch_site = "same-origin", .role = ROLE_OPERATOR, .status = 403},
        {.method = "POST", .host = host, .origin = own, .secret = SECRET, .role = ROLE_OPERATOR, .status = 0},
        {.method = "POST",
         .host = host,
         .origin = own,
         .secret = "guess",
         .role = ROLE_OPERATOR,
         .status = 403},
        {.method = "POST", .host = host, .origin = own, .secret = "", .role = ROLE_OPERATOR, .status = 403},
        {.method = "POST",
         .host = host,
         .fetch_site = "cross-site",
         .secret = SECRET,
         .role = ROLE_OPERATOR,
         .status = 403},
        {.method = "POST", .host = host, .origin = own, .role = ROLE_SOURCE, .status = 403},
        {.method = "POST", .host = host, .origin = own, .secret = SECRET, .role = ROLE_SOURCE, .status = 0},
        {.method = "POST", .host = host, .origin = "http://evil.example", .role = ROLE_PUBLIC, .status = 403},
    };
    (void)state;
    run(&auth, cases, TC_ARRAY_LEN(cases));
}

static void test_A_31_tokens(void **state)
{
    struct auth auth = make("127.0.0.1:9797");
    const char *host = "localhost:9797";
    assert_int_equal(auth_add_token(&auth, SV("web"), SV("right-token"), NULL), 0);
    assert_int_equal(auth_add_token(&auth, SV("db"), SV("other-token"), NULL), 0);
    const struct request_case cases[] = {
        {.method = "POST", .host = host, .role = ROLE_SOURCE, .status = 401},
        {.method = "POST", .host = host, .authorization = "", .role = ROLE_SOURCE, .status = 401},
        {.method = "POST", .host = host, .authorization = "Bearer", .role = ROLE_SOURCE, .status = 401},
        {.method = "POST", .host = host, .authorization = "Bearer ", .role = ROLE_SOURCE, .status = 401},
        {.method = "POST", .host = host, .authorization = "Bearer wrong", .role = ROLE_SOURCE, .status = 401},
        {.method = "POST",
         .host = host,
         .authorization = "Bearer right-toke",
         .role = ROLE_SOURCE,
         .status = 401},
        {.method = "POST",
         .host = host,
         .authorization = "Basic right-token",
         .role = ROLE_SOURCE,
         .status = 401},
        {.method = "POST", .host = host, .authorization = "right-token", .role = ROLE_SOURCE, .status = 401},
        {.method = "POST",
         .host = host,
         .authorization = "bearer right-token",
         .role = ROLE_SOURCE,
         .status = 0},
        {.method = "POST",
         .host = host,
         .authorization = "AWS4-HMAC-SHA256 Credential=wrong/20260101/eu-west-1/monitoring/aws4_request, "
                          "SignedHeaders=host, Signature=right-token",
         .role = ROLE_SOURCE,
         .status = 401},
        {.method = "POST",
         .host = host,
         .authorization = "AWS4-HMAC-SHA256 x",
         .role = ROLE_SOURCE,
         .status = 401},
        {.method = "POST",
         .host = host,
         .authorization =
             "AWS4-HMAC-SHA256 Credential=right-token/20260101/eu-west-1/monitoring/aws4_request, "
             "SignedHeaders=host, Signature=00",
         .role = ROLE_SOURCE,
         .status = 0},
        /* a source's token is nobody's password: people's routes do not ask for it */
        {.method = "GET", .host = host, .role = ROLE_READER, .status = 0},
    };
    (void)state;
    run(&auth, cases, TC_ARRAY_LEN(cases));
    struct auth_result result;
    struct auth_request request = {.method = SV("POST"),
                                   .host = sv_of(host),
                                   .authorization = SV("Bearer other-token"),
                                   .role = ROLE_SOURCE};
    auth_check(&auth, &request, &result);
    assert_string_equal(result.source, "http:db");
    request.authorization = SV("Bearer x");
    auth_check(&auth, &request, &result);
    assert_true(result.bad_token);
    auth_fini(&auth);
}

static void test_other_hosts(void **state)
{
    struct auth auth = make("0.0.0.0:9797");
    const char *host = "192.0.2.1:9797";
    assert_int_equal(auth_add_token(&auth, SV("web"), SV("right-token"), NULL), 0);
    const struct request_case cases[] = {
        {.method = "GET", .host = host, .role = ROLE_READER, .remote = true, .status = 403},
        {.method = "POST", .host = "tocsin.example.com", .role = ROLE_SIGNED, .remote = true, .status = 0},
        {.method = "POST",
         .host = "tocsin.example.com",
         .origin = "http://evil.example",
         .role = ROLE_SIGNED,
         .status = 403},
        {.method = "POST", .host = host, .role = ROLE_OPERATOR, .remote = true, .status = 403},
        {.method = "GET", .host = host, .role = ROLE_READER, .remote = false, .status = 0},
        {.method = "GET", .host = host, .role = ROLE_PUBLIC, .remote = true, .status = 0},
        {.method = "POST",
         .host = host,
         .authorization = "Bearer right-token",
         .role = ROLE_SOURCE,
         .remote = true,
         .status = 0},
        {.method = "POST", .host = host, .role = ROLE_SOURCE, .remote = true, .status = 401},
    };
    (void)state;
    run(&auth, cases, TC_ARRAY_LEN(cases));
    auth_fini(&auth);
}

static void test_tokens_that_handlers_look_at(void **state)
{
    struct auth auth = make("127.0.0.1:9797");
    (void)state;
    assert_string_equal(auth_source_of(&auth, SV("anything"), SV("localhost:9797")), "http:default");
    assert_null(auth_source_of(&auth, SV("anything"), SV("tunnel.example.com")));
    assert_null(auth_source_of(&auth, SV("anything"), (struct sv){0}));
    assert_int_equal(auth_add_token(&auth, SV("web"), SV("right-token-of-web"), NULL), 0);
    assert_string_equal(auth_source_of(&auth, SV("right-token-of-web"), SV("tunnel.example.com")),
                        "http:web");
    assert_null(auth_source_of(&auth, SV("anything"), SV("localhost:9797")));
    auth_fini(&auth);
}

static void test_settings(void **state)
{
    static const char *const bad[] = {
        "",       "9797",        "127.0.0.1", "127.0.0.1:", ":9797", "127.0.0.1:65536", "example.org:80",
        "::1:80", "127.0.0.1:-1"};
    struct auth auth = {0};
    struct err err;
    (void)state;
    for (size_t i = 0; i < TC_ARRAY_LEN(bad); i++)
        assert_int_equal(auth_set_listen(&auth, sv_of(bad[i]), &err), TC_EINPUT);
    assert_int_equal(auth_set_listen(&auth, SV("[::1]:0"), &err), 0);
    assert_true(auth.loopback);
    assert_string_equal(auth.host, "::1");
    assert_int_equal(auth_set_listen(&auth, SV("localhost:1"), &err), 0);
    assert_string_equal(auth.host, "127.0.0.1");
    assert_int_equal(auth_set_console(&auth, SV("ftp://x"), &err), TC_EINPUT);
    assert_int_equal(auth_set_console(&auth, SV("https://"), &err), TC_EINPUT);
    assert_int_equal(auth_add_token(&auth, SV("web"), SV(""), &err), TC_EINPUT);
    assert_int_equal(auth_add_token(&auth, SV("two words"), SV("long-enough"), &err), TC_EINPUT);
    assert_int_equal(auth_add_token(&auth, SV("web"), SV("long-enough"), &err), 0);
    assert_int_equal(auth_add_token(&auth, SV("db"), SV("long-enough"), &err), TC_EINPUT);
    auth_fini(&auth);
}

static void test_people_and_their_roles(void **state)
{
    struct auth auth = make("127.0.0.1:9797");
    struct err err;
    (void)state;
    assert_int_equal(auth_add_person(&auth, SV("anna"), SV("anna-0123456789abcdef"), ROLE_OPERATOR, &err), 0);
    assert_int_equal(auth_add_person(&auth, SV("anna"), SV("anna-new-456789abcdef"), ROLE_OPERATOR, &err), 0);
    assert_int_equal(auth_add_person(&auth, SV("rita"), SV("rita-0123456789abcdef"), ROLE_READER, &err), 0);
    assert_int_equal(auth_add_person(&auth, SV("eve"), SV("rita-0123456789abcdef"), ROLE_READER, &err),
                     TC_EINPUT);
    assert_int_equal(auth_add_person(&auth, SV(" "), SV("eve-0123456789abcdef"), ROLE_READER, &err),
                     TC_EINPUT);
    static const struct {
        const char *authorization, *person;
        enum route_role role;
        unsigned status;
        bool unknown;
    } rows[] = {
        {"Bearer anna-0123456789abcdef", "anna", ROLE_OPERATOR, 0, false},
        {"bearer  anna-new-456789abcdef ", "anna", ROLE_OPERATOR, 0, false},
        {"Bearer rita-0123456789abcdef", "rita", ROLE_READER, 0, false},
        {"Bearer rita-0123456789abcdef", "rita", ROLE_OPERATOR, 403, false},
        {"Bearer rita-0123456789abcde", NULL, ROLE_OPERATOR, 0, true},
        {"Bearer ", NULL, ROLE_OPERATOR, 0, false},
        {"Basic anna-0123456789abcdef", NULL, ROLE_OPERATOR, 0, false},
        {NULL, NULL, ROLE_OPERATOR, 0, false},
        {"Bearer anna-0123456789abcdef", NULL, ROLE_SOURCE, 0, false}, /* people send no events by it */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct auth_result result;
        struct auth_request request = {.method = SV("POST"),
                                       .host = SV("127.0.0.1:9797"),
                                       .authorization = sv_of(rows[i].authorization),
                                       .peer_local = true,
                                       .role = rows[i].role};
        auth_check(&auth, &request, &result);
        assert_int_equal(result.status, rows[i].status);
        assert_int_equal(result.unknown_token, rows[i].unknown);
        assert_int_equal(result.person != NULL, rows[i].person != NULL);
        if (rows[i].person != NULL)
            assert_string_equal(result.person, rows[i].person);
    }
    auth_fini(&auth);
}

static void test_authors(void **state)
{
    struct auth auth = make("127.0.0.1:9797");
    struct err err;
    struct sv by;
    (void)state;
    assert_int_equal(auth_author(&auth, NULL, SV("anna"), &by, &err), 0); /* nobody has a token */
    assert_int_equal(auth_add_person(&auth, SV("anna"), SV("anna-0123456789abcdef"), ROLE_OPERATOR, &err), 0);
    assert_int_equal(auth_add_person(&auth, SV("ben"), SV("ben-00123456789abcdef"), ROLE_OPERATOR, &err), 0);
    static const struct {
        const char *person, *by, *author; /* author NULL: refused */
    } rows[] = {
        {"anna", "", "anna"},
        {"anna", "anna", "anna"},
        {"anna", " Anna", "anna"},
        {"anna", "ben", NULL},
        {"anna", "carol", NULL},
        {NULL, "carol", "carol"},
        {NULL, "", ""},
        {NULL, "anna", NULL},
        {NULL, "\001ANNA\n", NULL},
        {NULL, "anna b", "anna b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int rc = auth_author(&auth, rows[i].person, sv_of(rows[i].by), &by, &err);
        assert_int_equal(rc, rows[i].author == NULL ? TC_EINPUT : 0);
        assert_true(rc != 0 || sv_is(by, rows[i].author));
        assert_true(rc == 0 || strstr(err.text, "token") != NULL);
    }
    assert_true(auth_is_person(&auth, SV("BEN ")) && !auth_is_person(&auth, SV("carol")));
    auth_fini(&auth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_host),
        cmocka_unit_test(test_host_on_every_address),
        cmocka_unit_test(test_host_of_port_80),
        cmocka_unit_test(test_origin_and_secret),
        cmocka_unit_test(test_A_31_tokens),
        cmocka_unit_test(test_other_hosts),
        cmocka_unit_test(test_tokens_that_handlers_look_at),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_people_and_their_roles),
        cmocka_unit_test(test_authors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
