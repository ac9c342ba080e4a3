/*
 * Any bytes as Datadog's series, JSON (where they begin with '{') or protobuf.
 */
#include "metrics/intake/datadog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv bytes = sv_make((const char *)data, size);
    struct sample_list list = {0};
    struct metadata *metadata = metadata_new();
    struct err err = {0};
    if (size > 0 && data[0] == '{')
        (void)datadog_read(bytes, metadata, &list, &err);
    else
        (void)datadog_read_protobuf(bytes, metadata, &list, &err);
    sample_list_free(&list);
    metadata_free(&metadata);
    return 0;
}
