/*
 * Tokens of questions; see question.h.
 */
#include "notify/question.h"

#include "base/hash.h"
#include "base/num.h"

#include <nettle/hmac.h>
#include <sodium.h>
#include <stdio.h>

enum { TOKEN_BYTES = 16 }; /* 128 bits: nobody guesses one */

void question_token(const uint8_t key[TC_QUESTION_KEY_BYTES], struct sv alert_id, uint64_t number,
                    char ret[TC_QUESTION_TOKEN_BYTES])
{
    struct hmac_sha256_ctx hmac;
    uint8_t digest[SHA256_DIGEST_SIZE];
    char hex[2 * TOKEN_BYTES + 1], text[24];
    int n = snprintf(text, sizeof text, " %llu", (unsigned long long)number);
    hmac_sha256_set_key(&hmac, TC_QUESTION_KEY_BYTES, key);
    hmac_sha256_update(&hmac, alert_id.n, (const uint8_t *)alert_id.p);
    hmac_sha256_update(&hmac, (size_t)n, (const uint8_t *)text);
    hmac_sha256_digest(&hmac, sizeof digest, digest);
    hash_hex(digest, TOKEN_BYTES, hex);
    snprintf(ret, TC_QUESTION_TOKEN_BYTES, "%lu-%s", (unsigned long)(number % 10000000000u), hex);
}

bool question_token_holds(const uint8_t key[TC_QUESTION_KEY_BYTES], struct sv alert_id, struct sv token,
                          uint64_t *ret_number)
{
    char right[TC_QUESTION_TOKEN_BYTES];
    size_t dash = sv_find_char(token, '-');
    if (!num_u64(sv_head(token, dash), 1, UINT32_MAX, ret_number))
        return false;
    question_token(key, alert_id, *ret_number, right);
    struct sv expected = sv_of(right);
    return token.n == expected.n && sodium_memcmp(token.p, expected.p, expected.n) == 0;
}
