/*
 * Any text as a template, in both kinds: it parses or not, renders or not, within its bounds.
 */
#include "template/alertmanager.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct template_set *set;
    if (set == NULL && template_alertmanager_set(&set, NULL) != 0)
        return 0;
    if (size > 4096)
        return 0;
    for (int html = 0; html < 2; html++) {
        struct arena arena = {0};
        struct template_value json, value;
        struct buf out;
        struct err err = {0};
        struct template_run run = {.html = html == 1, .missing_key = MISSING_KEY_ZERO, .max_steps = 20000};
        buf_init(&out, 1 << 16);
        if (template_from_json(
                &arena,
                SV("{\"status\":\"firing\",\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":\"b\"}}],"
                   "\"commonLabels\":{\"a\":\"b\"},\"routeLabels\":{\"r\":\"{{routeLabels \\\"r\\\"}}\"}}"),
                &json, &err) == 0 &&
            template_alertmanager_data(&arena, json, &value, &err) == 0)
            (void)template_execute_text(set, SV("f"), sv_make((const char *)data, size), value, &run, &arena,
                                        &out, &err);
        buf_free(&out);
        arena_free(&arena);
    }
    return 0;
}
