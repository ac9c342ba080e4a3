/*
 * Questions of Prometheus' API that a remote store answers in place of ours: its answer is handed on as it
 * is, status and all, so that whoever asks here gets what they would get there.
 */
#include "api/prometheus_priv.h"

#include "metrics/remote/remote_store.h"
#include "template/template.h"

enum { PATH_BYTES_MAX = 256 << 10 };

static bool is_over(void *context)
{
    return workers_ending(&((const struct question *)context)->api->asides);
}

static void put_parameters(const struct question *q, struct buf *out)
{
    for (size_t i = 0; i < q->count; i++) {
        buf_str(out, i > 0 ? "&" : "");
        template_query_escape(q->parameters[i].name, out);
        buf_char(out, '=');
        template_query_escape(q->parameters[i].value, out);
    }
}

static void hand_on(struct question *q, const struct remote_answer *answer)
{
    struct sv body = sv_trim(buf_view(&answer->body));
    if (body.n == 0 || body.p[0] != '{') { /* a proxy's page, most likely */
        question_refuse(q, 502, "unavailable", "the remote store answered %ld, and no JSON: %.*s",
                        answer->status, SV_FMT(sv_head(body, 300)));
        return;
    }
    reply_json(q->reply, (unsigned)answer->status);
    buf_sv(&q->reply->body, body);
    if (q->reply->body.overflow)
        question_refuse(q, 422, "execution", "the answer is longer than %d MiB: ask for less",
                        TC_API_REPLY_BYTES >> 20);
}

static void ask(struct question *q, struct sv path, bool by_get)
{
    struct remote_querier *querier = remote_querier_open(q->api->options.remote, is_over, q);
    struct remote_answer *answer;
    struct err err = {0};
    struct buf target, form;
    buf_init(&target, PATH_BYTES_MAX);
    buf_init(&form, PATH_BYTES_MAX);
    buf_sv(&target, path);
    if (by_get)
        buf_char(&target, '?');
    put_parameters(q, by_get ? &target : &form);
    struct sv body = by_get ? (struct sv){0} : sv_make(form.p == NULL ? "" : form.p, form.n);
    if (target.overflow || form.overflow)
        question_refuse(q, 400, "bad_data", "the question is longer than %d KiB", PATH_BYTES_MAX >> 10);
    else if (remote_querier_relay(querier, buf_view(&target), body, &answer, &err) != 0)
        question_refuse(q, 503, "unavailable", "%s", err.text);
    else
        hand_on(q, answer);
    buf_free(&target);
    buf_free(&form);
    remote_querier_close(&querier);
}

static void relay(struct api *api, struct request *request, struct reply *reply)
{
    struct question q;
    struct sv pattern = sv_of(request->match.route->pattern);
    bool values = request->match.param_count > 0; /* /api/v1/label/NAME/values */
    struct buf path;
    buf_init(&path, 4096);
    if (values) {
        buf_str(&path, "/api/v1/label/");
        template_query_escape(request->match.params[0], &path);
        buf_str(&path, "/values");
    } else {
        buf_sv(&path, pattern);
    }
    if (question_begin(&q, api, request, reply, true))
        ask(&q, buf_view(&path), values);
    question_end(&q);
    buf_free(&path);
}

bool question_relayed(struct api *api, struct request *request, struct reply *reply)
{
    if (api->options.remote == NULL)
        return false;
    aside_run(api, request, relay, reply);
    return true;
}
