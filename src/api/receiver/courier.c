/*
 * The courier's thread; see courier.h.
 *
 * A job is in one place at a time: arrived (handed over, under the lock), ready (in its lane's queue), under
 * way (libcurl has it), or pausing. A lane starts its next job when one of its attempts has ended, so that a
 * destination that hangs holds up its own lane alone.
 */
#include "api/receiver/courier.h"

#include "api/receiver/exchange.h"
#include "base/map.h"
#include "notify/http.h"
#include "template/template.h"

#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

enum { LANE_CHAINS = 256, LANE_ATTEMPTS_MAX = 16, WAIT_MS_MAX = 1000, TOKENS_MAX = 1000 };

#define FIRST_PAUSE_NS   (TC_SECOND_NS / 2)
#define LAST_PAUSE_NS    (60 * TC_SECOND_NS)
#define TOKEN_MARGIN_NS  (10 * TC_SECOND_NS)
#define TOKEN_DEFAULT_NS (3600 * TC_SECOND_NS)

struct queue {
    struct courier_job *first, **end;
};

struct lane { /* there while one of its jobs is ready or under way */
    uint64_t number;
    struct queue ready;
    unsigned under_way;
    bool waits;         /* in the list of those that may begin something */
    struct lane *next;  /* of its chain */
    struct lane *after; /* in that list */
};

struct token {
    int64_t expires_mono_ns;
    size_t n;
    char text[];
};

struct courier {
    const struct clk *clk;
    const struct rng *rng;
    courier_done_fn *done;
    void *context;
    CURLM *multi;
    pthread_t thread;
    pthread_mutex_t lock;
    struct queue arrived; /* under lock, as the next two */
    size_t count;
    bool stop;
    atomic_uint_least64_t requests[COURIER_KINDS_MAX], failed[COURIER_KINDS_MAX];
    struct duration_histogram latency[COURIER_KINDS_MAX];
    /* the thread's own: */
    struct lane *lanes[LANE_CHAINS], *waiting;
    struct courier_job *pausing, *under_way; /* in no order; the latter doubly linked */
    int64_t pause_ends_ns;                   /* the first of them */
    struct queue ended;
    struct exchange_pool exchanges;
    struct map tokens; /* key -> address */
};

struct courier_job *courier_job_new(void)
{
    struct courier_job *job = tc_alloc(sizeof *job);
    job->client.follow_redirects = true;
    return job;
}

void courier_job_free(struct courier_job *job)
{
    arena_free(&job->arena);
    free(job);
}

static void enqueue(struct queue *queue, struct courier_job *job)
{
    if (queue->first == NULL)
        queue->end = &queue->first;
    job->next = NULL;
    *queue->end = job;
    queue->end = &job->next;
}

/* --- lanes --- */

static struct lane *lane_of(struct courier *c, uint64_t number)
{
    struct lane **chain = &c->lanes[number % LANE_CHAINS];
    for (struct lane *lane = *chain; lane != NULL; lane = lane->next)
        if (lane->number == number)
            return lane;
    struct lane *lane = tc_alloc(sizeof *lane);
    lane->number = number;
    lane->next = *chain;
    return *chain = lane;
}

static void let_wait(struct courier *c, struct lane *lane)
{
    if (lane->waits)
        return;
    lane->waits = true;
    lane->after = c->waiting;
    c->waiting = lane;
}

static void make_ready(struct courier *c, struct courier_job *job)
{
    struct lane *lane = lane_of(c, job->lane);
    enqueue(&lane->ready, job);
    let_wait(c, lane);
}

/* Frees it where nothing is left in it. */
static void leave_lane(struct courier *c, struct lane *lane)
{
    if (lane->ready.first != NULL || lane->under_way > 0 || lane->waits)
        return;
    struct lane **at = &c->lanes[lane->number % LANE_CHAINS];
    while (*at != lane)
        at = &(*at)->next;
    *at = lane->next;
    free(lane);
}

/* --- tokens --- */

struct sv courier_token(struct courier *c, struct sv key)
{
    const uint64_t *found = map_get(&c->tokens, key);
    const struct token *token = found == NULL ? NULL : (const struct token *)(uintptr_t)*found;
    if (token == NULL || token->expires_mono_ns <= clk_monotonic_ns(c->clk))
        return SV("");
    return sv_make(token->text, token->n);
}

void courier_drop_token(struct courier *c, struct sv key)
{
    const uint64_t *found = map_get(&c->tokens, key);
    if (found == NULL)
        return;
    struct token *token = (struct token *)(uintptr_t)*found;
    explicit_bzero(token->text, token->n);
    free(token);
    (void)map_remove(&c->tokens, key);
}

void courier_keep_token(struct courier *c, struct sv key, struct sv text, int64_t expires_in_ns)
{
    courier_drop_token(c, key);
    uint64_t *slot = map_put(&c->tokens, key, NULL);
    if (slot == NULL)
        return; /* past the bound it is fetched each time */
    struct token *token = tc_alloc(sizeof *token + text.n + 1);
    memcpy(token->text, text.p, text.n);
    token->n = text.n;
    token->expires_mono_ns = clk_monotonic_ns(c->clk) + expires_in_ns;
    *slot = (uintptr_t)token;
}

static void free_tokens(struct courier *c)
{
    struct map_entry *entry;
    for (size_t i = 0; map_next(&c->tokens, &i, &entry);) {
        struct token *token = (struct token *)(uintptr_t)entry->value;
        explicit_bzero(token->text, token->n);
        free(token);
    }
    map_free(&c->tokens);
}

int64_t courier_now_ns(struct courier *c)
{
    return clk_now(c->clk).ns;
}

/* --- OAuth 2 --- */

static struct sv token_key(struct courier_job *job)
{
    const struct courier_oauth2 *o = job->client.oauth2;
    return arena_printf(&job->arena, "oauth2 %.*s %.*s %.*s %.*s", SV_FMT(o->token_url), SV_FMT(o->client_id),
                        SV_FMT(o->client_secret), SV_FMT(o->form));
}

static void set_bearer(struct courier_job *job, struct sv token)
{
    job->client.authorization = arena_printf(&job->arena, "Bearer %.*s", SV_FMT(token));
}

/* The client names itself in a header, or, where a server wants it so, in the form. */
static void ask_for_token(struct courier_job *job, bool in_form)
{
    const struct courier_oauth2 *o = job->client.oauth2;
    struct buf form, both;
    buf_init(&form, 1 << 20);
    buf_init(&both, 1 << 20);
    buf_str(&form, "grant_type=client_credentials");
    buf_str(&form, o->form.n > 0 ? "&" : "");
    buf_sv(&form, o->form);
    job->request = (struct courier_request){
        .method = "POST", .url = o->token_url, .content_type = "application/x-www-form-urlencoded"};
    if (in_form) {
        buf_str(&form, "&client_id=");
        template_query_escape(o->client_id, &form);
        buf_str(&form, "&client_secret=");
        template_query_escape(o->client_secret, &form);
    } else {
        template_query_escape(o->client_id, &both);
        buf_char(&both, ':');
        template_query_escape(o->client_secret, &both);
        size_t size = sodium_base64_encoded_len(both.n, sodium_base64_VARIANT_ORIGINAL);
        char *encoded = arena_alloc(&job->arena, size);
        sodium_bin2base64(encoded, size, (const unsigned char *)both.p, both.n,
                          sodium_base64_VARIANT_ORIGINAL);
        job->request.headers[job->request.header_count++] =
            arena_printf(&job->arena, "Authorization: Basic %s", encoded);
    }
    job->request.body = arena_sv(&job->arena, buf_view(&form));
    buf_free(&form);
    buf_free(&both);
    job->fetching_token = true;
    job->token_in_form = in_form;
}

static enum courier_verdict take_token(struct courier *c, struct courier_job *job,
                                       const struct courier_answer *answer)
{
    struct template_value json;
    enum courier_verdict verdict = courier_judge_status(job, answer);
    if (verdict == COURIER_REFUSED && !job->token_in_form) {
        ask_for_token(job, true);
        return COURIER_NEXT;
    }
    job->fetching_token = false;
    if (verdict != COURIER_TAKEN) {
        char why[150];
        memcpy(why, job->detail, sizeof why);
        snprintf(job->detail, sizeof job->detail, "oauth2: no token: %.*s", (int)sizeof why - 1, why);
        return COURIER_AGAIN;
    }
    const struct template_value *token = NULL, *expires = NULL;
    if (template_from_json(&job->arena, answer->body, &json, NULL) == 0 && json.kind == TEMPLATE_MAP) {
        token = template_get(json, SV("access_token"));
        expires = template_get(json, SV("expires_in"));
    }
    if (token == NULL || token->kind != TEMPLATE_STRING || token->as.text.n == 0) {
        snprintf(job->detail, sizeof job->detail, "oauth2: the answer bears no access_token");
        return COURIER_AGAIN;
    }
    bool timed = expires != NULL && expires->kind == TEMPLATE_FLOAT && expires->as.number > 0 &&
                 expires->as.number < 1e9;
    int64_t for_ns = timed ? (int64_t)(expires->as.number * 1e9) - TOKEN_MARGIN_NS : TOKEN_DEFAULT_NS;
    if (for_ns > 0)
        courier_keep_token(c, token_key(job), token->as.text, for_ns);
    set_bearer(job, token->as.text);
    return COURIER_NEXT;
}

/* --- a try --- */

static void finish(struct courier *c, struct courier_job *job, bool taken)
{
    job->taken = taken;
    enqueue(&c->ended, job);
}

/* Plans the next try, or gives up. */
static void again(struct courier *c, struct courier_job *job, int64_t now_ns)
{
    job->pause_ns = job->pause_ns == 0 ? FIRST_PAUSE_NS : TC_MIN(job->pause_ns * 3 / 2, LAST_PAUSE_NS);
    int64_t spread_ns = (int64_t)(rng_u64(c->rng) % (uint64_t)job->pause_ns);
    /* as there a pause counts from the beginning of the try that failed */
    job->due_mono_ns = TC_MAX(now_ns, job->begun_mono_ns + job->pause_ns / 2 + spread_ns);
    if (job->due_mono_ns >= job->end_mono_ns) {
        finish(c, job, false);
        return;
    }
    c->pause_ends_ns = c->pausing == NULL ? job->due_mono_ns : TC_MIN(c->pause_ends_ns, job->due_mono_ns);
    job->next = c->pausing;
    c->pausing = job;
}

/* Hands job->request to libcurl. */
static bool carry(struct courier *c, struct courier_job *job, int64_t now_ns)
{
    int64_t left_ns = job->end_mono_ns - now_ns;
    if (job->timeout_ns > 0)
        left_ns = TC_MIN(left_ns, job->begun_mono_ns + job->timeout_ns - now_ns);
    left_ns = TC_MAX(left_ns, TC_SECOND_NS / 100);
    const struct courier_client *client = job->fetching_token ? job->client.oauth2->client : &job->client;
    struct exchange *exchange = job->mail != NULL
                                    ? exchange_mail(&c->exchanges, job->mail, job->attempts, left_ns)
                                    : exchange_http(&c->exchanges, client, &job->request, left_ns);
    if (exchange == NULL)
        return false;
    curl_easy_setopt(exchange->easy, CURLOPT_PRIVATE, job);
    if (curl_multi_add_handle(c->multi, exchange->easy) != CURLM_OK) {
        exchange_end(&c->exchanges, exchange);
        return false;
    }
    job->exchange = exchange;
    return true;
}

static void first_request(struct courier *c, struct courier_job *job)
{
    job->request = job->first;
    if (job->begin != NULL)
        job->begin(c, job);
}

static void begin(struct courier *c, struct courier_job *job, int64_t now_ns)
{
    job->attempts++;
    job->step = 0;
    job->begun_mono_ns = now_ns;
    job->fetching_token = false;
    c->requests[job->kind % COURIER_KINDS_MAX]++;
    struct sv token = job->client.oauth2 == NULL ? SV("") : courier_token(c, token_key(job));
    if (token.n > 0)
        set_bearer(job, token);
    if (job->client.oauth2 != NULL && token.n == 0)
        ask_for_token(job, false);
    else if (job->mail == NULL)
        first_request(c, job);
    if (carry(c, job, now_ns)) {
        lane_of(c, job->lane)->under_way++;
        job->next = c->under_way;
        job->before = &c->under_way;
        if (job->next != NULL)
            job->next->before = &job->next;
        c->under_way = job;
        return;
    }
    c->failed[job->kind % COURIER_KINDS_MAX]++;
    snprintf(job->detail, sizeof job->detail, "libcurl gives no transfer: see the TLS settings and files");
    again(c, job, now_ns);
}

static enum courier_verdict judge(struct courier *c, struct courier_job *job,
                                  const struct courier_answer *answer)
{
    if (job->mail != NULL && answer->status == 0) {
        snprintf(job->detail, sizeof job->detail, "%.*s", (int)sizeof job->detail - 1, answer->problem);
        return COURIER_AGAIN;
    }
    if (job->mail != NULL)
        return COURIER_TAKEN;
    if (job->fetching_token)
        return take_token(c, job, answer);
    return job->answered != NULL ? job->answered(c, job, answer) : courier_judge_status(job, answer);
}

static void end(struct courier *c, struct courier_job *job, CURLcode outcome, int64_t now_ns)
{
    struct exchange *exchange = job->exchange;
    struct courier_answer answer = exchange_answer(exchange, job->mail != NULL, outcome);
    bool was_token = job->fetching_token;
    curl_multi_remove_handle(c->multi, exchange->easy);
    enum courier_verdict verdict = judge(c, job, &answer);
    exchange_end(&c->exchanges, exchange);
    job->exchange = NULL;
    if (verdict == COURIER_NEXT && was_token && !job->fetching_token)
        first_request(c, job);
    if (verdict == COURIER_NEXT && carry(c, job, now_ns))
        return;
    struct lane *lane = lane_of(c, job->lane);
    lane->under_way--;
    if (lane->ready.first != NULL)
        let_wait(c, lane);
    leave_lane(c, lane);
    *job->before = job->next;
    if (job->next != NULL)
        job->next->before = job->before;
    c->failed[job->kind % COURIER_KINDS_MAX] += verdict != COURIER_TAKEN;
    duration_histogram_observe(&c->latency[job->kind % COURIER_KINDS_MAX], now_ns - job->begun_mono_ns);
    if (verdict == COURIER_AGAIN || verdict == COURIER_NEXT)
        again(c, job, now_ns);
    else
        finish(c, job, verdict == COURIER_TAKEN);
}

/* --- the thread --- */

static bool take_arrived(struct courier *c)
{
    pthread_mutex_lock(&c->lock);
    struct courier_job *job = c->arrived.first;
    c->arrived.first = NULL;
    bool stop = c->stop;
    pthread_mutex_unlock(&c->lock);
    for (struct courier_job *next; job != NULL; job = next) {
        next = job->next;
        make_ready(c, job);
    }
    return !stop;
}

static void end_pauses(struct courier *c, int64_t now_ns)
{
    struct courier_job *job = c->pausing;
    if (job == NULL || now_ns < c->pause_ends_ns)
        return;
    c->pausing = NULL;
    c->pause_ends_ns = INT64_MAX;
    for (struct courier_job *next; job != NULL; job = next) {
        next = job->next;
        if (job->due_mono_ns <= now_ns) {
            make_ready(c, job);
            continue;
        }
        c->pause_ends_ns = TC_MIN(c->pause_ends_ns, job->due_mono_ns);
        job->next = c->pausing;
        c->pausing = job;
    }
}

static void begin_ready(struct courier *c, int64_t now_ns)
{
    while (c->waiting != NULL) {
        struct lane *lane = c->waiting;
        c->waiting = lane->after;
        while (lane->ready.first != NULL && lane->under_way < LANE_ATTEMPTS_MAX) {
            struct courier_job *job = lane->ready.first;
            lane->ready.first = job->next;
            begin(c, job, now_ns);
        }
        lane->waits = false; /* where it is full, the end of an attempt lets it wait again */
        leave_lane(c, lane);
    }
}

static void tell_ended(struct courier *c)
{
    struct courier_job *jobs = c->ended.first;
    size_t count = 0;
    if (jobs == NULL)
        return;
    c->ended.first = NULL;
    c->done(c->context, jobs);
    for (struct courier_job *next; jobs != NULL; jobs = next, count++) {
        next = jobs->next;
        courier_job_free(jobs);
    }
    pthread_mutex_lock(&c->lock);
    c->count -= count;
    pthread_mutex_unlock(&c->lock);
}

static void *run(void *context)
{
    struct courier *c = context;
    while (take_arrived(c)) {
        int running = 0, left = 0;
        int64_t now_ns = clk_monotonic_ns(c->clk);
        end_pauses(c, now_ns);
        begin_ready(c, now_ns);
        curl_multi_perform(c->multi, &running);
        for (CURLMsg *message; (message = curl_multi_info_read(c->multi, &left)) != NULL;) {
            char *job = NULL;
            if (message->msg != CURLMSG_DONE)
                continue;
            curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &job);
            end(c, (struct courier_job *)(void *)job, message->data.result, clk_monotonic_ns(c->clk));
        }
        bool busy = c->ended.first != NULL;
        tell_ended(c);
        int wait_ms = WAIT_MS_MAX;
        if (c->pausing != NULL)
            wait_ms = (int)TC_MIN(TC_MAX((c->pause_ends_ns - now_ns) / 1000000 + 1, 0), WAIT_MS_MAX);
        if (!busy)
            curl_multi_poll(c->multi, NULL, 0, wait_ms, NULL);
    }
    return NULL;
}

/* --- the door --- */

int courier_start(const struct clk *clk, const struct rng *rng, courier_done_fn *done, void *context,
                  struct courier **ret, struct err *err)
{
    int rc = http_setup(err);
    if (rc != 0)
        return rc;
    struct courier *c = tc_alloc(sizeof *c);
    c->clk = clk;
    c->rng = rng;
    c->done = done;
    c->context = context;
    c->multi = curl_multi_init();
    map_init(&c->tokens, TOKENS_MAX);
    pthread_mutex_init(&c->lock, NULL);
    if (c->multi == NULL || pthread_create(&c->thread, NULL, run, c) != 0) {
        curl_multi_cleanup(c->multi);
        pthread_mutex_destroy(&c->lock);
        map_free(&c->tokens);
        free(c);
        return err_set(err, TC_EIO, "the thread that sends notifications cannot start");
    }
    *ret = c;
    return 0;
}

bool courier_is_full(struct courier *c)
{
    pthread_mutex_lock(&c->lock);
    bool full = c->count >= COURIER_JOBS_MAX;
    pthread_mutex_unlock(&c->lock);
    return full;
}

int courier_send(struct courier *c, struct courier_job *job)
{
    job->end_mono_ns = clk_monotonic_ns(c->clk) + job->given_up_after_ns;
    pthread_mutex_lock(&c->lock);
    bool full = c->count >= COURIER_JOBS_MAX;
    bool first = c->arrived.first == NULL;
    if (!full) {
        c->count++;
        enqueue(&c->arrived, job);
    }
    pthread_mutex_unlock(&c->lock);
    if (full) {
        courier_job_free(job);
        return TC_EAGAIN;
    }
    if (first)
        curl_multi_wakeup(c->multi);
    return 0;
}

void courier_counts(struct courier *c, struct courier_counts *ret)
{
    for (size_t i = 0; i < COURIER_KINDS_MAX; i++) {
        ret->requests[i] = c->requests[i];
        ret->failed_requests[i] = c->failed[i];
    }
    pthread_mutex_lock(&c->lock);
    ret->jobs = c->count;
    pthread_mutex_unlock(&c->lock);
}

const struct duration_histogram *courier_latency(const struct courier *c, unsigned kind)
{
    return &c->latency[kind % COURIER_KINDS_MAX];
}

static void free_jobs(struct courier_job *jobs)
{
    for (struct courier_job *next; jobs != NULL; jobs = next) {
        next = jobs->next;
        courier_job_free(jobs);
    }
}

void courier_stop(struct courier **courier)
{
    struct courier *c = *courier;
    if (c == NULL)
        return;
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_mutex_unlock(&c->lock);
    curl_multi_wakeup(c->multi);
    pthread_join(c->thread, NULL);
    free_jobs(c->pausing);
    free_jobs(c->arrived.first);
    for (size_t i = 0; i < LANE_CHAINS; i++)
        for (struct lane *lane = c->lanes[i], *next; lane != NULL; lane = next) {
            next = lane->next;
            free_jobs(lane->ready.first);
            free(lane);
        }
    while (c->under_way != NULL) {
        struct courier_job *job = c->under_way;
        c->under_way = job->next;
        curl_multi_remove_handle(c->multi, ((struct exchange *)job->exchange)->easy);
        exchange_end(&c->exchanges, job->exchange);
        courier_job_free(job);
    }
    curl_multi_cleanup(c->multi);
    exchange_pool_free(&c->exchanges);
    free_tokens(c);
    pthread_mutex_destroy(&c->lock);
    free(c);
    *courier = NULL;
}
