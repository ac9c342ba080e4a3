/*
 * Load balancer and flow logs; see parse_aws.h.
 */
#include "event/parse_aws.h"

#include "event/parse_json.h"
#include "event/parse_web.h"
#include "event/text_event.h"

/* --- ALB --- */

enum alb_kind { ALB_TEXT, ALB_NUMBER, ALB_ADDRESS, ALB_REQUEST };
static const struct {
    const char *name;
    enum alb_kind kind;
} alb_columns[] = {
    {"type", ALB_TEXT},
    {"time", ALB_TEXT},
    {"elb", ALB_TEXT},
    {"client", ALB_ADDRESS},
    {"target", ALB_ADDRESS},
    {"request_processing_time", ALB_NUMBER},
    {"target_processing_time", ALB_NUMBER},
    {"response_processing_time", ALB_NUMBER},
    {"elb_status_code", ALB_NUMBER},
    {"target_status_code", ALB_NUMBER},
    {"received_bytes", ALB_NUMBER},
    {"sent_bytes", ALB_NUMBER},
    {"request", ALB_REQUEST},
    {"user_agent", ALB_TEXT},
    {"ssl_cipher", ALB_TEXT},
    {"ssl_protocol", ALB_TEXT},
    {"target_group_arn", ALB_TEXT},
    {"trace_id", ALB_TEXT},
    {"domain_name", ALB_TEXT},
    {"chosen_cert_arn", ALB_TEXT},
    {"matched_rule_priority", ALB_TEXT},
    {"request_creation_time", ALB_TEXT},
    {"actions_executed", ALB_TEXT},
    {"redirect_url", ALB_TEXT},
    {"error_reason", ALB_TEXT},
    {"target_port_list", ALB_TEXT},
    {"target_status_code_list", ALB_TEXT},
    {"classification", ALB_TEXT},
    {"classification_reason", ALB_TEXT},
    {"conn_trace_id", ALB_TEXT},
    {"transformed_host", ALB_TEXT},
    {"transformed_uri", ALB_TEXT},
    {"request_transform_status", ALB_TEXT},
};
enum { ALB_COLUMNS_MIN = 17 }; /* up to target_group_arn; later ones came with the years */

static const struct text_event_alias alb_names[] = {
    {"client", "source.ip"},
    {"client_port", "source.port"},
    {"elb_status_code", "http.response.status_code"},
    {"user_agent", "user_agent.original"},
    {"domain_name", "url.domain"},
    {"sent_bytes", "http.response.body.bytes"},
};

/* A column, in quotes or up to the next blank. */
static struct sv take_column(struct sv *rest)
{
    bool quoted = rest->n > 0 && rest->p[0] == '"';
    *rest = sv_from(*rest, quoted);
    size_t at = 0;
    while (at < rest->n && rest->p[at] != (quoted ? '"' : ' '))
        at += quoted && rest->p[at] == '\\' ? 2 : 1;
    at = TC_MIN(at, rest->n);
    struct sv column = sv_head(*rest, at);
    *rest = sv_from(*rest, at + quoted);
    *rest = sv_from(*rest, rest->n > 0 && rest->p[0] == ' ');
    return column;
}

/* "192.0.2.1:80", "[2001:db8::1]:80": client and client_port. */
static void add_address(struct text_event *text, const char *name, struct sv value)
{
    size_t colon = value.n;
    while (colon > 0 && value.p[colon - 1] != ':')
        colon--;
    struct sv port_name = sv_is(sv_of(name), "client") ? SV("client_port") : SV("target_port");
    struct sv address = colon == 0 ? value : sv_head(value, colon - 1);
    if (address.n > 2 && address.p[0] == '[' && address.p[address.n - 1] == ']')
        address = sv_make(address.p + 1, address.n - 2);
    text_event_add(text, sv_of(name), address, FIELD_STRING);
    if (colon > 0)
        text_event_add_guess(text, port_name, sv_from(value, colon));
}

static void add_alb_column(struct text_event *text, size_t column, struct sv value)
{
    const char *name = alb_columns[column].name;
    if (value.n == 0 || sv_is(value, "-"))
        return;
    switch (alb_columns[column].kind) {
    case ALB_TEXT:
        text_event_add(text, sv_of(name), value, FIELD_STRING);
        break;
    case ALB_NUMBER:
        text_event_add_guess(text, sv_of(name), value);
        break;
    case ALB_ADDRESS:
        add_address(text, name, value);
        break;
    case ALB_REQUEST:
        parse_web_add_request(text, value);
        break;
    }
}

static bool alb_type(struct sv word)
{
    static const char *const types[] = {"http", "https", "h2", "grpcs", "ws", "wss"};
    for (size_t i = 0; i < TC_ARRAY_LEN(types); i++)
        if (sv_is(word, types[i]))
            return true;
    return false;
}

static bool parse_alb_line(struct sv line, struct arena *arena, struct event *ret)
{
    struct text_event text;
    struct sv rest = line;
    size_t column = 0;
    text_event_begin(&text, arena);
    for (; rest.n > 0 && column < TC_ARRAY_LEN(alb_columns); column++)
        add_alb_column(&text, column, take_column(&rest));
    if (column < ALB_COLUMNS_MIN || !alb_type(text_event_value(&text, "type")) ||
        !parse_json_time(text_event_value(&text, "time"), 0, &ret->time.ns))
        return false;
    text_event_aliases(&text, alb_names, TC_ARRAY_LEN(alb_names));
    parse_web_add_sigma_names(&text);
    text_event_end(&text, ret);
    return true;
}

enum parse_outcome parse_alb(const struct parser *parser, struct parse_state *state, struct sv raw,
                             struct arena *arena, struct event *ret)
{
    (void)parser;
    (void)state;
    struct sv line = text_event_clean(raw, arena, ret);
    if (line.n == 0)
        return PARSE_SKIP;
    if (!parse_alb_line(line, arena, ret))
        return PARSE_TEXT;
    ret->product = SV("aws");
    ret->category = SV("webserver");
    ret->service = SV("elb");
    return PARSE_OK;
}

bool parse_aws_is_alb(struct sv line)
{
    struct arena arena = {0};
    struct event event = {0};
    struct sv rest = line;
    bool ok = alb_type(sv_cut(&rest, ' ')) && parse_alb_line(sv_trim(line), &arena, &event);
    arena_free(&arena);
    return ok;
}

/* --- VPC flow logs --- */

/* The first 14 are version 2, the first 29 in their own order (`version_5`) versions 3 to 5. */
static const char *const flow_columns[] = {
    "version",
    "account_id",
    "interface_id",
    "srcaddr",
    "dstaddr",
    "srcport",
    "dstport",
    "protocol",
    "packets",
    "bytes",
    "start",
    "end",
    "action",
    "log_status",
    "vpc_id",
    "subnet_id",
    "instance_id",
    "tcp_flags",
    "type",
    "pkt_srcaddr",
    "pkt_dstaddr",
    "region",
    "az_id",
    "sublocation_type",
    "sublocation_id",
    "pkt_src_aws_service",
    "pkt_dst_aws_service",
    "flow_direction",
    "traffic_path",
    "ecs_cluster_arn",
    "ecs_cluster_name",
    "ecs_container_instance_arn",
    "ecs_container_instance_id",
    "ecs_container_id",
    "ecs_second_container_id",
    "ecs_service_name",
    "ecs_task_definition_arn",
    "ecs_task_arn",
    "ecs_task_id",
    "reject_reason",
    "resource_id",
    "encryption_status",
    "interface_type",
};
enum { FLOW_VERSION_2 = 14, FLOW_VERSION_5 = 29 };

static const struct text_event_alias flow_names[] = {
    {"srcaddr", "source.ip"},        {"srcport", "source.port"},          {"dstaddr", "destination.ip"},
    {"dstport", "destination.port"}, {"protocol", "network.iana_number"}, {"action", "event.action"},
};

/* AWS writes account-id in headers and documents, account_id is what its own tables call it. */
static bool is_column(struct sv word, const char *name)
{
    if (word.n != strlen(name))
        return false;
    for (size_t i = 0; i < word.n; i++)
        if (word.p[i] != name[i] && !(word.p[i] == '-' && name[i] == '_'))
            return false;
    return true;
}

/* A line of nothing but names of columns; they are kept in `state`. */
static bool take_flow_header(struct sv line, struct parse_state *state)
{
    uint8_t columns[TC_PARSE_COLUMNS_MAX], count = 0;
    while (line.n > 0) {
        struct sv word = sv_cut(&line, ' ');
        size_t i = 0;
        while (i < TC_ARRAY_LEN(flow_columns) && !is_column(word, flow_columns[i]))
            i++;
        if (i == TC_ARRAY_LEN(flow_columns) || count == TC_PARSE_COLUMNS_MAX)
            return false;
        columns[count++] = (uint8_t)i;
    }
    if (count < 2)
        return false;
    memcpy(state->columns, columns, count);
    state->column_count = count;
    return true;
}

static size_t count_words(struct sv line)
{
    size_t words = 0;
    while (line.n > 0)
        words += sv_cut(&line, ' ').n > 0;
    return words;
}

static bool parse_flow_line(const struct parse_state *state, struct sv line, struct arena *arena,
                            struct event *ret)
{
    struct text_event text;
    size_t words = count_words(line);
    bool known = state->column_count > 0 ? words == state->column_count
                                         : words == FLOW_VERSION_2 || words == FLOW_VERSION_5;
    if (!known)
        return false;
    text_event_begin(&text, arena);
    for (size_t i = 0; line.n > 0;) {
        struct sv word = sv_cut(&line, ' ');
        if (word.n == 0)
            continue;
        const char *name = flow_columns[state->column_count > 0 ? state->columns[i] : i];
        i++;
        if (sv_is(word, "-"))
            continue;
        bool is_name = sv_is(sv_of(name), "account_id"); /* digits, but no number */
        if (is_name)
            text_event_add(&text, sv_of(name), word, FIELD_STRING);
        else
            text_event_add_guess(&text, sv_of(name), word);
    }
    parse_json_time(text_event_value(&text, "start"), 0, &ret->time.ns);
    if (state->column_count == 0 &&
        (ret->time.ns == TC_NO_TIME || text_event_value(&text, "log_status").n == 0))
        return false;
    text_event_aliases(&text, flow_names, TC_ARRAY_LEN(flow_names));
    text_event_end(&text, ret);
    return true;
}

enum parse_outcome parse_vpcflow(const struct parser *parser, struct parse_state *state, struct sv raw,
                                 struct arena *arena, struct event *ret)
{
    (void)parser;
    struct sv line = text_event_clean(raw, arena, ret);
    if (line.n == 0 || take_flow_header(line, state))
        return PARSE_SKIP;
    if (!parse_flow_line(state, line, arena, ret))
        return PARSE_TEXT;
    ret->product = SV("aws");
    ret->category = SV("none");
    ret->service = SV("vpcflow");
    return PARSE_OK;
}

bool parse_aws_is_vpcflow(struct sv line)
{
    struct arena arena = {0};
    struct event event = {.time = {TC_NO_TIME}};
    struct parse_state state = {0};
    bool ok = take_flow_header(sv_trim(line), &state) ||
              (parse_flow_line(&state, sv_trim(line), &arena, &event) && line.p[0] == '2');
    arena_free(&arena);
    return ok;
}
