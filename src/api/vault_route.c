/*
 * Revealing and erasing what the vault holds. Only privacy officers may: people with a token of their own,
 * named in the configuration. Where none is named, nobody may. Who is taken from the token, not from the
 * body.
 */
#include "api/api_priv.h"

#include "base/hash.h"
#include "event/json.h"

#include <sodium.h>

/* The officer whose token this is; NULL: nobody's. All are compared, in constant time. */
static const struct api_token *officer_of(const struct api *api, struct sv authorization)
{
    const struct api_token *found = NULL;
    uint8_t given[TC_SHA256_BYTES], known[TC_SHA256_BYTES];
    if (authorization.n < 7 || !sv_eq_nocase(sv_head(authorization, 7), SV("Bearer ")))
        return NULL;
    hash_sha256(sv_trim(sv_from(authorization, 7)), given);
    for (size_t i = 0; i < api->options.officer_count; i++) {
        hash_sha256(api->options.officers[i].secret, known);
        if (sodium_memcmp(given, known, sizeof known) == 0)
            found = &api->options.officers[i];
    }
    return found;
}

const struct api_token *officer_asks(const struct api *api, const struct request *request, const char *what,
                                     struct reply *reply)
{
    const struct api_token *officer = officer_of(api, request_header(request, "Authorization"));
    if (api->options.officer_count == 0) {
        reply_error(reply, 403, "nobody may %s: name privacy officers in the configuration", what);
    } else if (officer == NULL) {
        reply_error(reply, 401, "this needs the token of a privacy officer, as Authorization: Bearer");
        reply_header(reply, "WWW-Authenticate", "Bearer");
    }
    return officer;
}

static bool read_body(struct request *request, struct arena *arena, struct alert_command *command,
                      struct reply *reply)
{
    struct sv body = sv_trim(buf_view(&request->body));
    struct event event = {0};
    struct err err = {0};
    if (body.n == 0 || body.p[0] != '{' || json_check(body, &err) != 0 ||
        json_parse_event(body, arena, &event, &err) != 0) {
        reply_error(reply, 400, "the body is not a JSON object");
        return false;
    }
    for (uint32_t i = 0; i < event.field_count; i++) {
        const struct field *field = &event.fields[i];
        bool subject =
            command->alert_id.p == NULL && (sv_is(field->name, "token") || sv_is(field->name, "value"));
        if (field->type == FIELD_STRING && subject) {
            command->alert_id = field->value;
        } else if (field->type == FIELD_STRING && sv_is(field->name, "reason")) {
            command->note = field->value;
        } else {
            reply_error(reply, 400,
                        "the body takes the texts \"token\" (to erase also \"value\") and \"reason\"");
            return false;
        }
    }
    return true;
}

void vault_command(struct api *api, struct request *request, struct reply *reply)
{
    if (request->pending != NULL) {
        command_finish(api, request, reply);
        return;
    }
    struct arena arena = {0};
    struct sv pattern = sv_of(request->match.route->pattern), type = request_header(request, "Content-Type");
    const struct api_token *officer = officer_asks(api, request, "reveal or erase", reply);
    struct alert_command command = {.verb = sv_ends(pattern, SV("/erase")) ? SV("erase") : SV("reveal")};
    if (request->match.param_count > 0) {
        command.verb = SV("reveal_alert");
        command.alert_id = request->match.params[0];
    }
    if (officer == NULL) {
        arena_free(&arena);
        return;
    }
    if (!sv_eq_nocase(sv_trim(sv_head(type, sv_find_char(type, ';'))), SV("application/json"))) {
        reply_error(reply, 415, "send Content-Type application/json");
    } else if (read_body(request, &arena, &command, reply)) {
        command.by = officer->source;
        command_begin(api, request, &command, reply);
    }
    arena_free(&arena);
    if (request->pending != NULL)
        command_finish(api, request, reply);
}
