/*
 * `tocsin completion`: prints what a shell needs to complete verbs, options and their words. Made from the
 * tables of verbs and options, so that a new option is completed without a line here.
 *
 * What follows an option is seen from its argument's name: "a|b" are the words themselves, FILE, PATH and
 * DIR are looked up in the file system, FORMAT is a parser's name, LEVEL a severity; anything else is left to
 * the person. Operands the same way: "[list|show] [ID]" are words, FILE... and PATH... are files.
 */
#include "base/buf.h"
#include "cli/cli.h"
#include "event/parse.h"

#include <stdio.h>

static const struct option_spec options[] = {{0}};

enum value_kind { VALUE_FREE, VALUE_WORDS, VALUE_FILE, VALUE_DIR };

static const struct {
    const char *argument;
    enum value_kind kind;
    const char *words;
} known_arguments[] = {
    {"FILE", VALUE_FILE, NULL},
    {"PATH", VALUE_FILE, NULL},
    {"DIR", VALUE_DIR, NULL},
    {"LEVEL", VALUE_WORDS, "critical high medium low informational"},
};

/* The names of the parsers, as --input takes them. */
static void add_parsers(struct buf *words)
{
    buf_str(words, "auto ndjson cloudtrail windows");
    for (const struct parser *p = parsers; p->name != NULL; p++)
        buf_printf(words, " %s", p->name);
}

/* What `argument` takes; the words, if any, are appended, with spaces between. */
static enum value_kind value_of(const char *argument, struct buf *words)
{
    struct sv text = sv_of(argument != NULL ? argument : "");
    if (sv_is(text, "FORMAT")) {
        add_parsers(words);
        return VALUE_WORDS;
    }
    for (size_t i = 0; i < TC_ARRAY_LEN(known_arguments); i++)
        if (sv_is(text, known_arguments[i].argument)) {
            buf_str(words, known_arguments[i].words != NULL ? known_arguments[i].words : "");
            return known_arguments[i].kind;
        }
    if (sv_find_char(text, '|') == text.n)
        return VALUE_FREE;
    for (size_t i = 0; i < text.n; i++)
        buf_char(words, text.p[i] == '|' ? ' ' : text.p[i]);
    return VALUE_WORDS;
}

/* The first operand: "[list|show] [ID]", "FILE...", "[PATH...]". */
static enum value_kind operand_of(const char *operands, struct buf *words)
{
    char first[256] = "";
    size_t n = 0;
    for (const char *p = operands; *p != '\0' && *p != ' ' && n + 1 < sizeof first; p++)
        if (*p != '[' && *p != ']' && *p != '.')
            first[n++] = *p;
    return value_of(first, words);
}

/* Text between single quotes, for zsh and fish; the characters of `special` get a backslash. */
static void print_quoted(const char *text, const char *special)
{
    for (; *text != '\0'; text++) {
        if (*text == '\'')
            fputs("'\\''", stdout);
        else if (strchr(special, *text) != NULL)
            printf("\\%c", *text);
        else
            putchar(*text);
    }
}

/* --- bash
 * -----------------------------------------------------------------------------------------------------------
 */

static const char *const bash_lookups[] = {[VALUE_FREE] = "return",
                                           [VALUE_WORDS] = "",
                                           [VALUE_FILE] = "_tocsin_files -f",
                                           [VALUE_DIR] = "_tocsin_files -d"};

static void bash_values(enum value_kind kind, const char *words)
{
    if (kind == VALUE_WORDS)
        printf("COMPREPLY=($(compgen -W '%s' -- \"$cur\"))", words);
    else
        fputs(bash_lookups[kind], stdout);
}

static void bash_verb(const struct verb *verb)
{
    struct buf words;
    buf_init(&words, 4096);
    printf("    %s)\n        case $prev in\n", verb->name);
    for (const struct option_spec *o = verb->options; o->name != NULL; o++) {
        if (o->kind == OPTION_FLAG)
            continue;
        buf_clear(&words);
        enum value_kind kind = value_of(o->argument, &words);
        buf_char(&words, '\0');
        printf("        --%s) ", o->name);
        bash_values(kind, words.p);
        printf("; return ;;\n");
    }
    printf("        esac\n        if [[ $cur == -* ]]; then COMPREPLY=($(compgen -W '--help");
    for (const struct option_spec *o = verb->options; o->name != NULL; o++)
        printf(" --%s", o->name);
    buf_clear(&words);
    enum value_kind kind = operand_of(verb->operands, &words);
    buf_char(&words, '\0');
    printf("' -- \"$cur\")); return; fi\n        ");
    bash_values(kind, words.p);
    printf(" ;;\n");
    buf_free(&words);
}

/* "--name=value" reaches a completion function as three words, where COMP_WORDBREAKS has '='. */
static void bash(const struct verb *const verbs[])
{
    fputs("# bash completion for tocsin, printed by `tocsin completion bash`\n"
          "_tocsin_files() { compopt -o filenames 2>/dev/null || :; local IFS=$'\\n'; "
          "COMPREPLY=($(compgen \"$1\" -- \"$cur\")); }\n"
          "_tocsin() {\n    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}\n"
          "    COMPREPLY=()\n"
          "    if [[ $cur == = ]]; then cur=; elif [[ $prev == = ]]; then prev=${COMP_WORDS[COMP_CWORD-2]}; "
          "fi\n"
          "    if ((COMP_CWORD == 1)); then COMPREPLY=($(compgen -W '--help --version help",
          stdout);
    for (size_t i = 0; verbs[i] != NULL; i++)
        printf(" %s", verbs[i]->name);
    printf("' -- \"$cur\")); return; fi\n    case ${COMP_WORDS[1]} in\n");
    for (size_t i = 0; verbs[i] != NULL; i++)
        bash_verb(verbs[i]);
    printf("    esac\n}\ncomplete -F _tocsin tocsin\n");
}

/* --- zsh
 * ------------------------------------------------------------------------------------------------------------
 */

static void zsh_action(enum value_kind kind, const char *words)
{
    static const char *const actions[] = {
        [VALUE_FREE] = " ", [VALUE_WORDS] = "", [VALUE_FILE] = "_files", [VALUE_DIR] = "_files -/"};
    if (kind == VALUE_WORDS)
        printf("(%s)", words);
    else
        fputs(actions[kind], stdout);
}

static void zsh_verb(const struct verb *verb)
{
    struct buf words;
    buf_init(&words, 4096);
    printf("    %s)\n        _arguments -s '--help[print help]'", verb->name);
    for (const struct option_spec *o = verb->options; o->name != NULL; o++) {
        printf(" \\\n            '%s--%s%s[", o->kind == OPTION_LIST ? "*" : "", o->name,
               o->kind == OPTION_FLAG ? "" : "=");
        print_quoted(o->help, "[]:\\");
        putchar(']');
        if (o->kind != OPTION_FLAG) {
            buf_clear(&words);
            enum value_kind kind = value_of(o->argument, &words);
            buf_char(&words, '\0');
            printf(":%s:", o->name);
            zsh_action(kind, words.p);
        }
        putchar('\'');
    }
    buf_clear(&words);
    enum value_kind kind = operand_of(verb->operands, &words);
    buf_char(&words, '\0');
    if (verb->operands[0] != '\0') {
        printf(" \\\n            '%soperand:", kind == VALUE_WORDS ? "1:" : "*:");
        zsh_action(kind, words.p);
        putchar('\'');
    }
    printf(" ;;\n");
    buf_free(&words);
}

static void zsh(const struct verb *const verbs[])
{
    printf("#compdef tocsin\n# zsh completion for tocsin, printed by `tocsin completion zsh`\n_tocsin() {\n"
           "    local -a verbs\n    verbs=(\n");
    for (size_t i = 0; verbs[i] != NULL; i++) {
        printf("        '%s:", verbs[i]->name);
        print_quoted(verbs[i]->summary, ":\\");
        printf("'\n");
    }
    printf("    )\n    if ((CURRENT == 2)); then _describe verb verbs; return; fi\n"
           "    local verb=$words[2]\n    shift words; ((CURRENT--))\n    case $verb in\n");
    for (size_t i = 0; verbs[i] != NULL; i++)
        zsh_verb(verbs[i]);
    printf(
        "    esac\n}\nif [[ $funcstack[1] == _tocsin ]]; then _tocsin \"$@\"; else compdef _tocsin tocsin; "
        "fi\n");
}

/* --- fish
 * -----------------------------------------------------------------------------------------------------------
 */

static void fish_verb(const struct verb *verb)
{
    struct buf words;
    buf_init(&words, 4096);
    printf("complete -c tocsin -n __fish_use_subcommand -f -a %s -d '", verb->name);
    print_quoted(verb->summary, "\\");
    printf("'\n");
    for (const struct option_spec *o = verb->options; o->name != NULL; o++) {
        buf_clear(&words);
        enum value_kind kind = o->kind == OPTION_FLAG ? VALUE_FREE : value_of(o->argument, &words);
        buf_char(&words, '\0');
        printf("complete -c tocsin -n '__fish_seen_subcommand_from %s' -l %s", verb->name, o->name);
        if (kind == VALUE_WORDS)
            printf(" -x -a '%s'", words.p);
        else if (kind == VALUE_DIR)
            printf(" -x -a '(__fish_complete_directories)'");
        else if (o->kind != OPTION_FLAG)
            printf(kind == VALUE_FILE ? " -r -F" : " -x");
        printf(" -d '");
        print_quoted(o->help, "\\");
        printf("'\n");
    }
    buf_clear(&words);
    enum value_kind kind = operand_of(verb->operands, &words);
    buf_char(&words, '\0');
    printf("complete -c tocsin -n '__fish_seen_subcommand_from %s' -l help -d 'print help'\n", verb->name);
    if (kind == VALUE_WORDS)
        printf("complete -c tocsin -n '__fish_seen_subcommand_from %s' -f -a '%s'\n", verb->name, words.p);
    else if (kind == VALUE_FREE)
        printf("complete -c tocsin -n '__fish_seen_subcommand_from %s' -f\n", verb->name);
    buf_free(&words);
}

static void fish(const struct verb *const verbs[])
{
    printf("# fish completion for tocsin, printed by `tocsin completion fish`\n");
    for (size_t i = 0; verbs[i] != NULL; i++)
        fish_verb(verbs[i]);
}

/* --- the verb
 * ------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*print)(const struct verb *const verbs[]);
} shells[] = {{"bash", bash}, {"zsh", zsh}, {"fish", fish}};

static enum cli_exit completion_run(const struct cli_args *args)
{
    const char *const *words;
    cli_operands(args, &words);
    for (size_t i = 0; i < TC_ARRAY_LEN(shells); i++)
        if (strcmp(words[0], shells[i].name) == 0) {
            shells[i].print(cli_verbs(args));
            return CLI_DONE;
        }
    return cli_fail(args, CLI_USAGE, "%s: it is bash, zsh or fish", words[0]);
}

const struct verb verb_completion = {
    .name = "completion",
    .operands = "bash|zsh|fish",
    .summary = "print the completion of this command line for a shell",
    .details =
        "bash: source <(tocsin completion bash). zsh: source <(tocsin completion zsh), after compinit. fish: "
        "tocsin completion fish | source.\n"
        "The Debian package installs all three.",
    .options = options,
    .min_operands = 1,
    .max_operands = 1,
    .run = completion_run,
};
