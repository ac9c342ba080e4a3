/*
 * dns_sd_configs: SRV, A, AAAA, MX and NS records as targets, asked by the system's resolver. See
 * discovery_priv.h.
 */
#include "metrics/scrape/discovery_priv.h"

#include <arpa/inet.h>
#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>
#include <stdlib.h>

enum { ANSWER_BYTES = 64 << 10, RESOLVE_SECONDS = 2, RESOLVE_TRIES = 2 };

struct asking {
    const struct dns_sd *config;
    struct held_groups *held;
    struct sv *addresses;
    struct target_labels *own;
    size_t n;
};

static const ns_type record_types[] = {
    [DNS_SRV] = ns_t_srv, [DNS_A] = ns_t_a, [DNS_AAAA] = ns_t_aaaa, [DNS_MX] = ns_t_mx, [DNS_NS] = ns_t_ns};

static bool name_at(const ns_msg *message, const unsigned char *at, char out[NS_MAXDNAME])
{
    if (ns_name_uncompress(ns_msg_base(*message), ns_msg_end(*message), at, out, NS_MAXDNAME) < 0)
        return false;
    size_t n = strlen(out);
    if (n > 0 && out[n - 1] == '.')
        out[n - 1] = '\0';
    return true;
}

static void add(struct asking *a, struct sv address, const struct label *labels, size_t n)
{
    struct label *copy = ARENA_ARRAY(&a->held->arena, struct label, n + 1);
    if (a->n == DISCOVERY_TARGETS_MAX)
        return;
    for (size_t i = 0; i < n; i++)
        copy[i] = labels[i];
    a->addresses[a->n] = address;
    a->own[a->n++] = (struct target_labels){copy, n};
}

static void take_record(struct asking *a, const ns_msg *message, const ns_rr *rr)
{
    struct arena *arena = &a->held->arena;
    const unsigned char *data = ns_rr_rdata(*rr);
    size_t bytes = ns_rr_rdlen(*rr);
    char name[NS_MAXDNAME], address[INET6_ADDRSTRLEN];
    struct label labels[2];
    if (ns_rr_type(*rr) != record_types[a->config->type])
        return;
    if (ns_rr_type(*rr) == ns_t_srv && bytes > 6 && name_at(message, data + 6, name)) {
        unsigned port = ns_get16(data + 4);
        struct sv target = arena_printf(arena, "%s.", name);
        labels[0] = (struct label){SV("__meta_dns_srv_record_target"), target};
        labels[1] = (struct label){SV("__meta_dns_srv_record_port"), arena_printf(arena, "%u", port)};
        add(a, arena_printf(arena, "%s:%u", name, port), labels, 2);
    } else if (ns_rr_type(*rr) == ns_t_mx && bytes > 2 && name_at(message, data + 2, name)) {
        labels[0] = (struct label){SV("__meta_dns_mx_record_target"), arena_printf(arena, "%s.", name)};
        add(a, arena_printf(arena, "%s:%u", name, a->config->port), labels, 1);
    } else if (ns_rr_type(*rr) == ns_t_ns && name_at(message, data, name)) {
        labels[0] = (struct label){SV("__meta_dns_ns_record_target"), arena_printf(arena, "%s.", name)};
        add(a, arena_printf(arena, "%s:%u", name, a->config->port), labels, 1);
    } else if (ns_rr_type(*rr) == ns_t_a && bytes == 4) {
        inet_ntop(AF_INET, data, address, sizeof address);
        add(a, arena_printf(arena, "%s:%u", address, a->config->port), labels, 0);
    } else if (ns_rr_type(*rr) == ns_t_aaaa && bytes == 16) {
        inet_ntop(AF_INET6, data, address, sizeof address);
        add(a, arena_printf(arena, "[%s]:%u", address, a->config->port), labels, 0);
    }
}

static int ask(struct asking *a, struct __res_state *resolver, const char *name, unsigned char *answer,
               struct err *err)
{
    ns_msg message;
    ns_rr rr;
    int n = res_nsearch(resolver, name, ns_c_in, (int)record_types[a->config->type], answer, ANSWER_BYTES);
    if (n < 0 && (resolver->res_h_errno == HOST_NOT_FOUND || resolver->res_h_errno == NO_DATA))
        return 0; /* there is no such name, or it has no such record: no target */
    if (n < 0)
        return err_set(err, TC_EIO, "cannot resolve %s: %s", name, hstrerror(resolver->res_h_errno));
    if (ns_initparse(answer, TC_MIN(n, (int)ANSWER_BYTES), &message) != 0)
        return err_set(err, TC_EINPUT, "the answer for %s is no DNS message", name);
    for (int i = 0; i < ns_msg_count(message, ns_s_an); i++)
        if (ns_parserr(&message, ns_s_an, i, &rr) == 0)
            take_record(a, &message, &rr);
    return 0;
}

/* /etc/hosts counts for addresses, as everywhere on a host; records of other kinds are only in the DNS. */
static bool ask_host(struct asking *a, const char *name)
{
    struct addrinfo hints = {.ai_family = a->config->type == DNS_A ? AF_INET : AF_INET6,
                             .ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    char address[INET6_ADDRSTRLEN];
    if (getaddrinfo(name, NULL, &hints, &found) != 0)
        return false;
    for (const struct addrinfo *i = found; i != NULL; i = i->ai_next) {
        const void *at =
            i->ai_family == AF_INET
                ? (const void *)&((const struct sockaddr_in *)(const void *)i->ai_addr)->sin_addr
                : (const void *)&((const struct sockaddr_in6 *)(const void *)i->ai_addr)->sin6_addr;
        inet_ntop(i->ai_family, at, address, sizeof address);
        add(a,
            i->ai_family == AF_INET ? arena_printf(&a->held->arena, "%s:%u", address, a->config->port)
                                    : arena_printf(&a->held->arena, "[%s]:%u", address, a->config->port),
            NULL, 0);
    }
    freeaddrinfo(found);
    return true;
}

int discovery_refresh_dns(const struct dns_sd *config, const atomic_bool *ending, struct held_groups **ret,
                          struct err *err)
{
    struct __res_state resolver = {0};
    struct held_groups *held = tc_alloc(sizeof *held);
    struct arena *arena = &held->arena;
    unsigned char *answer = tc_alloc(ANSWER_BYTES);
    struct asking a = {.config = config, .held = held};
    int rc = res_ninit(&resolver) == 0 ? 0 : err_set(err, TC_EIO, "the system's resolver does not start");
    resolver.retrans = RESOLVE_SECONDS;
    resolver.retry = RESOLVE_TRIES;
    held->groups.items = ARENA_ARRAY(arena, struct target_group, config->name_count + 1);
    for (size_t i = 0; rc == 0 && i < config->name_count; i++) {
        if (atomic_load(ending)) {
            rc = err_set(err, TC_EAGAIN, "given up");
            break;
        }
        a.addresses = ARENA_ARRAY(arena, struct sv, DISCOVERY_TARGETS_MAX);
        a.own = ARENA_ARRAY(arena, struct target_labels, DISCOVERY_TARGETS_MAX);
        a.n = 0;
        bool host = config->type == DNS_A || config->type == DNS_AAAA;
        if (!host || !ask_host(&a, config->names[i]))
            rc = ask(&a, &resolver, config->names[i], answer, err);
        struct label *labels = ARENA_ARRAY(arena, struct label, 1);
        labels[0] = (struct label){SV("__meta_dns_name"), sv_of(config->names[i])};
        held->groups.items[held->groups.n++] = (struct target_group){a.addresses, a.own, a.n, labels, 1};
    }
    res_nclose(&resolver);
    free(answer);
    if (rc == 0)
        *ret = held;
    else
        held_groups_free(&held);
    return rc;
}
