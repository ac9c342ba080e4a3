/*
 * Records of the Linux audit daemon; see parse_pairs.h.
 *
 * The daemon writes texts in quotes where they are harmless and in hexadecimal where they are not, so whether
 * "636174" is a text or a number only the field's name tells: `hex_names`, and a0, a1 … of EXECVE alone
 * (those of SYSCALL are numbers).
 */
#include "event/json.h"
#include "event/parse_json.h"
#include "event/parse_pairs.h"
#include "event/text_event.h"

static const char *const hex_names[] = {"proctitle", "comm", "exe",      "name",  "cwd",  "cmd",
                                        "path",      "key",  "acct",     "data",  "dir",  "file",
                                        "vm",        "grp",  "new-disk", "ocomm", "watch"};

static const struct text_event_alias ecs_names[] = {
    {"acct", "user.name"},         {"AUID", "user.name"},
    {"exe", "process.executable"}, {"comm", "process.name"},
    {"pid", "process.pid"},        {"ppid", "process.parent.pid"},
    {"addr", "source.ip"},         {"cwd", "process.working_directory"},
    {"node", "host.name"},         {"type", "event.action"},
};

struct record {
    struct text_event text;
    bool execve;
};

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* a0, a1 … a10, and a1[0] … of one that is told in parts: hexadecimal, whatever they look like. a1_len is a
 * number. */
static bool is_argument(struct sv key)
{
    size_t n = 1;
    if (key.n < 2 || key.p[0] != 'a')
        return false;
    while (n < key.n && key.p[n] >= '0' && key.p[n] <= '9')
        n++;
    return n > 1 && (n == key.n || key.p[n] == '[');
}

static bool is_hex_name(const struct record *record, struct sv key)
{
    if (record->execve && is_argument(key))
        return true;
    for (size_t i = 0; i < TC_ARRAY_LEN(hex_names); i++)
        if (sv_is(key, hex_names[i]))
            return true;
    return false;
}

/* The text, with blanks for the zero bytes that part arguments; as it is where it is not hexadecimal. */
static struct sv decode_hex(struct sv value, struct arena *arena)
{
    if (value.n < 2 || value.n % 2 != 0)
        return value;
    char *out = arena_alloc_raw(arena, value.n / 2, 1);
    for (size_t i = 0; i < value.n; i += 2) {
        int high = hex_digit(value.p[i]), low = hex_digit(value.p[i + 1]);
        if (high < 0 || low < 0)
            return value;
        out[i / 2] = (char)(high * 16 + low);
        if (out[i / 2] == '\0')
            out[i / 2] = ' ';
    }
    return json_clean_utf8(sv_make(out, value.n / 2), arena);
}

static bool ends_pair(char c)
{
    return c == ' ' || c == '\x1D' || c == '\t' || c == ',';
}

static void take_pairs(struct record *record, struct sv rest, unsigned depth);

static void take_value(struct record *record, struct sv key, struct sv *rest, unsigned depth)
{
    char quote = rest->n > 0 && (rest->p[0] == '"' || rest->p[0] == '\'') ? rest->p[0] : '\0';
    size_t n = 0;
    if (quote != '\0') {
        *rest = sv_from(*rest, 1);
        n = sv_find_char(*rest, quote);
    } else {
        while (n < rest->n && !(ends_pair(rest->p[n]) && rest->p[n] != ','))
            n++;
    }
    struct sv value = sv_head(*rest, n);
    *rest = sv_from(*rest, n + (quote != '\0'));
    if (quote == '\'' && depth == 0 && sv_is(key, "msg"))
        take_pairs(record, value, depth + 1);
    else if (quote != '\0')
        text_event_add(&record->text, key, value, FIELD_STRING);
    else if (is_hex_name(record, key))
        text_event_add(&record->text, key, decode_hex(value, record->text.arena), FIELD_STRING);
    else if (is_argument(key))
        text_event_add(&record->text, key, value, FIELD_STRING);
    else
        text_event_add_guess(&record->text, key, value);
}

static void take_pairs(struct record *record, struct sv rest, unsigned depth)
{
    while (rest.n > 0) {
        size_t n = 0;
        while (n < rest.n && rest.p[n] != '=' && !ends_pair(rest.p[n]))
            n++;
        struct sv key = sv_head(rest, n);
        bool pair = n < rest.n && rest.p[n] == '=' && n > 0;
        rest = sv_from(rest, n + 1);
        if (pair)
            take_value(record, key, &rest, depth);
    }
}

/* "audit(1451781471.394:194435):" off *rest. */
static bool take_stamp(struct record *record, struct sv *rest, struct event *event)
{
    struct sv open = SV("msg=audit("), end = SV("):");
    if (!sv_starts(*rest, open))
        return false;
    struct sv inside = sv_from(*rest, open.n);
    size_t close = sv_find(sv_head(inside, 64), end);
    if (close >= TC_MIN(inside.n, (size_t)64))
        return false;
    *rest = sv_from(inside, close + end.n);
    inside = sv_head(inside, close);
    struct sv time = sv_cut(&inside, ':');
    if (!text_event_is_number(inside) || !parse_json_time(time, 0, &event->time.ns))
        return false;
    text_event_add(&record->text, SV("auditd.sequence"), inside, FIELD_NUMBER);
    return true;
}

/* Where "type=" begins: at the start, or behind "node=… " or a syslog header. */
static size_t find_type(struct sv line)
{
    size_t at = sv_starts(line, SV("type=")) ? 0 : sv_find(line, SV(" type=")) + 1;
    return at < TC_MIN(line.n, (size_t)300) ? at : line.n;
}

static void derive_outcome(struct text_event *text)
{
    static const struct {
        const char *name, *value, *outcome;
    } outcomes[] = {{"success", "yes", "success"}, {"success", "no", "failure"},
                    {"res", "success", "success"}, {"res", "failed", "failure"},
                    {"res", "1", "success"},       {"res", "0", "failure"}};
    for (size_t i = 0; i < TC_ARRAY_LEN(outcomes); i++)
        if (sv_is(text_event_value(text, outcomes[i].name), outcomes[i].value)) {
            text_event_derive(text, "event.outcome", sv_of(outcomes[i].outcome), FIELD_STRING);
            return;
        }
}

static bool parse_line(struct sv line, struct arena *arena, struct event *ret)
{
    struct record record = {0};
    size_t at = find_type(line);
    if (at == line.n)
        return false;
    text_event_begin(&record.text, arena);
    struct sv rest = sv_from(line, at + 5), type = sv_cut(&rest, ' '), node = SV("node=");
    if (sv_starts(line, node))
        text_event_add(&record.text, SV("node"),
                       sv_head(sv_from(line, node.n), sv_find_char(sv_from(line, node.n), ' ')),
                       FIELD_STRING);
    text_event_add(&record.text, SV("type"), type, FIELD_STRING);
    if (type.n == 0 || !take_stamp(&record, &rest, ret))
        return false;
    record.execve = sv_is(type, "EXECVE");
    take_pairs(&record, rest, 0);
    derive_outcome(&record.text);
    text_event_aliases(&record.text, ecs_names, TC_ARRAY_LEN(ecs_names));
    text_event_end(&record.text, ret);
    return true;
}

enum parse_outcome parse_auditd(const struct parser *parser, struct parse_state *state, struct sv raw,
                                struct arena *arena, struct event *ret)
{
    (void)parser;
    (void)state;
    struct sv line = text_event_clean(raw, arena, ret);
    if (line.n == 0)
        return PARSE_SKIP;
    if (!parse_line(line, arena, ret))
        return PARSE_TEXT;
    ret->product = SV("linux");
    ret->category = SV("none");
    ret->service = SV("auditd");
    return PARSE_OK;
}

bool parse_pairs_is_auditd(struct sv line)
{
    size_t at = find_type(line);
    struct sv rest = sv_from(line, at);
    sv_cut(&rest, ' ');
    return at < line.n && (at == 0 || sv_starts(line, SV("node="))) && sv_starts(rest, SV("msg=audit("));
}
