/*
 * The filter of system calls, each try in a process of its own: what an intruder would call ends the process
 * or is refused and counted; what the server needs goes on, in threads from before and after as well.
 */
#include "app/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ptrace.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_GOOD = 0, EXIT_BAD = 1, EXIT_NOT_HERE = 77 };

/* `attempt` in a child under the filter; the child's wait status. */
static int status_of(int (*attempt)(void))
{
    fflush(NULL);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        enum sandbox_state state;
        struct err err;
        if (sandbox_enter(&state, &err) != 0)
            _exit(EXIT_BAD);
        _exit(state == SANDBOX_ON ? attempt() : EXIT_NOT_HERE);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_NOT_HERE) {
        printf("skipped: the filter is not on under a sanitizer\n");
        skip();
    }
    return status;
}

static void expect_death(int (*attempt)(void))
{
    int status = status_of(attempt);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static void expect_good(int (*attempt)(void))
{
    int status = status_of(attempt);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), EXIT_GOOD);
}

static int try_execve(void)
{
    char *const argv[] = {(char[]){"true"}, NULL};
    return execve("/bin/true", argv, NULL);
}

static int try_ptrace(void)
{
    return (int)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static int try_setuid(void)
{
    return (int)syscall(SYS_setuid, 0);
}

static void test_new_programs_end_the_process(void **state)
{
    (void)state;
    expect_death(try_execve);
}

static void test_tracing_and_new_identities_end_the_process(void **state)
{
    (void)state;
    expect_death(try_ptrace);
    expect_death(try_setuid);
}

static int try_fork(void)
{
    struct sandbox_stats stats;
    pid_t child = fork();
    sandbox_stats(&stats);
    return child < 0 && errno == EPERM && stats.refused == 1 && strcmp(stats.refused_name, "clone") == 0
               ? EXIT_GOOD
               : EXIT_BAD;
}

static int try_packet_socket(void)
{
    struct sandbox_stats stats;
    int socket_file = socket(AF_PACKET, SOCK_RAW, 0);
    sandbox_stats(&stats);
    return socket_file < 0 && errno == EPERM && stats.refused == 1 &&
                   strcmp(stats.refused_name, "socket") == 0
               ? EXIT_GOOD
               : EXIT_BAD;
}

static int try_netlink(void)
{
    struct sandbox_stats stats;
    int socket_file = socket(AF_NETLINK, SOCK_RAW, 0);
    sandbox_stats(&stats);
    return socket_file < 0 && errno == EAFNOSUPPORT && stats.refused == 0 ? EXIT_GOOD : EXIT_BAD;
}

static int try_typing_into_a_terminal(void)
{
    char byte = '\n';
    return syscall(SYS_ioctl, 0, 0x5412 /* TIOCSTI */, &byte) < 0 && errno == EPERM ? EXIT_GOOD : EXIT_BAD;
}

static void test_other_calls_are_refused_and_counted(void **state)
{
    (void)state;
    expect_good(try_fork);
    expect_good(try_packet_socket);
    expect_good(try_netlink);
    expect_good(try_typing_into_a_terminal);
}

static void *answer(void *context)
{
    *(int *)context = socket(AF_PACKET, SOCK_RAW, 0) < 0 && errno == EPERM;
    return NULL;
}

/* What the server does all day: files, sockets, names, threads. */
static int live(void)
{
    int good = 0;
    pthread_t thread;
    struct addrinfo *found = NULL;
    FILE *file = tmpfile();
    bool wrote = file != NULL && fputs("x", file) >= 0 && fflush(file) == 0 && fsync(fileno(file)) == 0;
    bool resolved = getaddrinfo("localhost", "80", NULL, &found) == 0;
    int socket_file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (resolved)
        freeaddrinfo(found);
    if (pthread_create(&thread, NULL, answer, &good) != 0 || pthread_join(thread, NULL) != 0)
        return EXIT_BAD;
    return wrote && resolved && socket_file >= 0 && good ? EXIT_GOOD : EXIT_BAD;
}

static void test_life_goes_on(void **state)
{
    (void)state;
    expect_good(live);
}

static int pipe_files[2];

static void *wait_then_answer(void *context)
{
    char byte;
    return read(pipe_files[0], &byte, 1) == 1 ? answer(context) : NULL;
}

/* Does not return. */
static void with_a_thread_from_before(void)
{
    int good = 0;
    pthread_t thread;
    enum sandbox_state state;
    if (pipe(pipe_files) != 0 || pthread_create(&thread, NULL, wait_then_answer, &good) != 0 ||
        sandbox_enter(&state, NULL) != 0)
        _exit(EXIT_BAD);
    if (state != SANDBOX_ON)
        _exit(EXIT_NOT_HERE);
    if (write(pipe_files[1], "x", 1) != 1 || pthread_join(thread, NULL) != 0)
        _exit(EXIT_BAD);
    _exit(good ? EXIT_GOOD : EXIT_BAD);
}

static void test_threads_from_before_are_under_it_too(void **state)
{
    int status;
    (void)state;
    fflush(NULL);
    pid_t child = fork();
    if (child == 0)
        with_a_thread_from_before();
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    if (WEXITSTATUS(status) == EXIT_NOT_HERE)
        skip();
    assert_int_equal(WEXITSTATUS(status), EXIT_GOOD);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_new_programs_end_the_process),
        cmocka_unit_test(test_tracing_and_new_identities_end_the_process),
        cmocka_unit_test(test_other_calls_are_refused_and_counted),
        cmocka_unit_test(test_life_goes_on),
        cmocka_unit_test(test_threads_from_before_are_under_it_too),
    };
    return cmocka_run_group_tests_name("sandbox", tests, NULL, NULL);
}
