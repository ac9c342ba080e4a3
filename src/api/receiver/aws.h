/*
 * AWS: credentials from where its own tools take them, and Signature Version 4 (HMAC-SHA256).
 */
#ifndef API_RECEIVER_AWS_H
#define API_RECEIVER_AWS_H

#include "api/receiver/courier.h"
#include "base/fs.h"

struct aws_credentials {
    struct sv access_key, secret_key, session_token; /* the last may be empty */
};

/* AWS_ACCESS_KEY_ID and its kin, else the profile (empty: AWS_PROFILE, else "default") of
 * AWS_SHARED_CREDENTIALS_FILE or ~/.aws/credentials. TC_EINPUT where there are none. Texts in the arena. */
int aws_credentials_find(struct arena *arena, const struct fs *fs, struct sv profile,
                         struct aws_credentials *ret, struct err *err);
/* AWS_REGION, AWS_DEFAULT_REGION; empty where neither is set. */
struct sv aws_region(void);
/* Adds X-Amz-Date, Authorization and, for temporary credentials, X-Amz-Security-Token to a POST. */
void aws_sign(struct arena *arena, const struct aws_credentials *credentials, struct sv region,
              const char *service, int64_t now_ns, struct courier_request *request);

#endif
