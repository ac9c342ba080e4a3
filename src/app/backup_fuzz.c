/*
 * Fuzzes what a backup's papers may hold: manifest, sums, and the states that a checkpoint keeps. A name that
 * is taken never leads out of the directory.
 */
#include "app/backup_priv.h"
#include "app/delivery.h"
#include "app/sources.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sv bytes = sv_make((const char *)data, size), rest = bytes, name;
    struct backup_summary summary;
    struct delivery_state delivery = {0};
    struct sources sources;
    uint8_t hash[TC_SHA256_BYTES];
    bool bad = false;
    backup_read_manifest(bytes, &summary, hash, NULL);
    while (backup_next_sum(&rest, &name, hash, &bad))
        if (name.n == 0 || name.p[0] == '/' || sv_find(name, SV("..")) < name.n)
            abort();
    delivery_load(&delivery, bytes);
    sources_init(&sources);
    sources_load(&sources, bytes);
    sources_free(&sources);
    return 0;
}
