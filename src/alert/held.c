/*
 * One alert in the book and the memory that it owns: a block that is made at birth (labels, message), a list
 * of later texts (names, notes), and its history, which only grows.
 */
#include "alert/alert_priv.h"

#include <stdlib.h>

struct held_text {
    struct held_text *next;
    char bytes[];
};

static struct sv put(char **at, struct sv text)
{
    char *p = *at;
    if (text.n > 0)
        memcpy(p, text.p, text.n);
    *at += text.n;
    return sv_make(p, text.n);
}

static void held_fill_block(struct held *held, const struct held_birth *birth)
{
    size_t bytes = birth->label_count * sizeof(struct alert_label) + birth->message.n;
    for (size_t i = 0; i < birth->label_count; i++)
        bytes += birth->labels[i].name.n + birth->labels[i].value.n;
    held->block = tc_alloc(bytes);
    struct alert_label *labels = (struct alert_label *)(void *)held->block;
    char *at = held->block + birth->label_count * sizeof *labels;
    for (size_t i = 0; i < birth->label_count; i++) {
        labels[i].name = put(&at, birth->labels[i].name);
        labels[i].value = put(&at, birth->labels[i].value);
    }
    held->alert.labels = labels;
    held->alert.label_count = birth->label_count;
    held->alert.message = put(&at, birth->message);
}

struct held *held_new(const struct held_birth *birth)
{
    struct held *held = tc_alloc(sizeof *held);
    const struct card *card = held->card = birth->card;
    held->alert = (struct alert){
        .rule_id = card->rule_id,
        .title = card->title,
        .severity = birth->severity,
        .state = ALERT_FIRING,
        .description = card->description,
        .owner = card->owner,
        .secondary_owner = card->secondary_owner,
        .runbook = card->runbook,
        .actions = card->actions,
        .action_count = card->action_count,
        .tags = card->tags,
        .tag_count = card->tag_count,
        .count = 1,
        .acknowledged_ns = TC_NO_TIME,
        .ended_ns = TC_NO_TIME,
        .escalation_next_ns = TC_NO_TIME,
    };
    held->paused_at_ns = TC_NO_TIME;
    memcpy(held->alert.id, birth->id, sizeof held->alert.id);
    held_fill_block(held, birth);
    fingerprint_of(held->alert.labels, held->alert.label_count, held->alert.fingerprint);
    return held;
}

void held_raise(struct held *held, enum severity severity)
{
    struct alert_label *labels = (struct alert_label *)(void *)held->block;
    held->alert.severity = severity;
    for (size_t i = 0; i < held->alert.label_count; i++)
        if (sv_is(labels[i].name, "severity"))
            labels[i].value = sv_of(severity_word(severity));
    fingerprint_of(labels, held->alert.label_count, held->alert.fingerprint);
}

void held_free(struct map *cards, struct held **held)
{
    struct held *old = *held;
    *held = NULL;
    if (old == NULL)
        return;
    for (struct held_text *text = old->texts, *next; text != NULL; text = next) {
        next = text->next;
        free(text);
    }
    card_drop(cards, &old->card);
    flap_forget(old);
    wait_forget(old);
    free(old->life == NULL ? NULL : old->life->tasks);
    free(old->life);
    free(old->history);
    free(old->block);
    free(old);
}

struct alert_life *held_life(struct held *held)
{
    if (held->life == NULL) {
        held->life = tc_alloc(sizeof *held->life);
        *held->life = (struct alert_life){.assessed_ns = TC_NO_TIME,
                                          .responded_ns = TC_NO_TIME,
                                          .documented_ns = TC_NO_TIME,
                                          .breached_ns = TC_NO_TIME,
                                          .overdue_ns = TC_NO_TIME,
                                          .snoozed_until_ns = TC_NO_TIME,
                                          .answer_due_ns = TC_NO_TIME};
        held->alert.life = held->life;
    }
    return held->life;
}

struct alert_task *held_add_task(struct held *held)
{
    struct alert_life *life = held_life(held);
    tc_assert(life->task_count < ALERT_TASKS_MAX);
    life->tasks = tc_realloc(life->tasks, (life->task_count + 1) * sizeof life->tasks[0]);
    struct alert_task *task = &life->tasks[life->task_count++];
    *task = (struct alert_task){.number = (uint32_t)life->task_count,
                                .due_ns = TC_NO_TIME,
                                .reminded_ns = TC_NO_TIME,
                                .done_ns = TC_NO_TIME};
    return task;
}

struct sv held_copy(struct held *held, struct sv text)
{
    if (text.n == 0)
        return (struct sv){0};
    struct held_text *copy = tc_alloc(sizeof *copy + text.n);
    memcpy(copy->bytes, text.p, text.n);
    copy->next = held->texts;
    held->texts = copy;
    return sv_make(copy->bytes, text.n);
}

void held_history(struct held *held, int64_t time_ns, struct sv what, struct sv by, struct sv note)
{
    if (held->alert.history_count >= ALERT_HISTORY_MAX)
        return;
    if (held->alert.history_count == held->history_capacity) {
        held->history_capacity = held->history_capacity == 0 ? 2 : held->history_capacity * 2;
        held->history = tc_realloc(held->history, held->history_capacity * sizeof held->history[0]);
    }
    struct sv who = sv_is(by, "tocsin") ? SV("tocsin") : held_copy(held, by);
    held->history[held->alert.history_count++] =
        (struct alert_event){.time_ns = time_ns, .what = what, .by = who, .note = held_copy(held, note)};
    held->alert.history = held->history;
}
