/*
 * Documents for SIEMs; see siem.h.
 */
#include "notify/channel/siem.h"

#include "base/clk.h"
#include "event/json.h"

void siem_alert_members(struct json_out *json, const struct payload *p, struct sv key)
{
    json_kv_string(json, "key", key);
    json_kv_string(json, "reason", p->reason);
    json_kv_u64(json, "count", p->count);
    json_key(json, SV("alert"));
    size_t from = json->buf->n;
    json_raw(json, p->alert);
    for (size_t i = from; i < json->buf->n; i++) /* between tokens; inside strings JSON has none */
        if (json->buf->p[i] == '\n' || json->buf->p[i] == '\r')
            json->buf->p[i] = ' ';
}

void siem_line(struct json_out *json, struct sv line)
{
    bool flat = sv_starts(line, SV("{")) && sv_find_char(line, '\n') == line.n;
    if (flat && json_check(line, NULL) == 0)
        json_raw(json, line);
    else
        json_string(json, line);
}

int64_t siem_time_ns(const struct payload *p)
{
    int64_t ns;
    return clk_parse_rfc3339(p->time, 0, &ns) ? ns : 0;
}

int siem_body(const struct channel_config *config, const struct message *message, siem_writer write,
              struct buf *out, struct err *err)
{
    struct payload p;
    int rc = payload_read(message->payload, &p, err);
    if (rc == 0)
        write(config, &p, message->key, message->console_url, out);
    payload_free(&p);
    return rc;
}
