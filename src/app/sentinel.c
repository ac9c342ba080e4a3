/*
 * Emergency messages and the heartbeat; see sentinel.h. Everything that a message needs is in memory before
 * it is needed; texts are rendered by the channels' own code.
 */
#include "app/sentinel.h"

#include "alert/alert.h"
#include "base/json_out.h"
#include "base/log.h"
#include "notify/channel.h"
#include "notify/http.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { REPEATS_MAX = 8, LOOK_EVERY_MS = 200, TIMEOUT_S = 10, TEXT_BYTES = 64 << 10 };

struct speaker {
    struct channel_config config;
    const struct channel *channel;
    bool owes; /* the present message is not out yet */
};

struct sentinel {
    struct sentinel_options options;
    struct arena arena;
    struct speaker *speakers;
    size_t speaker_count;
    pthread_t thread;
    atomic_bool stop;

    enum sentinel_state told; /* the last state that was told, or is being told */
    unsigned repeats;
    int64_t since_ns; /* wall clock: of the episode */
    int64_t repeat_mono_ns, retry_mono_ns;

    uint64_t position; /* of the heartbeat that is under way; 0 = none */
    uint64_t turns;    /* of the courier when it was judged */
    bool judged;
    int64_t beat_mono_ns, next_mono_ns;

    pthread_mutex_t lock;
    struct sentinel_stats stats;
};

static const char *const texts[] = {
    [SENTINEL_DISK_LOW] = "The disk is nearly full: events are refused (507), alerts still work. Free space.",
    [SENTINEL_DISK_FULL] =
        "The disk is full: events are refused (507) and ALERTS WAIT. Free space; it goes on by itself.",
    [SENTINEL_JOURNAL_FAILED] =
        "The disk failed: events are refused and NO ALERT IS RAISED. Mend the disk, restart Tocsin.",
    [SENTINEL_CORE_FAILED] =
        "Judging has stopped after an error: NO ALERT IS RAISED. Look at the log, restart Tocsin.",
};

const char *sentinel_text(enum sentinel_state state)
{
    return texts[state];
}

static int64_t mono(const struct sentinel *s)
{
    return clk_monotonic_ns(s->options.clk);
}

#define COUNT(s, what)                                                                                       \
    do {                                                                                                     \
        pthread_mutex_lock(&(s)->lock);                                                                      \
        (s)->stats.what++;                                                                                   \
        pthread_mutex_unlock(&(s)->lock);                                                                    \
    } while (0)

/* --- the message
 * --------------------------------------------------------------------------------------------------- */

static void payload(const struct sentinel *s, enum sentinel_state state, struct sv key, struct buf *out)
{
    bool over = state == SENTINEL_FINE;
    struct alert_label labels[] = {{SV("alertname"), SV("TOCSIN_EMERGENCY")}, {SV("severity"), SV("P1")}};
    struct alert alert = {.id = "emergency",
                          .rule_id = SV("tocsin-self-emergency"),
                          .title = over ? SV("TOCSIN_RECOVERED") : SV("TOCSIN_EMERGENCY"),
                          .severity = SEVERITY_P1,
                          .state = over ? ALERT_RESOLVED : ALERT_FIRING,
                          .message = over ? SV("It is over: events are taken and alerts are raised again.")
                                          : sv_of(texts[state]),
                          .labels = labels,
                          .label_count = TC_ARRAY_LEN(labels),
                          .count = 1,
                          .first_ns = s->since_ns,
                          .last_ns = clk_now(s->options.clk).ns,
                          .acknowledged_ns = TC_NO_TIME,
                          .ended_ns = TC_NO_TIME};
    struct json_out json = json_out_to(out);
    struct buf text;
    buf_init(&text, TEXT_BYTES);
    alert_to_json(&alert, &text);
    json_object(&json);
    json_kv_string(&json, "key", key);
    json_kv_str(&json, "reason", over ? "resolved" : "new");
    json_kv_u64(&json, "count", 1);
    json_key(&json, SV("alert"));
    json_raw(&json, buf_view(&text));
    json_object_end(&json);
    buf_free(&text);
}

/* One attempt, here and now: this thread has nothing else to do. */
static bool perform(const struct sentinel *s, struct transfer *transfer)
{
    struct answer answer = {.result = SEND_RETRY};
    if (transfer == NULL)
        return false;
    CURLcode outcome = curl_easy_perform(transfer->easy);
    transfer->judge(transfer, outcome, clk_now(s->options.clk).ns, &answer);
    transfer_free(&transfer);
    return answer.result == SEND_OK;
}

static bool say_by(const struct sentinel *s, const struct speaker *speaker, enum sentinel_state state)
{
    struct buf text, body;
    char key[96];
    struct err err;
    buf_init(&text, TEXT_BYTES);
    buf_init(&body, TC_CHANNEL_BODY_MAX);
    snprintf(key, sizeof key, "emergency-%lld-%d-%u", (long long)s->since_ns, (int)state, s->repeats);
    payload(s, state, sv_of(key), &text);
    struct message message = {
        .key = sv_of(key), .payload = buf_view(&text), .console_url = s->options.console_url};
    bool out = speaker->channel->body(&speaker->config, &message, &body, &err) == 0;
    if (out && speaker->channel->deliver != NULL)
        out = speaker->channel->deliver(&speaker->config, buf_view(&body), &err) == SEND_OK;
    else if (out) {
        struct parcel parcel = {.key = sv_of(key),
                                .body = buf_view(&body),
                                .now_ns = clk_now(s->options.clk).ns,
                                .timeout_ns = TIMEOUT_S * TC_SECOND_NS};
        size_t steps = channel_steps(speaker->channel, buf_view(&body));
        for (out = false; parcel.step < steps; parcel.step++) /* whoever can be reached counts */
            out |= perform(s, channel_send(speaker->channel, &speaker->config, &parcel));
    }
    buf_free(&text);
    buf_free(&body);
    return out;
}

static void say(struct sentinel *s)
{
    bool owes = false;
    for (size_t i = 0; i < s->speaker_count && !atomic_load(&s->stop); i++) {
        struct speaker *speaker = &s->speakers[i];
        if (!speaker->owes)
            continue;
        speaker->owes = !say_by(s, speaker, s->told);
        if (speaker->owes)
            COUNT(s, message_failures);
        else
            COUNT(s, messages);
        owes = owes || speaker->owes;
    }
    s->retry_mono_ns = owes ? mono(s) + s->options.retry_ns : INT64_MAX;
}

static void begin_message(struct sentinel *s, enum sentinel_state state)
{
    if (s->told == SENTINEL_FINE) {
        s->since_ns = clk_now(s->options.clk).ns;
        s->repeats = 0;
        COUNT(s, emergencies);
    }
    s->told = state;
    s->repeat_mono_ns = mono(s) + s->options.repeat_ns;
    for (size_t i = 0; i < s->speaker_count; i++)
        s->speakers[i].owes = true;
    if (state == SENTINEL_FINE)
        log_info("sentinel", "the emergency is over");
    else
        log_error("sentinel", "%s", texts[state]);
    say(s);
}

static void watch(struct sentinel *s)
{
    enum sentinel_state now = s->options.look(s->options.context);
    if (now != s->told) {
        begin_message(s, now);
        return;
    }
    if (now != SENTINEL_FINE && s->repeats < REPEATS_MAX && mono(s) >= s->repeat_mono_ns) {
        s->repeats++;
        begin_message(s, now);
    } else if (mono(s) >= s->retry_mono_ns) {
        say(s);
    }
}

/* --- the heartbeat
 * ------------------------------------------------------------------------------------------------- */

static void call(struct sentinel *s)
{
    const struct sentinel_options *o = &s->options;
    struct http_post post = {.url = o->heartbeat_url,
                             .content_type = "text/plain",
                             .key = SV("heartbeat"),
                             .timeout_ns = TIMEOUT_S * TC_SECOND_NS};
    struct transfer *transfer = http_transfer_new(&post);
    if (transfer != NULL && o->heartbeat_get)
        curl_easy_setopt(transfer->easy, CURLOPT_HTTPGET, 1L);
    bool good = perform(s, transfer);
    if (!good)
        log_warn("sentinel", "the heartbeat's destination does not answer with 2xx");
    pthread_mutex_lock(&s->lock);
    s->stats.heartbeats += good;
    s->stats.heartbeat_failures += !good;
    if (good)
        s->stats.last_heartbeat_ns = clk_now(o->clk).ns;
    pthread_mutex_unlock(&s->lock);
}

static void withhold(struct sentinel *s)
{
    COUNT(s, heartbeats_withheld);
    s->position = 0;
    log_warn("sentinel", "the heartbeat is withheld: an event does not get through in time");
}

static void beat(struct sentinel *s)
{
    const struct sentinel_options *o = &s->options;
    if (o->heartbeat_url.n == 0)
        return;
    if (s->position == 0) {
        if (mono(s) < s->next_mono_ns)
            return;
        s->beat_mono_ns = mono(s);
        s->next_mono_ns = s->beat_mono_ns + o->heartbeat_interval_ns;
        s->judged = false;
        s->position = s->told == SENTINEL_FINE ? o->beat(o->context) : 0;
        if (s->position == 0)
            withhold(s);
        return;
    }
    if (mono(s) - s->beat_mono_ns >= o->heartbeat_interval_ns) {
        withhold(s);
        return;
    }
    if (!s->judged && o->judged(o->context, s->position)) {
        s->judged = true;
        s->turns = o->courier_turns(o->context);
    }
    if (s->judged && o->courier_turns(o->context) > s->turns) {
        s->position = 0;
        call(s);
    }
}

/* --- life
 * ----------------------------------------------------------------------------------------------------------
 */

static void *sentinel_main(void *context)
{
    struct sentinel *s = context;
    while (!atomic_load(&s->stop)) {
        struct timespec nap = {.tv_nsec = LOOK_EVERY_MS * 1000000L};
        watch(s);
        beat(s);
        nanosleep(&nap, NULL);
    }
    return NULL;
}

static void add_speaker(struct sentinel *s, const struct channel_config *config)
{
    const struct channel *channel = channel_find(config->type);
    if (channel == NULL || sv_is(config->type, "file"))
        return;
    struct speaker *speaker = &s->speakers[s->speaker_count++];
    *speaker = (struct speaker){.config = *config, .channel = channel};
    struct sv *const words[] = {&speaker->config.name,          &speaker->config.type,
                                &speaker->config.url,           &speaker->config.path,
                                &speaker->config.slack_channel, &speaker->config.username,
                                &speaker->config.icon_emoji};
    for (size_t i = 0; i < TC_ARRAY_LEN(words); i++)
        *words[i] = arena_sv(&s->arena, sv_trim(*words[i]));
}

int sentinel_start(const struct sentinel_options *options, struct sentinel **ret, struct err *err)
{
    if (options->heartbeat_url.n > 0 && http_check_url(options->heartbeat_url, err) != 0)
        return err_while(err, "heartbeat");
    int rc = http_setup(err);
    if (rc != 0)
        return rc;
    struct sentinel *s = tc_alloc(sizeof *s);
    s->options = *options;
    s->options.repeat_ns = options->repeat_ns > 0 ? options->repeat_ns : 900 * TC_SECOND_NS;
    s->options.retry_ns = options->retry_ns > 0 ? options->retry_ns : 30 * TC_SECOND_NS;
    s->options.heartbeat_url = arena_sv(&s->arena, sv_trim(options->heartbeat_url));
    s->options.console_url = arena_str(&s->arena, sv_of(options->console_url));
    s->options.channels = NULL;
    s->speakers = ARENA_ARRAY(&s->arena, struct speaker, options->channel_count + 1);
    for (size_t i = 0; i < options->channel_count; i++)
        add_speaker(s, &options->channels[i]);
    s->retry_mono_ns = INT64_MAX;
    pthread_mutex_init(&s->lock, NULL);
    rc = pthread_create(&s->thread, NULL, sentinel_main, s);
    if (rc != 0) {
        errno = rc;
        rc = err_sys(err, "cannot start the sentinel's thread");
        pthread_mutex_destroy(&s->lock);
        arena_free(&s->arena);
        free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

void sentinel_stop(struct sentinel **sentinel)
{
    struct sentinel *s = *sentinel;
    if (s == NULL)
        return;
    atomic_store(&s->stop, true);
    pthread_join(s->thread, NULL);
    pthread_mutex_destroy(&s->lock);
    arena_free(&s->arena);
    free(s);
    *sentinel = NULL;
}

void sentinel_stats(struct sentinel *s, struct sentinel_stats *ret)
{
    pthread_mutex_lock(&s->lock);
    *ret = s->stats;
    pthread_mutex_unlock(&s->lock);
}
