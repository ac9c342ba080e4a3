/*
 * Any bytes as a Prometheus configuration and as a file of target groups: reading says yes or no with a
 * problem; the targets of what is good are made, and nothing crashes or leaks.
 */
#include "metrics/scrape/scrape_config.h"
#include "metrics/scrape/target.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void make_all(const struct scrape_job *job, const struct target_groups *groups)
{
    for (size_t g = 0; g < groups->n; g++)
        for (size_t i = 0; i < groups->items[g].address_count && i < 20; i++) {
            struct arena arena = {0};
            struct target_made made;
            struct err err = {0};
            (void)target_make(job, &groups->items[g], i, &arena, &made, &err);
            arena_free(&arena);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv bytes = sv_make((const char *)data, size);
    struct scrape_config config;
    struct target_groups groups;
    struct arena arena = {0};
    struct err err = {0};
    int good = scrape_config_parse(bytes, "dir/prometheus.yml", &config, &err);
    int is_groups = target_groups_parse(&arena, bytes, "sd.yml", NULL, &groups, &err);
    for (size_t i = 0; good == 0 && i < config.job_count && i < 20; i++) {
        make_all(&config.jobs[i], &config.jobs[i].statics[0]);
        if (is_groups == 0)
            make_all(&config.jobs[i], &groups);
    }
    scrape_config_free(&config);
    arena_free(&arena);
    return 0;
}
