/*
 * Who holds a connection, and for how long: a bound per address, and deadlines that a client who sends a byte
 * now and then cannot put off. The library's own time-out only knows silence.
 *
 * A new connection has TC_API_HEAD_TIME_S for a whole head; one that is kept alive may idle first. A body
 * must come at TC_API_BODY_RATE on average after TC_API_BODY_GRACE_S. Addresses other than loopback may hold
 * TC_API_PER_ADDRESS connections (a reverse proxy comes from loopback: there the proxy counts).
 */
#ifndef API_CONNECTIONS_H
#define API_CONNECTIONS_H

#include "base/tc.h"

#include <pthread.h>
#include <sys/socket.h>

enum {
    TC_API_PER_ADDRESS = 100,
    TC_API_HEAD_TIME_S = 10,
    TC_API_KEPT_TIME_S = 45, /* idle and head, after an answer */
    TC_API_BODY_GRACE_S = 10,
    TC_API_BODY_RATE = 1024, /* bytes a second */
};

enum connection_stage { CONNECTION_HEAD, CONNECTION_KEPT, CONNECTION_BODY, CONNECTION_ANSWER };

struct connection {
    struct connection *previous, *next;
    int fd;
    unsigned char address[16]; /* IPv4 as mapped */
    enum connection_stage stage;
    int64_t since_ns; /* monotonic */
    uint64_t body_bytes;
    bool cut; /* it was told to end */
};

struct connections { /* all under lock */
    pthread_mutex_t lock;
    pthread_cond_t emptied;
    struct connection *first;
    unsigned count;
    uint64_t refused, timed_out;
};

void connections_init(struct connections *connections);
void connections_fini(struct connections *connections);
/* Whether one more of that address may come. */
bool connections_admit(struct connections *connections, const struct sockaddr *address);
/* `connection` is the library's place for it; `now_ns` monotonic. */
struct connection *connections_add(struct connections *connections, int fd, const struct sockaddr *address,
                                   int64_t now_ns);
void connections_remove(struct connections *connections, struct connection *connection);
void connections_stage(struct connections *connections, struct connection *connection,
                       enum connection_stage stage, int64_t now_ns);
void connections_bytes(struct connections *connections, struct connection *connection, uint64_t n);
/* Shuts down those that are past their deadline. */
void connections_sweep(struct connections *connections, int64_t now_ns);
/* Shuts down all and waits until the library has taken them out, at most so long. The library is stopped
 * after it with none open: stopping it while it reads broken requests can crash it (0.9.75). */
void connections_end(struct connections *connections, int64_t at_most_ns);

#endif
