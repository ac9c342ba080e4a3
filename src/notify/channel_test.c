/*
 * The file and standard output channels, and what a channel's configuration must have.
 */
#include "notify/courier_kit.h"

static void read_lines(const struct fixture *f, struct buf *out)
{
    struct err err;
    buf_init(out, 1 << 16);
    assert_int_equal(fs_read_file(&fs_system, f->file, out, &err), 0);
    buf_char(out, '\0');
}

#define LINE(count, reason)                                                                                  \
    "{\"key\":\"a1-" count ":log\",\"reason\":\"" reason "\",\"count\":" count                               \
    ",\"alert\":{\"id\":\"a1\",\"title\":\"BRUTE_FORCE_ATTACK\",\"severity\":\"P2\",\"message\":"            \
    "\"six of them\",\"labels\":{\"alertname\":\"BRUTE_FORCE_ATTACK\",\"severity\":\"P2\",\"source.ip\":"    \
    "\"203.0.113.7\"},\"last_seen\":\"2026-11-21T09:17:26Z\"}}\n"

static void test_file_appends_whole_lines(void **state)
{
    struct fixture *f = *state;
    struct stat st;
    struct buf lines;
    start(f);
    put(f, "log", "a1", 1);
    settle(f);
    assert_int_equal(stat(f->file, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    FILE *file = fopen(f->file, "a"); /* power went while a line was written */
    assert_non_null(file);
    fputs("{\"key\":\"a1-", file);
    fclose(file);
    put(f, "log", "a1", 10);
    settle(f);
    read_lines(f, &lines);
    assert_string_equal(lines.p, LINE("1", "new") "{\"key\":\"a1-\n" LINE("10", "count_step"));
    buf_free(&lines);
    expect_counts(f, 0, 2, 0);
}

static void test_file_waits_for_its_directory(void **state)
{
    struct fixture *f = *state;
    char dir[128], path[160];
    snprintf(dir, sizeof dir, "%s/later", f->dir);
    snprintf(path, sizeof path, "%s/alerts", dir);
    f->channels[2].path = sv_of(path);
    start(f);
    put(f, "log", "a1", 1);
    settle(f);
    expect_counts(f, 1, 0, 0);
    assert_int_equal(mkdir(dir, 0700), 0);
    pass(f, 1201 * ms);
    expect_counts(f, 0, 1, 0);
}

static void test_file_is_a_regular_file(void **state)
{
    struct fixture *f = *state;
    f->options.max_attempts = 1;
    assert_int_equal(mkfifo(f->file, 0600), 0);
    start(f);
    put(f, "log", "a1", 1);
    settle(f);
    expect_counts(f, 0, 0, 1);
}

static void stdout_line(const char *payload, const char *key, const char *want)
{
    const struct channel *channel = channel_find(SV("stdout"));
    struct buf out;
    struct err err;
    buf_init(&out, 1 << 16);
    const struct message message = {.key = sv_of(key), .payload = sv_of(payload)};
    assert_int_equal(channel->body(&(struct channel_config){0}, &message, &out, &err), 0);
    buf_char(&out, '\0');
    assert_string_equal(out.p, want);
    buf_free(&out);
}

static void test_stdout_line(void **state)
{
    (void)state;
    stdout_line(
        "{\"reason\":\"count_step\",\"count\":10,\"alert\":{\"id\":\"a1\",\"title\":\"BRUTE_FORCE_ATTACK\","
        "\"severity\":\"P2\",\"last_seen\":\"2026-11-21T09:17:26Z\",\"labels\":{\"alertname\":\"x\","
        "\"rule_id\":\"y\",\"severity\":\"P2\",\"source.ip\":\"203.0.113.7\"}}}",
        "k1:out",
        "2026-11-21T09:17:26Z P2 BRUTE_FORCE_ATTACK source.ip=203.0.113.7 (10 occurrences) id=a1 "
        "key=k1:out\n");
    stdout_line("{\"reason\":\"resolved\",\"alert\":{\"id\":\"a1\",\"title\":\"T\\u001b[2J\\nx\\u202e\","
                "\"severity\":\"critical\",\"labels\":{\"user.name\":\"a \\\"b\\\" "
                "c\",\"empty\":\"\",\"u\":\"\\u009b\"}}}",
                "k",
                "- P1 T?[2J x? user.name=\"a \\\"b\\\" c\" empty=\"\" u=? reason=resolved id=a1 key=k\n");
}

static void test_stdout_line_is_bounded(void **state)
{
    const struct channel *channel = channel_find(SV("stdout"));
    struct buf payload, out;
    struct err err;
    (void)state;
    buf_init(&payload, 1 << 20);
    buf_init(&out, 1 << 20);
    buf_str(&payload, "{\"alert\":{\"id\":\"a1\",\"title\":\"");
    for (int i = 0; i < 5000; i++)
        buf_str(&payload, "\xff");
    buf_str(&payload, "\",\"labels\":{");
    for (int i = 0; i < 500; i++) {
        buf_printf(&payload, "%s\"l%d\":\"", i == 0 ? "" : ",", i);
        for (int j = 0; j < 300; j++)
            buf_str(&payload, "\"\\\"" + 1);
        buf_str(&payload, "\"");
    }
    buf_str(&payload, "}}}");
    char key[2000];
    memset(key, 'k', sizeof key);
    const struct message message = {.key = sv_make(key, sizeof key), .payload = buf_view(&payload)};
    assert_int_equal(channel->body(&(struct channel_config){0}, &message, &out, &err), 0);
    assert_true(out.n <= 4096);
    assert_ptr_equal(memchr(out.p, '\n', out.n), out.p + out.n - 1);
    buf_free(&payload);
    buf_free(&out);
}

static void test_stdout_does_not_block_on_a_full_pipe(void **state)
{
    struct fixture *f = *state;
    int ends[2], saved = dup(STDOUT_FILENO);
    char noise[4096] = {0};
    f->channels[2] = (struct channel_config){.name = SV("out"), .type = SV("stdout")};
    start(f);
    assert_int_equal(pipe2(ends, O_NONBLOCK), 0);
    while (write(ends[1], noise, sizeof noise) > 0)
        ;
    fcntl(ends[1], F_SETFL, 0); /* blocking, as a shell hands it over */
    fflush(stdout);
    dup2(ends[1], STDOUT_FILENO);
    put(f, "out", "a1", 1);
    settle(f);
    while (read(ends[0], noise, sizeof noise) > 0)
        ;
    pass(f, 1201 * ms);
    dup2(saved, STDOUT_FILENO);
    ssize_t n = read(ends[0], noise, sizeof noise - 1);
    assert_true(n > 0);
    noise[n] = '\0';
    assert_string_equal(noise, "2026-11-21T09:17:26Z P2 BRUTE_FORCE_ATTACK source.ip=203.0.113.7 id=a1 "
                               "key=a1-1:out\n");
    expect_counts(f, 0, 1, 0);
    close(saved);
    close(ends[0]);
    close(ends[1]);
}

static void test_channels_are_checked(void **state)
{
    struct fixture *f = *state;
    const struct {
        struct channel_config config;
        const char *text;
    } rows[] = {
        {{.type = SV("file"), .path = SV("x")}, "needs a name"},
        {{.name = SV("a b"), .type = SV("file"), .path = SV("x")}, "needs a name"},
        {{.name = SV("soc"), .type = SV("stdout")}, "channel soc: there are two"},
        {{.name = SV("x"), .type = SV("pigeon")}, "channel x: its type \"pigeon\" is not known"},
        {{.name = SV("x"), .type = SV("file")}, "channel x: a file channel needs a path"},
        {{.name = SV("x"), .type = SV("file"), .path = SV("a\0b")}, "channel x: the path"},
        {{.name = SV("x"), .type = SV("slack")}, "channel x: a slack channel needs a url"},
        {{.name = SV("x"), .type = SV("slack"), .url = SV("ftp://h/" SECRET)}, "channel x: its url"},
        {{.name = SV("x"), .type = SV("slack"), .url = SV("file:///" SECRET)}, "channel x: its url"},
        {{.name = SV("x"), .type = SV("slack"), .url = SV(SECRET)}, "channel x: its url"},
        {{.name = SV("x"), .type = SV("slack"), .url = SV("http://h/" SECRET "\0")}, "channel x: its url"},
        {{.name = SV("x"), .type = SV("slack"), .url = SV("http://h/" SECRET " x")}, "channel x: its url"},
    };
    for (size_t i = 0; i < TC_ARRAY_LEN(rows); i++) {
        f->channels[1] = rows[i].config;
        assert_int_equal(notifier_new(&f->options, &f->notifier, &f->err), TC_EINPUT);
        assert_null(f->notifier);
        if (strstr(f->err.text, rows[i].text) == NULL)
            fail_msg("\"%s\" does not say \"%s\"", f->err.text, rows[i].text);
        assert_null(strstr(f->err.text, SECRET));
    }
    f->options.channel_count = TC_LANES_MAX + 1;
    assert_int_equal(notifier_new(&f->options, &f->notifier, &f->err), TC_EBOUND);
    f->options.channel_count = 0;
    start(f);
    settle(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_file_appends_whole_lines), CASE(test_file_waits_for_its_directory),
        CASE(test_file_is_a_regular_file),   CASE(test_stdout_line),
        CASE(test_stdout_line_is_bounded),   CASE(test_stdout_does_not_block_on_a_full_pipe),
        CASE(test_channels_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
