/*
 * What the messages of sshd, PAM, su, sudo and login mean: the built-in table of patterns (pattern.h).
 *
 * One attempt to log in makes up to six lines. Only one of them, sshd's own "Failed …", is event_type
 * login_failed; each of the others has a type of its own, so that counting login_failed counts attempts:
 *
 *   login_failed, login_success        sshd "Failed/Accepted … for … from …"; login(1) "FAILED LOGIN"
 *   invalid_user, invalid_user_request "Invalid user …", "input_userauth_request: invalid user …"
 *   auth_failure_pam, auth_failures_pam, unknown_user_pam    what PAM says of an attempt, or of several
 *   max_attempts, disconnecting, disconnected, connection_opened, connection_closed, …
 *   account_locked                     pam_faillock, pam_tally2 and others lock an account
 *   lockout_attempt_while_locked       "User … not allowed because account is locked"
 *   session_opened, session_closed, sudo_command, sudo_failed, su_success, su_failed
 *   last_message_repeated              see parse_sshd.h
 *
 * Addresses: source.ip where it looks like an address, source.domain where sshd wrote a name (UseDNS).
 */
#ifndef EVENT_SYSLOG_PATTERNS_H
#define EVENT_SYSLOG_PATTERNS_H

#include "event/pattern.h"

extern const struct pattern syslog_patterns[];
extern const size_t syslog_pattern_count;

#endif
