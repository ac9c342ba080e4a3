/*
 * What /metrics and /v1/sources say of sources: written by the core's thread once a second, read by others.
 */
#include "app/core_priv.h"

#include "base/json_out.h"
#include "base/metric_text.h"

enum { SOURCE_LABEL_BYTES = 256 };

/* The head of a source's name in printable ASCII, within `room`. */
static struct sv printable(struct sv name, char room[SOURCE_LABEL_BYTES])
{
    name = sv_head(name, SOURCE_LABEL_BYTES);
    for (size_t i = 0; i < name.n; i++)
        room[i] = name.p[i] < ' ' || name.p[i] > '~' ? '?' : name.p[i];
    return sv_make(room, name.n);
}

static void write_source_json(struct core *core)
{
    const struct sources *s = &core->watchdog.sources;
    struct json_out json = json_out_to(&core->source_json);
    int64_t interval_ns;
    buf_clear(&core->source_json);
    json_array(&json);
    for (size_t i = 0; i < s->count; i++) {
        const struct source_state *item = &s->items[i];
        bool watched = sources_is_watched(s, item->name, &interval_ns);
        json_object(&json);
        json_kv_string(&json, "name", sv_head(item->name, 1024));
        json_kv_str(&json, "class", sources_class(item->name));
        json_kv_u64(&json, "events", item->events);
        json_kv_time(&json, "last_event", item->events == 0 ? TC_NO_TIME : item->last_ns);
        json_kv_bool(&json, "watched", watched);
        json_kv_u64(&json, "interval_seconds", (uint64_t)interval_ns / TC_SECOND_NS);
        json_kv_bool(&json, "silent", item->silent);
        json_object_end(&json);
    }
    json_array_end(&json);
}

void core_show_sources(struct core *core)
{
    const struct sources *s = &core->watchdog.sources;
    struct buf *out = &core->source_text;
    int64_t now_ns = clk_monotonic_ns(core->options.clk);
    char room[SOURCE_LABEL_BYTES];
    core->stats.sources = s->count;
    core->stats.sources_silent = 0;
    for (size_t i = 0; i < s->count; i++)
        core->stats.sources_silent += s->items[i].silent;
    if (out->n > 0 && now_ns - core->source_text_mono_ns < TC_SECOND_NS)
        return;
    core->source_text_mono_ns = now_ns;
    write_source_json(core);
    buf_clear(out);
    metric_head(out, "tocsin_source_events_total", "counter",
                "Events of a source; {source=\"\"} is all beyond the bound.");
    metric_labelled(out, "tocsin_source_events_total", "source", SV(""), (double)s->other_events);
    for (size_t i = 0; i < s->count; i++)
        metric_labelled(out, "tocsin_source_events_total", "source", printable(s->items[i].name, room),
                        (double)s->items[i].events);
    metric_head(out, "tocsin_source_last_event_timestamp_seconds", "gauge", "When a source was heard last.");
    for (size_t i = 0; i < s->count; i++) {
        buf_str(out, "tocsin_source_last_event_timestamp_seconds{source=\"");
        metric_label_value(out, printable(s->items[i].name, room));
        buf_printf(out, "\"} %.3f\n", (double)s->items[i].last_ns / 1e9);
    }
}

void core_sources_json(struct core *core, struct buf *out)
{
    pthread_mutex_lock(&core->lock);
    buf_sv(out, core->source_json.overflow ? SV("[]") : buf_view(&core->source_json));
    pthread_mutex_unlock(&core->lock);
}

void core_source_metrics(struct core *core, struct buf *out)
{
    pthread_mutex_lock(&core->lock);
    buf_sv(out, buf_view(&core->source_text));
    pthread_mutex_unlock(&core->lock);
}
