/*
 * Syslog lines into events; see parse_sshd.h.
 *
 * The header is scanned by hand, the message by the pattern table. The fields are gathered on the stack and
 * copied to the arena once, when their number is known.
 */
#include "event/parse_sshd.h"

#include "base/num.h"
#include "event/syslog_patterns.h"
#include "event/syslog_time.h"
#include "event/text_event.h"

#include <pthread.h>

enum { TAG_MAX_BYTES = 96, HEADER_FIELDS = 4, LINE_FIELDS = HEADER_FIELDS + TC_PATTERN_FIELDS_MAX + 2 };

struct line {
    int64_t time_ns;
    struct sv host, program, pid, message;
};

/* Names and their hashes, and the compiled table: made once, then read only. */
enum fixed_name { NAME_HOST, NAME_PROGRAM, NAME_PID, NAME_MESSAGE, NAME_REPEAT, NAME_ERROR, NAME_COUNT };
static const char *const names[NAME_COUNT] = {"host.name", "process.name", "process.pid",
                                              "message",   "event.repeat", "tocsin.parse.error"};
static struct {
    pthread_once_t once;
    uint32_t hash[NAME_COUNT];
    struct pattern_set *patterns;
} built_in = {.once = PTHREAD_ONCE_INIT};

static void make_built_in(void)
{
    struct err err = {0};
    for (size_t i = 0; i < NAME_COUNT; i++)
        built_in.hash[i] = event_name_hash(sv_of(names[i]));
    built_in.patterns = pattern_set_new(syslog_patterns, syslog_pattern_count, &err);
    tc_assert(built_in.patterns != NULL); /* the table is ours; a test compiles it */
}

uint64_t parse_sshd_limit_hits(void)
{
    pthread_once(&built_in.once, make_built_in);
    return pattern_limit_hits(built_in.patterns);
}

/* --- the header --- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static struct sv skip_spaces(struct sv text)
{
    size_t n = 0;
    while (n < text.n && (text.p[n] == ' ' || text.p[n] == '\t'))
        n++;
    return sv_from(text, n);
}

/* The next word and the spaces behind it, off *rest. */
static struct sv take_word(struct sv *rest)
{
    struct sv word = sv_head(*rest, sv_find_char(*rest, ' '));
    *rest = skip_spaces(sv_from(*rest, word.n));
    return word;
}

/* "<38>" at the start: its length, or 0. */
static size_t priority_bytes(struct sv line)
{
    size_t n = 1;
    if (line.n < 3 || line.p[0] != '<')
        return 0;
    while (n < line.n && n < 5 && is_digit(line.p[n]))
        n++;
    return n > 1 && n < 5 && n < line.n && line.p[n] == '>' ? n + 1 : 0;
}

/* "[24200]" at `at`: the digits; n == 0 where it is something else. */
static struct sv pid_at(struct sv text, size_t at)
{
    size_t end = at + 1;
    while (end < text.n && is_digit(text.p[end]))
        end++;
    bool closed = end < text.n && text.p[end] == ']';
    return sv_make(text.p + at + 1, closed ? end - at - 1 : 0);
}

/* /usr/sbin/cron -> cron, sshd(pam_unix) -> sshd */
static struct sv plain_program(struct sv tag)
{
    const char *slash = tag.n == 0 ? NULL : memrchr(tag.p, '/', tag.n);
    if (slash != NULL)
        tag = sv_from(tag, (size_t)(slash - tag.p) + 1);
    size_t bracket = sv_find_char(tag, '(');
    return bracket > 0 ? sv_head(tag, bracket) : tag;
}

/* What follows "prog[1]": a colon; or a remark like macOS's " (com.apple.x[2]): ". */
static struct sv after_pid(struct sv rest)
{
    static const struct sv closing = {"):", 2};
    if (rest.n > 1 && rest.p[0] == ' ' && rest.p[1] == '(') {
        size_t end = sv_find(sv_head(rest, 2 * TAG_MAX_BYTES), closing);
        if (end < TC_MIN(rest.n, 2 * (size_t)TAG_MAX_BYTES))
            return skip_spaces(sv_from(rest, end + closing.n));
    }
    return skip_spaces(sv_from(rest, rest.n > 0 && rest.p[0] == ':' ? 1 : 0));
}

static bool is_tag_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c) || strchr("-_./+@()#~", c) != NULL;
}

/* "sshd[24200]: ", "su: ", "Microsoft Word[1]: " (spaces only where a pid follows). */
static bool take_tag(struct sv *rest, struct line *line)
{
    bool spaced = false;
    size_t most = TC_MIN(rest->n, (size_t)TAG_MAX_BYTES);
    for (size_t i = 0; i < most; i++) {
        char c = rest->p[i];
        struct sv pid = c == '[' && i > 0 ? pid_at(*rest, i) : (struct sv){0};
        if (pid.n > 0) {
            line->program = plain_program(sv_head(*rest, i));
            line->pid = pid;
            *rest = after_pid(sv_from(*rest, i + pid.n + 2));
            return true;
        }
        if (c == ':' && i > 0 && !spaced && (i + 1 == rest->n || rest->p[i + 1] == ' ')) {
            line->program = plain_program(sv_head(*rest, i));
            *rest = skip_spaces(sv_from(*rest, i + 1));
            return true;
        }
        spaced |= c == ' ';
        if (c != ' ' && c != ':' && (c == '\0' || !is_tag_byte(c)))
            return false;
    }
    return false;
}

/* "[sshd]: ", "[sshd] ": a tag in brackets, from syslog daemons set up to write no host. */
static bool take_bracketed_tag(struct sv *rest, struct line *line)
{
    size_t end = sv_find_char(sv_head(*rest, TAG_MAX_BYTES), ']');
    if (rest->n < 3 || rest->p[0] != '[' || end >= TC_MIN(rest->n, (size_t)TAG_MAX_BYTES) || end < 2)
        return false;
    line->program = plain_program(sv_make(rest->p + 1, end - 1));
    *rest = after_pid(sv_from(*rest, end + 1));
    return true;
}

static void scan_host_and_tag(struct sv rest, struct line *line)
{
    struct sv after = rest, word = take_word(&after);
    bool no_host = (word.n > 0 && word.p[word.n - 1] == ':') || sv_is(word, "---");
    if (!take_bracketed_tag(&rest, line)) {
        if (!no_host) {
            line->host = word;
            rest = after;
        }
        if (!take_bracketed_tag(&rest, line))
            take_tag(&rest, line);
    }
    line->message = rest;
}

/* Structured data of RFC 5424 ("-" or "[id a=\"b\"]…") off *rest. */
static void skip_structured_data(struct sv *rest)
{
    if (rest->n > 0 && rest->p[0] == '-') {
        take_word(rest);
        return;
    }
    size_t at = 0;
    bool quoted = false, inside = false;
    for (; at < rest->n; at++) {
        char c = rest->p[at];
        if (c == '\\' && quoted)
            at++;
        else if (c == '"')
            quoted = inside && !quoted;
        else if (c == '[' && !quoted)
            inside = true;
        else if (c == ']' && !quoted)
            inside = false;
        else if (!inside)
            break;
    }
    *rest = skip_spaces(sv_from(*rest, at));
}

static struct sv not_nil(struct sv word)
{
    return sv_is(word, "-") ? (struct sv){0} : word;
}

/* "1 2019-07-08T17:40:16-04:00 host sshd 57915 - - message" */
static bool scan_rfc5424(struct parse_state *state, struct sv text, struct line *line)
{
    static const char mark[] = "\xEF\xBB\xBF";
    struct sv rest = sv_from(text, 2);
    if (rest.n > 1 && rest.p[0] == '-' && rest.p[1] == ' ') {
        take_word(&rest);
    } else {
        size_t stamp = syslog_time_scan(state, rest, &line->time_ns);
        if (stamp == 0)
            return false;
        rest = skip_spaces(sv_from(rest, stamp));
    }
    line->host = not_nil(take_word(&rest));
    line->program = plain_program(not_nil(take_word(&rest)));
    line->pid = not_nil(take_word(&rest));
    take_word(&rest); /* message id */
    skip_structured_data(&rest);
    line->message = sv_starts(rest, sv_make(mark, 3)) ? sv_from(rest, 3) : rest;
    return true;
}

/* "29: " and "000123: " off *rest: how many messages a Cisco device has sent. */
static void skip_sequence(struct sv *rest)
{
    size_t n = 0;
    while (n < rest->n && is_digit(rest->p[n]))
        n++;
    if (n > 0 && n + 1 < rest->n && rest->p[n] == ':' && rest->p[n + 1] == ' ')
        *rest = sv_from(*rest, n + 2);
}

/* "%SYS-5-CONFIG_I: …" */
static bool is_cisco(struct sv message)
{
    if (message.n == 0 || message.p[0] != '%')
        return false;
    struct sv facility = sv_head(message, TC_MIN(sv_find_char(message, '-'), (size_t)40));
    size_t n = facility.n;
    return facility.n > 1 && n + 3 < message.n && message.p[n] == '-' && is_digit(message.p[n + 1]) &&
           message.p[n + 2] == '-' &&
           sv_find_char(sv_head(message, 120), ':') < TC_MIN(message.n, (size_t)120);
}

/*
 * What stands behind a priority without a header as RFC 3164 has it: "29: router: *Mar  1 18:46:11.123 UTC:
 * %SYS-5-…" of Cisco, or only a tag and a message, as programs write to /dev/log. A device's own clock that
 * it does not trust bears a '*' or '.'.
 */
static void scan_bare(struct parse_state *state, struct sv text, struct line *line)
{
    struct parse_state moved = *state;
    struct sv rest = text;
    skip_sequence(&rest);
    struct sv after = rest, word = take_word(&after);
    if (word.n > 1 && word.p[word.n - 1] == ':' && word.p[0] != '%' && rest.p != text.p) {
        line->host = sv_head(word, word.n - 1);
        rest = after;
        skip_sequence(&rest);
    }
    if (rest.n > 0 && (rest.p[0] == '*' || rest.p[0] == '.'))
        rest = sv_from(rest, 1);
    size_t stamp = syslog_time_scan(&moved, rest, &line->time_ns);
    if (stamp > 0)
        rest = sv_from(rest, stamp);
    size_t mark = sv_find(sv_head(rest, 16), SV(": %")); /* behind " UTC", where there is a zone */
    if (stamp > 0 && mark < TC_MIN(rest.n, (size_t)16))
        rest = sv_from(rest, mark + 2);
    if (is_cisco(rest)) {
        *state = moved;
    } else {
        rest = text;
        line->host = (struct sv){0};
        line->time_ns = TC_NO_TIME;
        take_tag(&rest, line);
    }
    line->message = rest;
}

static bool scan_line(struct parse_state *state, struct sv text, struct line *line)
{
    size_t priority = priority_bytes(text);
    uint64_t value;
    bool valid = priority > 2 && num_u64(sv_make(text.p + 1, priority - 2), 0, 191, &value);
    text = sv_from(text, priority);
    if (priority > 0 && sv_starts(text, SV("1 ")))
        return scan_rfc5424(state, text, line);
    size_t stamp = syslog_time_scan(state, text, &line->time_ns);
    if (stamp == 0 && valid && text.n > 0)
        scan_bare(state, text, line);
    if (stamp == 0)
        return valid && text.n > 0;
    text = sv_from(text, stamp);
    scan_host_and_tag(skip_spaces(sv_from(text, text.n > 0 && text.p[0] == ':' ? 1 : 0)), line);
    return true;
}

/* --- the message --- */

/* "message repeated 5 times: [ Failed …]": *message becomes "Failed …", *ret_digits "5". */
static uint32_t unwrap_repeated(struct sv *message, struct sv *ret_digits)
{
    static const struct sv opening = {"message repeated ", 17}, middle = {" times: [", 9};
    if (!sv_starts(*message, opening))
        return 1;
    struct sv rest = sv_from(*message, opening.n);
    struct sv digits = sv_head(rest, sv_find_char(rest, ' '));
    uint64_t count;
    rest = sv_from(rest, digits.n);
    if (!sv_starts(rest, middle) || !num_u64(digits, 1, UINT64_MAX, &count))
        return 1;
    rest = sv_trim(sv_from(rest, middle.n));
    *message = sv_trim(sv_ends(rest, SV("]")) ? sv_head(rest, rest.n - 1) : rest);
    *ret_digits = digits;
    return (uint32_t)TC_MIN(count, (uint64_t)TC_REPEAT_MAX);
}

/* Solaris: "[ID 800047 auth.info] Failed …" */
static struct sv skip_message_id(struct sv message)
{
    if (!sv_starts(message, SV("[ID ")))
        return message;
    return skip_spaces(sv_from(message, sv_find_char(message, ']') + 1));
}

static bool is_sshd(struct sv program)
{
    return sv_is(program, "sshd") || sv_is(program, "sshd-session") || sv_is(program, "sshd-auth");
}

static bool is_auth(const struct line *line)
{
    static const char *const programs[] = {"su",      "sudo",     "login",          "CRON",     "cron",
                                           "crond",   "anacron",  "systemd-logind", "useradd",  "usermod",
                                           "userdel", "groupadd", "passwd",         "chpasswd", "chage",
                                           "polkitd", "sshguard", "unix_chkpwd",    "doas",     "fail2ban"};
    for (size_t i = 0; i < TC_ARRAY_LEN(programs); i++)
        if (sv_is(line->program, programs[i]))
            return true;
    return sv_starts(line->message, SV("pam_"));
}

static void set_logsource(const struct line *line, bool sshd, struct event *event)
{
    bool macos = sv_starts(line->program, SV("com.apple.")) ||
                 (sv_is(line->program, "kernel") && sv_is(line->pid, "0")); /* Linux's kernel has no pid */
    event->product = macos ? SV("macos") : is_cisco(line->message) ? SV("cisco") : SV("linux");
    if (sshd)
        event->service = SV("sshd");
    else if (is_auth(line))
        event->service = SV("auth");
}

/* --- the event --- */

struct gathered {
    struct field fields[LINE_FIELDS];
    uint32_t count;
};

static void gather(struct gathered *g, enum fixed_name name, struct sv value, uint8_t type)
{
    g->fields[g->count++] = pattern_make_field(sv_of(names[name]), built_in.hash[name], value, type);
}

static void gather_header(struct gathered *g, const struct line *line)
{
    uint64_t pid;
    if (line->host.n > 0)
        gather(g, NAME_HOST, line->host, FIELD_STRING);
    if (line->program.n > 0)
        gather(g, NAME_PROGRAM, line->program, FIELD_STRING);
    if (line->pid.n > 0)
        gather(g, NAME_PID, line->pid, num_u64(line->pid, 0, UINT64_MAX, &pid) ? FIELD_NUMBER : FIELD_STRING);
    gather(g, NAME_MESSAGE, line->message, FIELD_STRING);
}

static void gather_message(struct gathered *g, const struct line *line, bool sshd, struct arena *arena,
                           struct event *event)
{
    struct sv text = line->message, digits = {0};
    uint32_t count = 0;
    event->repeat = unwrap_repeated(&text, &digits);
    enum pattern_outcome outcome =
        pattern_match(built_in.patterns, sshd ? SV("sshd") : line->program, skip_message_id(text), arena,
                      g->fields + g->count, &count, NULL);
    if (outcome == PATTERN_MATCH)
        g->count += count;
    if (outcome == PATTERN_LIMIT)
        gather(g, NAME_ERROR, SV("match limit"), FIELD_STRING);
    if (digits.n > 0)
        gather(g, NAME_REPEAT, digits, FIELD_NUMBER);
}

static enum parse_outcome parse_line(const struct parser *parser, struct parse_state *state, struct sv raw,
                                     struct arena *arena, struct event *ret)
{
    (void)parser;
    struct line line = {.time_ns = TC_NO_TIME};
    struct gathered g;
    g.count = 0;
    struct sv text = sv_trim(raw);
    if (text.n == 0)
        return PARSE_SKIP;
    pthread_once(&built_in.once, make_built_in);
    text = text_event_utf8(text, arena, ret);
    if (!scan_line(state, text, &line))
        return PARSE_TEXT;
    bool sshd = is_sshd(line.program);
    gather_header(&g, &line);
    gather_message(&g, &line, sshd, arena, ret);
    set_logsource(&line, sshd, ret);
    ret->time.ns = line.time_ns;
    ret->fields = arena_alloc_raw(arena, g.count * sizeof g.fields[0], 16);
    memcpy(ret->fields, g.fields, g.count * sizeof g.fields[0]);
    ret->field_count = g.count;
    return PARSE_OK;
}

const struct parser parser_sshd = {"sshd", 3, 0, parse_line};
