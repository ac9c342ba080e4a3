/*
 * WebSocket: the examples of RFC 6455 (sections 1.3 and 5.7), and frames that come byte by byte.
 */
#include "api/websocket.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>

static void handshake(void **state)
{
    (void)state;
    char out[WEBSOCKET_ACCEPT_BYTES];
    assert_true(websocket_accept(SV("dGhlIHNhbXBsZSBub25jZQ=="), out));
    assert_string_equal(out, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    assert_false(websocket_accept(SV("dGhlIHNhbXBsZSBub25j"), out));
    assert_false(websocket_accept(SV(""), out));
    assert_false(websocket_accept(SV("dGhlIHNhbXBsZSBub25jZQ==\r\nX: y"), out));
}

static void frames_out(void **state)
{
    (void)state;
    static const struct {
        size_t n;
        const char *head;
        size_t head_n;
    } cases[] = {{5, "\x81\x05", 2},
                 {125, "\x81\x7d", 2},
                 {126, "\x81\x7e\x00\x7e", 4},
                 {256, "\x81\x7e\x01\x00", 4},
                 {65535, "\x81\x7e\xff\xff", 4},
                 {65536, "\x81\x7f\x00\x00\x00\x00\x00\x01\x00\x00", 10}};
    char *payload = calloc(1, 1 << 17);
    assert_non_null(payload);
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct buf out;
        buf_init(&out, 1 << 20);
        websocket_frame(WEBSOCKET_TEXT, sv_make(payload, cases[i].n), &out);
        assert_int_equal(out.n, cases[i].head_n + cases[i].n);
        assert_memory_equal(out.p, cases[i].head, cases[i].head_n);
        buf_free(&out);
    }
    free(payload);
}

/* "Hello" masked as text, in two parts, then a ping of "Hello", an empty ping, a close. */
static const char client[] = "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
                             "\x01\x83\x37\xfa\x21\x3d\x7f\x9f\x4d"
                             "\x89\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
                             "\x80\x82\x37\xfa\x21\x3d\x5b\x95"
                             "\x89\x80\x37\xfa\x21\x3d"
                             "\x88\x80\x37\xfa\x21\x3d";

static void frames_in(void **state)
{
    (void)state;
    for (size_t step = 1; step < sizeof client; step++) {
        struct websocket_reader r = {0};
        struct sv rest = sv_make(client, sizeof client - 1), part = {0};
        enum websocket_event seen[4];
        size_t n = 0;
        while (rest.n > 0 || part.n > 0) {
            if (part.n == 0) {
                part = sv_head(rest, step);
                rest = sv_from(rest, part.n);
            }
            enum websocket_event event = websocket_read(&r, &part);
            if (event == WEBSOCKET_MORE)
                continue;
            assert_true(n < TC_ARRAY_LEN(seen));
            if (event == WEBSOCKET_PINGED && n == 0) {
                assert_int_equal(r.control_bytes, 5);
                assert_memory_equal(r.control, "Hello", 5);
            }
            seen[n++] = event;
        }
        assert_int_equal(n, 3);
        assert_int_equal(seen[0], WEBSOCKET_PINGED);
        assert_int_equal(seen[1], WEBSOCKET_PINGED);
        assert_int_equal(r.control_bytes, 0);
        assert_int_equal(seen[2], WEBSOCKET_CLOSED);
    }
}

static void refused(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t n;
        const char *why;
    } cases[] = {{"\x81\x05Hello", 7, "not masked"},
                 {"\xc1\x85\x37\xfa\x21\x3d", 6, "a reserved bit"},
                 {"\x09\x80\x37\xfa\x21\x3d", 6, "a control frame in parts"},
                 {"\x89\xfe\x00\x7e\x37\xfa\x21\x3d", 8, "a control frame of 126 bytes"},
                 {"\x82\xff\x80\x00\x00\x00\x00\x00\x00\x00\x37\xfa\x21\x3d", 14, "a length of 2^63"}};
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct websocket_reader r = {0};
        struct sv in = sv_make(cases[i].bytes, cases[i].n);
        enum websocket_event event = websocket_read(&r, &in);
        if (event != WEBSOCKET_BROKEN)
            fail_msg("%s is taken", cases[i].why);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake),
        cmocka_unit_test(frames_out),
        cmocka_unit_test(frames_in),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
