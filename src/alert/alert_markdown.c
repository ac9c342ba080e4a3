/*
 * An alert as a post-mortem to go on from, in Markdown (ledger Y-16): what is known stands there, what only
 * people can say is a heading with a question.
 *
 * Texts come from events, that is from strangers: each is one line, and what Markdown or HTML would read as
 * more than text is escaped.
 */
#include "alert/alert_priv.h"

void markdown_text(struct sv text, struct buf *out)
{
    static const char special[] = "\\`*_{}[]<>()#|!~&";
    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];
        if (c < ' ' || c == 0x7f) {
            buf_char(out, ' ');
            continue;
        }
        if (memchr(special, c, sizeof special - 1) != NULL)
            buf_char(out, '\\');
        buf_char(out, (char)c);
    }
}

static void cell(struct sv text, struct buf *out)
{
    markdown_text(text.n > 0 ? text : SV("-"), out);
    buf_str(out, " | ");
}

static void row(const char *name, struct sv text, struct buf *out)
{
    buf_printf(out, "| %s | ", name);
    cell(text, out);
    buf_char(out, '\n');
}

static struct sv time_text(int64_t ns, char text[TC_RFC3339_MAX])
{
    return ns == TC_NO_TIME ? (struct sv){0} : sv_make(text, clk_rfc3339(ns, text));
}

static void row_time(const char *name, int64_t ns, struct buf *out)
{
    char text[TC_RFC3339_MAX];
    row(name, time_text(ns, text), out);
}

static void facts(const struct alert *a, struct buf *out)
{
    char count[24];
    struct buf number = {.p = count, .capacity = sizeof count, .max_bytes = sizeof count};
    buf_printf(&number, "%llu", (unsigned long long)a->count);
    buf_str(out, "| | |\n|---|---|\n");
    row("Alert", sv_of(a->id), out);
    row("Priority", sv_of(severity_name(a->severity)), out);
    row("State", sv_of(alert_state_name(a->state)), out);
    row("Disposition", a->disposition, out);
    row("Occurrences", buf_view(&number), out);
    row_time("First seen", a->first_ns, out);
    row_time("Last seen", a->last_ns, out);
    row("Owner", a->owner, out);
    row("Assigned to", a->life == NULL ? (struct sv){0} : a->life->assigned, out);
    row("Runbook", a->runbook, out);
    for (size_t i = 0; i < a->label_count; i++) {
        buf_str(out, "| ");
        cell(a->labels[i].name, out);
        cell(a->labels[i].value, out);
        buf_char(out, '\n');
    }
}

static void step(const char *name, int64_t since_ns, int64_t ns, struct sv by, struct buf *out)
{
    char time[TC_RFC3339_MAX], after[TC_RFC3339_MAX] = "";
    if (ns != TC_NO_TIME && since_ns != TC_NO_TIME && ns >= since_ns)
        clk_format_duration((ns - since_ns) / TC_SECOND_NS * TC_SECOND_NS, after);
    buf_printf(out, "| %s | ", name);
    cell(time_text(ns, time), out);
    cell(sv_of(after), out);
    cell(by, out);
    buf_char(out, '\n');
}

static void steps(const struct alert *a, struct buf *out)
{
    static const struct alert_life nobody = {.assessed_ns = TC_NO_TIME,
                                             .responded_ns = TC_NO_TIME,
                                             .documented_ns = TC_NO_TIME,
                                             .breached_ns = TC_NO_TIME,
                                             .overdue_ns = TC_NO_TIME};
    const struct alert_life *life = a->life != NULL ? a->life : &nobody;
    int64_t since_ns = a->history_count > 0 ? a->history[0].time_ns : a->first_ns;
    buf_str(out, "| step | at | after | by |\n|---|---|---|---|\n");
    step("Acknowledge", since_ns, a->acknowledged_ns, a->acknowledged_by, out);
    step("Assess", since_ns, life->assessed_ns, life->assessed_by, out);
    step("Respond", since_ns, life->responded_ns, life->responded_by, out);
    step("Resolve", since_ns, a->ended_ns, a->ended_by, out);
    step("Document", since_ns, life->documented_ns, life->documented_by, out);
    if (life->impact.n > 0)
        buf_printf(out, "\nImpact: %.*s. Urgency: %.*s.\n", SV_FMT(life->impact), SV_FMT(life->urgency));
    if (life->breached_ns != TC_NO_TIME)
        buf_str(out, "\nThe goal for the acknowledgement was missed.\n");
    if (life->overdue_ns != TC_NO_TIME)
        buf_str(out, "\nIt was open for longer than the goal of its priority.\n");
}

void alert_timeline_markdown(const struct alert *a, struct buf *out)
{
    for (size_t i = 0; i < a->history_count; i++) {
        char time[TC_RFC3339_MAX];
        clk_rfc3339(a->history[i].time_ns, time);
        buf_printf(out, "- %s ", time);
        markdown_text(a->history[i].what, out);
        buf_str(out, " by ");
        markdown_text(a->history[i].by, out);
        if (a->history[i].note.n > 0) {
            buf_str(out, ": ");
            markdown_text(a->history[i].note, out);
        }
        buf_char(out, '\n');
    }
}

static void tasks(const struct alert *a, struct buf *out)
{
    if (a->life == NULL || a->life->task_count == 0) {
        buf_str(out, "None were set.\n");
        return;
    }
    for (size_t i = 0; i < a->life->task_count; i++) {
        const struct alert_task *task = &a->life->tasks[i];
        char due[TC_RFC3339_MAX];
        buf_printf(out, "- [%c] ", task->done_ns != TC_NO_TIME ? 'x' : ' ');
        markdown_text(task->what, out);
        buf_str(out, ", due ");
        buf_sv(out, time_text(task->due_ns, due));
        if (task->owner.n > 0) {
            buf_str(out, ", ");
            markdown_text(task->owner, out);
        }
        buf_char(out, '\n');
    }
}

static void question(const char *title, const char *text, struct sv known, struct buf *out)
{
    buf_printf(out, "\n## %s\n\n", title);
    if (known.n > 0)
        markdown_text(known, out);
    else
        buf_printf(out, "_%s_", text);
    buf_char(out, '\n');
}

void alert_to_markdown(const struct alert *a, struct buf *out)
{
    buf_str(out, "# ");
    markdown_text(a->title, out);
    buf_str(out, "\n\n");
    markdown_text(a->message, out);
    buf_str(out, "\n\n");
    facts(a, out);
    buf_str(out, "\n## Response\n\n");
    steps(a, out);
    question("What happened", "What did users and systems notice, and for how long?", a->description, out);
    question("Root cause", "Why did it happen? Ask until the answer is something that can be changed.",
             a->note, out);
    question("What was done, what was learned", "What went well, what did not?",
             a->life == NULL ? (struct sv){0} : a->life->document, out);
    buf_str(out, "\n## Follow-up\n\n");
    tasks(a, out);
    buf_str(out, "\n## Timeline\n\n");
    alert_timeline_markdown(a, out);
}
