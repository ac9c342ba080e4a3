/*
 * `tocsin alertmanager`: an Alertmanager in one process, with Alertmanager's flags, log lines and signals.
 * Also where the program is called by the name alertmanager.
 */
#include "api/alertmanager/server.h"
#include "app/app.h"
#include "base/json_out.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define ACCEPTED "accepted, without effect: there is nothing of the kind here"
#define CLUSTER  "accepted, without effect: this is one node"

static const struct option_spec options[] = {
    {"config.file", OPTION_VALUE, "FILE", "configuration file; default alertmanager.yml"},
    {"storage.path", OPTION_VALUE, "DIR", "where silences and the notification log are kept; default data/"},
    {"data.retention", OPTION_VALUE, "TIME", "how long expired silences are kept; default 120h"},
    {"data.maintenance-interval", OPTION_VALUE, "TIME", "between snapshots; default 15m"},
    {"silences.max-silences", OPTION_VALUE, "N", "at most so many silences; default 0: 100,000"},
    {"silences.max-silence-size-bytes", OPTION_VALUE, "N", ACCEPTED},
    {"log.silences", OPTION_FLAG, NULL, ACCEPTED},
    {"no-log.silences", OPTION_FLAG, NULL, ACCEPTED},
    {"alerts.gc-interval", OPTION_VALUE, "TIME", ACCEPTED},
    {"alerts.per-alertname-limit", OPTION_VALUE, "N",
     "at most so many alerts of one alertname; default 0: any number"},
    {"dispatch.keep-timers", OPTION_FLAG, NULL,
     "a reload keeps the timers of groups; without it they start anew, as Alertmanager's do"},
    {"dispatch.maintenance-interval", OPTION_VALUE, "TIME", ACCEPTED},
    {"dispatch.start-delay", OPTION_VALUE, "TIME",
     "no notification before so long after the start; default 0s"},
    {"web.listen-address", OPTION_VALUE, "ADDRESS", "host:port or :port; default :9093"},
    {"web.external-url", OPTION_VALUE, "URL", "under which it is reached; for links and the prefix of paths"},
    {"web.route-prefix", OPTION_VALUE, "PATH", "prefix of paths; default: that of --web.external-url"},
    {"web.config.file", OPTION_VALUE, "FILE",
     "not done: TLS and logins are a proxy's work; only an empty value"},
    {"web.systemd-socket", OPTION_FLAG, NULL, "listen on the socket that systemd hands over"},
    {"web.get-concurrency", OPTION_VALUE, "N", ACCEPTED},
    {"web.timeout", OPTION_VALUE, "TIME", ACCEPTED},
    {"auto-gomemlimit.ratio", OPTION_VALUE, "R", ACCEPTED},
    {"cluster.listen-address", OPTION_VALUE, "ADDRESS", "shown as this node's; empty: status says disabled"},
    {"cluster.advertise-address", OPTION_VALUE, "ADDRESS", CLUSTER},
    {"cluster.peer-name", OPTION_VALUE, "NAME", "this node's name; default: one is made"},
    {"cluster.peer", OPTION_LIST, "ADDRESS", "not done: a warning says so"},
    {"cluster.peer-timeout", OPTION_VALUE, "TIME", CLUSTER},
    {"cluster.peers-resolve-timeout", OPTION_VALUE, "TIME", CLUSTER},
    {"cluster.gossip-interval", OPTION_VALUE, "TIME", CLUSTER},
    {"cluster.pushpull-interval", OPTION_VALUE, "TIME", CLUSTER},
    {"cluster.tcp-timeout", OPTION_VALUE, "TIME", CLUSTER},
    {"cluster.probe-timeout", OPTION_VALUE, "TIME", CLUSTER},
    {"cluster.probe-interval", OPTION_VALUE, "TIME", CLUSTER},
    {"cluster.settle-timeout", OPTION_VALUE, "TIME", CLUSTER},
    {"cluster.reconnect-interval", OPTION_VALUE, "TIME", CLUSTER},
    {"cluster.reconnect-timeout", OPTION_VALUE, "TIME", CLUSTER},
    {"cluster.tls-config", OPTION_VALUE, "FILE", CLUSTER},
    {"cluster.allow-insecure-public-advertise-address-discovery", OPTION_FLAG, NULL, CLUSTER},
    {"no-cluster.allow-insecure-public-advertise-address-discovery", OPTION_FLAG, NULL, CLUSTER},
    {"cluster.label", OPTION_VALUE, "TEXT", CLUSTER},
    {"enable-feature", OPTION_VALUE, "LIST", "classic-mode or utf8-strict-mode; others change nothing here"},
    {"log.level", OPTION_VALUE, "debug|info|warn|error", "default info"},
    {"log.format", OPTION_VALUE, "logfmt|json", "default logfmt"},
    {0}};

/* --- the log, as Go's slog writes it --- */

struct slog {
    enum log_level lowest;
    bool json;
};

/* A value stands in quotes where it is empty or has a space, a quote or '='. */
static void put_value(struct buf *out, const char *text)
{
    bool plain = text[0] != '\0';
    for (const char *c = text; *c != '\0' && plain; c++)
        plain = (unsigned char)*c > ' ' && *c != '"' && *c != '=' && *c != '\\' && (unsigned char)*c != 0x7f;
    if (plain) {
        buf_str(out, text);
        return;
    }
    buf_char(out, '"');
    json_escape(out, sv_of(text));
    buf_char(out, '"');
}

static void write_line(void *context, enum log_level level, const char *message, const char *const *pairs)
{
    static const char *const levels[] = {"DEBUG", "INFO", "WARN", "ERROR"};
    const struct slog *slog = context;
    struct buf out;
    char at[TC_RFC3339_MAX];
    if (level < slog->lowest)
        return;
    buf_init(&out, 64 << 10);
    clk_rfc3339(clk_now(&clk_system).ns / 1000000 * 1000000, at);
    const char *const head[] = {"time", at, "level", levels[level], "source", "tocsin", "msg", message, NULL};
    struct json_out json = json_out_to(&out);
    const char *const *lists[] = {head, pairs};
    if (slog->json)
        json_object(&json);
    for (size_t i = 0; i < TC_ARRAY_LEN(lists); i++)
        for (const char *const *pair = lists[i]; pair[0] != NULL && pair[1] != NULL; pair += 2) {
            if (slog->json) {
                json_key(&json, sv_of(pair[0]));
                json_string(&json, sv_of(pair[1]));
                continue;
            }
            buf_printf(&out, "%s%s=", out.n > 0 ? " " : "", pair[0]);
            put_value(&out, pair[1]);
        }
    if (slog->json)
        json_object_end(&json);
    buf_char(&out, '\n');
    ssize_t written = write(STDERR_FILENO, out.p, out.n); /* one call: lines stay whole */
    (void)written;
    buf_free(&out);
}

/* --- flags --- */

static bool read_mode(const struct cli_args *args, enum am_matcher_mode *ret)
{
    struct sv list = sv_of(cli_value(args, "enable-feature", ""));
    bool classic = false, strict = false;
    while (list.n > 0) {
        struct sv word = sv_cut(&list, ',');
        classic = classic || sv_is(word, "classic-mode");
        strict = strict || sv_is(word, "utf8-strict-mode");
    }
    *ret = classic ? AM_MATCHERS_CLASSIC : strict ? AM_MATCHERS_UTF8 : AM_MATCHERS_FALLBACK;
    if (!classic || !strict)
        return true;
    cli_fail(args, CLI_USAGE, "--enable-feature: classic-mode and utf8-strict-mode exclude each other");
    return false;
}

/* What would not be done is not taken silently. */
static bool refuse_undone(const struct cli_args *args)
{
    if (cli_value(args, "web.config.file", "")[0] == '\0')
        return true;
    cli_fail(args, CLI_USAGE, "--web.config.file: TLS and logins are not done here: put a proxy before it");
    return false;
}

static bool read_log(const struct cli_args *args, struct slog *ret)
{
    const char *level = cli_value(args, "log.level", "info"),
               *format = cli_value(args, "log.format", "logfmt");
    ret->json = strcmp(format, "json") == 0;
    if (!log_level_of(level, &ret->lowest))
        cli_fail(args, CLI_USAGE, "--log.level %s: it is debug, info, warn or error", level);
    else if (!ret->json && strcmp(format, "logfmt") != 0)
        cli_fail(args, CLI_USAGE, "--log.format %s: it is logfmt or json", format);
    else
        return true;
    return false;
}

static bool read_flags(const struct cli_args *args, struct am_server_options *ret)
{
    uint64_t max, per_name;
    const char *most = cli_value(args, "silences.max-silences", "0");
    ret->config_file = cli_value(args, "config.file", "alertmanager.yml");
    ret->storage_path = cli_value(args, "storage.path", "data/");
    ret->listen = cli_value(args, "web.listen-address", ":9093");
    ret->external_url = cli_value(args, "web.external-url", NULL);
    ret->route_prefix = cli_value(args, "web.route-prefix", NULL);
    ret->cluster_listen = cli_value(args, "cluster.listen-address", "0.0.0.0:9094");
    ret->cluster_name = cli_value(args, "cluster.peer-name", NULL);
    if (ret->cluster_name != NULL && ret->cluster_name[0] == '\0')
        ret->cluster_name = NULL;
    if (!read_mode(args, &ret->mode) || !refuse_undone(args) ||
        !cli_duration(args, "data.retention", INT64_C(120) * 3600 * TC_SECOND_NS, &ret->retention_ns) ||
        !cli_duration(args, "dispatch.start-delay", 0, &ret->start_delay_ns) ||
        !cli_duration(args, "data.maintenance-interval", INT64_C(900) * TC_SECOND_NS, &ret->maintenance_ns))
        return false;
    if (!cli_number(args, "alerts.per-alertname-limit", 0, 100000, 0, &per_name))
        return false;
    ret->max_alerts_of_a_name = (size_t)per_name;
    ret->keep_timers = cli_flag(args, "dispatch.keep-timers");
    ret->systemd_socket = cli_flag(args, "web.systemd-socket");
    if (most[0] == '-') /* negative: no limit */
        return true;
    if (!cli_number(args, "silences.max-silences", 0, 100000, 0, &max))
        return false;
    ret->max_silences = (size_t)max;
    return true;
}

/* --- running --- */

static void serve(struct am_server *server, struct slog *slog, const sigset_t *signals)
{
    for (;;) {
        int signal_number = 0;
        if (sigwait(signals, &signal_number) != 0)
            continue;
        if (signal_number != SIGHUP)
            break;
        (void)am_server_reload(server, NULL);
    }
    write_line(slog, LOG_INFO_LEVEL, "Received SIGTERM, exiting gracefully...", (const char *const[]){NULL});
}

static enum cli_exit run(const struct cli_args *args)
{
    struct slog slog = {LOG_INFO_LEVEL, false};
    struct am_server_options given = {
        .clk = &clk_system, .rng = &rng_system, .fs = &fs_system, .log = write_line, .log_context = &slog};
    struct am_server *server = NULL;
    struct err err = {0};
    const char *const *peers;
    sigset_t signals;
    if (!read_log(args, &slog) || !read_flags(args, &given))
        return CLI_USAGE;
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before threads start: sigwait takes them */
    signal(SIGPIPE, SIG_IGN);
    write_line(&slog, LOG_INFO_LEVEL, "Starting Alertmanager",
               (const char *const[]){"version", "tocsin " TC_VERSION, NULL});
    if (cli_list(args, "cluster.peer", &peers) > 0)
        write_line(&slog, LOG_WARN_LEVEL, "Clustering is not done by this version: no peer is joined",
                   (const char *const[]){"peer", peers[0], NULL});
    if (am_server_start(&given, &server, &err) != 0) {
        char text[TC_ERR_TEXT_MAX + TC_ERR_FILE_MAX + 32];
        write_line(&slog, LOG_ERROR_LEVEL, "Cannot start",
                   (const char *const[]){"err", err_format(&err, text, sizeof text), NULL});
        return CLI_FOUND; /* as Alertmanager */
    }
    write_line(&slog, LOG_INFO_LEVEL, "Listening on",
               (const char *const[]){"address", am_server_address(server), NULL});
    serve(server, &slog, &signals);
    am_server_stop(&server);
    return CLI_DONE;
}

const struct verb verb_alertmanager = {
    .name = "alertmanager",
    .operands = "",
    .summary = "be an Alertmanager: its API, configuration file, timers and webhooks",
    .details = "Takes Alertmanager's flags, and is this verb also where the program is called by the name "
               "alertmanager. SIGHUP and POST /-/reload read the configuration anew; SIGTERM ends it. "
               "docs/alertmanager.md says what is done and what is not.",
    .options = options,
    .min_operands = 0,
    .max_operands = 0,
    .run = run,
};
