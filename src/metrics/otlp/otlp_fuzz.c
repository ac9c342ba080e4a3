/*
 * Any bytes as OTLP, protobuf or (where they begin with '{') JSON: reading says yes or no, and what JSON was
 * made into is read as well.
 */
#include "metrics/otlp/otlp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv bytes = sv_make((const char *)data, size);
    struct sample_list list = {0};
    struct metadata *metadata = metadata_new();
    struct buf message;
    struct err err = {0};
    buf_init(&message, 1 << 20);
    if (size > 0 && data[0] == '{' && otlp_from_json(bytes, &message, &err) == 0)
        bytes = buf_view(&message);
    (void)otlp_read(bytes, metadata, &list, &err);
    sample_list_free(&list);
    metadata_free(&metadata);
    buf_free(&message);
    return 0;
}
