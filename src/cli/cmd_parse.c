/*
 * `tocsin parse`: shows what the parsers make of a file, one JSON object a record.
 *
 * With --input json a file is one RFC 8259 value and is checked as such, so the verb doubles as a validator:
 * exit code 0, or 2 with line and column.
 */
#include "base/json_out.h"
#include "base/unpack.h"
#include "base/utf8.h"
#include "cli/cli.h"
#include "cli/inputs.h"
#include "cli/parsers.h"
#include "event/json.h"

#include <stdio.h>

static const struct option_spec options[] = {
    {"input", OPTION_VALUE, "FORMAT", PARSERS_INPUT_HELP "; with json a file is one value and is checked"},
    {"parsers", OPTION_LIST, "PATH", PARSERS_FILES_HELP},
    {"format", OPTION_VALUE, "table|json", "json (default): one object a line; table: a line per field"},
    {"timezone", OPTION_VALUE, "ZONE",
     "zone of times that bear none: UTC (default) or an offset such as +02:00"},
    {"year", OPTION_VALUE, "YEAR", "year of syslog times; default: from the file's modification time"},
    {"count", OPTION_FLAG, NULL,
     "print no records, only how many there were, and how fast (input json: as ndjson)"},
    {"threads", OPTION_VALUE, "N", "worker threads; default: one per processor"},
    {0}};

enum { PARSE_FILE_MAX = 256 << 20, PARSE_OUT_MAX = 1 << 30 };

static void field_value(struct json_out *json, const struct field *field)
{
    bool is_text = field->type == FIELD_STRING || utf8_valid(field->value) < field->value.n;
    if (field->type == FIELD_NULL)
        json_null(json);
    else if (is_text)
        json_string(json, field->value);
    else
        json_raw(json, field->value);
}

static void event_json(const struct event *event, const char *file, uint64_t line, uint64_t index,
                       struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_object(&json);
    json_kv_str(&json, "file", file);
    json_kv_u64(&json, "line", line);
    json_kv_u64(&json, "index", index);
    json_kv_time(&json, "time", event->time.ns);
    json_kv_bool(&json, "text", (event->flags & EVENT_TEXT) != 0);
    json_kv_u64(&json, "repeat", event->repeat);
    json_key(&json, SV("fields"));
    json_object(&json);
    for (uint32_t i = 0; i < event->field_count; i++) {
        const struct field *field = &event->fields[i];
        if (field->type == FIELD_OBJECT || field->type == FIELD_ARRAY || (field->flags & FIELD_DUPLICATE))
            continue; /* members follow by themselves; a duplicate key cannot stand twice in one object */
        json_key(&json, field->exact);
        field_value(&json, field);
    }
    json_object_end(&json);
    json_object_end(&json);
    buf_char(out, '\n');
}

static void event_table(const struct event *event, const char *file, uint64_t line, struct buf *out)
{
    buf_printf(out, "%s:%llu\n", file, (unsigned long long)line);
    for (uint32_t i = 0; i < event->field_count; i++) {
        buf_printf(out, "  %-32.*s ", SV_FMT(event->fields[i].exact));
        json_escape(out, event->fields[i].value);
        buf_char(out, '\n');
    }
}

static void print_event(const struct event *event, const char *file, uint64_t line, uint64_t index,
                        bool as_json, struct buf *out)
{
    buf_clear(out);
    if (as_json)
        event_json(event, file, line, index, out);
    else
        event_table(event, file, line, out);
    fwrite(out->p, 1, out->n, stdout);
}

/* One file as one RFC 8259 value. */
static int parse_json_file(const char *file, bool as_json, struct buf *out, struct err *err)
{
    struct unpack *unpack = NULL;
    struct buf text;
    buf_init(&text, PARSE_FILE_MAX);
    int rc = unpack_open(file, &unpack, err);
    int64_t got = 1;
    while (rc == 0 && got > 0) {
        char *room = buf_reserve(&text, 1 << 16);
        if (room == NULL) {
            rc = err_at(err, TC_EINPUT, file, 0, 0,
                        "larger than 256 MiB: use --input ndjson, which reads in pieces");
            break;
        }
        got = unpack_read(unpack, room, 1 << 16, err);
        if (got < 0)
            rc = err_while(err, "reading %s", file);
        text.n += got > 0 ? (size_t)got : 0;
    }
    struct arena arena = {0};
    struct event event = {.time = {TC_NO_TIME}, .repeat = 1};
    if (rc == 0)
        rc = json_check(buf_view(&text), err);
    if (rc == 0) {
        struct parse_state state;
        parse_state_init(&state, 0, 0, 0);
        parse_record(parser_find(SV("json")), &state, buf_view(&text), &arena, &event);
        print_event(&event, file, 1, 0, as_json, out);
    } else if (rc < 0 && err->file[0] == '\0') {
        snprintf(err->file, sizeof err->file, "%s", file);
    }
    arena_free(&arena);
    buf_free(&text);
    unpack_free(&unpack);
    return rc;
}

static enum cli_exit parse_json_files(const struct cli_args *args, bool as_json, struct buf *out)
{
    const char *const *files;
    size_t count = cli_operands(args, &files);
    enum cli_exit code = CLI_DONE;
    for (size_t i = 0; i < count; i++) {
        struct err err = {0};
        if (parse_json_file(files[i], as_json, out, &err) < 0) {
            cli_fail_err(args, &err);
            code = CLI_USAGE;
        }
    }
    return code;
}

static void print_count(const struct inputs *inputs, int64_t elapsed_ns)
{
    struct inputs_stats stats;
    inputs_stats(inputs, &stats);
    double seconds = (double)elapsed_ns / 1e9;
    printf("records %llu\nkept as text %llu\nbytes %llu\nseconds %.3f\nrecords/s %.0f\n",
           (unsigned long long)stats.events, (unsigned long long)stats.text, (unsigned long long)stats.bytes,
           seconds, seconds > 0 ? (double)stats.events / seconds : 0.0);
}

static enum cli_exit parse_streams(const struct cli_args *args, struct inputs_options *in, bool as_json,
                                   struct buf *out)
{
    struct inputs *inputs;
    struct err err;
    bool count_only = cli_flag(args, "count");
    int64_t started_ns = clk_monotonic_ns(&clk_system);
    in->file_count = cli_operands(args, &in->files);
    if (inputs_open(in, &inputs, &err) != 0) {
        cli_fail_err(args, &err);
        return CLI_USAGE;
    }
    const struct input_event *const *events;
    size_t count;
    int rc;
    while ((rc = inputs_next(inputs, &events, &count, &err)) > 0)
        for (size_t i = 0; !count_only && i < count; i++)
            print_event(&events[i]->event, events[i]->file, events[i]->line, events[i]->index, as_json, out);
    if (count_only)
        print_count(inputs, clk_monotonic_ns(&clk_system) - started_ns);
    if (rc < 0)
        cli_fail_err(args, &err);
    inputs_close(&inputs);
    return rc < 0 ? CLI_USAGE : CLI_DONE;
}

static enum cli_exit parse_run(const struct cli_args *args)
{
    bool ok, as_json = cli_wants_json(args, true, &ok);
    uint64_t year, threads;
    struct inputs_options in = {.now_ns = clk_now(&clk_system).ns};
    if (!ok || !cli_number(args, "year", 1970, 2261, 0, &year) ||
        !cli_number(args, "threads", 1, 64, pool_processors(), &threads))
        return CLI_USAGE;
    in.year = (int)year;
    in.pool = threads > 1 ? pool_new((unsigned)threads) : NULL;
    if (!inputs_zone(cli_value(args, "timezone", "UTC"), &in.zone_offset_s))
        return cli_fail(args, CLI_USAGE, "--timezone %s: it is UTC or an offset such as +02:00",
                        cli_value(args, "timezone", ""));
    const char *input = cli_value(args, "input", "auto");
    in.lines = strcmp(input, "ndjson") == 0;
    struct parser_files own = {0};
    enum cli_exit code = parsers_of_args(args, &own, &in.parser);
    if (code == CLI_DONE) {
        struct buf out;
        buf_init(&out, PARSE_OUT_MAX);
        code = strcmp(input, "json") == 0 ? parse_json_files(args, as_json, &out)
                                          : parse_streams(args, &in, as_json, &out);
        buf_free(&out);
    }
    parsers_close(&own);
    return code;
}

const struct verb verb_parse = {
    .name = "parse",
    .operands = "FILE...",
    .summary = "show what the parsers make of files",
    .details = "With --input json each file must be exactly one JSON value (RFC 8259, nesting to 512); exit "
               "code 2 with line and column\n"
               "where it is not. Nothing is redacted.",
    .options = options,
    .min_operands = 1,
    .max_operands = 100000,
    .run = parse_run,
};
