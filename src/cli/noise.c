/*
 * Counting findings by rule, and the report; see noise.h.
 */
#include "cli/noise.h"

#include "base/json_out.h"
#include "cli/finding_out.h"

#include <stdio.h>
#include <stdlib.h>

void noise_init(struct noise *noise, const struct ruleset *ruleset)
{
    *noise = (struct noise){.rules = ruleset_count(ruleset), .first_ns = TC_NO_TIME, .last_ns = TC_NO_TIME};
    noise->counts = tc_alloc((noise->rules + 1) * sizeof noise->counts[0]);
}

void noise_free(struct noise *noise)
{
    free(noise->counts);
    *noise = (struct noise){0};
}

void noise_event(struct noise *noise, int64_t time_ns)
{
    if (time_ns == TC_NO_TIME)
        return;
    noise->first_ns = noise->first_ns == TC_NO_TIME ? time_ns : TC_MIN(noise->first_ns, time_ns);
    noise->last_ns = noise->last_ns == TC_NO_TIME ? time_ns : TC_MAX(noise->last_ns, time_ns);
}

void noise_finding(struct noise *noise, const struct finding *finding)
{
    if (finding->rule->ordinal < noise->rules)
        noise->counts[finding->rule->ordinal]++;
}

struct loud {
    uint64_t count;
    size_t ordinal;
};

static int compare_loud(const void *a, const void *b)
{
    const struct loud *x = a, *y = b;
    if (x->count != y->count)
        return x->count > y->count ? -1 : 1;
    return (x->ordinal > y->ordinal) - (x->ordinal < y->ordinal);
}

static double days_of(const struct noise *noise)
{
    double seconds = noise->first_ns == TC_NO_TIME
                         ? 0
                         : ((double)noise->last_ns - (double)noise->first_ns) / (double)TC_SECOND_NS;
    return TC_MAX(seconds / 86400.0, 1.0);
}

static void add_line(const struct rule_info *rule, uint64_t count, double per_day, bool over, bool as_json,
                     struct buf *out)
{
    if (!as_json) {
        buf_printf(out, "%10llu %12.1f  %s  ", (unsigned long long)count, per_day, over ? "over" : "    ");
        terminal_text(out, rule->title);
        buf_char(out, '\n');
        return;
    }
    char number[32];
    snprintf(number, sizeof number, "%.1f", per_day);
    struct json_out json = json_out_to(out);
    json_object(&json);
    json_kv_string(&json, "rule", rule->title);
    json_kv_string(&json, "id", rule->id);
    json_kv_u64(&json, "findings", count);
    json_key(&json, SV("per_day"));
    json_raw(&json, sv_of(number));
    json_kv_bool(&json, "over", over);
    json_object_end(&json);
    buf_char(out, '\n');
}

size_t noise_report(const struct noise *noise, const struct ruleset *ruleset, uint64_t budget, bool json,
                    struct buf *out)
{
    struct loud *loud = tc_alloc((noise->rules + 1) * sizeof loud[0]);
    double days = days_of(noise);
    size_t count = 0, above = 0;
    for (size_t i = 0; i < noise->rules; i++)
        if (noise->counts[i] > 0)
            loud[count++] = (struct loud){noise->counts[i], i};
    qsort(loud, count, sizeof loud[0], compare_loud);
    if (!json)
        buf_str(out, "  FINDINGS      PER DAY        RULE\n");
    for (size_t i = 0; i < count; i++) {
        double per_day = (double)loud[i].count / days;
        above += per_day > (double)budget;
        add_line(ruleset_rule(ruleset, loud[i].ordinal), loud[i].count, per_day, per_day > (double)budget,
                 json, out);
    }
    free(loud);
    return above;
}
