/*
 * Windows events; see windows.h. Three tables: what is below which prefix, channel to service, event id to
 * category. Names without attributes are views into the sender's name, so a derived field costs its record.
 */
#include "event/windows.h"

#include "base/num.h"

/* --- the log source --- */

struct service {
    struct sv channel, service; /* with their lengths, as each event is held against all of them */
};
#define TEXT(literal)                                                                                        \
    {                                                                                                        \
        literal, sizeof(literal) - 1                                                                         \
    }

/* Channels in the words of Sigma's rules. */
static const struct service services[] = {
    {TEXT("Security"), TEXT("security")},
    {TEXT("Microsoft-Windows-Sysmon/Operational"), TEXT("sysmon")},
    {TEXT("System"), TEXT("system")},
    {TEXT("Application"), TEXT("application")},
    {TEXT("Microsoft-Windows-PowerShell/Operational"), TEXT("powershell")},
    {TEXT("PowerShellCore/Operational"), TEXT("powershell")},
    {TEXT("Windows PowerShell"), TEXT("powershell-classic")},
    {TEXT("Microsoft-Windows-TaskScheduler/Operational"), TEXT("taskscheduler")},
    {TEXT("Microsoft-Windows-WMI-Activity/Operational"), TEXT("wmi")},
    {TEXT("Microsoft-Windows-Windows Defender/Operational"), TEXT("windefend")},
    {TEXT("Microsoft-Windows-NTLM/Operational"), TEXT("ntlm")},
    {TEXT("Microsoft-Windows-Bits-Client/Operational"), TEXT("bits-client")},
    {TEXT("Microsoft-Windows-Windows Firewall With Advanced Security/Firewall"), TEXT("firewall-as")},
    {TEXT("Microsoft-Windows-CodeIntegrity/Operational"), TEXT("codeintegrity-operational")},
    {TEXT("Microsoft-Windows-AppLocker/EXE and DLL"), TEXT("applocker")},
    {TEXT("Microsoft-Windows-AppLocker/MSI and Script"), TEXT("applocker")},
    {TEXT("Microsoft-Windows-AppLocker/Packaged app-Deployment"), TEXT("applocker")},
    {TEXT("Microsoft-Windows-AppLocker/Packaged app-Execution"), TEXT("applocker")},
    {TEXT("Microsoft-Windows-AppModel-Runtime/Admin"), TEXT("appmodel-runtime")},
    {TEXT("Microsoft-Windows-AppXDeploymentServer/Operational"), TEXT("appxdeployment-server")},
    {TEXT("Microsoft-Windows-AppxPackaging/Operational"), TEXT("appxpackaging-om")},
    {TEXT("Microsoft-Windows-Application-Experience/Program-Telemetry"), TEXT("application-experience")},
    {TEXT("Microsoft-Windows-Application-Experience/Program-Compatibility-Assistant"),
     TEXT("application-experience")},
    {TEXT("Microsoft-Windows-BitLocker/BitLocker Management"), TEXT("bitlocker")},
    {TEXT("Microsoft-Windows-CAPI2/Operational"), TEXT("capi2")},
    {TEXT("Microsoft-Windows-CertificateServicesClient-Lifecycle-System/Operational"),
     TEXT("certificateservicesclient-lifecycle-system")},
    {TEXT("Microsoft-Windows-DHCP-Server/Operational"), TEXT("dhcp")},
    {TEXT("Microsoft-Windows-Diagnosis-Scripted/Operational"), TEXT("diagnosis-scripted")},
    {TEXT("Microsoft-Windows-DNS Client Events/Operational"), TEXT("dns-client")},
    {TEXT("Microsoft-Windows-DNS-Client/Operational"), TEXT("dns-client")},
    {TEXT("DNS Server"), TEXT("dns-server")},
    {TEXT("Microsoft-Windows-DNS-Server/Audit"), TEXT("dns-server-audit")},
    {TEXT("Microsoft-Windows-DNS-Server/Analytical"), TEXT("dns-server-analytic")},
    {TEXT("Microsoft-Windows-DNSServer/Analytical"), TEXT("dns-server-analytic")},
    {TEXT("Microsoft-Windows-DriverFrameworks-UserMode/Operational"), TEXT("driver-framework")},
    {TEXT("Microsoft-Windows-Hyper-V-Worker"), TEXT("hyper-v-worker")},
    {TEXT("Microsoft-IIS-Configuration/Operational"), TEXT("iis-configuration")},
    {TEXT("Microsoft-Windows-Kernel-EventTracing"), TEXT("kernel-event-tracing")},
    {TEXT("Microsoft-Windows-Kernel-ShimEngine/Operational"), TEXT("kernel-shimengine")},
    {TEXT("Microsoft-Windows-Kernel-ShimEngine/Diagnostic"), TEXT("kernel-shimengine")},
    {TEXT("Microsoft-Windows-LDAP-Client/Debug"), TEXT("ldap")},
    {TEXT("Microsoft-Windows-LSA/Operational"), TEXT("lsa-server")},
    {TEXT("MSExchange Management"), TEXT("msexchange-management")},
    {TEXT("Microsoft-Windows-Ntfs/Operational"), TEXT("ntfs")},
    {TEXT("OpenSSH/Operational"), TEXT("openssh")},
    {TEXT("Microsoft-Windows-PrintService/Admin"), TEXT("printservice-admin")},
    {TEXT("Microsoft-Windows-PrintService/Operational"), TEXT("printservice-operational")},
    {TEXT("Microsoft-Windows-Security-Mitigations/Kernel Mode"), TEXT("security-mitigations")},
    {TEXT("Microsoft-Windows-Security-Mitigations/User Mode"), TEXT("security-mitigations")},
    {TEXT("Microsoft-Windows-SENSE/Operational"), TEXT("sense")},
    {TEXT("Microsoft-ServiceBus-Client/Admin"), TEXT("servicebus-client,microsoft-servicebus-client")},
    {TEXT("Microsoft-ServiceBus-Client/Operational"), TEXT("servicebus-client,microsoft-servicebus-client")},
    {TEXT("Microsoft-Windows-Shell-Core/Operational"), TEXT("shell-core")},
    {TEXT("Microsoft-Windows-SmbClient/Connectivity"), TEXT("smbclient-connectivity")},
    {TEXT("Microsoft-Windows-SmbClient/Security"), TEXT("smbclient-security")},
    {TEXT("Microsoft-Windows-SMBServer/Connectivity"), TEXT("smbserver-connectivity")},
    {TEXT("Microsoft-Windows-TerminalServices-LocalSessionManager/Operational"),
     TEXT("terminalservices-localsessionmanager")},
    {TEXT("Microsoft-Windows-VHDMP/Operational"), TEXT("vhdmp")},
    {TEXT("Linux-Sysmon/Operational"), TEXT("sysmon")},
};

/* ForwardedEvents is where a collector puts the events of all channels: there the provider tells. */
static const struct service providers[] = {
    {TEXT("Microsoft-Windows-Sysmon"), TEXT("sysmon")},
    {TEXT("Microsoft-Windows-Security-Auditing"), TEXT("security")},
    {TEXT("Microsoft-Windows-PowerShell"), TEXT("powershell")},
    {TEXT("PowerShellCore"), TEXT("powershell")},
    {TEXT("PowerShell"), TEXT("powershell-classic")},
    {TEXT("Microsoft-Windows-TaskScheduler"), TEXT("taskscheduler")},
    {TEXT("Microsoft-Windows-WMI-Activity"), TEXT("wmi")},
    {TEXT("Microsoft-Windows-Windows Defender"), TEXT("windefend")},
    {TEXT("Service Control Manager"), TEXT("system")},
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
        if (word.n == table[i].channel.n && sv_eq_nocase(word, table[i].channel))
            return table[i].service;
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
    struct sv event_type;              /* the field of this name, sent or derived */
    struct sv data_name, data_element; /* of the last <Data Name="…"> that is an object */
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
        if (part.p[0] == '@') /* "Provider.@Name", as xmltodict has attributes */
            part = sv_from(part, 1);
        if (sv_ends(part, SV("_attributes"))) /* "Provider_attributes.Name", as evtx_dump can write them */
            part = sv_head(part, part.n - SV("_attributes").n);
        if (to > out)
            *to++ = '_';
        memcpy(to, part.p, part.n);
        to += part.n;
    }
    return sv_make(out, (size_t)(to - out));
}

static const struct prefix {
    struct sv text;
    bool has_wrapper; /* an inner element of any name, which does not count */
} prefixes[] = {
    {TEXT("Event.EventData."), false},   {TEXT("Event.System."), false},     {TEXT("Event.UserData."), true},
    {TEXT("winlog.event_data."), false}, {TEXT("winlog.user_data."), false}, {TEXT("event_data."), false},
    {TEXT("user_data."), false},         {TEXT("EventData."), false},        {TEXT("System."), false},
    {TEXT("UserData."), true},
};

/* "Event.EventData.Data[3].@Name" -> "Event.EventData.Data[3]"; n == 0 where nothing is above. */
static struct sv above(struct sv path)
{
    const char *dot = path.n == 0 ? NULL : memrchr(path.p, '.', path.n);
    return dot == NULL ? (struct sv){0} : sv_head(path, (size_t)(dot - path.p));
}

/*
 * <Data Name="Image">C:\\x.exe</Data> as an object: {"@Name": "Image", "#text": "C:\\x.exe"}. The field
 * `Image` is derived; so that it need not be searched for, the name must stand before the text, as attributes
 * do. True where `field` is of such an element.
 */
static bool derive_data(struct deriving *d, const struct field *field)
{
    static const char *const names[] = {"EventData.Data.@Name", "EventData.Data.#attributes.Name"};
    static const char *const texts[] = {"EventData.Data.#text"};
    char mark = field->name.n < 20 ? 'x' : field->name.p[field->name.n - 5];
    if (mark != '@' && mark != '.' && mark != '#') /* what nearly all fields cost */
        return false;
    for (size_t i = 0; i < TC_ARRAY_LEN(names); i++)
        if (sv_ends(field->name, sv_of(names[i]))) {
            d->data_name = field->type == FIELD_STRING ? field->value : (struct sv){0};
            d->data_element = i == 0 ? above(field->exact) : above(above(field->exact));
            return true;
        }
    for (size_t i = 0; i < TC_ARRAY_LEN(texts); i++)
        if (sv_ends(field->name, sv_of(texts[i]))) {
            if (d->data_name.n > 0 && sv_eq(above(field->exact), d->data_element))
                derive(d, field, d->data_name, d->data_name);
            return d->data_name.n > 0;
        }
    return false;
}

static void derive_below(struct deriving *d, const struct field *field)
{
    if (field->type == FIELD_OBJECT || field->type == FIELD_ARRAY || field->name.n == 0 ||
        derive_data(d, field))
        return;
    for (size_t i = 0; i < TC_ARRAY_LEN(prefixes); i++) {
        struct sv prefix = prefixes[i].text;
        if (field->name.p[0] != prefix.p[0] || !sv_starts(field->name, prefix))
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
