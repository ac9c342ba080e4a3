/*
 * How long a text is as an SMS (3GPP TS 23.038): in the alphabet GSM-7, where it has all its characters, a
 * segment has 160 septets (153 where there are several, because of the header that joins them); else the text
 * goes as UCS-2 with 70 units (67). One character outside GSM-7 thus makes the whole message twice as long.
 */
#ifndef NOTIFY_SMS_TEXT_H
#define NOTIFY_SMS_TEXT_H

#include "base/buf.h"

enum { TC_SMS_SEGMENTS_MAX = 10 };

/* Segments that the text takes; 0 for an empty one. Bytes that are no UTF-8 count as U+FFFD. */
unsigned sms_segments(struct sv text);
/* Appends `text`, then `ending`, in at most `segments`; of `text` as much as has room, whole characters, then
 * "..." where it was cut. Control characters become spaces. The ending is never cut: it should be short. */
void sms_fit(struct sv text, struct sv ending, unsigned segments, struct buf *out);

#endif
