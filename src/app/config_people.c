/*
 * `people`: who has a token of their own, so that what they do bears their name and nobody else's can
 * (api/auth.h). The file of people on call (`oncall`) names them, too, but is kept in the data directory as
 * it was read, and has no secrets in it.
 */
#include "app/config_priv.h"

enum { TOKEN_LEAST = 16 };

static int person_name(struct reading *r, const struct yaml_node *node)
{
    return setting_text(r, node, &((struct api_person *)r->item)->name);
}

static int person_token(struct reading *r, const struct yaml_node *node)
{
    return setting_secret(r, node, &((struct api_person *)r->item)->secret);
}

static int person_role(struct reading *r, const struct yaml_node *node)
{
    struct sv text;
    int rc = setting_text(r, node, &text);
    if (rc == 0 && !sv_is(text, "reader") && !sv_is(text, "operator"))
        rc = setting_bad(r, node, "reader or operator is expected here");
    ((struct api_person *)r->item)->looks_only = rc == 0 && sv_is(text, "reader");
    return rc;
}

const struct setting config_person_settings[] = {
    {"name", "who it is, as the file of `oncall` has it; may stand twice while a token is replaced",
     "required", person_name},
    {"token", "bearer token of the person, as env:NAME or file:PATH", "required", person_token},
    {"role", "operator: may command; reader: may look only", "operator", person_role},
    {0}};

int config_read_people(struct reading *r, const struct yaml_node *node)
{
    int rc = setting_list(r, node);
    if (rc != 0)
        return rc;
    struct config *c = r->config;
    c->person_count = node->count;
    c->people = ARENA_ARRAY(&c->arena, struct api_person, node->count + 1);
    rc = setting_rows(r, node, config_person_settings, c->people, sizeof c->people[0]);
    for (size_t i = 0; rc == 0 && i < c->person_count; i++)
        if (c->people[i].name.n == 0 || c->people[i].secret.n < TOKEN_LEAST)
            rc = setting_bad(r, node, "every person needs a name and a token of 16 characters or more");
    return rc;
}
