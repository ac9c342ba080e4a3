/*
 * Parsers that a file declares: patterns for lines of text, or a map of paths for JSON. docs/parsers.md is
 * the reference of the file's keys.
 *
 * A library holds what the user's files declare and, compiled when first asked for, the parsers that the
 * program ships (packs/parsers/NAME.yml). A user's parser of a shipped one's name stands in its place; the
 * names of built-in parsers (parse.h) cannot be taken.
 *
 * What a library gives out is read-only and may be used by any number of threads; parser_library_find itself
 * is for one thread.
 */
#ifndef EVENT_PARSER_FILE_H
#define EVENT_PARSER_FILE_H

#include "event/parse.h"

struct parser_source {
    const char *file; /* for errors */
    struct sv bytes;  /* lent until parser_library_free */
};

enum {
    TC_PARSER_FILE_BYTES_MAX = 1 << 20,
    TC_PARSERS_MAX = 1024,        /* of a library */
    TC_PARSER_TIME_FORMS_MAX = 8, /* of a parser */
    TC_PARSER_COPIES_MAX = 64,    /* of a JSON parser */
};

struct parser_library;
/*
 * Reads and compiles every source (each file may hold several YAML documents, one parser each). A bad one
 * fails with TC_EINPUT and its place. `shipped` may be empty: those are read when asked for by name.
 */
int parser_library_new(const struct parser_source *sources, size_t count, const struct parser_source *shipped,
                       size_t shipped_count, struct parser_library **ret, struct err *err);
void parser_library_free(struct parser_library **library);
/* Built-in, then the user's, then shipped ones. TC_ENOTFOUND where no parser has that name. */
int parser_library_find(struct parser_library *library, struct sv name, const struct parser **ret,
                        struct err *err);
/* Runs the examples of every parser read so far. TC_EINPUT with the place of the first that gives something
 * else than its file says; *ret_examples counts those that hold. */
int parser_library_check(const struct parser_library *library, size_t *ret_examples, struct err *err);
/* Parsers read so far. */
size_t parser_library_count(const struct parser_library *library);
/* Lines that ran into the match limit since the start, over all parsers of the library; any thread. */
uint64_t parser_library_limit_hits(const struct parser_library *library);

#endif
