/*
 * Any bytes as the bodies of CloudWatch's and Datadog's protocols: CBOR, JSON, a form, records of a stream.
 * The first byte says which.
 */
#include "metrics/aws/cbor.h"
#include "metrics/aws/cloudwatch.h"
#include "metrics/intake/datadog.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sample_list list = {0};
    struct template_value value = template_none();
    struct err err = {0};
    if (size == 0)
        return 0;
    struct sv bytes = sv_make((const char *)data + 1, size - 1);
    bool put = false;
    switch (data[0] % 6) {
    case 0:
        put = cbor_read(bytes, &list.arena, &value, &err) == 0;
        break;
    case 1:
        put = template_from_json(&list.arena, bytes, &value, &err) == 0;
        break;
    case 2:
        put = cloudwatch_from_form(bytes, &list.arena, &value, &err) == 0;
        break;
    case 3:
        cloudwatch_stream_json(bytes, NULL, &list);
        break;
    case 4:
        cloudwatch_stream_otlp(bytes, NULL, &list);
        break;
    default:
        (void)datadog_read(bytes, NULL, &list, &err);
    }
    if (put)
        (void)cloudwatch_put_metric_data(value, 1, NULL, &list, &err);
    sample_list_free(&list);
    return 0;
}
