/*
 * Columns: whatever a record looks like, the same bytes come back; records that are alike take little;
 * changed bytes are refused or give other records, and never more than that.
 */
#include "event/parse.h"
#include "journal/cold_pack.h"
#include "journal/salts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

struct chunk {
    struct buf positions, blocks;
    uint32_t count;
    uint8_t seed[SALTS_SEED_BYTES];
};

static void begin(struct chunk *c)
{
    *c = (struct chunk){.seed = {1, 2, 3}};
    buf_init(&c->positions, 1 << 20);
    buf_init(&c->blocks, 32 << 20);
}

static void end(struct chunk *c)
{
    buf_free(&c->positions);
    buf_free(&c->blocks);
}

/* As the journal seals it, with a salt from the seed. */
static void add_event(struct chunk *c, struct event *e)
{
    uint8_t salt[TC_RECORD_SALT_BYTES];
    size_t at = c->blocks.n;
    e->received.ns = INT64_C(1800000000) * TC_SECOND_NS + c->count * 1000000;
    record_encode(e, &c->blocks);
    salts_derive(c->seed, 100 + c->count, salt);
    record_seal(c->blocks.p + at, 77, 100 + c->count, salt);
    buf_u64(&c->positions, 1000 + 3 * (uint64_t)c->count);
    c->count++;
}

static void add_line(struct chunk *c, const char *parser, const char *line)
{
    struct arena arena = {0};
    struct parse_state state;
    struct event e = {0};
    parse_state_init(&state, 0, 0, 0);
    parse_record(parser_find(sv_of(parser)), &state, sv_of(line), &arena, &e);
    e.source = c->count % 4 == 0 ? SV("http:one") : SV("file:/var/log/two.log");
    e.source_position = c->count * 7;
    add_event(c, &e);
    arena_free(&arena);
}

static size_t check(struct chunk *c, const uint8_t *seed, bool seed_comes_back)
{
    struct buf packed, positions, blocks;
    uint64_t raw_bytes;
    uint8_t got_seed[SALTS_SEED_BYTES];
    buf_init(&packed, 64 << 20);
    buf_init(&positions, 1 << 20);
    buf_init(&blocks, 32 << 20);
    enum cold_coding coding =
        cold_pack_records(buf_view(&c->positions), buf_view(&c->blocks), seed, &packed, &raw_bytes);
    assert_int_equal(coding, COLD_COLUMNS);
    assert_true(cold_unpack_records(coding, buf_view(&packed), (size_t)raw_bytes, c->count, &positions,
                                    &blocks, got_seed));
    assert_true(sv_eq(buf_view(&c->positions), buf_view(&positions)));
    assert_true(sv_eq(buf_view(&c->blocks), buf_view(&blocks)));
    assert_int_equal(seed_comes_back, memcmp(got_seed, c->seed, sizeof got_seed) == 0);
    size_t n = packed.n;
    buf_free(&packed);
    buf_free(&positions);
    buf_free(&blocks);
    return n;
}

static void add_odd_ones(struct chunk *c)
{
    static const char *const lines[] = {
        "{}",
        "{\"a\":null,\"b\":[],\"c\":{},\"d\":\"\"}",
        "{\"a\":[1,2,3,{\"x\":[\"1\",\"2\"]}],\"a.b\":{\"c\":1},\"a\":{\"b\":2}}",
        "{\"same\":1,\"same\":1,\"same\":\"1\"}",
        "{\"escaped\":\"\\u00e9\\n\\\"\",\"number\":0012,\"big\":123456789012345678901234567890,\"neg\":-0}",
        "{\"ip\":\"10.0.0.1\",\"not\":\"10.0.0.01\",\"nor\":\"1.2.3.4.\",\"x\":\"1.2.3\"}",
        "not json at all",
        "\xff\xfe\x01 bytes",
        "{\"user\":{\"name\":\"eve\"},\"user.name\":\"eve\",\"list\":[\"eve\",\"eve\"]}",
        "{\"spaces in name\":1,\" \":2,\"\":3}",
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(lines); i++)
        add_line(c, "json", lines[i]);
    add_line(c, "sshd",
             "Nov 21 10:00:00 host sshd[1]: message repeated 5 times: [ Failed password for root from "
             "10.0.0.1 port 1 ssh2]");
    add_line(c, "sshd", "");
}

static void test_odd(void **state)
{
    (void)state;
    struct chunk c;
    begin(&c);
    add_odd_ones(&c);
    check(&c, c.seed, true);
    check(&c, NULL, false);
    uint8_t other[SALTS_SEED_BYTES] = {9};
    check(&c, other, false); /* salts that are not of this seed are kept */
    end(&c);
}

static void test_alike(void **state)
{
    (void)state;
    struct chunk c;
    char line[512];
    size_t raw = 0;
    begin(&c);
    for (unsigned i = 0; i < 4000; i++) {
        snprintf(line, sizeof line,
                 "{\"@timestamp\":\"2026-11-21T10:%02u:%02u.%03uZ\",\"level\":\"info\",\"service\":\"svc%u\","
                 "\"source.ip\":\"10.0.%u.%u\","
                 "\"n\":%u,\"message\":\"request handled in %u ms by worker\"}",
                 i / 1000 % 60, i / 16 % 60, i * 7 % 1000, i % 5, i % 9, i * 31 % 250, i, i * 17 % 97);
        add_line(&c, "json", line);
        raw += strlen(line);
    }
    assert_true(check(&c, c.seed, true) < raw / 12);
    end(&c);
}

/* Texts outside of any field that differ in each line: a column of their own, not a shape for each. */
static void test_text(void **state)
{
    (void)state;
    struct chunk c;
    char line[512];
    size_t raw = 0;
    begin(&c);
    for (unsigned i = 0; i < 2000; i++) {
        snprintf(line, sizeof line, "the %u-th line of a log that nobody knows: %u things, %u left", i,
                 i * 7919 % 1000, i * 31 % 77);
        add_line(&c, "json", line);
        raw += strlen(line);
    }
    add_odd_ones(&c);
    assert_true(check(&c, c.seed, true) < raw / 4);
    end(&c);
}

/* An identifier of 16 random bytes that stands in several fields: whole and in part, in capitals, within a
 * path, twice in one value. `odd` lines do not repeat it. */
static void add_identified(struct chunk *c, unsigned lines, unsigned odd)
{
    char line[1024], hex[33], upper[33];
    uint64_t a = 0x1234567, b = 0x89abcdef;
    for (unsigned i = 0; i < lines; i++) {
        a = (a ^ a >> 29) * UINT64_C(0xbf58476d1ce4e5b9) + i;
        b = (b ^ b >> 31) * UINT64_C(0x94d049bb133111eb) + a;
        snprintf(hex, sizeof hex, "%016llx%016llx", (unsigned long long)a, (unsigned long long)b);
        snprintf(upper, sizeof upper, "%016llX%016llX", (unsigned long long)a, (unsigned long long)b);
        if (i < odd)
            hex[20] = 'x';
        snprintf(
            line, sizeof line,
            "{\"id\":\"%s\",\"span\":\"%.16s\",\"principal\":\"%.20s\",\"key\":\"a/%s/part-%u\",\"hashes\":"
            "\"SHA256=%s%s\",\"none\":\"\"}",
            i < odd ? upper : hex, hex, upper, hex, i, hex, hex);
        add_line(c, "json", line);
    }
}

static void test_repeated_identifiers(void **state)
{
    (void)state;
    struct chunk c, few;
    begin(&c);
    begin(&few);
    add_identified(&c, 2000, 0);
    assert_true(check(&c, c.seed, true) < (size_t)2000 * 24); /* 16 bytes of entropy each */
    add_identified(&few, 12, 0);                              /* too few to look for it */
    add_odd_ones(&few);
    add_identified(&few, 2000, 3);
    add_identified(&few, 2000, 2000);
    check(&few, few.seed, true);
    end(&few);
    end(&c);
}

static void test_changed(void **state)
{
    (void)state;
    struct chunk c;
    struct buf packed, positions, blocks;
    uint64_t raw_bytes;
    begin(&c);
    add_odd_ones(&c);
    add_identified(&c, 20, 0);
    buf_init(&packed, 1 << 20);
    buf_init(&positions, 1 << 20);
    buf_init(&blocks, 32 << 20);
    enum cold_coding coding =
        cold_pack_records(buf_view(&c.positions), buf_view(&c.blocks), c.seed, &packed, &raw_bytes);
    for (size_t at = 0; at < packed.n; at++)
        for (unsigned bit = 0; bit < 8; bit++) {
            packed.p[at] = (char)(packed.p[at] ^ 1 << bit);
            if (cold_unpack_records(coding, buf_view(&packed), (size_t)raw_bytes, c.count, &positions,
                                    &blocks, NULL))
                assert_int_equal(blocks.n, c.blocks.n);
            packed.p[at] = (char)(packed.p[at] ^ 1 << bit);
        }
    for (size_t n = 0; n < packed.n; n++) /* cut off */
        assert_false(cold_unpack_records(coding, sv_head(buf_view(&packed), n), (size_t)raw_bytes, c.count,
                                         &positions, &blocks, NULL));
    buf_free(&packed);
    buf_free(&positions);
    buf_free(&blocks);
    end(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_odd), cmocka_unit_test(test_alike), cmocka_unit_test(test_text),
        cmocka_unit_test(test_repeated_identifiers), cmocka_unit_test(test_changed)};
    return cmocka_run_group_tests_name("columns", tests, NULL, NULL);
}
