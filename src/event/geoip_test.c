/*
 * Where addresses are: from MMDB files that test/mmdb.py writes (from the repository's root, with Python;
 * skipped without). What is no place gets no fact, a file that is none is refused, and a damaged one harms
 * nothing.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/rng.h"
#include "event/geoip.h"
#include "event/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char city[] =
    "{\"203.0.113.0/24\": {\"country\": {\"iso_code\": \"DE\", \"names\": {\"en\": \"Germany\"}},"
    " \"continent\": {\"code\": \"EU\"}, \"city\": {\"names\": {\"en\": \"Köln\", \"de\": \"Koeln\"}},"
    " \"location\": {\"latitude\": 50.9375, \"longitude\": -6.9603, \"accuracy_radius\": 20},"
    " \"subdivisions\": [{\"iso_code\": \"NW\"}, {\"iso_code\": \"XX\"}]},"
    " \"203.0.113.128/25\": {\"country\": {\"iso_code\": \"AT\"}},"
    " \"2001:db8::/32\": {\"country\": {\"iso_code\": \"BR\"}},"
    " \"10.0.0.0/8\": {\"country\": {\"iso_code\": \"ZZ\"}},"
    " \"198.51.100.0/24\": {\"country\": \"not a map\", \"city\": {\"names\": {\"en\": 7}}}}";
static const char network[] = "{\"203.0.113.0/24\": {\"autonomous_system_number\": 64500,"
                              " \"autonomous_system_organization\": \"Example Net\"}}";

static char dir[] = "/tmp/tocsin-geoip-XXXXXX";
static char city_path[64], network_path[64];
static bool have_files;

static bool write_mmdb(const char *path, const char *json)
{
    char command[256];
    snprintf(command, sizeof command, "python3 test/mmdb.py %s 2>/dev/null", path);
    FILE *python = popen(command, "w"); /* NOLINT: a fixed command */
    if (python == NULL)
        return false;
    fputs(json, python);
    return pclose(python) == 0;
}

static int begin(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(city_path, sizeof city_path, "%s/city.mmdb", dir);
    snprintf(network_path, sizeof network_path, "%s/network.mmdb", dir);
    have_files = write_mmdb(city_path, city) && write_mmdb(network_path, network);
    return 0;
}

static int end(void **state)
{
    (void)state;
    unlink(city_path);
    unlink(network_path);
    rmdir(dir);
    return 0;
}

struct kit {
    struct arena arena;
    struct geoip *geoip;
};

static void kit_begin(struct kit *kit)
{
    const char *const paths[] = {city_path, network_path};
    struct geoip_files *files;
    struct err err;
    if (!have_files)
        skip();
    *kit = (struct kit){.geoip = geoip_new()};
    if (geoip_files_open(&fs_system, paths, 2, &files, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(2, geoip_files_count(files));
    assert_string_equal(network_path, geoip_files_path(files, 1));
    assert_int_equal(64, strlen(geoip_files_sha256(files, 0)));
    geoip_put(kit->geoip, &files);
    assert_null(files);
}

static void kit_end(struct kit *kit)
{
    geoip_free(&kit->geoip);
    arena_free(&kit->arena);
}

/* "name=value name=value", in the order given. */
static const char *facts_of(struct kit *kit, const char *json)
{
    struct field facts[TC_GEOIP_FACTS_MAX];
    struct event event = {.time = {TC_NO_TIME}};
    struct buf out;
    buf_init(&out, 1 << 16);
    assert_int_equal(0, json_parse_event(sv_of(json), &kit->arena, &event, NULL));
    event_index(&event, &kit->arena);
    uint32_t count = geoip_facts(kit->geoip, &event, &kit->arena, facts);
    for (uint32_t i = 0; i < count; i++) {
        assert_true(facts[i].flags & FIELD_DERIVED);
        buf_printf(&out, "%s%.*s=%.*s", i > 0 ? " " : "", SV_FMT(facts[i].name), SV_FMT(facts[i].value));
    }
    const char *text = arena_str(&kit->arena, buf_view(&out));
    buf_free(&out);
    return text;
}

static void test_A_29_country_city_and_network(void **state)
{
    struct kit kit;
    (void)state;
    kit_begin(&kit);
    assert_string_equal("source.geo.continent_code=EU source.geo.country_iso_code=DE "
                        "source.geo.country_name=Germany source.geo.region_iso_code=DE-NW "
                        "source.geo.city_name=Köln source.geo.location.lat=50.9375 "
                        "source.geo.location.lon=-6.9603 source.geo.accuracy_radius=20 "
                        "source.as.number=64500 "
                        "source.as.organization.name=Example Net",
                        facts_of(&kit, "{\"source.ip\":\"203.0.113.7\"}"));
    assert_string_equal("source.geo.country_iso_code=AT source.as.number=64500 "
                        "source.as.organization.name=Example Net",
                        facts_of(&kit, "{\"source\":{\"ip\":\"::ffff:203.0.113.200\"}}"));
    assert_string_equal(
        "source.geo.country_iso_code=BR destination.geo.country_iso_code=BR",
        facts_of(&kit, "{\"source.ip\":\"[2001:db8::1]\",\"destination.ip\":\"2001:DB8::2\"}"));
    kit_end(&kit);
}

static void test_A_29_what_is_no_place_gets_none(void **state)
{
    static const char *const addresses[] = {
        "10.1.2.3", "127.0.0.1",      "169.254.1.1", "192.168.1.1",     "100.64.0.1",
        "::1",      "fe80::1",        "fd00::1",     "224.0.0.1",       "alice",
        "",         "203.0.113.7:80", "8.8.8.8",     "::ffff:10.0.0.1", "198.51.100.1"};
    struct kit kit;
    (void)state;
    kit_begin(&kit);
    for (size_t i = 0; i < TC_ARRAY_LEN(addresses); i++)
        assert_string_equal(
            "", facts_of(&kit, arena_printf(&kit.arena, "{\"source.ip\":\"%s\"}", addresses[i]).p));
    assert_string_equal("", facts_of(&kit, "{\"message\":\"203.0.113.7\"}"));
    kit_end(&kit);
}

static void test_what_the_sender_says_is_kept(void **state)
{
    struct kit kit;
    (void)state;
    kit_begin(&kit);
    assert_string_equal(
        "source.as.number=64500 source.as.organization.name=Example Net",
        facts_of(&kit,
                 "{\"source.ip\":\"203.0.113.200\",\"source\":{\"geo\":{\"country_iso_code\":\"XY\"}}}"));
    kit_end(&kit);
}

static void test_files_can_be_changed_and_taken_away(void **state)
{
    struct kit kit;
    struct geoip_files *none = NULL;
    (void)state;
    kit_begin(&kit);
    geoip_put(kit.geoip, &none);
    assert_string_equal("", facts_of(&kit, "{\"source.ip\":\"203.0.113.7\"}"));
    kit_end(&kit);
}

static void test_what_is_no_mmdb_is_refused(void **state)
{
    const char *const paths[] = {"Makefile"}, *const missing[] = {"/nowhere/x.mmdb"};
    struct geoip_files *files;
    struct err err;
    (void)state;
    assert_int_equal(TC_EINPUT, geoip_files_open(&fs_system, paths, 1, &files, &err));
    assert_null(files);
    assert_string_equal("Makefile", err.file);
    assert_int_equal(TC_EINPUT, geoip_files_open(&fs_system, missing, 1, &files, &err));
}

static void put_bytes(const char *path, struct sv bytes)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(bytes.n, fwrite(bytes.p, 1, bytes.n, file));
    fclose(file);
}

/* Whatever stands in the file, asking it gives facts or none. */
static void test_damaged_files_harm_nothing(void **state)
{
    struct kit kit;
    struct sim_rng rng;
    struct buf good, bad;
    struct err err;
    char path[80];
    const char *const paths[] = {path};
    size_t opened = 0;
    (void)state;
    kit_begin(&kit);
    sim_rng_init(&rng, 29);
    buf_init(&good, 1 << 20);
    buf_init(&bad, 1 << 20);
    snprintf(path, sizeof path, "%s/bad.mmdb", dir);
    assert_int_equal(0, fs_read_file(&fs_system, city_path, &good, &err));
    for (int round = 0; round < 3000; round++) {
        struct geoip_files *files;
        buf_clear(&bad);
        size_t n = round % 4 == 0 ? rng_u64(&rng.rng) % good.n : good.n;
        buf_sv(&bad, sv_head(buf_view(&good), n));
        for (unsigned i = 0; n > 0 && i < 1 + rng_u64(&rng.rng) % 8; i++)
            bad.p[rng_u64(&rng.rng) % n] = (char)rng_u64(&rng.rng);
        put_bytes(path, buf_view(&bad));
        if (geoip_files_open(&fs_system, paths, 1, &files, &err) != 0)
            continue;
        opened++;
        geoip_put(kit.geoip, &files);
        facts_of(&kit, "{\"source.ip\":\"203.0.113.7\",\"destination.ip\":\"2001:db8::1\"}");
        facts_of(&kit, "{\"source.ip\":\"198.51.100.7\"}");
        arena_reset(&kit.arena);
    }
    assert_true(opened > 100);
    unlink(path);
    buf_free(&good);
    buf_free(&bad);
    kit_end(&kit);
}

/* The library itself forgets some memory of files whose metadata makes no sense. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libmaxminddb\n";
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_A_29_country_city_and_network),
        cmocka_unit_test(test_A_29_what_is_no_place_gets_none),
        cmocka_unit_test(test_what_the_sender_says_is_kept),
        cmocka_unit_test(test_files_can_be_changed_and_taken_away),
        cmocka_unit_test(test_what_is_no_mmdb_is_refused),
        cmocka_unit_test(test_damaged_files_harm_nothing),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
