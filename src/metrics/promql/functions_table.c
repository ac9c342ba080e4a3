/*
 * The table of functions; see functions.h. Sorted by name.
 */
#include "metrics/promql/functions.h"

#include <stdlib.h>

static const struct promql_function functions[] = {
    {"abs", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_ABS},
    {"absent", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_ABSENT},
    {"absent_over_time", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_ABSENT_OVER_TIME},
    {"acos", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_ACOS},
    {"acosh", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_ACOSH},
    {"asin", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_ASIN},
    {"asinh", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_ASINH},
    {"atan", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_ATAN},
    {"atanh", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_ATANH},
    {"avg_over_time", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_AVG_OVER_TIME},
    {"ceil", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_CEIL},
    {"changes", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_CHANGES},
    {"clamp", VALUE_VECTOR, {VALUE_VECTOR, VALUE_SCALAR, VALUE_SCALAR}, 0, FN_CLAMP},
    {"clamp_max", VALUE_VECTOR, {VALUE_VECTOR, VALUE_SCALAR}, 0, FN_CLAMP_MAX},
    {"clamp_min", VALUE_VECTOR, {VALUE_VECTOR, VALUE_SCALAR}, 0, FN_CLAMP_MIN},
    {"cos", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_COS},
    {"cosh", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_COSH},
    {"count_over_time", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_COUNT_OVER_TIME},
    {"day_of_month", VALUE_VECTOR, {VALUE_VECTOR}, 1, FN_DAY_OF_MONTH},
    {"day_of_week", VALUE_VECTOR, {VALUE_VECTOR}, 1, FN_DAY_OF_WEEK},
    {"day_of_year", VALUE_VECTOR, {VALUE_VECTOR}, 1, FN_DAY_OF_YEAR},
    {"days_in_month", VALUE_VECTOR, {VALUE_VECTOR}, 1, FN_DAYS_IN_MONTH},
    {"deg", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_DEG},
    {"delta", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_DELTA},
    {"deriv", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_DERIV},
    {"double_exponential_smoothing",
     VALUE_VECTOR,
     {VALUE_MATRIX, VALUE_SCALAR, VALUE_SCALAR},
     0,
     FN_DOUBLE_EXPONENTIAL_SMOOTHING},
    {"end", VALUE_SCALAR, {VALUE_NONE}, 0, FN_END},
    {"exp", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_EXP},
    {"first_over_time", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_FIRST_OVER_TIME},
    {"floor", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_FLOOR},
    {"histogram_avg", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_HISTOGRAM_AVG},
    {"histogram_count", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_HISTOGRAM_COUNT},
    {"histogram_fraction",
     VALUE_VECTOR,
     {VALUE_SCALAR, VALUE_SCALAR, VALUE_VECTOR},
     0,
     FN_HISTOGRAM_FRACTION},
    {"histogram_quantile", VALUE_VECTOR, {VALUE_SCALAR, VALUE_VECTOR}, 0, FN_HISTOGRAM_QUANTILE},
    {"histogram_quantiles",
     VALUE_VECTOR,
     {VALUE_VECTOR, VALUE_STRING, VALUE_SCALAR, VALUE_SCALAR},
     9,
     FN_HISTOGRAM_QUANTILES},
    {"histogram_stddev", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_HISTOGRAM_STDDEV},
    {"histogram_stdvar", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_HISTOGRAM_STDVAR},
    {"histogram_sum", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_HISTOGRAM_SUM},
    {"hour", VALUE_VECTOR, {VALUE_VECTOR}, 1, FN_HOUR},
    {"idelta", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_IDELTA},
    {"increase", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_INCREASE},
    {"info", VALUE_VECTOR, {VALUE_VECTOR, VALUE_VECTOR}, 1, FN_INFO},
    {"integral", VALUE_VECTOR, {VALUE_MATRIX, VALUE_SCALAR}, 1, FN_INTEGRAL},
    {"irate", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_IRATE},
    {"label_join", VALUE_VECTOR, {VALUE_VECTOR, VALUE_STRING, VALUE_STRING, VALUE_STRING}, -1, FN_LABEL_JOIN},
    {"label_replace",
     VALUE_VECTOR,
     {VALUE_VECTOR, VALUE_STRING, VALUE_STRING, VALUE_STRING, VALUE_STRING},
     0,
     FN_LABEL_REPLACE},
    {"last_over_time", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_LAST_OVER_TIME},
    {"ln", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_LN},
    {"log10", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_LOG10},
    {"log2", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_LOG2},
    {"mad_over_time", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_MAD_OVER_TIME},
    {"max_of", VALUE_SCALAR, {VALUE_SCALAR, VALUE_SCALAR}, 0, FN_MAX_OF},
    {"max_over_time", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_MAX_OVER_TIME},
    {"min_of", VALUE_SCALAR, {VALUE_SCALAR, VALUE_SCALAR}, 0, FN_MIN_OF},
    {"min_over_time", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_MIN_OVER_TIME},
    {"minute", VALUE_VECTOR, {VALUE_VECTOR}, 1, FN_MINUTE},
    {"month", VALUE_VECTOR, {VALUE_VECTOR}, 1, FN_MONTH},
    {"pi", VALUE_SCALAR, {VALUE_NONE}, 0, FN_PI},
    {"predict_linear", VALUE_VECTOR, {VALUE_MATRIX, VALUE_SCALAR}, 0, FN_PREDICT_LINEAR},
    {"present_over_time", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_PRESENT_OVER_TIME},
    {"quantile_over_time", VALUE_VECTOR, {VALUE_SCALAR, VALUE_MATRIX}, 0, FN_QUANTILE_OVER_TIME},
    {"rad", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_RAD},
    {"range", VALUE_SCALAR, {VALUE_NONE}, 0, FN_RANGE},
    {"rate", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_RATE},
    {"resets", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_RESETS},
    {"round", VALUE_VECTOR, {VALUE_VECTOR, VALUE_SCALAR}, 1, FN_ROUND},
    {"scalar", VALUE_SCALAR, {VALUE_VECTOR}, 0, FN_SCALAR},
    {"sgn", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_SGN},
    {"sin", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_SIN},
    {"sinh", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_SINH},
    {"sort", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_SORT},
    {"sort_by_label", VALUE_VECTOR, {VALUE_VECTOR, VALUE_STRING}, -1, FN_SORT_BY_LABEL},
    {"sort_by_label_desc", VALUE_VECTOR, {VALUE_VECTOR, VALUE_STRING}, -1, FN_SORT_BY_LABEL_DESC},
    {"sort_desc", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_SORT_DESC},
    {"sqrt", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_SQRT},
    {"start", VALUE_SCALAR, {VALUE_NONE}, 0, FN_START},
    {"start_timestamp", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_START_TIMESTAMP},
    {"stddev_over_time", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_STDDEV_OVER_TIME},
    {"stdvar_over_time", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_STDVAR_OVER_TIME},
    {"step", VALUE_SCALAR, {VALUE_NONE}, 0, FN_STEP},
    {"sum_over_time", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_SUM_OVER_TIME},
    {"tan", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_TAN},
    {"tanh", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_TANH},
    {"time", VALUE_SCALAR, {VALUE_NONE}, 0, FN_TIME},
    {"timestamp", VALUE_VECTOR, {VALUE_VECTOR}, 0, FN_TIMESTAMP},
    {"ts_of_first_over_time", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_TS_OF_FIRST_OVER_TIME},
    {"ts_of_last_over_time", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_TS_OF_LAST_OVER_TIME},
    {"ts_of_max_over_time", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_TS_OF_MAX_OVER_TIME},
    {"ts_of_min_over_time", VALUE_VECTOR, {VALUE_MATRIX}, 0, FN_TS_OF_MIN_OVER_TIME},
    {"vector", VALUE_VECTOR, {VALUE_SCALAR}, 0, FN_VECTOR},
    {"year", VALUE_VECTOR, {VALUE_VECTOR}, 1, FN_YEAR},
};

static int by_name(const void *key, const void *row)
{
    const struct sv *name = key;
    const struct promql_function *function = row;
    return sv_cmp(*name, sv_of(function->name));
}

const struct promql_function *function_find(struct sv name)
{
    return bsearch(&name, functions, TC_ARRAY_LEN(functions), sizeof functions[0], by_name);
}

const struct promql_function *function_at(size_t index)
{
    return index < TC_ARRAY_LEN(functions) ? &functions[index] : NULL;
}

bool function_is_experimental(const struct promql_function *function)
{
    static const bool experimental[FN_COUNT] = {
        [FN_DOUBLE_EXPONENTIAL_SMOOTHING] = true,
        [FN_END] = true,
        [FN_HISTOGRAM_QUANTILES] = true,
        [FN_INFO] = true,
        [FN_INTEGRAL] = true,
        [FN_MAD_OVER_TIME] = true,
        [FN_MAX_OF] = true,
        [FN_MIN_OF] = true,
        [FN_RANGE] = true,
        [FN_SORT_BY_LABEL] = true,
        [FN_SORT_BY_LABEL_DESC] = true,
        [FN_START] = true,
        [FN_START_TIMESTAMP] = true,
        [FN_STEP] = true,
        [FN_TS_OF_FIRST_OVER_TIME] = true,
        [FN_TS_OF_LAST_OVER_TIME] = true,
        [FN_TS_OF_MAX_OVER_TIME] = true,
        [FN_TS_OF_MIN_OVER_TIME] = true,
    };
    return experimental[function->id];
}
