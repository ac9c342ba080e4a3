/*
 * Amazon SNS: Publish (2010-03-31) to each topic of `to`, signed with AWS signature version 4. Subscribers
 * may filter by the attributes severity, status and alert_id. A FIFO topic gets the alert as its group, so
 * that its messages keep their order, and the notification's key against repeats.
 */
#include "notify/channel/chat.h"

#include "base/hash.h"

#include <stdio.h>

enum { SUBJECT_BYTES = 100, TEXT_BYTES = 16000 };

static const struct service service = {
    .base = "https://sns.{region}.amazonaws.com",
    .content_type = "application/x-www-form-urlencoded",
    .login = LOGIN_AWS,
    .aws_service = "sns",
    .reading = {.xml_id = "MessageId"},
};

static int sns_check(const struct channel_config *config, struct err *err)
{
    bool region = config->region.n > 0;
    for (size_t i = 0; i < config->region.n; i++)
        region = region &&
                 ((config->region.p[i] >= 'a' && config->region.p[i] <= 'z') ||
                  (config->region.p[i] >= '0' && config->region.p[i] <= '9') || config->region.p[i] == '-');
    if (!region)
        return err_set(err, TC_EINPUT, "an sns channel needs a region, such as eu-west-1");
    int rc = chat_check_to(config, "topics, as arn:aws:sns:…", err);
    for (size_t i = 0; rc == 0 && i < config->to_count; i++)
        if (!sv_starts(config->to[i], SV("arn:")))
            rc = err_set(err, TC_EINPUT, "to: \"%.*s\" is not a topic's ARN",
                         SV_FMT(sv_head(config->to[i], 80)));
    return rc == 0 ? service_check(&service, config, err) : rc;
}

/* ASCII, one line: SNS refuses others. */
static void put_subject(const struct payload *p, struct buf *out)
{
    struct buf text;
    buf_init(&text, 4096);
    chat_title(p, CHAT_PLAIN, SUBJECT_BYTES, &text);
    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] >= 0x7f)
            text.p[i] = '?';
    service_form(out, "Subject", buf_view(&text));
    buf_free(&text);
}

static void put_attribute(struct buf *out, unsigned number, const char *name, struct sv value)
{
    char key[80];
    snprintf(key, sizeof key, "MessageAttributes.entry.%u.Name", number);
    service_form(out, key, sv_of(name));
    snprintf(key, sizeof key, "MessageAttributes.entry.%u.Value.DataType", number);
    service_form(out, key, SV("String"));
    snprintf(key, sizeof key, "MessageAttributes.entry.%u.Value.StringValue", number);
    service_form(out, key, value);
}

static void publish(const struct channel_config *config, const struct payload *p,
                    const struct message *message, struct sv topic, struct buf *out)
{
    (void)config;
    struct buf text;
    buf_init(&text, 64 << 10);
    service_begin(out, "POST");
    buf_str(out, "/");
    service_body(out);
    service_form(out, "Action", SV("Publish"));
    service_form(out, "Version", SV("2010-03-31"));
    service_form(out, "TopicArn", topic);
    put_subject(p, out);
    chat_text(p, message->console_url, CHAT_PLAIN, TEXT_BYTES, &text);
    service_form(out, "Message", buf_view(&text));
    put_attribute(out, 1, "severity", sv_of(severity_name(p->severity)));
    put_attribute(out, 2, "status",
                  payload_is_over(p)        ? SV("resolved")
                  : chat_is_acknowledged(p) ? SV("acknowledged")
                                            : SV("firing"));
    put_attribute(out, 3, "alert_id", p->id);
    if (sv_ends(topic, SV(".fifo"))) {
        uint8_t digest[TC_SHA256_BYTES];
        char hex[TC_SHA256_HEX];
        hash_sha256(message->key, digest);
        hash_hex(digest, sizeof digest, hex);
        service_form(out, "MessageGroupId", sv_head(p->id, 128));
        service_form(out, "MessageDeduplicationId", sv_of(hex));
    }
    service_end(out);
    buf_free(&text);
}

static int sns_body(const struct channel_config *config, const struct message *message, struct buf *out,
                    struct err *err)
{
    return chat_body_each(config, message, publish, out, err);
}

const struct channel channel_sns = {.type = "sns",
                                    .check = sns_check,
                                    .body = sns_body,
                                    .service = &service,
                                    .lowest = SEVERITY_P4,
                                    .tells_resolved = true};
