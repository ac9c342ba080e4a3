/*
 * Values of the configuration whose texts are templates (a webhook's payload, PagerDuty's details, Jira's
 * fields), as Alertmanager makes them: a text is rendered and then read as YAML once more, so that "3"
 * becomes a number and "[a, b]" a list; only what YAML calls a text stays one.
 */
#include "api/receiver/receiver.h"

#include "base/num.h"
#include "base/yaml.h"
#include "template/go_format.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

/* strconv.ParseInt with base 0, after Go's YAML has taken the underscores out. */
static bool read_integer(struct sv text, int64_t *ret)
{
    char digits[80];
    size_t n = 0;
    for (size_t i = 0; i < text.n && n < sizeof digits - 1; i++)
        if (text.p[i] != '_')
            digits[n++] = text.p[i];
    digits[n] = '\0';
    const char *at = digits + (digits[0] == '-' || digits[0] == '+');
    bool minus = digits[0] == '-';
    int base = 10;
    if (at[0] == '0' && at[1] != '\0') {
        base = at[1] == 'x' || at[1] == 'X' ? 16 : at[1] == 'b' || at[1] == 'B' ? 2 : 8;
        at += base == 8 && at[1] != 'o' && at[1] != 'O' ? 1 : 2;
    }
    if (*at == '\0' || strchr("+- \t", *at) != NULL || n == sizeof digits - 1)
        return false;
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(at, &end, base);
    if (errno != 0 || *end != '\0' || value > (unsigned long long)INT64_MAX)
        return false;
    *ret = minus ? -(int64_t)value : (int64_t)value;
    return true;
}

/* Digits with a point or an exponent; Go's YAML knows no more. */
static bool looks_like_float(struct sv text)
{
    size_t digits = 0, i = text.n > 0 && (text.p[0] == '-' || text.p[0] == '+') ? 1 : 0;
    bool point = false;
    for (; i < text.n; i++) {
        if (text.p[i] == '.' && !point)
            point = true;
        else if (text.p[i] >= '0' && text.p[i] <= '9')
            digits++;
        else
            break;
    }
    if (digits > 0 && i < text.n && (text.p[i] == 'e' || text.p[i] == 'E')) {
        i += i + 1 < text.n && (text.p[i + 1] == '-' || text.p[i + 1] == '+') ? 2 : 1;
        size_t from = i;
        while (i < text.n && text.p[i] >= '0' && text.p[i] <= '9')
            i++;
        return i == text.n && i > from;
    }
    return digits > 0 && i == text.n;
}

/* What a plain scalar stands for. */
static struct template_value plain_value(struct receiver_draft *d, const struct yaml_node *node)
{
    struct sv text = node->text;
    int64_t integer;
    double real;
    bool flag;
    if (node->quoted)
        return template_text(arena_sv(d->arena, text));
    if (yaml_is_null(node))
        return template_none();
    if (yaml_bool(node, &flag))
        return template_bool(flag);
    if (sv_is(text, "y") || sv_is(text, "Y") || sv_is(text, "n") || sv_is(text, "N"))
        return template_bool((text.p[0] | 0x20) == 'y');
    if (read_integer(text, &integer))
        return template_int(integer);
    if (looks_like_float(text) && go_parse_float(text, &real) && isfinite(real))
        return template_float(real);
    return template_text(arena_sv(d->arena, text));
}

static struct template_value map_or_list(struct receiver_draft *d, const struct yaml_node *node, bool render);

/* `render`: texts are templates. */
static struct template_value value_of(struct receiver_draft *d, const struct yaml_node *node, bool render)
{
    if (node->type != YAML_SCALAR)
        return map_or_list(d, node, render);
    struct template_value value = plain_value(d, node);
    return render && value.kind == TEMPLATE_STRING ? receiver_yaml_text(d, value.as.text) : value;
}

/* Keys that are no texts are dropped, as there. */
static bool is_text_key(struct receiver_draft *d, const struct yaml_node *child)
{
    struct yaml_node key = {.type = YAML_SCALAR, .text = child->key, .quoted = child->key_quoted};
    return child->complex_key == NULL && plain_value(d, &key).kind == TEMPLATE_STRING;
}

static struct template_value map_or_list(struct receiver_draft *d, const struct yaml_node *node, bool render)
{
    size_t n = 0;
    if (node->type == YAML_LIST) {
        struct template_value *items = ARENA_ARRAY(d->arena, struct template_value, node->count + 1);
        for (const struct yaml_node *child = node->first; child != NULL && d->rc == 0; child = child->next)
            items[n++] = value_of(d, child, render);
        return template_list(d->arena, NULL, items, n);
    }
    struct template_pair *pairs = ARENA_ARRAY(d->arena, struct template_pair, node->count + 1);
    for (const struct yaml_node *child = node->first; child != NULL && d->rc == 0; child = child->next) {
        if (!is_text_key(d, child))
            continue;
        struct template_value *value = ARENA_NEW(d->arena, struct template_value);
        struct sv key = render ? receiver_render(d, child->key) : arena_sv(d->arena, child->key);
        *value = value_of(d, child, render);
        pairs[n++] = (struct template_pair){key, value};
    }
    return template_map(d->arena, NULL, pairs, n);
}

struct template_value receiver_yaml_value(struct receiver_draft *d, const struct yaml_node *node)
{
    return value_of(d, node, true);
}

struct template_value receiver_yaml_text(struct receiver_draft *d, struct sv text)
{
    struct sv rendered = receiver_render(d, text);
    struct yaml_node *root = NULL;
    struct yaml_fault fault = {0};
    struct err ignored = {0};
    if (d->rc != 0)
        return template_none();
    if (yaml_parse_first(d->arena, rendered, &root, &fault, &ignored) != 0)
        return template_text(rendered);
    if (root == NULL)
        return template_none();
    struct template_value value = value_of(d, root, false);
    return value.kind == TEMPLATE_STRING ? template_text(rendered) : value;
}

void receiver_json_value(struct receiver_draft *d, struct template_value value)
{
    struct buf text;
    if (d->rc != 0)
        return;
    buf_init(&text, 64 << 20);
    if (!template_to_json(&text, value) || text.overflow)
        receiver_fail(d, TC_EINPUT, "a value cannot be written as JSON");
    else
        json_raw(&d->out, buf_view(&text));
    buf_free(&text);
}
