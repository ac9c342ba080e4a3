/*
 * Counting and cutting SMS; see sms_text.h.
 */
#include "notify/sms_text.h"

#include "base/utf8.h"

static const char CUT[] = "...";

/* The characters of GSM-7 beside ASCII's, sorted. */
static const uint16_t beyond_ascii[] = {0xa1,  0xa3,  0xa4,  0xa5,  0xa7,  0xbf,  0xc4,  0xc5,  0xc6, 0xc7,
                                        0xc9,  0xd1,  0xd6,  0xd8,  0xdc,  0xdf,  0xe0,  0xe4,  0xe5, 0xe6,
                                        0xe8,  0xe9,  0xec,  0xf1,  0xf2,  0xf6,  0xf8,  0xf9,  0xfc, 0x393,
                                        0x394, 0x398, 0x39b, 0x39e, 0x3a0, 0x3a3, 0x3a6, 0x3a8, 0x3a9};

/* Septets of a character: 2 for those behind an escape, 0 for what GSM-7 has not. */
static unsigned septets(uint32_t rune)
{
    if (rune == 0x20ac)
        return 2;
    if (rune < 0x80) {
        if (rune == '\n' || rune == '\r')
            return 1;
        if (rune < ' ' || rune == 0x7f || rune == '`')
            return 0;
        return strchr("^{}\\[~]|", (int)rune) != NULL ? 2 : 1;
    }
    for (size_t i = 0; i < TC_ARRAY_LEN(beyond_ascii); i++)
        if (beyond_ascii[i] == rune)
            return 1;
    return 0;
}

struct size {
    unsigned septets, units; /* as GSM-7, as UCS-2 */
    bool ucs2;
};

static uint32_t next_rune(struct sv *rest)
{
    uint32_t rune;
    size_t n = utf8_decode(*rest, &rune);
    if (n == 0)
        rune = 0xfffd;
    *rest = sv_from(*rest, n == 0 ? 1 : n);
    return rune;
}

static void add_rune(struct size *size, uint32_t rune)
{
    unsigned n = septets(rune);
    size->septets += n;
    size->units += rune > 0xffff ? 2 : 1;
    size->ucs2 |= n == 0;
}

static struct size size_of(struct sv text)
{
    struct size size = {0};
    while (text.n > 0)
        add_rune(&size, next_rune(&text));
    return size;
}

static struct size joined(struct size a, struct size b)
{
    return (struct size){a.septets + b.septets, a.units + b.units, a.ucs2 || b.ucs2};
}

/* In UCS-2 a pair of surrogates is not parted, so a segment may hold one unit less; we count that unit as
 * used, always. */
static unsigned segments_of(struct size size)
{
    unsigned length = size.ucs2 ? size.units : size.septets;
    unsigned one = size.ucs2 ? 70 : 160, each = size.ucs2 ? 66 : 152; /* nor is an escape parted */
    if (length == 0)
        return 0;
    return length <= one ? 1 : (length + each - 1) / each;
}

unsigned sms_segments(struct sv text)
{
    return segments_of(size_of(text));
}

static void put_plain(struct sv text, struct buf *out)
{
    while (text.n > 0) {
        struct sv before = text;
        uint32_t rune = next_rune(&text);
        size_t n = before.n - text.n;
        if (rune == 0xfffd)
            buf_char(out, '?');
        else if (rune < ' ' || rune == 0x7f || (rune >= 0x80 && rune < 0xa0))
            buf_char(out, ' ');
        else
            buf_add(out, before.p, n);
    }
}

void sms_fit(struct sv text, struct sv ending, unsigned segments, struct buf *out)
{
    struct buf plain;
    buf_init(&plain, 4 * text.n + 16);
    put_plain(text, &plain);
    struct sv all = buf_view(&plain);
    struct size end = size_of(ending);
    if (segments_of(joined(size_of(all), end)) <= segments) {
        buf_sv(out, all);
    } else {
        struct size size = joined(end, size_of(sv_of(CUT)));
        struct sv rest = all, kept = {all.p, 0};
        while (rest.n > 0) {
            add_rune(&size, next_rune(&rest));
            if (segments_of(size) > segments)
                break;
            kept.n = all.n - rest.n;
        }
        buf_sv(out, kept);
        buf_str(out, CUT);
    }
    buf_sv(out, ending);
    buf_free(&plain);
}
