/*
 * The filter of system calls; see sandbox.h.
 *
 * The list was taken from what the server was seen to call under strace through all end-to-end tests, with
 * what the libraries fall back to on other kernels. libseccomp makes the program of it. A refused call raises
 * SIGSYS, whose handler puts EPERM in place of the result: so the process itself can count and name it, which
 * a plain EPERM from the kernel would not let it.
 */
#include "app/sandbox.h"

/* libseccomp's SCMP_A0() leaves a member out, which clang remarks upon. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <ucontext.h>

/* A name that this processor's kernel does not know is passed over: the list is that of all of them. */
static const char *const allowed[] = {
    /* memory; mprotect and mmap with PROT_EXEC are needed by PCRE2's compiler at each reload of rules */
    "brk", "mmap", "munmap", "mremap", "mprotect", "madvise", "mlock", "munlock", "membarrier",
    /* threads, waiting, signals */
    "futex", "futex_time64", "set_robust_list", "get_robust_list", "rseq", "sched_yield", "setpriority",
    "sched_getaffinity", "sched_getparam", "sched_getscheduler", "gettid", "getpid", "getppid", "exit",
    "exit_group", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "rt_sigpending",
    "rt_sigsuspend", "sigaltstack", "tgkill", "restart_syscall", "prctl",
    /* time */
    "clock_gettime", "clock_gettime64", "clock_getres", "clock_nanosleep", "clock_nanosleep_time64",
    "nanosleep", "gettimeofday", "time", "timerfd_create", "timerfd_settime", "timerfd_gettime",
    /* files */
    "open", "openat", "close", "close_range", "read", "write", "readv", "writev", "pread64", "pwrite64",
    "preadv", "pwritev", "preadv2", "pwritev2", "lseek", "fstat", "stat", "lstat", "newfstatat", "fstatat64",
    "statx", "statfs", "statfs64", "fstatfs", "fstatfs64", "access", "faccessat", "faccessat2", "getdents",
    "getdents64", "fsync", "fdatasync", "sync_file_range", "fallocate", "ftruncate", "truncate", "fadvise64",
    "flock", "fcntl", "fcntl64", "rename", "renameat", "renameat2", "unlink", "unlinkat", "mkdir", "mkdirat",
    "rmdir", "link", "linkat", "symlink", "symlinkat", "readlink", "readlinkat", "chmod", "fchmod",
    "fchmodat", "chown", "fchown", "fchownat", "utimensat", "umask", "getcwd", "chdir", "dup", "dup2", "dup3",
    "pipe", "pipe2", "sendfile", "copy_file_range", "splice", "memfd_create", "inotify_init1",
    "inotify_add_watch", "inotify_rm_watch",
    /* sockets; which families, see below */
    "socketpair", "bind", "listen", "accept", "accept4", "connect", "getsockname", "getpeername",
    "getsockopt", "setsockopt", "sendto", "recvfrom", "sendmsg", "recvmsg", "sendmmsg", "recvmmsg",
    "shutdown",
    /* readiness */
    "poll", "ppoll", "ppoll_time64", "select", "pselect6", "pselect6_time64", "epoll_create", "epoll_create1",
    "epoll_ctl", "epoll_wait", "epoll_pwait", "epoll_pwait2", "eventfd2",
    /* about ourselves and the machine */
    "getuid", "geteuid", "getgid", "getegid", "getgroups", "getrandom", "sysinfo", "uname", "getrusage",
    "prlimit64", "getrlimit", "ugetrlimit", "times", "getcpu"};

/* Calls that no fault of ours explains. */
static const char *const deadly[] = {
    "execve",          "execveat",        "ptrace",      "process_vm_readv", "process_vm_writev",
    "kexec_load",      "kexec_file_load", "init_module", "finit_module",     "delete_module",
    "mount",           "umount2",         "pivot_root",  "chroot",           "move_mount",
    "open_tree",       "fsopen",          "setns",       "unshare",          "bpf",
    "perf_event_open", "userfaultfd",     "keyctl",      "add_key",          "request_key",
    "reboot",          "swapon",          "swapoff",     "setuid",           "setgid",
    "setreuid",        "setregid",        "setresuid",   "setresgid",        "personality"};

/* Rows of a call that is allowed for some values of one argument. ioctl: is this a terminal, how wide is it,
 * how much is there to read; among the others is one that types into a terminal. */
static const struct narrowed {
    const char *name;
    unsigned argument;
    uint64_t value;
} narrowed[] = {
    {"socket", 0, AF_UNIX},   {"socket", 0, AF_INET}, {"socket", 0, AF_INET6}, {"ioctl", 1, TCGETS},
    {"ioctl", 1, TIOCGWINSZ}, {"ioctl", 1, FIONREAD}, {"ioctl", 1, FIONBIO},   {"ioctl", 1, FIOCLEX},
};

static _Atomic uint64_t refused;
static _Atomic int last_refused = -1;

static void refuse(int signal_number, siginfo_t *info, void *context)
{
    ucontext_t *machine = context;
    (void)signal_number;
    atomic_fetch_add(&refused, 1);
    atomic_store(&last_refused, info->si_syscall);
#if defined(__x86_64__)
    machine->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
    machine->uc_mcontext.regs[0] = (uint64_t)-EPERM;
#else
    (void)machine;
#endif
}

static uint32_t refusal(void)
{
#if defined(__x86_64__) || defined(__aarch64__)
    return SCMP_ACT_TRAP;
#else
    return SCMP_ACT_ERRNO(EPERM); /* not counted there */
#endif
}

/* glibc asks for clone3, whose flags lie in memory where no filter can look, and goes on with clone. */
static int add_threads(scmp_filter_ctx filter)
{
    int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
    if (rc == 0)
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(clone), 1,
                              SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
    return rc;
}

static int add_rules(scmp_filter_ctx filter)
{
    int rc = add_threads(filter);
    for (size_t i = 0; rc == 0 && i < TC_ARRAY_LEN(allowed); i++) {
        int number = seccomp_syscall_resolve_name(allowed[i]);
        if (number != __NR_SCMP_ERROR && number >= 0)
            rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
    }
    for (size_t i = 0; rc == 0 && i < TC_ARRAY_LEN(deadly); i++) {
        int number = seccomp_syscall_resolve_name(deadly[i]);
        if (number != __NR_SCMP_ERROR && number >= 0)
            rc = seccomp_rule_add(filter, SCMP_ACT_KILL_PROCESS, number, 0);
    }
    for (size_t i = 0; rc == 0 && i < TC_ARRAY_LEN(narrowed); i++) {
        int number = seccomp_syscall_resolve_name(narrowed[i].name);
        struct scmp_arg_cmp is = {narrowed[i].argument, SCMP_CMP_EQ, narrowed[i].value, 0};
        rc = seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 1, &is);
    }
    /* getaddrinfo() asks the kernel for the machine's addresses, and goes on well without; no refusal to tell
     */
    if (rc == 0)
        rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                              SCMP_A0(SCMP_CMP_EQ, AF_NETLINK));
    return rc;
}

static int load(scmp_filter_ctx filter, struct err *err)
{
    int rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1); /* threads that run already, too */
    if (rc == 0)
        rc = add_rules(filter);
    if (rc == 0)
        rc = seccomp_load(filter);
    if (rc != 0) {
        errno = -rc;
        return err_sys(err, "cannot load the filter of system calls");
    }
    return 0;
}

int sandbox_enter(enum sandbox_state *ret, struct err *err)
{
    struct sigaction action = {.sa_sigaction = refuse, .sa_flags = SA_SIGINFO | SA_RESTART};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return err_sys(err, "cannot set no_new_privs");
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    *ret = SANDBOX_SANITIZER;
    (void)load;
    (void)action;
    (void)refusal;
    return 0;
#else
    sigemptyset(&action.sa_mask);
    if (sigaction(SIGSYS, &action, NULL) != 0)
        return err_sys(err, "cannot handle SIGSYS");
    scmp_filter_ctx filter = seccomp_init(refusal());
    if (filter == NULL)
        return err_set(err, TC_EUNSUPPORTED, "cannot make a filter of system calls");
    int rc = load(filter, err);
    seccomp_release(filter);
    if (rc == 0)
        *ret = SANDBOX_ON;
    return rc;
#endif
}

void sandbox_stats(struct sandbox_stats *ret)
{
    *ret =
        (struct sandbox_stats){.refused = atomic_load(&refused), .last_refused = atomic_load(&last_refused)};
    if (ret->last_refused < 0)
        return;
    char *name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, ret->last_refused);
    if (name != NULL)
        snprintf(ret->refused_name, sizeof ret->refused_name, "%s", name);
    else
        snprintf(ret->refused_name, sizeof ret->refused_name, "%d", ret->last_refused);
    free(name);
}
