/*
 * What chat and paging services have in common: a title, a text, where to look, and the art of cutting.
 * Bounds are in bytes: services count characters, of which there are never more.
 */
#ifndef NOTIFY_CHANNEL_CHAT_H
#define NOTIFY_CHANNEL_CHAT_H

#include "base/json_out.h"
#include "notify/channel.h"
#include "notify/payload.h"

enum chat_markup {
    CHAT_PLAIN,
    CHAT_MARKDOWN, /* Discord's, Mattermost's: escaped by backslashes, '@' calls nobody */
    CHAT_HTML,     /* Telegram's: three entities */
};

/* "[P1] BRUTE_FORCE_ATTACK", "[P1] Acknowledged by carol: …", "Resolved: …", "Test: …"; one line. */
void chat_title(const struct payload *p, enum chat_markup markup, size_t max_bytes, struct buf *out);
/* The message with its occurrences, severity, time, labels, description, owners, runbook and steps, a line
 * each, and the link where `console_url` is given (its line is never cut). */
void chat_text(const struct payload *p, const char *console_url, enum chat_markup markup, size_t max_bytes,
               struct buf *out);
/* Text of strangers: control characters out, escaped; what is longer than max_bytes (escapes included) is cut
 * between characters, with an ellipsis. */
void chat_put(struct sv text, enum chat_markup markup, size_t max_bytes, struct buf *out);
/* Of the alert's seriousness; green when it is over. */
uint32_t chat_color(const struct payload *p);
bool chat_is_acknowledged(const struct payload *p);

/* key: the text of a function above. */
void chat_kv_title(struct json_out *json, const char *key, const struct payload *p, enum chat_markup markup,
                   size_t max_bytes);
void chat_kv_text(struct json_out *json, const char *key, const struct payload *p, const char *console_url,
                  enum chat_markup markup, size_t max_bytes);
void chat_kv_url(struct json_out *json, const char *key, const struct payload *p, const char *console_url);

/* A body that is made of the payload alone: reads it, calls `write`, frees it. */
typedef void (*chat_writer)(const struct channel_config *config, const struct payload *p,
                            const struct message *message, struct buf *out);
int chat_body(const struct channel_config *config, const struct message *message, chat_writer write,
              struct buf *out, struct err *err);
/* The same for a service that takes a request for each of `to`. */
typedef void (*chat_writer_to)(const struct channel_config *config, const struct payload *p,
                               const struct message *message, struct sv to, struct buf *out);
int chat_body_each(const struct channel_config *config, const struct message *message, chat_writer_to write,
                   struct buf *out, struct err *err);
/* TC_EINPUT unless `to` names at least one. */
int chat_check_to(const struct channel_config *config, const char *what, struct err *err);

#endif
