/*
 * Telegram's Bot API (sendMessage); the bot's token is a part of the address. Whatever goes wrong is tried
 * again, as in Alertmanager.
 */
#include "api/receiver/receiver.h"

enum { TEXT_MAX_RUNES = 4096 };

static const char too_long[] = "Alertmanager notification could not be sent: message length exceeds Telegram "
                               "limits.\n\t\t\tPlease check the template used for producing the message "
                               "content.";

/* A cut would break HTML's tags: what is too long is replaced. */
static struct sv text_of(struct receiver_draft *d)
{
    struct sv message = am_get_text(d->own, "message");
    if (!sv_is(am_get_text(d->own, "parse_mode"), "HTML"))
        return receiver_cut_runes(d, receiver_render(d, message), TEXT_MAX_RUNES);
    struct sv text = receiver_render_html(d, message);
    return receiver_cut_runes(d, text, TEXT_MAX_RUNES).p == text.p ? text : sv_of(too_long);
}

void receiver_telegram(struct receiver_draft *d)
{
    struct sv token = receiver_secret(d, d->own, "bot_token"), file = am_get_text(d->own, "chat_id_file"),
              base = am_get_text(d->own, "api_url");
    int64_t thread = am_get(d->own, "message_thread_id")->number;
    struct sv chat = file.n > 0
                         ? receiver_read_file(d, file)
                         : arena_printf(d->arena, "%lld", (long long)am_get(d->own, "chat_id")->number);
    json_object(&d->out);
    json_kv_string(&d->out, "chat_id", chat);
    if (am_get(d->own, "disable_notifications")->number != 0)
        json_kv_str(&d->out, "disable_notification", "true");
    json_kv_str(&d->out, "disable_web_page_preview", "true");
    if (thread != 0)
        json_kv_string(&d->out, "message_thread_id", arena_printf(d->arena, "%lld", (long long)thread));
    receiver_member(d, "parse_mode", am_get_text(d->own, "parse_mode"));
    json_kv_string(&d->out, "text", text_of(d));
    json_object_end(&d->out);
    receiver_post_json(d, arena_printf(d->arena, "%.*s/bot%.*s/sendMessage", SV_FMT(base), SV_FMT(token)));
}

enum courier_verdict receiver_telegram_answered(struct courier *courier, struct courier_job *job,
                                                const struct courier_answer *answer)
{
    (void)courier;
    struct template_value json = receiver_answer(job, answer);
    const struct template_value *good = json.kind == TEMPLATE_MAP ? template_get(json, SV("ok")) : NULL;
    if (answer->status != 0 && good != NULL && good->kind == TEMPLATE_BOOL && good->as.boolean)
        return COURIER_TAKEN;
    (void)courier_judge_status(job, answer);
    if (json.kind == TEMPLATE_MAP)
        courier_say(job, "error response from Telegram", receiver_answer_text(json, "description"));
    else if (answer->status / 100 == 2)
        courier_say(job, "the answer is no JSON", SV(""));
    return COURIER_AGAIN;
}
