/*
 * The sections of the configuration that say where events come from: senders, syslog, files, the journal,
 * standard input, and whose silence is watched.
 */
#include "app/config_priv.h"

#include "base/address.h"

/* --- sources
 * -------------------------------------------------------------------------------------------------------- */

int setting_token_name(struct reading *r, const struct yaml_node *node)
{
    return setting_text(r, node, &((struct api_token *)r->item)->source);
}

int setting_token_secret(struct reading *r, const struct yaml_node *node)
{
    return setting_secret(r, node, &((struct api_token *)r->item)->secret);
}

/* A row of its own: the name that it is for may stand behind it in the file. */
static int sender_lateness(struct reading *r, const struct yaml_node *node)
{
    struct config *c = r->config;
    struct intake_lateness *row = &c->sender_lateness[(struct api_token *)r->item - c->tokens];
    return setting_duration(r, node, &row->lateness_ns);
}

const struct setting config_source_settings[] = {
    {"name", "name of the sender; its events bear the source http:NAME", "required", setting_token_name},
    {"token", "bearer token of the sender, as env:NAME or file:PATH", "required", setting_token_secret},
    {"lateness", "as `lateness` of the top level, for the events of this sender", "`lateness`",
     sender_lateness},
    {0}};

/* The rows of senders that declared a lateness, under the names that their events bear. */
static void gather_lateness(struct config *c)
{
    for (size_t i = 0; i < c->token_count; i++) {
        int64_t lateness_ns = c->sender_lateness[i].lateness_ns;
        if (lateness_ns >= 0)
            c->sender_lateness[c->sender_lateness_count++] = (struct intake_lateness){
                arena_printf(&c->arena, "http:%.*s", SV_FMT(c->tokens[i].source)), lateness_ns};
    }
}

int config_read_sources(struct reading *r, const struct yaml_node *node)
{
    int rc = setting_list(r, node);
    if (rc != 0)
        return rc;
    struct config *c = r->config;
    c->token_count = node->count;
    c->tokens = ARENA_ARRAY(&c->arena, struct api_token, node->count + 1);
    c->sender_lateness = ARENA_ARRAY(&c->arena, struct intake_lateness, node->count + 1);
    for (size_t i = 0; i < node->count; i++)
        c->sender_lateness[i].lateness_ns = -1;
    rc = setting_rows(r, node, config_source_settings, c->tokens, sizeof c->tokens[0]);
    for (size_t i = 0; rc == 0 && i < c->token_count; i++)
        if (c->tokens[i].source.n == 0 || c->tokens[i].secret.n == 0)
            rc = setting_bad(r, node, "every source needs a name and a token");
    if (rc == 0)
        gather_lateness(c);
    return rc;
}

/* --- watch
 * ----------------------------------------------------------------------------------------------------------
 */

static int watch_source(struct reading *r, const struct yaml_node *node)
{
    return setting_text(r, node, &((struct source_watch *)r->item)->source);
}

static int watch_interval(struct reading *r, const struct yaml_node *node)
{
    struct source_watch *row = r->item;
    if (node->type == YAML_SCALAR && sv_is(node->text, "learn"))
        return 0;
    int rc = setting_duration(r, node, &row->interval_ns);
    return rc == 0 && row->interval_ns < TC_SECOND_NS
               ? setting_bad(r, node, "a second at least, or the word learn")
               : rc;
}

const struct setting config_watch_settings[] = {
    {"source", "name of the source as its events bear it, such as http:default or syslog:tcp:10.0.0.7",
     "required", watch_source},
    {"interval",
     "it sends at least this often; after two of them without an event SOURCE_SILENT is raised. learn: "
     "the longest gap of late",
     "learn", watch_interval},
    {0}};

/* Adds the list's rows to those that are watched already. */
static int add_rows(struct reading *r, const struct yaml_node *node, const struct setting *settings)
{
    int rc = setting_list(r, node);
    if (rc != 0)
        return rc;
    struct config *c = r->config;
    struct source_watch *rows = ARENA_ARRAY(&c->arena, struct source_watch, c->watch_count + node->count + 1);
    if (c->watch_count > 0)
        memcpy(rows, c->watch, c->watch_count * sizeof rows[0]);
    c->watch = rows;
    rc = setting_rows(r, node, settings, rows + c->watch_count, sizeof rows[0]);
    c->watch_count += node->count;
    for (size_t i = 0; rc == 0 && i < c->watch_count; i++) {
        if (rows[i].source.n == 0)
            rc = setting_bad(r, node, "every row needs a name");
        for (size_t j = 0; rc == 0 && j < i; j++)
            if (sv_eq(rows[j].source, rows[i].source))
                rc = setting_bad(r, node, "two rows name the same source");
    }
    return rc;
}

int config_read_watch(struct reading *r, const struct yaml_node *node)
{
    return add_rows(r, node, config_watch_settings);
}

/* --- heartbeats
 * ---------------------------------------------------------------------------------------------------- */

static int heartbeat_name(struct reading *r, const struct yaml_node *node)
{
    struct sv name;
    int rc = setting_text(r, node, &name);
    if (rc == 0 && !api_is_heartbeat(name))
        rc = setting_bad(r, node, "1 to 64 letters, digits, dots, dashes or underscores are expected here");
    ((struct source_watch *)r->item)->source =
        arena_printf(&r->config->arena, "heartbeat:%.*s", SV_FMT(sv_head(name, 64)));
    return rc;
}

static int heartbeat_grace(struct reading *r, const struct yaml_node *node)
{
    return setting_duration(r, node, &((struct source_watch *)r->item)->grace_ns);
}

static int heartbeat_every(struct reading *r, const struct yaml_node *node)
{
    return sv_is(node->text, "learn") ? setting_bad(r, node, "a duration is expected here")
                                      : watch_interval(r, node);
}

const struct setting config_heartbeat_settings[] = {
    {"name", "name of the job, which says so by POST /v1/heartbeats/NAME", "required", heartbeat_name},
    {"interval", "how often it does", "required", heartbeat_every},
    {"grace", "how much later it may be before SOURCE_SILENT is raised", "as long as the interval",
     heartbeat_grace},
    {0}};

int config_read_heartbeats(struct reading *r, const struct yaml_node *node)
{
    size_t before = r->config->watch_count;
    int rc = add_rows(r, node, config_heartbeat_settings);
    for (size_t i = before; rc == 0 && i < r->config->watch_count; i++)
        if (r->config->watch[i].interval_ns == 0)
            rc = setting_bad(r, node, "every heartbeat needs an interval");
    return rc;
}

/* --- syslog
 * ---------------------------------------------------------------------------------------------------------
 */

static int read_address(struct reading *r, const struct yaml_node *node, const char **ret)
{
    struct sv text;
    struct address address;
    struct err err;
    int rc = setting_text(r, node, &text);
    if (rc == 0 && address_parse(text, &address, &err) != 0)
        rc = setting_bad(r, node, err.text);
    if (rc == 0)
        *ret = text.p;
    return rc;
}

static int syslog_udp(struct reading *r, const struct yaml_node *node)
{
    return read_address(r, node, &r->config->syslog_udp);
}

static int syslog_tcp(struct reading *r, const struct yaml_node *node)
{
    return read_address(r, node, &r->config->syslog_tcp);
}

static int syslog_plaintext(struct reading *r, const struct yaml_node *node)
{
    return setting_bool(r, node, &r->config->syslog_allow_plaintext);
}

static int syslog_lateness(struct reading *r, const struct yaml_node *node)
{
    return setting_duration(r, node, &r->config->syslog_lateness_ns);
}

/* `parsers` stands before `syslog` in the table of the top level, so the library is open. */
static int syslog_parser(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    struct err err;
    int rc = setting_text(r, node, &text);
    if (rc == 0 &&
        parser_library_find(r->config->parsers.library, text, &r->config->syslog_parser, &err) != 0)
        rc = setting_bad(r, node, err.text);
    return rc;
}

const struct setting config_syslog_settings[] = {
    {"udp", "address and port for syslog over UDP, as 127.0.0.1:5514", "none", syslog_udp},
    {"tcp", "address and port for syslog over TCP (octet-counted or a line a message)", "none", syslog_tcp},
    {"allow_plaintext", "also listen where others than this machine can reach it, unencrypted", "false",
     syslog_plaintext},
    {"lateness", "as `lateness` of the top level, for messages that came by syslog", "`lateness`",
     syslog_lateness},
    {"parser", "what reads the messages: syslog, or a shipped or declared parser (docs/parsers.md)", "syslog",
     syslog_parser},
    {0}};

int config_read_syslog(struct reading *r, const struct yaml_node *node)
{
    return setting_section(r, node, config_syslog_settings);
}

/* --- files
 * ---------------------------------------------------------------------------------------------------------
 */

static int file_name(struct reading *r, const struct yaml_node *node)
{
    return setting_text(r, node, &((struct tail_source *)r->item)->name);
}

static int file_paths(struct reading *r, const struct yaml_node *node)
{
    struct tail_source *source = r->item;
    int rc = setting_list(r, node);
    if (rc != 0)
        return rc;
    const char **paths = ARENA_ARRAY(&r->config->arena, const char *, node->count + 1);
    for (const struct yaml_node *n = node->first; n != NULL; n = n->next) {
        struct err err;
        if (n->type != YAML_SCALAR)
            return err_at(r->err, TC_EINPUT, r->file, n->line, n->column, "paths: a path is expected here");
        if (tail_check_pattern(n->text, &err) != 0)
            return err_at(r->err, TC_EINPUT, r->file, n->line, n->column, "paths: %s", err.text);
        paths[source->path_count++] = arena_sv(&r->config->arena, n->text).p;
    }
    source->paths = paths;
    return 0;
}

static int file_format(struct reading *r, const struct yaml_node *node)
{
    struct tail_source *source = r->item;
    struct sv text;
    int rc = setting_text(r, node, &text);
    if (rc != 0 || sv_is(text, "auto"))
        return rc;
    struct err err; /* `parsers` stands before `files`, too */
    if (parser_library_find(r->config->parsers.library, text, &source->parser, &err) != 0)
        rc = setting_bad(r, node, err.text);
    return rc;
}

static int read_start(struct reading *r, const struct yaml_node *node, bool *ret_from_end)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    if (rc == 0 && !sv_is(text, "beginning") && !sv_is(text, "end"))
        rc = setting_bad(r, node, "beginning or end is expected here");
    if (rc == 0)
        *ret_from_end = sv_is(text, "end");
    return rc;
}

static int file_start(struct reading *r, const struct yaml_node *node)
{
    return read_start(r, node, &((struct tail_source *)r->item)->from_end);
}

static int file_lateness(struct reading *r, const struct yaml_node *node)
{
    struct tail_source *source = r->item;
    source->has_lateness = true;
    return setting_duration(r, node, &source->lateness_ns);
}

const struct setting config_file_settings[] = {
    {"name", "their events bear the source file:NAME", "file: and the path", file_name},
    {"paths", "absolute paths, each part of which may hold the patterns * ? [...]", "required", file_paths},
    {"format", "how a line is read: json, syslog, nginx … or a shipped or declared parser (docs/parsers.md)",
     "auto", file_format},
    {"lateness", "as `lateness` of the top level, for these files", "`lateness`", file_lateness},
    {"start", "beginning or end: where files begin that are there when this source is first followed", "end",
     file_start},
    {0}};

int config_read_files(struct reading *r, const struct yaml_node *node)
{
    int rc = setting_list(r, node);
    if (rc != 0)
        return rc;
    struct config *c = r->config;
    c->file_count = node->count;
    c->files = ARENA_ARRAY(&c->arena, struct tail_source, node->count + 1);
    for (size_t i = 0; i < c->file_count; i++)
        c->files[i].from_end = true;
    rc = setting_rows(r, node, config_file_settings, c->files, sizeof c->files[0]);
    for (size_t i = 0; rc == 0 && i < c->file_count; i++) {
        if (c->files[i].path_count == 0)
            rc = setting_bad(r, node, "every source of files needs paths");
        for (size_t j = 0; rc == 0 && j < i; j++)
            if (c->files[i].name.n > 0 && sv_eq(c->files[i].name, c->files[j].name))
                rc = setting_bad(r, node, "two sources of files have the same name");
    }
    return rc;
}

/* --- journald
 * ---------------------------------------------------------------------------------------------------------
 */

static int journald_directory(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    if (rc == 0)
        r->config->journald_directory = text.p;
    return rc;
}

static int journald_start(struct reading *r, const struct yaml_node *node)
{
    bool from_end = true;
    int rc = read_start(r, node, &from_end);
    r->config->journald_from_beginning = !from_end;
    return rc;
}

static int journald_lateness(struct reading *r, const struct yaml_node *node)
{
    return setting_duration(r, node, &r->config->journald_lateness_ns);
}

static int journald_enabled(struct reading *r, const struct yaml_node *node)
{
    return setting_bool(r, node, &r->config->journald);
}

const struct setting config_journald_settings[] = {
    {"enabled", "read the journal of systemd", "true where this section stands", journald_enabled},
    {"directory", "where its files lie", "the system's own", journald_directory},
    {"start", "beginning or end: where to begin at the first start", "end", journald_start},
    {"lateness", "as `lateness` of the top level, for its entries", "`lateness`", journald_lateness},
    {0}};

int config_read_journald(struct reading *r, const struct yaml_node *node)
{
    r->config->journald = true;
    return setting_section(r, node, config_journald_settings);
}

/* --- standard input
 * ---------------------------------------------------------------------------------------------------------
 */

static int stdin_lateness(struct reading *r, const struct yaml_node *node)
{
    return setting_duration(r, node, &r->config->standard_input_lateness_ns);
}

static int stdin_enabled(struct reading *r, const struct yaml_node *node)
{
    return setting_bool(r, node, &r->config->standard_input);
}

const struct setting config_stdin_settings[] = {
    {"enabled", "read lines from standard input, as `run --stdin` does", "true where this section stands",
     stdin_enabled},
    {"lateness", "as `lateness` of the top level, for its lines", "`lateness`", stdin_lateness},
    {0}};

int config_read_stdin(struct reading *r, const struct yaml_node *node)
{
    r->config->standard_input = true;
    return setting_section(r, node, config_stdin_settings);
}
