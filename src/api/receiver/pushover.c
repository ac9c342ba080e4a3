/*
 * Pushover: everything stands in the address, the body is empty.
 */
#include "api/receiver/receiver.h"

enum { TITLE_MAX_RUNES = 250, MESSAGE_MAX_RUNES = 1024, URL_MAX_RUNES = 512, FORM_MAX_BYTES = 64 << 10 };

static void add_seconds(struct receiver_draft *d, struct buf *form, const char *name)
{
    int64_t seconds = am_get(d->own, name)->number / TC_SECOND_NS;
    receiver_add_parameter(form, name, arena_printf(d->arena, "%lld", (long long)seconds));
}

static void add_text(struct receiver_draft *d, struct buf *form, const char *name, size_t max_runes)
{
    receiver_add_parameter(form, name, receiver_cut_runes(d, receiver_text(d, d->own, name), max_runes));
}

static struct sv message_of(struct receiver_draft *d, bool html)
{
    struct sv text = am_get_text(d->own, "message");
    text = html ? receiver_render_html(d, text) : receiver_render(d, text);
    text = sv_trim(receiver_cut_runes(d, text, MESSAGE_MAX_RUNES));
    return text.n > 0 ? text : SV("(no details)");
}

void receiver_pushover(struct receiver_draft *d)
{
    bool html = am_get(d->own, "html")->number != 0;
    struct buf form;
    buf_init(&form, FORM_MAX_BYTES);
    add_text(d, &form, "device", SIZE_MAX);
    add_seconds(d, &form, "expire");
    if (html)
        receiver_add_parameter(&form, "html", SV("1"));
    receiver_add_parameter(&form, "message", message_of(d, html));
    if (am_get(d->own, "monospace")->number != 0)
        receiver_add_parameter(&form, "monospace", SV("1"));
    add_text(d, &form, "priority", SIZE_MAX);
    add_seconds(d, &form, "retry");
    add_text(d, &form, "sound", SIZE_MAX);
    add_text(d, &form, "title", TITLE_MAX_RUNES);
    receiver_add_parameter(&form, "token", receiver_render(d, receiver_secret(d, d->own, "token")));
    if (am_get(d->own, "ttl")->number >= TC_SECOND_NS)
        add_seconds(d, &form, "ttl");
    add_text(d, &form, "url", URL_MAX_RUNES);
    add_text(d, &form, "url_title", SIZE_MAX);
    receiver_add_parameter(&form, "user", receiver_render(d, receiver_secret(d, d->own, "user_key")));
    if (form.overflow)
        receiver_fail(d, TC_EBOUND, "the notification is longer than 64 KiB");
    d->job->first = (struct courier_request){
        .method = "POST",
        .content_type = "text/plain",
        .url =
            arena_printf(d->arena, "https://api.pushover.net/1/messages.json?%.*s", SV_FMT(buf_view(&form)))};
    buf_free(&form);
}
