/*
 * Other rules while the core runs; see core_reload in core.h.
 *
 * The rule set is compiled here, on the caller's thread, and left beside the core. The record that names its
 * contents goes through the journal like all that can change a result; when the core's thread comes to it, it
 * takes the compiled set (activate.c). A recovery compiles it from the contents in DIR/objects, so both give
 * the same. While `reloading` is held nothing else can change core->ruleset, which is why it may be read
 * here.
 */
#include "app/core_priv.h"
#include "event/policy.h"

#include <stdlib.h>

/* The same document refused for the same reason, wherever in its file it stands now. */
static bool was_refused(const struct ruleset *old, const struct rule_note *note)
{
    for (size_t i = 0; i < ruleset_note_count(old); i++) {
        const struct rule_note *known = ruleset_note(old, i);
        if (known->verdict == RULE_REFUSED && strcmp(known->construct, note->construct) == 0 &&
            strcmp(known->err.file, note->err.file) == 0 && strcmp(known->err.text, note->err.text) == 0)
            return true;
    }
    return false;
}

static int check_notes(const struct ruleset *old, const struct ruleset *fresh, struct err *err)
{
    for (size_t i = 0; i < ruleset_note_count(fresh); i++) {
        const struct rule_note *note = ruleset_note(fresh, i);
        if (note->verdict != RULE_REFUSED || was_refused(old, note))
            continue;
        if (err != NULL) {
            *err = note->err;
            err->code = TC_EINPUT;
        }
        return TC_EINPUT;
    }
    return 0;
}

int core_check_calendar(const struct ruleset *ruleset, struct sv name, struct err *err)
{
    return name.n == 0 || ruleset_calendar(ruleset, name) != NULL
               ? 0
               : err_set(err, TC_EINPUT,
                         "alerts.business_calendar: there is no calendar \"%.*s\" among the rules",
                         SV_FMT(sv_head(name, 64)));
}

static void leave_prepared(struct core *core, struct ruleset *ruleset, struct sv json)
{
    pthread_mutex_lock(&core->lock);
    ruleset_free(&core->prepared);
    core->prepared = ruleset;
    buf_clear(&core->prepared_json);
    buf_sv(&core->prepared_json, json);
    pthread_mutex_unlock(&core->lock);
}

static int put_in_force(struct core *core, const struct core_options *wanted, struct ruleset **fresh,
                        struct core_reloaded *ret, struct err *err)
{
    struct buf json;
    buf_init(&json, CORE_JSON_BYTES);
    int rc = activate_json(core, wanted, &json, err);
    if (rc == 0 && !sv_eq(buf_view(&json), buf_view(&core->activated))) {
        leave_prepared(core, *fresh, buf_view(&json));
        *fresh = NULL;
        rc = core_control(core, REC_ACTIVATED, buf_view(&json), NULL, &ret->position, err);
        if (rc != 0) /* it may still come to it; then it compiles the same set again */
            leave_prepared(core, NULL, (struct sv){0});
    }
    buf_free(&json);
    return rc;
}

int core_reload(struct core *core, const struct core_options *wanted, struct core_reloaded *ret,
                struct err *err)
{
    struct ruleset *fresh = NULL;
    *ret = (struct core_reloaded){0};
    pthread_mutex_lock(&core->reloading);
    struct policy *policy = NULL;
    int rc = policy_new(wanted->policy, &policy, err);
    if (rc == 0)
        rc = ruleset_new_under(wanted->rules, wanted->rule_count, policy, &fresh, err);
    policy_free(&policy);
    if (rc == 0)
        rc = check_notes(core->ruleset, fresh, err);
    if (rc == 0)
        rc = core_check_calendar(fresh, wanted->business_calendar, err);
    if (rc == 0) {
        ruleset_compare(core->ruleset, fresh, &ret->rules);
        ret->rule_count = ruleset_count(fresh);
        rc = put_in_force(core, wanted, &fresh, ret, err);
    }
    ruleset_free(&fresh);
    pthread_mutex_unlock(&core->reloading);
    return rc;
}
