/*
 * Any bytes as a file of the test language, and as samples in the text format.
 */
#include "metrics/exposition/load.h"
#include "metrics/promql/test_language.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv text = sv_make((const char *)data, size);
    struct promql_test_report report = {0};
    struct memory_store *store = memory_store_new();
    if (size > 4096)
        text.n = 4096;
    (void)promql_test_run(text, "file", &report, NULL);
    (void)exposition_load(text, "file", 0, store, NULL);
    memory_store_free(&store);
    return 0;
}
