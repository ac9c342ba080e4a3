/*
 * The page: files that the binary carries (web/), and the runbooks of the shipped packs as plain text.
 *
 * index.html is a template of one placeholder: the per-start secret, which the page sends back with every
 * change (auth.h). It is therefore never kept by a cache, and no other site can read it: Origin and Host are
 * checked, framing is forbidden.
 */
#include "api/api_priv.h"

#include "base/embedded.h"

static struct sv embedded(struct sv path)
{
    for (const struct embedded_file *file = embedded_files; file->path != NULL; file++)
        if (sv_is(path, file->path))
            return sv_make((const char *)file->begin, (size_t)(file->end - file->begin));
    return (struct sv){0};
}

static void missing(struct reply *reply)
{
    reply_error(reply, 404, "this program was built without that file: build it from the whole source tree");
}

void page_index(struct api *api, struct request *request, struct reply *reply)
{
    struct sv page = embedded(SV("web/index.html")), mark = SV("{{secret}}");
    size_t at = sv_find(page, mark);
    (void)request;
    if (page.n == 0) {
        missing(reply);
        return;
    }
    reply->status = 200;
    reply->content_type = "text/html; charset=utf-8";
    buf_sv(&reply->body, sv_head(page, at));
    if (at < page.n) {
        buf_str(&reply->body, api->auth.secret);
        buf_sv(&reply->body, sv_from(page, at + mark.n));
    }
}

void page_asset(struct api *api, struct request *request, struct reply *reply)
{
    static const struct {
        const char *path, *file, *type;
    } assets[] = {
        {"/app.js", "web/app.js", "text/javascript; charset=utf-8"},
        {"/style.css", "web/style.css", "text/css; charset=utf-8"},
        {"/favicon.svg", "web/favicon.svg", "image/svg+xml"},
    };
    (void)api;
    missing(reply);
    for (size_t i = 0; i < TC_ARRAY_LEN(assets); i++) {
        struct sv bytes = embedded(sv_of(assets[i].file));
        if (strcmp(request->match.route->pattern, assets[i].path) == 0 && bytes.n > 0)
            reply_static(reply, assets[i].type, bytes);
    }
}

void page_runbook(struct api *api, struct request *request, struct reply *reply)
{
    char path[TC_ROUTE_PARAM_BYTES + 8] = "packs/";
    struct sv rest = request->match.params[0];
    (void)api;
    memcpy(path + 6, rest.p, rest.n);
    struct sv bytes = embedded(sv_make(path, 6 + rest.n));
    if (sv_ends(rest, SV(".md")) && bytes.n > 0)
        reply_static(reply, "text/plain; charset=utf-8", bytes);
    else
        reply_error(reply, 404, "no such runbook in the shipped packs");
}
