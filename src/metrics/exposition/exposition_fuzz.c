/*
 * Bodies of exporters, hostile ones: no crash, and what strict reading accepts, easy reading accepts with the
 * same samples. The first byte chooses the format.
 * With bit 2 of the first byte: the same bytes as protobuf.
 */
#include "base/hash.h"
#include "metrics/exposition/protobuf.h"
#include "metrics/histogram.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct sum {
    uint64_t samples, hash;
};

static int add(void *context, const struct exposition_sample *s, struct err *err)
{
    struct sum *sum = context;
    (void)err;
    tc_assert(s->count >= 1 && s->count <= EXPOSITION_LABELS_MAX);
    for (size_t i = 0; i < s->count; i++)
        sum->hash = hash_64_seed(s->labels[i].value, hash_64_seed(s->labels[i].name, sum->hash));
    if (s->histogram != NULL) {
        for (size_t i = 1; i < s->histogram->positive.n; i++)
            tc_assert(s->histogram->positive.index[i] > s->histogram->positive.index[i - 1]);
    }
    sum->samples++;
    return 0;
}

static int run(struct sv body, enum exposition_format format, bool strict, struct sum *ret)
{
    struct exposition_handler handler = {.context = ret, .sample = add};
    *ret = (struct sum){0};
    return exposition_parse(body, format, strict, &handler, NULL);
}

static void run_protobuf(struct sv body, const struct exposition_histograms *wanted)
{
    struct sum sum = {0};
    struct exposition_handler handler = {.context = &sum, .sample = add};
    (void)exposition_parse_protobuf(body, wanted, &handler, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct sv body = {(const char *)data + 1, size - 1};
    if (data[0] & 4) {
        run_protobuf(body, &(struct exposition_histograms){data[0] & 1, data[0] & 2});
        return 0;
    }
    enum exposition_format format = data[0] & 1 ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
    struct sum easy, strict;
    int rc = run(body, format, false, &easy);
    if (run(body, format, true, &strict) == 0)
        tc_assert(rc == 0 && easy.samples == strict.samples && easy.hash == strict.hash);
    return 0;
}
