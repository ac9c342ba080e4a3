/*
 * Alertmanager's fingerprint of a label set: FNV-1a, 64 bits, over name 0xff value 0xff of every label in
 * order of name, printed as 16 hexadecimal digits (prometheus/common, model/signature.go).
 *
 * It is for display and for the APIs of others. Nothing of ours takes two alerts for one because of it.
 */
#include "alert/alert_priv.h"

#include <stdio.h>

#define FNV_OFFSET    UINT64_C(14695981039346656037)
#define FNV_PRIME     UINT64_C(1099511628211)
#define LABEL_DIVIDER 0xff

static uint64_t fingerprint_byte(uint64_t hash, unsigned char byte)
{
    return (hash ^ byte) * FNV_PRIME;
}

static uint64_t fingerprint_text(uint64_t hash, struct sv text)
{
    for (size_t i = 0; i < text.n; i++)
        hash = fingerprint_byte(hash, (unsigned char)text.p[i]);
    return fingerprint_byte(hash, LABEL_DIVIDER);
}

void fingerprint_of(const struct alert_label *labels, size_t count, char ret[17])
{
    uint64_t hash = FNV_OFFSET;
    for (size_t i = 0; i < count; i++)
        hash = fingerprint_text(fingerprint_text(hash, labels[i].name), labels[i].value);
    snprintf(ret, 17, "%016llx", (unsigned long long)hash);
}
