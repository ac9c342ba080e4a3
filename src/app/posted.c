/*
 * Posted alerts as records; see posted.h.
 */
#include "app/posted.h"

#include "app/metric_record.h"
#include "base/hash.h"
#include "event/record.h"

enum { EVENTS_BYTES = 32 << 20, STATES_BYTES = 32 << 20, ONE_BYTES = 2 << 20 };

static void add(struct finding_field *list, size_t *count, struct sv name, struct sv value)
{
    if (value.n > 0)
        list[(*count)++] = (struct finding_field){name, value, FIELD_STRING};
}

/* Of the redacted event, so that nothing stands in an alert that may not be kept. */
static void put_state(const struct event *e, struct sv source, bool firing,
                      const uint8_t identity[TC_SHA256_BYTES], struct arena *arena, struct buf *out)
{
    const struct sv prefix = SV("posted.labels.");
    struct finding_field *labels = ARENA_ARRAY(arena, struct finding_field, e->field_count + 4);
    struct finding_field *annotations = ARENA_ARRAY(arena, struct finding_field, 6);
    size_t label_count = 0, annotation_count = 0;
    struct rule_info rule = {.id = arena_printf(arena, POSTED_RULE_PREFIX "%.*s", SV_FMT(source)),
                             .title = event_value(e, "posted.title"),
                             .level = event_value(e, "posted.level"),
                             .description = event_value(e, "posted.description"),
                             .runbook = event_value(e, "posted.runbook")};
    struct sv key = event_value(e, "posted.key");
    add(labels, &label_count, SV("alertname"), rule.title);
    if (key.n <= 512)
        add(labels, &label_count, SV("dedup_key"), key);
    for (uint32_t i = 0; i < e->field_count; i++) {
        struct sv name = e->fields[i].exact;
        if (sv_starts(name, prefix) && !sv_is(sv_from(name, prefix.n), "alertname"))
            add(labels, &label_count, sv_from(name, prefix.n), e->fields[i].value);
    }
    add(annotations, &annotation_count, SV("summary"), event_value(e, "posted.summary"));
    add(annotations, &annotation_count, SV("description"), rule.description);
    add(annotations, &annotation_count, SV("url"), event_value(e, "posted.url"));
    annotations[annotation_count++] = (struct finding_field){SV("value"), SV(""), FIELD_STRING};
    struct finding finding = {.rule = &rule,
                              .group = labels,
                              .group_count = label_count,
                              .fields = annotations,
                              .field_count = annotation_count};
    struct buf json;
    buf_init(&json, ONE_BYTES);
    metric_record_write(firing, identity, &finding, &json);
    record_encode_plain(REC_METRIC, CLASS_AUDIT, SV("self"), e->received, e->time, buf_view(&json), out);
    buf_free(&json);
}

static int add_alert(struct intake *intake, struct sv source, const struct posted_alert *alert,
                     struct buf *events, struct buf *states, struct err *err)
{
    struct intake_batch batch;
    struct arena arena = {0};
    struct event e;
    struct buf json;
    uint8_t identity[TC_SHA256_BYTES];
    buf_init(&json, ONE_BYTES);
    intake_batch_init(&batch, ONE_BYTES);
    posted_event(alert, &json);
    int rc = intake_body(intake, source, INTAKE_JSON_STRICT, buf_view(&json), &batch, err);
    if (rc == 0 && batch.count != 1)
        rc = err_set(err, TC_EINPUT, "the alert cannot be taken: is it longer than an event may be?");
    if (rc == 0)
        rc = record_decode(buf_view(&batch.blocks), &arena, &e, err);
    if (rc == 0) {
        event_index(&e, &arena);
        posted_identity(source, alert->key, identity);
        buf_sv(events, buf_view(&batch.blocks));
        put_state(&e, source, alert->action == POSTED_TRIGGER, identity, &arena, states);
    }
    arena_free(&arena);
    intake_batch_free(&batch);
    buf_free(&json);
    return rc;
}

int posted_append(struct intake *intake, struct journal *journal, struct sv source,
                  const struct posted_alert *alerts, size_t count, journal_done_fn done, void *context,
                  struct err *err)
{
    struct buf events, states;
    buf_init(&events, EVENTS_BYTES);
    buf_init(&states, STATES_BYTES);
    struct receive_time now = intake_now(intake);
    int rc = count > 0 ? 0 : err_set(err, TC_EINPUT, "the body holds no alert");
    for (size_t i = 0; rc == 0 && i < count; i++)
        rc = add_alert(intake, source, &alerts[i], &events, &states, err);
    if (rc == 0 && (events.overflow || states.overflow))
        rc = err_set(err, TC_EINPUT, "the alerts of this body are too long together: send fewer at a time");
    struct journal_batch input = {.kind = BATCH_INPUT,
                                  .received = now,
                                  .refuse_when_full = true,
                                  .blocks = buf_view(&events),
                                  .count = (uint32_t)count};
    struct journal_batch control = {
        .kind = BATCH_CONTROL, .received = now, .blocks = buf_view(&states), .count = (uint32_t)count};
    if (rc == 0)
        rc = journal_append(journal, &input, NULL, NULL, NULL, err);
    if (rc == 0) /* behind it in the log: durable only once both are */
        rc = journal_append(journal, &control, done, context, NULL, err);
    buf_free(&events);
    buf_free(&states);
    return rc;
}
