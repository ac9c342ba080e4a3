/*
 * Incidents (ledger F-22): a response that several alerts belong to, with a commander, five phases and a
 * timeline. A part of the fold: what changes it are commands in the journal.
 *
 * Phases come in order: detection, assessment, containment, recovery, lessons; none is skipped, none comes
 * again. An incident is closed from the last one, with a note. Bounds: 1,000 incidents (past it the one that
 * was closed first is forgotten; where none is closed, no more are opened), 100 alerts and 1,000 lines of
 * timeline each.
 */
#ifndef ALERT_INCIDENT_H
#define ALERT_INCIDENT_H

#include "alert/alert.h"

enum incident_phase {
    INCIDENT_DETECTION,
    INCIDENT_ASSESSMENT,
    INCIDENT_CONTAINMENT,
    INCIDENT_RECOVERY,
    INCIDENT_LESSONS,
    INCIDENT_PHASES,
};
const char *incident_phase_name(enum incident_phase phase);

enum { INCIDENTS_MAX = 1000, INCIDENT_ALERTS_MAX = 100, INCIDENT_LINES_MAX = 1000 };

struct incident {
    uint32_t number; /* 1, 2, … over the life of the data directory */
    struct sv title, commander;
    enum incident_phase phase;
    int64_t phase_ns[INCIDENT_PHASES]; /* when it began; TC_NO_TIME: not yet */
    int64_t closed_ns;                 /* TC_NO_TIME: open */
    char (*alerts)[33];
    size_t alert_count;
    struct alert_event *lines; /* the timeline: time, what, by, note */
    size_t line_count;
};
struct incidents { /* all zero is empty */
    struct incident **items;
    size_t count;
    uint32_t next_number; /* minus one */
};
void incidents_free(struct incidents *incidents);

/*
 * "incident_open" (what: its title, to: the commander), and with alert_id = the incident's number:
 * "incident_phase" (what: the next phase), "incident_link" and "incident_unlink" (what: an alert's id),
 * "incident_command" (to: the new commander), "incident_note" (note), "incident_close" (note). `book` is
 * where alerts are looked up. Appends the incident as JSON.
 */
bool incident_is_command(struct sv verb);
int incident_command(struct incidents *incidents, const struct book *book,
                     const struct alert_command *command, struct receive_time now, struct buf *ret_json,
                     struct err *err);
/* By its number, "7". NULL: there is none. */
const struct incident *incident_find(const struct incidents *incidents, struct sv number);
/* {"number", "title", "commander", "phase", "phases" {name: time}, "closed_at", "alerts" [], "timeline" []}
 */
void incident_to_json(const struct incident *incident, struct buf *out);
void incident_to_markdown(const struct incident *incident, struct buf *out);

void incidents_save(const struct incidents *incidents, struct buf *out);
bool incidents_load(struct incidents *incidents, struct sv saved);

#endif
