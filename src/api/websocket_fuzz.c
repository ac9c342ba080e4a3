/*
 * Any bytes as what a client of a tail sends: the first byte is the step in which the rest is fed. Events are
 * the same as when all is fed at once, and a control frame's payload stays in its bounds.
 */
#include "api/websocket.h"

#include "base/hash.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t run(struct sv bytes, size_t step)
{
    struct websocket_reader reader = {0};
    uint64_t sum = 0;
    while (bytes.n > 0) {
        struct sv part = sv_head(bytes, step);
        bytes = sv_from(bytes, part.n);
        for (;;) {
            enum websocket_event event = websocket_read(&reader, &part);
            if (event == WEBSOCKET_MORE)
                break;
            tc_assert(reader.control_bytes <= WEBSOCKET_CONTROL_MAX);
            sum = hash_64_seed(sv_make((const char *)reader.control, reader.control_bytes), sum) + event;
            if (event == WEBSOCKET_CLOSED || event == WEBSOCKET_BROKEN)
                return sum;
        }
        tc_assert(part.n == 0);
    }
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char accept[WEBSOCKET_ACCEPT_BYTES];
    if (size < 2)
        return 0;
    struct sv bytes = sv_make((const char *)data + 1, size - 1);
    tc_assert(run(bytes, 1 + data[0]) == run(bytes, bytes.n));
    (void)websocket_accept(bytes, accept);
    return 0;
}
