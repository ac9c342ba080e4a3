/*
 * The well-known field names: what senders call the time, the address, the user, the host …
 *
 * One table for all roles (names.c), in order of preference within a role. An event's fields are looked up in
 * it once each, so the cost follows the event and not the length of the table. The first name of a role that
 * ECS knows is ECS's own: where the sender gave that one, nothing is derived.
 */
#ifndef EVENT_NAMES_H
#define EVENT_NAMES_H

#include "event/event.h"

enum name_role {
    NAME_TIME,
    NAME_PRODUCT,
    NAME_CATEGORY,
    NAME_SERVICE,
    NAME_EVENT_TYPE,
    NAME_EVENT_ACTION,
    NAME_EVENT_OUTCOME,
    NAME_SOURCE_IP,
    NAME_USER_NAME,
    NAME_HOST_NAME,
    NAME_SERVICE_NAME,
    NAME_WINDOWS_CHANNEL, /* the first names of these four are Sigma's: Channel, EventID, … */
    NAME_WINDOWS_EVENT_ID,
    NAME_WINDOWS_PROVIDER,
    NAME_WINDOWS_COMPUTER,
    NAME_MARK, /* not alternatives: bit by bit enum name_mark */
    NAME_ROLE_COUNT,
};
/* Names that tell, several together, which service wrote the event (dialect.c). */
enum name_mark {
    MARK_AWS_EVENT_SOURCE,
    MARK_AWS_EVENT_NAME,
    MARK_AWS_REGION,
    MARK_AWS_EVENT_VERSION,
    MARK_KUBERNETES_AUDIT_ID,
    MARK_KUBERNETES_API_VERSION,
    MARK_KUBERNETES_VERB,
    MARK_GCP_PAYLOAD_TYPE,
    MARK_AZURE_RESOURCE_ID,
    MARK_AZURE_OPERATION_NAME,
    MARK_AZURE_CATEGORY,
    MARK_AZURE_CORRELATION,
    MARK_AZURE_TENANT,
    MARK_AZURE_SUBSCRIPTION,
    MARK_AZURE_PROVIDER,
    MARK_OKTA_LEGACY_EVENT_TYPE,
    MARK_OKTA_PUBLISHED,
    MARK_OKTA_ACTOR,
    MARK_GITHUB_DOCUMENT_ID,
    MARK_GITHUB_ACTION,
    MARK_GITHUB_ACTOR,
    MARK_BITBUCKET_CATEGORY,
    MARK_BITBUCKET_ACTION,
    MARK_COUNT,
};
enum { NAME_RANKS_MAX = 64 };

struct names_found {
    uint64_t ranks[NAME_ROLE_COUNT];                 /* bit r: the role's r-th name is in the event */
    uint16_t field[NAME_ROLE_COUNT][NAME_RANKS_MAX]; /* its first field; set only where the bit is */
};

/* Looks every field of `event` up (it need not be indexed). Any thread. */
void names_scan(const struct event *event, struct names_found *ret);
/* Goes on where an earlier scan ended: fields from `from` on. */
void names_scan_more(const struct event *event, uint32_t from, struct names_found *ret);
/* True where the sender gave the role's first name, whatever its value. */
static inline bool names_sent(const struct names_found *found, enum name_role role)
{
    return found->ranks[role] & 1;
}
/* The fields of a role, best name first: for (uint64_t left = found.ranks[role]; left != 0;)
 * field = names_take(event, &found, role, &left). */
static inline const struct field *names_take(const struct event *event, const struct names_found *found,
                                             enum name_role role, uint64_t *left)
{
    unsigned rank = (unsigned)__builtin_ctzll(*left);
    *left &= *left - 1;
    return &event->fields[found->field[role][rank]];
}
/* The name of the role's r-th row, for documentation and tests; NULL behind the last. */
const char *names_of(enum name_role role, unsigned rank);
/* event_name_hash of the role's first name. */
uint32_t names_first_hash(enum name_role role);

#endif
