/*
 * Fuzz target: an Accept header, a line break, and a text to turn into OpenMetrics; any bytes.
 */
#include "api/openmetrics.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv text = sv_make((const char *)data, size), accept = sv_cut(&text, '\n');
    struct buf out;
    buf_init(&out, 64 << 20);
    openmetrics_wanted(accept);
    openmetrics_from_text(text, &out);
    tc_assert(out.overflow || sv_ends(buf_view(&out), SV("# EOF\n")));
    buf_free(&out);
    return 0;
}
