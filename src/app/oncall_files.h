/*
 * The file of people and policies, and the calendars that it names: read, or fetched, for `run` and `check`.
 */
#ifndef APP_ONCALL_FILES_H
#define APP_ONCALL_FILES_H

#include "app/config.h"
#include "app/core.h"

enum { ONCALL_FILE_MAX = 1 << 20, ONCALL_GAP_DAYS = 28 };

struct oncall_files { /* texts live in the arena that was given */
    struct core_text text;
    struct core_text *calendars;
    size_t calendar_count;
};

/*
 * Reads what config->oncall names; without a name the text is empty, which means the built-in policies. A
 * calendar that is a URL is fetched (10 s, 4 MiB); where that fails, the copy in DATA/calendars of the last
 * time that it did not is taken, with a warning. TC_EINPUT with file, line and column; also for channels that
 * the configuration does not have.
 */
int oncall_files_read(const struct config *config, struct arena *arena, struct oncall_files *ret,
                      struct err *err);
/* Whether the channels that they name are there in `running`, too: those of a configuration that was read
 * anew are made at a restart only, and a step told by one of them would be told to nobody. */
int oncall_files_check(const struct oncall_files *files, const struct config *running, struct err *err);
/* The same texts, read into memory. */
int oncall_files_parse(const struct oncall_files *files, struct oncall **ret, struct err *err);

/* Calls `each` for every hour and more of the next four weeks in which a schedule has nobody. Returns how
 * many there are. */
typedef void (*oncall_gap_fn)(void *context, const struct oncall_schedule *schedule, int64_t from_ns,
                              int64_t to_ns);
size_t oncall_gaps(const struct oncall *oncall, int64_t now_ns, oncall_gap_fn each, void *context);

#endif
