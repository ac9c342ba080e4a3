/*
 * The data directory: made so that it survives a power cut, and locked against a second writer.
 */
#ifndef JOURNAL_DATADIR_H
#define JOURNAL_DATADIR_H

#include "base/fs.h"

/* Makes DIR/journal and all above it, durably. */
int datadir_make(const struct fs *fs, const char *dir, struct err *err);
/* Takes the kernel's lock on DIR/lock until *ret_file is closed. TC_ESTATE where another process has it. */
int datadir_lock(const struct fs *fs, const char *dir, int *ret_file, struct err *err);

#endif
