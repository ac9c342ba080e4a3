/*
 * What a supervisor's socket receives, by path and by abstract name, and what is left of the environment.
 */
#include "app/supervise.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int listen_at(const char *name)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t n = strlen(name);
    int file = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    memcpy(at.sun_path, name, n);
    if (name[0] == '@')
        at.sun_path[0] = '\0';
    assert_int_equal(bind(file, (struct sockaddr *)&at,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n + (name[0] == '/'))),
                     0);
    setenv("NOTIFY_SOCKET", name, 1);
    return file;
}

static void expect(int file, const char *text)
{
    char got[1024] = "";
    assert_true(recv(file, got, sizeof got - 1, 0) > 0);
    assert_string_equal(got, text);
}

static void all_messages(const char *name)
{
    struct sim_clk sim;
    char nothing[8];
    int file = listen_at(name);
    sim_clk_init(&sim, 5 * TC_SECOND_NS);
    setenv("WATCHDOG_USEC", "3000000", 1);
    unsetenv("WATCHDOG_PID");
    supervise_open();
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_int_equal(supervise_interval_ns(), 1500 * TC_SECOND_NS / 1000);
    supervise_ready("listening");
    expect(file, "READY=1\nSTATUS=listening");
    supervise_ready(NULL);
    expect(file, "READY=1\n");
    supervise_alive();
    expect(file, "WATCHDOG=1");
    supervise_reloading(&sim.clk);
    expect(file, "RELOADING=1\nMONOTONIC_USEC=5000000");
    supervise_stopping();
    expect(file, "STOPPING=1");
    supervise_close();
    supervise_alive();
    assert_true(recv(file, nothing, sizeof nothing, 0) < 0);
    close(file);
}

static void test_messages_to_a_path(void **state)
{
    char dir[] = "/tmp/tocsin-supervise-XXXXXX", path[64];
    (void)state;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/notify", dir);
    all_messages(path);
    unlink(path);
    rmdir(dir);
}

static void test_messages_to_an_abstract_name(void **state)
{
    char name[64];
    (void)state;
    snprintf(name, sizeof name, "@tocsin-supervise-%d", (int)getpid());
    all_messages(name);
}

static void test_another_process_s_watchdog_is_not_ours(void **state)
{
    char name[64];
    (void)state;
    snprintf(name, sizeof name, "@tocsin-watchdog-%d", (int)getpid());
    int file = listen_at(name);
    setenv("WATCHDOG_USEC", "3000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    supervise_open();
    assert_int_equal(supervise_interval_ns(), 0);
    supervise_close();
    close(file);
}

static void test_no_supervisor(void **state)
{
    (void)state;
    setenv("NOTIFY_SOCKET", "relative/is/not/allowed", 1);
    setenv("WATCHDOG_USEC", "3000000", 1);
    supervise_open();
    assert_int_equal(supervise_interval_ns(), 0);
    supervise_ready("nobody hears it");
    supervise_close();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages_to_a_path),
        cmocka_unit_test(test_messages_to_an_abstract_name),
        cmocka_unit_test(test_another_process_s_watchdog_is_not_ours),
        cmocka_unit_test(test_no_supervisor),
    };
    return cmocka_run_group_tests_name("supervise", tests, NULL, NULL);
}
