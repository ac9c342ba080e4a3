/*
 * Relabelling; see relabel.h.
 */
#include "metrics/scrape/relabel.h"

#include "base/utf8.h"

#include <nettle/md5.h>
#include <stdio.h>

const char *const relabel_action_names[RELABEL_ACTIONS] = {"replace",   "keep",      "drop",     "keepequal",
                                                           "dropequal", "hashmod",   "labelmap", "labeldrop",
                                                           "labelkeep", "lowercase", "uppercase"};

struct set {
    struct label *items;
    size_t n;
    struct arena *arena;
};

static struct sv get(const struct set *set, struct sv name)
{
    for (size_t i = 0; i < set->n; i++)
        if (sv_eq(set->items[i].name, name))
            return set->items[i].value;
    return (struct sv){"", 0};
}

/* Texts are the arena's, or literals. */
static void put(struct set *set, struct sv name, struct sv value)
{
    size_t at = 0;
    while (at < set->n && !sv_eq(set->items[at].name, name))
        at++;
    if (value.n == 0) {
        if (at < set->n)
            set->items[at] = set->items[--set->n];
    } else if (at < set->n) {
        set->items[at].value = value;
    } else if (set->n < RELABEL_LABELS_MAX) {
        set->items[set->n++] = (struct label){name, value};
    }
}

static struct sv source_value(const struct set *set, const struct relabel_rule *rule)
{
    struct buf joined;
    buf_init(&joined, RELABEL_TEXT_MAX);
    for (size_t i = 0; i < rule->source_count; i++) {
        if (i > 0)
            buf_sv(&joined, rule->separator);
        buf_sv(&joined, get(set, rule->source_labels[i]));
    }
    struct sv text = arena_sv(set->arena, buf_view(&joined));
    buf_free(&joined);
    return text;
}

/* The replacement's text for a match; false where the expression does not match. */
static bool expand(const struct set *set, const struct relabel_rule *rule, struct sv text, struct sv template,
                   struct sv *ret)
{
    struct buf out;
    buf_init(&out, RELABEL_TEXT_MAX);
    bool matched = re2_expand(rule->regex, text, template, &out);
    if (matched)
        *ret = arena_sv(set->arena, buf_view(&out));
    buf_free(&out);
    return matched;
}

static void replace(struct set *set, const struct relabel_rule *rule, struct sv value)
{
    struct sv name, text;
    if (!expand(set, rule, value, rule->target_label, &name) || !label_name_is_valid(name))
        return;
    if (expand(set, rule, value, rule->replacement, &text))
        put(set, name, text);
}

static void hashmod(struct set *set, const struct relabel_rule *rule, struct sv value)
{
    struct md5_ctx md5;
    uint8_t digest[MD5_DIGEST_SIZE];
    uint64_t v = 0;
    md5_init(&md5);
    md5_update(&md5, value.n, (const uint8_t *)value.p);
    md5_digest(&md5, sizeof digest, digest);
    for (size_t i = 8; i < sizeof digest; i++) /* its last eight bytes, the highest first */
        v = v << 8 | digest[i];
    put(set, rule->target_label,
        arena_printf(set->arena, "%llu", (unsigned long long)(rule->modulus == 0 ? 0 : v % rule->modulus)));
}

static void labelmap(struct set *set, const struct relabel_rule *rule)
{
    struct label before[RELABEL_LABELS_MAX];
    size_t n = set->n;
    struct sv name;
    memcpy(before, set->items, n * sizeof before[0]);
    for (size_t i = 0; i < n; i++)
        if (re2_matches(rule->regex, before[i].name) &&
            expand(set, rule, before[i].name, rule->replacement, &name) && name.n > 0)
            put(set, name, before[i].value);
}

static void filter_names(struct set *set, const struct relabel_rule *rule, bool keep)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->n; i++)
        if (re2_matches(rule->regex, set->items[i].name) == keep)
            set->items[kept++] = set->items[i];
    set->n = kept;
}

static void change_case(struct set *set, const struct relabel_rule *rule, struct sv value, bool upper)
{
    char *text = arena_alloc(set->arena, value.n + 1);
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i], from = upper ? 'a' : 'A';
        text[i] = c >= from && c <= from + 25 ? (char)(c ^ 32) : c;
    }
    put(set, rule->target_label, sv_make(text, value.n));
}

static bool apply(struct set *set, const struct relabel_rule *rule)
{
    struct sv value = source_value(set, rule);
    switch (rule->action) {
    case RELABEL_DROP:
        return !re2_matches(rule->regex, value);
    case RELABEL_KEEP:
        return re2_matches(rule->regex, value);
    case RELABEL_DROPEQUAL:
        return !sv_eq(get(set, rule->target_label), value);
    case RELABEL_KEEPEQUAL:
        return sv_eq(get(set, rule->target_label), value);
    case RELABEL_REPLACE:
        replace(set, rule, value);
        return true;
    case RELABEL_HASHMOD:
        hashmod(set, rule, value);
        return true;
    case RELABEL_LABELMAP:
        labelmap(set, rule);
        return true;
    case RELABEL_LABELDROP:
    case RELABEL_LABELKEEP:
        filter_names(set, rule, rule->action == RELABEL_LABELKEEP);
        return true;
    case RELABEL_LOWERCASE:
    case RELABEL_UPPERCASE:
        change_case(set, rule, value, rule->action == RELABEL_UPPERCASE);
        return true;
    case RELABEL_ACTIONS:
        break;
    }
    return true;
}

bool relabel(const struct relabel_rule *rules, size_t count, struct label *labels, size_t *label_count,
             struct arena *arena)
{
    struct set set = {labels, *label_count, arena};
    bool kept = true;
    for (size_t i = 0; i < count && kept; i++)
        kept = apply(&set, &rules[i]);
    *label_count = set.n;
    return kept;
}
