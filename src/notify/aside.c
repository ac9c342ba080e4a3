/*
 * Asides: a word to one person that is no notification ("you may not acknowledge this"), to an address that
 * the vendor named. Sent once, without a receipt; what fails is a line in the log. At most TC_ASIDES_MAX wait
 * or are under way; past that a new one is dropped.
 */
#include "notify/http.h"
#include "notify/pump.h"

#include "base/log.h"

#include <stdlib.h>

enum { ASIDE_BYTES = 8 << 10 };

static void free_aside(struct notifier *n, struct aside *aside)
{
    transfer_free(&aside->transfer);
    buf_free(&aside->url);
    buf_free(&aside->body);
    free(aside);
    pthread_mutex_lock(&n->aside_lock);
    n->aside_count--;
    pthread_mutex_unlock(&n->aside_lock);
}

static const struct lane *lane_of(const struct notifier *n, struct sv channel)
{
    for (size_t i = 0; i < n->lane_count; i++)
        if (sv_eq(n->lanes[i].config.name, channel))
            return &n->lanes[i];
    return NULL;
}

bool notifier_say(struct notifier *n, struct sv channel, struct sv url, struct sv body)
{
    const struct lane *lane = lane_of(n, channel);
    if (lane == NULL || url.n > ASIDE_BYTES || body.n > ASIDE_BYTES)
        return false;
    pthread_mutex_lock(&n->aside_lock);
    bool room = n->aside_count < TC_ASIDES_MAX;
    if (room) {
        struct aside *aside = tc_alloc(sizeof *aside);
        *aside = (struct aside){.state = DELIVERY_ASIDE, .next = n->asides, .ca_file = lane->config.ca_file};
        buf_init(&aside->url, ASIDE_BYTES + 1);
        buf_init(&aside->body, ASIDE_BYTES + 1);
        buf_sv(&aside->url, url);
        buf_sv(&aside->body, body);
        n->asides = aside;
        n->aside_count++;
    }
    pthread_mutex_unlock(&n->aside_lock);
    if (room)
        notifier_wake(n);
    return room;
}

size_t notifier_asides(struct notifier *n)
{
    pthread_mutex_lock(&n->aside_lock);
    size_t count = n->aside_count;
    pthread_mutex_unlock(&n->aside_lock);
    return count;
}

static void begin(struct notifier *n, struct aside *aside)
{
    aside->transfer = http_transfer_new(&(struct http_post){.url = buf_view(&aside->url),
                                                            .content_type = "application/json",
                                                            .body = buf_view(&aside->body),
                                                            .ca_file = aside->ca_file,
                                                            .timeout_ns = n->options.timeout_ns});
    if (aside->transfer != NULL &&
        curl_easy_setopt(aside->transfer->easy, CURLOPT_PRIVATE, aside) == CURLE_OK &&
        curl_multi_add_handle(n->multi, aside->transfer->easy) == CURLM_OK) {
        aside->next = n->begun_asides;
        n->begun_asides = aside;
    } else {
        free_aside(n, aside);
    }
}

bool aside_begin(struct notifier *n)
{
    pthread_mutex_lock(&n->aside_lock);
    struct aside *all = n->asides;
    n->asides = NULL;
    pthread_mutex_unlock(&n->aside_lock);
    bool any = all != NULL;
    while (all != NULL) {
        struct aside *next = all->next;
        begin(n, all);
        all = next;
    }
    return any;
}

static void unlink_begun(struct notifier *n, const struct aside *aside)
{
    struct aside **at = &n->begun_asides;
    while (*at != NULL && *at != aside)
        at = &(*at)->next;
    if (*at != NULL)
        *at = aside->next;
}

void aside_end(struct notifier *n, struct aside *aside, CURLcode outcome)
{
    struct answer answer;
    aside->transfer->judge(aside->transfer, outcome, 0, &answer);
    if (answer.result != SEND_OK)
        log_warn("notify", "a word to one person was not delivered: %s", answer.detail);
    curl_multi_remove_handle(n->multi, aside->transfer->easy);
    unlink_begun(n, aside);
    free_aside(n, aside);
}

void aside_abandon(struct notifier *n)
{
    while (n->begun_asides != NULL) {
        struct aside *aside = n->begun_asides;
        n->begun_asides = aside->next;
        curl_multi_remove_handle(n->multi, aside->transfer->easy);
        free_aside(n, aside);
    }
    while (n->asides != NULL) {
        struct aside *aside = n->asides;
        n->asides = aside->next;
        free_aside(n, aside);
    }
}
