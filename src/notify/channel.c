/*
 * The table of channel types; see channel.h.
 */
#include "notify/channel.h"

const struct channel *channel_find(struct sv type)
{
    static const struct channel *const all[] = {&channel_slack, &channel_file, &channel_stdout};
    for (size_t i = 0; i < TC_ARRAY_LEN(all); i++)
        if (sv_is(type, all[i]->type))
            return all[i];
    return NULL;
}
