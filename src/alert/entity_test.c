/*
 * What an alert is about: entity, labels, merge key, message (D-05, D-07).
 */
#include "alert/alert_testkit.h"

#include "base/utf8.h"

#include <string.h>

/* A detection on an event of name, value pairs, ended by NULL. */
struct seen {
    struct arena arena;
    struct field fields[8];
    struct event event;
    struct rule_info rule;
    struct finding finding;
    struct entity entity;
    struct alert_label labels[ALERT_LABELS_MAX];
    size_t label_count;
};

static void seen_init(struct seen *s, const char *const *pairs)
{
    *s = (struct seen){.rule = kit_rule("r-1", "Suspicious", SEVERITY_P3)};
    for (; *pairs != NULL; pairs += 2)
        s->fields[s->event.field_count++] =
            (struct field){.name = sv_of(pairs[0]),
                           .exact = sv_of(pairs[0]),
                           .value = sv_of(pairs[1]),
                           .name_hash = event_name_hash(sv_of(pairs[0])),
                           .type = pairs[1][0] == '{' ? FIELD_OBJECT : FIELD_STRING};
    s->event.fields = s->fields;
    event_index(&s->event, &s->arena);
    s->finding = (struct finding){.rule = &s->rule, .event = &s->event, .weight = 1, .count = 1};
}

static void look(struct seen *s)
{
    entity_of(&s->finding, &s->arena, &s->entity);
    s->label_count = entity_labels(&s->rule, s->rule.severity, &s->entity, &s->arena, s->labels);
}

static struct sv label(const struct seen *s, const char *name)
{
    for (size_t i = 0; i < s->label_count; i++)
        if (sv_is(s->labels[i].name, name))
            return s->labels[i].value;
    return (struct sv){0};
}

static void check_default(const char *const *pairs, const char *name, const char *value)
{
    struct seen s;
    seen_init(&s, pairs);
    look(&s);
    assert_int_equal(s.entity.count, name == NULL ? 0 : 1);
    if (name != NULL) {
        assert_true(sv_is(s.entity.parts[0].name, name));
        assert_true(sv_is(s.entity.parts[0].value, value));
    }
    arena_free(&s.arena);
}

#define PAIRS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void test_D_07_the_default_entity(void **state)
{
    (void)state;
    check_default(PAIRS("user.name", "alice", "source.ip", "203.0.113.7"), "user.name", "alice");
    check_default(PAIRS("source.ip", "203.0.113.7", "host.name", "web-1"), "source.ip", "203.0.113.7");
    check_default(PAIRS("host.name", "web-1", "service.name", "shop"), "host.name", "web-1");
    check_default(PAIRS("service.name", "shop", "vendor", "acme"), "vendor", "acme");
    check_default(PAIRS("service.name", "shop", "queue", "orders"), "queue", "orders");
    check_default(PAIRS("service.name", "shop"), "service.name", "shop");
    check_default(PAIRS("EventID", "4625"), NULL, NULL);
}

static void test_D_05_names_of_other_fields_count_as_the_user(void **state)
{
    (void)state;
    check_default(PAIRS("Computer", "dc-1", "TargetUserName", "bob"), "user.name", "bob");
    check_default(PAIRS("TargetUserName", "-", "User", "CORP\\bob"), "user.name", "CORP\\bob");
    check_default(PAIRS("User", "", "Computer", "dc-1"), "host.name", "dc-1");
    check_default(PAIRS("user", "{\"id\":1}", "IpAddress", "10.0.0.1"), "source.ip", "10.0.0.1");
}

static void test_fields_of_the_rule_win(void **state)
{
    (void)state;
    struct seen s;
    const struct sv names[] = {SV("queue"), SV("absent"), SV("region")};
    seen_init(&s, PAIRS("user.name", "alice", "region", "eu", "queue", "orders"));
    s.rule.entity_fields = names;
    s.rule.entity_field_count = 3;
    look(&s);
    assert_int_equal(s.entity.count, 2);
    assert_true(sv_is(label(&s, "queue"), "orders"));
    assert_true(sv_is(label(&s, "region"), "eu"));
    assert_int_equal(label(&s, "user_name").n, 0);
    arena_free(&s.arena);
}

static void test_a_correlation_is_about_its_group(void **state)
{
    (void)state;
    struct seen s;
    const struct finding_field group[] = {{SV("source.ip"), SV("203.0.113.7"), FIELD_STRING},
                                          {SV("app"), SV("shop"), FIELD_STRING}};
    seen_init(&s, PAIRS("user.name", "alice"));
    s.finding.kind = FINDING_CORRELATION;
    look(&s);
    assert_int_equal(s.entity.count, 0); /* no group: one for all */
    s.finding.group = group;
    s.finding.group_count = 2;
    look(&s);
    assert_int_equal(s.entity.count, 2);
    assert_true(sv_is(label(&s, "source_ip"), "203.0.113.7"));
    s.finding.count = 6;
    struct sv message = entity_message(&s.finding, &s.entity, &s.arena);
    assert_true(sv_is(message, "Suspicious: source.ip=203.0.113.7, app=shop (count 6)"));
    arena_free(&s.arena);
}

static void test_labels_are_fit_for_prometheus(void **state)
{
    (void)state;
    struct seen s;
    const struct finding_field group[] = {
        {SV("severity"), SV("x"), FIELD_STRING},  {SV("a.b"), SV("1"), FIELD_STRING},
        {SV("a_b"), SV("2"), FIELD_STRING},       {SV("9 lives"), SV("3"), FIELD_STRING},
        {SV(""), SV("4"), FIELD_STRING},          {SV("empty"), SV(""), FIELD_STRING},
        {SV("gr\xC3\xBC"), SV("5"), FIELD_STRING}};
    seen_init(&s, PAIRS("x", "y"));
    s.finding.kind = FINDING_CORRELATION;
    s.finding.group = group;
    s.finding.group_count = TC_ARRAY_LEN(group);
    look(&s);
    assert_true(sv_is(label(&s, "severity"), "medium"));
    assert_true(sv_is(label(&s, "exported_severity"), "x"));
    assert_true(sv_is(label(&s, "a_b"), "1"));
    assert_true(sv_is(label(&s, "exported_a_b"), "2"));
    assert_true(sv_is(label(&s, "_9_lives"), "3"));
    assert_true(sv_is(label(&s, "_"), "4"));
    assert_true(sv_is(label(&s, "gr__"), "5"));
    assert_int_equal(s.label_count, 3 + 6);
    for (size_t i = 1; i < s.label_count; i++)
        assert_true(sv_cmp(s.labels[i - 1].name, s.labels[i].name) < 0);
    arena_free(&s.arena);
}

static void test_hostile_values_are_bounded_but_told_apart(void **state)
{
    (void)state;
    static char a[5000], b[5000];
    memset(a, 'x', sizeof a - 1);
    memset(b, 'x', sizeof b - 1);
    b[4998] = 'y';
    a[10] = b[10] = (char)0xFF;
    struct seen s, t;
    uint8_t key_s[TC_SHA256_BYTES], key_t[TC_SHA256_BYTES];
    seen_init(&s, PAIRS("user.name", a));
    seen_init(&t, PAIRS("user.name", b));
    look(&s);
    look(&t);
    struct sv value = label(&s, "user_name");
    assert_true(value.n <= ALERT_TEXT_MAX && value.n > ALERT_TEXT_MAX - 4);
    assert_int_equal(utf8_valid(value), value.n);
    entity_key(s.rule.id, s.rule.severity, &s.entity, key_s);
    entity_key(t.rule.id, t.rule.severity, &t.entity, key_t);
    assert_memory_not_equal(key_s, key_t, sizeof key_s);
    struct sv message = entity_message(&s.finding, &s.entity, &s.arena);
    assert_true(message.n < 300);
    assert_int_equal(utf8_valid(message), message.n);
    arena_free(&s.arena);
    arena_free(&t.arena);
}

static void test_the_key_cannot_be_shifted(void **state)
{
    (void)state;
    uint8_t one[TC_SHA256_BYTES], two[TC_SHA256_BYTES];
    const struct alert_label ab[] = {{SV("a"), SV("bc")}}, abc[] = {{SV("ab"), SV("c")}};
    const struct entity x = {.parts = ab, .count = 1}, y = {.parts = abc, .count = 1};
    entity_key(SV("r"), SEVERITY_P1, &x, one);
    entity_key(SV("r"), SEVERITY_P1, &y, two);
    assert_memory_not_equal(one, two, sizeof one);
    entity_key(SV("r"), SEVERITY_P2, &x, two);
    assert_memory_not_equal(one, two, sizeof one);
    const struct entity none = {0}, overflow = {.overflow = true};
    entity_key(SV("r"), SEVERITY_P1, &none, one);
    entity_key(SV("r"), SEVERITY_P1, &overflow, two);
    assert_memory_not_equal(one, two, sizeof one);
}

static void test_message_of_a_detection_says_what_was_seen(void **state)
{
    (void)state;
    struct seen s;
    const struct finding_field fields[] = {{SV("Image"), SV("C:\\x.exe\r\nforged: line"), FIELD_STRING},
                                           {SV("User"), SV("alice"), FIELD_STRING},
                                           {SV("Details"), SV("{}"), FIELD_OBJECT},
                                           {SV("EventID"), SV("1"), FIELD_NUMBER}};
    seen_init(&s, PAIRS("User", "alice"));
    s.finding.fields = fields;
    s.finding.field_count = TC_ARRAY_LEN(fields);
    look(&s);
    struct sv message = entity_message(&s.finding, &s.entity, &s.arena);
    assert_true(sv_is(message, "Suspicious: user.name=alice (Image=C:\\x.exe  forged: line, EventID=1)"));
    arena_free(&s.arena);
}

static void test_title_falls_back_to_name_and_id(void **state)
{
    (void)state;
    struct seen s;
    seen_init(&s, PAIRS("User", "alice"));
    s.rule.title = (struct sv){0};
    look(&s);
    assert_true(sv_is(label(&s, "alertname"), "r-1"));
    s.rule.name = SV("a_name");
    look(&s);
    assert_true(sv_is(label(&s, "alertname"), "a_name"));
    arena_free(&s.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_D_07_the_default_entity),
        cmocka_unit_test(test_D_05_names_of_other_fields_count_as_the_user),
        cmocka_unit_test(test_fields_of_the_rule_win),
        cmocka_unit_test(test_a_correlation_is_about_its_group),
        cmocka_unit_test(test_labels_are_fit_for_prometheus),
        cmocka_unit_test(test_hostile_values_are_bounded_but_told_apart),
        cmocka_unit_test(test_the_key_cannot_be_shifted),
        cmocka_unit_test(test_message_of_a_detection_says_what_was_seen),
        cmocka_unit_test(test_title_falls_back_to_name_and_id),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
