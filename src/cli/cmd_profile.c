/*
 * tocsin profile: the profiles that the program carries, which say what of the rules speaks (rules.md).
 */
#include "cli/cli.h"
#include "cli/rules.h"

#include "base/json_out.h"
#include "base/yaml.h"

#include <stdio.h>

enum { PROFILE_JSON_MAX = 1 << 20 };

static const struct option_spec options[] = {
    {"format", OPTION_VALUE, "table|json", "how the list is printed"}, {0}};

static size_t list_length(const struct yaml_node *profile, const char *key)
{
    const struct yaml_node *list = yaml_get(profile, key);
    return list == NULL ? 0 : list->count;
}

static struct sv severity_key(const struct yaml_node *profile)
{
    const struct yaml_node *severity = yaml_get(profile, "severity");
    return severity == NULL ? SV("") : severity->text;
}

static void print_json(const struct rule_profile *profile, const struct yaml_node *root,
                       struct sv description)
{
    struct buf out;
    buf_init(&out, PROFILE_JSON_MAX);
    struct json_out json = json_out_to(&out);
    json_object(&json);
    json_kv_string(&json, "name", profile->name);
    json_kv_u64(&json, "rules", list_length(root, "rules"));
    json_kv_u64(&json, "tags", list_length(root, "tags"));
    if (severity_key(root).n > 0)
        json_kv_string(&json, "severity", severity_key(root));
    json_kv_string(&json, "description", description);
    json_object_end(&json);
    printf("%.*s\n", SV_FMT(buf_view(&out)));
    buf_free(&out);
}

static enum cli_exit list(const struct cli_args *args, bool as_json)
{
    struct arena arena = {0};
    struct rule_profile *profiles;
    struct err err;
    size_t count = rules_shipped_profiles(&arena, &profiles);
    enum cli_exit code = CLI_DONE;
    for (size_t i = 0; i < count && code == CLI_DONE; i++) {
        struct yaml_doc *docs = NULL;
        if (yaml_parse(&arena, profiles[i].source.path.p, profiles[i].source.bytes, &docs, &err) != 0) {
            code = cli_fail_err(args, &err);
            break;
        }
        const struct yaml_node *root = docs->root, *said = yaml_get(root, "description");
        struct sv description = said == NULL ? SV("") : said->text;
        if (as_json)
            print_json(&profiles[i], root, description);
        else
            printf("%-12.*s severity %-3.*s %zu rules, %zu tags  %.*s\n", SV_FMT(profiles[i].name),
                   SV_FMT(severity_key(root).n > 0 ? severity_key(root) : SV("-")),
                   list_length(root, "rules"), list_length(root, "tags"), SV_FMT(description));
    }
    arena_free(&arena);
    return code;
}

static enum cli_exit show(const struct cli_args *args, const char *name)
{
    struct arena arena = {0};
    struct rule_source *sources = NULL;
    size_t count = 0;
    struct err err;
    enum cli_exit code = CLI_DONE;
    if (rules_profiles(&name, 1, &arena, &sources, &count, &err) != 0)
        code = cli_fail_err(args, &err);
    else
        fwrite(sources[0].bytes.p, 1, sources[0].bytes.n, stdout);
    arena_free(&arena);
    return code;
}

static enum cli_exit profile_run(const struct cli_args *args)
{
    const char *const *words;
    size_t count = cli_operands(args, &words);
    bool ok, as_json = cli_wants_json(args, false, &ok);
    if (!ok)
        return CLI_USAGE;
    if (count == 1 && strcmp(words[0], "list") == 0)
        return list(args, as_json);
    if (count == 2 && strcmp(words[0], "show") == 0)
        return show(args, words[1]);
    return cli_fail(args, CLI_USAGE, "it is `profile list` or `profile show FILE|NAME`");
}

const struct verb verb_profile = {
    .name = "profile",
    .operands = "list | show FILE|NAME",
    .summary = "show the profiles, which say what of the rules speaks",
    .details = "A profile names rules by id, name, tag or severity; where one is in force (`profiles` of the "
               "configuration, --profile\n"
               "of run, scan, check and replay) all others are left out. A file of your own does as well as "
               "one that\n"
               "the program carries.",
    .options = options,
    .min_operands = 1,
    .max_operands = 2,
    .run = profile_run,
};
