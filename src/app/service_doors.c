/*
 * What events come in by, beside HTTP: syslog, files, the journal of systemd, standard input; see service.h.
 */
#include "app/service.h"

/* An intake of its own: how late a message may be differs from door to door. */
static int open_syslog(struct service *s, struct err *err)
{
    const struct config *c = &s->config;
    if (c->syslog_udp == NULL && c->syslog_tcp == NULL)
        return 0;
    s->syslog_intake = intake_new(&(struct intake_options){
        .clk = &clk_system,
        .redactor = s->privacy.redactor,
        .geoip = s->geoip,
        .lateness_ns = c->syslog_lateness_ns >= 0 ? c->syslog_lateness_ns : c->lateness_ns,
        .zone_offset_s = c->zone_offset_s,
        .classes = c->retention_classes,
        .class_count = c->retention_class_count});
    struct syslog_options o = {.clk = &clk_system,
                               .intake = s->syslog_intake,
                               .parser = c->syslog_parser,
                               .zone_offset_s = c->zone_offset_s,
                               .udp = c->syslog_udp,
                               .tcp = c->syslog_tcp,
                               .allow_plaintext = c->syslog_allow_plaintext,
                               .append = service_append_live,
                               .context = s};
    struct syslog_listener *syslog = NULL;
    int rc = syslog_listener_start(&o, &syslog, err);
    s->syslog = syslog;
    return rc;
}

static void restore_tail(void *context, struct sv key, struct sv value)
{
    tail_restore(context, key, value);
}

/* What was asked for on the command line stands behind what the configuration names. */
static void add_tail_option(struct service *s)
{
    struct config *c = &s->config;
    const char *const *paths;
    size_t count = cli_list(s->args, "tail", &paths);
    if (count == 0)
        return;
    struct tail_source *files = ARENA_ARRAY(&c->arena, struct tail_source, c->file_count + 1);
    if (c->file_count > 0)
        memcpy(files, c->files, c->file_count * sizeof files[0]);
    files[c->file_count++] = (struct tail_source){.paths = paths, .path_count = count, .from_end = true};
    c->files = files;
}

/* The positions are those of the recovered fold: before the core's thread goes on. */
static int make_tail(struct service *s, struct err *err)
{
    struct tail *tail = NULL;
    add_tail_option(s);
    if (s->config.file_count == 0)
        return 0;
    struct tail_options o = {.fs = &fs_system,
                             .clk = &clk_system,
                             .intake = s->intake,
                             .zone_offset_s = s->config.zone_offset_s,
                             .sources = s->config.files,
                             .source_count = s->config.file_count,
                             .append = service_append_live,
                             .context = s};
    int rc = tail_new(&o, &tail, err);
    if (rc != 0)
        return rc;
    core_each_position(s->core, restore_tail, tail);
    s->tail = tail;
    return 0;
}

static void restore_journald(void *context, struct sv key, struct sv value)
{
    journald_source_restore(context, key, value);
}

static int make_journald(struct service *s, struct err *err)
{
    struct journald_source *journald = NULL;
    if (!s->config.journald)
        return 0;
    struct journald_options o = {.intake = s->intake,
                                 .has_lateness = s->config.journald_lateness_ns >= 0,
                                 .lateness_ns = s->config.journald_lateness_ns,
                                 .directory = s->config.journald_directory,
                                 .from_beginning = s->config.journald_from_beginning,
                                 .append = service_append_live,
                                 .context = s};
    int rc = journald_source_new(&o, &journald, err);
    if (rc != 0)
        return rc;
    core_each_position(s->core, restore_journald, journald);
    s->journald = journald;
    return 0;
}

int service_make_doors(struct service *s, struct err *err)
{
    int rc = make_tail(s, err);
    return rc == 0 ? make_journald(s, err) : rc;
}

int service_open_doors(struct service *s, struct err *err)
{
    int rc = open_syslog(s, err);
    if (rc == 0 && s->tail != NULL)
        rc = tail_start(s->tail, err);
    if (rc == 0 && s->journald != NULL)
        rc = journald_source_start(s->journald, err);
    if (rc == 0 && s->config.standard_input)
        rc = stdin_source_start(s->intake, core_journal(s->core), &clk_system, s->config.zone_offset_s,
                                s->config.standard_input_lateness_ns, &s->stdin_source, err);
    return rc;
}

void service_close_doors(struct service *s)
{
    struct syslog_listener *syslog = s->syslog;
    syslog_listener_stop(&syslog);
    struct tail *tail = s->tail;
    tail_free(&tail);
    struct journald_source *journald = s->journald;
    journald_source_free(&journald);
}
