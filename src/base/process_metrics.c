/*
 * What a process tells of itself; see process_metrics.h.
 */
#include "base/process_metrics.h"

#include "base/metric_text.h"

#include <dirent.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

static unsigned open_files(void)
{
    unsigned count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (dir == NULL)
        return 0;
    while (readdir(dir) != NULL)
        count++;
    closedir(dir);
    return count > 3 ? count - 3 : 0; /* ., .., and the walk's own */
}

/* Pages of virtual and resident memory. */
static void memory(unsigned long long *virtual_pages, unsigned long long *resident_pages)
{
    FILE *file = fopen("/proc/self/statm", "re");
    *virtual_pages = *resident_pages = 0;
    if (file == NULL)
        return;
    if (fscanf(file, "%llu %llu", virtual_pages, resident_pages) != 2)
        *virtual_pages = *resident_pages = 0;
    fclose(file);
}

void process_metrics(int64_t started_ns, struct buf *out)
{
    struct rusage usage = {0};
    struct rlimit files = {0};
    unsigned long long virtual_pages, resident_pages;
    double page = (double)sysconf(_SC_PAGESIZE);
    getrusage(RUSAGE_SELF, &usage);
    getrlimit(RLIMIT_NOFILE, &files);
    memory(&virtual_pages, &resident_pages);
    const struct metric rows[] = {
        {"process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
         (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
             (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6},
        {"process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
         (double)resident_pages * page},
        {"process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.",
         (double)virtual_pages * page},
        {"process_open_fds", "gauge", "Number of open file descriptors.", open_files()},
        {"process_max_fds", "gauge", "Maximum number of open file descriptors.", (double)files.rlim_cur},
        {"process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.",
         (double)started_ns / 1e9},
    };
    metric_rows(out, rows, TC_ARRAY_LEN(rows));
}
