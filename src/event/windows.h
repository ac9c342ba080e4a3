/*
 * Windows events in JSON: Sigma's field names and log source.
 *
 * Recognised by a channel, a numeric event id and a provider or computer, in any of these shapes:
 *
 *   {"Event":{"System":{"Provider":{"#attributes":{"Name":…}},"EventID":1,"Channel":…},"EventData":{…}}}
 *   {"System":{…},"EventData":{…}}                              the same without the outer element
 *   {"winlog":{"channel":…,"event_id":…,"event_data":{…}}}      Winlogbeat; {"log_name":…,"event_data":…} of
 * old {"Channel":…,"EventID":…,"SourceName":…,"Image":…}          flat (NXLog, Mordor)
 *
 * What lies below System, EventData and UserData is derived under Sigma's names: without the prefix, XML
 * attributes joined by '_' (Provider_Name, Execution_ProcessID), UserData without its inner element. The
 * service follows from the channel (a channel that Sigma has no word for is its own word), the category from
 * the event id of Sysmon and PowerShell, "none" for all others; so 4688 is no process_creation.
 */
#ifndef EVENT_WINDOWS_H
#define EVENT_WINDOWS_H

#include "event/names.h"

enum { TC_WINDOWS_DERIVED_MAX = 112 }; /* fields that one event may gain here; the rest keep their own name */

/* False, and nothing changed, where it is no Windows event. */
bool windows_apply(struct event *event, const struct names_found *found, struct arena *arena);

#endif
