/*
 * Annotations: warnings and infos of a query, each text once, with the place that reported it last.
 */
#include "base/go_text.h"
#include "metrics/grow.h"
#include "metrics/promql/eval_priv.h"

#include <stdarg.h>
#include <stdio.h>

struct annotation *annotate(struct query *q, int32_t at, bool info, struct sv text)
{
    uint64_t *index = q->sharing != NULL ? NULL : map_put(&q->annotation_index, text, NULL);
    if (index == NULL)
        return &q->ignored;
    if (*index == 0) {
        q->annotations = grow(q->arena, q->annotations, q->annotation_count, &q->annotation_capacity,
                              sizeof *q->annotations);
        q->annotations[q->annotation_count++] =
            (struct annotation){.text = arena_sv(q->arena, text), .info = info};
        *index = q->annotation_count;
    }
    struct annotation *a = &q->annotations[*index - 1];
    a->at = at;
    a->count++;
    return a;
}

static void TC_PRINTF(4, 0)
    annotate_list(struct query *q, int32_t at, bool info, const char *format, va_list list)
{
    char text[1024];
    if (q->sharing != NULL)
        return;
    int n = snprintf(text, sizeof text, "PromQL %s: ", info ? "info" : "warning");
    vsnprintf(text + n, sizeof text - (size_t)n, format, list);
    annotate(q, at, info, sv_of(text));
}

void annotate_warning(struct query *q, int32_t at, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    annotate_list(q, at, false, format, list);
    va_end(list);
}

void annotate_info(struct query *q, int32_t at, const char *format, ...)
{
    va_list list;
    va_start(list, format);
    annotate_list(q, at, true, format, list);
    va_end(list);
}

struct sv quote_text(struct query *q, struct sv text)
{
    struct buf b;
    buf_init(&b, PROMQL_TEXT_MAX);
    go_quote(&b, text);
    struct sv made = arena_sv(q->arena, buf_view(&b));
    buf_free(&b);
    return made;
}

struct sv labels_text(struct query *q, const struct labels *labels)
{
    struct buf b;
    buf_init(&b, PROMQL_TEXT_MAX);
    labels_format(&b, labels);
    struct sv made = arena_sv(q->arena, buf_view(&b));
    buf_free(&b);
    return made;
}

struct sv annotation_metric(struct query *q, struct sv name)
{
    return name.n == 0 ? SV("")
                       : arena_printf(q->arena, " for metric name %.*s", SV_FMT(quote_text(q, name)));
}

void warn_mixed_floats(struct query *q, struct sv metric, int32_t at)
{
    annotate_warning(q, at, "encountered a mix of histograms and floats for metric name %.*s",
                     SV_FMT(quote_text(q, metric)));
}

void warn_mixed_schemas(struct query *q, struct sv metric, int32_t at)
{
    annotate_warning(
        q, at,
        "vector contains a mix of histograms with exponential and custom buckets schemas for metric name "
        "%.*s",
        SV_FMT(quote_text(q, metric)));
}

void warn_not_counter(struct query *q, struct sv metric, int32_t at)
{
    annotate_warning(q, at, "this native histogram metric is not a counter: %.*s",
                     SV_FMT(quote_text(q, metric)));
}

void warn_not_gauge(struct query *q, struct sv metric, int32_t at)
{
    annotate_warning(q, at, "this native histogram metric is not a gauge: %.*s",
                     SV_FMT(quote_text(q, metric)));
}

void warn_quantile(struct query *q, double quantile, int32_t at)
{
    struct buf b;
    buf_init(&b, 64);
    go_float_g(&b, quantile);
    annotate_warning(q, at, "quantile value should be between 0 and 1, got %.*s", SV_FMT(buf_view(&b)));
    buf_free(&b);
}

void warn_strategy(struct query *q, double strategy, int32_t at)
{
    struct buf b;
    buf_init(&b, 64);
    go_float_g(&b, strategy);
    annotate_warning(q, at, "strategy should be 0, 1, or 2 (default), using 2, got %.*s",
                     SV_FMT(buf_view(&b)));
    buf_free(&b);
}

void warn_collision(struct query *q, int32_t at, const char *operation)
{
    annotate_warning(q, at, "conflicting counter resets during histogram %s", operation);
}

void info_reconciled(struct query *q, int32_t at, const char *operation)
{
    annotate_info(q, at, "mismatched custom buckets were reconciled during %s", operation);
}

void info_ignored_in(struct query *q, const char *aggregation, int32_t at)
{
    annotate_info(q, at, "ignored histogram in %s aggregation", aggregation);
}

void info_ignored_in_range(struct query *q, struct sv metric, int32_t at)
{
    annotate_info(q, at,
                  "ignored histograms in a range containing both floats and histograms for metric name %.*s",
                  SV_FMT(quote_text(q, metric)));
}
