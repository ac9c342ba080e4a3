/*
 * What an answer means where a kind does not say otherwise, and how much of a stranger's words is shown.
 */
#include "api/receiver/courier.h"

#include <stdio.h>

static bool is_part(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z') || c == '_' || c == '-';
}

/* Do the words hold a part of the secret: letters and digits in a row, so many at least? */
static bool tells(struct sv words, struct sv secret, size_t least)
{
    for (size_t from = 0, to; from < secret.n; from = to + 1) {
        for (to = from; to < secret.n && is_part(secret.p[to]); to++)
            ;
        if (to - from >= least && sv_find(words, sv_make(secret.p + from, to - from)) < words.n)
            return true;
    }
    return false;
}

static bool is_shown(const struct courier_job *job, struct sv words)
{
    enum { OF_ADDRESS = 5, OF_BODY = 16 }; /* bodies are mostly words that may be said */
    const struct courier_request *request = &job->request;
    for (size_t i = 0; i < words.n; i++)
        if ((unsigned char)words.p[i] < ' ' || (unsigned char)words.p[i] >= 0x7f || words.p[i] == '<')
            return false;
    bool secret = tells(words, job->client.authorization, OF_ADDRESS) ||
                  tells(words, request->url, OF_ADDRESS) || tells(words, request->body, OF_BODY);
    for (size_t i = 0; i < request->header_count && !secret; i++)
        secret = tells(words, request->headers[i], OF_ADDRESS);
    for (size_t i = 0; i < job->client.header_count && !secret; i++)
        secret = tells(words, job->client.headers[i], OF_ADDRESS);
    return words.n > 0 && !secret;
}

void courier_say(struct courier_job *job, const char *what, struct sv words)
{
    words = sv_head(sv_trim(words), 120);
    if (is_shown(job, words))
        snprintf(job->detail, sizeof job->detail, "%s: %.*s", what, SV_FMT(words));
    else
        snprintf(job->detail, sizeof job->detail, "%s", what);
}

enum courier_verdict courier_judge_status(struct courier_job *job, const struct courier_answer *answer)
{
    char what[64];
    if (answer->status == 0) {
        snprintf(job->detail, sizeof job->detail, "no answer: %s", answer->problem);
        return COURIER_AGAIN;
    }
    if (answer->status / 100 == 2)
        return COURIER_TAKEN;
    snprintf(what, sizeof what, "unexpected status code %u", answer->status);
    courier_say(job, what, answer->body);
    for (size_t i = 0; i < TC_ARRAY_LEN(job->again); i++)
        if (answer->status == job->again[i])
            return COURIER_AGAIN;
    return answer->status / 100 == 5 ? COURIER_AGAIN : COURIER_REFUSED;
}
