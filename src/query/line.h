/*
 * One record on its way through a pipeline: its line, its labels, and its fields where they are asked for.
 *
 * Labels of the stream (docs/query.md): source, class, product, category, service, host, service_name, level,
 * and every field below `labels` (ECS; what came by Loki's push has its stream's labels there). All other
 * fields are as Loki's structured metadata: found by name by filters, formats, unwrap and grouping, and not
 * part of the answer's labels unless `json` puts them there.
 */
#ifndef QUERY_LINE_H
#define QUERY_LINE_H

#include "event/record.h"
#include "query/logql.h"

enum { QUERY_LABELS_MAX = 256 }; /* of one line; further ones are left out */

struct query_label {
    struct sv name, value;
};

struct query_line {
    struct arena *arena; /* emptied by the owner between lines */
    struct sv block;
    struct event event; /* the envelope; with its fields once `decoded` */
    bool decoded;
    int64_t ns; /* the event's time, else the receive time */
    struct sv line;
    bool changed; /* the line is not the record's any more */
    enum { LINE_OWN, LINE_PUSHED_TEXT, LINE_PUSHED_JSON } kind;
    struct query_label labels[QUERY_LABELS_MAX];
    size_t label_count, stream_count; /* the first so many are the stream's, as long as nothing drops them */
    double value;                     /* of unwrap */
};

/* Envelope, time and line of a block. TC_ECORRUPT where it is none. */
int query_line_begin(struct query_line *line, struct sv block, struct err *err);
/* Decodes the fields and fills in the labels of the stream. */
int query_line_labels(struct query_line *line, struct err *err);
/* A label, or else a field by its flattened name; p == NULL where there is neither. */
struct sv query_line_get(const struct query_line *line, struct sv name);
/* Sets or replaces. */
void query_line_set(struct query_line *line, struct sv name, struct sv value);
/* As a parser does: a name that the stream has becomes NAME_extracted. */
void query_line_extract(struct query_line *line, struct sv name, struct sv value);
void query_line_remove(struct query_line *line, size_t at);
void query_line_error(struct query_line *line, const char *kind, const char *details);
/* "a.b-c" as "a_b_c". */
struct sv query_flat_name(struct sv name, struct arena *arena);
bool query_match(const struct logql_matcher *matcher, struct sv value);
/* Does a comparison, LOGQL_EQ to LOGQL_LTE, hold? */
bool query_compare(enum logql_op op, double a, double b);

/* The parsers: json, logfmt, regexp, pattern, unpack. */
void query_extract(struct query_line *line, const struct logql_stage *stage);
/* Runs the stages. False: the line is filtered out. */
bool query_pipeline(struct query_line *line, const struct logql *query, const struct logql_stage *stages);
/* The stage is one that a line's own text decides, without labels. */
bool query_line_test(const struct logql_stage *stage, struct sv line);

#endif
