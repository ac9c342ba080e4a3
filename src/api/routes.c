/*
 * The table of routes: everything that this server answers, on one page. To add one, add a row and a handler.
 */
#include "api/api_priv.h"

#define EVENT_BODY SIZE_MAX /* max_body_bytes of the options */

const struct route api_routes[] = {
    {"POST", "/v1/events", ROLE_SOURCE, events_begin, events_handle, EVENT_BODY},
    {"GET", "/v1/alerts", ROLE_READER, NULL, alerts_list, 0},
    {"GET", "/v1/alerts/{id}", ROLE_READER, NULL, alerts_show, 0},
    {"POST", "/v1/alerts/{id}/ack", ROLE_OPERATOR, NULL, alerts_command, TC_API_COMMAND_BODY},
    {"POST", "/v1/alerts/{id}/resolve", ROLE_OPERATOR, NULL, alerts_command, TC_API_COMMAND_BODY},
    {"POST", "/v1/alerts/{id}/close", ROLE_OPERATOR, NULL, alerts_command, TC_API_COMMAND_BODY},
    {"POST", "/v1/alerts/{id}/reveal", ROLE_OPERATOR, NULL, vault_command, TC_API_COMMAND_BODY},
    {"POST", "/v1/vault/reveal", ROLE_OPERATOR, NULL, vault_command, TC_API_COMMAND_BODY},
    {"POST", "/v1/vault/erase", ROLE_OPERATOR, NULL, vault_command, TC_API_COMMAND_BODY},
    {"GET", "/v1/alerts/{id}/deliveries", ROLE_READER, NULL, alerts_deliveries, 0},
    {"GET", "/v1/rules", ROLE_READER, NULL, rules_list, 0},
    {"GET", "/v1/channels", ROLE_READER, NULL, channels_list, 0},
    {"POST", "/v1/channels/{name}/test", ROLE_OPERATOR, NULL, alerts_command, TC_API_COMMAND_BODY},
    {"GET", "/api/v1/delivery", ROLE_READER, NULL, delivery_show, 0},
    {"POST", "/api/v1/delivery/release", ROLE_OPERATOR, NULL, alerts_command, TC_API_COMMAND_BODY},
    {"POST", "/api/v1/delivery/hold", ROLE_OPERATOR, NULL, alerts_command, TC_API_COMMAND_BODY},
    {"GET", "/v1/stream", ROLE_READER, stream_begin, stream_handle, 0},
    {"GET", "/api/v2/alerts", ROLE_READER, NULL, alertmanager_alerts, 0},
    {"GET", "/api/v2/status", ROLE_READER, NULL, alertmanager_status, 0},
    {"GET", "/api/v2/receivers", ROLE_READER, NULL, alertmanager_receivers, 0},
    {"GET", "/", ROLE_READER, NULL, page_index, 0},
    {"GET", "/alerts/{id}", ROLE_READER, NULL, page_index, 0},
    {"GET", "/app.js", ROLE_READER, NULL, page_asset, 0},
    {"GET", "/style.css", ROLE_READER, NULL, page_asset, 0},
    {"GET", "/favicon.svg", ROLE_READER, NULL, page_asset, 0},
    {"GET", "/packs/{path*}", ROLE_READER, NULL, page_runbook, 0},
    {"GET", "/-/healthy", ROLE_PUBLIC, NULL, health_live, 0},
    {"GET", "/-/ready", ROLE_PUBLIC, NULL, health_ready, 0},
    {"GET", "/health", ROLE_PUBLIC, NULL, health_all, 0},
    {"GET", "/ready", ROLE_PUBLIC, NULL, health_ready_json, 0},
    {"POST", "/-/reload", ROLE_OPERATOR, NULL, reload_handle, TC_API_COMMAND_BODY},
    {"POST", "/v1/reload", ROLE_OPERATOR, NULL, reload_handle, TC_API_COMMAND_BODY},
    {"GET", "/metrics", ROLE_READER, NULL, health_metrics, 0},
    {0},
};
_Static_assert(TC_ARRAY_LEN(api_routes) <= TC_API_ROUTES_MAX,
               "answers are counted in a table of this height");

const unsigned api_codes[TC_API_CODES] = {200, 400, 401, 403, 404, 405, 408, 409, 413,
                                          415, 422, 429, 431, 500, 503, 507, 0};
