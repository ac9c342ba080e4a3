/*
 * Syslog going out. A body is messages, each after its length and a space (RFC 6587, 3.4.1), which is how it
 * goes over TCP and TLS; a datagram bears one without them.
 *
 * Over TCP and TLS libcurl makes the connection (names, certificates, time-outs), anew for each body; then
 * the body is written at once. A peer that closes the connection before it has read all is not seen: syslog
 * has no receipt.
 */
#ifndef NOTIFY_SYSLOG_OUT_H
#define NOTIFY_SYSLOG_OUT_H

#include "notify/transfer.h"

/* `api_url`: tcp://host:port or tls://host:port; udp://ADDRESS:port, without names (nothing here may wait).
 */
int syslog_out_check(const struct channel_config *config, struct err *err);
int syslog_out_check_udp(const struct channel_config *config, struct err *err);
struct transfer *syslog_out_send(const struct channel_config *config, const struct parcel *parcel);
enum send_result syslog_out_deliver(const struct channel_config *config, struct sv body, struct err *err);

#endif
