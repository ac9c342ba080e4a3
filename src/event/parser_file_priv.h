/*
 * What a parser file becomes, between its reader (parser_file.c) and the parser at work (parser_declared.c).
 */
#ifndef EVENT_PARSER_FILE_PRIV_H
#define EVENT_PARSER_FILE_PRIV_H

#include "event/parser_file.h"
#include "event/pattern.h"

/* Types of a capture beyond enum field_type, for struct pattern_capture.type. */
enum { CAPTURE_IP = 64, CAPTURE_TIME };

struct declared_time {
    struct sv forms[TC_PARSER_TIME_FORMS_MAX];
    size_t form_count;
    bool zone_given;
    int zone_offset_s;
};

/* kind json: `to` is derived from the first of `from` that holds something; with `values`, only a value that
 * stands among `when` is taken, and becomes the `then` beside it. */
struct declared_copy {
    struct sv to;
    uint8_t type;
    struct sv *from; /* dotted paths without indexes */
    size_t from_count;
    struct sv *when, *then;
    size_t value_count;
};

struct declared_parser;

/* Patterns that are tried on one text. */
struct declared_patterns {
    struct pattern *patterns;
    const struct declared_parser **owners; /* of each pattern: it may be included */
    size_t count;
    struct pattern_set *set; /* NULL where count is 0 */
};

struct declared_example {
    struct sv line;
    unsigned at_line, at_column;
    bool text;      /* it must stay text */
    struct sv time; /* n == 0: not looked at */
    int year;       /* 0: none given */
    struct sv *names, *values;
    size_t count;
};

enum declared_kind { DECLARED_PATTERN, DECLARED_JSON };

struct declared_parser {
    struct parser parser; /* first: what parse_record is given leads back here */
    const char *file;
    enum declared_kind kind;
    bool in_syslog; /* `message` patterns see the message of a syslog line */
    struct sv product, category, service;
    struct declared_time time;
    struct declared_patterns message, line;
    struct field *set; /* kind json: fixed fields */
    uint32_t set_count;
    struct declared_copy *copies;
    size_t copy_count;
    struct declared_example *examples;
    size_t example_count;
};

struct parser_library {
    struct arena arena;
    struct declared_parser *parsers[TC_PARSERS_MAX];
    size_t count;
    const struct parser_source *shipped;
    size_t shipped_count;
    unsigned depth; /* of shipped parsers that include each other */
};

enum parse_outcome declared_parse(const struct parser *parser, struct parse_state *state, struct sv raw,
                                  struct arena *arena, struct event *ret);

#endif
