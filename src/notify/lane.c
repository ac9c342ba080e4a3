/*
 * A lane's own affairs: is it broken, whom does it tell so, what goes to its fallback, how many messages it
 * may send in a minute; see pump.h.
 */
#include "notify/pump.h"

#include "base/log.h"

static int64_t mono(const struct notifier *n)
{
    return clk_monotonic_ns(n->options.clk);
}

/* Once until something gets through again. */
static void tell_trouble(struct notifier *n, struct lane *lane, const char *detail)
{
    if (lane->troubled)
        return;
    lane->troubled = true;
    log_warn("notify", "channel %.*s does not deliver: %s%s%.*s", SV_FMT(lane->config.name), detail,
             lane->config.fallback.n > 0 ? "; falling back to " : "", SV_FMT(lane->config.fallback));
    if (n->options.trouble != NULL)
        n->options.trouble(n->options.context, lane->config.name, sv_of(detail));
}

static int64_t broken_after_ns(const struct lane *lane)
{
    return lane->config.fallback_after_ns > 0 ? lane->config.fallback_after_ns : TC_FALLBACK_AFTER_NS;
}

static bool is_broken(const struct notifier *n, const struct lane *lane)
{
    return lane->failing_mono_ns != 0 && mono(n) - lane->failing_mono_ns >= broken_after_ns(lane);
}

void lane_note_health(struct notifier *n, struct lane *lane, const struct answer *answer)
{
    if (!answer->destination_down) {
        lane->probing = false;
        lane->failing_mono_ns = 0;
    } else if (lane->failing_mono_ns == 0) {
        lane->failing_mono_ns = mono(n);
    }
    atomic_store(&lane->failing, lane->failing_mono_ns != 0);
    if (answer->result == SEND_OK && lane->troubled) {
        lane->troubled = false;
        log_info("notify", "channel %.*s delivers again", SV_FMT(lane->config.name));
    } else if (answer->result == SEND_REFUSED || is_broken(n, lane)) {
        tell_trouble(n, lane, answer->detail);
    }
}

/* --- max_per_minute: a sixth of a minute's allowance may go out at once, then one each interval */

static int64_t interval_ns(const struct lane *lane)
{
    return 60 * TC_SECOND_NS / lane->config.max_per_minute;
}

void lane_use_allowance(const struct notifier *n, struct lane *lane)
{
    if (lane->config.max_per_minute > 0)
        lane->full_mono_ns = TC_MAX(lane->full_mono_ns, mono(n)) + interval_ns(lane);
}

size_t lane_allowance(const struct notifier *n, const struct lane *lane, int64_t *ret_mono_ns)
{
    if (lane->config.max_per_minute == 0)
        return TC_CHANNEL_IN_FLIGHT_MAX;
    int64_t burst = TC_MAX(lane->config.max_per_minute / 6, 1u), each_ns = interval_ns(lane);
    int64_t used_ns = TC_MAX(lane->full_mono_ns - mono(n), INT64_C(0));
    int64_t free = (burst * each_ns - used_ns) / each_ns;
    *ret_mono_ns = mono(n) + used_ns - (burst - 1) * each_ns;
    return (size_t)TC_MAX(free, INT64_C(0));
}

/* --- fallback -------------------------------------------------------------------------------------------
 */

struct diversion {
    struct notifier *notifier;
    struct buf keys[TC_DIVERT_MAX];
    size_t count;
};

static int admit_diversion(void *context, struct sv key)
{
    struct diversion *diversion = context;
    struct buf *copy = &diversion->keys[diversion->count++];
    buf_init(copy, key.n + 1);
    buf_sv(copy, key);
    return diversion->count == TC_DIVERT_MAX;
}

void lane_divert(struct notifier *n, struct lane *lane)
{
    struct diversion diversion = {.notifier = n};
    struct err err;
    if (lane->config.fallback.n == 0 || !is_broken(n, lane) || mono(n) < lane->divert_mono_ns)
        return;
    lane->divert_mono_ns = mono(n) + TC_LOOK_EVERY_NS;
    if (store_outbox_undiverted(n->store, lane->config.name, TC_DIVERT_MAX, admit_diversion, &diversion,
                                &err) != 0)
        notifier_store_failed(n, &err);
    for (size_t i = 0; i < diversion.count; i++) {
        struct receipt receipt = {.key = buf_view(&diversion.keys[i]),
                                  .channel = lane->config.name,
                                  .status = SV("diverted"),
                                  .detail = SV("the channel does not deliver"),
                                  .fallback = lane->config.fallback};
        if (n->options.receipt(n->options.context, &receipt) == 0)
            atomic_fetch_add(&lane->diverted, 1);
        buf_free(&diversion.keys[i]);
    }
}
