/*
 * What writer and reader of blocks share.
 */
#ifndef METRICS_TSDB_BLOCK_LAYOUT_H
#define METRICS_TSDB_BLOCK_LAYOUT_H

#include "base/tc.h"

enum { BLOCK_MAGIC = 0x4b4c4254, PART_SYMBOLS = 0, PART_SERIES, PART_POSTINGS, BLOCK_PARTS };

struct block_part {
    uint64_t offset, bytes, checksum;
};

#endif
