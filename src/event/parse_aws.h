/*
 * Space-separated logs of AWS: load balancers (ALB) and VPC flow logs.
 *
 * Both are columns in a fixed order; the names are AWS's own (ALB's "request_method" and the like are split
 * from its quoted request), ECS names are derived. A flow log's columns may be chosen by its owner: a header
 * line in the file ("version account-id …") says which they are; without one they are the 14 of version 2, or
 * the 29 of version 5 in AWS's order. "-" is no value.
 *
 * Logsource: product aws, service elb or vpcflow, category none; an ALB line is Sigma's category webserver.
 */
#ifndef EVENT_PARSE_AWS_H
#define EVENT_PARSE_AWS_H

#include "event/parse.h"

enum parse_outcome parse_alb(const struct parser *parser, struct parse_state *state, struct sv raw,
                             struct arena *arena, struct event *ret);
enum parse_outcome parse_vpcflow(const struct parser *parser, struct parse_state *state, struct sv raw,
                                 struct arena *arena, struct event *ret);
/* For recognising. */
bool parse_aws_is_alb(struct sv line);
bool parse_aws_is_vpcflow(struct sv line);

#endif
