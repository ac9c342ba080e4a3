/*
 * The table of well-known field names; see names.h. To teach Tocsin another sender's word, add it here.
 *
 * A small open-addressing table over the hashes of all rows is made once per process; it is constant after.
 * A row is found by the hash that the field bears already. Before that a bit map of the hashes (1 KiB, so
 * that it stays in the nearest cache) turns nearly all fields away that are none of these.
 */
#include "event/names.h"

#include <pthread.h>

static const char *const time_names[] = {"@timestamp",
                                         "timestamp",
                                         "time",
                                         "event_time",
                                         "eventTime",
                                         "event.created",
                                         "EventTime",
                                         "UtcTime",
                                         "TimeCreated",
                                         "Event.System.TimeCreated.#attributes.SystemTime",
                                         "Event.System.TimeCreated.SystemTime",
                                         "Event.System.TimeCreated.@SystemTime",
                                         "Event.System.TimeCreated_attributes.SystemTime",
                                         "System.TimeCreated.SystemTime",
                                         "SystemTime",
                                         "ts",
                                         "date",
                                         "datetime",
                                         "dateTime",
                                         "date_time",
                                         "created_at",
                                         "createdAt",
                                         "_time",
                                         "eventTimestamp",
                                         "event_timestamp",
                                         "occurred_at",
                                         "occurredAt",
                                         "TimeGenerated",
                                         "published",
                                         "requestReceivedTimestamp",
                                         "activityDateTime",
                                         "createdDateTime",
                                         "_SOURCE_REALTIME_TIMESTAMP",
                                         "__REALTIME_TIMESTAMP",
                                         "Timestamp",
                                         "Time",
                                         "logged_at",
                                         "log_time",
                                         "detail.eventTime",
                                         "startTime",
                                         NULL};

static const char *const product_names[] = {"logsource.product", NULL};
static const char *const category_names[] = {"logsource.category", NULL};
static const char *const service_names[] = {"logsource.service", NULL};

static const char *const event_type_names[] = {
    "event_type", "type", "event", "action", "event.action", "eventType", "event_name", "eventName", NULL};

static const char *const event_action_names[] = {
    "event.action", "action",     "eventName", "event_name", "event_action", "operationName", "operation",
    "Operation",    "event_type", "eventType", "activity",   "event",        "type",          NULL};

static const char *const event_outcome_names[] = {
    "event.outcome", "outcome",    "result",         "event_outcome", "status",
    "success",       "succeeded",  "outcome.result", "event.result",  "responseElements.ConsoleLogin",
    "errorCode",     "event_type", "type",           "event",         "action",
    "eventType",     NULL};

static const char *const source_ip_names[] = {"source.ip",
                                              "ip",
                                              "ip_address",
                                              "ipAddress",
                                              "client_ip",
                                              "clientIp",
                                              "clientIP",
                                              "client.ip",
                                              "src_ip",
                                              "srcIp",
                                              "src.ip",
                                              "source_ip",
                                              "sourceIp",
                                              "sourceIP",
                                              "sourceIPAddress",
                                              "remote_addr",
                                              "remoteAddr",
                                              "remote_ip",
                                              "remoteIp",
                                              "remote_address",
                                              "remoteAddress",
                                              "srcaddr",
                                              "SourceIp",
                                              "SourceAddress",
                                              "IpAddress",
                                              "ClientIP",
                                              "ClientAddress",
                                              "Event.EventData.IpAddress",
                                              "Event.EventData.SourceIp",
                                              "client_address",
                                              "clientAddress",
                                              "callerIpAddress",
                                              "CallerIpAddress",
                                              "IPAddress",
                                              "source_address",
                                              "actor_ip",
                                              "request.ip",
                                              "request.remote_ip",
                                              "client.ipAddress",
                                              "source.address",
                                              "context.ip",
                                              "src",
                                              "srcip",
                                              "source",
                                              NULL};

static const char *const user_name_names[] = {"user.name",
                                              "user",
                                              "username",
                                              "user_name",
                                              "userName",
                                              "account",
                                              "account_name",
                                              "accountName",
                                              "userIdentity.userName",
                                              "TargetUserName",
                                              "Event.EventData.TargetUserName",
                                              "SubjectUserName",
                                              "Event.EventData.SubjectUserName",
                                              "User",
                                              "UserName",
                                              "login",
                                              "actor",
                                              "actor.alternateId",
                                              "userPrincipalName",
                                              "UserPrincipalName",
                                              "UserId",
                                              "user.email",
                                              "email",
                                              "user_email",
                                              "userEmail",
                                              "context.user",
                                              "context.username",
                                              "user_id",
                                              "userId",
                                              "user.id",
                                              NULL};

static const char *const host_name_names[] = {
    "host.name",   "host",          "hostname",     "host_name",     "hostName",
    "Hostname",    "Computer",      "ComputerName", "computer_name", "Event.System.Computer",
    "MachineName", "host.hostname", "server",       "_HOSTNAME",     NULL};

static const char *const service_name_names[] = {"service.name",
                                                 "service",
                                                 "service_name",
                                                 "serviceName",
                                                 "app",
                                                 "app_name",
                                                 "appName",
                                                 "application",
                                                 "application_name",
                                                 "program",
                                                 "eventSource",
                                                 "SYSLOG_IDENTIFIER",
                                                 NULL};

/* Windows events: as Sigma has them, evtx as JSON (with or without the outer element), Winlogbeat 7 and 6,
 * flat records of NXLog and the like. */
static const char *const windows_channel_names[] = {
    "Channel", "Event.System.Channel", "System.Channel", "winlog.channel", "log_name", "LogName", NULL};
static const char *const windows_event_id_names[] = {"EventID",
                                                     "Event.System.EventID",
                                                     "Event.System.EventID.#text",
                                                     "System.EventID",
                                                     "System.EventID.#text",
                                                     "winlog.event_id",
                                                     "event_id",
                                                     "Id", /* Get-WinEvent's objects */
                                                     NULL};
static const char *const windows_provider_names[] = {"Provider_Name",
                                                     "Event.System.Provider.#attributes.Name",
                                                     "Event.System.Provider.Name",
                                                     "System.Provider.#attributes.Name",
                                                     "System.Provider.Name",
                                                     "Event.System.Provider.@Name",
                                                     "Event.System.Provider_attributes.Name",
                                                     "winlog.provider_name",
                                                     "ProviderName",
                                                     "SourceName",
                                                     "source_name",
                                                     NULL};
static const char *const windows_computer_names[] = {"Computer",
                                                     "Event.System.Computer",
                                                     "System.Computer",
                                                     "winlog.computer_name",
                                                     "computer_name",
                                                     "Hostname",
                                                     NULL};

static const char *const mark_names[] = {[MARK_AWS_EVENT_SOURCE] = "eventSource",
                                         [MARK_AWS_EVENT_NAME] = "eventName",
                                         [MARK_AWS_REGION] = "awsRegion",
                                         [MARK_AWS_EVENT_VERSION] = "eventVersion",
                                         [MARK_KUBERNETES_AUDIT_ID] = "auditID",
                                         [MARK_KUBERNETES_API_VERSION] = "apiVersion",
                                         [MARK_KUBERNETES_VERB] = "verb",
                                         [MARK_GCP_PAYLOAD_TYPE] = "protoPayload.@type",
                                         [MARK_AZURE_RESOURCE_ID] = "resourceId",
                                         [MARK_AZURE_OPERATION_NAME] = "operationName",
                                         [MARK_AZURE_CATEGORY] = "category",
                                         [MARK_AZURE_CORRELATION] = "correlationId",
                                         [MARK_AZURE_TENANT] = "tenantId",
                                         [MARK_AZURE_SUBSCRIPTION] = "subscriptionId",
                                         [MARK_AZURE_PROVIDER] = "resourceProviderName",
                                         [MARK_OKTA_LEGACY_EVENT_TYPE] = "legacyEventType",
                                         [MARK_OKTA_PUBLISHED] = "published",
                                         [MARK_OKTA_ACTOR] = "actor.alternateId",
                                         [MARK_GITHUB_DOCUMENT_ID] = "_document_id",
                                         [MARK_GITHUB_ACTION] = "action",
                                         [MARK_GITHUB_ACTOR] = "actor",
                                         [MARK_BITBUCKET_CATEGORY] = "auditType.category",
                                         [MARK_BITBUCKET_ACTION] = "auditType.action",
                                         [MARK_COUNT] = NULL};

static const char *const *const roles[NAME_ROLE_COUNT] = {
    [NAME_TIME] = time_names,
    [NAME_PRODUCT] = product_names,
    [NAME_CATEGORY] = category_names,
    [NAME_SERVICE] = service_names,
    [NAME_EVENT_TYPE] = event_type_names,
    [NAME_EVENT_ACTION] = event_action_names,
    [NAME_EVENT_OUTCOME] = event_outcome_names,
    [NAME_SOURCE_IP] = source_ip_names,
    [NAME_USER_NAME] = user_name_names,
    [NAME_HOST_NAME] = host_name_names,
    [NAME_SERVICE_NAME] = service_name_names,
    [NAME_WINDOWS_CHANNEL] = windows_channel_names,
    [NAME_WINDOWS_EVENT_ID] = windows_event_id_names,
    [NAME_WINDOWS_PROVIDER] = windows_provider_names,
    [NAME_WINDOWS_COMPUTER] = windows_computer_names,
    [NAME_MARK] = mark_names,
};

enum { SLOTS = 1024 /* at most a quarter full */, FILTER_BITS = 8192 };

struct row {
    struct sv name; /* p == NULL: a free slot */
    uint32_t hash;
    uint8_t role, rank; /* a name with several roles has a row for each */
};
static struct row slots[SLOTS];
static uint64_t filter[FILTER_BITS / 64];
static uint32_t first_hash[NAME_ROLE_COUNT];
static pthread_once_t slots_made = PTHREAD_ONCE_INIT;

static void make_slots(void)
{
    unsigned rows = 0;
    for (unsigned role = 0; role < NAME_ROLE_COUNT; role++)
        for (unsigned rank = 0; roles[role][rank] != NULL; rank++) {
            struct sv name = sv_of(roles[role][rank]);
            uint32_t hash = event_name_hash(name), slot = hash % SLOTS;
            while (slots[slot].name.p != NULL)
                slot = (slot + 1) % SLOTS;
            tc_assert(rank < NAME_RANKS_MAX && ++rows <= SLOTS / 4);
            slots[slot] = (struct row){name, hash, (uint8_t)role, (uint8_t)rank};
            filter[hash % FILTER_BITS / 64] |= UINT64_C(1) << (hash % 64);
            if (rank == 0)
                first_hash[role] = hash;
        }
}

static void found_field(const struct event *event, uint32_t at, struct names_found *ret)
{
    const struct field *field = &event->fields[at];
    for (uint32_t slot = field->name_hash % SLOTS; slots[slot].name.p != NULL; slot = (slot + 1) % SLOTS) {
        const struct row *row = &slots[slot];
        uint64_t bit = UINT64_C(1) << row->rank;
        if (row->hash != field->name_hash || (ret->ranks[row->role] & bit) ||
            !event_name_eq(field->name, row->name))
            continue;
        ret->ranks[row->role] |= bit;
        ret->field[row->role][row->rank] = (uint16_t)at;
    }
}

void names_scan(const struct event *event, struct names_found *ret)
{
    pthread_once(&slots_made, make_slots);
    memset(ret->ranks, 0, sizeof ret->ranks);
    names_scan_more(event, 0, ret);
}

void names_scan_more(const struct event *event, uint32_t from, struct names_found *ret)
{
    for (uint32_t i = from; i < event->field_count; i++) {
        uint32_t hash = event->fields[i].name_hash;
        if (filter[hash % FILTER_BITS / 64] >> (hash % 64) & 1)
            found_field(event, i, ret);
    }
}

const char *names_of(enum name_role role, unsigned rank)
{
    for (unsigned i = 0; i < rank; i++)
        if (roles[role][i] == NULL)
            return NULL;
    return roles[role][rank];
}

uint32_t names_first_hash(enum name_role role)
{
    pthread_once(&slots_made, make_slots);
    return first_hash[role];
}
