/*
 * The parser of systemd journal entries as `journalctl -o json` prints them: an object of fields.
 *
 * The fields keep the journal's names (MESSAGE, PRIORITY, _SYSTEMD_UNIT, SYSLOG_IDENTIFIER …). Beside them,
 * as derived fields, stand those that the same line has as a syslog message (host.name, process.name,
 * process.pid, message, log.syslog.*, and what the message is recognised as), so rules for sshd and sudo fit
 * both.
 *
 * Time: _SOURCE_REALTIME_TIMESTAMP (when the sender says it was), else __REALTIME_TIMESTAMP, microseconds
 * since 1970. A MESSAGE that journalctl printed as an array of bytes is joined.
 */
#ifndef EVENT_PARSE_JOURNALD_H
#define EVENT_PARSE_JOURNALD_H

#include "event/parse.h"

enum parse_outcome parse_journald(const struct parser *parser, struct parse_state *state, struct sv raw,
                                  struct arena *arena, struct event *ret);

#endif
