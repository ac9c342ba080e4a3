/*
 * Pseudonyms in place of addresses and account names; see disclose.h.
 *
 * Account names are known by where they stand: the labels of an alert's entity, but for those that name
 * machines and rules, and "name=value" in its message where the name is an account's. They are then replaced
 * wherever they stand as a word of their own. IP addresses are known by their form, anywhere.
 */
#include "notify/disclose.h"

#include "notify/payload.h"

#include "base/hash.h"
#include "base/json_out.h"

#include <arpa/inet.h>
#include <nettle/hmac.h>
#include <stdlib.h>

enum { NAMES_MAX = 64, ADDRESS_BYTES = 45, PSEUDONYM_BYTES = 4, FINGERPRINT_BYTES = 8, VALUE_BYTES = 4096 };

bool reveal_of(struct sv word, enum reveal *ret)
{
    static const char *const words[] = {
        [REVEAL_NONE] = "none", [REVEAL_ADDRESSES] = "addresses", [REVEAL_ALL] = "all"};
    for (int i = REVEAL_NONE; i <= REVEAL_ALL; i++)
        if (sv_is(word, words[i])) {
            *ret = (enum reveal)i;
            return true;
        }
    return false;
}

enum reveal reveal_for(enum reveal reveal, struct sv type)
{
    bool is_local = sv_is(type, "stdout") || sv_is(type, "file");
    return reveal != REVEAL_DEFAULT ? reveal : is_local ? REVEAL_ALL : REVEAL_NONE;
}

struct disclosure {
    enum reveal reveal;
    const uint8_t *key;
    struct sv names[NAMES_MAX]; /* account names as they stand in JSON strings, longest first */
    size_t name_count;
    struct buf escaped; /* holds them; never grows past its first reservation */
};

/* The first `bytes` of the keyed hash, letters without case. */
static void keyed_hex(const struct disclosure *d, const char *kind, struct sv value, size_t bytes,
                      char ret[2 * FINGERPRINT_BYTES + 1])
{
    struct hmac_sha256_ctx keyed;
    uint8_t hash[FINGERPRINT_BYTES];
    hmac_sha256_set_key(&keyed, TC_DISCLOSE_KEY_BYTES, d->key);
    hmac_sha256_update(&keyed, strlen(kind) + 1, (const uint8_t *)kind);
    for (size_t i = 0; i < value.n; i++) {
        char c = value.p[i];
        uint8_t byte = (uint8_t)(c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c);
        hmac_sha256_update(&keyed, 1, &byte);
    }
    hmac_sha256_digest(&keyed, bytes, hash);
    hash_hex(hash, bytes, ret);
}

static void put_pseudonym(const struct disclosure *d, const char *kind, struct sv value, struct buf *out)
{
    char hex[2 * FINGERPRINT_BYTES + 1];
    keyed_hex(d, kind, value, PSEUDONYM_BYTES, hex);
    buf_printf(out, "%s-%s", kind, hex);
}

/* A fingerprint is a hash without key of the labels: names could be guessed and tried. */
static void put_fingerprint(const struct disclosure *d, struct sv value, struct buf *out)
{
    char hex[2 * FINGERPRINT_BYTES + 1];
    keyed_hex(d, "fingerprint", value, FINGERPRINT_BYTES, hex);
    buf_str(out, hex);
}

/* --- account names --- */

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (uint8_t)c >= 0x80;
}

/* Labels that name a rule or a machine, or say how things stand. */
static bool is_impersonal(struct sv label)
{
    static const char *const names[] = {"alertname", "severity", "rule_id",      "overflow",
                                        "host_name", "vendor",   "service_name", "queue",
                                        "source_ip", "job",      "instance"};
    for (size_t i = 0; i < TC_ARRAY_LEN(names); i++)
        if (sv_is(label, names[i]))
            return true;
    return false;
}

static bool is_account_name(struct sv name)
{
    static const char *const parts[] = {"user",      "account",  "login", "actor",
                                        "principal", "identity", "email", "member"};
    char lower[128];
    size_t n = TC_MIN(name.n, sizeof lower);
    for (size_t i = 0; i < n; i++)
        lower[i] = name.p[i] >= 'A' && name.p[i] <= 'Z' ? (char)(name.p[i] - 'A' + 'a') : name.p[i];
    for (size_t i = 0; i < TC_ARRAY_LEN(parts); i++)
        if (sv_find(sv_make(lower, n), sv_of(parts[i])) < n)
            return true;
    return false;
}

static bool is_address(struct sv text)
{
    char address[ADDRESS_BYTES + 1];
    struct in6_addr bytes;
    if (text.n < 2 || text.n > ADDRESS_BYTES)
        return false;
    memcpy(address, text.p, text.n);
    address[text.n] = '\0';
    return inet_pton(AF_INET, address, &bytes) == 1 || inet_pton(AF_INET6, address, &bytes) == 1;
}

/* Remembers a name as it stands inside of a JSON string. Tokens are no names. */
static void add_name(struct disclosure *d, struct sv value)
{
    size_t from = d->escaped.n;
    if (value.n == 0 || value.n > VALUE_BYTES || d->name_count == NAMES_MAX || value.p[0] == '<' ||
        is_address(value))
        return;
    struct json_out json = json_out_to(&d->escaped);
    json_string(&json, value);
    if (d->escaped.overflow)
        return;
    struct sv name = sv_make(d->escaped.p + from + 1, d->escaped.n - from - 2);
    size_t at = d->name_count++;
    for (; at > 0 && d->names[at - 1].n < name.n; at--)
        d->names[at] = d->names[at - 1];
    d->names[at] = name;
}

/* "user.name=bob" in a message: to ", " or ")" or its end. */
static void add_from_message(struct disclosure *d, struct sv message)
{
    for (size_t i = 0; i < message.n; i++) {
        size_t from = i;
        if (message.p[i] != '=')
            continue;
        while (from > 0 &&
               (is_word(message.p[from - 1]) || message.p[from - 1] == '.' || message.p[from - 1] == '-'))
            from--;
        struct sv value = sv_from(message, i + 1);
        value = sv_head(value, sv_find(value, SV(", ")));
        value = sv_head(value, sv_find_char(value, ')'));
        if (is_account_name(sv_make(message.p + from, i - from)))
            add_name(d, sv_ends(value, SV("\xE2\x80\xA6")) ? sv_head(value, value.n - 3) : value);
    }
}

/* Length of the account name at `at` that stands there as a word, 0 where there is none. */
static size_t name_at(const struct disclosure *d, struct sv text, size_t at)
{
    if (at > 0 && is_word(text.p[at - 1]))
        return 0;
    for (size_t i = 0; i < d->name_count; i++) {
        struct sv name = d->names[i];
        if (sv_starts(sv_from(text, at), name) && (at + name.n >= text.n || !is_word(text.p[at + name.n])))
            return name.n;
    }
    return 0;
}

/* --- addresses --- */

static bool in_address(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == '.' || c == ':';
}

/* Length of the address at `at`, 0 where there is none. A port or a full stop behind it is not its own. */
static size_t address_at(struct sv text, size_t at)
{
    size_t end = at;
    bool mark = false;
    if (at > 0 && (is_word(text.p[at - 1]) || in_address(text.p[at - 1])))
        return 0;
    while (end < text.n && end - at < ADDRESS_BYTES && in_address(text.p[end]))
        mark |= text.p[end] == '.' || text.p[end] == ':', end++;
    if (!mark)
        return 0;
    for (size_t to = end; to >= at + 2; to--)
        if ((to == end ? to >= text.n || !is_word(text.p[to]) : text.p[to] == '.' || text.p[to] == ':') &&
            is_address(sv_make(text.p + at, to - at)))
            return to - at;
    return 0;
}

/* --- the whole --- */

static void rewrite_string(const struct disclosure *d, struct sv inner, struct buf *out)
{
    for (size_t i = 0; i < inner.n;) {
        size_t name = name_at(d, inner, i), address = d->reveal == REVEAL_NONE ? address_at(inner, i) : 0;
        if (name > 0)
            put_pseudonym(d, "user", sv_make(inner.p + i, name), out);
        else if (address > 0)
            put_pseudonym(d, "ip", sv_make(inner.p + i, address), out);
        else
            buf_char(out, inner.p[i]);
        i += name > 0 ? name : address > 0 ? address : 1;
    }
}

/* Keys stay: they are ours. So do the values of these. */
static bool is_fixed(struct sv key)
{
    static const char *const keys[] = {"key",        "reason",      "id",       "rule_id",         "severity",
                                       "state",      "disposition", "runbook",  "alertname",       "what",
                                       "first_seen", "last_seen",   "ended_at", "acknowledged_at", "time"};
    for (size_t i = 0; i < TC_ARRAY_LEN(keys); i++)
        if (sv_is(key, keys[i]))
            return true;
    return false;
}

static void rewrite(const struct disclosure *d, struct sv json, struct buf *out)
{
    struct sv key = {0};
    for (size_t i = 0; i < json.n;) {
        if (json.p[i] != '"') {
            if (json.p[i] == ',' || json.p[i] == '{')
                key = (struct sv){0};
            buf_char(out, json.p[i++]);
            continue;
        }
        size_t from = ++i;
        while (i < json.n && json.p[i] != '"')
            i += json.p[i] == '\\' ? 2 : 1;
        struct sv inner = sv_make(json.p + from, TC_MIN(i, json.n) - from);
        bool is_key = i + 1 < json.n && json.p[i + 1] == ':';
        buf_char(out, '"');
        if (is_key || is_fixed(key))
            buf_sv(out, inner);
        else if (sv_is(key, "fingerprint"))
            put_fingerprint(d, inner, out);
        else
            rewrite_string(d, inner, out);
        buf_char(out, '"');
        if (is_key)
            key = inner;
        i++;
    }
}

int disclose(struct sv json, enum reveal reveal, const uint8_t key[TC_DISCLOSE_KEY_BYTES], struct buf *out,
             struct err *err)
{
    struct disclosure d = {.reveal = reveal, .key = key};
    struct payload p;
    struct sv name, value;
    uint32_t at = 0;
    if (reveal == REVEAL_ALL || reveal == REVEAL_DEFAULT) {
        buf_sv(out, json);
        return 0;
    }
    int rc = payload_read(json, &p, err);
    if (rc == 0) {
        buf_init(&d.escaped, NAMES_MAX * (size_t)(6 * VALUE_BYTES));
        buf_reserve(&d.escaped, d.escaped.max_bytes); /* so that names do not move */
        while (payload_label(&p, &at, &name, &value))
            if (!is_impersonal(name))
                add_name(&d, value);
        add_from_message(&d, p.message);
        rewrite(&d, json, out);
        buf_free(&d.escaped);
    }
    payload_free(&p);
    return rc;
}
