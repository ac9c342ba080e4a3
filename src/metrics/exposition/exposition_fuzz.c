/*
 * Bodies of exporters, hostile ones: no crash, and what strict reading accepts, easy reading accepts with the
 * same samples. The first byte chooses the format.
 */
#include "base/hash.h"
#include "metrics/exposition/exposition.h"

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
    sum->samples++;
    return 0;
}

static int run(struct sv body, enum exposition_format format, bool strict, struct sum *ret)
{
    struct exposition_handler handler = {.context = ret, .sample = add};
    *ret = (struct sum){0};
    return exposition_parse(body, format, strict, &handler, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct sv body = {(const char *)data + 1, size - 1};
    enum exposition_format format = data[0] & 1 ? EXPOSITION_OPENMETRICS : EXPOSITION_TEXT;
    struct sum easy, strict;
    int rc = run(body, format, false, &easy);
    if (run(body, format, true, &strict) == 0)
        tc_assert(rc == 0 && easy.samples == strict.samples && easy.hash == strict.hash);
    return 0;
}
