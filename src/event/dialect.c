/*
 * The table of JSON dialects; see dialect.h. To add one: its names in names.h and names.c, a row here.
 */
#include "event/dialect.h"

#include "event/windows.h"

#define MARK(mark) (UINT32_C(1) << (mark))

static const struct dialect {
    uint32_t marks;                           /* all of these names are there */
    enum name_mark told;                      /* the value of this one decides: */
    const char *starts;                       /* it begins with it (case does not count), or */
    const char *ends;                         /* it ends with it; both NULL: any value does */
    const char *product, *category, *service; /* NULL: unknown */
} dialects[] = {
    {MARK(MARK_AWS_EVENT_SOURCE) | MARK(MARK_AWS_EVENT_NAME) | MARK(MARK_AWS_REGION), MARK_AWS_EVENT_SOURCE,
     NULL, NULL, "aws", "none", "cloudtrail"},
    {MARK(MARK_AWS_EVENT_SOURCE) | MARK(MARK_AWS_EVENT_NAME) | MARK(MARK_AWS_EVENT_VERSION),
     MARK_AWS_EVENT_SOURCE, NULL, ".amazonaws.com", "aws", "none", "cloudtrail"},
    {MARK(MARK_KUBERNETES_AUDIT_ID) | MARK(MARK_KUBERNETES_API_VERSION) | MARK(MARK_KUBERNETES_VERB),
     MARK_KUBERNETES_API_VERSION, "audit.k8s.io/", NULL, "kubernetes", "application", "audit"},
    {MARK(MARK_GCP_PAYLOAD_TYPE), MARK_GCP_PAYLOAD_TYPE, "type.googleapis.com/google.cloud.audit.AuditLog",
     NULL, "gcp", "none", "gcp.audit"},
    {MARK(MARK_AZURE_OPERATION_NAME) | MARK(MARK_AZURE_CATEGORY) | MARK(MARK_AZURE_RESOURCE_ID),
     MARK_AZURE_CATEGORY, "SignInLogs", NULL, "azure", "none", "signinlogs"},
    {MARK(MARK_AZURE_OPERATION_NAME) | MARK(MARK_AZURE_CATEGORY) | MARK(MARK_AZURE_RESOURCE_ID),
     MARK_AZURE_CATEGORY, "AuditLogs", NULL, "azure", "none", "auditlogs"},
    {MARK(MARK_AZURE_OPERATION_NAME) | MARK(MARK_AZURE_CATEGORY) | MARK(MARK_AZURE_RESOURCE_ID),
     MARK_AZURE_RESOURCE_ID, "/subscriptions/", NULL, "azure", "none", "activitylogs"},
    /* as the management API gives them, without the envelope of diagnostic settings */
    {MARK(MARK_AZURE_CATEGORY) | MARK(MARK_AZURE_CORRELATION) | MARK(MARK_AZURE_TENANT), MARK_AZURE_CATEGORY,
     "SignInLogs", NULL, "azure", "none", "signinlogs"},
    {MARK(MARK_AZURE_CATEGORY) | MARK(MARK_AZURE_CORRELATION) | MARK(MARK_AZURE_TENANT), MARK_AZURE_CATEGORY,
     "AuditLogs", NULL, "azure", "none", "auditlogs"},
    {MARK(MARK_AZURE_PROVIDER) | MARK(MARK_AZURE_CORRELATION) | MARK(MARK_AZURE_SUBSCRIPTION),
     MARK_AZURE_PROVIDER, NULL, NULL, "azure", "none", "activitylogs"},
    {MARK(MARK_OKTA_LEGACY_EVENT_TYPE) | MARK(MARK_OKTA_PUBLISHED) | MARK(MARK_OKTA_ACTOR), MARK_OKTA_ACTOR,
     NULL, NULL, "okta", "none", "okta"},
    {MARK(MARK_GITHUB_DOCUMENT_ID) | MARK(MARK_GITHUB_ACTION) | MARK(MARK_GITHUB_ACTOR), MARK_GITHUB_ACTION,
     NULL, NULL, "github", "none", "audit"},
    {MARK(MARK_BITBUCKET_CATEGORY) | MARK(MARK_BITBUCKET_ACTION), MARK_BITBUCKET_ACTION, NULL, NULL,
     "bitbucket", "none", "audit"},
};

static bool starts_nocase(struct sv text, const char *with)
{
    struct sv prefix = sv_of(with);
    return text.n >= prefix.n && sv_eq_nocase(sv_head(text, prefix.n), prefix);
}

static bool is_dialect(const struct dialect *d, const struct event *event, const struct names_found *found)
{
    if ((found->ranks[NAME_MARK] & d->marks) != d->marks)
        return false;
    const struct field *field = &event->fields[found->field[NAME_MARK][d->told]];
    return field->type == FIELD_STRING && field->value.n > 0 &&
           (d->starts == NULL || starts_nocase(field->value, d->starts)) &&
           (d->ends == NULL || sv_ends(field->value, sv_of(d->ends)));
}

void dialect_apply(struct event *event, const struct names_found *found, struct arena *arena)
{
    if (found->ranks[NAME_WINDOWS_CHANNEL] != 0 && windows_apply(event, found, arena))
        return;
    if (found->ranks[NAME_MARK] == 0)
        return;
    for (size_t i = 0; i < TC_ARRAY_LEN(dialects); i++)
        if (is_dialect(&dialects[i], event, found)) {
            event->product = sv_of(dialects[i].product);
            event->category = sv_of(dialects[i].category);
            event->service = sv_of(dialects[i].service);
            return;
        }
}
