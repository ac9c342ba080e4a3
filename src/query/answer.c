/*
 * Loki's JSON; see answer.h.
 */
#include "query/answer.h"

#include "base/json_out.h"
#include "base/map.h"

#include <math.h>
#include <stdlib.h>

static void quoted(struct sv text, struct buf *out)
{
    struct json_out json = json_out_to(out);
    json_string(&json, text);
}

void query_write_labels(const struct query_label *labels, size_t count, struct buf *out)
{
    buf_char(out, '{');
    for (size_t i = 0; i < count; i++) {
        buf_str(out, i == 0 ? "" : ",");
        quoted(labels[i].name, out);
        buf_char(out, ':');
        quoted(labels[i].value, out);
    }
    buf_char(out, '}');
}

void query_write_number(double value, struct buf *out)
{
    struct json_out json = json_out_to(out);
    if (isnan(value))
        buf_str(out, "NaN");
    else if (isinf(value))
        buf_str(out, value > 0 ? "+Inf" : "-Inf");
    else
        json_double(&json, value);
}

static void write_stats(const struct query_scan_stats *stats, size_t returned, struct buf *out)
{
    buf_printf(out,
               ",\"stats\":{\"summary\":{\"bytesProcessedPerSecond\":0,\"linesProcessedPerSecond\":0,"
               "\"totalBytesProcessed\":%llu,\"totalLinesProcessed\":%llu,\"execTime\":0,\"queueTime\":0,"
               "\"subqueries\":0,\"totalEntriesReturned\":%zu,\"splits\":0,\"shards\":0,"
               "\"totalPostFilterLines\":%llu,\"totalStructuredMetadataBytesProcessed\":0},"
               "\"querier\":{\"store\":{\"totalChunksRef\":%llu,\"totalChunksDownloaded\":%llu,"
               "\"chunksDownloadTime\":0,\"chunk\":{\"headChunkBytes\":0,\"headChunkLines\":0,"
               "\"decompressedBytes\":%llu,\"decompressedLines\":%llu,\"compressedBytes\":0,"
               "\"totalDuplicates\":0}}},"
               "\"ingester\":{\"totalReached\":0,\"totalChunksMatched\":0,\"totalBatches\":0,"
               "\"totalLinesSent\":0,\"store\":{\"totalChunksRef\":0,\"totalChunksDownloaded\":0,"
               "\"chunksDownloadTime\":0,\"chunk\":{\"headChunkBytes\":0,\"headChunkLines\":0,"
               "\"decompressedBytes\":0,\"decompressedLines\":0,\"compressedBytes\":0,"
               "\"totalDuplicates\":0}}}}",
               (unsigned long long)stats->bytes, (unsigned long long)stats->lines, returned,
               (unsigned long long)stats->matched,
               (unsigned long long)(stats->segments + stats->skipped_segments),
               (unsigned long long)stats->segments, (unsigned long long)stats->bytes,
               (unsigned long long)stats->lines);
}

static void stream_key(const struct query_found *found, struct buf *key)
{
    buf_clear(key);
    for (size_t i = 0; i < found->label_count; i++) {
        buf_string(key, found->labels[i].name);
        buf_string(key, found->labels[i].value);
    }
}

void query_write_streams(const struct query_answer *answer, struct buf *out)
{
    struct map streams; /* labels -> 1 + the last found of that stream */
    struct buf key;
    size_t *next = tc_alloc((answer->count + 1) * sizeof *next),
           *first = tc_alloc((answer->count + 1) * sizeof *first);
    size_t stream_count = 0;
    map_init(&streams, answer->count + 1);
    buf_init(&key, 1 << 24);
    uint64_t *lasts = tc_alloc((answer->count + 1) * sizeof *lasts);
    for (size_t i = 0; i < answer->count; i++) {
        bool fresh;
        stream_key(answer->found[i], &key);
        uint64_t *number = map_put(&streams, buf_view(&key), &fresh);
        if (fresh) {
            *number = stream_count;
            first[stream_count++] = i;
        } else {
            next[lasts[*number]] = i + 1;
        }
        lasts[*number] = i;
    }
    buf_str(out, "{\"status\":\"success\",\"data\":{\"resultType\":\"streams\",\"result\":[");
    for (size_t s = 0; s < stream_count; s++) {
        const struct query_found *found = answer->found[first[s]];
        buf_str(out, s == 0 ? "{\"stream\":" : ",{\"stream\":");
        query_write_labels(found->labels, found->label_count, out);
        buf_str(out, ",\"values\":[");
        for (size_t i = first[s] + 1; i != 0; i = next[i - 1]) {
            found = answer->found[i - 1];
            buf_printf(out, "%s[\"%lld\",", i == first[s] + 1 ? "" : ",", (long long)found->ns);
            quoted(found->line, out);
            buf_char(out, ']');
        }
        buf_str(out, "]}");
    }
    buf_char(out, ']');
    write_stats(&answer->stats, answer->count, out);
    buf_str(out, "}}");
    buf_free(&key);
    map_free(&streams);
    free(next);
    free(first);
    free(lasts);
}

static void write_point(int64_t ns, double value, struct buf *out)
{
    int64_t ms = ns / 1000000;
    if (ms % 1000 == 0)
        buf_printf(out, "[%lld,\"", (long long)(ms / 1000));
    else
        buf_printf(out, "[%lld.%03lld,\"", (long long)(ms / 1000), (long long)(ms % 1000));
    query_write_number(value, out);
    buf_str(out, "\"]");
}

static void write_series(const struct query_series *series, size_t steps, int64_t start_ns, int64_t step_ns,
                         bool instant, struct buf *out)
{
    bool some = false;
    buf_str(out, "{\"metric\":");
    query_write_labels(series->labels, series->label_count, out);
    buf_str(out, instant ? ",\"value\":" : ",\"values\":[");
    for (size_t k = 0; k < steps; k++) {
        if (!series->present[k])
            continue;
        buf_str(out, some ? "," : "");
        some = true;
        write_point(start_ns + (int64_t)k * step_ns, series->values[k], out);
    }
    buf_str(out, instant ? "}" : "]}");
}

void query_write_matrix(const struct query_matrix *matrix, int64_t start_ns, int64_t step_ns, bool instant,
                        const struct query_scan_stats *stats, struct buf *out)
{
    bool scalar = matrix->is_scalar && instant, some = false;
    buf_printf(out, "{\"status\":\"success\",\"data\":{\"resultType\":\"%s\",\"result\":",
               scalar    ? "scalar"
               : instant ? "vector"
                         : "matrix");
    if (scalar)
        write_point(start_ns, matrix->series[0].values[0], out);
    else
        buf_char(out, '[');
    for (size_t i = 0; !scalar && i < matrix->count; i++) {
        const struct query_series *series = &matrix->series[i];
        if (memchr(series->present, 1, matrix->steps) == NULL)
            continue;
        buf_str(out, some ? "," : "");
        some = true;
        write_series(series, matrix->steps, start_ns, step_ns, instant, out);
    }
    buf_str(out, scalar ? "" : "]");
    write_stats(stats, 0, out);
    buf_str(out, "}}");
}
