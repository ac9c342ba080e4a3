/*
 * One mail over SMTP (RFC 5321), and what the server's replies mean. libcurl speaks the protocol; replies are
 * listened to line by line, because a message may be taken for some recipients and refused for others.
 *
 *   2xx to all               sent
 *   5xx to some recipients   sent; the receipt names how many were refused, and the last reply
 *   4xx to some recipients   taken by the others; tried again for these alone (`served`)
 *   5xx to MAIL, DATA, or all recipients   permanent
 *   4xx, a login refused, TLS refused, no connection   again
 */
#ifndef NOTIFY_SMTP_H
#define NOTIFY_SMTP_H

#include "notify/transfer.h"

/* "host:port", "[::1]:25". */
int smtp_check_smarthost(struct sv smarthost, struct err *err);
/* "soc@example.com" out of that or of "Security <soc@example.com>"; n == 0 where it is no address. */
struct sv smtp_address(struct sv mailbox);
/* `parcel->body` is a message without its Date. NULL where libcurl gives no handle. */
struct transfer *smtp_transfer_new(const struct channel_config *config, const struct parcel *parcel);

#endif
