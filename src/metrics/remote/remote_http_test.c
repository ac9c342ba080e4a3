/*
 * What is told of a remote store that does not answer.
 */
#include "metrics/remote/remote_http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Its host, and nothing else of its URL: any other part may be a secret. */
static void test_a_failure_names_the_host_only(void **state)
{
    static const char *const urls[] = {"http://127.0.0.1:1?token=secret", "http://127.0.0.1:1/secret?a=b",
                                       "http://anna:secret@127.0.0.1:1/write", "http://127.0.0.1:1#secret"};
    static const char *const headers[] = {NULL};
    const struct http_client client = {0};
    (void)state;
    struct remote_http *http = remote_http_new(&(struct remote_http_options){
        .fs = &fs_system, .client = &client, .timeout_ms = 60000, .answer_max = 1 << 10});
    for (size_t i = 0; i < TC_ARRAY_LEN(urls); i++) {
        struct remote_answer *answer;
        struct err err = {0};
        assert_int_equal(remote_http_ask(http, urls[i], SV("x"), headers, &answer, &err), TC_EIO);
        assert_non_null(strstr(err.text, "127.0.0.1:1 does not answer"));
        assert_null(strstr(err.text, "secret"));
    }
    remote_http_free(&http);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_a_failure_names_the_host_only)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
