/*
 * Formats made of key=value pairs: logfmt, plain key=value, CEF and the records of the Linux audit daemon.
 *
 *   level=info msg="Stopping all fetchers" user=alice          logfmt; a key alone is true
 *   user=alice, action=login; result='not ok'                  kv; also k:v,k:v where no '=' is in the line
 *   [header] CEF:0|Vendor|Product|1.0|100|Name|5|src=192.0.2.1 msg=a text
 *   [node=host ]type=SYSCALL msg=audit(1451781471.394:194435): arch=c000003e syscall=23 …
 *
 * Names are the sender's (CEF's header: cefVersion, deviceVendor, deviceProduct, deviceVersion,
 * deviceEventClassId, name, severity); ECS names are derived. Audit records are events one by one, as auditd
 * writes them and Sigma's rules read them; hexadecimal texts (proctitle, arguments, paths with blanks) are
 * decoded, a pair inside msg='…' stands beside the others. A line without a pair is no such line.
 *
 * Logsource: linux, auditd for audit records; else unknown.
 */
#ifndef EVENT_PARSE_PAIRS_H
#define EVENT_PARSE_PAIRS_H

#include "event/parse.h"

enum parse_outcome parse_logfmt(const struct parser *parser, struct parse_state *state, struct sv raw,
                                struct arena *arena, struct event *ret);
enum parse_outcome parse_kv(const struct parser *parser, struct parse_state *state, struct sv raw,
                            struct arena *arena, struct event *ret);
enum parse_outcome parse_cef(const struct parser *parser, struct parse_state *state, struct sv raw,
                             struct arena *arena, struct event *ret);
enum parse_outcome parse_auditd(const struct parser *parser, struct parse_state *state, struct sv raw,
                                struct arena *arena, struct event *ret);
/* For recognising; logfmt and kv are never guessed, as sentences have '=' in them, too. */
bool parse_pairs_is_cef(struct sv line);
bool parse_pairs_is_auditd(struct sv line);

#endif
