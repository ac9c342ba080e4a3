/*
 * How often each rule speaks, per day of events, against a budget (ledger D-23): a rule that speaks more
 * often than people can look is one that they will not look at.
 */
#ifndef CLI_NOISE_H
#define CLI_NOISE_H

#include "base/buf.h"
#include "detect/detect.h"

struct noise {
    uint64_t *counts; /* by ordinal; owned */
    size_t rules;
    int64_t first_ns, last_ns; /* of the events judged; TC_NO_TIME: none yet */
};

void noise_init(struct noise *noise, const struct ruleset *ruleset);
void noise_free(struct noise *noise);
void noise_event(struct noise *noise, int64_t time_ns);
void noise_finding(struct noise *noise, const struct finding *finding);
/* Lines of all rules that spoke, the loudest first, those above `budget` a day marked; as a table, or one
 * JSON object a line {rule, id, findings, per_day, over}. A time shorter than a day counts as one. Returns
 * how many are above. */
size_t noise_report(const struct noise *noise, const struct ruleset *ruleset, uint64_t budget, bool json,
                    struct buf *out);

#endif
