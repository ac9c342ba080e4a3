/*
 * Explaining an alert: the server's stages, then what became of its notifications; see explain_alert.h.
 */
#include "cli/explain_alert.h"

#include "base/arena.h"
#include "cli/client.h"
#include "cli/finding_out.h"
#include "event/json.h"

#include <stdio.h>

static void print_stages(struct sv body)
{
    struct sv member;
    while (client_member(&body, &member)) {
        struct arena arena = {0};
        struct event e = {.time = {TC_NO_TIME}};
        if (json_parse_event(member, &arena, &e, NULL) == 0) {
            event_index(&e, &arena);
            struct buf line;
            buf_init(&line, 256 << 10);
            terminal_text(&line, event_value(&e, "says"));
            printf("%-11.*s %.*s\n", SV_FMT(event_value(&e, "stage")), SV_FMT(buf_view(&line)));
            buf_free(&line);
        }
        arena_free(&arena);
    }
}

enum cli_exit explain_alert(const struct cli_args *args, const char *id, bool as_json)
{
    struct buf body, out;
    char path[128];
    if (strlen(id) > 32 || strspn(id, "0123456789abcdef") != strlen(id))
        return cli_fail(args, CLI_USAGE, "\"%.40s\" is no id of an alert: `tocsin alerts list` shows them",
                        id);
    buf_init(&body, TC_CLIENT_BODY_MAX);
    buf_init(&out, TC_CLIENT_BODY_MAX);
    snprintf(path, sizeof path, "/v1/alerts/%s/explain", id);
    enum cli_exit code = client_talk(args, path, NULL, &body);
    if (code == CLI_DONE && as_json)
        printf("%.*s\n", SV_FMT(buf_view(&body)));
    else if (code == CLI_DONE)
        print_stages(buf_view(&body));
    buf_clear(&body);
    snprintf(path, sizeof path, "/v1/alerts/%s/deliveries", id);
    if (code == CLI_DONE && !as_json && strlen(id) == 32 &&
        client_talk(args, path, NULL, &body) == CLI_DONE) {
        deliveries_out(buf_view(&body), &out);
        fwrite(out.p, 1, out.n, stdout);
    }
    buf_free(&body);
    buf_free(&out);
    return code;
}
