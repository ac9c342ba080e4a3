/*
 * Text forms that metrics share: Go's (base/go_text.h) and Prometheus' durations.
 */
#ifndef METRICS_GO_TEXT_H
#define METRICS_GO_TEXT_H

#include "base/go_text.h"
#include "metrics/prom_duration.h"

#endif
