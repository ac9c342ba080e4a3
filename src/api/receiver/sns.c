/*
 * Amazon SNS (Publish of its query API), signed by Signature Version 4; a role is taken on before (AWS STS).
 */
#include "api/receiver/aws.h"
#include "api/receiver/receiver.h"
#include "base/utf8.h"

#include <stdio.h>

enum { MESSAGE_MAX_BYTES = 256 << 10, SMS_MAX_BYTES = 1600, FORM_MAX_BYTES = 4 << 20 };

/* A role's credentials are good for an hour. */
#define ROLE_KEPT_NS (55 * 60 * TC_SECOND_NS)

static const char form_type[] = "application/x-www-form-urlencoded";

struct plan {
    struct aws_credentials credentials;
    struct sv region;
    struct courier_request publish, assume; /* assume.url is empty where no role is */
    struct sv role_key;                     /* of the kept credentials */
};

static void add_attributes(struct receiver_draft *d, struct buf *form, bool truncated)
{
    const struct am_value *given = am_get(d->own, "attributes");
    char name[64];
    for (size_t i = 0; i < given->count + truncated; i++) {
        bool own = i < given->count;
        snprintf(name, sizeof name, "MessageAttributes.entry.%zu.Name", i + 1);
        receiver_add_parameter(form, name, own ? receiver_render(d, given->items[i].key) : SV("truncated"));
        snprintf(name, sizeof name, "MessageAttributes.entry.%zu.Value.DataType", i + 1);
        receiver_add_parameter(form, name, SV("String"));
        snprintf(name, sizeof name, "MessageAttributes.entry.%zu.Value.StringValue", i + 1);
        receiver_add_parameter(form, name, own ? receiver_render(d, given->items[i].text) : SV("true"));
    }
}

/* One of the three that say where to; each is a template. */
static struct sv add_target(struct receiver_draft *d, struct buf *form, const char *setting, const char *name)
{
    struct sv text = SV("");
    if (am_get_text(d->own, setting).n > 0) {
        text = receiver_text(d, d->own, setting);
        receiver_add_parameter(form, name, text);
    }
    return text;
}

static struct sv make_form(struct receiver_draft *d)
{
    struct buf form;
    buf_init(&form, FORM_MAX_BYTES);
    receiver_add_parameter(&form, "Action", SV("Publish"));
    receiver_add_parameter(&form, "Version", SV("2010-03-31"));
    struct sv topic = add_target(d, &form, "topic_arn", "TopicArn");
    add_target(d, &form, "target_arn", "TargetArn");
    bool sms = add_target(d, &form, "phone_number", "PhoneNumber").n > 0;
    if (sv_ends(topic, SV(".fifo"))) {
        receiver_add_parameter(&form, "MessageDeduplicationId", receiver_group_hash(d));
        receiver_add_parameter(&form, "MessageGroupId", receiver_group_hash(d));
    }
    struct sv message = receiver_text(d, d->own, "message");
    size_t max = sms ? SMS_MAX_BYTES : MESSAGE_MAX_BYTES;
    if (utf8_valid(message) < message.n)
        receiver_fail(d, TC_EINPUT, "non utf8 encoded message string");
    receiver_add_parameter(&form, "Message", sv_head(message, max));
    add_attributes(d, &form, message.n > max);
    if (am_get_text(d->own, "subject").n > 0)
        receiver_add_parameter(&form, "Subject", receiver_text(d, d->own, "subject"));
    if (form.overflow)
        receiver_fail(d, TC_EBOUND, "the notification is longer than 4 MiB");
    struct sv text = arena_sv(d->arena, buf_view(&form));
    buf_free(&form);
    return text;
}

static struct sv endpoint(struct receiver_draft *d, const char *service, struct sv region)
{
    return arena_printf(d->arena, "https://%s.%.*s.amazonaws.com%s/", service, SV_FMT(region),
                        sv_starts(region, SV("cn-")) ? ".cn" : "");
}

static void plan_role(struct receiver_draft *d, const struct am_object *sigv4, struct plan *plan)
{
    struct sv role = am_get_text(sigv4, "role_arn"), external = am_get_text(sigv4, "external_id");
    struct buf form;
    if (role.n == 0)
        return;
    buf_init(&form, 64 << 10);
    receiver_add_parameter(&form, "Action", SV("AssumeRole"));
    receiver_add_parameter(&form, "Version", SV("2011-06-15"));
    receiver_add_parameter(&form, "RoleArn", role);
    receiver_add_parameter(
        &form, "RoleSessionName",
        arena_printf(d->arena, "tocsin-%lld", (long long)(d->world->now_ns / TC_SECOND_NS)));
    receiver_add_parameter(&form, "DurationSeconds", SV("3600"));
    if (external.n > 0)
        receiver_add_parameter(&form, "ExternalId", external);
    plan->assume = (struct courier_request){.method = "POST",
                                            .url = endpoint(d, "sts", plan->region),
                                            .content_type = form_type,
                                            .body = arena_sv(d->arena, buf_view(&form))};
    plan->role_key = arena_printf(d->arena, "sts %.*s %.*s %.*s", SV_FMT(role),
                                  SV_FMT(plan->credentials.access_key), SV_FMT(external));
    buf_free(&form);
}

/* "ACCESS SECRET TOKEN", as they are kept. */
static struct aws_credentials kept_credentials(struct arena *arena, struct sv kept)
{
    struct sv rest = arena_sv(arena, kept), access = sv_cut(&rest, ' '), secret = sv_cut(&rest, ' ');
    return (struct aws_credentials){access, secret, rest};
}

static void begin(struct courier *courier, struct courier_job *job)
{
    const struct plan *plan = job->plan;
    struct aws_credentials credentials = plan->credentials;
    struct sv kept = plan->role_key.n > 0 ? courier_token(courier, plan->role_key) : SV("");
    if (kept.n > 0)
        credentials = kept_credentials(&job->arena, kept);
    job->step = plan->role_key.n == 0 || kept.n > 0;
    job->request = job->step == 0 ? plan->assume : plan->publish;
    aws_sign(&job->arena, &credentials, plan->region, job->step == 0 ? "sts" : "sns", courier_now_ns(courier),
             &job->request);
}

void receiver_sns(struct receiver_draft *d)
{
    struct plan *plan = ARENA_NEW(d->arena, struct plan);
    const struct am_object *sigv4 = am_get_object(d->own, "sigv4");
    struct sv access = sigv4 == NULL ? SV("") : am_get_text(sigv4, "access_key"),
              region = sigv4 == NULL ? SV("") : am_get_text(sigv4, "region"),
              profile = sigv4 == NULL ? SV("") : am_get_text(sigv4, "profile");
    plan->region = arena_sv(d->arena, region.n > 0 ? region : aws_region());
    if (plan->region.n == 0)
        receiver_fail(d, TC_EINPUT, "region not configured in sns.sigv4.region or in AWS_REGION");
    if (access.n > 0)
        plan->credentials =
            (struct aws_credentials){.access_key = arena_sv(d->arena, access),
                                     .secret_key = arena_sv(d->arena, am_get_text(sigv4, "secret_key"))};
    else if (d->rc == 0)
        d->rc = aws_credentials_find(d->arena, d->world->fs, profile, &plan->credentials, d->err);
    struct sv url = receiver_text(d, d->own, "api_url");
    if (url.n == 0)
        url = endpoint(d, "sns", plan->region);
    else if (sv_find_char(sv_from(url, sv_find(url, SV("://")) + 3), '/') ==
             sv_from(url, sv_find(url, SV("://")) + 3).n)
        url = arena_printf(d->arena, "%.*s/", SV_FMT(url));
    plan->publish = (struct courier_request){
        .method = "POST", .url = url, .content_type = form_type, .body = make_form(d)};
    if (sigv4 != NULL)
        plan_role(d, sigv4, plan);
    d->job->plan = plan;
    d->job->begin = begin;
}

/* What stands in an element of XML; AWS' keys need no entities. */
static struct sv element(struct sv xml, const char *name)
{
    char open[64], close[64];
    snprintf(open, sizeof open, "<%s>", name);
    snprintf(close, sizeof close, "</%s>", name);
    size_t at = sv_find(xml, sv_of(open));
    if (at == xml.n)
        return SV("");
    xml = sv_from(xml, at + strlen(open));
    return sv_trim(sv_head(xml, sv_find(xml, sv_of(close))));
}

enum courier_verdict receiver_sns_answered(struct courier *courier, struct courier_job *job,
                                           const struct courier_answer *answer)
{
    const struct plan *plan = job->plan;
    struct courier_answer plain = *answer;
    plain.body = element(answer->body, "Message");
    enum courier_verdict verdict = courier_judge_status(job, &plain);
    if (verdict != COURIER_TAKEN || job->step == 1)
        return verdict;
    struct sv access = element(answer->body, "AccessKeyId"),
              secret = element(answer->body, "SecretAccessKey"),
              token = element(answer->body, "SessionToken");
    if (access.n == 0 || secret.n == 0 || token.n == 0) {
        courier_say(job, "the answer of AWS STS bears no credentials", SV(""));
        return COURIER_AGAIN;
    }
    struct sv kept =
        arena_printf(&job->arena, "%.*s %.*s %.*s", SV_FMT(access), SV_FMT(secret), SV_FMT(token));
    courier_keep_token(courier, plan->role_key, kept, ROLE_KEPT_NS);
    struct aws_credentials credentials = kept_credentials(&job->arena, kept);
    job->step = 1;
    job->request = plan->publish;
    aws_sign(&job->arena, &credentials, plan->region, "sns", courier_now_ns(courier), &job->request);
    return COURIER_NEXT;
}
