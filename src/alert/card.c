/*
 * Cards: what all alerts of one rule share (title, description, owners, runbook, actions, tags), kept once
 * and counted by reference. An alert outlives the rule set that made it, so it cannot borrow from there; and
 * a hundred thousand copies of a description would be most of the book's memory.
 *
 * A card is its packed bytes with views into them. Two rules with the same texts have the same card.
 */
#include "alert/alert_priv.h"

#include <stdlib.h>

static void pack_list(const struct sv *texts, size_t count, size_t max, struct arena *scratch,
                      struct buf *out)
{
    count = TC_MIN(count, max);
    buf_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++)
        buf_string(out, text_clean(scratch, texts[i], ALERT_TEXT_MAX));
}

void card_pack(const struct rule_info *rule, struct arena *scratch, struct buf *out)
{
    struct sv title = rule->title.n > 0 ? rule->title : rule->name.n > 0 ? rule->name : rule->id;
    buf_string(out, text_clean(scratch, rule->id, ALERT_TEXT_MAX));
    buf_string(out, text_clean(scratch, title, ALERT_TEXT_MAX));
    buf_string(out, text_clean(scratch, rule->description, ALERT_DESCRIPTION_MAX));
    buf_string(out, text_clean(scratch, rule->owner, ALERT_TEXT_MAX));
    buf_string(out, text_clean(scratch, rule->runbook, ALERT_TEXT_MAX));
    pack_list(rule->actions, rule->action_count, ALERT_ACTIONS_MAX, scratch, out);
    buf_string(out, text_clean(scratch, rule->secondary_owner, ALERT_TEXT_MAX));
    buf_u64(out, (uint64_t)rule->quiet_ns);
    pack_list(rule->tags, rule->tag_count, ALERT_TAGS_MAX, scratch, out);
}

void card_complete(uint32_t version, struct buf *packed)
{
    if (version < 2) {
        buf_string(packed, (struct sv){0});
        buf_u64(packed, 0);
    }
    if (version < 3)
        buf_u32(packed, 0);
}

/* A string of at most max_bytes; longer ones make the reader bad. */
static struct sv bounded(struct reader *reader, size_t max_bytes)
{
    struct sv text = reader_string(reader);
    reader->bad |= text.n > max_bytes;
    return text;
}

/* At most `max` texts, put at `texts`. */
static size_t bounded_list(struct reader *reader, size_t max, struct sv *texts)
{
    size_t count = reader_u32(reader);
    reader->bad |= count > max;
    for (size_t i = 0; !reader->bad && i < count; i++)
        texts[i] = bounded(reader, ALERT_TEXT_MAX);
    return count;
}

static struct card *card_new(struct sv packed)
{
    size_t head = sizeof(struct card) + (ALERT_ACTIONS_MAX + ALERT_TAGS_MAX) * sizeof(struct sv);
    struct card *card = tc_alloc(head + packed.n);
    char *bytes = (char *)card + head;
    struct sv *actions = (struct sv *)(void *)(card + 1), *tags = actions + ALERT_ACTIONS_MAX;
    if (packed.n > 0)
        memcpy(bytes, packed.p, packed.n);
    card->packed = sv_make(bytes, packed.n);
    struct reader reader = reader_of(card->packed);
    card->rule_id = bounded(&reader, ALERT_TEXT_MAX);
    card->title = bounded(&reader, ALERT_TEXT_MAX);
    card->description = bounded(&reader, ALERT_DESCRIPTION_MAX);
    card->owner = bounded(&reader, ALERT_TEXT_MAX);
    card->runbook = bounded(&reader, ALERT_TEXT_MAX);
    card->action_count = bounded_list(&reader, ALERT_ACTIONS_MAX, actions);
    card->actions = actions;
    card->secondary_owner = bounded(&reader, ALERT_TEXT_MAX);
    card->quiet_ns = (int64_t)reader_u64(&reader);
    card->tag_count = bounded_list(&reader, ALERT_TAGS_MAX, tags);
    card->tags = tags;
    if (reader.bad || card->quiet_ns < 0 || reader.rest.n > 0) {
        free(card);
        return NULL;
    }
    return card;
}

struct card *card_take(struct map *cards, struct sv packed)
{
    uint64_t *known = map_get(cards, packed);
    struct card *card = known != NULL ? (struct card *)(uintptr_t)*known : card_new(packed);
    if (card == NULL)
        return NULL;
    if (known == NULL) {
        uint64_t *value = map_put(cards, packed, NULL);
        tc_assert(value != NULL); /* never more cards than alerts, and those have a bound */
        *value = (uintptr_t)card;
    }
    card->refs++;
    return card;
}

void card_drop(struct map *cards, struct card **card)
{
    struct card *old = *card;
    *card = NULL;
    if (old == NULL || --old->refs > 0)
        return;
    map_remove(cards, old->packed);
    free(old);
}
