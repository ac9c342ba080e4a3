/*
 * Syslog lines (RFC 5424 and 3164) whose message may be JSON or CEF: the header as the sshd parser reads it,
 * and the fields of the message beside the header's. Facility and severity come from the priority
 * (log.syslog.facility.code, log.syslog.severity.code), parameters of structured data as
 * log.syslog.structured_data.ID.NAME.
 *
 * Time: the header's. Log source: what the message is recognised as, else what the program is.
 */
#ifndef EVENT_PARSE_SYSLOG_H
#define EVENT_PARSE_SYSLOG_H

#include "event/parse.h"

enum parse_outcome parse_syslog(const struct parser *parser, struct parse_state *state, struct sv raw,
                                struct arena *arena, struct event *ret);

#endif
