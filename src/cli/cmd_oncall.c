/*
 * `tocsin oncall`: who is on call, asked of a running server, or of a file; and overrides, which only a
 * server keeps. `tocsin policy`: what policies of escalation there are, and what they do.
 */
#include "alert/oncall/oncall.h"
#include "base/clk.h"
#include "base/fs.h"
#include "base/json_out.h"
#include "cli/cli.h"
#include "cli/client.h"
#include "event/json.h"

#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX = 1 << 20, SHOW_DAYS = 14 };

static const struct option_spec options[] = {
    {"url", OPTION_VALUE, "URL", "the server (default " TC_SERVER_URL ")"},
    {"file", OPTION_VALUE, "FILE",
     "ask this file of people and schedules, without a server and its overrides"},
    {"schedule", OPTION_VALUE, "NAME", "only this one; ical, override and remove need it"},
    {"at", OPTION_VALUE, "TIME", "who: at this time (RFC 3339; default now)"},
    {"from", OPTION_VALUE, "TIME", "show, ical: from this time; override: when it begins (default now)"},
    {"until", OPTION_VALUE, "TIME", "show, ical: to this time; override: its end, or how long (4h)"},
    {"to", OPTION_VALUE, "PERSON", "override: who takes over"},
    {"number", OPTION_VALUE, "N", "remove: the override's number"},
    {"by", OPTION_VALUE, "NAME", "who does it (default: the login name)"},
    {"note", OPTION_VALUE, "TEXT", "override: why"},
    {"format", OPTION_VALUE, "table|json", "how shifts are printed"},
    {0}};

/* --- printing, the same of a server's answer and of a file's */

static void print_shift(struct sv schedule, struct sv from, struct sv to, struct sv person, struct sv layer)
{
    printf("%-20.*s %-25.*s %-25.*s %-20.*s %.*s\n", SV_FMT(schedule), SV_FMT(from), SV_FMT(to),
           SV_FMT(person.n > 0 ? person : SV("(nobody)")), SV_FMT(layer));
}

static void print_head(void)
{
    print_shift(SV("SCHEDULE"), SV("FROM"), SV("TO"), SV("PERSON"), SV("BY"));
}

static void print_answer(struct sv body, bool as_json)
{
    struct sv member;
    if (!as_json)
        print_head();
    while (client_member(&body, &member)) {
        struct arena arena = {0};
        struct event e = {.time = {TC_NO_TIME}};
        if (as_json) {
            printf("%.*s\n", SV_FMT(member));
        } else if (json_parse_event(member, &arena, &e, NULL) == 0) {
            event_index(&e, &arena);
            struct sv layer = event_value(&e, "layer");
            print_shift(event_value(&e, "schedule"), event_value(&e, "from"), event_value(&e, "to"),
                        event_value(&e, "person"), layer.n > 0 ? layer : event_value(&e, "by"));
        }
        arena_free(&arena);
    }
}

/* --- of a file */

struct calendars {
    struct arena arena;
    struct err *err;
    int rc;
};

static bool read_calendar(void *context, struct sv path, struct sv *ret)
{
    struct calendars *c = context;
    struct buf text;
    if (sv_starts(path, SV("http://")) || sv_starts(path, SV("https://")))
        return false; /* only a server fetches */
    buf_init(&text, ONCALL_ICAL_BYTES);
    int rc = fs_read_file(&fs_system, arena_str(&c->arena, path), &text, c->err);
    c->rc = c->rc == 0 ? rc : c->rc;
    *ret = arena_sv(&c->arena, buf_view(&text));
    buf_free(&text);
    return rc == 0;
}

static int read_oncall(const char *path, struct oncall **ret, struct err *err)
{
    struct calendars calendars = {.err = err};
    struct buf text;
    buf_init(&text, FILE_MAX);
    int rc = path == NULL ? 0 : fs_read_file(&fs_system, path, &text, err);
    if (rc == 0)
        rc = oncall_read(path == NULL ? "" : path, buf_view(&text), read_calendar, &calendars, ret, err);
    if (rc == 0 && calendars.rc != 0) {
        oncall_free(ret);
        rc = calendars.rc;
    }
    arena_free(&calendars.arena);
    buf_free(&text);
    return rc;
}

struct printing {
    const struct oncall_schedule *schedule;
    bool as_json;
};

static bool print_one(void *context, const struct oncall_shift *shift)
{
    struct printing *p = context;
    char from[TC_RFC3339_MAX], to[TC_RFC3339_MAX];
    clk_rfc3339(shift->from_ns, from);
    clk_rfc3339(shift->to_ns, to);
    if (!p->as_json) {
        print_shift(p->schedule->name, sv_of(from), sv_of(to), shift->person, shift->layer);
        return true;
    }
    struct buf out;
    buf_init(&out, 16 << 10);
    struct json_out json = json_out_to(&out);
    json_object(&json);
    json_kv_string(&json, "schedule", p->schedule->name);
    json_kv_str(&json, "from", from);
    json_kv_str(&json, "to", to);
    json_kv_string(&json, "person", shift->person);
    json_kv_string(&json, "layer", shift->layer);
    json_object_end(&json);
    printf("%.*s\n", SV_FMT(buf_view(&out)));
    buf_free(&out);
    return true;
}

struct question {
    const char *verb, *schedule;
    int64_t from_ns, to_ns;
    bool as_json;
};

static enum cli_exit ask_file(const struct cli_args *args, const struct question *q)
{
    struct oncall *oncall;
    struct err err;
    if (read_oncall(cli_value(args, "file", NULL), &oncall, &err) != 0)
        return cli_fail_err(args, &err);
    enum cli_exit code = CLI_DONE;
    if (q->schedule != NULL && oncall_schedule(oncall, sv_of(q->schedule)) == NULL)
        code = cli_fail(args, CLI_USAGE, "there is no schedule \"%s\"", q->schedule);
    bool table = !q->as_json && strcmp(q->verb, "ical") != 0;
    if (code == CLI_DONE && table)
        print_head();
    for (size_t i = 0; code == CLI_DONE && i < oncall->schedule_count; i++) {
        const struct oncall_schedule *s = &oncall->schedules[i];
        struct printing p = {s, q->as_json};
        struct oncall_shift shift;
        if (q->schedule != NULL && !sv_is(s->name, q->schedule))
            continue;
        if (strcmp(q->verb, "ical") == 0) {
            struct buf out;
            buf_init(&out, 16 << 20);
            oncall_ical_write(oncall, s, NULL, q->from_ns, q->to_ns, q->from_ns, &out);
            fwrite(out.p, 1, out.n, stdout);
            buf_free(&out);
        } else if (q->from_ns == q->to_ns) {
            oncall_who(s, NULL, q->from_ns, &shift);
            print_one(&p, &shift);
        } else {
            oncall_each_shift(s, NULL, q->from_ns, q->to_ns, print_one, &p);
        }
    }
    oncall_free(&oncall);
    return code;
}

/* --- of a server */

static void put_schedule(struct buf *path, const char *schedule)
{
    buf_str(path, "/v1/oncall");
    if (schedule != NULL) {
        buf_char(path, '/');
        client_encode(path, schedule);
    }
}

static enum cli_exit talk(const struct cli_args *args, struct buf *path, const struct buf *post,
                          struct buf *body)
{
    buf_char(path, '\0');
    return path->overflow || (post != NULL && post->overflow)
               ? cli_fail(args, CLI_USAGE, "that is too long")
               : client_talk(args, path->p, post == NULL ? NULL : post->p, body);
}

static enum cli_exit ask_server(const struct cli_args *args, const struct question *q)
{
    struct buf path, body;
    char from[TC_RFC3339_MAX], to[TC_RFC3339_MAX];
    bool ical = strcmp(q->verb, "ical") == 0;
    clk_rfc3339(q->from_ns, from);
    clk_rfc3339(q->to_ns, to);
    buf_init(&path, 8192);
    buf_init(&body, TC_CLIENT_BODY_MAX);
    put_schedule(&path, q->schedule);
    buf_printf(&path, "%s?from=%s&to=%s", ical ? ".ics" : "", from, to);
    enum cli_exit code = talk(args, &path, NULL, &body);
    if (code == CLI_DONE && ical)
        fwrite(body.p, 1, body.n, stdout);
    else if (code == CLI_DONE)
        print_answer(buf_view(&body), q->as_json);
    buf_free(&path);
    buf_free(&body);
    return code;
}

static enum cli_exit change(const struct cli_args *args, const struct question *q)
{
    static const struct client_member_option members[] = {
        {"to", "to"}, {"until", "until"}, {"from", "what"}, {"number", "what"}, {"note", "note"}, {0}};
    struct buf path, body, post;
    bool lists = strcmp(q->verb, "overrides") == 0;
    buf_init(&path, 8192);
    buf_init(&body, TC_CLIENT_BODY_MAX);
    buf_init(&post, 1 << 16);
    if (lists)
        buf_str(&path, "/v1/overrides");
    else
        put_schedule(&path, q->schedule);
    if (!lists) {
        buf_str(&path, strcmp(q->verb, "remove") == 0 ? "/override_remove" : "/override");
        client_command_body(args, members, &post);
    }
    enum cli_exit code = talk(args, &path, lists ? NULL : &post, &body);
    if (code == CLI_DONE && lists)
        print_answer(buf_view(&body), q->as_json);
    else if (code == CLI_DONE)
        printf("%.*s\n", SV_FMT(buf_view(&body)));
    buf_free(&path);
    buf_free(&body);
    buf_free(&post);
    return code;
}

/* --- the verb */

static bool time_option(const struct cli_args *args, const char *option, int64_t fallback_ns, int64_t *ret_ns)
{
    const char *text = cli_value(args, option, NULL);
    *ret_ns = fallback_ns;
    if (text == NULL || clk_parse_rfc3339(sv_of(text), 0, ret_ns))
        return true;
    cli_fail(args, CLI_USAGE, "--%s %s: a time is expected, as 2026-11-21T09:00:00Z", option, text);
    return false;
}

static enum cli_exit oncall_run(const struct cli_args *args)
{
    static const struct {
        const char *verb;
        bool asks, needs_schedule;
    } verbs[] = {{"who", true, false},      {"show", true, false},       {"ical", true, true},
                 {"override", false, true}, {"overrides", false, false}, {"remove", false, true}};
    bool ok;
    const char *const *words;
    struct question q = {.verb = cli_operands(args, &words) > 0 ? words[0] : "who",
                         .schedule = cli_value(args, "schedule", NULL),
                         .as_json = cli_wants_json(args, false, &ok)};
    size_t i = 0;
    while (i < TC_ARRAY_LEN(verbs) && strcmp(verbs[i].verb, q.verb) != 0)
        i++;
    if (!ok)
        return CLI_USAGE;
    if (i == TC_ARRAY_LEN(verbs))
        return cli_fail(args, CLI_USAGE, "\"%s\": it is who, show, ical, override, overrides or remove",
                        q.verb);
    if (verbs[i].needs_schedule && q.schedule == NULL)
        return cli_fail(args, CLI_USAGE, "%s needs --schedule NAME", q.verb);
    if (!verbs[i].asks)
        return change(args, &q);
    int64_t now_ns = clk_now(&clk_system).ns;
    bool who = strcmp(q.verb, "who") == 0;
    if (!time_option(args, who ? "at" : "from", now_ns, &q.from_ns) ||
        !time_option(args, "until", q.from_ns + SHOW_DAYS * INT64_C(86400) * TC_SECOND_NS, &q.to_ns))
        return CLI_USAGE;
    if (who)
        q.to_ns = q.from_ns;
    return cli_value(args, "file", NULL) != NULL ? ask_file(args, &q) : ask_server(args, &q);
}

const struct verb verb_oncall = {
    .name = "oncall",
    .operands = "[who|show|ical|override|overrides|remove]",
    .summary = "who is on call, and who takes over",
    .details =
        "`who` names who is on call now or --at a time, `show` the shifts of the next two weeks, `ical` "
        "prints\n"
        "them as a calendar. `override` has --to take a shift --from a time --until another, `remove` takes\n"
        "that back. docs/oncall.md tells of schedules.",
    .options = options,
    .min_operands = 0,
    .max_operands = 1,
    .run = oncall_run,
};

/* --- policies */

static const struct option_spec policy_options[] = {
    {"file", OPTION_VALUE, "FILE", "also the policies of this file of people and schedules"}, {0}};

static void print_refs(const struct oncall_step *step)
{
    static const char *const kinds[] = {"person", "schedule", "channel", "role"};
    for (size_t i = 0; i < step->ref_count; i++) {
        const struct oncall_ref *ref = &step->refs[i];
        printf("%s%s %.*s", i == 0 ? "" : ", ", kinds[ref->kind], SV_FMT(ref->name));
        for (size_t k = 0; k < ref->by_count; k++)
            printf("%s%.*s", k == 0 ? " by " : " and ", SV_FMT(ref->by[k]));
    }
    printf("\n");
}

static void print_policy(const struct oncall *oncall, const struct oncall_policy *policy)
{
    printf("%.*s%s\n", SV_FMT(policy->name), policy->built_in ? " (built in)" : "");
    if (policy->about.n > 0)
        printf("  %.*s\n", SV_FMT(policy->about));
    for (int severity = SEVERITY_P1; severity <= SEVERITY_P4; severity++)
        if (oncall->escalate[severity] == policy)
            printf("  in force for %s\n", severity_name((enum severity)severity));
    for (size_t i = 0; i < policy->step_count; i++) {
        const struct oncall_step *step = &policy->steps[i];
        char after[TC_RFC3339_MAX];
        clk_format_duration(step->after_ns, after);
        printf("  %-8s", after);
        for (int severity = SEVERITY_P1; severity <= SEVERITY_P4; severity++)
            printf(" %s", step->severities >> severity & 1u ? severity_name((enum severity)severity) : "  ");
        printf("  ");
        print_refs(step);
    }
    if (policy->repeats > 0) {
        char every[TC_RFC3339_MAX];
        clk_format_duration(policy->repeat_every_ns, every);
        printf("  again after %s, %u times\n", every, policy->repeats);
    }
}

static enum cli_exit policy_run(const struct cli_args *args)
{
    const char *const *words;
    size_t count = cli_operands(args, &words);
    const char *verb = count == 0 ? "list" : words[0];
    struct oncall *oncall;
    struct err err;
    if (strcmp(verb, "export") == 0) {
        printf("%.*s", SV_FMT(oncall_built_in()));
        return CLI_DONE;
    }
    if (strcmp(verb, "list") != 0 && (strcmp(verb, "show") != 0 || count < 2))
        return cli_fail(args, CLI_USAGE, "it is list, show NAME or export");
    if (read_oncall(cli_value(args, "file", NULL), &oncall, &err) != 0)
        return cli_fail_err(args, &err);
    enum cli_exit code = CLI_DONE;
    const struct oncall_policy *one = count < 2 ? NULL : oncall_policy(oncall, sv_of(words[1]));
    if (count >= 2 && one == NULL)
        code = cli_fail(args, CLI_USAGE, "there is no policy \"%s\": `tocsin policy list` has them all",
                        words[1]);
    for (size_t i = 0; code == CLI_DONE && i < oncall->policy_count; i++)
        if (one == NULL || one == &oncall->policies[i])
            print_policy(oncall, &oncall->policies[i]);
    oncall_free(&oncall);
    return code;
}

const struct verb verb_policy = {
    .name = "policy",
    .operands = "[list|show|export] [NAME]",
    .summary = "policies of escalation: what they do, and the built-in ones as a file",
    .details = "`export` prints the policies that the program has built in as the file of docs/escalation.md "
               "has them,\n"
               "to be changed and named in the configuration.",
    .options = policy_options,
    .min_operands = 0,
    .max_operands = 2,
    .run = policy_run,
};
