/*
 * Tables of what prometheus/common gives every receiver: http_config and what is in it, TLS, AWS signatures.
 * Also the small functions that look into objects. See schema.h.
 */
/* Rows of tables say only what is not zero. */
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"

#include "alert/alertmanager/decode.h"

#include <strings.h>

/* --- looking into objects --- */

static size_t field_index(const struct am_schema *schema, struct sv name)
{
    size_t i = 0;
    while (schema->fields[i].name != NULL && !sv_is(name, schema->fields[i].name))
        i++;
    tc_assert(schema->fields[i].name != NULL);
    return i;
}

struct am_value *am_get(const struct am_object *object, const char *name)
{
    return &object->values[field_index(object->schema, sv_of(name))];
}

struct sv am_get_text(const struct am_object *object, const char *name)
{
    return am_get(object, name)->text;
}

struct am_object *am_get_object(const struct am_object *object, const char *name)
{
    return am_get(object, name)->object;
}

static bool value_is_set(const struct am_value *value, enum am_kind kind)
{
    if (kind == AM_KIND_SECRET_OR_NONE)
        return value->given;
    if (kind == AM_KIND_ANY || kind == AM_KIND_ANY_MAP)
        return value->given;
    return value->text.n > 0 || value->number != 0 || value->object != NULL || value->count > 0 ||
           value->matchers.count > 0;
}

bool am_is_set(const struct am_object *object, const char *path)
{
    struct sv rest = sv_of(path);
    while (object != NULL) {
        struct sv name = sv_cut(&rest, '.');
        size_t i = field_index(object->schema, name);
        if (rest.n == 0)
            return value_is_set(&object->values[i], object->schema->fields[i].kind);
        object = object->values[i].object;
    }
    return false;
}

/* Any of the names that '|' joins. */
static bool any_is_set(const struct am_object *object, struct sv names)
{
    bool set = false;
    while (names.n > 0 && !set) {
        char path[128];
        struct sv name = sv_cut(&names, '|');
        tc_assert(name.n < sizeof path);
        memcpy(path, name.p, name.n);
        path[name.n] = '\0';
        set = am_is_set(object, path);
    }
    return set;
}

int am_object_check(const struct am_decoder *decoder, struct am_object *object, struct err *err)
{
    const struct am_check *check = object->schema->checks;
    for (; check != NULL && (check->problem != NULL || check->call != NULL); check++) {
        if (check->kind == AM_CHECK_CALL) {
            int rc = check->call(decoder, object, err);
            if (rc != 0)
                return rc;
            continue;
        }
        struct sv names = sv_of(check->names);
        size_t set = 0;
        while (names.n > 0)
            set += any_is_set(object, sv_cut(&names, ' '));
        if (check->kind == AM_CHECK_ANY ? set == 0 : set > 1)
            return err_set(err, TC_EINPUT, "%s", check->problem);
    }
    return 0;
}

/* --- TLS --- */

static const struct am_field tls_fields[] = {{"ca", AM_KIND_STRING},
                                             {"cert", AM_KIND_STRING},
                                             {"key", AM_KIND_SECRET},
                                             {"ca_file", AM_KIND_STRING},
                                             {"cert_file", AM_KIND_STRING},
                                             {"key_file", AM_KIND_STRING},
                                             {"ca_ref", AM_KIND_STRING},
                                             {"cert_ref", AM_KIND_STRING},
                                             {"key_ref", AM_KIND_STRING},
                                             {"server_name", AM_KIND_STRING},
                                             {"insecure_skip_verify", AM_KIND_BOOL},
                                             {"min_version", AM_KIND_TLS_VERSION},
                                             {"max_version", AM_KIND_TLS_VERSION},
                                             {0}};

static int check_client_certificate(const struct am_decoder *decoder, struct am_object *tls, struct err *err)
{
    (void)decoder;
    bool certificate = any_is_set(tls, SV("cert|cert_file|cert_ref")),
         key = any_is_set(tls, SV("key|key_file|key_ref"));
    if (certificate && !key)
        return err_set(err, TC_EINPUT,
                       "exactly one of key or key_file must be configured when a client certificate is "
                       "configured");
    if (key && !certificate)
        return err_set(err, TC_EINPUT,
                       "exactly one of cert or cert_file must be configured when a client key is configured");
    return 0;
}

static const struct am_check tls_checks[] = {{AM_CHECK_AT_MOST_ONE, "ca ca_file ca_ref",
                                              "at most one of ca, ca_file & ca_ref must be configured", NULL},
                                             {AM_CHECK_AT_MOST_ONE, "cert cert_file cert_ref",
                                              "at most one of cert, cert_file & cert_ref must be configured",
                                              NULL},
                                             {AM_CHECK_AT_MOST_ONE, "key key_file key_ref",
                                              "at most one of key and key_file must be configured", NULL},
                                             {AM_CHECK_CALL, NULL, NULL, check_client_certificate},
                                             {0}};

const struct am_schema am_schema_tls = {"config.plain", tls_fields, tls_checks};

/* --- http_config --- */

static const struct am_field basic_auth_fields[] = {{"username", AM_KIND_STRING},
                                                    {"username_file", AM_KIND_STRING},
                                                    {"username_ref", AM_KIND_STRING},
                                                    {"password", AM_KIND_SECRET},
                                                    {"password_file", AM_KIND_STRING},
                                                    {"password_ref", AM_KIND_STRING},
                                                    {0}};
static const struct am_schema basic_auth = {"config.plain", basic_auth_fields, NULL};

static const struct am_field authorization_fields[] = {{"type", AM_KIND_STRING},
                                                       {"credentials", AM_KIND_SECRET},
                                                       {"credentials_file", AM_KIND_STRING},
                                                       {"credentials_ref", AM_KIND_STRING},
                                                       {0}};
static const struct am_schema authorization = {"config.Authorization", authorization_fields, NULL};

/* oauth2 and http_config have the proxy's fields among their own. */
#define PROXY_FIELDS                                                                                         \
    {"proxy_url", AM_KIND_ANY_URL}, {"no_proxy", AM_KIND_STRING}, {"proxy_from_environment", AM_KIND_BOOL},  \
    {                                                                                                        \
        "proxy_connect_header", AM_KIND_STRING_LIST_MAP                                                      \
    }

static int check_proxy(const struct am_decoder *decoder, struct am_object *object, struct err *err)
{
    (void)decoder;
    bool url = am_is_set(object, "proxy_url"), environment = am_is_set(object, "proxy_from_environment"),
         none = am_is_set(object, "no_proxy");
    if (am_is_set(object, "proxy_connect_header") && !environment && !url)
        return err_set(err, TC_EINPUT,
                       "if proxy_connect_header is configured, proxy_url or proxy_from_environment must also "
                       "be configured");
    if (environment && url)
        return err_set(err, TC_EINPUT,
                       "if proxy_from_environment is configured, proxy_url must not be configured");
    if (environment && none)
        return err_set(err, TC_EINPUT,
                       "if proxy_from_environment is configured, no_proxy must not be configured");
    if (!am_get(object, "proxy_url")->given && none)
        return err_set(err, TC_EINPUT, "if no_proxy is configured, proxy_url must also be configured");
    return 0;
}

static const struct am_field oauth2_fields[] = {{"client_id", AM_KIND_STRING},
                                                {"client_secret", AM_KIND_SECRET},
                                                {"client_secret_file", AM_KIND_STRING},
                                                {"client_secret_ref", AM_KIND_STRING},
                                                {"client_certificate_key_id", AM_KIND_STRING},
                                                {"client_certificate_key", AM_KIND_SECRET},
                                                {"client_certificate_key_file", AM_KIND_STRING},
                                                {"client_certificate_key_ref", AM_KIND_STRING},
                                                {"grant_type", AM_KIND_STRING},
                                                {"signature_algorithm", AM_KIND_STRING},
                                                {"iss", AM_KIND_STRING},
                                                {"audience", AM_KIND_STRING},
                                                {"claims", AM_KIND_ANY_MAP},
                                                {"scopes", AM_KIND_STRINGS},
                                                {"token_url", AM_KIND_STRING},
                                                {"endpoint_params", AM_KIND_STRING_MAP},
                                                {"tls_config", AM_KIND_OBJECT, NULL, &am_schema_tls},
                                                PROXY_FIELDS,
                                                {0}};
static const struct am_check oauth2_checks[] = {{AM_CHECK_CALL, NULL, NULL, check_proxy}, {0}};
static const struct am_schema oauth2 = {"config.plain", oauth2_fields, oauth2_checks};

static const struct am_field header_fields[] = {
    {"values", AM_KIND_STRINGS}, {"secrets", AM_KIND_STRINGS}, {"files", AM_KIND_STRINGS}, {0}};
/* http_headers: a map whose values are of this kind. */
const struct am_schema am_schema_headers = {"config.Header", header_fields, NULL};

static int check_authorization(const struct am_decoder *decoder, struct am_object *http, struct err *err)
{
    struct am_object *given = am_get_object(http, "authorization");
    (void)decoder;
    if (given == NULL)
        return 0;
    if (any_is_set(http, SV("bearer_token|bearer_token_file")))
        return err_set(err, TC_EINPUT,
                       "authorization is not compatible with bearer_token & bearer_token_file");
    size_t credentials = any_is_set(given, SV("credentials")) + any_is_set(given, SV("credentials_file")) +
                         any_is_set(given, SV("credentials_ref"));
    if (credentials > 1)
        return err_set(err, TC_EINPUT,
                       "at most one of authorization credentials & credentials_file must be configured");
    struct am_value *type = am_get(given, "type");
    type->text = sv_trim(type->text);
    if (type->text.n == 0)
        type->text = SV("Bearer");
    if (sv_eq_nocase(type->text, SV("basic")))
        return err_set(err, TC_EINPUT,
                       "authorization type cannot be set to \"basic\", use \"basic_auth\" instead");
    if (any_is_set(http, SV("basic_auth|oauth2")))
        return err_set(err, TC_EINPUT,
                       "at most one of basic_auth, oauth2 & authorization must be configured");
    return 0;
}

/* bearer_token and bearer_token_file are older words for an authorization. */
static int take_bearer_token(const struct am_decoder *decoder, struct am_object *http, struct err *err)
{
    static const char *const tokens[][2] = {{"bearer_token", "credentials"},
                                            {"bearer_token_file", "credentials_file"}};
    (void)err;
    for (size_t i = 0; i < TC_ARRAY_LEN(tokens); i++) {
        struct am_value *token = am_get(http, tokens[i][0]), *into = am_get(http, "authorization");
        if (into->object != NULL || token->text.n == 0)
            continue;
        into->object = am_object_new(decoder->arena, &authorization);
        am_get(into->object, "type")->text = SV("Bearer");
        am_get(into->object, tokens[i][1])->text = token->text;
        token->text = SV("");
    }
    return 0;
}

static int check_oauth2(const struct am_decoder *decoder, struct am_object *http, struct err *err)
{
    static const char *const algorithms[] = {"", "RS256", "RS384", "RS512"};
    struct am_object *given = am_get_object(http, "oauth2");
    (void)decoder;
    if (given == NULL)
        return 0;
    if (am_is_set(http, "basic_auth"))
        return err_set(err, TC_EINPUT,
                       "at most one of basic_auth, oauth2 & authorization must be configured");
    if (!am_is_set(given, "client_id"))
        return err_set(err, TC_EINPUT, "oauth2 client_id must be configured");
    if (!am_is_set(given, "token_url"))
        return err_set(err, TC_EINPUT, "oauth2 token_url must be configured");
    bool jwt = sv_is(am_get_text(given, "grant_type"), "urn:ietf:params:oauth:grant-type:jwt-bearer");
    const char *const *names =
        jwt ? (const char *const[]){"client_certificate_key", "client_certificate_key_file",
                                    "client_certificate_key_ref"}
            : (const char *const[]){"client_secret", "client_secret_file", "client_secret_ref"};
    size_t set = 0, i = 0;
    for (; i < 3; i++)
        set += am_is_set(given, names[i]);
    if (set > 1)
        return err_set(err, TC_EINPUT,
                       "at most one of oauth2 %s, %s & %s must be configured using grant-type=%s", names[0],
                       names[1], names[2],
                       jwt ? "urn:ietf:params:oauth:grant-type:jwt-bearer" : "client_credentials");
    for (i = 0; jwt && i < TC_ARRAY_LEN(algorithms); i++)
        if (sv_is(am_get_text(given, "signature_algorithm"), algorithms[i]))
            break;
    if (jwt && i == TC_ARRAY_LEN(algorithms))
        return err_set(err, TC_EINPUT, "valid signature algorithms are RS256, RS384 and RS512");
    return 0;
}

/* Headers that the client sets itself. */
static int check_headers(const struct am_decoder *decoder, struct am_object *http, struct err *err)
{
    static const char *const reserved[] = {"Authorization",
                                           "Host",
                                           "Content-Encoding",
                                           "Content-Length",
                                           "Content-Type",
                                           "User-Agent",
                                           "Connection",
                                           "Keep-Alive",
                                           "Proxy-Authenticate",
                                           "Proxy-Authorization",
                                           "Www-Authenticate",
                                           "Accept-Encoding",
                                           "X-Prometheus-Remote-Write-Version",
                                           "X-Prometheus-Remote-Read-Version",
                                           "X-Prometheus-Scrape-Timeout-Seconds",
                                           "X-Amz-Date",
                                           "X-Amz-Security-Token",
                                           "X-Amz-Content-Sha256"};
    const struct am_value *headers = am_get(http, "http_headers");
    (void)decoder;
    for (size_t i = 0; i < headers->count; i++)
        for (size_t k = 0; k < TC_ARRAY_LEN(reserved); k++)
            if (sv_eq_nocase(headers->items[i].key, sv_of(reserved[k])))
                return err_set(err, TC_EINPUT, "setting header \"%s\" is not allowed", reserved[k]);
    return 0;
}

static const struct am_field http_fields[] = {
    {"basic_auth", AM_KIND_OBJECT, NULL, &basic_auth},
    {"authorization", AM_KIND_OBJECT, NULL, &authorization},
    {"oauth2", AM_KIND_OBJECT, NULL, &oauth2},
    {"bearer_token", AM_KIND_SECRET},
    {"bearer_token_file", AM_KIND_STRING},
    {"tls_config", AM_KIND_OBJECT, NULL, &am_schema_tls},
    {"follow_redirects", AM_KIND_BOOL, "true"},
    {"enable_http2", AM_KIND_BOOL, "true"},
    PROXY_FIELDS,
    {"http_headers", AM_KIND_OBJECT_MAP, NULL, &am_schema_headers, "config.Headers"},
    {0}};

static const struct am_check http_checks[] = {
    {AM_CHECK_AT_MOST_ONE, "bearer_token bearer_token_file",
     "at most one of bearer_token & bearer_token_file must be configured", NULL},
    {AM_CHECK_AT_MOST_ONE, "basic_auth|oauth2 bearer_token|bearer_token_file",
     "at most one of basic_auth, oauth2, bearer_token & bearer_token_file must be configured", NULL},
    {AM_CHECK_AT_MOST_ONE, "basic_auth.username basic_auth.username_file basic_auth.username_ref",
     "at most one of basic_auth username, username_file & username_ref must be configured", NULL},
    {AM_CHECK_AT_MOST_ONE, "basic_auth.password basic_auth.password_file basic_auth.password_ref",
     "at most one of basic_auth password, password_file & password_ref must be configured", NULL},
    {AM_CHECK_CALL, NULL, NULL, check_authorization},
    {AM_CHECK_CALL, NULL, NULL, take_bearer_token},
    {AM_CHECK_CALL, NULL, NULL, check_oauth2},
    {AM_CHECK_CALL, NULL, NULL, check_proxy},
    {AM_CHECK_CALL, NULL, NULL, check_headers},
    {0}};

const struct am_schema am_schema_http = {"config.plain", http_fields, http_checks};
