/*
 * Secrets that are known by their name: password=…, "api_key": "…", Authorization: …. See redact_find.h.
 */
#include "event/redact_priv.h"

#define N(text)                                                                                              \
    {                                                                                                        \
        text, sizeof(text) - 1                                                                               \
    }
/* As names are compared: lower case, without '_' and '-'. */
static const struct sv secret_names[] = {
    N("password"),        N("passwd"),       N("passphrase"),         N("secret"),
    N("apikey"),          N("accesstoken"),  N("refreshtoken"),       N("clientsecret"),
    N("authorization"),   N("sessiontoken"), N("secretkey"),          N("privatekey"),
    N("secretaccesskey"), N("xapikey"),      N("proxyauthorization"), N("authtoken"),
    N("accountkey"),      N("xauthtoken"),   N("xamzsecuritytoken"),  N("idtoken")};

/* Names whose value tells whether it is a secret (redact_is_secret_value). */
static const struct sv perhaps_names[] = {N("token"), N("pwd"), N("cookie"), N("setcookie")};
enum { PERHAPS_TOKEN = -1, PERHAPS_PWD = -2, PERHAPS_COOKIE = -3 };

enum { SECRET_NAME_MAX = 64, PERHAPS_TOKEN_MIN = 12, PLAIN_TOKEN_MIN = 20, FRONT_MAX = 4096 };

static const struct sv phone_names[] = {
    N("phone"),    N("phonenumber"), N("phoneno"),   N("mobile"),          N("mobilenumber"),
    N("mobileno"), N("mobilephone"), N("telephone"), N("telephonenumber"), N("tel"),
    N("msisdn"),   N("fax"),         N("faxnumber"), N("cellphone"),       N("cell"),
    N("cellno"),   N("homephone"),   N("workphone"), N("contactnumber"),   N("primaryphone"),
    N("smsnumber")};

/* 2: the name is one of `names`, 1: its last words are, 0: neither. */
static int rank_name(struct sv name, const struct sv *names, size_t count)
{
    char plain[SECRET_NAME_MAX];
    size_t n = 0, at = name.n; /* read from the end: it is the last words that count */
    bool boundary[SECRET_NAME_MAX + 1] = {false};
    while (at > 0 && n < SECRET_NAME_MAX && name.p[at - 1] != '.') {
        char c = name.p[--at];
        if (c == '_' || c == '-' || c == ' ') {
            boundary[n] = true;
            continue;
        }
        plain[n++] = lower(c);
        /* fooPassword: a word begins at its capital letter */
        boundary[n] |= c >= 'A' && c <= 'Z' && at > 0 && name.p[at - 1] >= 'a' && name.p[at - 1] <= 'z';
    }
    bool whole = at == 0 || name.p[at - 1] == '.';
    for (size_t i = 0; i < count; i++) {
        size_t length = names[i].n, k = 0;
        while (k < length && k < n && plain[k] == names[i].p[length - 1 - k])
            k++;
        if (k == length && k == n && whole)
            return 2;
        if (k == length && boundary[k])
            return 1;
    }
    return 0;
}

/* How the names of each table end: all that most names of fields cost. */
static const char secret_ends[] = "rd wd se et ey en on ie", phone_ends[] = "ne er no le el dn ax ll";

static bool is_letter(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool may_end(struct sv name, const char *ends)
{
    char b = name.n > 0 ? lower(name.p[name.n - 1]) : ' ', a = name.n > 1 ? lower(name.p[name.n - 2]) : ' ';
    if (!is_letter(a) || !is_letter(b))
        return a == '_' || a == '-' || a == ' ' || b == '_' || b == '-' || b == ' ';
    for (; ends[0] != '\0'; ends += ends[2] == '\0' ? 2 : 3)
        if (ends[0] == a && ends[1] == b)
            return true;
    return false;
}

/* PGPASSWORD, dbpassword: such an end is enough, whatever stands before it */
static bool ends_in_password(struct sv name)
{
    struct sv word = SV("password");
    return name.n > word.n && redact_has(name, name.n - word.n, word, true);
}

int redact_is_secret_name(struct sv name)
{
    if (!may_end(name, secret_ends))
        return 0;
    int rank = rank_name(name, secret_names, TC_ARRAY_LEN(secret_names));
    if (rank == 0 && ends_in_password(name))
        return 1;
    for (size_t i = 0; rank == 0 && i < TC_ARRAY_LEN(perhaps_names); i++)
        if (rank_name(name, &perhaps_names[i], 1) != 0)
            return i == 0 ? PERHAPS_TOKEN : i == 1 ? PERHAPS_PWD : PERHAPS_COOKIE;
    return rank;
}

bool redact_is_cookie_name(struct sv name)
{
    return redact_is_secret_name(name) == PERHAPS_COOKIE;
}

static bool is_path(struct sv value)
{
    return value.n > 0 &&
           (one_of(value.p[0], "/~.") || (value.n > 2 && value.p[1] == ':' && one_of(value.p[2], "\\/")));
}

/* What nobody makes up: long, without blanks, letters with digits, or longer still. */
static bool looks_random(struct sv value)
{
    bool digit = false, letter = false;
    if (is_path(value))
        return false;
    for (size_t i = 0; i < value.n && i < FRONT_MAX; i++) {
        if (one_of(value.p[i], " \t<>"))
            return false;
        digit |= is(value.p[i], B_DIGIT);
        letter |= is(value.p[i], B_ALPHA);
    }
    return letter && value.n >= (size_t)(digit ? PERHAPS_TOKEN_MIN : PLAIN_TOKEN_MIN);
}

bool redact_is_secret_list(int rank)
{
    return rank > 0 || rank == PERHAPS_COOKIE;
}

bool redact_is_secret_value(int rank, struct sv value)
{
    switch (rank) {
    case PERHAPS_TOKEN:
        return looks_random(value);
    case PERHAPS_PWD:
        return !is_path(value) && sv_find_char(value, ' ') == value.n;
    case PERHAPS_COOKIE:
        return sv_find_char(sv_head(value, FRONT_MAX), '=') < TC_MIN(value.n, (size_t)FRONT_MAX);
    default:
        return rank > 0;
    }
}

bool redact_is_phone_name(struct sv name)
{
    return may_end(name, phone_ends) && rank_name(name, phone_names, TC_ARRAY_LEN(phone_names)) != 0;
}

static bool is_one_of(struct sv text, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (sv_eq_nocase(text, sv_of(words[i])))
            return true;
    return false;
}

static bool is_replacement(struct sv text)
{
    return text.n > 0 && redact_replacement_at(text, 0) == text.n;
}

bool redact_is_harmless(struct sv value)
{
    static const char *const words[] = {"true", "false", "null", "none", "nil", "yes", "no"};
    return value.n == 0 || is_replacement(value) || is_one_of(value, words, TC_ARRAY_LEN(words));
}

/* A quote at `at` ends a value that was opened behind `depth` backslashes (JSON in a string has some). */
static bool closes(struct sv text, size_t from, size_t at, size_t depth)
{
    size_t slashes = 0;
    while (at - slashes > from && text.p[at - slashes - 1] == '\\')
        slashes++;
    return slashes <= depth || (depth == 0 && slashes % 2 == 0);
}

/* Where a value that starts at `from` ends: at its quote, or at what separates fields. */
static size_t value_to(struct sv text, size_t from, char quote, size_t depth)
{
    size_t to = from;
    while (to < text.n && (quote != '\0' ? text.p[to] != quote || !closes(text, from, to, depth)
                                         : !one_of(text.p[to], " \t\r\n,;&\"'")))
        to++;
    while (quote != '\0' && to < text.n && depth > 0 && to > from && text.p[to - 1] == '\\') {
        to--;
        depth--;
    }
    return to;
}

/* "Basic dXNlcjpw", "AWS4-HMAC-SHA256 Credential=…, Signature=…": a scheme and its parameters, to the end of
 * the line. */
static size_t authorization_to(struct sv text, size_t from, size_t to, char quote)
{
    struct sv scheme = sv_make(text.p + from, to - from);
    static const char *const schemes[] = {"basic",     "bearer", "token", "digest",
                                          "negotiate", "ntlm",   "apikey"};
    if (quote != '\0' || to >= text.n || text.p[to] != ' ')
        return to;
    bool many = redact_has(scheme, 0, SV("aws4-"), true) || sv_eq_nocase(scheme, SV("digest"));
    if (many) {
        struct sv rest = sv_from(text, to);
        return to + sv_find_char(rest, '\n');
    }
    if (!is_one_of(scheme, schemes, TC_ARRAY_LEN(schemes)))
        return to;
    return value_to(text, to + 1, '\0', 0);
}

/* A header of cookies, to the end of its line. A '=' must stand near its front, or it is none: so that lines
 * of very many such names are not read to their end for each. */
static size_t cookie_to(struct sv text, size_t from, size_t to)
{
    struct sv rest = sv_from(text, from), front = sv_head(rest, FRONT_MAX);
    return sv_find_char(front, '=') < front.n ? from + sv_find_char(rest, '\n') : to;
}

static size_t skip_bytes(struct sv text, size_t at, const char *bytes)
{
    size_t most = TC_MIN(text.n, at + TC_REDACT_GAP_MAX);
    while (at < most && one_of(text.p[at], bytes))
        at++;
    return at;
}

/* The name around the literal at `at`: "db_password". Not longer than a name of ours can be told from. */
static struct sv name_around(struct sv text, size_t at, size_t n)
{
    size_t from = at;
    while (from > 0 && at - from < SECRET_NAME_MAX && is(text.p[from - 1], B_WORD))
        from--;
    size_t to = at + n + redact_run(sv_head(text, at + n + SECRET_NAME_MAX), at + n, B_WORD);
    return sv_make(text.p + from, to - from);
}

/* "arn:aws:secretsmanager:eu-west-1:1:secret:name": words of a path, and what follows is a name */
static bool is_part_of_a_path(struct sv text, struct sv name, size_t sign)
{
    size_t from = (size_t)(name.p - text.p);
    return text.p[sign] == ':' && from > 0 && text.p[from - 1] == ':' && sign == from + name.n &&
           sign + 1 < text.n && text.p[sign + 1] != ' ';
}

/* One long value may hold very many names whose values are no secrets: its end is looked for once. */
static size_t plain_to(struct search *search, size_t from)
{
    if (from < search->plain_from || from >= search->plain_to) {
        search->plain_from = from;
        search->plain_to = value_to(search->text, from, '\0', 0);
    }
    return search->plain_to;
}

/* name = value, "name": "value", name: value, \"name\":\"value\" (JSON in a string), :name=>"value" */
void redact_named_secret(struct search *search, size_t at, struct sv literal)
{
    struct sv text = search->text, name = name_around(text, at, literal.n);
    size_t name_to = (size_t)(name.p - text.p) + name.n, sign = skip_bytes(text, name_to, " \t\"'\\]");
    int sure = redact_is_secret_name(name);
    if (sure == 0 || sign >= text.n || (text.p[sign] != '=' && text.p[sign] != ':'))
        return;
    if (is_part_of_a_path(text, name, sign))
        return;
    size_t from = skip_bytes(text, sign + 1, " \t=>"), quoted = skip_bytes(text, from, "\\");
    char quote = quoted < text.n && (text.p[quoted] == '"' || text.p[quoted] == '\'') ? text.p[quoted] : '\0';
    size_t depth = quoted - from;
    if (quote != '\0')
        from = quoted + 1;
    size_t to = quote != '\0' ? value_to(text, from, quote, depth) : plain_to(search, from);
    if (to == from || (quote == '\0' && one_of(text.p[from], "{[")))
        return;
    if (quote == '\0' && text.p[sign] == ':' && redact_is_cookie_name(name))
        to = cookie_to(text, from, to);
    if (name.n >= 13 && redact_has(name, name.n - 13, SV("authorization"), true))
        to = authorization_to(text, from, to, quote);
    struct sv value = sv_make(text.p + from, to - from);
    bool number = redact_run(value, 0, B_DIGIT) == value.n;
    if (!redact_is_secret_value(sure, value))
        return;
    if (!redact_is_harmless(value) && (sure == 2 || quote != '\0' || !number))
        redact_found(search, from, to, REDACT_SECRET);
}

/* The name may start behind an escape ("\npassword"), whose letter is not the name's. */
bool redact_secret_announced(struct sv text, size_t at, size_t literal_bytes)
{
    struct sv name = name_around(text, at, literal_bytes);
    bool escaped = name.p > text.p && name.p[-1] == '\\';
    return redact_is_secret_name(name) != 0 || (escaped && redact_is_secret_name(sv_from(name, 1)) != 0);
}

bool redact_separated_announced(struct sv text, size_t at)
{
    size_t end = at + redact_run(sv_head(text, at + SECRET_NAME_MAX), at, B_WORD), sign = end;
    if (!may_end(sv_head(text, end), secret_ends))
        return false;
    while (sign < text.n && sign - end < 3 && one_of(text.p[sign], "\"' ]"))
        sign++;
    if (sign >= text.n || !one_of(text.p[sign], ":="))
        return false;
    return redact_secret_announced(text, at, 1);
}

/* --- parameters of a query --- */

/* As names are compared. `min`: shorter values are no secrets ("?code=404", "&key=name"). */
static const struct {
    struct sv name;
    size_t min;
} query_secrets[] = {
    {N("token"), 1},
    {N("sig"), 8},
    {N("signature"), 8},
    {N("password"), 1},
    {N("passwd"), 1},
    {N("pwd"), 1},
    {N("code"), 8},
    {N("key"), 12},
    {N("auth"), 8},
    {N("accesstoken"), 1},
    {N("idtoken"), 1},
    {N("refreshtoken"), 1},
    {N("session"), 8},
    {N("sessionid"), 8},
    {N("sid"), 8},
    {N("secret"), 1},
    {N("clientsecret"), 1},
    {N("apikey"), 1},
    {N("apitoken"), 1},
    {N("authtoken"), 1},
    {N("xamzsignature"), 1},
    {N("xamzcredential"), 1},
    {N("xamzsecuritytoken"), 1},
    {N("xgoogsignature"), 1},
    {N("xgoogcredential"), 1},
    {N("ticket"), 8},
    {N("otp"), 4},
    {N("jwt"), 8},
    {N("nonce"), 8},
    {N("state"), 16},
    {N("resettoken"), 1},
    {N("invite"), 8},
    {N("magic"), 8},
    {N("passcode"), 1},
    /* tracking links: one value per recipient */
    {N("upn"), 16},
    {N("mceid"), 6},
    {N("mkttok"), 6},
    {N("hsenc"), 6},
    {N("hsmi"), 6},
    {N("cksubscriberid"), 4},
    {N("veroid"), 6},
    {N("fbclid"), 8},
    {N("gclid"), 8},
    {N("msclkid"), 8},
    {N("dclid"), 8},
    {N("yclid"), 8},
    {N("wbraid"), 8},
    {N("gbraid"), 8},
    {N("igshid"), 6},
};

void redact_query_secret(struct search *search, size_t at)
{
    enum { QUERY_NAME_MAX = 24 };
    struct sv text = search->text;
    char plain[QUERY_NAME_MAX];
    size_t n = 0, from = at;
    if (redact_has(text, from, SV("amp;"), false)) /* "&amp;" of HTML */
        from += 4;
    while (from < text.n && is(text.p[from], B_WORD) && n < QUERY_NAME_MAX) {
        if (text.p[from] != '_' && text.p[from] != '-')
            plain[n++] = lower(text.p[from]);
        from++;
    }
    if (from >= text.n || text.p[from] != '=')
        return;
    size_t to = ++from;
    while (to < text.n && !one_of(text.p[to], "&#; \t\r\n\"'<>\\"))
        to++;
    if (to == from || redact_replacement_at(text, from) > 0)
        return;
    for (size_t i = 0; i < TC_ARRAY_LEN(query_secrets); i++)
        if (to - from >= query_secrets[i].min && sv_eq(sv_make(plain, n), query_secrets[i].name)) {
            redact_found(search, from, to, REDACT_SECRET);
            return;
        }
}
