/*
 * `tocsin run`: reads the configuration, starts the server and serves until a signal says stop; the server
 * itself is in service.h.
 */
#include "app/app.h"

#include "app/service.h"
#include "app/supervise.h"
#include "app/tend.h"
#include "base/log.h"
#include "cli/rules.h"

#include <signal.h>
#include <sys/resource.h>

static const struct option_spec options[] = {
    {"config", OPTION_VALUE, "FILE", "the configuration; without it: defaults, loopback only, shipped packs"},
    {"data", OPTION_VALUE, "DIR", "the data directory (made where it is missing)"},
    {"listen", OPTION_VALUE, "ADDRESS:PORT", "where to listen (default 127.0.0.1:9797)"},
    {"rules", OPTION_LIST, "PATH", "rules in place of the shipped packs (may be given again)"},
    {"profile", OPTION_LIST, "FILE|NAME", RULES_PROFILE_HELP},
    {"pipeline", OPTION_LIST, "FILE|NAME", RULES_PIPELINE_HELP},
    {"syslog-udp", OPTION_VALUE, "ADDRESS:PORT", "also take syslog messages over UDP, as 127.0.0.1:5514"},
    {"syslog-tcp", OPTION_VALUE, "ADDRESS:PORT", "also take syslog messages over TCP, as 127.0.0.1:5514"},
    {"tail", OPTION_LIST, "PATTERN", "also follow log files, as '/var/log/app/*.log' (may be given again)"},
    {"enable-feature", OPTION_LIST, "LIST",
     "also Prometheus' feature flags of PromQL, parted by commas (docs/promql.md)"},
    {"journald", OPTION_FLAG, NULL, "also read the journal of systemd"},
    {"stdin", OPTION_FLAG, NULL, "also read events from standard input, one a line"},
    TEND_LOG_OPTIONS,
    {0}};

static void reload_on_signal(struct service *s)
{
    struct err err;
    struct buf json;
    buf_init(&json, 1 << 16);
    (void)service_reload(s, &json, &err); /* both outcomes are in the log and in /metrics */
    buf_free(&json);
}

static enum cli_exit read_config(struct service *s)
{
    struct err err;
    if (service_load_config(s->args, &s->config, &err) != 0) {
        tend_start_failed(s->args, &err);
        return CLI_USAGE;
    }
    s->config.data = cli_value(s->args, "data", s->config.data);
    s->config.listen = cli_value(s->args, "listen", s->config.listen);
    s->config.syslog_udp = cli_value(s->args, "syslog-udp", s->config.syslog_udp);
    s->config.syslog_tcp = cli_value(s->args, "syslog-tcp", s->config.syslog_tcp);
    s->config.journald |= cli_flag(s->args, "journald");
    s->config.standard_input |= cli_flag(s->args, "stdin");
    if (s->config.data == NULL)
        return cli_fail(s->args, CLI_USAGE,
                        "no data directory named: give --data DIR, or data: in the configuration");
    if (s->config.console_url == NULL)
        s->config.console_url = arena_printf(&s->config.arena, "http://%s", s->config.listen).p;
    return CLI_DONE;
}

/* A connection costs a descriptor: as many as the system allows, for up to 1,000 of them. */
static void raise_descriptors(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < limit.rlim_max) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static enum cli_exit run_run(const struct cli_args *args)
{
    struct service s = {.args = args, .started_ns = clk_now(&clk_system).ns};
    struct err err;
    sigset_t signals;
    pthread_mutex_init(&s.lock, NULL);
    pthread_mutex_init(&s.reloading, NULL);
    s.last_reload = (struct reload_outcome){true, clk_now(&clk_system).ns};
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGHUP);
    pthread_sigmask(SIG_BLOCK, &signals, NULL); /* before any thread is started: all of them inherit it */
    signal(SIGPIPE, SIG_IGN);
    raise_descriptors();
    supervise_open();
    enum cli_exit code = tend_log(args) ? read_config(&s) : CLI_USAGE;
    if (code == CLI_DONE && service_start(&s, &err) != 0)
        code = tend_start_failed(args, &err);
    if (code == CLI_DONE) {
        tend_sandbox(s.config.sandbox);
        struct core_stats stats;
        core_stats(s.core, &stats);
        log_info("run", "listening on http://%s with %llu rules, data in %s", api_address(s.api),
                 (unsigned long long)stats.rules, s.config.data);
        if (s.syslog != NULL)
            log_info("run", "syslog on UDP port %u, TCP port %u (0: not listening)",
                     syslog_listener_udp_port(s.syslog), syslog_listener_tcp_port(s.syslog));
        while (tend_until_signal(&signals, service_is_alive, &s) == SIGHUP) {
            supervise_reloading(&clk_system);
            reload_on_signal(&s);
        }
        supervise_stopping();
        log_info("run", "stopping");
    }
    service_stop(&s);
    supervise_close();
    log_stop();
    return code;
}

const struct verb verb_run = {
    .name = "run",
    .operands = "",
    .summary = "serve: take events in, judge them, raise and deliver alerts",
    .details =
        "Listens on loopback and needs no token there unless the configuration names sources. Stops "
        "on SIGINT or SIGTERM; what\n"
        "was acknowledged is kept, whatever happens. SIGHUP, or POST /-/reload, reads anew the rules\n"
        "with all that belongs to them, people and policies, the sections alerts, watch and heartbeats, and\n"
        "the GeoIP files (docs/reload.md); where one is refused, all that was in force goes on. What else "
        "was\n"
        "changed in the configuration, and waits for a restart, is said.",
    .options = options,
    .min_operands = 0,
    .max_operands = 0,
    .run = run_run,
};
