/*
 * Any bytes as a rule file: loading says yes or no with a place, matching fixed events answers, the index
 * names every rule that matches, nothing crashes or leaks.
 */
#include "detect/ruleset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct field fixed[] = {
    {.name = {"a", 1}, .exact = {"a", 1}, .value = {"C:\\Temp\\Foo -x \xC3\x89", 16}, .type = FIELD_STRING},
    {.name = {"a", 1}, .exact = {"a", 1}, .value = {"42", 2}, .type = FIELD_NUMBER},
    {.name = {"b", 1}, .exact = {"b", 1}, .value = {"10.1.2.3", 8}, .type = FIELD_STRING},
    {.name = {"c", 1}, .exact = {"c", 1}, .value = {"", 0}, .type = FIELD_NULL},
    {.name = {"d", 1}, .exact = {"d", 1}, .value = {"2024-12-30T10:11:12Z", 20}, .type = FIELD_STRING},
    {.name = {"e", 1}, .exact = {"e", 1}, .value = {"\xFF\xFE", 2}, .type = FIELD_STRING},
};

/* The interpreter's answers and the index's, for the first `count` of the fields. */
static void judge(const struct ruleset *set, struct match_scratch *scratch, struct arena *arena,
                  uint32_t count)
{
    struct event event = {
        .raw = SV("a raw text"), .fields = fixed, .field_count = count, .position = count + 1u};
    const uint32_t *list;
    event_index(&event, arena);
    size_t named = rule_candidates(set, &event, scratch, &list), at = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        bool candidate = at < named && list[at] == i;
        at += candidate;
        if (set->rules[i].kind == RULE_DETECTION && rule_applies(&set->rules[i], &event))
            tc_assert(candidate || !rule_matches(&set->rules[i], &event, scratch));
        else
            tc_assert(!candidate);
    }
    tc_assert(at == named);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rule_source source = {.path = SV("fuzz.yml"), .bytes = sv_make((const char *)data, size)};
    struct arena arena = {0};
    struct ruleset *set;
    if (size > 1 << 16)
        return 0;
    for (size_t i = 0; i < TC_ARRAY_LEN(fixed); i++)
        fixed[i].name_hash = event_name_hash(fixed[i].name);
    if (ruleset_new(&source, 1, &set, NULL) != 0)
        return 0; /* a pipeline or a profile among the documents */
    struct match_scratch *scratch = match_scratch_new();
    for (uint32_t count = 0; count <= TC_ARRAY_LEN(fixed); count++)
        judge(set, scratch, &arena, count);
    for (size_t i = 0; i < ruleset_note_count(set); i++)
        tc_assert(ruleset_note(set, i)->construct[0] != '\0' && ruleset_note(set, i)->err.text[0] != '\0');
    match_scratch_free(&scratch);
    ruleset_free(&set);
    arena_free(&arena);
    return 0;
}
