/*
 * /api/v1/targets and /api/v1/targets/metadata, as Prometheus answers them.
 */
#include "api/api_priv.h"

#include "base/json_out.h"
#include "base/num.h"
#include "metrics/promql/parser.h"
#include "metrics/scrape/manager.h"

struct asked {
    struct arena arena;
    struct sv state, pool, match_target, metric, limit;
};

static bool take(void *context, struct sv name, struct sv value)
{
    struct asked *a = context;
    const struct {
        const char *name;
        struct sv *to;
    } known[] = {{"state", &a->state},
                 {"scrapePool", &a->pool},
                 {"match_target", &a->match_target},
                 {"metric", &a->metric},
                 {"limit", &a->limit}};
    for (size_t i = 0; i < TC_ARRAY_LEN(known); i++)
        if (sv_is(name, known[i].name))
            *known[i].to = arena_sv(&a->arena, value);
    return true;
}

static void refuse(struct reply *reply, unsigned status, const char *type, const char *text)
{
    reply_json(reply, status);
    struct json_out json = json_out_to(&reply->body);
    json_object(&json);
    json_kv_str(&json, "status", "error");
    json_kv_str(&json, "errorType", type);
    json_kv_str(&json, "error", text);
    json_object_end(&json);
}

static bool begin(struct api *api, struct request *request, struct asked *asked, struct reply *reply)
{
    if (api->options.tsdb == NULL)
        refuse(reply, 404, "not_found", "metrics are off: set metrics.enabled in the configuration");
    else if (!request_query(request, take, asked))
        refuse(reply, 400, "bad_data", "a parameter is not properly encoded");
    else
        return true;
    return false;
}

/* {"status":"success","data":…} around what `data` holds. */
static void answer(struct reply *reply, const struct buf *data)
{
    if (data->overflow) {
        refuse(reply, 422, "execution", "the answer is longer than 64 MiB: ask for less");
        return;
    }
    reply_json(reply, 200);
    buf_str(&reply->body, "{\"status\":\"success\",\"data\":");
    buf_sv(&reply->body, buf_view(data));
    buf_char(&reply->body, '}');
}

void targets_list(struct api *api, struct request *request, struct reply *reply)
{
    struct asked asked = {0};
    struct buf data;
    buf_init(&data, TC_API_REPLY_BYTES - 64);
    if (begin(api, request, &asked, reply)) {
        if (api->options.scrape != NULL)
            scrape_manager_targets(api->options.scrape, asked.state, asked.pool, &data);
        else
            buf_str(&data, "{\"activeTargets\":[],\"droppedTargets\":[],\"droppedTargetCounts\":{}}");
        answer(reply, &data);
    }
    buf_free(&data);
    arena_free(&asked.arena);
}

void targets_pools(struct api *api, struct request *request, struct reply *reply)
{
    struct asked asked = {0};
    struct buf data;
    buf_init(&data, TC_API_REPLY_BYTES - 64);
    if (begin(api, request, &asked, reply)) {
        if (api->options.scrape != NULL)
            scrape_manager_pools(api->options.scrape, &data);
        else
            buf_str(&data, "{\"scrapePools\":[]}");
        answer(reply, &data);
    }
    buf_free(&data);
    arena_free(&asked.arena);
}

static void list_metadata(struct api *api, const struct asked *asked, size_t limit, struct reply *reply)
{
    struct promql_parse parse = {0};
    struct err err = {0};
    struct buf data;
    buf_init(&data, TC_API_REPLY_BYTES - 64);
    const bool all = asked->match_target.n == 0;
    if (!all && promql_parse_selector(&parse, asked->match_target, &err) != 0) {
        struct err why = {0};
        err_set(&why, TC_EINPUT, "invalid parameter \"match_target\": %s", err.text);
        refuse(reply, 400, "bad_data", why.text);
    } else {
        if (api->options.scrape != NULL)
            scrape_manager_metadata(api->options.scrape, all ? NULL : parse.expr->matchers,
                                    all ? 0 : parse.expr->matcher_count, asked->metric, limit, &data);
        else
            buf_str(&data, "[]");
        answer(reply, &data);
    }
    promql_parse_free(&parse);
    buf_free(&data);
}

void targets_metadata(struct api *api, struct request *request, struct reply *reply)
{
    struct asked asked = {0};
    uint64_t limit = SIZE_MAX, below = 0;
    if (begin(api, request, &asked, reply)) {
        bool negative =
            asked.limit.n > 1 && asked.limit.p[0] == '-' &&
            num_u64(sv_from(asked.limit, 1), 0, INT64_MAX, &below); /* no limit, as in Prometheus */
        if (asked.limit.n > 0 && !negative && !num_u64(asked.limit, 0, SIZE_MAX, &limit))
            refuse(reply, 400, "bad_data", "limit must be a number");
        else
            list_metadata(api, &asked, limit, reply);
    }
    arena_free(&asked.arena);
}
