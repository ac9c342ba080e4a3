/*
 * Any bytes as a LogQL query: refused, or read into a tree whose text reads again.
 */
#include "query/logql.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct logql *query, *again;
    struct buf first, second;
    if (logql_parse(sv_make((const char *)data, size), &query, NULL) != 0)
        return 0;
    buf_init(&first, 16 << 20);
    buf_init(&second, 16 << 20);
    logql_print(query->root, &first);
    if (logql_parse(buf_view(&first), &again, NULL) == 0) {
        logql_print(again->root, &second);
        tc_assert(sv_eq(buf_view(&first), buf_view(&second)));
        logql_free(&again);
    }
    logql_free(&query);
    buf_free(&first);
    buf_free(&second);
    return 0;
}
