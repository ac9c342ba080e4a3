/*
 * From due rows to receipts; see pump.h.
 *
 * What a failure means for the lane: where the destination itself is down (no connection, 429, 502-504) the
 * lane pauses, as long as Retry-After says or for the first back-off, and then sends one message at a time
 * until one gets through. Where one message fails (500, 408), only it waits.
 */
#include "notify/pump.h"

#include "base/log.h"
#include "base/num.h"
#include "event/json.h"
#include "notify/retry.h"

#include <math.h>
#include <stdio.h>

/* From this attempt on a server's Retry-After cannot make the wait shorter than the back-off, so that a
 * server that says "1 s" for hours does not use up all attempts in minutes. */
enum { PATIENT_FROM_ATTEMPT = 10 };

const double notify_latency_bounds[TC_LATENCY_BUCKETS] = {0.1, 0.25, 0.5, 1, 2.5, 5, 10, INFINITY};

static int64_t mono(const struct notifier *n)
{
    return clk_monotonic_ns(n->options.clk);
}

static size_t busy(const struct lane *lane)
{
    size_t count = 0;
    for (size_t i = 0; i < TC_ARRAY_LEN(lane->deliveries); i++)
        count += lane->deliveries[i].state != DELIVERY_FREE;
    return count;
}

static bool is_under_way(const struct lane *lane, struct sv key)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(lane->deliveries); i++)
        if (lane->deliveries[i].state != DELIVERY_FREE && sv_eq(buf_view(&lane->deliveries[i].key), key))
            return true;
    return false;
}

static struct delivery *free_delivery(struct lane *lane)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(lane->deliveries); i++)
        if (lane->deliveries[i].state == DELIVERY_FREE)
            return &lane->deliveries[i];
    return NULL;
}

static void release(struct delivery *d)
{
    buf_free(&d->key);
    buf_free(&d->payload);
    buf_free(&d->alert_id);
    buf_free(&d->body);
    transfer_free(&d->transfer);
    *d = (struct delivery){.lane = d->lane};
    d->lane->look_mono_ns = 0; /* a place is free */
}

/* --- ends ------------------------------------------------------------------------------------------------
 */

static void complain(struct delivery *d, const char *what, const char *why)
{
    if (!d->complained)
        log_warn("notify", "channel %.*s: %s: %s; trying again each second", SV_FMT(d->lane->config.name),
                 what, why);
    d->complained = true;
}

static void hand_receipt(struct notifier *n, struct delivery *d)
{
    struct sv key = buf_view(&d->key);
    bool failed = sv_is(sv_of(d->status), "failed");
    struct lane *lane = d->lane;
    struct receipt receipt = {.key = key,
                              .channel = lane->config.name,
                              .status = sv_of(d->status),
                              .detail = sv_of(d->detail),
                              .provider_id = sv_of(d->provider_id),
                              .error = sv_of(d->error),
                              .fallback = failed ? lane->config.fallback : (struct sv){0},
                              .code = d->code,
                              .attempts = d->attempts};
    if (n->options.receipt(n->options.context, &receipt) != 0) {
        complain(d, "the receipt is not durable yet", "the journal refused it");
        d->again_mono_ns = mono(n) + TC_LOOK_EVERY_NS;
        return;
    }
    uint64_t *slot = map_put(&n->handed, key, NULL);
    tc_assert(slot != NULL); /* rows are begun only where there is room */
    *slot = 1;
    atomic_fetch_add(failed ? &n->failed : &n->sent, 1);
    atomic_fetch_add(failed ? &lane->failed : &lane->sent, 1);
    map_remove(&lane->served, key);
    map_remove(&lane->taken, key);
    if (failed)
        log_warn("notify", "channel %.*s: notification %.*s is given up: %s", SV_FMT(d->lane->config.name),
                 SV_FMT(key), d->detail);
    release(d);
}

static void store_retry(struct notifier *n, struct delivery *d)
{
    struct err err;
    int rc = store_outbox_retry(n->store, buf_view(&d->key), d->attempts, d->next_ns, sv_of(d->detail), &err);
    if (rc != 0) {
        complain(d, "the time of the next attempt is not stored yet", err.text);
        d->again_mono_ns = mono(n) + TC_LOOK_EVERY_NS;
        return;
    }
    atomic_fetch_add(&n->retries, 1);
    atomic_fetch_add(&d->lane->retries, 1);
    release(d);
}

static void finish(struct notifier *n, struct delivery *d)
{
    if (d->state == DELIVERY_RECEIPT)
        hand_receipt(n, d);
    else
        store_retry(n, d);
}

static void end_with(struct notifier *n, struct delivery *d, const char *status, const char *detail)
{
    d->state = DELIVERY_RECEIPT;
    d->status = status;
    snprintf(d->detail, sizeof d->detail, "%.*s", (int)sizeof d->detail - 1, detail);
    finish(n, d);
}

static int64_t wait_of(const struct notifier *n, const struct delivery *d, const struct answer *answer)
{
    const struct notifier_options *o = &n->options;
    int64_t backoff_ns = retry_backoff(d->attempts, o->first_retry_ns, o->max_retry_ns, o->rng);
    if (answer->retry_after_ns <= 0)
        return backoff_ns;
    return d->attempts < PATIENT_FROM_ATTEMPT ? answer->retry_after_ns
                                              : TC_MAX(answer->retry_after_ns, backoff_ns);
}

static void postpone(struct notifier *n, struct delivery *d, const struct answer *answer)
{
    struct lane *lane = d->lane;
    if (answer->destination_down) {
        lane->probing = true;
        lane->paused_until_mono_ns =
            mono(n) + (answer->retry_after_ns > 0 ? answer->retry_after_ns : n->options.first_retry_ns);
    }
    snprintf(d->error, sizeof d->error, "%s", answer->detail);
    if (d->attempts >= n->options.max_attempts) {
        char detail[256];
        snprintf(detail, sizeof detail, "given up after %u attempts; the last: %s", d->attempts,
                 answer->detail);
        end_with(n, d, "failed", detail);
        return;
    }
    d->state = DELIVERY_POSTPONE;
    d->next_ns = clk_now(n->options.clk).ns + wait_of(n, d, answer);
    snprintf(d->detail, sizeof d->detail, "%s", answer->detail);
    finish(n, d);
}

static void note_latency(struct notifier *n, const struct delivery *d)
{
    struct lane *lane = d->lane;
    int64_t took_ns = mono(n) - d->begun_mono_ns;
    atomic_fetch_add(&lane->attempts, 1);
    atomic_fetch_add(&lane->latency_ns, (uint64_t)took_ns);
    for (size_t i = 0; i < TC_LATENCY_BUCKETS; i++)
        if ((double)took_ns <= notify_latency_bounds[i] * 1e9)
            atomic_fetch_add(&lane->latency[i], 1);
}

static void send_off(struct notifier *n, struct delivery *d);

/* Who has the mail already is not asked to take it again, as long as this process lives. */
static void note_served(struct delivery *d, uint64_t served)
{
    uint64_t *slot = served == 0 ? NULL : map_put(&d->lane->served, buf_view(&d->key), NULL);
    if (slot != NULL)
        *slot |= served;
}

/* How many of the requests were taken so far, those of earlier attempts with them. */
static unsigned count_taken(struct delivery *d, uint64_t more)
{
    uint64_t *slot = more == 0 ? map_get(&d->lane->taken, buf_view(&d->key))
                               : map_put(&d->lane->taken, buf_view(&d->key), NULL);
    d->taken |= more | (slot == NULL ? 0 : *slot);
    if (slot != NULL)
        *slot = d->taken;
    return (unsigned)__builtin_popcountll(d->taken);
}

/* The first request that is neither taken nor refused for good; d->steps: there is none. */
static size_t open_step(const struct delivery *d)
{
    size_t step = 0;
    while (step < d->steps && (d->parcel.served >> step & 1) != 0)
        step++;
    return step;
}

/* One of several requests is over; the last says what became of the whole. */
static void end_step(struct delivery *d, struct answer *answer)
{
    bool taken = answer->result == SEND_OK;
    uint64_t bit = UINT64_C(1) << d->parcel.step;
    d->parcel.served |= bit;
    note_served(d, bit);
    size_t refused = d->steps - count_taken(d, taken ? bit : 0);
    if (taken && d->provider_id[0] == '\0')
        memcpy(d->provider_id, answer->provider_id, sizeof d->provider_id);
    if (!taken)
        snprintf(d->error, sizeof d->error, "%s", answer->detail);
    if (open_step(d) < d->steps || refused == 0)
        return;
    answer->result = refused < d->steps ? SEND_OK : SEND_REFUSED;
    snprintf(answer->detail, sizeof answer->detail, "%zu of %zu requests refused for good; the last: %.120s",
             refused, d->steps, d->error);
}

static void settle(struct notifier *n, struct delivery *d, struct answer *answer)
{
    d->code = answer->code;
    lane_note_health(n, d->lane, answer);
    if (d->steps > 1 && answer->result != SEND_RETRY) {
        end_step(d, answer);
        if (open_step(d) < d->steps) {
            send_off(n, d);
            return;
        }
    } else {
        memcpy(d->provider_id, answer->provider_id, sizeof d->provider_id);
    }
    d->attempts++;
    note_latency(n, d);
    if (answer->result == SEND_RETRY) {
        note_served(d, answer->served);
        postpone(n, d, answer);
    } else {
        end_with(n, d, answer->result == SEND_OK ? "sent" : "failed", answer->detail);
    }
}

/* --- beginnings ------------------------------------------------------------------------------------------
 */

static void deliver_here(struct notifier *n, struct delivery *d)
{
    struct err err = {0};
    struct answer answer = {.retry_after_ns = -1};
    answer.result = d->lane->channel->deliver(&d->config, buf_view(&d->body), &err);
    answer.destination_down = answer.result == SEND_RETRY;
    if (answer.result != SEND_OK)
        snprintf(answer.detail, sizeof answer.detail, "%.*s", (int)sizeof answer.detail - 1, err.text);
    settle(n, d, &answer);
}

static void send_off(struct notifier *n, struct delivery *d)
{
    const struct lane *lane = d->lane;
    const uint64_t *served = map_get(&lane->served, buf_view(&d->key));
    struct answer none = {.result = SEND_RETRY, .retry_after_ns = -1};
    d->parcel = (struct parcel){.key = buf_view(&d->key),
                                .body = buf_view(&d->body),
                                .now_ns = clk_now(n->options.clk).ns,
                                .served = d->parcel.served | (served == NULL ? 0 : *served),
                                .timeout_ns = lane->config.timeout_ns > 0 ? lane->config.timeout_ns
                                                                          : n->options.timeout_ns};
    if (d->steps > 1)
        d->parcel.step = open_step(d);
    d->transfer = channel_send(lane->channel, &d->config, &d->parcel);
    if (d->transfer != NULL && curl_easy_setopt(d->transfer->easy, CURLOPT_PRIVATE, d) == CURLE_OK &&
        curl_multi_add_handle(n->multi, d->transfer->easy) == CURLM_OK)
        return;
    snprintf(none.detail, sizeof none.detail, "libcurl gives no handle");
    transfer_free(&d->transfer);
    settle(n, d, &none);
}

/* A question's link is made here, so that it lies nowhere but in the mail. */
static void add_answer(struct notifier *n, struct delivery *d, const struct event *fields)
{
    uint64_t number;
    char token[TC_QUESTION_TOKEN_BYTES];
    struct buf payload;
    if (n->options.question_key == NULL || !sv_is(event_value(fields, "reason"), "question") ||
        !num_u64(event_value(fields, "alert.question.number"), 1, UINT32_MAX, &number))
        return;
    question_token(n->question_key, event_value(fields, "alert.id"), number, token);
    buf_init(&payload, TC_CHANNEL_BODY_MAX);
    buf_printf(&payload, "{\"answer\":\"%s\",", token);
    buf_sv(&payload, sv_from(buf_view(&d->payload), 1));
    buf_free(&d->payload);
    d->payload = payload;
}

/* Whom the message is for: the channel's own recipients, or the one that it names. A message that went over
 * to a fallback channel is for that channel's own. */
static void take_recipient(struct notifier *n, struct delivery *d)
{
    struct arena arena = {0};
    struct event fields = {.time = {TC_NO_TIME}};
    struct lane *lane = d->lane;
    d->config = lane->config;
    if (json_parse_event(buf_view(&d->payload), &arena, &fields, NULL) == 0) { /* else the channel says so */
        event_index(&fields, &arena);
        struct sv to = event_value(&fields, "to.address");
        if (to.n > 0 && sv_eq(event_value(&fields, "to.channel"), lane->config.name)) {
            d->to = sv_make(d->to_text, TC_MIN(to.n, sizeof d->to_text));
            memcpy(d->to_text, to.p, d->to.n);
            d->config.to = &d->to;
            d->config.to_count = 1;
        }
        add_answer(n, d, &fields);
    }
    arena_free(&arena);
}

/* The last step before a channel: what it may not know of persons becomes pseudonyms. */
static int pseudonymise(struct notifier *n, struct delivery *d, struct err *err)
{
    const struct channel_config *config = &d->lane->config;
    struct buf told;
    if (n->options.disclose_key == NULL)
        return 0;
    buf_init(&told, TC_CHANNEL_BODY_MAX);
    int rc = disclose(buf_view(&d->payload), reveal_for(config->reveal, config->type), n->disclose_key, &told,
                      err);
    if (rc == 0 && told.overflow)
        rc = err_set(err, TC_EBOUND, "the message is longer than %d bytes", TC_CHANNEL_BODY_MAX);
    buf_free(&d->payload);
    d->payload = told;
    return rc;
}

static int make_body(struct notifier *n, struct delivery *d, const char *first_id, struct err *err)
{
    const struct lane *lane = d->lane;
    struct message message = {.key = buf_view(&d->key),
                              .payload = buf_view(&d->payload),
                              .first_id = sv_of(first_id),
                              .console_url = n->options.console_url};
    int rc = lane->channel->body(&d->config, &message, &d->body, err);
    d->steps = channel_steps(lane->channel, buf_view(&d->body));
    if (rc == 0 && (d->steps == 0 || d->steps > TC_SERVICE_STEPS_MAX))
        rc = err_set(err, TC_EBOUND, "the message is no request, or more than %d", TC_SERVICE_STEPS_MAX);
    return rc;
}

static void begin(struct notifier *n, struct delivery *d)
{
    struct err err = {0};
    struct lane *lane = d->lane;
    char first_id[TC_PROVIDER_ID_BYTES];
    if (store_outbox_first_id(n->store, lane->config.name, buf_view(&d->alert_id), first_id, sizeof first_id,
                              &err) != 0) { /* that says nothing of the message: it stays due */
        notifier_store_failed(n, &err);
        release(d);
        lane->look_mono_ns = mono(n) + TC_LOOK_EVERY_NS;
        return;
    }
    d->begun_mono_ns = mono(n);
    lane_use_allowance(n, lane);
    buf_init(&d->body, TC_CHANNEL_BODY_MAX);
    take_recipient(n, d);
    int rc = pseudonymise(n, d, &err);
    if (rc == 0)
        rc = make_body(n, d, first_id, &err);
    if (rc == 0 && d->body.overflow)
        rc = err_set(&err, TC_EBOUND, "the message is longer than %d bytes", TC_CHANNEL_BODY_MAX);
    buf_free(&d->payload);
    if (rc != 0)
        end_with(n, d, "failed", err.text);
    else if (lane->channel->deliver != NULL)
        deliver_here(n, d);
    else
        send_off(n, d);
}

struct admission {
    struct notifier *notifier;
    struct lane *lane;
    size_t room;
};

static void copy_to(struct buf *buf, struct sv bytes)
{
    buf_init(buf, bytes.n + 1);
    buf_sv(buf, bytes);
}

static int admit_row(void *context, const struct outbox_row *row)
{
    struct admission *a = context;
    if (map_get(&a->notifier->handed, row->key) != NULL || is_under_way(a->lane, row->key))
        return 0;
    struct delivery *d = free_delivery(a->lane);
    d->state = DELIVERY_SENDING;
    d->attempts = row->attempts;
    snprintf(d->error, sizeof d->error, "%.*s", (int)TC_MIN(row->error.n, sizeof d->error - 1), row->error.p);
    copy_to(&d->key, row->key);
    copy_to(&d->payload, row->payload);
    copy_to(&d->alert_id, row->alert_id);
    return --a->room == 0;
}

void notifier_store_failed(struct notifier *n, const struct err *err)
{
    if (err != NULL && !n->complained)
        log_warn("notify", "%s; trying again each second", err->text);
    n->complained = err != NULL;
}

/* Begins up to the lane's free places. */
static bool fill(struct notifier *n, struct lane *lane)
{
    struct err err;
    int64_t now_ns = clk_now(n->options.clk).ns, next_ns = INT64_MAX, at = mono(n);
    size_t under_way = busy(lane), places = lane->probing ? 1 : TC_CHANNEL_IN_FLIGHT_MAX;
    size_t reserved = n->lane_count * TC_CHANNEL_IN_FLIGHT_MAX;
    lane->look_mono_ns = at + TC_LOOK_EVERY_NS;
    if (at < lane->paused_until_mono_ns) {
        lane->look_mono_ns = lane->paused_until_mono_ns;
        return false;
    }
    int64_t allowed_mono_ns = at;
    size_t allowed = lane_allowance(n, lane, &allowed_mono_ns);
    if (allowed == 0) {
        lane->look_mono_ns = allowed_mono_ns;
        return false;
    }
    places = TC_MIN(places, under_way + allowed);
    if (under_way >= places || n->handed.live + reserved >= TC_HANDED_MAX)
        return false;
    struct admission a = {.notifier = n, .lane = lane, .room = places - under_way};
    int rc = store_outbox_due_for(n->store, lane->config.name, now_ns, n->handed.live + places + under_way,
                                  admit_row, &a, &next_ns, &err);
    notifier_store_failed(n, rc == 0 ? NULL : &err);
    if (rc == 0 && next_ns < INT64_MAX)
        lane->look_mono_ns = TC_MIN(lane->look_mono_ns, at + TC_MAX(next_ns - now_ns, INT64_C(0)));
    bool begun = false;
    for (size_t i = 0; i < TC_ARRAY_LEN(lane->deliveries); i++) {
        struct delivery *d = &lane->deliveries[i];
        if (d->state != DELIVERY_SENDING || d->transfer != NULL || d->body.p != NULL)
            continue;
        begun = true;
        begin(n, d);
    }
    return begun;
}

/* Forgets handed keys whose receipts have been applied. */
static void prune(struct notifier *n)
{
    if (n->handed.live == 0 || (mono(n) < n->prune_mono_ns && n->handed.live < TC_HANDED_MAX / 2))
        return;
    struct map_entry *entry;
    for (size_t at = 0; map_next(&n->handed, &at, &entry);) {
        bool pending = true;
        struct err err;
        if (store_outbox_pending(n->store, entry->key, &pending, &err) != 0)
            break;
        if (!pending)
            map_remove(&n->handed, entry->key);
    }
    n->prune_mono_ns = mono(n) + TC_LOOK_EVERY_NS;
}

static int take_count(void *context, struct sv channel, uint64_t pending)
{
    struct notifier *n = context;
    for (size_t i = 0; i < n->lane_count; i++)
        if (sv_eq(n->lanes[i].config.name, channel))
            n->lanes[i].counted = pending;
    return 0;
}

/* For people who look at figures; a long queue takes a moment to count. */
static void count_pending(struct notifier *n)
{
    struct err err;
    if (mono(n) < n->count_mono_ns)
        return;
    n->count_mono_ns = mono(n) + TC_LOOK_EVERY_NS;
    for (size_t i = 0; i < n->lane_count; i++)
        n->lanes[i].counted = 0;
    if (store_outbox_channels(n->store, take_count, n, &err) != 0)
        notifier_store_failed(n, &err);
    for (size_t i = 0; i < n->lane_count; i++)
        atomic_store(&n->lanes[i].pending, n->lanes[i].counted);
}

/* --- a step ----------------------------------------------------------------------------------------------
 */

static bool begin_due(struct notifier *n)
{
    bool woken = atomic_exchange(&n->wake, false), any = false;
    if (n->draining || atomic_load(&n->held))
        return false;
    any |= aside_begin(n);
    prune(n);
    count_pending(n);
    for (size_t i = 0; i < n->lane_count; i++) {
        struct lane *lane = &n->lanes[i];
        lane_divert(n, lane);
        if (woken || mono(n) >= lane->look_mono_ns)
            any |= fill(n, lane);
    }
    return any;
}

static bool finish_waiting(struct notifier *n)
{
    bool any = false;
    for (size_t i = 0; i < n->lane_count; i++)
        for (size_t j = 0; j < TC_CHANNEL_IN_FLIGHT_MAX; j++) {
            struct delivery *d = &n->lanes[i].deliveries[j];
            if (d->state < DELIVERY_RECEIPT || mono(n) < d->again_mono_ns)
                continue;
            finish(n, d);
            any |= d->state == DELIVERY_FREE;
        }
    return any;
}

static bool reap(struct notifier *n)
{
    int running, left;
    bool any = false;
    CURLMsg *message;
    curl_multi_perform(n->multi, &running);
    while ((message = curl_multi_info_read(n->multi, &left)) != NULL) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURL *easy = message->easy_handle;
        CURLcode outcome = message->data.result;
        char *private = NULL;
        curl_easy_getinfo(easy, CURLINFO_PRIVATE, &private);
        struct delivery *d = (struct delivery *)(void *)private;
        struct answer answer;
        if (*(const enum delivery_state *)(const void *)private == DELIVERY_ASIDE) {
            aside_end(n, (struct aside *)(void *)private, outcome);
            continue;
        }
        d->transfer->judge(d->transfer, outcome, clk_now(n->options.clk).ns, &answer);
        curl_multi_remove_handle(n->multi, easy);
        transfer_free(&d->transfer);
        settle(n, d, &answer);
        any = true;
    }
    return any;
}

/* Milliseconds until something is to be done by the clock, at most `timeout_ms`. */
static int until_next(const struct notifier *n, int timeout_ms)
{
    int64_t next_ns = INT64_MAX, now_ns = mono(n);
    for (size_t i = 0; i < n->lane_count; i++) {
        if (!n->draining && !atomic_load(&n->held))
            next_ns = TC_MIN(next_ns, n->lanes[i].look_mono_ns);
        for (size_t j = 0; j < TC_CHANNEL_IN_FLIGHT_MAX; j++)
            if (n->lanes[i].deliveries[j].state >= DELIVERY_RECEIPT)
                next_ns = TC_MIN(next_ns, n->lanes[i].deliveries[j].again_mono_ns);
    }
    int64_t wait_ms = next_ns <= now_ns ? 0 : (next_ns - now_ns) / 1000000 + 1;
    return (int)TC_MIN((int64_t)timeout_ms, wait_ms);
}

bool notifier_step(struct notifier *n, int timeout_ms)
{
    bool any = finish_waiting(n);
    any |= begin_due(n);
    any |= reap(n);
    if (any)
        return true;
    curl_multi_poll(n->multi, NULL, 0, until_next(n, timeout_ms), NULL);
    return reap(n);
}

size_t notifier_sending(const struct notifier *n)
{
    size_t count = 0;
    for (size_t i = 0; i < n->lane_count; i++)
        for (size_t j = 0; j < TC_CHANNEL_IN_FLIGHT_MAX; j++)
            count += n->lanes[i].deliveries[j].state == DELIVERY_SENDING;
    return count;
}

void notifier_abandon(struct notifier *n)
{
    aside_abandon(n);
    for (size_t i = 0; i < n->lane_count; i++)
        for (size_t j = 0; j < TC_CHANNEL_IN_FLIGHT_MAX; j++) {
            struct delivery *d = &n->lanes[i].deliveries[j];
            if (d->transfer != NULL)
                curl_multi_remove_handle(n->multi, d->transfer->easy);
            release(d);
        }
}
