#ifndef EVENT_PARSE_SSHD_H
#define EVENT_PARSE_SSHD_H
#include "event/parse.h"
extern const struct parser parser_sshd;
#endif
