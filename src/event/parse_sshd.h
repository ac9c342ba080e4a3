/*
 * The parser of sshd, auth.log and other syslog lines.
 *
 *   Dec 10 06:55:46 LabSZ sshd[24200]: Failed password for root from 192.0.2.1 port 4711 ssh2
 *   2015-12-10T06:55:46+01:00 host sshd[1]: …     <38>Dec 10 06:55:46 host su: …     <38>1 … (RFC 5424)
 *
 * Every line with a time stamp in front is understood: host.name, process.name, process.pid and message, the
 * time by syslog_time.h. What the message means comes from the table in syslog_patterns.c. A line without a
 * stamp is not a syslog line (PARSE_TEXT); an empty one is skipped.
 *
 * "message repeated 5 times: [ X]" has the fields of X, event.repeat 5 and repeat = 5. "last message repeated
 * 5 times" is an event of its own (last_message_repeated, event.count) and repeats nothing: the line before
 * it may come from another host or be lost, and a guess would count attempts that nobody made.
 *
 * Logsource: product linux (macos for lines that only macOS writes), service sshd or auth, else unknown.
 */
#ifndef EVENT_PARSE_SSHD_H
#define EVENT_PARSE_SSHD_H

#include "event/parse.h"

extern const struct parser parser_sshd;

enum { TC_REPEAT_MAX = 1000000 }; /* a higher count in "message repeated" is taken as this */

/* Lines whose message ran into a match limit since the start (they keep their header fields, and the field
 * tocsin.parse.error says so); any thread. */
uint64_t parse_sshd_limit_hits(void);

#endif
