/*
 * Remote write: both messages, what is refused, damaged bodies, and snappy against other's bytes.
 */
#include "base/fs.h"
#include "metrics/remote/protobuf.h"
#include "metrics/remote/remote_write.h"
#include "metrics/remote/snappy.h"
#include "metrics/tsdb/bits.h"
#include "metrics/tsdb/tsdb_kit.h"

#include <unistd.h>

static void varint(struct buf *out, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        buf_u8(out, (uint8_t)(v | 128));
    buf_u8(out, (uint8_t)v);
}

static void field_bytes(struct buf *out, uint32_t number, struct sv bytes)
{
    varint(out, number << 3 | PROTO_BYTES);
    varint(out, bytes.n);
    buf_sv(out, bytes);
}

static void field_double(struct buf *out, uint32_t number, double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    varint(out, number << 3 | PROTO_64);
    buf_u64(out, bits);
}

static void field_varint(struct buf *out, uint32_t number, uint64_t v)
{
    varint(out, number << 3 | PROTO_VARINT);
    varint(out, v);
}

static void add_label(struct buf *series, const char *name, const char *value)
{
    struct buf label;
    buf_init(&label, 1000);
    field_bytes(&label, 1, sv_of(name));
    field_bytes(&label, 2, sv_of(value));
    field_bytes(series, 1, buf_view(&label));
    buf_free(&label);
}

static void add_sample(struct buf *series, double v, int64_t t)
{
    struct buf sample;
    buf_init(&sample, 100);
    field_double(&sample, 1, v);
    field_varint(&sample, 2, (uint64_t)t);
    field_bytes(series, 2, buf_view(&sample));
    buf_free(&sample);
}

struct fixture {
    struct sim_fs *sim;
    struct sim_rng rng;
    struct tsdb *tsdb;
    struct buf series, message;
};

static void fixture_init(struct fixture *f)
{
    f->sim = sim_fs_new(0);
    sim_rng_init(&f->rng, 1);
    struct tsdb_options options = {.fs = sim_fs_seam(f->sim), .rng = &f->rng.rng, .dir = "/m"};
    assert_int_equal(tsdb_open(&options, &f->tsdb, NULL, NULL), 0);
    buf_init(&f->series, 1 << 20);
    buf_init(&f->message, 1 << 20);
}

static void fixture_free(struct fixture *f)
{
    tsdb_close(&f->tsdb);
    sim_fs_free(&f->sim);
    buf_free(&f->series);
    buf_free(&f->message);
}

static struct remote_write append(struct fixture *f, enum remote_write_version version)
{
    struct remote_write result;
    struct tsdb_appender a;
    int rc = -1;
    assert_int_equal(remote_write_check(version, buf_view(&f->message), NULL), 0);
    assert_int_equal(tsdb_begin(f->tsdb, 0, INT64_MAX, &a, NULL), 0);
    remote_write_append(version, buf_view(&f->message), &a, &result);
    tsdb_commit(&a, kit_acknowledge, &rc);
    assert_int_equal(rc, 0);
    return result;
}

static void test_version_1(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    add_label(&f.series, "__name__", "up");
    add_label(&f.series, "job", "x");
    add_sample(&f.series, 1, 1000000);
    add_sample(&f.series, 0.5, 1015000);
    field_bytes(&f.message, 1, buf_view(&f.series));
    struct remote_write r = append(&f, REMOTE_WRITE_1);
    assert_int_equal(r.samples, 2);
    assert_int_equal(r.refused, 0);
    r = append(&f, REMOTE_WRITE_1); /* sent again: the first is out of order now, the second the same */
    assert_int_equal(r.samples, 1);
    assert_int_equal(r.refused, 1);
    assert_int_equal(r.first, TSDB_OUT_OF_ORDER);
    assert_non_null(strstr(r.text, "out of order sample"));
    buf_clear(&f.series);
    buf_clear(&f.message);
    add_label(&f.series, "job", "no name");
    add_sample(&f.series, 1, 1000000);
    field_bytes(&f.message, 1, buf_view(&f.series));
    r = append(&f, REMOTE_WRITE_1);
    assert_int_equal(r.first, TSDB_BAD_LABELS);
    assert_non_null(strstr(r.text, "job=\"no name\""));
    struct kit_samples s;
    assert_int_equal(kit_read(f.tsdb, MATCH_EQUAL, "up", 0, INT64_MAX / 2, &s, NULL), 0);
    assert_int_equal(s.n, 2);
    assert_true(s.f[1] == 0.5);
    kit_samples_free(&s);
    fixture_free(&f);
}

static void test_version_2(void **state)
{
    (void)state;
    struct fixture f;
    struct buf refs;
    fixture_init(&f);
    buf_init(&refs, 100);
    static const char *const symbols[] = {"", "__name__", "up", "job", "x"};
    for (size_t i = 0; i < TC_ARRAY_LEN(symbols); i++)
        field_bytes(&f.message, 4, sv_of(symbols[i]));
    for (unsigned i = 1; i < 5; i++)
        varint(&refs, i);
    field_bytes(&f.series, 1, buf_view(&refs));
    add_sample(&f.series, 3, 1000000);
    field_bytes(&f.message, 5, buf_view(&f.series));
    struct remote_write r = append(&f, REMOTE_WRITE_2);
    assert_int_equal(r.samples, 1);
    buf_clear(&f.series);
    buf_clear(&refs);
    varint(&refs, 1);
    varint(&refs, 99); /* no such symbol */
    field_bytes(&f.series, 1, buf_view(&refs));
    add_sample(&f.series, 3, 1001000);
    field_bytes(&f.message, 5, buf_view(&f.series));
    r = append(&f, REMOTE_WRITE_2);
    assert_int_equal(r.samples, 1); /* the same again */
    assert_int_equal(r.refused, 1);
    assert_int_equal(r.first, TSDB_BAD_LABELS);
    buf_free(&refs);
    fixture_free(&f);
}

static void check_exemplar(struct fixture *f)
{
    struct arena arena = {0};
    struct tsdb_exemplar_series *got;
    struct matcher m;
    size_t n;
    assert_int_equal(matcher_init(&m, MATCH_EQUAL, METRIC_NAME, SV("up"), NULL), 0);
    struct tsdb_selector selector = {&m, 1};
    tsdb_exemplars(f->tsdb, &selector, 1, 0, INT64_MAX, &arena, &got, &n);
    assert_int_equal(n, 1);
    assert_int_equal(got[0].n, 1);
    assert_true(got[0].items[0].v == 0.25 && got[0].items[0].t == 999000);
    assert_true(sv_is(labels_get(got[0].items[0].labels, SV("trace_id")), "abc"));
    arena_free(&arena);
}

static void test_exemplars(void **state)
{
    (void)state;
    for (enum remote_write_version version = REMOTE_WRITE_1; version <= REMOTE_WRITE_2; version++) {
        struct fixture f;
        struct buf example, part;
        fixture_init(&f);
        buf_init(&example, 100);
        buf_init(&part, 100);
        if (version == REMOTE_WRITE_1) {
            add_label(&f.series, "__name__", "up");
            add_label(&example, "trace_id", "abc");
        } else {
            static const char *const symbols[] = {"", "__name__", "up", "trace_id", "abc"};
            for (size_t i = 0; i < TC_ARRAY_LEN(symbols); i++)
                field_bytes(&f.message, 4, sv_of(symbols[i]));
            varint(&part, 1);
            varint(&part, 2);
            field_bytes(&f.series, 1, buf_view(&part));
            buf_clear(&part);
            varint(&part, 3);
            varint(&part, 4);
            field_bytes(&example, 1, buf_view(&part));
        }
        field_double(&example, 2, 0.25);
        field_varint(&example, 3, 999000);
        add_sample(&f.series, 1, 1000000);
        field_bytes(&f.series, version == REMOTE_WRITE_1 ? 3 : 4, buf_view(&example));
        field_bytes(&f.message, version == REMOTE_WRITE_1 ? 1 : 5, buf_view(&f.series));
        struct remote_write r = append(&f, version);
        assert_true(r.samples == 1 && r.exemplars == 1 && r.refused == 0);
        check_exemplar(&f);
        buf_free(&example);
        buf_free(&part);
        fixture_free(&f);
    }
}

static void test_histogram(void **state)
{
    (void)state;
    struct fixture f;
    struct buf h, part;
    fixture_init(&f);
    buf_init(&h, 1000);
    buf_init(&part, 100);
    field_varint(&h, 1, 6); /* count */
    field_double(&h, 3, 18.4);
    field_varint(&h, 4, zigzag(1));
    field_double(&h, 5, 0.001);
    field_varint(&h, 6, 1);
    field_varint(&part, 1, zigzag(-1)); /* span: offset, length */
    field_varint(&part, 2, 2);
    field_bytes(&h, 11, buf_view(&part));
    buf_clear(&part);
    varint(&part, zigzag(2)); /* counts 2, 3 */
    varint(&part, zigzag(1));
    field_bytes(&h, 12, buf_view(&part));
    field_varint(&h, 15, 5000);
    add_label(&f.series, "__name__", "h");
    field_bytes(&f.series, 4, buf_view(&h));
    field_bytes(&f.message, 1, buf_view(&f.series));
    struct remote_write r = append(&f, REMOTE_WRITE_1);
    assert_int_equal(r.histograms, 1);
    struct tsdb_querier *q = tsdb_querier_open(f.tsdb);
    struct series_source source = tsdb_querier_source(q);
    struct arena arena = {0};
    struct source_series *series;
    struct series_samples got;
    size_t n;
    assert_int_equal(source.select(source.context, NULL, 0, 0, 10000, &arena, &series, &n, NULL), 0);
    assert_int_equal(source.read(source.context, series[0].ref, 0, 10000, &arena, &got, NULL), 0);
    assert_int_equal(got.h[0]->positive.n, 2);
    assert_int_equal(got.h[0]->positive.index[0], -1);
    assert_true(got.h[0]->positive.count[1] == 3 && got.h[0]->sum == 18.4 && got.h[0]->schema == 1);
    tsdb_querier_close(&q);
    arena_free(&arena);
    buf_free(&h);
    buf_free(&part);
    fixture_free(&f);
}

static void test_content_types(void **state)
{
    (void)state;
    enum remote_write_version v;
    assert_true(remote_write_version_of(SV("application/x-protobuf"), &v) && v == REMOTE_WRITE_1);
    assert_true(remote_write_version_of(SV("application/x-protobuf;proto=prometheus.WriteRequest"), &v) &&
                v == REMOTE_WRITE_1);
    assert_true(
        remote_write_version_of(SV("application/x-protobuf; proto=io.prometheus.write.v2.Request"), &v) &&
        v == REMOTE_WRITE_2);
    assert_false(remote_write_version_of(SV("application/x-protobuf;proto=other"), &v));
    assert_false(remote_write_version_of(SV("application/json"), &v));
}

static void test_damaged(void **state)
{
    (void)state;
    struct fixture f;
    fixture_init(&f);
    add_label(&f.series, "__name__", "up");
    add_sample(&f.series, 1, 1000000);
    field_bytes(&f.message, 1, buf_view(&f.series));
    for (size_t n = 1; n < f.message.n; n++)
        assert_int_equal(remote_write_check(REMOTE_WRITE_1, sv_head(buf_view(&f.message), n), NULL),
                         TC_EINPUT);
    fixture_free(&f);
}

static void test_snappy(void **state)
{
    (void)state;
    static const char raw[] = "../shared/data/snappy/Isaac.Newton-Opticks.txt.rawsnappy";
    static const char text[] = "../shared/data/snappy/Isaac.Newton-Opticks.txt";
    struct buf out, packed, want;
    buf_init(&out, 1 << 20);
    buf_init(&packed, 1 << 20);
    buf_init(&want, 1 << 20);
    assert_int_equal(snappy_unpack(SV("\x05\x10hello"), &out, NULL), 0);
    assert_true(sv_is(buf_view(&out), "hello"));
    assert_int_equal(snappy_unpack(SV("\x0a\x04xy\x11\x02"), &out, NULL), 0); /* 2 + 8 of a copy */
    assert_true(sv_is(buf_view(&out), "xyxyxyxyxy"));
    assert_int_equal(snappy_unpack(SV("\x05\x10hell"), &out, NULL), TC_EINPUT);
    assert_int_equal(snappy_unpack(SV("\x05\x0chell"), &out, NULL), TC_EINPUT);
    assert_int_equal(snappy_unpack(SV("\x05\x0chell\x05\x09"), &out, NULL), TC_EINPUT);
    assert_int_equal(snappy_unpack(SV("\xff\xff\xff\xff\x0f\x10hello"), &out, NULL), TC_EINPUT);
    if (access(raw, R_OK) == 0) {
        assert_int_equal(fs_read_file(&fs_system, raw, &packed, NULL), 0);
        assert_int_equal(fs_read_file(&fs_system, text, &want, NULL), 0);
        assert_int_equal(snappy_unpack(buf_view(&packed), &out, NULL), 0);
        assert_true(sv_eq(buf_view(&out), buf_view(&want)));
        for (size_t i = 0; i < 2000; i++) { /* no crash */
            char before = packed.p[i * 7 % packed.n];
            packed.p[i * 7 % packed.n] = (char)(before + 1 + (char)i);
            (void)snappy_unpack(buf_view(&packed), &out, NULL);
            packed.p[i * 7 % packed.n] = before;
        }
    } else {
        print_message("skipped a part: no third-party data at %s\n", raw);
    }
    buf_free(&out);
    buf_free(&packed);
    buf_free(&want);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        {"A-11: messages 1.0", test_version_1, NULL, NULL, NULL},
        {"A-11: messages 2.0", test_version_2, NULL, NULL, NULL},
        {"exemplars, in both versions", test_exemplars, NULL, NULL, NULL},
        {"native histograms", test_histogram, NULL, NULL, NULL},
        {"which message a Content-Type means", test_content_types, NULL, NULL, NULL},
        {"no prefix of a message is a message", test_damaged, NULL, NULL, NULL},
        {"snappy", test_snappy, NULL, NULL, NULL},
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
