/*
 * What a channel may know of persons: the last step before an intent becomes a message (ledger H-02, H-07).
 *
 * The journal and the console keep addresses and account names. What leaves to a channel bears pseudonyms in
 * their place, "ip-3f2a9c41" and "user-77b0d2e9": keyed hashes, the same in all messages of one installation,
 * so that people see that two alerts are about the same one, and look it up in the console.
 */
#ifndef NOTIFY_DISCLOSE_H
#define NOTIFY_DISCLOSE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/sv.h"

enum { TC_DISCLOSE_KEY_BYTES = 32 };

enum reveal {
    REVEAL_DEFAULT, /* of the channel's type: all for what stays on this machine (stdout, file), else none */
    REVEAL_NONE,    /* neither IP addresses nor account names */
    REVEAL_ADDRESSES, /* IP addresses, but no account names */
    REVEAL_ALL,
};
/* "none", "addresses", "all". */
bool reveal_of(struct sv word, enum reveal *ret);
/* REVEAL_DEFAULT resolved for a type of channel. */
enum reveal reveal_for(enum reveal reveal, struct sv channel_type);

/*
 * Appends the intent's JSON as a channel of this kind may see it. Everything in texts of the alert counts:
 * labels, message, notes, history. TC_EINPUT where `payload` is no intent. Tokens of the vault stay.
 */
int disclose(struct sv payload, enum reveal reveal, const uint8_t key[TC_DISCLOSE_KEY_BYTES], struct buf *out,
             struct err *err);

#endif
