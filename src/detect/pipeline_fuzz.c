/*
 * Any bytes as a processing pipeline over fixed rules: it is refused with a place and a sentence, or the
 * rules load or are refused with theirs; nothing crashes, grows without bound or leaks.
 */
#include "detect/ruleset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char rules[] =
    "title: a\nid: a\nname: a\nlogsource: {product: windows, category: process_creation}\ntags: [t.x]\n"
    "detection:\n  s:\n    - Image|endswith: ['\\x', y*]\n      User|expand: '%admins%'\n    - word\n"
    "  t: {EventID: 1, n: null, p|fieldref: q, r|re: 'a.*'}\n  condition: 1 of s* or t\n---\n"
    "title: c\nid: c\ncorrelation: {type: value_count, rules: [a], group-by: [User, al], timespan: 1m,\n"
    "  aliases: {al: {a: Image}}, condition: {gte: 2, field: Image}}\n---\n"
    "title: n\nid: n\nlogsource: {product: linux}\ndetection: {s: {a: 1}, condition: s}\n"
    "tocsin: {new_value: {field: a, group-by: [b], timespan: 1d}}\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rule_source sources[] = {{.path = SV("rules.yml"), .bytes = sv_make(rules, sizeof rules - 1)},
                                    {.path = SV("pipeline.yml"), .bytes = sv_make((const char *)data, size)}};
    struct err err = {0};
    struct ruleset *set = NULL;
    if (size > 1 << 14)
        return 0;
    if (ruleset_new(sources, TC_ARRAY_LEN(sources), &set, &err) != 0)
        tc_assert(set == NULL && err.text[0] != '\0' && err.line > 0);
    else
        for (size_t i = 0; i < ruleset_note_count(set); i++)
            tc_assert(ruleset_note(set, i)->construct[0] != '\0' &&
                      ruleset_note(set, i)->err.text[0] != '\0');
    ruleset_free(&set);
    return 0;
}
