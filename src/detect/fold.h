/*
 * Folding ASCII, which nearly all of an event is: sixteen bytes at a time; for this room only.
 */
#ifndef DETECT_FOLD_H
#define DETECT_FOLD_H

#include "base/sv.h"

/*
 * Writes the lower case of the ASCII bytes at the front of `value` to `to`, which has room for all of it;
 * returns their number. Where that is less than value.n, the byte behind them is not ASCII.
 */
size_t fold_ascii(char *to, struct sv value);

#endif
