/*
 * The progress line; see progress.h. Bytes are those of the files as they lie on the disk, so that a packed
 * file has an end that is known.
 */
#include "cli/progress.h"

#include <stdio.h>
#include <unistd.h>

#define EVERY_NS (TC_SECOND_NS / 5)

bool progress_start(struct progress *progress, const struct cli_args *args, const struct clk *clk)
{
    const char *word = cli_value(args, "progress", "auto");
    bool always = strcmp(word, "always") == 0, never = strcmp(word, "never") == 0;
    *progress = (struct progress){.clk = clk, .started_ns = clk_monotonic_ns(clk)};
    if (!always && !never && strcmp(word, "auto") != 0) {
        cli_fail(args, CLI_USAGE, "--progress %s: it is auto, always or never", word);
        return false;
    }
    /* findings that scroll by on the same terminal say enough, and a line among them would tear them */
    progress->on = always || (!never && isatty(STDERR_FILENO) == 1 && isatty(STDOUT_FILENO) != 1);
    progress->next_ns = progress->started_ns + (always ? 0 : EVERY_NS);
    return true;
}

static void add_size(double bytes, char *out, size_t size)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    size_t unit = 0;
    while (bytes >= 1024 && unit + 1 < TC_ARRAY_LEN(units)) {
        bytes /= 1024;
        unit++;
    }
    snprintf(out, size, unit == 0 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
}

void progress_line(uint64_t done_bytes, uint64_t total_bytes, int64_t elapsed_ns, uint64_t findings,
                   char *out, size_t size)
{
    char done[32], total[32], rate[32], left[48] = "";
    double seconds = (double)TC_MAX(elapsed_ns, INT64_C(1)) / 1e9, per_second = (double)done_bytes / seconds;
    add_size((double)done_bytes, done, sizeof done);
    add_size((double)total_bytes, total, sizeof total);
    add_size(per_second, rate, sizeof rate);
    if (total_bytes == 0) {
        snprintf(out, size, "%s, %s/s, %llu findings", done, rate, (unsigned long long)findings);
        return;
    }
    uint64_t percent =
        done_bytes >= total_bytes ? 100 : (uint64_t)((double)done_bytes * 100.0 / (double)total_bytes);
    if (per_second > 0 && done_bytes <= total_bytes) {
        uint64_t s = (uint64_t)TC_MIN((double)(total_bytes - done_bytes) / per_second, 359999.0);
        snprintf(left, sizeof left, ", %llu:%02llu:%02llu left", (unsigned long long)(s / 3600),
                 (unsigned long long)(s / 60 % 60), (unsigned long long)(s % 60));
    }
    snprintf(out, size, "%3llu%% %s of %s, %s/s%s, %llu findings", (unsigned long long)percent, done, total,
             rate, left, (unsigned long long)findings);
}

void progress_step(struct progress *progress, const struct inputs *inputs, uint64_t findings)
{
    char line[160];
    uint64_t done, total;
    if (!progress->on)
        return;
    int64_t now_ns = clk_monotonic_ns(progress->clk);
    if (now_ns < progress->next_ns)
        return;
    progress->next_ns = now_ns + EVERY_NS;
    inputs_progress(inputs, &done, &total);
    progress_line(done, total, now_ns - progress->started_ns, findings, line, sizeof line);
    fprintf(stderr, "\r\x1b[K%.79s", line);
    fflush(stderr);
    progress->drawn = true;
}

void progress_wipe(struct progress *progress)
{
    if (progress->drawn)
        fputs("\r\x1b[K", stderr);
    progress->drawn = false;
}
