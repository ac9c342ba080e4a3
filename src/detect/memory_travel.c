/*
 * The places of a group in order of event time. Each new one is held against those before and after it in
 * time; so an event that comes out of order is judged where it belongs, and what was said is not said again.
 * If two legs can be travelled so can the way past the place between them, so nothing is said too soon but
 * what a minimal distance hides of short legs.
 *
 * Kept: what is not before the floor, and the newest place before it. Of a stay (the same place several times
 * in a row) only the first and the last time.
 *
 * Distances are rounded to metres before they are compared, so the last bit of a sine decides nothing.
 *
 * Saved: u8 heard again, u32 count, then i64 time, u64 place and u32 radius of each, ascending.
 */
#include "detect/memory.h"

#include "base/arena.h"
#include "base/clk.h"

#include <math.h>
#include <stdlib.h>

enum { EARTH_RADIUS_M = 6371009, MICRO = 1000000 };
#define LATITUDE_MAX  (90 * (int64_t)MICRO)
#define LONGITUDE_MAX (180 * (int64_t)MICRO)
#define PLACE_BIT     (UINT64_C(1) << 63) /* so that no place is 0 */

struct stop {
    int64_t time_ns;
    uint64_t place;
    uint32_t radius_km;
};

struct memory {
    struct stop *stops; /* ascending by time; of equal times in order of arrival; never empty once added to */
    uint32_t count, capacity;
    bool heard_again; /* more than one event: a flood of groups that come once goes first */
};

/* --- places
 * -------------------------------------------------------------------------------------------------------------
 */

bool memory_place(num_amount latitude, num_amount longitude, uint64_t *ret)
{
    if (latitude < -LATITUDE_MAX || latitude > LATITUDE_MAX || longitude < -LONGITUDE_MAX ||
        longitude > LONGITUDE_MAX)
        return false;
    *ret = PLACE_BIT | (uint64_t)(latitude + LATITUDE_MAX) << 32 | (uint64_t)(longitude + LONGITUDE_MAX);
    return true;
}

static double latitude_of(uint64_t place)
{
    return ((double)((place & ~PLACE_BIT) >> 32) - (double)LATITUDE_MAX) / MICRO;
}

static double longitude_of(uint64_t place)
{
    return ((double)(place & UINT32_MAX) - (double)LONGITUDE_MAX) / MICRO;
}

static double radians(double degrees)
{
    return degrees * 3.14159265358979323846 / 180.0;
}

/* By the haversine formula: half a percent off at most, which the earth's flatness costs. */
static int64_t distance_m(uint64_t a, uint64_t b)
{
    double from = radians(latitude_of(a)), to = radians(latitude_of(b));
    double north = sin((to - from) / 2), east = sin(radians(longitude_of(b) - longitude_of(a)) / 2);
    double h = north * north + cos(from) * cos(to) * east * east;
    return llround(2.0 * EARTH_RADIUS_M * asin(sqrt(h < 1 ? h : 1)));
}

/* --- judging
 * -------------------------------------------------------------------------------------------------------------
 */

static void judge(const struct window_spec *spec, const struct stop *from, const struct stop *to,
                  window_hit_fn hit, void *context)
{
    int64_t way_m = from->place == to->place ? 0
                                             : distance_m(from->place, to->place) -
                                                   ((int64_t)from->radius_km + to->radius_km) * 1000;
    num_amount elapsed_ns = (num_amount)to->time_ns - from->time_ns;
    if (elapsed_ns > spec->timespan_ns || way_m <= 0 || way_m < spec->travel->min_distance_m ||
        (num_amount)way_m * 3600 * TC_SECOND_NS <= (num_amount)spec->travel->max_speed_mmh * elapsed_ns)
        return;
    hit(context, &(struct window_hit){
                     .time_ns = to->time_ns,
                     .value = (uint64_t)(way_m / 1000),
                     .facts = {(int64_t)from->place, (int64_t)to->place, way_m, (int64_t)elapsed_ns}});
}

static void tell(const struct window_spec *spec, const int64_t facts[static WINDOW_FACTS], struct buf *out)
{
    uint64_t from = (uint64_t)facts[0], to = (uint64_t)facts[1];
    char elapsed[TC_RFC3339_MAX];
    clk_format_duration(facts[3] - facts[3] % TC_SECOND_NS, elapsed);
    buf_printf(out, "from %.2f,%.2f to %.2f,%.2f: %lld km in %s", latitude_of(from), longitude_of(from),
               latitude_of(to), longitude_of(to), (long long)(facts[2] / 1000), elapsed);
    if (facts[3] >= TC_SECOND_NS)
        buf_printf(out, ", %.0f km/h", (double)facts[2] * 3.6e9 / (double)facts[3]);
    buf_printf(out, "; at most %lld km/h", (long long)(spec->travel->max_speed_mmh / 1000));
}

/* --- keeping
 * -------------------------------------------------------------------------------------------------------------
 */

static struct memory *create(void)
{
    return tc_alloc(sizeof(struct memory));
}

static void forget_all(struct memory *m)
{
    if (m != NULL)
        free(m->stops);
    free(m);
}

static void remove_at(struct memory *m, uint32_t at)
{
    memmove(&m->stops[at], &m->stops[at + 1], (m->count - at - 1) * sizeof m->stops[0]);
    m->count--;
}

static void insert_at(struct memory *m, uint32_t at, struct stop stop)
{
    if (m->count == m->capacity) {
        m->capacity = TC_MAX(m->capacity * 2, 2u);
        m->stops = tc_realloc(m->stops, m->capacity * sizeof m->stops[0]);
    }
    memmove(&m->stops[at + 1], &m->stops[at], (m->count - at) * sizeof m->stops[0]);
    m->stops[at] = stop;
    m->count++;
}

static bool same_place(const struct stop *a, const struct stop *b)
{
    return a->place == b->place && a->radius_km == b->radius_km;
}

/* Is the stop in the middle of a stay? */
static bool is_spare(const struct memory *m, uint32_t at)
{
    return at > 0 && at + 1 < m->count && same_place(&m->stops[at - 1], &m->stops[at]) &&
           same_place(&m->stops[at], &m->stops[at + 1]);
}

/* Lets go what no event that can still come lies beside, and of what is too many the oldest: counted. */
static uint32_t prune(struct memory *m, int64_t floor_ns)
{
    uint32_t lost = 0;
    while (m->count > 1 && m->stops[1].time_ns < floor_ns)
        remove_at(m, 0);
    for (; m->count > MEMORY_PLACES_MAX; lost++)
        remove_at(m, 0);
    return lost;
}

static uint32_t add(struct memory *m, const struct window_spec *spec, const struct memory_input *input,
                    window_hit_fn hit, void *context)
{
    num_amount km = input->amount / MICRO;
    struct stop stop = {input->time_ns, input->value,
                        (uint32_t)TC_MAX(0, TC_MIN(km, (num_amount)MEMORY_RADIUS_MAX_KM))};
    uint32_t at = m->count;
    m->heard_again |= m->count > 0;
    while (at > 0 && m->stops[at - 1].time_ns > stop.time_ns)
        at--;
    insert_at(m, at, stop);
    if (at > 0)
        judge(spec, &m->stops[at - 1], &m->stops[at], hit, context);
    if (at + 1 < m->count)
        judge(spec, &m->stops[at], &m->stops[at + 1], hit, context);
    if (is_spare(m, at))
        remove_at(m, at);
    else if (is_spare(m, at + 1))
        remove_at(m, at + 1);
    else if (at > 0 && is_spare(m, at - 1))
        remove_at(m, at - 1);
    return prune(m, input->floor_ns);
}

static int64_t newest_ns(const struct memory *m)
{
    return m->stops[m->count - 1].time_ns;
}

static uint32_t rank(const struct memory *m)
{
    return m->heard_again;
}

static void save(const struct memory *m, struct buf *out)
{
    buf_u8(out, m->heard_again);
    buf_u32(out, m->count);
    for (uint32_t i = 0; i < m->count; i++) {
        buf_u64(out, (uint64_t)m->stops[i].time_ns);
        buf_u64(out, m->stops[i].place);
        buf_u32(out, m->stops[i].radius_km);
    }
}

static bool is_place(uint64_t place)
{
    uint64_t again, latitude = (place & ~PLACE_BIT) >> 32, longitude = place & UINT32_MAX;
    return memory_place((num_amount)latitude - LATITUDE_MAX, (num_amount)longitude - LONGITUDE_MAX, &again) &&
           again == place;
}

static struct memory *load(struct reader *from)
{
    uint8_t heard_again = reader_u8(from);
    uint32_t count = reader_u32(from);
    if (from->bad || heard_again > 1 || count == 0 || count > MEMORY_PLACES_MAX || count > from->rest.n / 20)
        return NULL;
    struct memory *m = create();
    m->heard_again = heard_again;
    for (uint32_t i = 0; i < count; i++) {
        int64_t time_ns = (int64_t)reader_u64(from);
        uint64_t place = reader_u64(from);
        uint32_t radius_km = reader_u32(from);
        if (!is_place(place) || radius_km > MEMORY_RADIUS_MAX_KM ||
            (i > 0 && time_ns < m->stops[i - 1].time_ns)) {
            forget_all(m);
            return NULL;
        }
        insert_at(m, i, (struct stop){time_ns, place, radius_km});
    }
    return m;
}

const struct memory_kind memory_travel = {.name = "travel",
                                          .create = create,
                                          .free = forget_all,
                                          .add = add,
                                          .newest_ns = newest_ns,
                                          .rank = rank,
                                          .tell = tell,
                                          .save = save,
                                          .load = load};
