/*
 * Intake: what stands between a door and the journal; see intake.h.
 *
 *   body -> splitter -> one record's raw bytes -> parse -> facts -> redact (and parse again) -> flags ->
 * record block
 *
 * What must hold:
 *  1. Nothing reaches batch->blocks that the redactor has not passed. Where it fails, an empty quarantined
 *     record stands in place of the event, so that the loss is visible and counted, and nothing is in clear.
 *  2. The result depends on body, source and receive time only; no state is left over from body to body.
 *  3. Every bound (records, bytes of blocks, errors kept) is checked here; past it a body is refused whole.
 */
#include "ingest/intake.h"

#include "event/json.h"
#include "event/record.h"

#include <stdatomic.h>
#include <stdlib.h>

struct intake {
    struct intake_options options;
    /* Counters in the order of struct intake_stats. */
    atomic_ullong records, text, errors, redacted, redaction_failed, suspect_time, bytes;
};

/* One record on its way through: what every step below needs. */
struct passage {
    struct intake *intake;
    const struct parser *parser;
    struct parse_state *state;
    enum intake_mode mode;
    struct sv source;
    uint64_t position;
    const struct split_record *record;
    struct intake_batch *batch;
    struct intake_stats *stats;
};

/* --- making and clearing ---------------------------------------------------------------------------------
 */

struct intake *intake_new(const struct intake_options *options)
{
    struct intake *intake = tc_alloc(sizeof *intake);
    intake->options = *options;
    if (intake->options.max_records == 0)
        intake->options.max_records = TC_INTAKE_RECORDS_MAX;
    return intake;
}

void intake_free(struct intake **intake)
{
    free(*intake);
    *intake = NULL;
}

struct receive_time intake_now(const struct intake *intake)
{
    return clk_now(intake->options.clk);
}

void intake_batch_init(struct intake_batch *batch, size_t max_bytes)
{
    *batch = (struct intake_batch){.all_have_time = true};
    buf_init(&batch->blocks, max_bytes);
    /* Rewriting may lengthen a record: an address becomes a token of 23 bytes. */
    buf_init(&batch->rewritten, 32 * (size_t)TC_EVENT_RAW_MAX);
}

void intake_batch_clear(struct intake_batch *batch)
{
    buf_clear(&batch->blocks);
    batch->received = (struct receive_time){0};
    batch->count = 0;
    batch->all_have_time = true;
    batch->errors = NULL;
    batch->error_count = 0;
    batch->error_total = 0;
    arena_reset(&batch->arena);
}

void intake_batch_free(struct intake_batch *batch)
{
    buf_free(&batch->blocks);
    buf_free(&batch->rewritten);
    arena_free(&batch->arena);
    arena_free(&batch->scratch);
    *batch = (struct intake_batch){0};
}

static void stats_commit(struct intake *intake, const struct intake_stats *stats)
{
    intake->records += stats->records;
    intake->text += stats->text;
    intake->errors += stats->errors;
    intake->redacted += stats->redacted;
    intake->redaction_failed += stats->redaction_failed;
    intake->suspect_time += stats->suspect_time;
    intake->bytes += stats->bytes;
}

void intake_stats(const struct intake *intake, struct intake_stats *ret)
{
    *ret = (struct intake_stats){.records = intake->records,
                                 .text = intake->text,
                                 .errors = intake->errors,
                                 .redacted = intake->redacted,
                                 .redaction_failed = intake->redaction_failed,
                                 .suspect_time = intake->suspect_time,
                                 .bytes = intake->bytes};
}

/* --- strict doors: errors of single items ----------------------------------------------------------------
 */

static void add_error(struct intake_batch *batch, uint64_t index, struct sv text)
{
    batch->error_total++;
    if (batch->error_count >= TC_INTAKE_ERRORS_MAX)
        return;
    if (batch->errors == NULL)
        batch->errors = ARENA_ARRAY(&batch->arena, struct intake_error, TC_INTAKE_ERRORS_MAX);
    batch->errors[batch->error_count++] = (struct intake_error){index, text};
}

/* True where a strict door takes the item; else its error is noted. Whether it is JSON is the parser's word
 * (bytes that are not UTF-8 are let through, flagged); it is asked again only for the place of the error. */
static bool strict_accepts(const struct passage *p, enum parse_outcome outcome)
{
    struct intake_batch *batch = p->batch;
    unsigned long long line = p->record->line;
    struct sv raw = sv_trim(p->record->raw);
    struct err err = {0};
    struct event event = {0};
    if (p->record->cut)
        return true;
    if (outcome == PARSE_TEXT && json_parse_event(p->record->raw, &batch->scratch, &event, &err) != 0) {
        line += err.line > 0 ? err.line - 1 : 0;
        add_error(
            batch, p->position,
            arena_printf(&batch->arena, "line %llu, column %u: %s", line, TC_MAX(err.column, 1), err.text));
        return false;
    }
    if (raw.n == 0 || raw.p[0] != '{') {
        add_error(batch, p->position,
                  arena_printf(&batch->arena, "line %llu: an event must be a JSON object", line));
        return false;
    }
    return true;
}

/* --- one record ------------------------------------------------------------------------------------------
 */

static bool time_suspect(const struct passage *p, struct event_time time, struct receive_time received)
{
    int64_t ahead;
    int64_t lateness_ns = p->state->lateness_ns >= 0 ? p->state->lateness_ns : p->intake->options.lateness_ns;
    if (__builtin_sub_overflow(time.ns, received.ns, &ahead))
        return true;
    return ahead > TC_INTAKE_FUTURE_S * TC_SECOND_NS || ahead < -lateness_ns;
}

static bool has_level(const struct intake_class *row, const struct event *event)
{
    static const char *const names[] = {"log.level", "level", "severity"};
    for (size_t i = 0; i < TC_ARRAY_LEN(names); i++) {
        struct sv level = event_value(event, names[i]);
        for (size_t k = 0; level.n > 0 && k < row->level_count; k++)
            if (sv_eq_nocase(level, row->levels[k]))
                return true;
    }
    return row->level_count == 0;
}

static bool has_source(const struct intake_class *row, struct sv source)
{
    if (row->source.n > 0 && row->source.p[row->source.n - 1] == '*')
        return sv_starts(source, sv_head(row->source, row->source.n - 1));
    return row->source.n == 0 || sv_eq(source, row->source);
}

/* What Tocsin says of itself is not put in another class. */
static uint8_t choose_class(const struct intake *intake, const struct event *event)
{
    const struct intake_options *o = &intake->options;
    for (size_t i = 0; i < o->class_count && !sv_is(event->source, "self"); i++)
        if (has_source(&o->classes[i], event->source) && has_level(&o->classes[i], event))
            return (uint8_t)o->classes[i].class;
    return event->class;
}

static void encode(const struct passage *p, struct event *event)
{
    struct intake_batch *batch = p->batch;
    event->source = p->source;
    event->class = choose_class(p->intake, event);
    event->received = batch->received;
    event->source_position = p->position;
    if (event->time.ns == TC_NO_TIME) {
        batch->all_have_time = false;
    } else if (time_suspect(p, event->time, batch->received)) {
        event->flags |= EVENT_SUSPECT_TIME;
        p->stats->suspect_time++;
    }
    record_encode(event, &batch->blocks);
    batch->count++;
    p->stats->records++;
}

static void encode_quarantined(const struct passage *p)
{
    struct event event = {.type = REC_EVENT,
                          .class = CLASS_SECURITY,
                          .parser_version = p->parser->version,
                          .flags = EVENT_QUARANTINED,
                          .time = {TC_NO_TIME},
                          .repeat = 1};
    p->stats->redaction_failed++;
    encode(p, &event);
}

struct facts { /* derived from what was sent, before it is redacted */
    struct field fields[TC_GEOIP_FACTS_MAX];
    uint32_t count;
};

static void add_facts(const struct passage *p, const struct facts *facts, struct event *event)
{
    if (facts->count == 0)
        return;
    event_append(event, &p->batch->scratch, facts->fields, facts->count);
    event_index(event, &p->batch->scratch);
}

/* From a parsed event to its block. The state as it was before the first parse is needed for the second. */
static void pass_redactor(const struct passage *p, struct parse_state before, enum parse_outcome outcome,
                          const struct facts *facts, struct event *event)
{
    struct intake_batch *batch = p->batch;
    bool is_json = outcome == PARSE_OK && (p->parser->flags & PARSER_JSON) != 0;
    bool had_key = false;
    enum redact_outcome redacted = REDACT_CLEAN;
    buf_clear(&batch->rewritten);
    if (p->intake->options.redactor != NULL && !is_json) {
        struct sv line = redact_key_line(&p->state->key_lines, event->raw, &batch->scratch);
        before.key_lines = p->state->key_lines;
        if (line.p != event->raw.p) {
            *p->state = before;
            outcome = parse_record(p->parser, p->state, line, &batch->scratch, event);
            event->flags |= EVENT_REDACTED;
            had_key = true;
            p->stats->redacted++;
        }
    }
    if (p->intake->options.redactor != NULL)
        redacted =
            redact_event(p->intake->options.redactor, event, is_json, &batch->scratch, &batch->rewritten);
    if (redacted == REDACT_FAILED || batch->rewritten.overflow) {
        encode_quarantined(p);
        return;
    }
    if (redacted == REDACT_CHANGED) {
        *p->state = before;
        outcome = parse_record(p->parser, p->state, buf_view(&batch->rewritten), &batch->scratch, event);
        event->flags |= EVENT_REDACTED;
        p->stats->redacted += !had_key;
    }
    add_facts(p, facts, event);
    event->flags |= had_key ? EVENT_REDACTED : 0;
    if (p->record->cut)
        parse_cut(p->record, &batch->scratch, event);
    p->stats->text += outcome == PARSE_TEXT;
    encode(p, event);
}

/* Adds the record to the batch, or adds nothing for an empty line. */
static void pass(const struct passage *p)
{
    struct parse_state before = *p->state;
    struct event event = {0};
    struct facts facts = {.count = 0};
    enum parse_outcome outcome =
        parse_record(p->parser, p->state, p->record->raw, &p->batch->scratch, &event);
    p->stats->bytes += p->record->cut ? p->record->full_bytes : p->record->raw.n;
    if (outcome != PARSE_SKIP && (p->mode == INTAKE_LENIENT || strict_accepts(p, outcome))) {
        if (p->intake->options.geoip != NULL)
            facts.count = geoip_facts(p->intake->options.geoip, &event, &p->batch->scratch, facts.fields);
        pass_redactor(p, before, outcome, &facts, &event);
    }
    arena_reset(&p->batch->scratch);
}

/* --- bodies ----------------------------------------------------------------------------------------------
 */

static int64_t read_memory(void *context, void *to, size_t n, struct err *err)
{
    (void)err;
    struct sv *rest = context;
    n = TC_MIN(n, rest->n);
    if (n > 0)
        memcpy(to, rest->p, n);
    *rest = sv_from(*rest, n);
    return (int64_t)n;
}

static const struct parser *choose_parser(struct splitter *splitter, enum intake_mode mode)
{
    const struct parser *json = parser_find(SV("json"));
    struct sv head;
    if (mode == INTAKE_JSON_STRICT || splitter_peek(splitter, &head, NULL) != 0)
        return json;
    const struct parser *parser = parser_recognise(head);
    if ((parser->flags & PARSER_JSON) == 0)
        splitter_set_mode(splitter, SPLIT_LINES);
    return parser;
}

static int check_bounds(const struct intake *intake, const struct intake_batch *batch, uint64_t items,
                        struct err *err)
{
    if (items > intake->options.max_records)
        return err_set(err, TC_EBOUND, "more than %zu records in one body: send it in smaller parts",
                       intake->options.max_records);
    if (batch->blocks.overflow)
        return err_set(
            err, TC_EBOUND,
            "the events of this body take more than %zu bytes once parsed: send it in smaller parts",
            batch->blocks.max_bytes);
    return 0;
}

static int take_all(struct passage *p, struct splitter *splitter, struct err *err)
{
    struct split_record record;
    uint64_t items = 0;
    int rc;
    while ((rc = splitter_next(splitter, &record, err)) == 1) {
        if (sv_trim(record.raw).n == 0)
            continue;
        p->record = &record;
        p->position = items++;
        if (check_bounds(p->intake, p->batch, items, err) != 0)
            return TC_EBOUND;
        pass(p);
    }
    return rc < 0 ? rc : check_bounds(p->intake, p->batch, items, err);
}

/* -1: none of its own. */
static int64_t declared_lateness(const struct intake *intake, struct sv source)
{
    int64_t longest_ns = -1;
    for (size_t i = 0; i < intake->options.declared_count; i++)
        if (sv_eq(intake->options.declared[i].source, source))
            longest_ns = TC_MAX(longest_ns, intake->options.declared[i].lateness_ns);
    return longest_ns;
}

int intake_body(struct intake *intake, struct sv source, enum intake_mode mode, struct sv body,
                struct intake_batch *batch, struct err *err)
{
    struct intake_stats stats = {0};
    struct parse_state state = {0};
    struct passage p = {
        .intake = intake, .state = &state, .mode = mode, .source = source, .batch = batch, .stats = &stats};
    intake_batch_clear(batch);
    batch->received = clk_now(intake->options.clk);
    parse_state_init(&state, intake->options.zone_offset_s, 0, batch->received.ns);
    state.lateness_ns = declared_lateness(intake, source);
    struct splitter *splitter = splitter_new(SPLIT_JSON, read_memory, &body);
    p.parser = choose_parser(splitter, mode);
    int rc = take_all(&p, splitter, err);
    splitter_free(&splitter);
    arena_reset(&batch->scratch);
    if (rc != 0) {
        intake_batch_clear(batch);
        return rc;
    }
    stats.errors = batch->error_total;
    stats_commit(intake, &stats);
    return 0;
}

/* --- live streams ----------------------------------------------------------------------------------------
 */

int intake_record(struct intake *intake, const struct parser *parser, struct parse_state *state,
                  struct sv source, uint64_t source_position, const struct split_record *record,
                  struct intake_batch *batch, struct err *err)
{
    struct intake_stats stats = {0};
    struct parse_state before = *state;
    size_t before_bytes = batch->blocks.n;
    bool before_time = batch->all_have_time;
    uint32_t before_count = batch->count;
    if (batch->count == 0)
        batch->received = clk_now(intake->options.clk);
    if (batch->count >= intake->options.max_records)
        return err_set(err, TC_EBOUND, "the batch holds %u records: hand it on first", batch->count);
    pass(&(struct passage){intake, parser, state, INTAKE_LENIENT, source, source_position, record, batch,
                           &stats});
    if (batch->blocks.overflow) {
        batch->blocks.n = before_bytes;
        batch->blocks.overflow = false;
        batch->all_have_time = before_time;
        batch->count = before_count;
        *state = before;
        return err_set(err, TC_EBOUND, "the batch is full (%zu bytes): hand it on first",
                       batch->blocks.max_bytes);
    }
    stats_commit(intake, &stats);
    return 0;
}

int intake_line(struct intake *intake, const struct parser *parser, struct parse_state *state,
                struct sv source, uint64_t source_position, struct sv line, struct intake_batch *batch,
                struct err *err)
{
    struct split_record record = {.raw = line, .line = source_position, .full_bytes = line.n};
    if (line.n > TC_EVENT_RAW_MAX) {
        hash_sha256(line, record.sha256);
        record.raw = sv_head(line, TC_EVENT_CUT_BYTES);
        record.cut = true;
    }
    return intake_record(intake, parser, state, source, source_position, &record, batch, err);
}
