/*
 * OTLP's JSON as protobuf; see otlp.h. Tables say what a member's number and wire form are, so that there is
 * one reader of metrics and not two. Numbers may be texts and texts numbers, as the protocol's JSON has both.
 */
#include "metrics/otlp/otlp.h"

#include "base/go_text.h"
#include "template/value.h"

#include <math.h>
#include <string.h>

enum json_form { TEXT, BOOL, VARINT, ZIGZAG, FIXED, DOUBLE, MESSAGE };
enum { DEPTH_MAX = 32 };

struct message;
struct member {
    const char *name; /* NULL ends a table */
    uint32_t number;
    enum json_form form;
    const struct message *message;
};
struct message {
    const struct member *members;
};

static const struct message any_value;
static const struct message key_value = {
    (const struct member[]){{"key", 1, TEXT, NULL}, {"value", 2, MESSAGE, &any_value}, {0}}};
static const struct message array_value = {(const struct member[]){{"values", 1, MESSAGE, &any_value}, {0}}};
static const struct message map_value = {(const struct member[]){{"values", 1, MESSAGE, &key_value}, {0}}};
/* Bytes are base64 in JSON and in labels: they stay the text that they are. */
static const struct message any_value = {(const struct member[]){{"stringValue", 1, TEXT, NULL},
                                                                 {"boolValue", 2, BOOL, NULL},
                                                                 {"intValue", 3, VARINT, NULL},
                                                                 {"doubleValue", 4, DOUBLE, NULL},
                                                                 {"arrayValue", 5, MESSAGE, &array_value},
                                                                 {"kvlistValue", 6, MESSAGE, &map_value},
                                                                 {"bytesValue", 1, TEXT, NULL},
                                                                 {0}}};
static const struct message resource = {(const struct member[]){{"attributes", 1, MESSAGE, &key_value}, {0}}};
static const struct message number_point = {(const struct member[]){{"startTimeUnixNano", 2, FIXED, NULL},
                                                                    {"timeUnixNano", 3, FIXED, NULL},
                                                                    {"asDouble", 4, DOUBLE, NULL},
                                                                    {"asInt", 6, FIXED, NULL},
                                                                    {"attributes", 7, MESSAGE, &key_value},
                                                                    {"flags", 8, VARINT, NULL},
                                                                    {0}}};
static const struct message histogram_point = {(const struct member[]){{"startTimeUnixNano", 2, FIXED, NULL},
                                                                       {"timeUnixNano", 3, FIXED, NULL},
                                                                       {"count", 4, FIXED, NULL},
                                                                       {"sum", 5, DOUBLE, NULL},
                                                                       {"bucketCounts", 6, FIXED, NULL},
                                                                       {"explicitBounds", 7, DOUBLE, NULL},
                                                                       {"attributes", 9, MESSAGE, &key_value},
                                                                       {"flags", 10, VARINT, NULL},
                                                                       {0}}};
static const struct message buckets = {
    (const struct member[]){{"offset", 1, ZIGZAG, NULL}, {"bucketCounts", 2, VARINT, NULL}, {0}}};
static const struct message exponential_point = {
    (const struct member[]){{"attributes", 1, MESSAGE, &key_value},
                            {"startTimeUnixNano", 2, FIXED, NULL},
                            {"timeUnixNano", 3, FIXED, NULL},
                            {"count", 4, FIXED, NULL},
                            {"sum", 5, DOUBLE, NULL},
                            {"scale", 6, ZIGZAG, NULL},
                            {"zeroCount", 7, FIXED, NULL},
                            {"positive", 8, MESSAGE, &buckets},
                            {"negative", 9, MESSAGE, &buckets},
                            {"flags", 10, VARINT, NULL},
                            {"zeroThreshold", 14, DOUBLE, NULL},
                            {0}}};
static const struct message quantile = {
    (const struct member[]){{"quantile", 1, DOUBLE, NULL}, {"value", 2, DOUBLE, NULL}, {0}}};
static const struct message summary_point = {
    (const struct member[]){{"startTimeUnixNano", 2, FIXED, NULL},
                            {"timeUnixNano", 3, FIXED, NULL},
                            {"count", 4, FIXED, NULL},
                            {"sum", 5, DOUBLE, NULL},
                            {"quantileValues", 6, MESSAGE, &quantile},
                            {"attributes", 7, MESSAGE, &key_value},
                            {"flags", 8, VARINT, NULL},
                            {0}}};
static const struct message gauge = {(const struct member[]){{"dataPoints", 1, MESSAGE, &number_point}, {0}}};
static const struct message sum = {(const struct member[]){{"dataPoints", 1, MESSAGE, &number_point},
                                                           {"aggregationTemporality", 2, VARINT, NULL},
                                                           {"isMonotonic", 3, BOOL, NULL},
                                                           {0}}};
static const struct message histogram = {(const struct member[]){
    {"dataPoints", 1, MESSAGE, &histogram_point}, {"aggregationTemporality", 2, VARINT, NULL}, {0}}};
static const struct message exponential = {(const struct member[]){
    {"dataPoints", 1, MESSAGE, &exponential_point}, {"aggregationTemporality", 2, VARINT, NULL}, {0}}};
static const struct message summary = {
    (const struct member[]){{"dataPoints", 1, MESSAGE, &summary_point}, {0}}};
static const struct message metric = {
    (const struct member[]){{"name", 1, TEXT, NULL},
                            {"description", 2, TEXT, NULL},
                            {"unit", 3, TEXT, NULL},
                            {"gauge", 5, MESSAGE, &gauge},
                            {"sum", 7, MESSAGE, &sum},
                            {"histogram", 9, MESSAGE, &histogram},
                            {"exponentialHistogram", 10, MESSAGE, &exponential},
                            {"summary", 11, MESSAGE, &summary},
                            {0}}};
static const struct message scope_metrics = {(const struct member[]){{"metrics", 2, MESSAGE, &metric}, {0}}};
static const struct message resource_metrics = {(const struct member[]){
    {"resource", 1, MESSAGE, &resource}, {"scopeMetrics", 2, MESSAGE, &scope_metrics}, {0}}};
static const struct message request = {
    (const struct member[]){{"resourceMetrics", 1, MESSAGE, &resource_metrics}, {0}}};

/* --- writing --- */

static void put_varint(struct buf *out, uint64_t v)
{
    for (; v > 127; v >>= 7)
        buf_u8(out, (uint8_t)(v & 127) | 128);
    buf_u8(out, (uint8_t)v);
}

static void put_key(struct buf *out, uint32_t number, unsigned wire)
{
    put_varint(out, (uint64_t)number << 3 | wire);
}

static int bad(struct err *err, const struct member *member, const char *what)
{
    return err_set(err, TC_EINPUT, "%s: %s is expected", member->name, what);
}

/* The words of AggregationTemporality, which the protocol forbids and some send. */
static bool is_temporality(struct sv text, int64_t *ret)
{
    *ret = sv_is(text, "AGGREGATION_TEMPORALITY_DELTA") ? 1 : 2;
    return *ret == 1 || sv_is(text, "AGGREGATION_TEMPORALITY_CUMULATIVE");
}

static bool integer_of(const struct template_value *v, int64_t *ret)
{
    double number;
    if (v->kind == TEMPLATE_INT) {
        *ret = v->as.integer;
        return true;
    }
    if (v->kind == TEMPLATE_STRING)
        return go_parse_int(v->as.text, ret) || is_temporality(v->as.text, ret);
    if (v->kind != TEMPLATE_FLOAT)
        return false;
    number = v->as.number;
    if (number != trunc(number) || number >= 0x1p63 || number < -0x1p63)
        return false;
    *ret = (int64_t)number;
    return true;
}

static bool number_of(const struct template_value *v, double *ret)
{
    if (v->kind == TEMPLATE_FLOAT)
        *ret = v->as.number;
    else if (v->kind == TEMPLATE_INT)
        *ret = (double)v->as.integer;
    else
        return v->kind == TEMPLATE_STRING && go_parse_float(v->as.text, ret);
    return true;
}

static int put_message(const struct message *m, const struct template_value *v, unsigned depth,
                       struct buf *out, struct err *err);

static int put_nested(const struct member *member, const struct template_value *v, unsigned depth,
                      struct buf *out, struct err *err)
{
    struct buf inner;
    if (v->kind != TEMPLATE_MAP)
        return bad(err, member, "an object");
    buf_init(&inner, out->max_bytes);
    int rc = put_message(member->message, v, depth + 1, &inner, err);
    if (rc == 0) {
        put_key(out, member->number, 2);
        put_varint(out, inner.n);
        buf_sv(out, buf_view(&inner));
        out->overflow = out->overflow || inner.overflow;
    }
    buf_free(&inner);
    return rc;
}

static int put_one(const struct member *member, const struct template_value *v, unsigned depth,
                   struct buf *out, struct err *err)
{
    int64_t integer;
    double number;
    uint64_t bits;
    switch (member->form) {
    case TEXT:
        if (v->kind != TEMPLATE_STRING)
            return bad(err, member, "a text");
        put_key(out, member->number, 2);
        put_varint(out, v->as.text.n);
        buf_sv(out, v->as.text);
        return 0;
    case BOOL:
        if (v->kind != TEMPLATE_BOOL)
            return bad(err, member, "true or false");
        put_key(out, member->number, 0);
        put_varint(out, v->as.boolean);
        return 0;
    case VARINT:
    case ZIGZAG:
    case FIXED:
        if (!integer_of(v, &integer))
            return bad(err, member, "a whole number");
        put_key(out, member->number, member->form == FIXED ? 1 : 0);
        if (member->form == FIXED)
            buf_u64(out, (uint64_t)integer);
        else
            put_varint(out, member->form == VARINT ? (uint64_t)integer
                                                   : (uint64_t)integer << 1 ^ (uint64_t)(integer >> 63));
        return 0;
    case DOUBLE:
        if (!number_of(v, &number))
            return bad(err, member, "a number");
        memcpy(&bits, &number, sizeof bits);
        put_key(out, member->number, 1);
        buf_u64(out, bits);
        return 0;
    case MESSAGE:
        return put_nested(member, v, depth, out, err);
    }
    return 0;
}

static int put_message(const struct message *m, const struct template_value *v, unsigned depth,
                       struct buf *out, struct err *err)
{
    int rc = 0;
    if (depth > DEPTH_MAX)
        return err_set(err, TC_EINPUT, "values are nested more than %d deep", DEPTH_MAX);
    for (const struct member *member = m->members; rc == 0 && member->name != NULL; member++) {
        const struct template_value *value = template_get(*v, sv_of(member->name));
        if (value == NULL || value->kind == TEMPLATE_NONE)
            continue;
        if (value->kind != TEMPLATE_LIST) {
            rc = put_one(member, value, depth, out, err);
            continue;
        }
        for (size_t i = 0; rc == 0 && i < value->as.list->n; i++)
            rc = put_one(member, &value->as.list->items[i], depth, out, err);
    }
    return rc;
}

int otlp_from_json(struct sv json, struct buf *out, struct err *err)
{
    struct arena arena = {0};
    struct template_value root;
    int rc = template_from_json(&arena, json, &root, err);
    if (rc == 0 && root.kind != TEMPLATE_MAP)
        rc = err_set(err, TC_EINPUT,
                     "the body is not a JSON object: {\"resourceMetrics\": [...]} is expected");
    if (rc == 0)
        rc = put_message(&request, &root, 0, out, err);
    if (rc == 0 && out->overflow)
        rc = err_set(err, TC_EBOUND, "the body is too long");
    arena_free(&arena);
    return rc;
}
