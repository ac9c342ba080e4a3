/*
 * Lists of values; see list.h. A table is one hash table over all entries of a list. What an entry is (a
 * text, a domain, a network of either family) is part of its key, and for each of these the lengths that
 * occur are noted: so "begins with one of" asks once for each length of the texts, and "lies in one of" once
 * for each length of a prefix, at most 33 of IPv4 and 129 of IPv6.
 */
#include "base/clk.h"
#include "base/hash.h"
#include "base/utf8.h"
#include "detect/match.h"

enum entry_kind { ENTRY_TEXT, ENTRY_DOMAIN, ENTRY_V4, ENTRY_V6, ENTRY_KINDS };
enum { LENGTH_WORDS = LIST_ENTRY_MAX_BYTES * 3 / 64 + 1, NETWORK_BYTES = 17, LABELS_MAX = 128 };
enum form { FORM_NETWORKS, FORM_FOLDED, FORM_CASED, FORMS };

struct list_entry {
    const char *p;
    uint32_t n;
    uint32_t kind;
    int64_t expires_ns; /* INT64_MAX: never */
};

struct list_table {
    struct list_entry *entries;
    uint32_t *slots; /* index + 1 into entries, 0: free */
    uint32_t mask, count;
    size_t longest;
    bool domains;                                /* there are some */
    uint64_t lengths[ENTRY_KINDS][LENGTH_WORDS]; /* bit sets: of networks the bits of the prefix */
};

struct list {
    const char *file;
    struct sv bytes;
    bool in_pack;
    struct list_table *tables[FORMS];
    size_t unreadable; /* of the form that had most */
    struct err first;
};

struct sv list_name(struct sv path)
{
    struct sv name = path;
    if (!sv_ends(path, SV(".list")))
        return SV("");
    for (size_t at = sv_find_char(name, '/'); at < name.n; at = sv_find_char(name, '/'))
        name = sv_from(name, at + 1);
    return sv_head(name, name.n - 5);
}

struct list *list_new(struct arena *arena, const char *file, struct sv bytes, bool in_pack)
{
    struct list *list = ARENA_NEW(arena, struct list);
    list->file = file;
    list->bytes = sv_starts(bytes, SV("\xEF\xBB\xBF")) ? sv_from(bytes, 3) : bytes;
    list->in_pack = in_pack;
    return list;
}

bool list_in_pack(const struct list *list)
{
    return list->in_pack;
}

size_t list_unreadable(const struct list *list, struct err *ret)
{
    if (list->unreadable > 0)
        *ret = list->first;
    return list->unreadable;
}

size_t list_longest(const struct list_table *table)
{
    return table->longest;
}

/* --- the table
 * ---------------------------------------------------------------------------------------------------------------------
 */

/* Where the entry stands, or the free slot where it would. */
static uint32_t *slot_of(const struct list_table *t, enum entry_kind kind, struct sv key)
{
    uint32_t at = (uint32_t)hash_64_seed(key, kind) & t->mask;
    for (;; at = (at + 1) & t->mask) {
        const struct list_entry *e = t->slots[at] == 0 ? NULL : &t->entries[t->slots[at] - 1];
        if (e == NULL || (e->kind == kind && sv_eq(sv_make(e->p, e->n), key)))
            return &t->slots[at];
    }
}

static bool has_entry(const struct list_table *t, enum entry_kind kind, struct sv key, int64_t now_ns)
{
    uint32_t slot = *slot_of(t, kind, key);
    return slot != 0 && (now_ns == TC_NO_TIME || now_ns < t->entries[slot - 1].expires_ns);
}

static void note_length(struct list_table *t, enum entry_kind kind, size_t length)
{
    t->lengths[kind][length / 64] |= UINT64_C(1) << (length % 64);
}

/* `key` must outlive the table. Of two equal entries the one that holds longer counts. */
static void put_entry(struct list_table *t, enum entry_kind kind, struct sv key, int64_t expires_ns)
{
    uint32_t *slot = slot_of(t, kind, key);
    if (*slot == 0) {
        t->entries[t->count++] = (struct list_entry){key.p, (uint32_t)key.n, kind, expires_ns};
        *slot = t->count;
        return;
    }
    struct list_entry *e = &t->entries[*slot - 1];
    e->expires_ns = TC_MAX(e->expires_ns, expires_ns);
}

static size_t characters(struct sv text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++)
        n += ((uint8_t)text.p[i] & 0xC0) != 0x80;
    return n;
}

/* --- reading
 * ------------------------------------------------------------------------------------------------------------------
 */

struct reading {
    const struct list *list;
    struct list_table *table;
    struct arena *arena;
    struct buf folded;
    enum form form;
    unsigned line;
    size_t unreadable;
    struct err first;
};

static void unreadable(struct reading *r, const char *why, struct sv what)
{
    if (r->unreadable++ == 0)
        err_at(&r->first, TC_OK, r->list->file, r->line, 0, "%s: \"%.*s\"", why, SV_FMT(sv_head(what, 80)));
}

static bool is_entry(struct sv line)
{
    line = sv_trim(line);
    return line.n > 0 && line.p[0] != '#';
}

static bool is_domain(struct sv value)
{
    return value.n > 1 && (value.p[0] == '.' || (value.n > 2 && value.p[0] == '*' && value.p[1] == '.'));
}

/* What stands behind the last semicolon is when it expires. */
static bool split(struct reading *r, struct sv line, struct sv *ret_value, int64_t *ret_expires_ns)
{
    size_t at = line.n;
    while (at > 0 && line.p[at - 1] != ';')
        at--;
    *ret_expires_ns = INT64_MAX;
    *ret_value = at == 0 ? line : sv_trim(sv_head(line, at - 1));
    struct sv expires = at == 0 ? SV("") : sv_trim(sv_from(line, at));
    if (expires.n > 0 && !clk_parse_rfc3339(expires, 0, ret_expires_ns)) {
        unreadable(r, "what stands behind the ; is no time", expires);
        return false;
    }
    if (ret_value->n == 0 || ret_value->n > LIST_ENTRY_MAX_BYTES) {
        unreadable(r, ret_value->n == 0 ? "an entry without a value" : "an entry of more than 512 bytes",
                   *ret_value);
        return false;
    }
    return true;
}

static void put_network(struct reading *r, struct sv value, int64_t expires_ns)
{
    struct network network;
    struct err why;
    if (network_parse(value, &network, &why) != 0) {
        unreadable(r, "neither an address nor a network", value);
        return;
    }
    char key[NETWORK_BYTES];
    enum entry_kind kind = network.v4 ? ENTRY_V4 : ENTRY_V6;
    memcpy(key, network.address, sizeof network.address);
    key[NETWORK_BYTES - 1] = (char)network.bits;
    put_entry(r->table, kind, arena_sv(r->arena, sv_make(key, sizeof key)), expires_ns);
    note_length(r->table, kind, network.bits);
}

static void put_text(struct reading *r, struct sv value, int64_t expires_ns)
{
    buf_clear(&r->folded);
    if (r->form == FORM_FOLDED)
        utf8_fold(&r->folded, value);
    else
        buf_sv(&r->folded, value);
    struct sv own = arena_sv(r->arena, buf_view(&r->folded));
    put_entry(r->table, ENTRY_TEXT, own, expires_ns);
    note_length(r->table, ENTRY_TEXT, own.n);
    r->table->longest = TC_MAX(r->table->longest, characters(own));
    if (!is_domain(own))
        return;
    struct sv domain = sv_from(own, own.p[0] == '.' ? 1 : 2);
    put_entry(r->table, ENTRY_DOMAIN, domain, expires_ns);
    r->table->domains = true;
}

static void read_lines(struct reading *r)
{
    struct sv rest = r->list->bytes;
    while (rest.n > 0) {
        struct sv line = sv_trim(sv_cut(&rest, '\n')), value;
        int64_t expires_ns;
        r->line++;
        if (!is_entry(line) || !split(r, line, &value, &expires_ns))
            continue;
        if (r->form == FORM_NETWORKS)
            put_network(r, value, expires_ns);
        else
            put_text(r, value, expires_ns);
    }
}

/* Room for that many entries, and half of the slots free. */
static struct list_table *table_new(struct arena *arena, size_t entries)
{
    struct list_table *t = ARENA_NEW(arena, struct list_table);
    size_t slots = 16;
    while (slots < entries * 2)
        slots *= 2;
    t->entries = ARENA_ARRAY(arena, struct list_entry, entries + 1);
    t->slots = ARENA_ARRAY(arena, uint32_t, slots);
    t->mask = (uint32_t)slots - 1;
    return t;
}

static int make_table(struct list *list, struct arena *arena, enum form form, struct err *err)
{
    size_t lines = 0, domains = 0;
    for (struct sv rest = list->bytes; rest.n > 0;) {
        struct sv line = sv_trim(sv_cut(&rest, '\n'));
        lines += is_entry(line);
        domains += is_domain(line);
    }
    if (lines > LIST_ENTRIES_MAX)
        return err_set(err, TC_EBOUND, "%s: a list of more than %d entries", list->file, LIST_ENTRIES_MAX);
    struct reading r = {.list = list,
                        .table = table_new(arena, lines + (form == FORM_NETWORKS ? 0 : domains)),
                        .arena = arena,
                        .form = form};
    buf_init(&r.folded, LIST_ENTRY_MAX_BYTES * 3); /* folding makes no code point longer than that */
    read_lines(&r);
    buf_free(&r.folded);
    if (r.unreadable > list->unreadable) {
        list->unreadable = r.unreadable;
        list->first = r.first;
    }
    list->tables[form] = r.table;
    return 0;
}

int list_table(struct list *list, struct arena *arena, enum list_question question, bool cased,
               const struct list_table **ret, struct err *err)
{
    enum form form = question == LIST_NETWORK ? FORM_NETWORKS : cased ? FORM_CASED : FORM_FOLDED;
    int rc = list->tables[form] == NULL ? make_table(list, arena, form, err) : 0;
    *ret = list->tables[form];
    return rc;
}

/* --- asking
 * -------------------------------------------------------------------------------------------------------------------
 */

static bool has_domain(const struct list_table *t, struct sv value, int64_t now_ns)
{
    unsigned labels = 0;
    if (value.n > 0 && value.p[value.n - 1] == '.') /* the root's dot */
        value = sv_head(value, value.n - 1);
    while (value.n > 0 && labels++ < LABELS_MAX) {
        if (has_entry(t, ENTRY_DOMAIN, value, now_ns))
            return true;
        size_t dot = sv_find_char(value, '.');
        value = dot < value.n ? sv_from(value, dot + 1) : SV("");
    }
    return false;
}

static struct sv part_of(struct sv value, enum list_question question, size_t length)
{
    return question == LIST_STARTS ? sv_head(value, length) : sv_from(value, value.n - length);
}

static bool has_part(const struct list_table *t, enum list_question question, struct sv value, int64_t now_ns)
{
    for (size_t word = 0; word < LENGTH_WORDS && word * 64 <= value.n; word++)
        for (uint64_t set = t->lengths[ENTRY_TEXT][word]; set != 0; set &= set - 1) {
            size_t length = word * 64 + (size_t)__builtin_ctzll(set);
            if (length <= value.n && has_entry(t, ENTRY_TEXT, part_of(value, question, length), now_ns))
                return true;
        }
    return false;
}

static bool has_network(const struct list_table *t, struct sv value, int64_t now_ns)
{
    uint8_t key[NETWORK_BYTES], address[16];
    bool v4;
    if (!network_address(value, address, &v4))
        return false;
    enum entry_kind kind = v4 ? ENTRY_V4 : ENTRY_V6;
    for (unsigned bits = 0; bits <= 128; bits++) {
        if ((t->lengths[kind][bits / 64] >> (bits % 64) & 1) == 0)
            continue;
        memset(key, 0, sizeof key);
        memcpy(key, address, bits / 8);
        if (bits % 8 > 0)
            key[bits / 8] = (uint8_t)(address[bits / 8] & (0xFFu << (8 - bits % 8)));
        key[NETWORK_BYTES - 1] = (uint8_t)bits;
        if (has_entry(t, kind, sv_make((const char *)key, sizeof key), now_ns))
            return true;
    }
    return false;
}

bool list_holds(const struct list_table *table, enum list_question question, struct sv value, int64_t now_ns)
{
    switch (question) {
    case LIST_IS:
        return has_entry(table, ENTRY_TEXT, value, now_ns) ||
               (table->domains && has_domain(table, value, now_ns));
    case LIST_STARTS:
    case LIST_ENDS:
        return has_part(table, question, value, now_ns);
    case LIST_NETWORK:
        return has_network(table, value, now_ns);
    }
    return false;
}
