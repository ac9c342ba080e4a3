/*
 * The table of channel types; see channel.h.
 */
#include "notify/channel.h"

#include <stdio.h>

static const struct channel *const all[] = {
    &channel_slack,      &channel_slack_app, &channel_email,   &channel_webhook,    &channel_pagerduty,
    &channel_sms,        &channel_voice,     &channel_teams,   &channel_discord,    &channel_telegram,
    &channel_mattermost, &channel_pushover,  &channel_webex,   &channel_opsgenie,   &channel_victorops,
    &channel_sns,        &channel_jira,      &channel_ticket,  &channel_splunk_hec, &channel_datadog,
    &channel_elastic,    &channel_cef,       &channel_cef_udp, &channel_file,       &channel_stdout};

const struct channel *channel_find(struct sv type)
{
    for (size_t i = 0; i < TC_ARRAY_LEN(all); i++)
        if (sv_is(type, all[i]->type))
            return all[i];
    return NULL;
}

size_t channel_steps(const struct channel *channel, struct sv body)
{
    return channel->service == NULL ? 1 : service_steps(body);
}

struct transfer *channel_send(const struct channel *channel, const struct channel_config *config,
                              const struct parcel *parcel)
{
    return channel->service == NULL ? channel->send(config, parcel)
                                    : service_send(channel->service, config, parcel);
}

const char *channel_types(void)
{
    static char text[512]; /* the same bytes whoever writes them */
    size_t n = 0;
    for (size_t i = 0; i < TC_ARRAY_LEN(all); i++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s",
                              i == 0                      ? ""
                              : i + 1 < TC_ARRAY_LEN(all) ? ", "
                                                          : " or ",
                              all[i]->type);
    return text;
}

bool notify_takes(const struct channel_config *config, enum severity severity, struct sv reason)
{
    const struct channel *channel = channel_find(config->type);
    if (channel == NULL)
        return false;
    bool reminds = sv_is(reason, "task_due") || sv_is(reason, "overdue") || sv_is(reason, "incident");
    if (reminds && channel->opens_incidents)
        return false;
    if (sv_is(reason, "acknowledged") && !channel->tells_acknowledged)
        return false;
    bool resolved = config->send_resolved == CHOICE_DEFAULT ? channel->tells_resolved
                                                            : config->send_resolved == CHOICE_YES;
    if (sv_is(reason, "resolved") && !resolved)
        return false;
    enum severity lowest = config->min_severity != SEVERITY_NONE ? config->min_severity : channel->lowest;
    return severity <= lowest;
}

int notify_check_channel(const struct channel_config *config, struct err *err)
{
    const struct channel *channel = channel_find(config->type);
    if (channel == NULL)
        return err_set(err, TC_EINPUT, "its type \"%.*s\" is not known: %s",
                       SV_FMT(sv_head(config->type, 40)), channel_types());
    return channel->check(config, err);
}
