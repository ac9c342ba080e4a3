/*
 * Any bytes as lines of Graphite's plaintext protocol.
 */
#include "metrics/graphite/graphite_line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv bytes = sv_make((const char *)data, size);
    struct sample_list list = {0};
    while (bytes.n > 0)
        (void)graphite_read(sv_cut(&bytes, '\n'), 1, &list);
    sample_list_free(&list);
    return 0;
}
