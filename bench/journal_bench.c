/*
 * Measures the journal: taking in lines on a real disk, packing them, and finding them again.
 *     build/bench/journal_bench DIR FILE [NEEDLE]
 *
 * FILE's lines are parsed as a door would parse them and appended in batches of 500, each durable before the
 * next is told; then each closed segment is made cold. Figures go to standard output as one JSON object. DIR
 * is made and left behind.
 */
#include "bench.h"

#include "base/fs.h"
#include "base/json_out.h"
#include "base/rng.h"
#include "ingest/intake.h"
#include "journal/cold_make.h"
#include "journal/journal.h"
#include "query/search.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

enum { PER_BATCH = 500 };

struct timing {
    double wall, cpu;
};

static struct timing start(void)
{
    return (struct timing){seconds(CLOCK_MONOTONIC), seconds(CLOCK_PROCESS_CPUTIME_ID)};
}

static struct timing since(struct timing t)
{
    struct timing now = start();
    return (struct timing){now.wall - t.wall, now.cpu - t.cpu};
}

static _Noreturn void fail(const struct err *err)
{
    fprintf(stderr, "journal_bench: %s\n", err->text);
    exit(1);
}

struct figures {
    uint64_t raw_bytes, records, segment_bytes, segments, cold_bytes, chunk_bytes, filter_bytes, row_bytes;
    struct timing append, cold, verify, needle, count;
    uint64_t found, counted;
};

static void send_batch(struct journal *journal, const struct intake_batch *batch)
{
    struct err err;
    struct journal_batch b = {.kind = BATCH_INPUT,
                              .received = batch->received,
                              .blocks = buf_view(&batch->blocks),
                              .count = batch->count};
    if (batch->count > 0 && journal_append_wait(journal, &b, NULL, &err) != 0)
        fail(&err);
}

static void take_in(const char *dir, const char *path, struct figures *f)
{
    struct err err;
    struct journal *journal;
    struct journal_options o = {.fs = &fs_system, .clk = &clk_system, .rng = &rng_system, .dir = dir};
    struct intake *intake =
        intake_new(&(struct intake_options){.clk = &clk_system, .lateness_ns = INT64_MAX / 2});
    struct intake_batch batch;
    struct parse_state state = {0};
    const struct parser *parser = NULL;
    char *line = NULL;
    size_t capacity = 0;
    ssize_t n;
    FILE *file = fopen(path, "r");
    if (file == NULL || journal_open(&o, &journal, NULL, &err) != 0) {
        fprintf(stderr, "journal_bench: cannot open %s or %s\n", path, dir);
        exit(1);
    }
    intake_batch_init(&batch, 64 << 20);
    parse_state_init(&state, 0, 0, clk_now(&clk_system).ns);
    f->append = start();
    for (uint64_t i = 0; (n = getline(&line, &capacity, file)) > 0; i++) {
        struct sv text = sv_make(line, (size_t)n - (line[n - 1] == '\n'));
        if (parser == NULL)
            parser = parser_recognise(text);
        f->raw_bytes += (uint64_t)n;
        f->records++;
        if (intake_line(intake, parser, &state, SV("file:bench"), i, text, &batch, &err) != 0)
            fail(&err);
        if (batch.count == PER_BATCH) {
            send_batch(journal, &batch);
            intake_batch_clear(&batch);
        }
    }
    send_batch(journal, &batch);
    f->append = since(f->append);
    struct journal_stats stats;
    journal_stats(journal, &stats);
    f->segment_bytes = stats.bytes;
    journal_close(&journal);
    if (journal_begin_epoch(&o, &(uint64_t){0}, &err) != 0) /* closes the last segment */
        fail(&err);
    intake_batch_free(&batch);
    intake_free(&intake);
    fclose(file);
    free(line);
}

static void pack(const char *dir, struct figures *f)
{
    struct segment_list list;
    struct err err;
    if (segment_list_read(&fs_system, dir, &list, &err) != 0)
        fail(&err);
    f->cold = start();
    for (size_t i = 0; i + 1 < list.n; i++)
        if (cold_make(&fs_system, dir, list.first[i], clk_now(&clk_system), &err) != 0)
            fail(&err);
    f->cold = since(f->cold);
    for (size_t i = 0; i + 1 < list.n; i++) {
        struct cold cold;
        struct fs_stat st;
        if (cold_open(&cold, &fs_system, dir, list.first[i], &err) != 0)
            fail(&err);
        fs_system.stat(&fs_system, cold.path, &st);
        f->cold_bytes += st.size_bytes;
        f->row_bytes += cold.header.frames.bytes;
        for (size_t k = 0; k < cold.n; k++) {
            f->chunk_bytes += cold.entries[k].part.bytes;
            f->filter_bytes += cold.entries[k].words.bytes;
        }
        cold_close(&cold);
    }
    f->segments = list.n - 1;
    segment_list_free(&list);
}

static uint64_t ask(const char *dir, const char *text)
{
    struct logql *query;
    struct query_answer answer;
    struct err err;
    struct query_source source = {.fs = &fs_system, .dir = dir};
    if (logql_parse(sv_of(text), &query, &err) != 0 ||
        query_search(&source, query, INT64_MIN, INT64_MAX, 1000, false, &answer, &err) != 0)
        fail(&err);
    uint64_t n = answer.count;
    query_answer_free(&answer);
    logql_free(&query);
    return n;
}

static void print(const struct figures *f)
{
    struct rusage used = {0};
    getrusage(RUSAGE_SELF, &used);
    printf("{\"records\":%llu,\"raw_bytes\":%llu,\"events_per_s\":%.0f,\"raw_mb_per_cpu_s\":%.1f,\"segment_"
           "per_raw\":%.3f,"
           "\"cold_segments\":%llu,\"cold_per_raw\":%.4f,\"chunks_per_raw\":%.4f,\"filters_per_raw\":%.4f,"
           "\"rows_per_raw\":%.4f,\"pack_raw_mb_per_cpu_s\":%.1f,\"verify_raw_mb_per_s\":%.1f,\"needle_ms\":%"
           ".2f,"
           "\"needle_found\":%llu,\"peak_mib\":%.0f}\n",
           (unsigned long long)f->records, (unsigned long long)f->raw_bytes,
           (double)f->records / f->append.wall, (double)f->raw_bytes / 1e6 / f->append.cpu,
           (double)f->segment_bytes / (double)f->raw_bytes, (unsigned long long)f->segments,
           (double)f->cold_bytes / (double)f->raw_bytes, (double)f->chunk_bytes / (double)f->raw_bytes,
           (double)f->filter_bytes / (double)f->raw_bytes, (double)f->row_bytes / (double)f->raw_bytes,
           (double)f->raw_bytes / 1e6 / f->cold.cpu, (double)f->raw_bytes / 1e6 / f->verify.wall,
           f->needle.wall * 1e3, (unsigned long long)f->found, (double)used.ru_maxrss / 1024);
}

int main(int argc, char **argv)
{
    struct figures f = {0};
    struct journal_verify_report report;
    struct err err;
    char text[512];
    if (argc < 3) {
        fprintf(stderr, "journal_bench DIR FILE [NEEDLE]\n");
        return 2;
    }
    if (access(argv[1], F_OK) != 0) {
        take_in(argv[1], argv[2], &f);
        pack(argv[1], &f);
    }
    f.verify = start();
    if (journal_verify(&fs_system, argv[1], &report, &err) != 0)
        fail(&err);
    f.verify = since(f.verify);
    if (argc > 3) {
        snprintf(text, sizeof text, "{source=~\".+\"} |= \"%s\"", argv[3]);
        ask(argv[1], text); /* once, so that the file's pages are there */
        f.needle = start();
        f.found = ask(argv[1], text);
        f.needle = since(f.needle);
    }
    print(&f);
    return 0;
}
