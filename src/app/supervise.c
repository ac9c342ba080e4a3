/*
 * sd_notify's datagrams; see supervise.h. Own code, as the protocol is one sendto() and the library would be
 * the only part of systemd that the program needs.
 */
#include "app/supervise.h"

#include "base/num.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { MESSAGE_MAX = 512 };

static int socket_file = -1;
static struct sockaddr_un address;
static socklen_t address_bytes;
static int64_t interval_ns;

static int64_t read_interval(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    uint64_t v, whose;
    if (usec == NULL || !num_u64(sv_of(usec), 1, INT64_MAX / 1000, &v))
        return 0;
    if (pid != NULL && (!num_u64(sv_of(pid), 1, INT32_MAX, &whose) || whose != (uint64_t)getpid()))
        return 0;
    return (int64_t)v * 1000 / 2;
}

void supervise_open(void)
{
    const char *name = getenv("NOTIFY_SOCKET");
    interval_ns = read_interval();
    size_t n = name != NULL ? strlen(name) : 0;
    if (n > 1 && n < sizeof address.sun_path && (name[0] == '/' || name[0] == '@')) {
        address = (struct sockaddr_un){.sun_family = AF_UNIX};
        memcpy(address.sun_path, name, n);
        if (name[0] == '@')
            address.sun_path[0] = '\0';
        address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (name[0] == '/'));
        socket_file = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    }
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

void supervise_close(void)
{
    if (socket_file >= 0)
        close(socket_file);
    socket_file = -1;
    interval_ns = 0;
}

static void tell(const char *message)
{
    if (socket_file >= 0)
        (void)sendto(socket_file, message, strlen(message), MSG_NOSIGNAL | MSG_DONTWAIT,
                     (const struct sockaddr *)&address, address_bytes);
}

void supervise_ready(const char *status)
{
    char message[MESSAGE_MAX];
    snprintf(message, sizeof message, "READY=1\n%s%s", status != NULL ? "STATUS=" : "",
             status != NULL ? status : "");
    tell(message);
}

void supervise_reloading(const struct clk *clk)
{
    char message[MESSAGE_MAX];
    snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%lld",
             (long long)(clk_monotonic_ns(clk) / 1000));
    tell(message);
}

void supervise_stopping(void)
{
    tell("STOPPING=1");
}

int64_t supervise_interval_ns(void)
{
    return socket_file >= 0 ? interval_ns : 0;
}

void supervise_alive(void)
{
    tell("WATCHDOG=1");
}
