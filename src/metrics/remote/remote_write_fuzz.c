/*
 * Remote write bodies, hostile ones: snappy, then a message of either version, into a store. What passes the
 * check is appended without a crash. The first byte chooses the version, and whether the rest is packed.
 */
#include "base/sim_fs.h"
#include "metrics/remote/remote_write.h"
#include "metrics/remote/snappy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void append(enum remote_write_version version, struct sv message)
{
    struct sim_fs *sim = sim_fs_new(0);
    struct sim_rng rng;
    sim_rng_init(&rng, 1);
    struct tsdb_options options = {.fs = sim_fs_seam(sim), .rng = &rng.rng, .dir = "/m", .series_max = 100};
    struct tsdb *tsdb;
    struct tsdb_appender a;
    struct remote_write result;
    tc_assert(tsdb_open(&options, &tsdb, NULL, NULL) == 0);
    tc_assert(tsdb_begin(tsdb, 0, INT64_MAX, &a, NULL) == 0);
    remote_write_append(version, message, &a, &result);
    tsdb_commit(&a, NULL, NULL);
    tc_assert(tsdb_stats(tsdb).series <= 100);
    tsdb_close(&tsdb);
    tc_assert(tsdb_open(&options, &tsdb, NULL, NULL) == 0); /* what it logged can be read */
    tsdb_close(&tsdb);
    sim_fs_free(&sim);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct sv body = {(const char *)data + 1, size - 1};
    enum remote_write_version version = data[0] & 1 ? REMOTE_WRITE_2 : REMOTE_WRITE_1;
    struct buf unpacked;
    buf_init(&unpacked, 1 << 20);
    bool good = true;
    if (data[0] & 2) {
        good = snappy_unpack(body, &unpacked, NULL) == 0;
        body = buf_view(&unpacked);
    }
    if (good && remote_write_check(version, body, NULL) == 0) {
        struct metadata *metadata = metadata_new();
        append(version, body);
        remote_write_metadata(version, body, metadata);
        metadata_free(&metadata);
    }
    buf_free(&unpacked);
    return 0;
}
