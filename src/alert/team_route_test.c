/*
 * Which alerts fit a team's route: tags, labels, owner.
 */
#include "alert/team_route.h"

#include "alert/alert_testkit.h"

static const struct sv tags[] = {{"attack.t1110", 12}, {"security", 8}};
static const struct alert_label labels[] = {
    {{"alertname", 9}, {"SCAN", 4}}, {{"severity", 8}, {"critical", 8}}, {{"source_ip", 9}, {"10.0.0.7", 8}}};
static const struct alert scan = {
    .owner = {"platform team", 13}, .tags = tags, .tag_count = 2, .labels = labels, .label_count = 3};

static bool fits(const struct alert *alert, const char *match, const char *tag)
{
    struct am_pool pool = {0};
    struct sv wanted = sv_of(tag);
    struct team_route route = {.tags = &wanted, .tag_count = wanted.n > 0};
    assert_int_equal(
        am_matchers_parse(&pool, AM_MATCHERS_FALLBACK, sv_of(match), &route.matchers, NULL, NULL), 0);
    bool fit = team_route_fits(&route, alert);
    am_pool_free(&pool);
    return fit;
}

static void test_X_18_by_tag(void **state)
{
    (void)state;
    assert_true(fits(&scan, "", "security"));
    assert_true(fits(&scan, "", "attack.*"));
    assert_true(fits(&scan, "", "attack.t1110"));
    assert_true(fits(&scan, "", "*"));
    assert_false(fits(&scan, "", "attack.t1111"));
    assert_false(fits(&scan, "", "secur"));
    assert_false(fits(&scan, "", "security.*"));
    struct alert bare = scan;
    bare.tag_count = 0;
    assert_false(fits(&bare, "", "*"));
}

static void test_D_18_by_label_and_owner(void **state)
{
    static const struct alert_label own[] = {{{"owner", 5}, {"dev team", 8}}};
    (void)state;
    assert_true(fits(&scan, "alertname=\"SCAN\"", ""));
    assert_true(fits(&scan, "owner=~\"platform.*\", severity=\"critical\"", ""));
    assert_true(fits(&scan, "owner=\"platform team\"", "security"));
    assert_false(fits(&scan, "owner=\"platform team\"", "billing"));
    assert_false(fits(&scan, "owner=\"dev team\"", "security"));
    assert_true(fits(&scan, "team=\"\"", "")); /* a label that is absent is empty */
    struct alert labelled = scan;
    labelled.labels = own;
    labelled.label_count = 1;
    assert_true(fits(&labelled, "owner=\"dev team\"", ""));
    assert_false(fits(&labelled, "owner=\"platform team\"", ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_X_18_by_tag),
        cmocka_unit_test(test_D_18_by_label_and_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
