/*
 * Any text as an alertmanager.yml: it is read or refused within the bounds, and what is read can be routed.
 */
#include "alert/alertmanager/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct am_label labels[] = {{SV("alertname"), SV("x")}, {SV("severity"), SV("critical")}};
    struct am_config *config = NULL;
    struct err err = {0};
    if (size > 16384)
        return 0;
    if (am_config_read(sv_make((const char *)data, size), AM_MATCHERS_FALLBACK, &config, &err) != 0) {
        tc_assert(err.code != 0 && err.text[0] != '\0');
        return 0;
    }
    const struct am_route *found[8];
    struct am_labels alert = {labels, TC_ARRAY_LEN(labels)};
    struct buf key;
    size_t n = am_route_match(config->route, alert, found, TC_ARRAY_LEN(found));
    tc_assert(n > 0);
    buf_init(&key, 1 << 16);
    for (size_t i = 0; i < TC_MIN(n, TC_ARRAY_LEN(found)); i++) {
        tc_assert(am_config_receiver(config, found[i]->receiver) != NULL);
        am_route_id(found[i], &key);
        (void)am_route_state_at(config, found[i], 1795262400, NULL);
    }
    (void)am_inhibited(config->inhibit_rules, config->inhibit_rule_count, alert, &alert, 1, NULL, NULL);
    buf_free(&key);
    am_config_free(config);
    return 0;
}
