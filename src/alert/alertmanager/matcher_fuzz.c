/*
 * Any text as matchers, in each mode; what was read prints as a text that reads the same again.
 */
#include "alert/alertmanager/matcher.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print_and_read(struct am_pool *pool, enum am_matcher_mode mode, struct am_matchers matchers)
{
    struct buf text;
    struct am_matchers again = {0};
    buf_init(&text, 1 << 20);
    am_matchers_print(matchers, &text);
    int rc = am_matchers_parse(pool, mode, buf_view(&text), &again, NULL, NULL);
    tc_assert(rc == TC_EBOUND || rc == 0);
    tc_assert(rc != 0 || again.count == matchers.count);
    for (size_t i = 0; i < again.count; i++)
        tc_assert(again.items[i].type == matchers.items[i].type &&
                  sv_eq(again.items[i].name, matchers.items[i].name) &&
                  sv_eq(again.items[i].value, matchers.items[i].value));
    buf_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv input = sv_make((const char *)data, size);
    if (size > 4096)
        return 0;
    for (enum am_matcher_mode mode = AM_MATCHERS_FALLBACK; mode <= AM_MATCHERS_UTF8; mode++) {
        struct am_pool pool = {0};
        struct am_matchers matchers = {0};
        struct am_matcher one;
        if (am_matchers_parse(&pool, mode, input, &matchers, NULL, NULL) == 0 && mode == AM_MATCHERS_CLASSIC)
            print_and_read(&pool, mode, matchers);
        (void)am_matcher_parse(&pool, mode, input, &one, NULL);
        am_pool_free(&pool);
    }
    return 0;
}
