/*
 * Whether a label set holds what must not become a label: e-mail addresses, telephone numbers, card and
 * account numbers, secrets. Values of labels are kept for as long as the store keeps anything and are shown
 * to everybody who reads metrics, and no redaction could come after them.
 */
#ifndef METRICS_PERSONAL_H
#define METRICS_PERSONAL_H

#include "metrics/labels.h"

/* Any thread. Costs little more than reading the texts where nothing in them announces a finding. */
bool labels_hold_personal(const struct label *labels, size_t count);

#endif
