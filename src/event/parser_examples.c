/*
 * The examples of parser files, run: what a parser makes of a line is what its file says; see parser_file.h.
 */
#include "event/parser_file_priv.h"

#include <stdio.h>

static int example_fails(const struct declared_parser *p, const struct declared_example *e, struct err *err,
                         const char *format, struct sv name, struct sv got, struct sv wanted)
{
    char text[TC_ERR_TEXT_MAX];
    snprintf(text, sizeof text, "%.*s is \"%.200s\", not \"%.*s\"", SV_FMT(name),
             got.p == NULL ? "(absent)" : "", SV_FMT(wanted));
    if (got.p != NULL)
        snprintf(text, sizeof text, "%.*s is \"%.*s\", not \"%.*s\"", SV_FMT(name), SV_FMT(sv_head(got, 200)),
                 SV_FMT(wanted));
    return err_at(err, TC_EINPUT, p->file, e->at_line, e->at_column, "parser %s, example: %s", p->parser.name,
                  format == NULL ? text : format);
}

static int run_example(const struct declared_parser *p, const struct declared_example *e, struct arena *arena,
                       struct err *err)
{
    struct parse_state state;
    struct event event;
    int64_t wanted_ns;
    parse_state_init(&state, 0, e->year, 0);
    enum parse_outcome outcome = parse_record(&p->parser, &state, e->line, arena, &event);
    if ((outcome == PARSE_TEXT) != e->text)
        return example_fails(p, e, err,
                             e->text ? "a pattern matches this line, which should stay text"
                                     : "no pattern matches this line",
                             (struct sv){0}, (struct sv){0}, (struct sv){0});
    for (size_t i = 0; i < e->count; i++) {
        const struct field *field = event_find(&event, e->names[i], event_name_hash(e->names[i]));
        struct sv got = field == NULL ? (struct sv){0} : field->value;
        if (field != NULL && got.p == NULL)
            got.p = "";
        if ((field == NULL) != (e->values[i].p == NULL) || !sv_eq(got, e->values[i]))
            return example_fails(p, e, err, NULL, e->names[i], got,
                                 e->values[i].p == NULL ? SV("(absent)") : e->values[i]);
    }
    if (e->time.n == 0)
        return 0;
    char got[TC_RFC3339_MAX] = "(none)";
    if (event.time.ns != TC_NO_TIME)
        clk_rfc3339(event.time.ns, got);
    if (!clk_parse_rfc3339(e->time, 0, &wanted_ns) || wanted_ns != event.time.ns)
        return example_fails(p, e, err, NULL, SV("time"), sv_of(got), e->time);
    return 0;
}

int parser_library_check(const struct parser_library *library, size_t *ret_examples, struct err *err)
{
    struct arena arena = {0};
    int rc = 0;
    *ret_examples = 0;
    for (size_t i = 0; rc == 0 && i < library->count; i++) {
        const struct declared_parser *p = library->parsers[i];
        for (size_t j = 0; rc == 0 && j < p->example_count; j++) {
            rc = run_example(p, &p->examples[j], &arena, err);
            *ret_examples += rc == 0;
            arena_reset(&arena);
        }
    }
    arena_free(&arena);
    return rc;
}
