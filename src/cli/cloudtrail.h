/*
 * The log files of AWS CloudTrail, judged by its digest files: a copy of the bucket (`aws s3 sync`), with no
 * call to AWS.
 *
 * An hourly digest names each log file with its SHA-256 and the digest before it with hash and signature; it
 * is itself signed with RSA by AWS. A digest's own signature is metadata of its object in S3, which a copy
 * lacks: the next digest holds it. So all but the newest are proven by what follows them; the newest where
 * FILE.signature stands beside it.
 */
#ifndef CLI_CLOUDTRAIL_H
#define CLI_CLOUDTRAIL_H

#include "base/buf.h"
#include "base/err.h"

struct cloudtrail_report {
    uint64_t digests, proven; /* of these, by a signature */
    uint64_t logs, logs_good; /* named by digests; there, and as they were */
    uint64_t problems;
    struct buf text; /* a line for each problem, at most 10,000; owned */
};

/* All below `dir`. `keys`: file with the output of `aws cloudtrail list-public-keys`, or one public key as
 * PEM. TC_EINPUT, TC_EIO where nothing could be judged; problems of single files are lines of the report.
 * Free *ret with cloudtrail_free in any case. */
int cloudtrail_verify(const char *dir, const char *keys, struct cloudtrail_report *ret, struct err *err);
void cloudtrail_free(struct cloudtrail_report *report);

#endif
