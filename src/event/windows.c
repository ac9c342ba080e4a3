/*
 * Windows events; see windows.h. Three tables: what is below which prefix, channel to service, event id to
 * category. Names without attributes are views into the sender's name, so a derived field costs its record.
 */
#include "event/windows.h"

#include "base/num.h"

/* --- the log source --- */

struct service {
    const char *channel, *service;
};

/* Channels in the words of Sigma's rules. */
static const struct service services[] = {
    {"Security", "security"},
    {"Microsoft-Windows-Sysmon/Operational", "sysmon"},
    {"System", "system"},
    {"Application", "application"},
    {"Microsoft-Windows-PowerShell/Operational", "powershell"},
    {"PowerShellCore/Operational", "powershell"},
    {"Windows PowerShell", "powershell-classic"},
    {"Microsoft-Windows-TaskScheduler/Operational", "taskscheduler"},
    {"Microsoft-Windows-WMI-Activity/Operational", "wmi"},
    {"Microsoft-Windows-Windows Defender/Operational", "windefend"},
    {"Microsoft-Windows-NTLM/Operational", "ntlm"},
    {"Microsoft-Windows-Bits-Client/Operational", "bits-client"},
    {"Microsoft-Windows-Windows Firewall With Advanced Security/Firewall", "firewall-as"},
    {"Microsoft-Windows-CodeIntegrity/Operational", "codeintegrity-operational"},
    {"Microsoft-Windows-AppLocker/EXE and DLL", "applocker"},
    {"Microsoft-Windows-AppLocker/MSI and Script", "applocker"},
    {"Microsoft-Windows-AppLocker/Packaged app-Deployment", "applocker"},
    {"Microsoft-Windows-AppLocker/Packaged app-Execution", "applocker"},
    {"Microsoft-Windows-AppModel-Runtime/Admin", "appmodel-runtime"},
    {"Microsoft-Windows-AppXDeploymentServer/Operational", "appxdeployment-server"},
    {"Microsoft-Windows-AppxPackaging/Operational", "appxpackaging-om"},
    {"Microsoft-Windows-Application-Experience/Program-Telemetry", "application-experience"},
    {"Microsoft-Windows-Application-Experience/Program-Compatibility-Assistant", "application-experience"},
    {"Microsoft-Windows-BitLocker/BitLocker Management", "bitlocker"},
    {"Microsoft-Windows-CAPI2/Operational", "capi2"},
    {"Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational",
     "certificateservicesclient-lifecycle-system"},
    {"Microsoft-Windows-DHCP-Server/Operational", "dhcp"},
    {"Microsoft-Windows-Diagnosis-Scripted/Operational", "diagnosis-scripted"},
    {"Microsoft-Windows-DNS Client Events/Operational", "dns-client"},
    {"Microsoft-Windows-DNS-Client/Operational", "dns-client"},
    {"DNS Server", "dns-server"},
    {"Microsoft-Windows-DNS-Server/Audit", "dns-server-audit"},
    {"Microsoft-Windows-DNS-Server/Analytical", "dns-server-analytic"},
    {"Microsoft-Windows-DNSServer/Analytical", "dns-server-analytic"},
    {"Microsoft-Windows-DriverFrameworks-UserMode/Operational", "driver-framework"},
    {"Microsoft-Windows-Hyper-V-Worker", "hyper-v-worker"},
    {"Microsoft-IIS-Configuration/Operational", "iis-configuration"},
    {"Microsoft-Windows-Kernel-EventTracing", "kernel-event-tracing"},
    {"Microsoft-Windows-Kernel-ShimEngine/Operational", "kernel-shimengine"},
    {"Microsoft-Windows-Kernel-ShimEngine/Diagnostic", "kernel-shimengine"},
    {"Microsoft-Windows-LDAP-Client/Debug", "ldap"},
    {"Microsoft-Windows-LSA/Operational", "lsa-server"},
    {"MSExchange Management", "msexchange-management"},
    {"Microsoft-Windows-Ntfs/Operational", "ntfs"},
    {"OpenSSH/Operational", "openssh"},
    {"Microsoft-Windows-PrintService/Admin", "printservice-admin"},
    {"Microsoft-Windows-PrintService/Operational", "printservice-operational"},
    {"Microsoft-Windows-Security-Mitigations/Kernel Mode", "security-mitigations"},
    {"Microsoft-Windows-Security-Mitigations/User Mode", "security-mitigations"},
    {"Microsoft-Windows-SENSE/Operational", "sense"},
    {"Microsoft-ServiceBus-Client/Admin", "servicebus-client,microsoft-servicebus-client"},
    {"Microsoft-ServiceBus-Client/Operational", "servicebus-client,microsoft-servicebus-client"},
    {"Microsoft-Windows-Shell-Core/Operational", "shell-core"},
    {"Microsoft-Windows-SmbClient/Connectivity", "smbclient-connectivity"},
    {"Microsoft-Windows-SmbClient/Security", "smbclient-security"},
    {"Microsoft-Windows-SMBServer/Connectivity", "smbserver-connectivity"},
    {"Microsoft-Windows-TerminalServices-LocalSessionManager/Operational",
     "terminalservices-localsessionmanager"},
    {"Microsoft-Windows-VHDMP/Operational", "vhdmp"},
    {"Linux-Sysmon/Operational", "sysmon"},
};

/* ForwardedEvents is where a collector puts the events of all channels: there the provider tells. */
static const struct service providers[] = {
    {"Microsoft-Windows-Sysmon", "sysmon"},         {"Microsoft-Windows-Security-Auditing", "security"},
    {"Microsoft-Windows-PowerShell", "powershell"}, {"PowerShellCore", "powershell"},
    {"PowerShell", "powershell-classic"},           {"Microsoft-Windows-TaskScheduler", "taskscheduler"},
    {"Microsoft-Windows-WMI-Activity", "wmi"},      {"Microsoft-Windows-Windows Defender", "windefend"},
    {"Service Control Manager", "system"},
};

/* Of one event id several where it says; the most specific first. */
static const struct category {
    const char *service;
    unsigned event_id;
    const char *event_type; /* the field EventType is this; NULL: any */
    const char *category;
} categories[] = {
    {"sysmon", 1, NULL, "process_creation"},
    {"sysmon", 2, NULL, "file_change"},
    {"sysmon", 3, NULL, "network_connection"},
    {"sysmon", 4, NULL, "sysmon_status"},
    {"sysmon", 5, NULL, "process_termination"},
    {"sysmon", 6, NULL, "driver_load"},
    {"sysmon", 7, NULL, "image_load"},
    {"sysmon", 8, NULL, "create_remote_thread"},
    {"sysmon", 9, NULL, "raw_access_thread"},
    {"sysmon", 10, NULL, "process_access"},
    {"sysmon", 11, NULL, "file_event"},
    {"sysmon", 12, "CreateKey", "registry_add,registry_event"},
    {"sysmon", 12, "DeleteKey", "registry_delete,registry_event"},
    {"sysmon", 12, "DeleteValue", "registry_delete,registry_event"},
    {"sysmon", 12, NULL, "registry_add,registry_delete,registry_event"},
    {"sysmon", 13, NULL, "registry_set,registry_event"},
    {"sysmon", 14, NULL, "registry_rename,registry_event"},
    {"sysmon", 15, NULL, "create_stream_hash"},
    {"sysmon", 16, NULL, "sysmon_status"},
    {"sysmon", 17, NULL, "pipe_created"},
    {"sysmon", 18, NULL, "pipe_created"},
    {"sysmon", 19, NULL, "wmi_event"},
    {"sysmon", 20, NULL, "wmi_event"},
    {"sysmon", 21, NULL, "wmi_event"},
    {"sysmon", 22, NULL, "dns_query"},
    {"sysmon", 23, NULL, "file_delete"},
    {"sysmon", 24, NULL, "clipboard_change,clipboard_capture"},
    {"sysmon", 25, NULL, "process_tampering"},
    {"sysmon", 26, NULL, "file_delete_detected,file_delete"},
    {"sysmon", 27, NULL, "file_block_executable"},
    {"sysmon", 28, NULL, "file_block_shredding"},
    {"sysmon", 29, NULL, "file_executable_detected"},
    {"sysmon", 255, NULL, "sysmon_error"},
    {"powershell", 4103, NULL, "ps_module"},
    {"powershell", 4104, NULL, "ps_script"},
    {"powershell-classic", 400, NULL, "ps_classic_start"},
    {"powershell-classic", 600, NULL, "ps_classic_provider_start"},
    {"powershell-classic", 800, NULL, "ps_classic_script"},
};

static struct sv service_of(const struct service *table, size_t count, struct sv word)
{
    for (size_t i = 0; i < count; i++)
        if (sv_eq_nocase(word, sv_of(table[i].channel)))
            return sv_of(table[i].service);
    return (struct sv){0};
}

static struct sv find_service(struct sv channel, struct sv provider)
{
    struct sv service = sv_eq_nocase(channel, SV("ForwardedEvents"))
                            ? service_of(providers, TC_ARRAY_LEN(providers), provider)
                            : service_of(services, TC_ARRAY_LEN(services), channel);
    return service.n > 0 ? service : channel;
}

static struct sv find_category(struct sv service, uint64_t event_id, struct sv event_type)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(categories); i++) {
        const struct category *c = &categories[i];
        if (c->event_id == event_id && sv_is(service, c->service) &&
            (c->event_type == NULL || sv_is(event_type, c->event_type)))
            return sv_of(c->category);
    }
    return SV("none");
}

/* --- the fields --- */

struct deriving {
    struct event *event;
    struct arena *arena;
    uint64_t sent[16];    /* a bit for each hash of a name that the sender gave */
    struct field *fields; /* TC_WINDOWS_DERIVED_MAX */
    uint32_t count;
    struct sv event_type; /* the field of this name, sent or derived */
};

static void note_sent(struct deriving *d)
{
    for (uint32_t i = 0; i < d->event->field_count; i++) {
        const struct field *field = &d->event->fields[i];
        d->sent[field->name_hash / 64 % 16] |= UINT64_C(1) << (field->name_hash % 64);
        if (sv_is(field->name, "EventType"))
            d->event_type = field->value;
    }
}

static bool is_sent(const struct deriving *d, struct sv name, uint32_t hash)
{
    if (!(d->sent[hash / 64 % 16] >> (hash % 64) & 1))
        return false;
    for (uint32_t i = 0; i < d->event->field_count; i++)
        if (d->event->fields[i].name_hash == hash && event_name_eq(d->event->fields[i].name, name))
            return true;
    return false;
}

static void derive(struct deriving *d, const struct field *from, struct sv name, struct sv exact)
{
    uint32_t hash = event_name_hash(name);
    if (name.n == 0 || d->count == TC_WINDOWS_DERIVED_MAX || is_sent(d, name, hash))
        return;
    if (sv_is(name, "EventType"))
        d->event_type = from->value;
    d->fields[d->count++] = (struct field){.name = name,
                                           .exact = exact,
                                           .value = from->value,
                                           .name_hash = hash,
                                           .next_same = -1,
                                           .type = from->type,
                                           .flags = FIELD_DERIVED};
}

/* "Provider.#attributes.Name" -> "Provider_Name", "EventID.#text" -> "EventID"; n == 0 for declarations of
 * name spaces. */
static struct sv join_path(struct sv path, struct arena *arena)
{
    char *out = arena_alloc_raw(arena, path.n, 1), *to = out;
    while (path.n > 0) {
        struct sv part = sv_cut(&path, '.');
        if (sv_is(part, "xmlns"))
            return (struct sv){0};
        if (part.n == 0 || sv_is(part, "#attributes") || sv_is(part, "#text"))
            continue;
        if (to > out)
            *to++ = '_';
        memcpy(to, part.p, part.n);
        to += part.n;
    }
    return sv_make(out, (size_t)(to - out));
}

static const struct prefix {
    const char *text;
    bool has_wrapper; /* an inner element of any name, which does not count */
} prefixes[] = {
    {"Event.EventData.", false},   {"Event.System.", false},     {"Event.UserData.", true},
    {"winlog.event_data.", false}, {"winlog.user_data.", false}, {"event_data.", false},
    {"user_data.", false},         {"EventData.", false},        {"System.", false},
    {"UserData.", true},
};

static void derive_below(struct deriving *d, const struct field *field)
{
    if (field->type == FIELD_OBJECT || field->type == FIELD_ARRAY)
        return;
    for (size_t i = 0; i < TC_ARRAY_LEN(prefixes); i++) {
        struct sv prefix = sv_of(prefixes[i].text);
        if (!sv_starts(field->name, prefix))
            continue;
        struct sv rest = sv_from(field->name, prefix.n);
        size_t dot = sv_find_char(rest, '.');
        if (prefixes[i].has_wrapper && dot < rest.n) {
            rest = sv_from(rest, dot + 1);
            dot = sv_find_char(rest, '.');
        }
        bool plain = dot == rest.n && field->name.n == field->exact.n;
        struct sv name = dot == rest.n ? rest : join_path(rest, d->arena);
        derive(d, field, name, plain ? rest : name);
        return;
    }
}

/* The best name of the role that holds a value. */
static const struct field *role_field(const struct event *event, const struct names_found *found,
                                      enum name_role role)
{
    for (uint64_t left = found->ranks[role]; left != 0;) {
        const struct field *field = names_take(event, found, role, &left);
        if ((field->type == FIELD_STRING || field->type == FIELD_NUMBER) && field->value.n > 0)
            return field;
    }
    return NULL;
}

static void derive_role(struct deriving *d, const struct field *field, enum name_role role)
{
    struct sv name = sv_of(names_of(role, 0));
    for (uint32_t i = 0; i < d->count; i++)
        if (d->fields[i].name_hash == names_first_hash(role) && sv_eq(d->fields[i].name, name))
            return;
    if (field != NULL)
        derive(d, field, name, name);
}

static struct sv value_or_none(const struct field *field)
{
    return field == NULL ? (struct sv){0} : field->value;
}

bool windows_apply(struct event *event, const struct names_found *found, struct arena *arena)
{
    uint64_t event_id;
    const struct field *channel = role_field(event, found, NAME_WINDOWS_CHANNEL);
    const struct field *id = role_field(event, found, NAME_WINDOWS_EVENT_ID);
    const struct field *provider = role_field(event, found, NAME_WINDOWS_PROVIDER);
    const struct field *computer = role_field(event, found, NAME_WINDOWS_COMPUTER);
    if (channel == NULL || channel->type != FIELD_STRING || id == NULL ||
        !num_u64(id->value, 0, UINT32_MAX, &event_id) || (provider == NULL && computer == NULL))
        return false;
    struct field fields[TC_WINDOWS_DERIVED_MAX];
    struct deriving d = {.event = event, .arena = arena, .fields = fields};
    note_sent(&d);
    for (uint32_t i = 0; i < event->field_count; i++)
        derive_below(&d, &event->fields[i]);
    derive_role(&d, channel, NAME_WINDOWS_CHANNEL);
    derive_role(&d, id, NAME_WINDOWS_EVENT_ID);
    derive_role(&d, provider, NAME_WINDOWS_PROVIDER);
    derive_role(&d, computer, NAME_WINDOWS_COMPUTER);
    event->service = find_service(channel->value, value_or_none(provider));
    event->category = find_category(event->service, event_id, d.event_type);
    event->product =
        sv_eq_nocase(channel->value, SV("Linux-Sysmon/Operational")) ? SV("linux") : SV("windows");
    event_append(event, arena, d.fields, d.count);
    return true;
}
