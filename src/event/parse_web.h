/*
 * Lines of web servers: nginx and Apache, access and error logs, by a table of patterns.
 *
 *   192.0.2.1 - alice [10/Oct/2000:13:55:36 -0700] "GET /a?b=c HTTP/1.1" 200 2326 "referer" "agent"
 *   [Sun Dec 04 04:47:44 2005] [core:error] [pid 1:tid 2] [client 192.0.2.1:4711] message
 *   2022/04/02 15:45:23 [error] 8#8: *15950 message, client: 192.0.2.1, server: a, request: "GET / HTTP/1.1"
 *
 * Access lines: common and combined format, perhaps with a virtual host in front, perhaps with more behind.
 * Both parsers take access lines alike, each its own server's error lines. Fields are ECS names; Sigma's
 * (c-ip, cs-method, cs-uri-stem, cs-uri-query, cs-username, cs-host, sc-status, cs-user-agent, cs-referer)
 * are derived beside them. cs-uri-query has two values, the part behind '?' and the whole target: rules use
 * it for both. "-" is no value.
 *
 * Logsource: category webserver, service nginx or apache; access lines and error lines alike.
 */
#ifndef EVENT_PARSE_WEB_H
#define EVENT_PARSE_WEB_H

#include "event/text_event.h"

enum parse_outcome parse_nginx(const struct parser *parser, struct parse_state *state, struct sv raw,
                               struct arena *arena, struct event *ret);
enum parse_outcome parse_apache(const struct parser *parser, struct parse_state *state, struct sv raw,
                                struct arena *arena, struct event *ret);
/* "GET /a?b=c HTTP/1.1": method, target, path, query, version; what is no request is http.request.line. */
void parse_web_add_request(struct text_event *text, struct sv request);
/* Sigma's names beside the ECS names that are there. */
void parse_web_add_sigma_names(struct text_event *text);
/* One such line of either server; the time must be one, too. For recognising. */
bool parse_web_is_access(struct sv line);
bool parse_web_is_nginx_error(struct sv line);
bool parse_web_is_apache_error(struct sv line);

#endif
