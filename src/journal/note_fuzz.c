/*
 * Any bytes as a file of checkpoints: what is read as a note is inside of the file, and says the same when it
 * is written and read again.
 */
#include "journal/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct note_keys nobody;
    struct sv input = sv_make((const char *)data, size), rest = input;
    struct note note, again;
    struct note_key key;
    while (note_next(&rest, &note, NULL) == 1) {
        struct buf out;
        buf_init(&out, 4 * NOTE_MAX_BYTES);
        note_write(&note.checkpoint, &nobody, &out);
        buf_str(&out, "\n"); /* nobody signed: the empty line of the signatures */
        struct sv text = buf_view(&out);
        tc_assert(note_next(&text, &again, NULL) == 1);
        tc_assert(again.checkpoint.size == note.checkpoint.size &&
                  again.checkpoint.time.ns == note.checkpoint.time.ns &&
                  again.checkpoint.keys.n == note.checkpoint.keys.n);
        tc_assert(note_signer(&note, &note.checkpoint.keys) == NULL || note.signature_count > 0);
        buf_free(&out);
    }
    tc_assert(note_last_end(input) <= size);
    note_follows(sv_head(input, 4096));
    if (note_key_parse(input, &key, NULL) == 0) {
        char text[NOTE_KEY_TEXT_MAX];
        note_key_public(&key, text);
        tc_assert(note_key_parse(sv_of(text), &key, NULL) == 0);
    }
    return 0;
}
