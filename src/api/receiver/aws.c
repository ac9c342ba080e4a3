/*
 * Credentials and signatures; see aws.h.
 */
#include "api/receiver/aws.h"

#include "base/hash.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

enum { FILE_MAX_BYTES = 1 << 20, CANONICAL_MAX_BYTES = 64 << 10 };

static struct sv environment(const char *name)
{
    return sv_of(getenv(name));
}

struct sv aws_region(void)
{
    struct sv region = environment("AWS_REGION");
    return region.n > 0 ? region : environment("AWS_DEFAULT_REGION");
}

/* An ini file: "[profile]", then "name = value". */
static void read_profile(struct arena *arena, struct sv text, struct sv profile, struct aws_credentials *ret)
{
    bool mine = false;
    while (text.n > 0) {
        struct sv line = sv_trim(sv_cut(&text, '\n'));
        if (line.n == 0 || line.p[0] == '#' || line.p[0] == ';')
            continue;
        if (line.p[0] == '[') {
            mine = sv_eq(sv_trim(sv_head(sv_from(line, 1), sv_find_char(line, ']') - 1)), profile);
            continue;
        }
        struct sv value = line, name = sv_trim(sv_cut(&value, '='));
        const struct {
            const char *name;
            struct sv *into;
        } known[] = {{"aws_access_key_id", &ret->access_key},
                     {"aws_secret_access_key", &ret->secret_key},
                     {"aws_session_token", &ret->session_token}};
        for (size_t i = 0; i < TC_ARRAY_LEN(known) && mine; i++)
            if (sv_is(name, known[i].name))
                *known[i].into = arena_sv(arena, sv_trim(value));
    }
}

int aws_credentials_find(struct arena *arena, const struct fs *fs, struct sv profile,
                         struct aws_credentials *ret, struct err *err)
{
    struct buf bytes;
    struct err problem = {0};
    *ret = (struct aws_credentials){.access_key = environment("AWS_ACCESS_KEY_ID"),
                                    .secret_key = environment("AWS_SECRET_ACCESS_KEY"),
                                    .session_token = environment("AWS_SESSION_TOKEN")};
    if (profile.n == 0 && ret->access_key.n > 0 && ret->secret_key.n > 0)
        return 0;
    *ret = (struct aws_credentials){0};
    struct sv path = environment("AWS_SHARED_CREDENTIALS_FILE"), home = environment("HOME");
    if (profile.n == 0)
        profile = environment("AWS_PROFILE");
    if (profile.n == 0)
        profile = SV("default");
    path = path.n > 0 ? arena_sv(arena, path) : arena_printf(arena, "%.*s/.aws/credentials", SV_FMT(home));
    buf_init(&bytes, FILE_MAX_BYTES);
    if (fs_read_file(fs, path.p, &bytes, &problem) == 0)
        read_profile(arena, buf_view(&bytes), profile, ret);
    if (bytes.n > 0)
        explicit_bzero(bytes.p, bytes.n);
    buf_free(&bytes);
    return ret->access_key.n > 0 && ret->secret_key.n > 0
               ? 0
               : err_set(err, TC_EINPUT,
                         "no AWS credentials: give sigv4.access_key and secret_key, AWS_ACCESS_KEY_ID and "
                         "AWS_SECRET_ACCESS_KEY in the environment, or profile %.*s in %.*s",
                         SV_FMT(sv_head(profile, 100)), SV_FMT(sv_head(path, 300)));
}

static void hmac(const void *key, size_t key_bytes, struct sv text, uint8_t out[crypto_auth_hmacsha256_BYTES])
{
    crypto_auth_hmacsha256_state state;
    crypto_auth_hmacsha256_init(&state, key, key_bytes);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)text.p, text.n);
    crypto_auth_hmacsha256_final(&state, out);
}

/* The host as libcurl will name it, and the path, out of a URL. */
static void cut_url(struct sv url, struct sv *host, struct sv *path)
{
    struct sv rest = sv_from(url, sv_find(url, SV("://")) + 3);
    *host = sv_head(rest, sv_find_char(rest, '/'));
    *path = sv_from(rest, host->n);
    *path = sv_head(*path, sv_find_char(*path, '?'));
    if (path->n == 0)
        *path = SV("/");
    struct sv usual = sv_starts(url, SV("https:")) ? SV(":443") : SV(":80");
    if (sv_ends(*host, usual))
        host->n -= usual.n;
}

void aws_sign(struct arena *arena, const struct aws_credentials *credentials, struct sv region,
              const char *service, int64_t now_ns, struct courier_request *request)
{
    uint8_t digest[TC_SHA256_BYTES], key[crypto_auth_hmacsha256_BYTES];
    char hex[TC_SHA256_HEX], date[32], time[64];
    struct sv host, path, token = credentials->session_token;
    struct civil c = clk_to_civil(now_ns);
    snprintf(date, sizeof date, "%04d%02d%02d", c.year, c.month, c.day);
    snprintf(time, sizeof time, "%sT%02d%02d%02dZ", date, c.hour, c.minute, c.second);
    cut_url(request->url, &host, &path);
    hash_sha256(request->body, digest);
    hash_hex(digest, sizeof digest, hex);
    const char *signed_headers =
        token.n > 0 ? "content-type;host;x-amz-date;x-amz-security-token" : "content-type;host;x-amz-date";
    struct sv canonical = arena_printf(
        arena, "%s\n%.*s\n\ncontent-type:%s\nhost:%.*s\nx-amz-date:%s\n%s%.*s%s\n%s\n%s", request->method,
        SV_FMT(path), request->content_type, SV_FMT(host), time, token.n > 0 ? "x-amz-security-token:" : "",
        SV_FMT(token), token.n > 0 ? "\n" : "", signed_headers, hex);
    hash_sha256(canonical, digest);
    hash_hex(digest, sizeof digest, hex);
    struct sv scope = arena_printf(arena, "%s/%.*s/%s/aws4_request", date, SV_FMT(region), service);
    struct sv to_sign = arena_printf(arena, "AWS4-HMAC-SHA256\n%s\n%.*s\n%s", time, SV_FMT(scope), hex);
    struct sv first = arena_printf(arena, "AWS4%.*s", SV_FMT(credentials->secret_key));
    hmac(first.p, first.n, sv_of(date), key);
    hmac(key, sizeof key, region, key);
    hmac(key, sizeof key, sv_of(service), key);
    hmac(key, sizeof key, SV("aws4_request"), key);
    hmac(key, sizeof key, to_sign, key);
    hash_hex(key, sizeof key, hex);
    const struct sv lines[] = {
        arena_printf(arena, "X-Amz-Date: %s", time),
        arena_printf(arena,
                     "Authorization: AWS4-HMAC-SHA256 Credential=%.*s/%.*s, SignedHeaders=%s, Signature=%s",
                     SV_FMT(credentials->access_key), SV_FMT(scope), signed_headers, hex),
        arena_printf(arena, "X-Amz-Security-Token: %.*s", SV_FMT(token))};
    for (size_t i = 0; i < TC_ARRAY_LEN(lines) - (token.n == 0); i++)
        request->headers[request->header_count++] = lines[i];
}
