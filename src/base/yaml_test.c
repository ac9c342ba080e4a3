/*
 * What a small file may cost: merge keys repeat a map by a few bytes each.
 */
#include "base/yaml.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { KEYS = 1000 };

static int merge_often(unsigned times, uint32_t *ret_count)
{
    struct arena arena = {0};
    struct yaml_doc *docs = NULL;
    struct err err;
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_str(&text, "a: &a {");
    for (unsigned i = 0; i < KEYS; i++)
        buf_printf(&text, "k%u: 1, ", i);
    buf_str(&text, "}\nb: {<<: [");
    for (unsigned i = 0; i < times; i++)
        buf_str(&text, "*a, ");
    buf_str(&text, "]}\n");
    assert_false(text.overflow);
    int rc = yaml_parse(&arena, "test", buf_view(&text), &docs, &err);
    if (rc == 0)
        *ret_count = (uint32_t)yaml_get(docs->root, "b")->count;
    buf_free(&text);
    arena_free(&arena);
    return rc;
}

/* Also where nothing is added, because the keys are there: each is looked for. */
static void merging_is_bounded(void **state)
{
    (void)state;
    uint32_t count = 0;
    assert_int_equal(merge_often(3, &count), 0);
    assert_int_equal(count, KEYS);
    assert_int_equal(merge_often(1000, &count), TC_EBOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(merging_is_bounded)};
    return cmocka_run_group_tests_name("base: YAML", tests, NULL, NULL);
}
