/*
 * The book as bytes and back, for checkpoints. Equal books give equal bytes; a book that was saved and loaded
 * decides as one that never was.
 *
 * Format, version 3 (1 and 2 are read), little-endian; a string is u32 length and bytes:
 *
 *   u32 magic "TCBK" · u32 version · u64 next serial · u64 next end serial
 *   u32 cards · per card: string (card.c), in order of first use
 *   u32 alerts · per alert, in order of serial: see save_alert
 *   u64 when silences are looked at next · silences (silence.c)
 *   u64 XXH3 of all that stands before
 *
 * Version 1 had nothing of what people do beside the states (book_save_life.c), nor of rules that end their
 * alerts themselves, and its cards ended with the actions. Version 2 had no tags and nothing of overdue
 * alerts.
 *
 * Not in it: the options (they come from the configuration, and timers follow those in force), the heap, what
 * changed for the projection (after a load, everything has), and what can be computed (fingerprint).
 *
 * A reader trusts nothing: every number is checked against its bound, every reference against what it names.
 */
#include "alert/alert_priv.h"

#include "alert/silence.h"

#include <stdlib.h>

enum { SAVE_MAGIC = 0x4B424354, SAVE_VERSION = 3, SAVE_VERSION_OLDEST = 1 };
#define SERIAL_MAX (UINT64_MAX / 2) /* no life is that long; and adding one never wraps */
enum {
    FLAG_CURRENT = 1,
    FLAG_OVERFLOW = 2,
    FLAG_ENDED_BY_HAND = 4,
    FLAG_UNTOLD = 8, /* no notification was decided yet */
    FLAG_OWED = 16,
    FLAG_RULE_FIRES = 32,
    FLAGS_ALL = 63
};

/* What history can say; saved as a number: append, never reorder. */
static const char *const words[] = {
    "created",    "count",      "acknowledged", "resolved", "closed",    "snoozed",  "woken",
    "asked",      "denied",     "unanswered",   "breached", "escalated", "assigned", "noted",
    "assessed",   "responding", "documented",   "task",     "task_done", "task_due", "silenced",
    "unsilenced", "drill",      "severity",     "flapping", "stable",    "waiting",  "overdue",
};

/* --- writing */

static uint8_t word_index(struct sv what)
{
    uint8_t i = 0;
    while (i < TC_ARRAY_LEN(words) && !sv_is(what, words[i]))
        i++;
    tc_assert(i < TC_ARRAY_LEN(words));
    return i;
}

static void save_history(const struct alert *alert, struct buf *out)
{
    buf_u32(out, (uint32_t)alert->history_count);
    for (size_t i = 0; i < alert->history_count; i++) {
        buf_u64(out, (uint64_t)alert->history[i].time_ns);
        buf_u8(out, word_index(alert->history[i].what));
        buf_string(out, alert->history[i].by);
        buf_string(out, alert->history[i].note);
    }
}

static void save_alert(const struct held *held, uint32_t card, struct buf *out)
{
    const struct alert *a = &held->alert;
    buf_u64(out, held->serial);
    buf_add(out, a->id, ALERT_ID_DIGITS);
    buf_add(out, held->key, sizeof held->key);
    buf_u32(out, card);
    buf_u8(out, (uint8_t)a->severity);
    buf_u8(out, (uint8_t)a->state);
    buf_u8(out, (uint8_t)((held->current ? FLAG_CURRENT : 0) | (held->overflow ? FLAG_OVERFLOW : 0) |
                          (held->ended_by_hand ? FLAG_ENDED_BY_HAND : 0) | (held->told ? 0 : FLAG_UNTOLD) |
                          (held->owed ? FLAG_OWED : 0) | (held->rule_fires ? FLAG_RULE_FIRES : 0)));
    buf_u8(out, (uint8_t)held->told_severity); /* not in version 1 */
    const uint64_t numbers[] = {a->count,
                                (uint64_t)a->first_ns,
                                (uint64_t)a->last_ns,
                                (uint64_t)a->acknowledged_ns,
                                (uint64_t)a->ended_ns,
                                a->last_position,
                                (uint64_t)held->touched_ns,
                                held->end_serial,
                                held->told_step,
                                held->said_count};
    for (size_t i = 0; i < TC_ARRAY_LEN(numbers); i++)
        buf_u64(out, numbers[i]);
    const struct sv texts[] = {a->message, a->disposition, a->acknowledged_by, a->ended_by, a->note};
    for (size_t i = 0; i < TC_ARRAY_LEN(texts); i++)
        buf_string(out, texts[i]);
    buf_u32(out, (uint32_t)a->label_count);
    for (size_t i = 0; i < a->label_count; i++) {
        buf_string(out, a->labels[i].name);
        buf_string(out, a->labels[i].value);
    }
    save_history(a, out);
    book_save_life(held, out);
}

static struct held **by_serial(const struct book *book)
{
    struct held **sorted = tc_alloc(book->count * sizeof(struct held *));
    if (book->count > 0)
        memcpy(sorted, book->all, book->count * sizeof(struct held *));
    qsort(sorted, book->count, sizeof(struct held *), book_compare_serial);
    return sorted;
}

/* Numbers the cards in order of first use and writes them; `numbers`: card's address to its number. */
static void save_cards(struct held *const *sorted, size_t count, struct map *numbers, struct buf *out)
{
    size_t count_at = out->n;
    uint32_t cards = 0;
    buf_u32(out, 0);
    for (size_t i = 0; i < count; i++) {
        bool fresh;
        const struct card *card = sorted[i]->card;
        uint64_t *number = map_put(numbers, sv_make((const char *)&card, sizeof card), &fresh);
        if (!fresh)
            continue;
        *number = cards++;
        buf_string(out, card->packed);
    }
    if (!out->overflow)
        store_u32(out->p + count_at, cards);
}

void book_save(const struct book *book, struct buf *out)
{
    size_t start = out->n;
    struct map numbers;
    map_init(&numbers, SIZE_MAX);
    struct held **sorted = by_serial(book);
    buf_u32(out, SAVE_MAGIC);
    buf_u32(out, SAVE_VERSION);
    buf_u64(out, book->next_serial);
    buf_u64(out, book->next_end_serial);
    save_cards(sorted, book->count, &numbers, out);
    buf_u32(out, (uint32_t)book->count);
    for (size_t i = 0; i < book->count && !out->overflow; i++) {
        const struct card *card = sorted[i]->card;
        save_alert(sorted[i], (uint32_t)*map_get(&numbers, sv_make((const char *)&card, sizeof card)), out);
    }
    buf_u64(out, (uint64_t)book->silence_due_ns);
    silences_save(book->silences, out);
    if (!out->overflow)
        buf_u64(out, hash_64(sv_make(out->p + start, out->n - start)));
    free(sorted);
    map_free(&numbers);
}

/* --- reading */

struct load {
    struct reader reader;
    struct book *book; /* being filled */
    struct card **cards;
    uint32_t card_count, version;
    uint64_t next_serial_min; /* one more than the last alert's */
};

static struct sv load_text(struct load *load, size_t max_bytes)
{
    struct sv text = reader_string(&load->reader);
    load->reader.bad |= text.n > max_bytes;
    return load->reader.bad ? (struct sv){0} : text;
}

static struct card *load_card(struct load *load)
{
    struct buf packed;
    struct sv text = reader_string(&load->reader);
    if (load->reader.bad || load->version == SAVE_VERSION)
        return load->reader.bad ? NULL : card_take(&load->book->cards, text);
    buf_init(&packed, text.n + 64);
    buf_sv(&packed, text);
    card_complete(load->version, &packed);
    struct card *card = card_take(&load->book->cards, buf_view(&packed));
    buf_free(&packed);
    return card;
}

static bool load_cards(struct load *load)
{
    load->card_count = reader_u32(&load->reader);
    if (load->reader.bad || load->card_count > load->reader.rest.n / 4)
        return false;
    load->cards = tc_alloc(load->card_count * sizeof(struct card *));
    for (uint32_t i = 0; i < load->card_count; i++) {
        load->cards[i] = load_card(load);
        if (load->cards[i] == NULL)
            return false;
    }
    return true;
}

/* The references that the list itself held, while alerts were taking theirs. */
static void drop_cards(struct load *load)
{
    for (uint32_t i = 0; load->cards != NULL && i < load->card_count; i++)
        card_drop(&load->book->cards, &load->cards[i]);
    free(load->cards);
}

static bool load_history(struct load *load, struct held *held)
{
    uint32_t count = reader_u32(&load->reader);
    if (load->reader.bad || count > ALERT_HISTORY_MAX)
        return false;
    for (uint32_t i = 0; i < count; i++) {
        int64_t time_ns = (int64_t)reader_u64(&load->reader);
        uint8_t word = reader_u8(&load->reader);
        struct sv by = load_text(load, ALERT_BY_MAX), note = load_text(load, ALERT_NOTE_MAX);
        if (load->reader.bad || word >= TC_ARRAY_LEN(words))
            return false;
        held_history(held, time_ns, sv_of(words[word]), by, note);
    }
    return true;
}

static bool good_id(const char *id)
{
    for (size_t i = 0; i < ALERT_ID_DIGITS; i++)
        if (!((id[i] >= '0' && id[i] <= '9') || (id[i] >= 'a' && id[i] <= 'f')))
            return false;
    return true;
}

static size_t load_labels(struct load *load, struct alert_label labels[ALERT_LABELS_MAX])
{
    uint32_t count = reader_u32(&load->reader);
    if (count > ALERT_LABELS_MAX)
        load->reader.bad = true;
    for (uint32_t i = 0; i < count && !load->reader.bad; i++) {
        labels[i].name = load_text(load, ALERT_TEXT_MAX);
        labels[i].value = load_text(load, ALERT_TEXT_MAX);
        if (i > 0 && sv_cmp(labels[i - 1].name, labels[i].name) >= 0)
            load->reader.bad = true;
    }
    return count;
}

struct saved { /* one alert as it stands in the file */
    uint64_t serial;
    struct sv id, key;
    uint32_t card;
    uint8_t severity, state, flags, told_severity;
    uint64_t numbers[10];
    struct sv message, disposition, acknowledged_by, ended_by, note;
    struct alert_label labels[ALERT_LABELS_MAX];
    size_t label_count;
};

static bool load_saved(struct load *load, struct saved *s)
{
    struct reader *r = &load->reader;
    s->serial = reader_u64(r);
    s->id = reader_bytes(r, ALERT_ID_DIGITS);
    s->key = reader_bytes(r, TC_SHA256_BYTES);
    s->card = reader_u32(r);
    s->severity = reader_u8(r);
    s->state = reader_u8(r);
    s->flags = reader_u8(r);
    s->told_severity = load->version >= 2 ? reader_u8(r) : SEVERITY_NONE;
    for (size_t i = 0; i < TC_ARRAY_LEN(s->numbers); i++)
        s->numbers[i] = reader_u64(r);
    s->message = load_text(load, ALERT_MESSAGE_MAX);
    s->disposition = load_text(load, ALERT_BY_MAX);
    s->acknowledged_by = load_text(load, ALERT_BY_MAX);
    s->ended_by = load_text(load, ALERT_BY_MAX);
    s->note = load_text(load, ALERT_NOTE_MAX);
    s->label_count = load_labels(load, s->labels);
    return !r->bad && s->serial >= load->next_serial_min && s->serial < load->book->next_serial &&
           good_id(s->id.p) && map_get(&load->book->by_id, s->id) == NULL && s->card < load->card_count &&
           s->severity <= SEVERITY_P4 && s->state < ALERT_STATES && s->flags <= FLAGS_ALL &&
           s->told_severity <= SEVERITY_P4 && s->numbers[0] > 0 &&
           (s->state == ALERT_CLOSED) == (s->disposition.n > 0);
}

static void fill(struct held *held, const struct saved *s)
{
    struct alert *a = &held->alert;
    held->serial = s->serial;
    memcpy(held->key, s->key.p, sizeof held->key);
    held->overflow = (s->flags & FLAG_OVERFLOW) != 0;
    held->ended_by_hand = (s->flags & FLAG_ENDED_BY_HAND) != 0;
    held->told = (s->flags & FLAG_UNTOLD) == 0;
    held->owed = (s->flags & FLAG_OWED) != 0;
    held->rule_fires = (s->flags & FLAG_RULE_FIRES) != 0;
    held->told_severity = (enum severity)s->told_severity;
    a->state = (enum alert_state)s->state;
    a->count = s->numbers[0];
    a->first_ns = (int64_t)s->numbers[1];
    a->last_ns = (int64_t)s->numbers[2];
    a->acknowledged_ns = (int64_t)s->numbers[3];
    a->ended_ns = (int64_t)s->numbers[4];
    a->last_position = s->numbers[5];
    held->touched_ns = (int64_t)s->numbers[6];
    held->end_serial = s->numbers[7];
    held->told_step = s->numbers[8];
    held->said_count = s->numbers[9];
    a->disposition = lifecycle_disposition(s->disposition);
    a->acknowledged_by = held_copy(held, s->acknowledged_by);
    a->ended_by = held_copy(held, s->ended_by);
    a->note = held_copy(held, s->note);
}

/* Before version 2 nothing escalated: it is as if the alert had begun to fire when it was made. */
static bool load_life(struct load *load, struct held *held)
{
    if (load->version > 1)
        return book_load_life(held, load->version, &load->reader);
    held->ladder_from_ns = held->alert.history_count > 0 ? held->alert.history[0].time_ns : 0;
    return held->alert.state != ALERT_PENDING && held->alert.state != ALERT_SNOOZED;
}

static bool load_alert(struct load *load)
{
    struct saved s;
    char id[ALERT_ID_DIGITS + 1] = {0};
    if (!load_saved(load, &s))
        return false;
    memcpy(id, s.id.p, ALERT_ID_DIGITS);
    struct card *card = load->cards[s.card];
    struct held *held = held_new(&(struct held_birth){
        .id = id,
        .labels = s.labels,
        .label_count = s.label_count,
        .message = s.message,
        .card = card_take(&load->book->cards, card->packed),
        .severity = (enum severity)s.severity,
    });
    fill(held, &s);
    if (s.state == ALERT_PENDING || s.state == ALERT_SNOOZED)
        held_life(held); /* timers look at it; what it says comes last */
    bool twice = (s.flags & FLAG_CURRENT) && book_current(load->book, held->key) != NULL;
    bool disposition_bad = s.disposition.n > 0 && held->alert.disposition.n == 0;
    book_insert(load->book, held);
    if (s.flags & FLAG_CURRENT)
        book_make_current(load->book, held);
    load->next_serial_min = s.serial + 1;
    bool good = !twice && !disposition_bad && load_history(load, held) && load_life(load, held);
    if (good) {
        book_show_step(load->book, held);
        book_schedule(load->book, held);
    }
    return good;
}

static int compare_ending(const void *a, const void *b)
{
    const struct held *x = *(struct held *const *)a, *y = *(struct held *const *)b;
    if (x->end_serial != y->end_serial)
        return x->end_serial < y->end_serial ? -1 : 1;
    return book_compare_serial(a, b);
}

static bool link_ended(struct book *book)
{
    struct held **ended = tc_alloc(book->count * sizeof(struct held *));
    size_t count = 0;
    for (size_t i = 0; i < book->count; i++)
        if (!lifecycle_open(book->all[i]->alert.state))
            ended[count++] = book->all[i];
    qsort(ended, count, sizeof(struct held *), compare_ending);
    for (size_t i = 0; i < count; i++)
        book_mark_ended(book, ended[i]);
    bool good = count == 0 || ended[count - 1]->end_serial < book->next_end_serial;
    free(ended);
    return good;
}

static bool load_body(struct load *load)
{
    load->book->next_serial = reader_u64(&load->reader);
    load->book->next_end_serial = reader_u64(&load->reader);
    if (load->book->next_serial > SERIAL_MAX || load->book->next_end_serial > SERIAL_MAX || !load_cards(load))
        return false;
    uint32_t count = reader_u32(&load->reader);
    for (uint32_t i = 0; i < count; i++)
        if (load->reader.bad || !load_alert(load))
            return false;
    if (load->version > 1) {
        load->book->silence_due_ns = (int64_t)reader_u64(&load->reader);
        if (!silences_load(load->book->silences, &load->reader))
            return false;
    }
    return !load->reader.bad && load->reader.rest.n == 0 && link_ended(load->book);
}

static int check_frame(struct sv saved, struct sv *ret_body, uint32_t *ret_version, struct err *err)
{
    if (saved.n < 16 || load_u32(saved.p) != SAVE_MAGIC)
        return err_set(err, TC_ECORRUPT, "these are not the bytes of a book of alerts");
    *ret_version = load_u32(saved.p + 4);
    if (*ret_version < SAVE_VERSION_OLDEST || *ret_version > SAVE_VERSION)
        return err_set(err, TC_EUNSUPPORTED,
                       "the book of alerts is of version %u; this program reads %d to %d", *ret_version,
                       SAVE_VERSION_OLDEST, SAVE_VERSION);
    struct sv covered = sv_head(saved, saved.n - 8);
    if (hash_64(covered) != load_u64(saved.p + covered.n))
        return err_set(err, TC_ECORRUPT, "the checksum of the book of alerts does not hold");
    *ret_body = sv_from(covered, 8);
    return 0;
}

int book_load(struct book *book, struct sv saved, struct err *err)
{
    struct sv body = {0};
    uint32_t version = 0;
    int rc = check_frame(saved, &body, &version, err);
    if (rc != 0)
        return rc;
    struct load load = {.reader = reader_of(body), .book = book_new(&book->options), .version = version};
    bool good = load_body(&load);
    drop_cards(&load);
    if (good) { /* the options point into their book: each keeps its own */
        struct book old = *book;
        *book = *load.book;
        book->options = old.options;
        memcpy(book->steps, old.steps, sizeof old.steps);
        *load.book = old;
    }
    book_free(&load.book);
    return good ? 0 : err_set(err, TC_ECORRUPT, "the book of alerts contradicts itself");
}
