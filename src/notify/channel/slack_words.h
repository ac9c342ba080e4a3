/*
 * What both kinds of Slack channel say: the incoming webhook (slack.c) and the app (slack_app.c).
 */
#ifndef NOTIFY_CHANNEL_SLACK_WORDS_H
#define NOTIFY_CHANNEL_SLACK_WORDS_H

#include "notify/channel.h"
#include "notify/payload.h"

/* With Slack's three escapes; what is longer than max_bytes (before them) is cut, with an ellipsis. */
void slack_escape(struct sv text, size_t max_bytes, struct buf *out);
/* E-01's words, with whom they call; for an acknowledgement D-09's. */
void slack_greeting(const struct channel_config *channel, const struct payload *p, struct buf *out);

#endif
