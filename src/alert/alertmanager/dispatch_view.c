/*
 * Looking at what the dispatcher keeps, and giving its notification log out and back; see dispatch.h.
 */
#include "alert/alert_priv.h"
#include "alert/alertmanager/dispatch_priv.h"

#include <stdlib.h>

void am_dispatch_on_told(struct am_dispatch *d, am_told_fn *kept, void *context)
{
    d->kept = kept;
    d->kept_context = context;
}

void am_dispatch_each_told(const struct am_dispatch *d, am_told_fn *each, void *context)
{
    struct map_entry *entry;
    struct buf bytes;
    buf_init(&bytes, 16 << 20);
    for (size_t i = 0; map_next(&d->told.entries, &i, &entry);) {
        buf_clear(&bytes);
        told_write((const struct told *)(uintptr_t)entry->value, &bytes);
        if (!bytes.overflow)
            each(context, entry->key, buf_view(&bytes));
    }
    buf_free(&bytes);
}

bool am_dispatch_load_told(struct am_dispatch *d, struct sv name, struct sv entry, int64_t expires_ns)
{
    return told_read(&d->told, name, entry, expires_ns);
}

static struct am_stored_alert view_of(const struct am_dispatch *d, const struct stored *stored,
                                      struct arena *arena)
{
    struct am_alert *alert = ARENA_NEW(arena, struct am_alert);
    *alert = alert_store_view(&d->alerts, stored, arena);
    return (struct am_stored_alert){alert, stored->updated_ns};
}

bool am_dispatch_next_alert(const struct am_dispatch *d, size_t *at, struct arena *arena,
                            struct am_stored_alert *ret)
{
    if (*at >= d->alerts.count)
        return false;
    *ret = view_of(d, d->alerts.list[(*at)++], arena);
    return true;
}

bool am_dispatch_next_group(const struct am_dispatch *d, size_t *at, struct am_group_view *ret)
{
    struct map_entry *entry;
    if (!map_next(&d->groups, at, &entry))
        return false;
    const struct group *group = (const struct group *)(uintptr_t)entry->value;
    *ret = (struct am_group_view){group->route, group->labels, group->key, group->members, group->count};
    return true;
}

struct am_stored_alert am_group_alert(const struct am_dispatch *d, const struct am_group_view *group,
                                      size_t index, struct arena *arena)
{
    struct stored *const *members = group->members;
    return view_of(d, members[index], arena);
}

void am_fingerprint(struct am_labels labels, char ret[17])
{
    struct alert_label *items = tc_alloc((labels.count + 1) * sizeof *items);
    for (size_t i = 0; i < labels.count; i++)
        items[i] = (struct alert_label){labels.items[i].name, labels.items[i].value};
    fingerprint_of(items, labels.count, ret);
    free(items);
}
