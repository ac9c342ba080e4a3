/*
 * The lexer of PromQL, on demand: one token a call. It knows brackets, braces and the two modes of the test
 * language's series (value sequences and histogram descriptions), and it is where most syntax errors are
 * worded.
 */
#ifndef METRICS_PROMQL_LEXER_H
#define METRICS_PROMQL_LEXER_H

#include "base/arena.h"
#include "metrics/promql/token.h"

enum lexer_state { LEX_STATEMENTS, LEX_DURATION, LEX_VALUES, LEX_HISTOGRAM, LEX_BUCKETS, LEX_DONE };
enum lexer_histogram { LEX_HISTOGRAM_NONE, LEX_HISTOGRAM_OPEN, LEX_HISTOGRAM_AFTER };

struct lexer {
    struct sv input;
    struct arena *arena; /* of error messages */
    enum lexer_state state;
    enum lexer_histogram histogram;
    size_t pos, start, last; /* `last`: where the newest token began */
    int paren_depth;
    bool brace_open, bracket_open, got_colon, got_duration;
    bool series; /* a series description of the test language */
};

/* The input must outlive the tokens. */
void lexer_init(struct lexer *lexer, struct arena *arena, struct sv input, bool series);
struct token lexer_next(struct lexer *lexer);
/* Where the parenthesis before the newest token ended, skipping white space; `fallback` where there is none.
 */
int32_t lexer_previous_right_paren(const struct lexer *lexer, int32_t fallback);

#endif
