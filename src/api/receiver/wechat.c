/*
 * WeChat Work: a token is fetched and kept for two hours, then the message is sent with it.
 */
#include "api/receiver/receiver.h"

enum { FORM_MAX_BYTES = 64 << 10 };
#define TOKEN_KEPT_NS (2 * 3600 * TC_SECOND_NS)

struct plan {
    struct sv token_url; /* also the key of the kept token */
    struct sv send_url;  /* without the token */
    struct sv message;
};

static void write_content(struct receiver_draft *d, const char *name, struct sv text)
{
    json_key(&d->out, sv_of(name));
    json_object(&d->out);
    json_kv_string(&d->out, "content", text);
    json_object_end(&d->out);
}

static void write_message(struct receiver_draft *d)
{
    struct sv type = am_get_text(d->own, "message_type"), text = receiver_text(d, d->own, "message");
    bool markdown = sv_is(type, "markdown");
    json_object(&d->out);
    write_content(d, "text", markdown ? SV("") : text);
    receiver_member(d, "touser", receiver_text(d, d->own, "to_user"));
    receiver_member(d, "toparty", receiver_text(d, d->own, "to_party"));
    receiver_member(d, "totag", receiver_text(d, d->own, "to_tag"));
    receiver_member(d, "agentid", receiver_text(d, d->own, "agent_id"));
    json_kv_str(&d->out, "safe", "0");
    receiver_member(d, "msgtype", type);
    write_content(d, "markdown", markdown ? text : SV(""));
    json_object_end(&d->out);
}

static struct courier_request send_request(struct courier_job *job, struct sv token)
{
    const struct plan *plan = job->plan;
    struct buf query;
    buf_init(&query, FORM_MAX_BYTES);
    receiver_add_parameter(&query, "access_token", token);
    struct sv mark = sv_find_char(plan->send_url, '?') < plan->send_url.n ? SV("&") : SV("?");
    struct sv url = arena_printf(&job->arena, "%.*s%.*s%.*s", SV_FMT(plan->send_url), SV_FMT(mark),
                                 SV_FMT(buf_view(&query)));
    buf_free(&query);
    return (struct courier_request){
        .method = "POST", .url = url, .content_type = "application/json", .body = plan->message};
}

static void begin(struct courier *courier, struct courier_job *job)
{
    const struct plan *plan = job->plan;
    struct sv token = courier_token(courier, plan->token_url);
    job->step = token.n > 0;
    job->request = token.n > 0 ? send_request(job, token)
                               : (struct courier_request){.method = "GET", .url = plan->token_url};
}

void receiver_wechat(struct receiver_draft *d)
{
    struct plan *plan = ARENA_NEW(d->arena, struct plan);
    struct sv base = am_get_text(d->own, "api_url");
    struct buf query;
    buf_init(&query, FORM_MAX_BYTES);
    receiver_add_parameter(&query, "corpid", receiver_text(d, d->own, "corp_id"));
    receiver_add_parameter(&query, "corpsecret",
                           receiver_render(d, receiver_secret(d, d->own, "api_secret")));
    /* the token's query stands alone, whatever the address has */
    plan->token_url = receiver_url(d, sv_head(base, sv_find_char(base, '?')), SV("gettoken"),
                                   arena_str(d->arena, buf_view(&query)));
    buf_free(&query);
    write_message(d);
    plan->send_url = receiver_url(d, base, SV("message/send"), NULL);
    plan->message = receiver_json_request(d, "POST", plan->send_url).body;
    d->job->plan = plan;
    d->job->begin = begin;
}

static enum courier_verdict take_token(struct courier *courier, struct courier_job *job,
                                       const struct courier_answer *answer)
{
    struct sv token = receiver_answer_text(receiver_answer(job, answer), "access_token");
    if (answer->status == 0)
        return courier_judge_status(job, answer);
    if (token.n == 0) {
        courier_say(job, "invalid APISecret for CorpID", SV(""));
        return COURIER_REFUSED;
    }
    courier_keep_token(courier, ((const struct plan *)job->plan)->token_url, token, TOKEN_KEPT_NS);
    job->step = 1;
    job->request = send_request(job, token);
    return COURIER_NEXT;
}

enum courier_verdict receiver_wechat_answered(struct courier *courier, struct courier_job *job,
                                              const struct courier_answer *answer)
{
    enum { TOKEN_EXPIRED = 42001 };
    const struct plan *plan = job->plan;
    if (job->step == 0)
        return take_token(courier, job, answer);
    enum courier_verdict verdict = courier_judge_status(job, answer);
    if (answer->status != 200)
        return COURIER_AGAIN;
    struct template_value json = receiver_answer(job, answer);
    const struct template_value *code = json.kind == TEMPLATE_MAP ? template_get(json, SV("errcode")) : NULL;
    if (json.kind != TEMPLATE_MAP) {
        courier_say(job, "the answer is no JSON", SV(""));
        return COURIER_AGAIN;
    }
    double number = code != NULL && code->kind == TEMPLATE_FLOAT ? code->as.number : 0;
    if (number == 0)
        return verdict;
    courier_say(job, "error response from WeChat", receiver_answer_text(json, "errmsg"));
    if (number != TOKEN_EXPIRED)
        return COURIER_REFUSED;
    courier_drop_token(courier, plan->token_url);
    return COURIER_AGAIN;
}
