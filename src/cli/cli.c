/*
 * Reading the command line by the tables of verbs; see cli.h. Own code rather than getopt_long, because
 * messages must name the remedy ("did you mean --rules?") and because help, completion and manual are made
 * from the same rows.
 */
#include "cli/cli.h"

#include "base/arena.h"
#include "base/clk.h"
#include "base/num.h"
#include "base/yaml.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { CLI_OPTIONS_MAX = 64 };

struct cli_args {
    const struct verb *verb;
    const struct verb *const *verbs;
    const char **values[CLI_OPTIONS_MAX]; /* per option, in order given */
    size_t counts[CLI_OPTIONS_MAX];
    const char **operands;
    size_t operand_count;
};

static size_t option_count(const struct verb *verb)
{
    size_t n = 0;
    while (verb->options[n].name != NULL)
        n++;
    tc_assert(n <= CLI_OPTIONS_MAX);
    return n;
}

static size_t option_index(const struct verb *verb, struct sv name)
{
    size_t i = 0;
    while (verb->options[i].name != NULL && !sv_is(name, verb->options[i].name))
        i++;
    return i;
}

/* An option that the verb's table does not have is a mistake of ours, not of the user. */
static size_t option_required(const struct cli_args *args, const char *name)
{
    size_t i = option_index(args->verb, sv_of(name));
    tc_assert(args->verb->options[i].name != NULL);
    return i;
}

bool cli_flag(const struct cli_args *args, const char *option)
{
    return args->counts[option_required(args, option)] > 0;
}

const char *cli_value(const struct cli_args *args, const char *option, const char *fallback)
{
    size_t i = option_required(args, option);
    return args->counts[i] == 0 ? fallback : args->values[i][args->counts[i] - 1];
}

size_t cli_list(const struct cli_args *args, const char *option, const char *const **ret_values)
{
    size_t i = option_required(args, option);
    *ret_values = (const char *const *)args->values[i];
    return args->counts[i];
}

const struct verb *const *cli_verbs(const struct cli_args *args)
{
    return args->verbs;
}

size_t cli_operands(const struct cli_args *args, const char *const **ret_operands)
{
    *ret_operands = (const char *const *)args->operands;
    return args->operand_count;
}

enum cli_exit cli_fail(const struct cli_args *args, enum cli_exit code, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    fprintf(stderr, "tocsin %s: ", args->verb->name);
    vfprintf(stderr, format, list);
    fputc('\n', stderr);
    va_end(list);
    return code;
}

enum cli_exit cli_fail_err(const struct cli_args *args, const struct err *err)
{
    char text[TC_ERR_TEXT_MAX + TC_ERR_FILE_MAX + 32];
    bool ours = err->code == TC_EIO || err->code == TC_ESTATE || err->code == TC_EAGAIN;
    return cli_fail(args, ours ? CLI_FAILED : CLI_USAGE, "%s", err_format(err, text, sizeof text));
}

bool cli_wants_json(const struct cli_args *args, bool default_json, bool *ret_ok)
{
    const char *word = cli_value(args, "format", default_json ? "json" : "table");
    *ret_ok = strcmp(word, "json") == 0 || strcmp(word, "table") == 0;
    if (!*ret_ok)
        cli_fail(args, CLI_USAGE, "--format %s: it is table or json", word);
    return strcmp(word, "json") == 0;
}

bool cli_duration(const struct cli_args *args, const char *option, int64_t fallback_ns, int64_t *ret_ns)
{
    const char *text = cli_value(args, option, NULL);
    struct err err;
    *ret_ns = fallback_ns;
    if (text == NULL || clk_parse_duration(sv_of(text), ret_ns, &err) == 0)
        return true;
    cli_fail(args, CLI_USAGE, "--%s: %s", option, err.text);
    return false;
}

bool cli_number(const struct cli_args *args, const char *option, uint64_t min, uint64_t max,
                uint64_t fallback, uint64_t *ret)
{
    const char *text = cli_value(args, option, NULL);
    *ret = fallback;
    if (text == NULL || num_u64(sv_of(text), min, max, ret))
        return true;
    cli_fail(args, CLI_USAGE, "--%s %s: it is a whole number from %llu to %llu", option, text,
             (unsigned long long)min, (unsigned long long)max);
    return false;
}

static void print_usage(FILE *to, const struct verb *verb)
{
    fprintf(to, "usage: tocsin %s [OPTION]...%s%s\n\n%s.\n", verb->name, verb->operands[0] != '\0' ? " " : "",
            verb->operands, verb->summary);
    if (verb->details != NULL)
        fprintf(to, "\n%s\n", verb->details);
    fprintf(to, "\noptions:\n");
    for (const struct option_spec *o = verb->options; o->name != NULL; o++) {
        char left[64];
        snprintf(left, sizeof left, "--%s%s%s", o->name, o->argument != NULL ? " " : "",
                 o->argument != NULL ? o->argument : "");
        fprintf(to, "  %-24s %s\n", left, o->help);
    }
    fprintf(to, "  %-24s %s\n", "--help", "print this");
    fprintf(to, "\nexit codes: 0 done, 1 found or failed something (where asked), 2 wrong use or input, 3 "
                "could not do it\n");
}

static void print_verbs(FILE *to, const struct verb *const verbs[])
{
    fprintf(to, "usage: tocsin VERB [OPTION]... [OPERAND]...\n\nTocsin watches the security of the software "
                "beside it.\n\nverbs:\n");
    for (size_t i = 0; verbs[i] != NULL; i++)
        fprintf(to, "  %-10s %s\n", verbs[i]->name, verbs[i]->summary);
    fprintf(to, "\n`tocsin VERB --help` tells more. Version: `tocsin --version`.\n");
}

/* Prints why and returns the usage exit code. */
static int bad_option(const struct verb *verb, struct sv name)
{
    const char *known[CLI_OPTIONS_MAX + 1] = {0};
    for (size_t i = 0; i < option_count(verb); i++)
        known[i] = verb->options[i].name;
    const char *near = yaml_did_you_mean(name, known);
    fprintf(stderr, "tocsin %s: unknown option --%.*s", verb->name, SV_FMT(name));
    if (near != NULL)
        fprintf(stderr, ": did you mean --%s?\n", near);
    else
        fprintf(stderr, ": `tocsin %s --help` lists them\n", verb->name);
    return CLI_USAGE;
}

static void args_push(struct cli_args *args, size_t option, const char *value)
{
    args->values[option] = tc_realloc(args->values[option], (args->counts[option] + 1) * sizeof(char *));
    args->values[option][args->counts[option]++] = value;
}

/* Takes one "--name", "--name=value" or "--name value"; *at moves over a value of its own. */
static int take_option(struct cli_args *args, int argc, char **argv, int *at)
{
    struct sv text = sv_of(argv[*at] + 2);
    size_t equals = sv_find_char(text, '=');
    struct sv name = sv_head(text, equals);
    size_t i = option_index(args->verb, name);
    const struct option_spec *spec = &args->verb->options[i];
    if (spec->name == NULL)
        return bad_option(args->verb, name);
    if (spec->kind == OPTION_FLAG && equals < text.n)
        return (int)cli_fail(args, CLI_USAGE, "--%s takes no value", spec->name);
    if (spec->kind == OPTION_FLAG)
        args_push(args, i, "");
    else if (equals < text.n)
        args_push(args, i, argv[*at] + 2 + equals + 1);
    else if (*at + 1 < argc)
        args_push(args, i, argv[++*at]);
    else
        return (int)cli_fail(args, CLI_USAGE, "--%s needs a value: --%s %s", spec->name, spec->name,
                             spec->argument);
    return 0;
}

static int take_args(struct cli_args *args, int argc, char **argv, bool *ret_help)
{
    bool options_end = false;
    args->operands = tc_alloc((size_t)argc * sizeof(char *) + 1);
    for (int at = 0; at < argc; at++) {
        const char *arg = argv[at];
        if (!options_end && strcmp(arg, "--") == 0) {
            options_end = true;
        } else if (!options_end && (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0)) {
            *ret_help = true;
            return 0;
        } else if (!options_end && strncmp(arg, "--", 2) == 0) {
            int rc = take_option(args, argc, argv, &at);
            if (rc != 0)
                return rc;
        } else if (!options_end && arg[0] == '-' && arg[1] != '\0') {
            return (int)cli_fail(args, CLI_USAGE, "unknown option %s: options are written --like-this", arg);
        } else {
            args->operands[args->operand_count++] = arg;
        }
    }
    return 0;
}

static int run_verb(const struct verb *const verbs[], const struct verb *verb, int argc, char **argv)
{
    struct cli_args args = {.verb = verb, .verbs = verbs};
    bool help = false;
    int rc = take_args(&args, argc, argv, &help);
    if (rc == 0 && help)
        print_usage(stdout, verb);
    else if (rc == 0 && (args.operand_count < verb->min_operands || args.operand_count > verb->max_operands))
        rc = (int)cli_fail(&args, CLI_USAGE, "%s: usage: tocsin %s [OPTION]... %s",
                           args.operand_count < verb->min_operands ? "too few operands" : "too many operands",
                           verb->name, verb->operands);
    else if (rc == 0)
        rc = (int)verb->run(&args);
    for (size_t i = 0; i < option_count(verb); i++)
        free(args.values[i]);
    free(args.operands);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        fprintf(stderr, "tocsin %s: cannot write to standard output\n", verb->name);
        return rc == 0 ? CLI_FAILED : rc;
    }
    return rc;
}

int cli_main(const struct verb *const verbs[], int argc, char **argv)
{
    if (argc < 2) {
        print_verbs(stderr, verbs);
        return CLI_USAGE;
    }
    const char *word = argv[1];
    if (strcmp(word, "--version") == 0) {
        printf("tocsin %s\n", TC_VERSION);
        return CLI_DONE;
    }
    if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0 || strcmp(word, "help") == 0) {
        if (argc > 2 && strcmp(argv[2], "--man") == 0)
            cli_man_page(verbs);
        else
            print_verbs(stdout, verbs);
        return CLI_DONE;
    }
    const char *names[64] = {0};
    for (size_t i = 0; verbs[i] != NULL && i < TC_ARRAY_LEN(names) - 1; i++) {
        if (strcmp(word, verbs[i]->name) == 0)
            return run_verb(verbs, verbs[i], argc - 2, argv + 2);
        names[i] = verbs[i]->name;
    }
    const char *near = yaml_did_you_mean(sv_of(word), names);
    fprintf(stderr, "tocsin: unknown verb \"%s\"", word);
    fprintf(stderr, near != NULL ? ": did you mean \"%s\"?\n" : ": `tocsin --help` lists them%s\n",
            near != NULL ? near : "");
    return CLI_USAGE;
}

/* roff's own characters escaped. */
static void roff(const char *text)
{
    for (bool line_start = true; *text != '\0'; text++) {
        if (line_start && (*text == '.' || *text == '\''))
            fputs("\\&", stdout);
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
        line_start = *text == '\n';
    }
}

void cli_man_page(const struct verb *const verbs[])
{
    printf(".TH TOCSIN 1 \"\" \"tocsin %s\" \"User Commands\"\n.SH NAME\ntocsin \\- watch the security of "
           "the software beside it\n",
           TC_VERSION);
    printf(".SH SYNOPSIS\n.B tocsin\n.I VERB\n[\\fIOPTION\\fR]... [\\fIOPERAND\\fR]...\n.SH DESCRIPTION\n");
    roff("Events come in over HTTP, standard input or files; Sigma rules judge them; alerts are "
         "deduplicated, acknowledged, "
         "resolved and delivered. Every event is written once to a durable, hash-chained journal, and "
         "everything else is "
         "computed from that journal.\n");
    printf(".SH VERBS\n");
    for (size_t i = 0; verbs[i] != NULL; i++) {
        const struct verb *v = verbs[i];
        printf(".SS tocsin %s [\\fIOPTION\\fR]... ", v->name);
        roff(v->operands);
        printf("\n");
        roff(v->summary);
        printf(".\n");
        if (v->details != NULL) {
            printf(".PP\n");
            roff(v->details);
            printf("\n");
        }
        for (const struct option_spec *o = v->options; o->name != NULL; o++) {
            printf(".TP\n\\fB\\-\\-");
            roff(o->name);
            printf("\\fR%s\\fI%s\\fR\n", o->argument != NULL ? " " : "",
                   o->argument != NULL ? o->argument : "");
            roff(o->help);
            printf("\n");
        }
    }
    printf(".SH EXIT STATUS\n0 done; 1 found or failed something, only where that was asked for; 2 wrong use "
           "or input; 3 could not do it.\n");
    printf(".SH ENVIRONMENT\n.TP\nSLACK_SECURITY_WEBHOOK\n");
    roff("URL of a Slack incoming webhook. Where it is set and no configuration names channels, alerts go "
         "there.\n");
    printf(".TP\nTOCSIN_TOKEN\n");
    roff("A person's own token (people of the server's configuration): commands to a server bear it, and are "
         "made by that person.\n");
    printf(".SH SEE ALSO\nREADME.md, docs/life\\-of\\-an\\-event.md, docs/configuration.md\n");
}
