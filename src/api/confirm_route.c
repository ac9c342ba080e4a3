/*
 * A user's answer to "was that you?" (ledger D-16): GET /confirm/ID/TOKEN shows two buttons, POST answers.
 *
 * Looking changes nothing, because mail programs open links by themselves. The token in the path is all the
 * authority there is, so the pages tell nothing of the alert; what the mail said is enough.
 */
#include "api/api_priv.h"

static void page(struct reply *reply, unsigned status, const char *text, bool asks)
{
    reply->status = status;
    reply->content_type = "text/html; charset=utf-8";
    buf_clear(&reply->body);
    buf_printf(&reply->body,
               "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>Tocsin</title>"
               "<meta name=\"viewport\" content=\"width=device-width\"></head>\n<body><h1>%s</h1>\n",
               text);
    if (asks)
        buf_str(&reply->body,
                "<form method=\"post\"><button name=\"answer\" value=\"yes\">Yes, that was me</button> "
                "<button name=\"answer\" value=\"no\">No, that was not me</button></form>\n");
    buf_str(&reply->body, "</body></html>\n");
    reply_header(reply, "Referrer-Policy", "same-origin");
}

static bool holds(struct api *api, const struct request *request, uint64_t *ret_number)
{
    return api->options.question != NULL &&
           api->options.question(api->options.context, request->match.params[0], request->match.params[1],
                                 ret_number);
}

void confirm_show(struct api *api, struct request *request, struct reply *reply)
{
    uint64_t number;
    if (holds(api, request, &number))
        page(reply, 200, "Was that you?", true);
    else
        page(reply, 404, "This link is not one of ours.", false);
}

/* The core's words are for operators; the user gets one of two sentences. */
static void finish(struct api *api, struct request *request, struct reply *reply)
{
    command_finish(api, request, reply);
    if (reply->later)
        return;
    if (reply->status == 200)
        page(reply, 200, "Thank you: your answer is noted.", false);
    else if (reply->status == 409 || reply->status == 404)
        page(reply, 409, "This question has been answered, or has run out.", false);
    else
        page(reply, reply->status, "Your answer could not be noted: please try again.", false);
}

void confirm_answer(struct api *api, struct request *request, struct reply *reply)
{
    uint64_t number;
    if (request->pending != NULL) {
        finish(api, request, reply);
        return;
    }
    struct sv body = sv_trim(buf_view(&request->body));
    bool yes = sv_is(body, "answer=yes"), no = sv_is(body, "answer=no");
    char text[24];
    if (!holds(api, request, &number)) {
        page(reply, 404, "This link is not one of ours.", false);
    } else if (!yes && !no) {
        page(reply, 400, "Please answer with one of the two buttons.", true);
    } else {
        struct buf to = {.p = text, .capacity = sizeof text, .max_bytes = sizeof text};
        buf_printf(&to, "%llu", (unsigned long long)number);
        struct alert_command command = {.verb = SV("answer"),
                                        .alert_id = request->match.params[0],
                                        .by = SV("the user who was asked"),
                                        .what = yes ? SV("yes") : SV("no"),
                                        .to = buf_view(&to)};
        command_begin(api, request, &command, reply);
        if (request->pending != NULL)
            finish(api, request, reply);
    }
}
