/*
 * Derived fields; see ecs.h. Which names are read is names.c's business; what a value must look like to be
 * taken is this file's: one row of `derivations` per derived field.
 */
#include "event/ecs.h"

#include "event/names.h"

#include <arpa/inet.h>

#define WORD(text)                                                                                           \
    {                                                                                                        \
        text, sizeof(text) - 1                                                                               \
    }

static const struct sv auth_events[] = {WORD("login_success"),   WORD("login_failed"),
                                        WORD("account_locked"),  WORD("lockout_attempt_while_locked"),
                                        WORD("token_refresh"),   WORD("api_key_created"),
                                        WORD("api_key_revoked"), WORD("api_key_used"),
                                        WORD("password_reset"),  {0}};

static const struct sv success_words[] = {WORD("success"),
                                          WORD("succeeded"),
                                          WORD("successful"),
                                          WORD("ok"),
                                          WORD("true"),
                                          WORD("allow"),
                                          WORD("allowed"),
                                          WORD("accepted"),
                                          WORD("granted"),
                                          WORD("pass"),
                                          WORD("passed"),
                                          WORD("login_success"),
                                          {0}};
static const struct sv failure_words[] = {WORD("failure"),
                                          WORD("failed"),
                                          WORD("fail"),
                                          WORD("error"),
                                          WORD("false"),
                                          WORD("deny"),
                                          WORD("denied"),
                                          WORD("reject"),
                                          WORD("rejected"),
                                          WORD("blocked"),
                                          WORD("unsuccessful"),
                                          WORD("login_failed"),
                                          {0}};

static bool is_one_of(struct sv word, const struct sv *words)
{
    for (; words->p != NULL; words++)
        if (sv_eq_nocase(word, *words))
            return true;
    return false;
}

bool ecs_is_auth_event(struct sv word)
{
    return is_one_of(word, auth_events) || (word.n > 4 && sv_eq_nocase(sv_head(word, 4), SV("mfa_")));
}

bool ecs_is_address(struct sv text)
{
    char copy[INET6_ADDRSTRLEN];
    unsigned char address[sizeof(struct in6_addr)];
    if (text.n > 2 && text.p[0] == '[' && text.p[text.n - 1] == ']')
        text = sv_make(text.p + 1, text.n - 2);
    if (text.n == 0 || text.n >= sizeof copy || memchr(text.p, '\0', text.n) != NULL)
        return false;
    memcpy(copy, text.p, text.n);
    copy[text.n] = '\0';
    return inet_pton(strchr(copy, ':') == NULL ? AF_INET : AF_INET6, copy, address) == 1;
}

/* Each tells whether a field's value may stand for the derived one, and gives that value. */
typedef bool (*derive_fn)(const struct field *field, struct sv *ret);

static bool derive_auth_event(const struct field *field, struct sv *ret)
{
    *ret = field->value;
    return field->type == FIELD_STRING && ecs_is_auth_event(field->value);
}

static bool derive_text(const struct field *field, struct sv *ret)
{
    *ret = field->value;
    return field->type == FIELD_STRING && field->value.n > 0 && !sv_is(field->value, "-");
}

static bool derive_name(const struct field *field, struct sv *ret)
{
    *ret = field->value; /* accounts are sometimes numbers */
    return derive_text(field, ret) || field->type == FIELD_NUMBER;
}

static bool derive_address(const struct field *field, struct sv *ret)
{
    struct sv value = field->value;
    bool bracketed = value.n > 2 && value.p[0] == '[' && value.p[value.n - 1] == ']';
    *ret = bracketed ? sv_make(value.p + 1, value.n - 2) : value; /* [2001:db8::1] of URLs */
    return field->type == FIELD_STRING && ecs_is_address(value);
}

static bool derive_host(const struct field *field, struct sv *ret)
{
    return derive_text(field, ret) && !sv_is(field->value, "?");
}

static bool derive_outcome(const struct field *field, struct sv *ret)
{
    bool is_word = field->type == FIELD_STRING || field->type == FIELD_BOOL;
    if (sv_is(field->name, "errorCode") && is_word && field->value.n > 0)
        *ret = SV("failure"); /* CloudTrail: present where the call failed */
    else if (is_word && is_one_of(field->value, success_words))
        *ret = SV("success");
    else if (is_word && is_one_of(field->value, failure_words))
        *ret = SV("failure");
    else
        return false;
    return true;
}

static const struct derivation {
    enum name_role role;
    derive_fn derive;
} derivations[] = {
    {NAME_EVENT_TYPE, derive_auth_event}, {NAME_EVENT_ACTION, derive_text},
    {NAME_EVENT_OUTCOME, derive_outcome}, {NAME_SOURCE_IP, derive_address},
    {NAME_USER_NAME, derive_name},        {NAME_HOST_NAME, derive_host},
    {NAME_SERVICE_NAME, derive_text},
};

static struct field derived_field(enum name_role role, struct sv value)
{
    struct sv name = sv_of(names_of(role, 0));
    return (struct field){.name = name,
                          .exact = name,
                          .value = value,
                          .name_hash = names_first_hash(role),
                          .next_same = -1,
                          .type = FIELD_STRING,
                          .flags = FIELD_DERIVED};
}

/* The `hostname` of an audit record is where the user came from; the host itself is its `node`. */
static bool is_of_the_peer(const struct event *event, enum name_role role, const struct field *field)
{
    return role == NAME_HOST_NAME && sv_is(event->service, "auditd") && sv_is(field->name, "hostname");
}

static bool derive_one(const struct event *event, const struct names_found *found, const struct derivation *d,
                       struct field *ret)
{
    struct sv value;
    if (names_sent(found, d->role))
        return false;
    for (uint64_t left = found->ranks[d->role]; left != 0;) {
        const struct field *field = names_take(event, found, d->role, &left);
        if (!is_of_the_peer(event, d->role, field) && d->derive(field, &value)) {
            *ret = derived_field(d->role, value);
            return true;
        }
    }
    return false;
}

static uint32_t derive_logsource(const struct event *event, const struct names_found *found,
                                 struct field *ret)
{
    const struct {
        enum name_role role;
        struct sv value;
    } parts[] = {
        {NAME_PRODUCT, event->product}, {NAME_CATEGORY, event->category}, {NAME_SERVICE, event->service}};
    uint32_t count = 0;
    for (size_t i = 0; i < TC_ARRAY_LEN(parts); i++)
        if (parts[i].value.n > 0 && !names_sent(found, parts[i].role))
            ret[count++] = derived_field(parts[i].role, parts[i].value);
    return count;
}

void ecs_derive(struct event *event, struct arena *arena)
{
    struct names_found own, *found = event->names;
    struct field derived[TC_ARRAY_LEN(derivations) + 3];
    uint32_t count = 0;
    if (found != NULL && event->names_upto > 0)
        names_scan_more(event, event->names_upto, found);
    else
        names_scan(event, found = &own);
    for (size_t i = 0; i < TC_ARRAY_LEN(derivations); i++)
        count += derive_one(event, found, &derivations[i], &derived[count]);
    count += derive_logsource(event, found, &derived[count]);
    event_append(event, arena, derived, count);
}
