/*
 * Back-off and Retry-After; see retry.h.
 */
#include "notify/retry.h"

#include "base/clk.h"
#include "base/num.h"

#include <curl/curl.h>

int64_t retry_backoff(uint32_t attempts, int64_t first_ns, int64_t max_ns, const struct rng *rng)
{
    int64_t delay_ns = first_ns;
    for (uint32_t i = 1; i < attempts && delay_ns < max_ns; i++)
        delay_ns = delay_ns > max_ns / 2 ? max_ns : delay_ns * 2;
    delay_ns = TC_MIN(TC_MIN(delay_ns, max_ns), TC_RETRY_AFTER_MAX_NS);
    int64_t fifth = delay_ns / 5; /* many rows that failed together shall not come back together */
    int64_t jitter = (int64_t)(rng_u64(rng) % (uint64_t)(2 * fifth + 1)) - fifth;
    return TC_MIN(delay_ns + jitter, TC_RETRY_AFTER_MAX_NS);
}

static int64_t until_date(struct sv header, int64_t now_ns)
{
    char text[64];
    if (header.n >= sizeof text || header.n < 20 || memchr(header.p, '\0', header.n) != NULL)
        return -1;
    memcpy(text, header.p, header.n);
    text[header.n] = '\0';
    int64_t at_s = curl_getdate(text, NULL);
    int64_t max_s = INT64_MAX / TC_SECOND_NS;
    if (at_s < 0)
        return -1;
    int64_t at_ns = TC_MIN(at_s, max_s) * TC_SECOND_NS;
    return at_ns <= now_ns ? 0 : TC_MIN(at_ns - now_ns, TC_RETRY_AFTER_MAX_NS);
}

int64_t retry_after(struct sv header, int64_t now_ns)
{
    uint64_t seconds;
    header = sv_trim(header);
    if (num_u64(header, 0, UINT64_MAX, &seconds))
        return seconds >= TC_RETRY_AFTER_MAX_NS / TC_SECOND_NS ? TC_RETRY_AFTER_MAX_NS
                                                               : (int64_t)seconds * TC_SECOND_NS;
    return until_date(header, now_ns);
}
