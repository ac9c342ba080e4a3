/*
 * Proof files; see proof_out.h.
 */
#include "cli/proof_out.h"

#include <stdio.h>

enum { PATH_BYTES = 4096, PEM_BYTES = 512, PATH_FILE_BYTES = MERKLE_LEVELS * 80 };

static int put(const struct fs *fs, const char *folder, const char *name, struct sv bytes, struct err *err)
{
    char path[PATH_BYTES];
    if ((size_t)snprintf(path, sizeof path, "%s/%s", folder, name) >= sizeof path)
        return err_set(err, TC_EINPUT, "the path is too long");
    return fs_replace_file(fs, path, bytes, err);
}

/* A line a level: the side on which the sibling stands, and its hash. */
static int put_path(const struct fs *fs, const char *folder, const char *name,
                    const struct merkle_proof *proof, struct err *err)
{
    struct buf out;
    char hex[TC_SHA256_HEX];
    buf_init(&out, PATH_FILE_BYTES);
    for (size_t i = 0; i < proof->n; i++) {
        hash_hex(proof->steps[i].hash, TC_SHA256_BYTES, hex);
        buf_printf(&out, "%s %s\n", proof->steps[i].is_left ? "left" : "right", hex);
    }
    int rc = put(fs, folder, name, buf_view(&out), err);
    buf_free(&out);
    return rc;
}

/* The signature of the key that is believed, without name and id. */
static int put_signature(const struct fs *fs, const char *folder, const struct note *note,
                         const struct note_key *key, struct err *err)
{
    for (size_t i = 0; i < note->signature_count; i++)
        if (memcmp(note->signatures[i].id, key->id, sizeof key->id) == 0)
            return put(fs, folder, "signature",
                       sv_make((const char *)note->signatures[i].bytes, NOTE_SIGNATURE_BYTES), err);
    return err_set(err, TC_ESTATE, "the checkpoint bears no signature of its key");
}

/* SubjectPublicKeyInfo of Ed25519 (RFC 8410): always the same twelve bytes before the key. */
static int put_key(const struct fs *fs, const char *folder, const struct note_key *key, struct err *err)
{
    static const char head[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
    char der[sizeof head + NOTE_PUBLIC_BYTES], text[PEM_BYTES];
    memcpy(der, head, sizeof head);
    memcpy(der + sizeof head, key->public_key, NOTE_PUBLIC_BYTES);
    int n = snprintf(text, sizeof text, "-----BEGIN PUBLIC KEY-----\n");
    n += (int)note_base64(der, sizeof der, text + n, sizeof text - (size_t)n);
    n += snprintf(text + n, sizeof text - (size_t)n, "\n-----END PUBLIC KEY-----\n");
    return put(fs, folder, "key.pem", sv_make(text, (size_t)n), err);
}

int proof_write(const struct fs *fs, const char *folder, const struct evidence_report *r, struct err *err)
{
    struct sv rest = buf_view(&r->note);
    struct note note;
    int rc = note_next(&rest, &note, err);
    if (rc == 1)
        rc = fs_make_dirs(fs, folder, err);
    if (rc == 0)
        rc = put(fs, folder, "record", buf_view(&r->record), err);
    if (rc == 0)
        rc = put_path(fs, folder, "path", &r->path, err);
    if (rc == 0)
        rc = put(fs, folder, "checkpoint", note.text, err);
    if (rc == 0)
        rc = put_signature(fs, folder, &note, &r->key, err);
    if (rc == 0)
        rc = put_key(fs, folder, &r->key, err);
    return rc == 0 && r->has_key_path ? put_path(fs, folder, "key-path", &r->key_path, err) : rc;
}
