/*
 * Incidents; see incident.h.
 */
#include "alert/incident.h"

#include "alert/alert_priv.h"
#include "base/json_out.h"
#include "base/num.h"

#include <stdio.h>
#include <stdlib.h>

static const char *const phases[] = {"detection", "assessment", "containment", "recovery", "lessons"};
/* What the timeline can say; saved as a number: append, never reorder. */
static const char *const words[] = {"opened", "phase", "linked", "unlinked", "commander", "noted", "closed"};

const char *incident_phase_name(enum incident_phase phase)
{
    return phases[phase];
}

/* --- memory */

static struct sv copy(struct sv text)
{
    char *bytes = tc_alloc(text.n + 1);
    if (text.n > 0)
        memcpy(bytes, text.p, text.n);
    return sv_make(bytes, text.n);
}

static void drop(struct sv *text)
{
    free((char *)(uintptr_t)text->p);
    *text = (struct sv){0};
}

static void incident_free(struct incident *incident)
{
    for (size_t i = 0; i < incident->line_count; i++) {
        drop(&incident->lines[i].by);
        drop(&incident->lines[i].note);
    }
    drop(&incident->title);
    drop(&incident->commander);
    free(incident->lines);
    free(incident->alerts);
    free(incident);
}

static void forget(struct incidents *all, size_t at)
{
    incident_free(all->items[at]);
    all->count--;
    memmove(&all->items[at], &all->items[at + 1], (all->count - at) * sizeof all->items[0]);
}

void incidents_free(struct incidents *all)
{
    while (all->count > 0)
        forget(all, all->count - 1);
    free(all->items);
    *all = (struct incidents){0};
}

static struct incident *append(struct incidents *all)
{
    struct incident *fresh = tc_alloc(sizeof *fresh);
    all->items = tc_realloc(all->items, (all->count + 1) * sizeof(struct incident *));
    all->items[all->count++] = fresh;
    for (size_t i = 0; i < INCIDENT_PHASES; i++)
        fresh->phase_ns[i] = TC_NO_TIME;
    fresh->closed_ns = TC_NO_TIME;
    return fresh;
}

static void add_line(struct incident *incident, int64_t time_ns, size_t word, struct sv by, struct sv note)
{
    incident->lines = tc_realloc(incident->lines, (incident->line_count + 1) * sizeof incident->lines[0]);
    incident->lines[incident->line_count++] = (struct alert_event){
        .time_ns = time_ns, .what = sv_of(words[word]), .by = copy(by), .note = copy(note)};
}

static void add_alert(struct incident *incident, const char id[33])
{
    incident->alerts = tc_realloc(incident->alerts, (incident->alert_count + 1) * sizeof incident->alerts[0]);
    memcpy(incident->alerts[incident->alert_count++], id, 33);
}

/* --- commands */

struct doing {
    struct incidents *all;
    const struct book *book;
    struct incident *incident;
    struct sv to, what, by, note; /* cleaned */
    int64_t now_ns;
};
enum { WORD_OPENED, WORD_PHASE, WORD_LINKED, WORD_UNLINKED, WORD_COMMANDER, WORD_NOTED, WORD_CLOSED };

static int make_room(struct incidents *all, struct err *err)
{
    for (size_t i = 0; all->count >= INCIDENTS_MAX && i < all->count; i++)
        if (all->items[i]->closed_ns != TC_NO_TIME)
            forget(all, i--);
    return all->count < INCIDENTS_MAX
               ? 0
               : err_set(err, TC_EBOUND, "%d incidents are open: close some", INCIDENTS_MAX);
}

static int do_open(struct doing *d, struct err *err)
{
    if (d->what.n == 0 || d->to.n == 0)
        return err_set(err, TC_EINPUT, "\"what\" (the title) and \"to\" (the commander) are needed");
    int rc = make_room(d->all, err);
    if (rc != 0)
        return rc;
    d->incident = append(d->all);
    d->incident->number = ++d->all->next_number;
    d->incident->title = copy(d->what);
    d->incident->commander = copy(d->to);
    d->incident->phase_ns[INCIDENT_DETECTION] = d->now_ns;
    return 0;
}

static int do_phase(struct doing *d, struct err *err)
{
    enum incident_phase now = d->incident->phase;
    if (now == INCIDENT_LESSONS)
        return err_set(err, TC_ESTATE, "the incident is in its last phase, lessons: close it");
    if (!sv_is(d->what, phases[now + 1]))
        return err_set(err, TC_ESTATE, "after %s comes %s, not \"%.*s\"", phases[now], phases[now + 1],
                       SV_FMT(sv_head(d->what, 32)));
    d->incident->phase = now + 1;
    d->incident->phase_ns[now + 1] = d->now_ns;
    return 0;
}

static size_t linked_at(const struct incident *incident, const char *id)
{
    size_t i = 0;
    while (i < incident->alert_count && strcmp(incident->alerts[i], id) != 0)
        i++;
    return i;
}

static int do_link(struct doing *d, struct err *err)
{
    const struct alert *alert = book_find(d->book, d->what, err);
    if (alert == NULL)
        return err->code;
    if (linked_at(d->incident, alert->id) < d->incident->alert_count)
        return err_set(err, TC_ESTATE, "this alert is linked already");
    if (d->incident->alert_count == INCIDENT_ALERTS_MAX)
        return err_set(err, TC_EBOUND, "an incident has %d alerts at most", INCIDENT_ALERTS_MAX);
    add_alert(d->incident, alert->id);
    return 0;
}

/* By the whole id: the alert may be long forgotten. */
static int do_unlink(struct doing *d, struct err *err)
{
    char id[33] = "";
    snprintf(id, sizeof id, "%.*s", SV_FMT(sv_head(d->what, 32)));
    size_t at = linked_at(d->incident, id);
    if (at == d->incident->alert_count)
        return err_set(err, TC_ENOTFOUND, "no alert of that id (all 32 digits) is linked");
    d->incident->alert_count--;
    memmove(d->incident->alerts[at], d->incident->alerts[at + 1], (d->incident->alert_count - at) * 33);
    return 0;
}

static int do_command(struct doing *d, struct err *err)
{
    if (d->to.n == 0)
        return err_set(err, TC_EINPUT, "\"to\" is needed: the new commander");
    drop(&d->incident->commander);
    d->incident->commander = copy(d->to);
    return 0;
}

static int do_note(struct doing *d, struct err *err)
{
    return d->note.n > 0 ? 0 : err_set(err, TC_EINPUT, "\"note\" is needed");
}

static int do_close(struct doing *d, struct err *err)
{
    if (d->incident->phase != INCIDENT_LESSONS)
        return err_set(err, TC_ESTATE, "an incident is closed from its last phase, lessons; it is in %s",
                       phases[d->incident->phase]);
    if (d->note.n == 0)
        return err_set(err, TC_EINPUT, "\"note\" is needed: what was learned");
    d->incident->closed_ns = d->now_ns;
    return 0;
}

static const struct {
    const char *verb;
    size_t word;
    int (*act)(struct doing *doing, struct err *err);
} commands[] = {
    {"incident_open", WORD_OPENED, do_open},          {"incident_phase", WORD_PHASE, do_phase},
    {"incident_link", WORD_LINKED, do_link},          {"incident_unlink", WORD_UNLINKED, do_unlink},
    {"incident_command", WORD_COMMANDER, do_command}, {"incident_note", WORD_NOTED, do_note},
    {"incident_close", WORD_CLOSED, do_close},
};

bool incident_is_command(struct sv verb)
{
    return sv_starts(verb, SV("incident_"));
}

const struct incident *incident_find(const struct incidents *all, struct sv text)
{
    uint64_t number;
    if (!num_u64(text, 1, UINT32_MAX, &number))
        return NULL;
    for (size_t i = 0; i < all->count; i++)
        if (all->items[i]->number == number)
            return all->items[i];
    return NULL;
}

static int find_open(struct doing *d, struct sv number, struct err *err)
{
    d->incident = (struct incident *)(uintptr_t)incident_find(d->all, number);
    if (d->incident == NULL)
        return err_set(err, TC_ENOTFOUND, "there is no incident %.*s", SV_FMT(sv_head(number, 16)));
    if (d->incident->closed_ns != TC_NO_TIME)
        return err_set(err, TC_ESTATE, "the incident is closed");
    return d->incident->line_count < INCIDENT_LINES_MAX
               ? 0
               : err_set(err, TC_EBOUND, "its timeline has %d lines: close it, open another",
                         INCIDENT_LINES_MAX);
}

static struct sv line_note(const struct doing *d, struct arena *scratch)
{
    struct sv about = d->what.n > 0 ? d->what : d->to;
    if (about.n == 0 || d->note.n == 0)
        return about.n > 0 ? about : d->note;
    return text_clean(scratch, arena_printf(scratch, "%.*s: %.*s", SV_FMT(about), SV_FMT(d->note)),
                      ALERT_NOTE_MAX);
}

int incident_command(struct incidents *all, const struct book *book, const struct alert_command *command,
                     struct receive_time now, struct buf *ret_json, struct err *err)
{
    struct arena scratch = {0};
    struct doing d = {.all = all,
                      .book = book,
                      .to = text_line(&scratch, sv_trim(command->to), ALERT_BY_MAX),
                      .what = text_line(&scratch, sv_trim(command->what), ALERT_TEXT_MAX),
                      .by = text_line(&scratch, sv_trim(command->by), ALERT_BY_MAX),
                      .note = text_clean(&scratch, sv_trim(command->note), ALERT_NOTE_MAX),
                      .now_ns = now.ns};
    size_t i = 0;
    while (i < TC_ARRAY_LEN(commands) && !sv_is(command->verb, commands[i].verb))
        i++;
    int rc = i < TC_ARRAY_LEN(commands) ? 0 : err_set(err, TC_EINPUT, "this is no command for an incident");
    if (rc == 0 && i > 0)
        rc = find_open(&d, command->alert_id, err);
    if (rc == 0)
        rc = commands[i].act(&d, err);
    if (rc == 0) {
        add_line(d.incident, now.ns, commands[i].word, d.by, line_note(&d, &scratch));
        incident_to_json(d.incident, ret_json);
    }
    arena_free(&scratch);
    return rc;
}

/* --- out */

void incident_to_json(const struct incident *incident, struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_object(&json);
    json_kv_u64(&json, "number", incident->number);
    json_kv_string(&json, "title", incident->title);
    json_kv_string(&json, "commander", incident->commander);
    json_kv_str(&json, "phase", phases[incident->phase]);
    json_key(&json, SV("phases"));
    json_object(&json);
    for (size_t i = 0; i < INCIDENT_PHASES; i++)
        json_kv_time(&json, phases[i], incident->phase_ns[i]);
    json_object_end(&json);
    json_kv_time(&json, "closed_at", incident->closed_ns);
    json_key(&json, SV("alerts"));
    json_array(&json);
    for (size_t i = 0; i < incident->alert_count; i++)
        json_string(&json, sv_of(incident->alerts[i]));
    json_array_end(&json);
    json_key(&json, SV("timeline"));
    json_array(&json);
    for (size_t i = 0; i < incident->line_count; i++) {
        const struct alert_event *line = &incident->lines[i];
        json_object(&json);
        json_kv_time(&json, "time", line->time_ns);
        json_kv_string(&json, "what", line->what);
        json_kv_string(&json, "by", line->by);
        json_kv_string(&json, "note", line->note);
        json_object_end(&json);
    }
    json_array_end(&json);
    json_object_end(&json);
}

void incident_to_markdown(const struct incident *incident, struct buf *out)
{
    char time[TC_RFC3339_MAX];
    buf_printf(out, "# Incident %u: ", incident->number);
    markdown_text(incident->title, out);
    buf_str(out, "\n\nCommander: ");
    markdown_text(incident->commander, out);
    buf_str(out, "\n\n| phase | begun |\n|---|---|\n");
    for (size_t i = 0; i < INCIDENT_PHASES; i++) {
        bool begun = incident->phase_ns[i] != TC_NO_TIME;
        if (begun)
            clk_rfc3339(incident->phase_ns[i], time);
        buf_printf(out, "| %s | %s |\n", phases[i], begun ? time : "-");
    }
    buf_str(out, "\n## Alerts\n\n");
    for (size_t i = 0; i < incident->alert_count; i++)
        buf_printf(out, "- %s\n", incident->alerts[i]);
    buf_str(out, incident->alert_count == 0 ? "None are linked.\n" : "");
    buf_str(out, "\n## Timeline\n\n");
    alert_timeline_markdown(
        &(struct alert){.history = incident->lines, .history_count = incident->line_count}, out);
}

/* --- checkpoint */

void incidents_save(const struct incidents *all, struct buf *out)
{
    buf_u32(out, all->next_number);
    buf_u32(out, (uint32_t)all->count);
    for (size_t i = 0; i < all->count; i++) {
        const struct incident *one = all->items[i];
        buf_u32(out, one->number);
        buf_string(out, one->title);
        buf_string(out, one->commander);
        buf_u8(out, (uint8_t)one->phase);
        for (size_t k = 0; k < INCIDENT_PHASES; k++)
            buf_u64(out, (uint64_t)one->phase_ns[k]);
        buf_u64(out, (uint64_t)one->closed_ns);
        buf_u32(out, (uint32_t)one->alert_count);
        for (size_t k = 0; k < one->alert_count; k++)
            buf_add(out, one->alerts[k], ALERT_ID_DIGITS);
        buf_u32(out, (uint32_t)one->line_count);
        for (size_t k = 0; k < one->line_count; k++) {
            size_t word = 0;
            while (!sv_is(one->lines[k].what, words[word]))
                word++;
            buf_u64(out, (uint64_t)one->lines[k].time_ns);
            buf_u8(out, (uint8_t)word);
            buf_string(out, one->lines[k].by);
            buf_string(out, one->lines[k].note);
        }
    }
}

static void load_one(struct reader *r, struct incident *one)
{
    one->number = reader_u32(r);
    one->title = copy(reader_string(r));
    one->commander = copy(reader_string(r));
    uint8_t phase = reader_u8(r);
    r->bad |= phase >= INCIDENT_PHASES;
    one->phase = r->bad ? INCIDENT_DETECTION : (enum incident_phase)phase;
    for (size_t k = 0; k < INCIDENT_PHASES; k++)
        one->phase_ns[k] = (int64_t)reader_u64(r);
    one->closed_ns = (int64_t)reader_u64(r);
    uint32_t alerts = reader_u32(r);
    r->bad |= alerts > INCIDENT_ALERTS_MAX;
    for (uint32_t k = 0; k < alerts && !r->bad; k++) {
        char id[33] = "";
        struct sv digits = reader_bytes(r, ALERT_ID_DIGITS);
        if (!r->bad) {
            memcpy(id, digits.p, ALERT_ID_DIGITS);
            add_alert(one, id);
        }
    }
    uint32_t lines = reader_u32(r);
    r->bad |= lines > INCIDENT_LINES_MAX;
    for (uint32_t k = 0; k < lines && !r->bad; k++) {
        int64_t time_ns = (int64_t)reader_u64(r);
        uint8_t word = reader_u8(r);
        struct sv by = reader_string(r), note = reader_string(r);
        r->bad |= word >= TC_ARRAY_LEN(words);
        if (!r->bad)
            add_line(one, time_ns, word, by, note);
    }
}

bool incidents_load(struct incidents *all, struct sv saved)
{
    struct reader r = reader_of(saved);
    incidents_free(all);
    all->next_number = reader_u32(&r);
    uint32_t count = reader_u32(&r);
    r.bad |= count > INCIDENTS_MAX;
    for (uint32_t i = 0; i < count && !r.bad; i++)
        load_one(&r, append(all));
    return !r.bad && r.rest.n == 0;
}
