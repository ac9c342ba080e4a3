/*
 * The query protocol's forms as maps; see cloudwatch.h. A name such as
 * MetricData.member.1.Dimensions.member.2.Name is a path: `member` and a number lead into a list.
 */
#include "metrics/aws/cloudwatch.h"

enum { PARTS_MAX = 16, FIELDS_MAX = 200 * 1000 };

/* A tree while it grows; children in the order in which they came. */
struct node {
    struct sv name;
    struct sv text;
    bool is_list;
    struct node *first, *last, *next;
    size_t count;
};

static struct node *child_of(struct arena *arena, struct node *of, struct sv name)
{
    /* forms name one thing after another: the newest is the one in most cases */
    if (of->last != NULL && sv_eq(of->last->name, name))
        return of->last;
    for (struct node *n = of->first; n != NULL; n = n->next)
        if (sv_eq(n->name, name))
            return n;
    struct node *made = ARENA_NEW(arena, struct node);
    made->name = name;
    if (of->last != NULL)
        of->last->next = made;
    else
        of->first = made;
    of->last = made;
    of->count++;
    return made;
}

static struct template_value value_of(struct arena *arena, const struct node *node)
{
    size_t n = 0;
    if (node->first == NULL)
        return template_text(node->text);
    if (node->is_list) {
        struct template_value *items = ARENA_ARRAY(arena, struct template_value, node->count);
        for (const struct node *child = node->first; child != NULL; child = child->next)
            items[n++] = value_of(arena, child);
        return template_list(arena, NULL, items, n);
    }
    struct template_pair *pairs = ARENA_ARRAY(arena, struct template_pair, node->count);
    for (const struct node *child = node->first; child != NULL; child = child->next) {
        struct template_value *value = ARENA_NEW(arena, struct template_value);
        *value = value_of(arena, child);
        pairs[n++] = (struct template_pair){child->name, value};
    }
    return template_map(arena, NULL, pairs, n);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool decode(struct arena *arena, struct sv text, struct sv *ret)
{
    char *out = arena_alloc(arena, text.n + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.n; i++) {
        int c = (unsigned char)text.p[i];
        if (c == '%') {
            int high = i + 2 < text.n ? hex(text.p[i + 1]) : -1,
                low = i + 2 < text.n ? hex(text.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return false;
            c = high << 4 | low;
            i += 2;
        }
        out[n++] = c == '+' && text.p[i] == '+' ? ' ' : (char)c;
    }
    *ret = sv_make(out, n);
    return true;
}

int cloudwatch_from_form(struct sv form, struct arena *arena, struct template_value *ret, struct err *err)
{
    struct node root = {0};
    for (size_t fields = 0; form.n > 0; fields++) {
        struct sv value = sv_cut(&form, '&'), name = sv_cut(&value, '=');
        struct node *at = &root;
        if (fields == FIELDS_MAX || !decode(arena, name, &name) || !decode(arena, value, &value))
            return err_set(err, TC_EINPUT, "the form is too long, or not properly encoded");
        for (size_t parts = 0; name.n > 0; parts++) {
            struct sv part = sv_cut(&name, '.');
            if (parts == PARTS_MAX)
                return err_set(err, TC_EINPUT, "a name of the form has more than %d parts", PARTS_MAX);
            if (sv_is(part, "member"))
                at->is_list = true;
            else
                at = child_of(arena, at, part);
        }
        at->text = value;
    }
    *ret = value_of(arena, &root);
    return 0;
}
