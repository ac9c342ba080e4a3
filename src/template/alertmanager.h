/*
 * Alertmanager's templates (alertmanager/template): the data that a notification is rendered from, and the
 * functions that templates there may call.
 */
#ifndef TEMPLATE_ALERTMANAGER_H
#define TEMPLATE_ALERTMANAGER_H

#include "template/template.h"

/* A set with Alertmanager's functions and, parsed into it, the default templates (packs/notify/default.tmpl).
 */
int template_alertmanager_set(struct template_set **ret, struct err *err);

/*
 * The data of a webhook (version 4) as Alertmanager's template.Data, so that .Alerts.Firing,
 * .CommonLabels.SortedPairs and the like work. Names of members are taken without case, as Go reads JSON;
 * what is missing is empty. A value that is not an object, or an object with none of the names, is passed on
 * as it is.
 */
int template_alertmanager_data(struct arena *arena, struct template_value json, struct template_value *ret,
                               struct err *err);

extern const struct template_function template_alertmanager_functions[];

#endif
