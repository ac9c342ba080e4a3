/*
 * Derived fields: a few ECS names filled beside the sender's own, so that packs, entities and pages can rely
 * on one word for an address or a user.
 *
 * Filled: event_type (only from the known names of authentication events), event.action, event.outcome,
 * source.ip, user.name, host.name, service.name, and logsource.* as the parser knows it. Each bears
 * FIELD_DERIVED and is left out where the sender gave a field of that name.
 */
#ifndef EVENT_ECS_H
#define EVENT_ECS_H

#include "event/event.h"

/* Appends the derived fields to an event whose own fields are complete; call before event_index. */
void ecs_derive(struct event *event, struct arena *arena);
/* One of login_success, login_failed, account_locked …, mfa_*, password_reset, in any case. */
bool ecs_is_auth_event(struct sv word);
/* An IPv4 or IPv6 address, perhaps in brackets, and nothing else. */
bool ecs_is_address(struct sv text);

#endif
