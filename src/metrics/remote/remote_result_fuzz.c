/*
 * What a remote store might answer to a query: it is read or refused, and what was read can be used.
 */
#include "metrics/promql/result_json.h"
#include "metrics/remote/remote_result.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct promql_result result = {0};
    struct labels_table labels;
    struct buf out;
    labels_table_init(&labels);
    buf_init(&out, 1 << 20);
    if (remote_result_read(200, sv_make((const char *)data, size), &labels, &result, NULL) == 0) {
        struct json_out json = json_out_to(&out);
        json_object(&json);
        promql_result_json(&json, &result, 0, 0);
        json_object_end(&json);
    }
    buf_free(&out);
    promql_result_free(&result);
    labels_table_free(&labels);
    return 0;
}
