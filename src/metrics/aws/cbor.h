/*
 * CBOR (RFC 8949) into values, as AWS's clients write it (smithy's rpc-v2-cbor): maps with text keys, lists,
 * texts, numbers, tagged times. Bounded: CBOR_DEPTH_MAX levels, CBOR_ITEMS_MAX items.
 */
#ifndef METRICS_AWS_CBOR_H
#define METRICS_AWS_CBOR_H

#include "template/value.h"

enum { CBOR_DEPTH_MAX = 32, CBOR_ITEMS_MAX = 1000 * 1000 };

/* Tags are dropped, what they tag stays; undefined is null; byte strings are texts. Texts of one piece point
 * into `bytes`. TC_EINPUT for what is not CBOR, or is more than one item. */
int cbor_read(struct sv bytes, struct arena *arena, struct template_value *ret, struct err *err);

#endif
