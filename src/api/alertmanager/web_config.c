/*
 * See web_config.h.
 */
#include "api/alertmanager/web_config.h"

#include "base/hash.h"
#include "base/yaml.h"

#include <crypt.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    FILE_MAX_BYTES = 1 << 20,
    USERS_MAX = 1000,
    HEADERS_MAX = 16,
    REMEMBERED = 100,
    LOGIN_MAX_BYTES = 4096
};

struct user {
    const char *name, *hash;
};

struct remembered {
    uint8_t digest[TC_SHA256_BYTES];
    bool used, good;
};

struct am_web_config {
    struct arena arena;
    const char *path;
    const char *certificate, *key, *priorities;
    struct user *users;
    size_t user_count;
    struct am_web_header headers[HEADERS_MAX];
    size_t header_count;
    pthread_mutex_t lock;
    struct remembered remembered[REMEMBERED]; /* under lock, as the next */
    size_t next;
};

struct reading {
    struct am_web_config *config;
    const struct fs *fs;
    struct err *err;
};

/* FILE:LINE: `what` `why`. */
static int refuse(const struct reading *r, const struct yaml_node *node, const char *what, const char *why)
{
    return err_set(r->err, TC_EINPUT, "%s:%u: %s %s", r->config->path,
                   node->key_line > 0 ? node->key_line : node->line, what, why);
}

static const char *text_of(const struct reading *r, const struct yaml_node *node)
{
    return node == NULL || node->type != YAML_SCALAR || yaml_is_null(node)
               ? ""
               : arena_str(&r->config->arena, node->text);
}

/* The text under `name`, or the contents of the file under `name`_file. */
static int take_pem(const struct reading *r, const struct yaml_node *tls, const char *name, const char **ret)
{
    char file_key[32];
    struct buf bytes;
    snprintf(file_key, sizeof file_key, "%s_file", name);
    const char *inline_text = text_of(r, yaml_get(tls, name)), *file = text_of(r, yaml_get(tls, file_key)),
               *slash = strrchr(r->config->path, '/');
    *ret = inline_text;
    if (inline_text[0] != '\0' || file[0] == '\0')
        return 0;
    int folder = slash == NULL || file[0] == '/' ? 0 : (int)(slash - r->config->path) + 1;
    struct sv path = arena_printf(&r->config->arena, "%.*s%s", folder, r->config->path, file);
    buf_init(&bytes, FILE_MAX_BYTES);
    int rc = fs_read_file(r->fs, path.p, &bytes, r->err);
    if (rc == 0)
        *ret = arena_str(&r->config->arena, buf_view(&bytes));
    if (bytes.n > 0)
        explicit_bzero(bytes.p, bytes.n);
    buf_free(&bytes);
    return rc;
}

/* 0 to 3 of "TLS10" to "TLS13"; negative where it is none. */
static int tls_version(const char *text)
{
    return strlen(text) == 5 && strncmp(text, "TLS1", 4) == 0 && text[4] >= '0' && text[4] <= '3'
               ? text[4] - '0'
               : -1;
}

static int take_versions(const struct reading *r, const struct yaml_node *tls)
{
    const struct yaml_node *low = yaml_get(tls, "min_version"), *high = yaml_get(tls, "max_version");
    int min = low == NULL ? 2 : tls_version(text_of(r, low)),
        max = high == NULL ? 3 : tls_version(text_of(r, high));
    char text[128] = "NORMAL:-VERS-ALL";
    if (min < 0)
        return refuse(r, low, "unknown TLS version", text_of(r, low));
    if (max < 0)
        return refuse(r, high, "unknown TLS version", text_of(r, high));
    for (int i = min; i <= max; i++)
        snprintf(text + strlen(text), sizeof text - strlen(text), ":+VERS-TLS1.%d", i);
    r->config->priorities = arena_str(&r->config->arena, sv_of(text));
    return 0;
}

static int take_tls(const struct reading *r, const struct yaml_node *tls)
{
    static const char *const undone[] = {"client_ca", "client_ca_file", "client_allowed_sans",
                                         "cipher_suites", "curve_preferences"};
    static const char *const known[] = {"cert",
                                        "cert_file",
                                        "key",
                                        "key_file",
                                        "min_version",
                                        "max_version",
                                        "client_ca",
                                        "client_ca_file",
                                        "client_auth_type",
                                        "cipher_suites",
                                        "client_allowed_sans",
                                        "curve_preferences",
                                        "prefer_server_cipher_suites",
                                        NULL};
    int rc = yaml_check_keys(tls, r->config->path, known, r->err);
    for (size_t i = 0; i < TC_ARRAY_LEN(undone) && rc == 0; i++)
        if (yaml_get(tls, undone[i]) != NULL)
            rc = refuse(r, yaml_get(tls, undone[i]), undone[i], "is not done by this version");
    const struct yaml_node *clients = yaml_get(tls, "client_auth_type");
    const char *type = text_of(r, clients);
    if (rc == 0 && type[0] != '\0' && strcmp(type, "NoClientCert") != 0)
        rc = refuse(r, clients, "this version does not do client_auth_type", type);
    if (rc == 0)
        rc = take_pem(r, tls, "cert", &r->config->certificate);
    if (rc == 0)
        rc = take_pem(r, tls, "key", &r->config->key);
    if (rc == 0 && (r->config->certificate[0] == '\0' || r->config->key[0] == '\0'))
        rc = refuse(r, tls, "missing", r->config->certificate[0] == '\0' ? "cert_file" : "key_file");
    return rc == 0 ? take_versions(r, tls) : rc;
}

static int take_users(const struct reading *r, const struct yaml_node *users)
{
    struct am_web_config *config = r->config;
    if (users->type != YAML_MAP || users->count > USERS_MAX)
        return refuse(r, users, "basic_auth_users", "is a map of at most 1000 names and bcrypt hashes");
    config->users = ARENA_ARRAY(&config->arena, struct user, users->count + 1);
    for (const struct yaml_node *user = users->first; user != NULL; user = user->next) {
        const char *hash = text_of(r, user);
        struct sv start = sv_of(hash);
        if (!sv_starts(start, SV("$2a$")) && !sv_starts(start, SV("$2b$")) && !sv_starts(start, SV("$2y$")))
            return refuse(r, user, arena_str(&config->arena, sv_head(user->key, 100)),
                          "has a password that is no bcrypt hash");
        config->users[config->user_count++] = (struct user){arena_str(&config->arena, user->key), hash};
    }
    return 0;
}

static int take_headers(const struct reading *r, const struct yaml_node *http)
{
    static const char *const known[] = {"http2", "headers", NULL};
    static const char *const allowed[] = {"Content-Security-Policy",   "X-Frame-Options",
                                          "X-Content-Type-Options",    "X-XSS-Protection",
                                          "Strict-Transport-Security", NULL};
    const struct yaml_node *headers = yaml_get(http, "headers");
    int rc = yaml_check_keys(http, r->config->path, known, r->err);
    if (rc == 0 && headers != NULL)
        rc = yaml_check_keys(headers, r->config->path, allowed, r->err);
    for (const struct yaml_node *node = headers == NULL || rc != 0 ? NULL : headers->first; node != NULL;
         node = node->next) {
        struct sv value = sv_of(text_of(r, node));
        for (size_t i = 0; i < value.n; i++)
            if ((unsigned char)value.p[i] < ' ')
                return refuse(r, node, arena_str(&r->config->arena, node->key), "has a control character");
        r->config->headers[r->config->header_count++] =
            (struct am_web_header){arena_str(&r->config->arena, node->key), value.p};
    }
    return rc;
}

static int read_root(const struct reading *r, const struct yaml_node *root)
{
    static const char *const known[] = {"tls_server_config", "http_server_config", "basic_auth_users",
                                        "rate_limit", NULL};
    int rc = yaml_check_keys(root, r->config->path, known, r->err);
    const struct yaml_node *tls = yaml_get(root, "tls_server_config"),
                           *users = yaml_get(root, "basic_auth_users"),
                           *http = yaml_get(root, "http_server_config"), *rate = yaml_get(root, "rate_limit");
    if (rc == 0 && rate != NULL)
        rc = refuse(r, rate, "rate_limit", "is not done by this version");
    if (rc == 0 && tls != NULL)
        rc = take_tls(r, tls);
    if (rc == 0 && users != NULL)
        rc = take_users(r, users);
    return rc == 0 && http != NULL ? take_headers(r, http) : rc;
}

int am_web_config_read(const struct fs *fs, const char *path, struct am_web_config **ret, struct err *err)
{
    struct am_web_config *config = tc_alloc(sizeof *config);
    struct reading reading = {config, fs, err};
    struct yaml_doc *docs = NULL;
    struct buf bytes;
    config->path = arena_str(&config->arena, sv_of(path));
    config->certificate = config->key = "";
    pthread_mutex_init(&config->lock, NULL);
    buf_init(&bytes, FILE_MAX_BYTES);
    int rc = fs_read_file(fs, path, &bytes, err);
    if (rc == 0)
        rc = yaml_parse(&config->arena, path, buf_view(&bytes), &docs, err);
    if (rc == 0 && docs != NULL && docs->root != NULL)
        rc = read_root(&reading, docs->root);
    buf_free(&bytes);
    if (rc != 0)
        am_web_config_free(config);
    else
        *ret = config;
    return rc;
}

void am_web_config_free(struct am_web_config *config)
{
    if (config == NULL)
        return;
    pthread_mutex_destroy(&config->lock);
    arena_free(&config->arena);
    free(config);
}

const char *am_web_config_certificate(const struct am_web_config *config)
{
    return config == NULL || config->certificate[0] == '\0' ? NULL : config->certificate;
}

const char *am_web_config_key(const struct am_web_config *config)
{
    return config->key;
}

const char *am_web_config_priorities(const struct am_web_config *config)
{
    return config->priorities;
}

const struct am_web_header *am_web_config_headers(const struct am_web_config *config, size_t *ret_count)
{
    *ret_count = config == NULL ? 0 : config->header_count;
    return config == NULL ? NULL : config->headers;
}

bool am_web_config_has_users(const struct am_web_config *config)
{
    return config != NULL && config->user_count > 0;
}

/* --- logins --- */

static bool recall(struct am_web_config *config, const uint8_t digest[TC_SHA256_BYTES], bool *ret)
{
    bool found = false;
    pthread_mutex_lock(&config->lock);
    for (size_t i = 0; i < REMEMBERED && !found; i++)
        if (config->remembered[i].used &&
            memcmp(config->remembered[i].digest, digest, TC_SHA256_BYTES) == 0) {
            *ret = config->remembered[i].good;
            found = true;
        }
    pthread_mutex_unlock(&config->lock);
    return found;
}

static void remember(struct am_web_config *config, const uint8_t digest[TC_SHA256_BYTES], bool good)
{
    pthread_mutex_lock(&config->lock);
    struct remembered *place = &config->remembered[config->next++ % REMEMBERED];
    memcpy(place->digest, digest, TC_SHA256_BYTES);
    place->used = true;
    place->good = good;
    pthread_mutex_unlock(&config->lock);
}

bool am_web_config_login(struct am_web_config *config, const char *user, const char *password)
{
    /* of a password that nobody has: who is unknown waits as long as who is known */
    const char *hash = "$2b$10$CwTycUXWue0Thq9StjUM0uJ8Q1s1vZ5dA1Yb5l5zqk0bV8yQ0c4mW";
    struct crypt_data *work = tc_alloc(sizeof *work);
    struct buf text;
    uint8_t digest[TC_SHA256_BYTES];
    bool known = false, good = false;
    user = user == NULL ? "" : user;
    password = password == NULL ? "" : password;
    for (size_t i = 0; i < config->user_count; i++)
        if (strcmp(config->users[i].name, user) == 0) {
            hash = config->users[i].hash;
            known = true;
        }
    buf_init(&text, LOGIN_MAX_BYTES);
    buf_string(&text, sv_of(user));
    buf_string(&text, sv_of(hash));
    buf_string(&text, sv_of(password));
    hash_sha256(buf_view(&text), digest);
    if (!text.overflow && !recall(config, digest, &good)) {
        const char *made = crypt_r(password, hash, work);
        good = known && made != NULL && strcmp(made, hash) == 0;
        remember(config, digest, good);
    }
    if (text.n > 0)
        explicit_bzero(text.p, text.n);
    buf_free(&text);
    explicit_bzero(work, sizeof *work);
    free(work);
    return good && known;
}
