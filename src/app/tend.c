/*
 * The main thread's round; see tend.h.
 */
#include "app/tend.h"

#include "app/sandbox.h"
#include "app/supervise.h"
#include "base/log.h"
#include "base/metric_text.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ROUND_NS (5 * TC_SECOND_NS)

static atomic_bool sandbox_is_on;
static bool log_is_for_people = true;

/* systemd names the device and inode of the stream that it reads: standard error may have been sent elsewhere
 * since. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    struct stat st;
    char text[64];
    if (stream == NULL || fstat(STDERR_FILENO, &st) != 0)
        return false;
    snprintf(text, sizeof text, "%llu:%llu", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
    return strcmp(text, stream) == 0;
}

bool tend_log(const struct cli_args *args)
{
    const char *format = cli_value(args, "log-format", NULL), *level = cli_value(args, "log-level", "info");
    struct log_options o = {.file = STDERR_FILENO, .clk = &clk_system};
    bool journal = stderr_is_journal(), terminal = isatty(STDERR_FILENO) == 1;
    if (format != NULL && strcmp(format, "json") != 0 && strcmp(format, "text") != 0) {
        cli_fail(args, CLI_USAGE, "--log-format %s: it is json or text", format);
        return false;
    }
    if (!log_level_of(level, &o.min_level)) {
        cli_fail(args, CLI_USAGE, "--log-level %s: it is debug, info, warn or error", level);
        return false;
    }
    bool text = format != NULL ? strcmp(format, "text") == 0 : terminal || journal;
    o.format = !text ? LOG_JSON : journal ? LOG_JOURNAL : LOG_TEXT;
    log_is_for_people = o.format == LOG_TEXT;
    log_start(&o);
    return true;
}

enum cli_exit tend_start_failed(const struct cli_args *args, const struct err *err)
{
    if (log_is_for_people)
        cli_fail_err(args, err);
    else
        log_err(LOG_ERROR_LEVEL, "run", err, "cannot start");
    return err->code == TC_EINPUT || err->code == TC_EUNSUPPORTED ? CLI_USAGE : CLI_FAILED;
}

void tend_report_rules(const struct ruleset *ruleset)
{
    enum { TOLD_MAX = 1000 };
    size_t refused = 0;
    for (size_t i = 0; i < ruleset_note_count(ruleset); i++) {
        const struct rule_note *note = ruleset_note(ruleset, i);
        if (note->verdict == RULE_REFUSED && refused++ < TOLD_MAX)
            log_err_unlimited(LOG_WARN_LEVEL, "rules", &note->err, "a rule is refused [%s]", note->construct);
    }
    if (refused > TOLD_MAX)
        log_warn("rules", "%zu more rules are refused: `tocsin check` lists them", refused - TOLD_MAX);
}

void tend_sandbox(bool wanted)
{
    enum sandbox_state state;
    struct err err;
    if (!wanted)
        log_warn("sandbox", "off by the configuration: every system call is open to this process");
    else if (sandbox_enter(&state, &err) != 0)
        log_err(LOG_WARN_LEVEL, "sandbox", &err, "not on; the server goes on without");
    else if (state == SANDBOX_SANITIZER)
        log_warn("sandbox", "off: this program was built with a sanitizer, which needs other system calls");
    else
        sandbox_is_on = true;
}

void tend_metrics(struct buf *out)
{
    struct sandbox_stats stats;
    sandbox_stats(&stats);
    const struct metric rows[] = {
        {"tocsin_sandbox_on", "gauge", "1 while the filter of system calls is on.",
         atomic_load(&sandbox_is_on)},
        {"tocsin_sandbox_refused_calls_total", "counter", "System calls that the filter refused.",
         (double)stats.refused},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
}

/* What the handler of the refusal could not say itself. */
static void tell_refused(uint64_t *told)
{
    struct sandbox_stats stats;
    sandbox_stats(&stats);
    if (stats.refused > *told)
        log_error("sandbox",
                  "%llu system calls were refused, the last one %s: a fault, or somebody else's code in this "
                  "process",
                  (unsigned long long)(stats.refused - *told), stats.refused_name);
    *told = stats.refused;
}

int tend_until_signal(const sigset_t *signals, bool (*alive)(void *context), void *context)
{
    int64_t interval_ns = supervise_interval_ns(), wait_ns = ROUND_NS;
    uint64_t told = 0;
    if (interval_ns > 0)
        wait_ns = TC_MIN(wait_ns, interval_ns);
    struct timespec wait = {wait_ns / TC_SECOND_NS, wait_ns % TC_SECOND_NS};
    supervise_ready("taking events in");
    for (;;) {
        if (alive(context))
            supervise_alive();
        int signal_number = sigtimedwait(signals, NULL, &wait);
        tell_refused(&told);
        log_flush_suppressed();
        if (signal_number > 0)
            return signal_number;
    }
}
