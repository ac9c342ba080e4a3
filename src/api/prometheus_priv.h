/*
 * What the routes of Prometheus' HTTP API share: a question's parameters, its times and selectors, and the
 * shape of answers and errors (https://prometheus.io/docs/prometheus/latest/querying/api/).
 */
#ifndef API_PROMETHEUS_PRIV_H
#define API_PROMETHEUS_PRIV_H

#include "api/api_priv.h"

#include "base/json_out.h"
#include "metrics/promql/result_json.h"
#include "metrics/tsdb/tsdb.h"

enum {
    QUESTION_PARAMETERS_MAX = 1024,
    QUESTION_LIST_MAX = 1000 * 1000, /* of names, values, series in one answer */
};
#define QUESTION_MIN_MS (INT64_MIN / 4) /* where no start is given */
#define QUESTION_MAX_MS (INT64_MAX / 4)

struct question_parameter {
    struct sv name, value;
};

struct question {
    struct api *api;
    struct reply *reply;
    struct arena arena;
    struct question_parameter *parameters; /* of the form, then of the address */
    size_t count;
    bool too_many;
    int64_t deadline_ns; /* monotonic, of a query */
    struct promql_parse *matches;
    size_t match_count;
};

/* Reads the parameters. False where the reply says what is wrong; question_end in any case. With
 * `needs_store`, metrics that are off are 404. */
bool question_begin(struct question *q, struct api *api, struct request *request, struct reply *reply,
                    bool needs_store);
void question_end(struct question *q);

/* The first of this name; p == NULL where there is none. */
struct sv question_get(const struct question *q, const char *name);
/* All of this name, in the arena. */
size_t question_all(struct question *q, const char *name, struct sv **ret);

/* {"status":"error",…} in place of what was said before. */
void question_refuse(struct question *q, unsigned status, const char *type, const char *format, ...)
    TC_PRINTF(4, 5);
/* 400 bad_data: invalid parameter "NAME": … Returns false. */
bool question_invalid(struct question *q, const char *name, const char *format, ...) TC_PRINTF(3, 4);

int64_t question_now_ms(const struct question *q);
/* Seconds or RFC 3339. `required`: a missing one is refused, in Prometheus' words for such parameters. */
bool question_time(struct question *q, const char *name, bool required, int64_t fallback_ms, int64_t *ret_ms);
/* Seconds or a duration; an empty one is refused. */
bool question_duration(struct question *q, const char *name, struct sv text, int64_t *ret_ms);
/* `start` and `end`, both optional. */
bool question_window(struct question *q, int64_t *ret_min, int64_t *ret_max);
/* `limit`; 0: none. */
bool question_limit(struct question *q, size_t *ret);
/* Reads each match[] into q->matches. `where`: named in the error, or NULL. `strict`: each must refuse the
 * empty label set. */
bool question_matches(struct question *q, const char *where, bool strict);

/* {"status":"success","data": and, at the end, warnings and }; an answer that is too long becomes an error.
 */
struct json_out question_answer(struct question *q);
void question_answered(struct question *q, struct json_out *json);

/* The whole of a handler where a remote store answers in place of ours; false: it does not. */
bool question_relayed(struct api *api, struct request *request, struct reply *reply);

extern const struct sv question_truncated; /* the warning where `limit` cut an answer */

#endif
