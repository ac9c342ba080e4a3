/*
 * Any bytes as a file of checkpoints: what is read as a note is inside of the file, and says the same when it
 * is written and read again.
 */
#include "journal/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct note_keys signer;
    struct sim_rng rng;
    struct sv input = sv_make((const char *)data, size), rest = input;
    struct note note, again;
    struct note_key key;
    sim_rng_init(&rng, 1);
    if (signer.n == 0 && note_key_make("fuzz", &rng.rng, &signer.key[0], NULL) == 0)
        signer.n = 1;
    while (note_next(&rest, &note, NULL) == 1) {
        struct buf out;
        buf_init(&out, 4 * NOTE_MAX_BYTES);
        note_write(&note.checkpoint, &signer, &out);
        struct sv text = buf_view(&out);
        tc_assert(note_next(&text, &again, NULL) == 1);
        tc_assert(again.checkpoint.size == note.checkpoint.size &&
                  again.checkpoint.time.ns == note.checkpoint.time.ns &&
                  again.checkpoint.keys.n == note.checkpoint.keys.n);
        tc_assert(memcmp(&again.checkpoint.period, &note.checkpoint.period, sizeof note.checkpoint.period) ==
                  0);
        tc_assert(note_signer(&again, &signer) != NULL);
        buf_free(&out);
    }
    tc_assert(note_last_end(input, NULL) <= size);
    note_follows(sv_head(input, 4096));
    struct note_series series;
    if (note_series_parse(input, &series, NULL) == 0) {
        char text[NOTE_KEY_TEXT_MAX];
        note_series_text(&series, text);
        tc_assert(note_series_parse(sv_of(text), &series, NULL) == 0);
        note_series_holds(&series, &(struct note_period){.opens = true, .levels = series.levels});
    }
    if (note_key_parse(input, &key, NULL) == 0) {
        char text[NOTE_KEY_TEXT_MAX];
        note_key_public(&key, text);
        tc_assert(note_key_parse(sv_of(text), &key, NULL) == 0);
    }
    return 0;
}
