/*
 * From bytes to events: recognising a format, splitting into records, parsing one record.
 *
 *   reader (base/unpack.h: gzip, zstd, plain) -> splitter (split.h: one record's raw bytes at a time,
 * bounded)
 *     -> parse_record (this file: raw bytes -> struct event)
 *
 * Parsers are a table (`parsers[]`). `auto` is decided once per input from its first bytes,
 * and per record falls back to text where the parser does not understand it (EVENT_TEXT, counted by the
 * caller).
 */
#ifndef EVENT_PARSE_H
#define EVENT_PARSE_H

#include "base/err.h"
#include "event/event.h"

enum parse_outcome {
    PARSE_OK,   /* *ret is an event */
    PARSE_TEXT, /* not understood; *ret is the event kept as text (EVENT_TEXT, one field "message") */
    PARSE_SKIP, /* nothing to judge: an empty line */
};

enum { TC_PARSE_COLUMNS_MAX = 64 };

/* What a parser must remember from line to line of one input (syslog's year, a header's columns). One per
 * input; zero, then parse_state_init. */
struct parse_state {
    int zone_offset_s; /* for times without zone: seconds east of UTC (--timezone) */
    int year;          /* for times without year: --year, else from modified_ns */
    bool year_given;
    int64_t modified_ns;  /* the file's modification time; now for stdin and live sources */
    int64_t lateness_ns;  /* how late the stream may be (intake.h); -1: as the door has it */
    int64_t last_ns;      /* last syslog time seen, TC_NO_TIME before the first */
    uint8_t key_lines;    /* of a private key that may still follow, a line each; see redact_key_line */
    uint8_t column_count; /* of the header line seen last, 0 before one */
    uint8_t columns[TC_PARSE_COLUMNS_MAX]; /* numbers whose meaning is the parser's */
};
void parse_state_init(struct parse_state *state, int zone_offset_s, int year_or_0, int64_t modified_ns);

enum parser_flags {
    PARSER_JSON = 1,      /* a record is a JSON value, so the stream is split as JSON */
    PARSER_STATELESS = 2, /* does not move struct parse_state on: records may be parsed in any order */
};

/*
 * `parse` is called by parse_record alone, with *ret prepared: raw, type, class, parser_version, repeat = 1,
 * time = TC_NO_TIME, the rest zero. It adds fields (not indexed, at most TC_EVENT_FIELDS_MAX), time, repeat,
 * product, category, service, and EVENT_… flags of its own. With PARSE_TEXT or PARSE_SKIP *ret may be
 * anything.
 */
struct parser {
    const char *name; /* json, sshd, nginx …: as --input takes it */
    uint16_t version; /* rises when the same bytes would give other fields */
    uint8_t flags;    /* enum parser_flags */
    enum parse_outcome (*parse)(const struct parser *parser, struct parse_state *state, struct sv raw,
                                struct arena *arena, struct event *ret);
};
extern const struct parser parsers[]; /* ends with name NULL */
const struct parser *
parser_find(struct sv name); /* NULL where unknown; ndjson, cloudtrail and windows are json */
/* The parser for an input whose first bytes are `head` (up to 64 KiB). Never NULL: text at worst. */
const struct parser *parser_recognise(struct sv head);

/*
 * Parses one record: sets raw, type = REC_EVENT, class = CLASS_SECURITY, repeat, time, fields (indexed),
 * logsource and the derived ECS fields. The caller sets source, received, position. `raw` must outlive *ret.
 * Never fails: what is not understood is kept as text. Deterministic; no clock.
 */
enum parse_outcome parse_record(const struct parser *parser, struct parse_state *state, struct sv raw,
                                struct arena *arena, struct event *ret);

/* Marks an event whose record was longer than the limit (split.h): EVENT_CUT and the fields tocsin.cut.*. */
struct split_record;
void parse_cut(const struct split_record *record, struct arena *arena, struct event *event);

#endif
