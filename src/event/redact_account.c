/*
 * A look at 64 bytes at a time; see redact_account.h.
 *
 * A card number stands in a run of at least thirteen digits, blanks and dashes; an account number begins with
 * two capitals and two digits, and no byte of a word stands before them. Each byte becomes a bit of a mask,
 * and both are a few shifts of masks: those of the block before are kept, so that nothing is missed across
 * two blocks.
 */
#include "event/redact_account.h"

#ifdef __SSE2__
#include <emmintrin.h>

enum { BLOCK = 64 };
__extension__ typedef unsigned __int128 mask128;

struct masks {
    uint64_t digit, capital, word, run; /* run: digit, blank or dash */
};

static uint64_t bits_in(__m128i x, char low, char high)
{
    __m128i below = _mm_subs_epu8(_mm_set1_epi8(low), x), above = _mm_subs_epu8(x, _mm_set1_epi8(high));
    return (uint64_t)(uint16_t)_mm_movemask_epi8(
        _mm_cmpeq_epi8(_mm_or_si128(below, above), _mm_setzero_si128()));
}

static struct masks masks_of(const char *p)
{
    struct masks m = {0};
    for (unsigned i = 0; i < BLOCK; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
        uint64_t digit = bits_in(x, '0', '9'), capital = bits_in(x, 'A', 'Z');
        uint64_t small = bits_in(x, 'a', 'z'), foreign = (uint64_t)(uint16_t)_mm_movemask_epi8(x);
        uint64_t gap = (uint64_t)(uint16_t)_mm_movemask_epi8(
            _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8(' ')), _mm_cmpeq_epi8(x, _mm_set1_epi8('-'))));
        m.digit |= digit << i;
        m.capital |= capital << i;
        m.word |= (digit | capital | small | foreign) << i;
        m.run |= (digit | gap) << i;
    }
    return m;
}

static mask128 two(uint64_t before, uint64_t now)
{
    return (mask128)now << BLOCK | before;
}

/* What begins in the block before, or in this one as far as it shows. */
static void look(const struct masks *before, const struct masks *now, bool is_first,
                 struct redact_possible *found)
{
    mask128 run = two(before->run, now->run), digit = two(before->digit, now->digit);
    mask128 capital = two(before->capital, now->capital), word = two(before->word, now->word);
    run &= run >> 1;
    run &= run >> 2;
    run &= run >> 4;
    run &= run >> 5; /* 13 in a row */
    mask128 head = capital & capital >> 1 & digit >> 2 & digit >> 3 & ~(word << 1);
    if (!is_first) /* what stands before the first bit is not known: it was looked at with the block before */
        head &= ~(mask128)1;
    found->card = found->card || run != 0;
    found->iban = found->iban || head != 0;
}

struct redact_possible redact_account_possible(struct sv text)
{
    struct redact_possible found = {0};
    struct masks before = {0};
    char tail[BLOCK];
    for (size_t at = 0; at < text.n; at += BLOCK) {
        const char *p = text.p + at;
        if (text.n - at < BLOCK) {
            memset(tail, 0, sizeof tail);
            memcpy(tail, p, text.n - at);
            p = tail;
        }
        struct masks now = masks_of(p);
        look(&before, &now, at <= BLOCK, &found);
        before = now;
    }
    return found;
}
#else
struct redact_possible redact_account_possible(struct sv text)
{
    return (struct redact_possible){text.n > 0, text.n > 0};
}
#endif
