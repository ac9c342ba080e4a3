/*
 * When to try again: back-off with jitter, and what a server asks for. Pure functions; the clock and the
 * randomness are the caller's.
 */
#ifndef NOTIFY_RETRY_H
#define NOTIFY_RETRY_H

#include "base/rng.h"
#include "base/sv.h"

/* No wait is longer, whatever a server asks for. store/outbox.c relies on it being under two hours. */
#define TC_RETRY_AFTER_MAX_NS (INT64_C(3600) * 1000000000)

/* After `attempts` (1 or more) failed attempts: first, 2 first, 4 first … up to max, each +-20 %, never above
 * TC_RETRY_AFTER_MAX_NS. */
int64_t retry_backoff(uint32_t attempts, int64_t first_ns, int64_t max_ns, const struct rng *rng);
/* The value of a Retry-After header (RFC 9110, 10.2.3): seconds, or an HTTP date against `now_ns`. -1 where
 * it is neither; 0 where the time is past; at most TC_RETRY_AFTER_MAX_NS. */
int64_t retry_after(struct sv header, int64_t now_ns);

#endif
