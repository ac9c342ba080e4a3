/*
 * What Tocsin finds out about itself while it folds: a watched source that fell silent, rules whose patterns
 * could not be judged, steps of an escalation that are overdue. They are findings of source `self`, made on
 * ticks, and go the way of all findings; no rule sees them, so that nothing follows from them but an alert.
 */
#ifndef APP_WATCHDOG_H
#define APP_WATCHDOG_H

#include "alert/alert.h"
#include "app/sources.h"
#include "detect/detect.h"

struct watchdog {
    struct sources sources;
    struct map limited; /* rules whose patterns hit a limit, not told yet: their titles and ids */
};

void watchdog_init(struct watchdog *watchdog);
void watchdog_free(struct watchdog *watchdog);
/* An event. True: its source was silent, and `watchdog_resume` is to be called before it is judged. */
bool watchdog_heard(struct watchdog *watchdog, const struct event *event);
/* Resolves the open alerts that say that this source is silent. */
void watchdog_resume(struct book *book, const struct event *event, struct decision_list *out);
/* Takes over what the detector knows of rules at their limits; before it is freed or the state is saved. */
void watchdog_gather(struct watchdog *watchdog, struct detector *detector);
/* A tick: appends findings. Texts live in the list's arena. */
void watchdog_tick(struct watchdog *watchdog, struct detector *detector, const struct book *book,
                   uint64_t position, struct receive_time now, struct finding_list *out);
/* Whether the next tick may find something. */
bool watchdog_waits(const struct watchdog *watchdog, const struct detector *detector);
void watchdog_save(const struct watchdog *watchdog, struct buf *out);
bool watchdog_load(struct watchdog *watchdog, struct sv saved);

#endif
