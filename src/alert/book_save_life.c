/*
 * What people did about an alert, and how it flaps (book_flap.c) or waits
 * (book_wait.c), as bytes: the part of a saved book
 * (book_save.c) that came with version 2.
 *
 *   u64 ladder from, paused, paused at · u32 ladder step, reminders, silenced · flapping · waiting · u8 has a
 * life, and if so: strings assigned, assessed by, responded by, documented by, impact, urgency, document,
 * asked u64 assessed, responded, documented, breached, snoozed until, answer due, overdue (not in version 2)
 * · u8 snoozed from · u32 asks u32 tasks · per task: strings what, owner, by, done by · u64 due, reminded,
 * done
 */
#include "alert/alert_priv.h"

void book_save_life(const struct held *held, struct buf *out)
{
    const struct alert_life *life = held->life;
    buf_u64(out, (uint64_t)held->ladder_from_ns);
    buf_u64(out, (uint64_t)held->paused_ns);
    buf_u64(out, (uint64_t)held->paused_at_ns);
    buf_u32(out, held->alert.escalation_step);
    buf_u32(out, held->reminders);
    buf_u32(out, held->alert.silenced);
    flap_save(held, out);
    wait_save(held, out);
    buf_u8(out, life != NULL);
    if (life == NULL)
        return;
    const struct sv texts[] = {life->assigned, life->assessed_by, life->responded_by, life->documented_by,
                               life->impact,   life->urgency,     life->document,     life->asked};
    for (size_t i = 0; i < TC_ARRAY_LEN(texts); i++)
        buf_string(out, texts[i]);
    const int64_t times[] = {life->assessed_ns, life->responded_ns,     life->documented_ns,
                             life->breached_ns, life->snoozed_until_ns, life->answer_due_ns,
                             life->overdue_ns};
    for (size_t i = 0; i < TC_ARRAY_LEN(times); i++)
        buf_u64(out, (uint64_t)times[i]);
    buf_u8(out, (uint8_t)life->snoozed_from);
    buf_u32(out, life->asks);
    buf_u32(out, (uint32_t)life->task_count);
    for (size_t i = 0; i < life->task_count; i++) {
        const struct alert_task *task = &life->tasks[i];
        buf_string(out, task->what);
        buf_string(out, task->owner);
        buf_string(out, task->by);
        buf_string(out, task->done_by);
        buf_u64(out, (uint64_t)task->due_ns);
        buf_u64(out, (uint64_t)task->reminded_ns);
        buf_u64(out, (uint64_t)task->done_ns);
    }
}

static struct sv text_of(struct reader *reader, struct held *held, size_t max_bytes)
{
    struct sv text = reader_string(reader);
    reader->bad |= text.n > max_bytes;
    return reader->bad ? (struct sv){0} : held_copy(held, text);
}

static void load_tasks(struct reader *reader, struct held *held)
{
    uint32_t count = reader_u32(reader);
    reader->bad |= count > ALERT_TASKS_MAX;
    for (uint32_t i = 0; i < count && !reader->bad; i++) {
        struct alert_task *task = held_add_task(held);
        task->what = text_of(reader, held, ALERT_TEXT_MAX);
        task->owner = text_of(reader, held, ALERT_BY_MAX);
        task->by = text_of(reader, held, ALERT_BY_MAX);
        task->done_by = text_of(reader, held, ALERT_BY_MAX);
        task->due_ns = (int64_t)reader_u64(reader);
        task->reminded_ns = (int64_t)reader_u64(reader);
        task->done_ns = (int64_t)reader_u64(reader);
    }
}

static void load_people(struct reader *reader, uint32_t version, struct held *held)
{
    struct alert_life *life = held_life(held);
    struct sv *const texts[] = {&life->assigned,      &life->assessed_by, &life->responded_by,
                                &life->documented_by, &life->impact,      &life->urgency,
                                &life->document,      &life->asked};
    for (size_t i = 0; i < TC_ARRAY_LEN(texts); i++)
        *texts[i] =
            text_of(reader, held, texts[i] == &life->document ? (size_t)ALERT_NOTE_MAX : ALERT_BY_MAX);
    int64_t *const times[] = {&life->assessed_ns, &life->responded_ns,     &life->documented_ns,
                              &life->breached_ns, &life->snoozed_until_ns, &life->answer_due_ns,
                              &life->overdue_ns};
    for (size_t i = 0; i < TC_ARRAY_LEN(times) - (version < 3); i++)
        *times[i] = (int64_t)reader_u64(reader);
    uint8_t from = reader_u8(reader);
    life->asks = reader_u32(reader);
    reader->bad |= from != ALERT_FIRING && from != ALERT_ACKNOWLEDGED;
    life->snoozed_from = (enum alert_state)from;
    load_tasks(reader, held);
}

bool book_load_life(struct held *held, uint32_t version, struct reader *reader)
{
    held->ladder_from_ns = (int64_t)reader_u64(reader);
    held->paused_ns = (int64_t)reader_u64(reader);
    held->paused_at_ns = (int64_t)reader_u64(reader);
    held->alert.escalation_step = reader_u32(reader);
    held->reminders = reader_u32(reader);
    held->alert.silenced = reader_u32(reader);
    if (!flap_load(held, reader) || !wait_load(held, reader))
        return false;
    uint8_t has = reader_u8(reader);
    if (has == 1)
        load_people(reader, version, held);
    bool put_off = held->alert.state == ALERT_PENDING || held->alert.state == ALERT_SNOOZED;
    return !reader->bad && has <= 1 && (has == 1 || !put_off);
}
