/*
 * sshd and other syslog lines: what each becomes, what may not be forged, and counts on real logs against
 * counts made another way.
 */
#include "event/parse_sshd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LOGHUB_SSH "../shared/data/loghub/OpenSSH/OpenSSH_2k.log"
#define LOGHUB_MAC "../shared/data/loghub/Mac/Mac_2k.log"
#define FAIL2BAN   "../shared/data/fail2ban/logs/sshd"
#define HEADER     "Dec 10 06:55:46 LabSZ sshd[24200]: "
#define STAMP_2015 INT64_C(1450656000) * TC_SECOND_NS /* 2015-12-21 */

static struct arena arena;

static enum parse_outcome parse_with(struct parse_state *state, struct sv line, struct event *event)
{
    return parse_record(&parser_sshd, state, line, &arena, event);
}

static struct event parse(const char *line)
{
    struct parse_state state;
    struct event event;
    parse_state_init(&state, 0, 0, STAMP_2015);
    assert_int_equal(parse_with(&state, sv_of(line), &event), PARSE_OK);
    return event;
}

static void assert_value(const struct event *event, const char *name, const char *expected)
{
    struct sv value = event_value(event, name);
    if (expected == NULL && value.p == NULL)
        return;
    if (expected == NULL || value.p == NULL || !sv_is(value, expected))
        fail_msg("%s is \"%.*s\", not \"%s\", in: %.*s", name, SV_FMT(value),
                 expected == NULL ? "" : expected, SV_FMT(event->raw));
}

/* --- one line each --- */

struct sample {
    const char *message;
    const char *type, *ip, *port, *user;
};

static void check_sample(const char *header, const struct sample *s)
{
    char line[1024];
    snprintf(line, sizeof line, "%s%s", header, s->message);
    struct event event = parse(line);
    assert_value(&event, "message", s->message);
    assert_value(&event, "event_type", s->type);
    assert_value(&event, "source.ip", s->ip);
    assert_value(&event, "source.port", s->port);
    assert_value(&event, "user.name", s->user);
    assert_int_equal(event.repeat, 1);
}

static void test_C_80_failed_logins(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"Failed password for root from 192.0.2.1 port 4711 ssh2", "login_failed", "192.0.2.1", "4711",
         "root"},
        {"Failed password for invalid user bob from 192.0.2.1 port 4711 ssh2", "login_failed", "192.0.2.1",
         "4711", "bob"},
        {"Failed password for illegal user bob from 192.0.2.1 port 4711 ssh2", "login_failed", "192.0.2.1",
         "4711", "bob"},
        {"Failed none for invalid user admin from 2001:db8::7 port 1 ssh2", "login_failed", "2001:db8::7",
         "1", "admin"},
        {"Failed keyboard-interactive/pam for bob from fe80::1%eth0 port 9 ssh2", "login_failed",
         "fe80::1%eth0", "9", "bob"},
        {"Failed publickey for git from 192.0.2.1 port 4 ssh2: RSA SHA256:abc", "login_failed", "192.0.2.1",
         "4", "git"},
        {"Failed gssapi-with-mic for bob from 192.0.2.1 port 4 ssh2", "login_failed", "192.0.2.1", "4",
         "bob"},
        {"Failed password for bob from 192.0.2.1", "login_failed", "192.0.2.1", NULL, "bob"},
        {"Failed password for invalid user  from 192.0.2.1 port 4 ssh2", "login_failed", "192.0.2.1", "4",
         ""},
        {"Failed password for  from 192.0.2.1 port 4 ssh2", "login_failed", "192.0.2.1", "4", ""},
        {"Failed password for invalid user a b  c from 192.0.2.1 port 4 ssh2", "login_failed", "192.0.2.1",
         "4", "a b  c"},
        {"Failed password for root from shop.example port 4 ssh2", "login_failed", NULL, "4", "root"},
        {"Failed password for ::ffff:192.0.2.1 from ::ffff:192.0.2.2 port 4 ssh2", "login_failed",
         "::ffff:192.0.2.2", "4", "::ffff:192.0.2.1"},
        {"[ID 800047 auth.info] Failed password for bob from 192.0.2.1 port 4 ssh2", "login_failed",
         "192.0.2.1", "4", "bob"},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(samples); i++)
        check_sample(HEADER, &samples[i]);
    struct event event = parse(HEADER "Failed password for root from shop.example port 4 ssh2");
    assert_value(&event, "source.domain", "shop.example");
    assert_value(&event, "event.outcome", "failure");
    assert_value(&event, "event.action", "login_failed");
}

/* A name that holds an address must not become the address. */
static void test_user_names_cannot_forge_an_address(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"Failed password for invalid user root from 1.2.3.4 port 22 ssh2 from 192.0.2.1 port 4 ssh2",
         "login_failed", "192.0.2.1", "4", "root from 1.2.3.4 port 22 ssh2"},
        {"Failed password for invalid user x from 1.2.3.4 port 22 ssh2: y from 192.0.2.1 port 4 ssh2",
         "login_failed", "192.0.2.1", "4", "x from 1.2.3.4 port 22 ssh2: y"},
        {"Failed password for invalid user from 1.2.3.4 from 192.0.2.1 port 4 ssh2", "login_failed",
         "192.0.2.1", "4", "from 1.2.3.4"},
        {"Failed password for bob from 192.0.2.1 port 4 ssh1: ruser from 1.2.3.4", "login_failed",
         "192.0.2.1", "4", "bob"},
        {"Failed hostbased for bob from 192.0.2.1 port 4 ssh2: RSA 8c:e3, client user \"x from 1.2.3.4 port "
         "22 "
         "ssh2\", client host \"y\"",
         "login_failed", "192.0.2.1", "4", "bob"},
        {"Accepted password for root from 1.2.3.4 port 22 ssh2 from 192.0.2.1 port 4 ssh2", "login_success",
         "192.0.2.1", "4", "root from 1.2.3.4 port 22 ssh2"},
        {"Invalid user x from 1.2.3.4 from 192.0.2.1 port 4", "invalid_user", "192.0.2.1", "4",
         "x from 1.2.3.4"},
        {"Invalid user Failed password for root from 1.2.3.4 port 22 ssh2 from 192.0.2.1", "invalid_user",
         "192.0.2.1", NULL, "Failed password for root from 1.2.3.4 port 22 ssh2"},
        {"Connection closed by authenticating user test 127.0.0.1 port 12345 192.0.2.11 port 46039 [preauth]",
         "connection_closed", "192.0.2.11", "46039", "test 127.0.0.1 port 12345"},
        {"Bad protocol version identification 'x' from 192.0.2.1' from 192.0.2.2 port 31", "bad_protocol",
         "192.0.2.2", "31", NULL},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(samples); i++)
        check_sample(HEADER, &samples[i]);
}

/* Only "Failed" counts as an attempt; the lines around it have types of their own. */
static void test_C_80_one_attempt_counts_once(void **state)
{
    (void)state;
    static const struct sample samples[] = {
        {"Invalid user bob from 192.0.2.1", "invalid_user", "192.0.2.1", NULL, "bob"},
        {"Invalid user  from 192.0.2.1 port 34916", "invalid_user", "192.0.2.1", "34916", ""},
        {"input_userauth_request: invalid user bob [preauth]", "invalid_user_request", NULL, NULL, "bob"},
        {"pam_unix(sshd:auth): check pass; user unknown", "unknown_user_pam", NULL, NULL, NULL},
        {"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1 ",
         "auth_failure_pam", "192.0.2.1", NULL, NULL},
        {"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  "
         "user=root",
         "auth_failure_pam", "192.0.2.1", NULL, "root"},
        {"PAM 4 more authentication failures; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.1  "
         "user=root",
         "auth_failures_pam", "192.0.2.1", NULL, "root"},
        {"error: PAM: Authentication failure for bob from 192.0.2.1", "auth_failure_pam", "192.0.2.1", NULL,
         "bob"},
        {"Connection closed by 192.0.2.1 [preauth]", "connection_closed", "192.0.2.1", NULL, NULL},
        {"Connection closed by authenticating user root 192.0.2.1 port 46 [preauth]", "connection_closed",
         "192.0.2.1", "46", "root"},
        {"Connection closed by invalid user  192.0.2.1 port 46 [preauth]", "connection_closed", "192.0.2.1",
         "46", ""},
        {"Connection reset by 2001:db8::1 port 46 [preauth]", "connection_closed", "2001:db8::1", "46", NULL},
        {"error: maximum authentication attempts exceeded for invalid user bob from 192.0.2.1 port 46 ssh2 "
         "[preauth]",
         "max_attempts", "192.0.2.1", "46", "bob"},
        {"Disconnecting: Too many authentication failures for root [preauth]", "disconnecting", NULL, NULL,
         "root"},
        {"Disconnecting authenticating user root 192.0.2.1 port 46: Too many authentication failures "
         "[preauth]",
         "disconnecting", "192.0.2.1", "46", "root"},
        {"Received disconnect from 192.0.2.1: 11: Bye Bye [preauth]", "disconnect_received", "192.0.2.1",
         NULL, NULL},
        {"Received disconnect from 2001:db8::1 port 46:11: disconnected by user", "disconnect_received",
         "2001:db8::1", "46", NULL},
        {"Disconnected from user bob 192.0.2.1 port 46", "disconnected", "192.0.2.1", "46", "bob"},
        {"User root not allowed because account is locked", "lockout_attempt_while_locked", NULL, NULL,
         "root"},
        {"User root from 192.0.2.1 not allowed because listed in DenyUsers", "user_not_allowed", "192.0.2.1",
         NULL, "root"},
        {"Server listening on 0.0.0.0 port 22.", NULL, NULL, NULL, NULL},
        {"Failed to release session: Interrupted system call", NULL, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(samples); i++) {
        /* the parser trims the end of a line */
        struct sample trimmed = samples[i];
        char message[512];
        struct sv text = sv_trim(sv_of(trimmed.message));
        snprintf(message, sizeof message, "%.*s", SV_FMT(text));
        trimmed.message = message;
        check_sample(HEADER, &trimmed);
    }
}

static void test_other_programs(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        struct sample sample;
        const char *service;
    } cases[] = {
        {HEADER,
         {"Accepted publickey for git from 192.0.2.1 port 4 ssh2: RSA SHA256:abc", "login_success",
          "192.0.2.1", "4", "git"},
         "sshd"},
        {HEADER,
         {"pam_unix(sshd:session): session opened for user bob by (uid=0)", "session_opened", NULL, NULL,
          "bob"},
         "sshd"},
        {"Dec 10 06:55:46 h sshd-session[7]: ",
         {"Failed password for bob from 192.0.2.1 port 4 ssh2", "login_failed", "192.0.2.1", "4", "bob"},
         "sshd"},
        {"Dec 10 06:55:46 h sshd(pam_unix)[7]: ",
         {"authentication failure; logname= uid=0 euid=0 tty=NODEVssh ruser= rhost=192.0.2.1  user=root",
          "auth_failure_pam", "192.0.2.1", NULL, "root"},
         "sshd"},
        {"Dec 10 06:55:46 h CRON[7]: ",
         {"pam_unix(cron:session): session closed for user root", "session_closed", NULL, NULL, "root"},
         "auth"},
        {"Dec 10 06:55:46 h sudo: ",
         {"bob : TTY=pts/0 ; PWD=/home/bob ; USER=root ; COMMAND=/bin/ls -l", "sudo_command", NULL, NULL,
          "bob"},
         "auth"},
        {"Dec 10 06:55:46 h sudo[7]: ",
         {"bob : 3 incorrect password attempts ; TTY=pts/0 ; PWD=/ ; USER=root ; COMMAND=/bin/sh",
          "sudo_failed", NULL, NULL, "bob"},
         "auth"},
        {"Dec 10 06:55:46 h su[7]: ",
         {"FAILED SU (to root) bob on pts/1", "su_failed", NULL, NULL, "bob"},
         "auth"},
        {"Dec 10 06:55:46 h login[7]: ",
         {"FAILED LOGIN (1) on '/dev/tty1' FOR 'bob', Authentication failure", "login_failed", NULL, NULL,
          "bob"},
         "auth"},
        {"Dec 10 06:55:46 h sshd[7]: ",
         {"pam_faillock(sshd:auth): Consecutive login failures for user bob account temporarily locked",
          "account_locked", NULL, NULL, "bob"},
         "sshd"},
        {"Dec 10 06:55:46 h login[7]: ",
         {"pam_tally2(login:auth): user bob (1000) tally 6, deny 5", "account_locked", NULL, NULL, "bob"},
         "auth"},
        {"Dec 10 06:55:46 h sshd[7]: ",
         {"pam_tally2(sshd:auth): user bob account unlocked", NULL, NULL, NULL, NULL},
         "sshd"},
        /* another program may say what it likes: it is not sshd */
        {"Dec 10 06:55:46 h logger: ",
         {"Failed password for root from 192.0.2.1 port 4 ssh2", NULL, NULL, NULL, NULL},
         NULL},
        {"Dec 10 06:55:46 h nginx[7]: ", {"started", NULL, NULL, NULL, NULL}, NULL},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        char line[512];
        check_sample(cases[i].header, &cases[i].sample);
        snprintf(line, sizeof line, "%s%s", cases[i].header, cases[i].sample.message);
        struct event event = parse(line);
        assert_true(sv_is(event.product, "linux"));
        assert_true(sv_eq(event.service, sv_of(cases[i].service)));
    }
}

/* --- the header --- */

static void test_headers(void **state)
{
    (void)state;
    static const struct {
        const char *line, *host, *program, *pid, *message;
    } cases[] = {
        {"Dec 10 06:55:46 LabSZ sshd[24200]: hello", "LabSZ", "sshd", "24200", "hello"},
        {"<38>Dec 10 06:55:46 LabSZ sshd[24200]: hello", "LabSZ", "sshd", "24200", "hello"},
        {"2015-12-10T06:55:46.5+01:00 LabSZ sshd[24200]: hello", "LabSZ", "sshd", "24200", "hello"},
        {"<38>1 2015-12-10T06:55:46Z LabSZ sshd 24200 - - hello", "LabSZ", "sshd", "24200", "hello"},
        {"<38>1 2015-12-10T06:55:46Z LabSZ sshd 24200 ID1 [a b=\"]\\\"\"][c d=\"e\"] hello", "LabSZ", "sshd",
         "24200", "hello"},
        {"<38>1 2015-12-10T06:55:46Z - - - - - \xEF\xBB\xBFhello", NULL, NULL, NULL, "hello"},
        {"<38>1 2015-12-10T06:55:46Z h p", "h", "p", NULL, ""},
        {"Dec 10 06:55:46 sshd[1]: hello", NULL, "sshd", "1", "hello"},
        {"Dec 10 06:55:46 [sshd]: hello", NULL, "sshd", NULL, "hello"},
        {"Dec 10 06:55:46 [sshd] hello", NULL, "sshd", NULL, "hello"},
        {"Dec 10 06:55:46 h /usr/sbin/cron[9]: hello", "h", "cron", "9", "hello"},
        {"Dec 10 06:55:46 h su: hello: world", "h", "su", NULL, "hello: world"},
        {"Dec 10 06:55:46 h kernel: [ 12.3] x", "h", "kernel", NULL, "[ 12.3] x"},
        {"Dec 10 06:55:46 h no tag here", "h", NULL, NULL, "no tag here"},
        {"Dec 10 06:55:46 h a b: c", "h", NULL, NULL, "a b: c"},
        {"Dec 10 06:55:46 h Microsoft Word[14]: hello", "h", "Microsoft Word", "14", "hello"},
        {"Dec 10 06:55:46 h sandboxd[129] ([31211]): deny", "h", "sandboxd", "129", "deny"},
        {"Dec 10 06:55:46 h x.launchd[1] (com.apple.y[32]): hello", "h", "x.launchd", "1", "hello"},
        {"Dec 10 06:55:46 --- last message repeated 1 time ---", NULL, NULL, NULL,
         "--- last message repeated 1 time ---"},
        {"Dec 10 06:55:46 h last message repeated 3 times", "h", NULL, NULL, "last message repeated 3 times"},
        {"Dec 10 06:55:46", NULL, NULL, NULL, ""},
        {"Dec 10 06:55:46 h", "h", NULL, NULL, ""},
        {"Dec 10 06:55:46 h p[1]:", "h", "p", "1", ""},
        {"Dec 10 06:55:46 h p[]: x", "h", NULL, NULL, "p[]: x"},
        {"  Dec 10 06:55:46 h p: x\r\n", "h", "p", NULL, "x"},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(cases); i++) {
        struct event event = parse(cases[i].line);
        assert_value(&event, "host.name", cases[i].host);
        assert_value(&event, "process.name", cases[i].program);
        assert_value(&event, "process.pid", cases[i].pid);
        assert_value(&event, "message", cases[i].message);
        assert_int_equal(event.type, REC_EVENT);
        assert_int_equal(event.class, CLASS_SECURITY);
        assert_true(event.time.ns != TC_NO_TIME);
        assert_true(sv_is(event.raw, cases[i].line));
    }
}

static void test_repeated_messages(void **state)
{
    (void)state;
    struct event event =
        parse(HEADER "message repeated 5 times: [ Failed password for root from 192.0.2.1 port 4 ssh2]");
    assert_int_equal(event.repeat, 5);
    assert_value(&event, "event_type", "login_failed");
    assert_value(&event, "source.ip", "192.0.2.1");
    assert_value(&event, "user.name", "root");
    assert_value(&event, "event.repeat", "5");
    event = parse(HEADER "message repeated 99999999999 times: [ x]");
    assert_int_equal(event.repeat, TC_REPEAT_MAX);
    static const char *const once[] = {
        "message repeated 0 times: [ x]", "message repeated -5 times: [ x]",
        "message repeated  times: [ x]",  "message repeated 5 times",
        "last message repeated 5 times",  "Invalid user message repeated 5 times: [ x] from 192.0.2.1"};
    for (size_t i = 0; i < TC_ARRAY_LEN(once); i++) {
        char line[256];
        snprintf(line, sizeof line, HEADER "%s", once[i]);
        event = parse(line);
        assert_int_equal(event.repeat, 1);
    }
    event = parse("Dec 10 06:55:46 h last message repeated 3 times");
    assert_value(&event, "event_type", "last_message_repeated");
    assert_value(&event, "event.count", "3");
    assert_int_equal(event.repeat, 1);
}

static void test_what_is_no_syslog_line(void **state)
{
    (void)state;
    struct parse_state st;
    struct event event;
    parse_state_init(&st, 0, 0, STAMP_2015);
    assert_int_equal(parse_with(&st, SV(""), &event), PARSE_SKIP);
    assert_int_equal(parse_with(&st, SV(" \r\n"), &event), PARSE_SKIP);
    assert_int_equal(parse_with(&st, SV("Failed password for root from 192.0.2.1 port 4 ssh2"), &event),
                     PARSE_TEXT);
    assert_value(&event, "message", "Failed password for root from 192.0.2.1 port 4 ssh2");
    assert_value(&event, "event_type", NULL);
    assert_true(event.flags & EVENT_TEXT);
    assert_int_equal(event.time.ns, TC_NO_TIME);
    assert_int_equal(parse_with(&st, SV("<38>1 yesterday h p - - - x"), &event), PARSE_TEXT);
    assert_int_equal(parse_with(&st, SV("Feb 29 10:00:00 h sshd[1]: x"), &event),
                     PARSE_OK); /* 2015 has none */
    assert_int_equal(event.time.ns, TC_NO_TIME);
}

static void test_bytes_that_are_not_text(void **state)
{
    (void)state;
    struct parse_state st;
    struct event event;
    parse_state_init(&st, 0, 0, STAMP_2015);
    struct sv bad = SV(HEADER "Failed password for invalid user \xFF\xC3 from 192.0.2.1 port 4 ssh2");
    assert_int_equal(parse_with(&st, bad, &event), PARSE_OK);
    assert_value(&event, "user.name", "\xEF\xBF\xBD\xEF\xBF\xBD");
    assert_value(&event, "source.ip", "192.0.2.1");
    assert_true(event.flags & EVENT_BAD_UTF8);
    assert_true(sv_eq(event.raw, bad));
    struct sv nul = SV(HEADER "Failed password for invalid user a\0b from 192.0.2.1 port 4 ssh2");
    assert_int_equal(parse_with(&st, nul, &event), PARSE_OK);
    assert_int_equal(event_value(&event, "user.name").n, 3);
}

/* A name of a megabyte does not stall the parser; where a limit is hit the event says so. */
static void test_long_lines(void **state)
{
    (void)state;
    static const char head[] = HEADER "Failed password for ", tail[] = " from 192.0.2.1 port 4 ssh2";
    enum { MIDDLE = 1 << 20 };
    struct parse_state st;
    struct event event;
    char *line = malloc(sizeof head + MIDDLE + sizeof tail);
    assert_non_null(line);
    for (int filler = 0; filler < 2; filler++) {
        size_t n = sizeof head - 1;
        memcpy(line, head, n);
        for (size_t i = 0; i < MIDDLE; i += 8)
            memcpy(line + n + i, filler == 0 ? "aaaaaaaa" : " from 1 ", 8);
        memcpy(line + n + MIDDLE, tail, sizeof tail - 1);
        parse_state_init(&st, 0, 0, STAMP_2015);
        assert_int_equal(parse_with(&st, sv_make(line, n + MIDDLE + sizeof tail - 1), &event), PARSE_OK);
        bool limited = event_value(&event, "tocsin.parse.error").n > 0;
        assert_true(limited ? parse_sshd_limit_hits() > 0
                            : sv_is(event_value(&event, "source.ip"), "192.0.2.1"));
    }
    free(line);
}

/* --- real logs --- */

struct file {
    char *bytes;
    size_t n;
};

static struct file read_or_skip(const char *path)
{
    FILE *in = fopen(path, "rb");
    if (in == NULL) {
        print_message("skipped: there is no %s\n", path);
        skip();
    }
    struct file file = {malloc(8 << 20), 0};
    assert_non_null(file.bytes);
    file.n = fread(file.bytes, 1, 8 << 20, in);
    fclose(in);
    return file;
}

/* As grep and awk would count: lines with ": Failed <word> for", and N for those in "message repeated N". */
static unsigned count_failed_plainly(struct sv text)
{
    unsigned sum = 0;
    while (text.n > 0) {
        char line[4096];
        struct sv next = sv_cut(&text, '\n');
        snprintf(line, sizeof line, "%.*s", (int)TC_MIN(next.n, sizeof line - 1), next.p);
        const char *repeated = strstr(line, "message repeated "), *failed = strstr(line, "]: Failed ");
        if (repeated != NULL && strstr(line, "[ Failed ") != NULL)
            sum += (unsigned)atoi(repeated + strlen("message repeated "));
        else if (failed != NULL && strstr(failed, " for ") != NULL && strstr(failed, " from ") != NULL)
            sum++;
    }
    return sum;
}

static void test_openssh_log_counts(void **state)
{
    (void)state;
    struct file file = read_or_skip(LOGHUB_SSH);
    struct parse_state st;
    struct sv rest = sv_make(file.bytes, file.n);
    unsigned failed = 0, lines = 0, typed = 0;
    parse_state_init(&st, 0, 2015, 0);
    while (rest.n > 0) {
        struct event event;
        assert_int_equal(parse_with(&st, sv_cut(&rest, '\n'), &event), PARSE_OK);
        lines++;
        typed += event_value(&event, "event_type").n > 0;
        if (sv_is(event_value(&event, "event_type"), "login_failed")) {
            failed += event.repeat;
            assert_true(event_value(&event, "source.ip").n >= 7);
            assert_non_null(event_value(&event, "user.name").p);
        }
        assert_true(sv_is(event_value(&event, "host.name"), "LabSZ"));
        assert_true(sv_is(event.service, "sshd"));
        assert_true(event.time.ns != TC_NO_TIME);
        arena_reset(&arena);
    }
    unsigned expected = count_failed_plainly(sv_make(file.bytes, file.n));
    print_message("%u lines, %u with a type, login_failed %u, counted plainly %u\n", lines, typed, failed,
                  expected);
    assert_int_equal(lines, 2000);
    assert_int_equal(failed, expected);
    assert_true(failed > 500);
    assert_true(typed >= lines * 99 / 100);
    free(file.bytes);
}

static void test_mac_log_has_headers(void **state)
{
    (void)state;
    struct file file = read_or_skip(LOGHUB_MAC);
    struct parse_state st;
    struct sv rest = sv_make(file.bytes, file.n);
    unsigned lines = 0, with_program = 0, repeated = 0;
    parse_state_init(&st, 0, 2017, 0);
    while (rest.n > 0) {
        struct event event;
        struct sv line = sv_cut(&rest, '\n');
        enum parse_outcome outcome = parse_with(&st, line, &event);
        if (outcome == PARSE_SKIP)
            continue;
        assert_int_equal(outcome, PARSE_OK);
        lines++;
        with_program += event_value(&event, "process.name").n > 0;
        repeated += sv_is(event_value(&event, "event_type"), "last_message_repeated");
        assert_int_equal(clk_to_civil(event.time.ns).year, 2017);
        assert_int_equal(clk_to_civil(event.time.ns).month, 7);
        arena_reset(&arena);
    }
    print_message("%u lines, %u with a program, %u repetitions\n", lines, with_program, repeated);
    assert_int_equal(lines, 2000);
    /* a tag is missing only in "--- last message repeated" */
    assert_int_equal(with_program + repeated, lines);
    free(file.bytes);
}

/* The value of "key": "…" in a comment of fail2ban's, n == 0 where it is absent. */
static struct sv json_string_of(struct sv comment, const char *key)
{
    char quoted[32];
    snprintf(quoted, sizeof quoted, "\"%s\":", key);
    struct sv rest = sv_from(comment, sv_find(comment, sv_of(quoted)) + strlen(quoted));
    rest = sv_from(rest, sv_find_char(rest, '"') + 1);
    return sv_head(rest, sv_find_char(rest, '"'));
}

/* Misses that stay:
 * - "test from 127.0.0.1 port 58946 ssh2: from 10.10.1.2 port 55555 ssh2": fail2ban takes the first address
 *   (something hostile in the details behind it), we the last (something hostile in the name). sshd writes no
 *   details behind a password attempt that a stranger could choose, but any name. */
static const char *const explained[] = {"ssh2: from 10.10.1.2 port 55555 ssh2"};

static void test_fail2ban_agrees_on_failed_lines(void **state)
{
    (void)state;
    struct file file = read_or_skip(FAIL2BAN);
    struct parse_state st;
    struct sv rest = sv_make(file.bytes, file.n), comment = {0};
    unsigned failed_lines = 0, agree = 0, missed = 0, known = 0, matches = 0, with_address = 0;
    parse_state_init(&st, 0, 2005, 0);
    while (rest.n > 0) {
        struct sv line = sv_cut(&rest, '\n');
        if (sv_starts(line, SV("# failJSON:")))
            comment = line;
        if (line.n == 0 || line.p[0] == '#')
            continue;
        struct event event;
        parse_with(&st, line, &event);
        bool match = sv_find(comment, SV("\"match\": true")) < comment.n;
        struct sv host = json_string_of(comment, "host"), address = event_value(&event, "source.ip");
        if (address.n == 0)
            address = event_value(&event, "source.domain");
        matches += match;
        with_address += match && sv_eq(address, host);
        if (match && sv_find(line, SV(" Failed ")) < line.n) {
            bool same = sv_eq(address, host) && sv_is(event_value(&event, "event_type"), "login_failed");
            failed_lines++;
            agree += same;
            for (size_t i = 0; !same && i < TC_ARRAY_LEN(explained); i++)
                known += sv_find(line, sv_of(explained[i])) < line.n;
            missed += !same;
            if (!same)
                print_message("differs: %.*s\n", SV_FMT(line));
        }
        comment = (struct sv){0};
        arena_reset(&arena);
    }
    print_message("Failed lines %u, same address %u, differ %u (explained %u); of all %u matches %u\n",
                  failed_lines, agree, missed, known, matches, with_address);
    assert_true(failed_lines >= 20);
    assert_int_equal(missed, known);
    /* the others need several lines, or other programs' forms of the message */
    assert_true(with_address * 100 >= matches * 75);
    free(file.bytes);
}

static int free_arena(void **state)
{
    (void)state;
    arena_free(&arena);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_C_80_failed_logins),
        cmocka_unit_test(test_user_names_cannot_forge_an_address),
        cmocka_unit_test(test_C_80_one_attempt_counts_once),
        cmocka_unit_test(test_other_programs),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_repeated_messages),
        cmocka_unit_test(test_what_is_no_syslog_line),
        cmocka_unit_test(test_bytes_that_are_not_text),
        cmocka_unit_test(test_long_lines),
        cmocka_unit_test(test_openssh_log_counts),
        cmocka_unit_test(test_mac_log_has_headers),
        cmocka_unit_test(test_fail2ban_agrees_on_failed_lines),
    };
    return cmocka_run_group_tests(tests, NULL, free_arena);
}
