/*
 * What the channels to SIEMs have in common: alerts as documents, events as they were written.
 */
#ifndef NOTIFY_CHANNEL_SIEM_H
#define NOTIFY_CHANNEL_SIEM_H

#include "base/json_out.h"
#include "notify/channel.h"
#include "notify/payload.h"

/* {"key", "reason", "count", "alert": {…}}: the members of what is told, without the braces. */
void siem_alert_members(struct json_out *json, const struct payload *p, struct sv key);
/* An event's line: the object that it is, or its text. */
void siem_line(struct json_out *json, struct sv line);
/* Of the alert's last occurrence, in nanoseconds; 0 where it has none. */
int64_t siem_time_ns(const struct payload *p);

/* A body from the payload; frees it. */
typedef void (*siem_writer)(const struct channel_config *config, const struct payload *p, struct sv key,
                            const char *console_url, struct buf *out);
int siem_body(const struct channel_config *config, const struct message *message, siem_writer write,
              struct buf *out, struct err *err);

#endif
