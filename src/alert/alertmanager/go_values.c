/*
 * Go's url.Parse, net.SplitHostPort and time.ParseDuration, for the same verdicts in the same words; see
 * go_values.h.
 */
#include "alert/alertmanager/go_values.h"

#include "base/buf.h"
#include "base/num.h"
#include "template/go_format.h"

enum url_part { PART_PATH, PART_HOST, PART_ZONE, PART_USER, PART_FRAGMENT };

/* What is wrong: a sentence, and the part of the text that Go shows with it, if any. */
struct problem {
    const char *before;
    struct sv part;
    bool quoted; /* the part is written as %q */
    const char *after;
};

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_letter(char c)
{
    return is_alnum(c) && !(c >= '0' && c <= '9');
}

static bool is_host_char(char c)
{
    return is_alnum(c) || (unsigned char)c >= 0x80 ||
           (c != '\0' && strchr("-_.~!$&'()*+,;=:[]<>\"", c) != NULL);
}

/* Escapes must be whole; in a host only bytes beyond ASCII (and %25 of a zone) may be escaped. */
static bool check_escapes(struct sv text, enum url_part part, struct problem *ret)
{
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '%') {
            struct sv escape = sv_head(sv_from(text, i), 3);
            bool whole = escape.n == 3 && is_hex(escape.p[1]) && is_hex(escape.p[2]);
            bool ascii = whole && escape.p[1] < '8';
            if (!whole || (part == PART_HOST && ascii && !sv_is(escape, "%25"))) {
                *ret = (struct problem){"invalid URL escape ", escape, true, ""};
                return false;
            }
            i += 2;
        } else if ((part == PART_HOST || part == PART_ZONE) && !is_host_char(text.p[i])) {
            *ret = (struct problem){"invalid character ", sv_make(text.p + i, 1), true, " in host name"};
            return false;
        }
    }
    return true;
}

static bool check_port(struct sv port, struct problem *ret)
{
    bool good = port.n == 0 || port.p[0] == ':';
    for (size_t i = 1; i < port.n && good; i++)
        good = port.p[i] >= '0' && port.p[i] <= '9';
    if (!good)
        *ret = (struct problem){"invalid port ", port, true, " after host"};
    return good;
}

static size_t find_last(struct sv text, char c)
{
    for (size_t i = text.n; i > 0; i--)
        if (text.p[i - 1] == c)
            return i - 1;
    return text.n;
}

static bool check_host(struct sv host, struct problem *ret)
{
    size_t bracket = find_last(host, ']'), colon = find_last(host, ':');
    if (sv_starts(host, SV("["))) {
        if (bracket == host.n) {
            *ret = (struct problem){"missing ']' in host", {0}, false, ""};
            return false;
        }
        size_t zone = sv_find(sv_head(host, bracket), SV("%25"));
        return check_port(sv_from(host, bracket + 1), ret) &&
               check_escapes(sv_head(host, zone), PART_HOST, ret) &&
               (zone >= bracket || check_escapes(sv_make(host.p + zone, bracket - zone), PART_ZONE, ret));
    }
    return (colon == host.n || check_port(sv_from(host, colon), ret)) && check_escapes(host, PART_HOST, ret);
}

static bool check_user(struct sv user, struct problem *ret)
{
    for (size_t i = 0; i < user.n; i++)
        if (!is_alnum(user.p[i]) && (user.p[i] == '\0' || strchr("-._:~!$&'()*+,;=%@", user.p[i]) == NULL)) {
            *ret = (struct problem){"net/url: invalid userinfo", {0}, false, ""};
            return false;
        }
    return check_escapes(user, PART_USER, ret);
}

/* Cuts "scheme:" off; false where the text begins with a colon. */
static bool cut_scheme(struct sv *rest, struct sv *ret_scheme)
{
    *ret_scheme = SV("");
    for (size_t i = 0; i < rest->n; i++) {
        char c = rest->p[i];
        if (c == ':' && i == 0)
            return false;
        if (c == ':') {
            *ret_scheme = sv_head(*rest, i);
            *rest = sv_from(*rest, i + 1);
            return true;
        }
        if (!is_letter(c) && !(i > 0 && (is_alnum(c) || c == '+' || c == '-' || c == '.')))
            return true;
    }
    return true;
}

static bool split(struct sv text, struct go_url *ret, struct problem *problem)
{
    struct sv fragment = text, rest = sv_cut(&fragment, '#');
    for (size_t i = 0; i < rest.n; i++)
        if ((unsigned char)rest.p[i] < ' ' || rest.p[i] == 0x7f) {
            *problem = (struct problem){"net/url: invalid control character in URL", {0}, false, ""};
            return false;
        }
    if (!cut_scheme(&rest, &ret->scheme)) {
        *problem = (struct problem){"missing protocol scheme", {0}, false, ""};
        return false;
    }
    rest = sv_head(rest, sv_find_char(rest, '?'));
    ret->host = SV("");
    if (!sv_starts(rest, SV("/"))) {
        if (ret->scheme.n > 0)
            return check_escapes(fragment, PART_FRAGMENT, problem); /* opaque, "mailto:x" */
        if (sv_find_char(sv_head(rest, sv_find_char(rest, '/')), ':') <
            sv_head(rest, sv_find_char(rest, '/')).n) {
            *problem = (struct problem){"first path segment in URL cannot contain colon", {0}, false, ""};
            return false;
        }
    }
    if (sv_starts(rest, SV("//")) && (ret->scheme.n > 0 || !sv_starts(rest, SV("///")))) {
        struct sv authority = sv_from(rest, 2);
        size_t slash = sv_find_char(authority, '/');
        rest = sv_from(authority, slash);
        authority = sv_head(authority, slash);
        size_t at = find_last(authority, '@');
        ret->host = at == authority.n ? authority : sv_from(authority, at + 1);
        if (!check_host(ret->host, problem) ||
            (at < authority.n && !check_user(sv_head(authority, at), problem)))
            return false;
    }
    return check_escapes(rest, PART_PATH, problem) && check_escapes(fragment, PART_FRAGMENT, problem);
}

int go_url_parse(struct sv text, bool secret, struct go_url *ret, struct err *err)
{
    struct problem problem;
    struct go_url url;
    if (split(text, &url, &problem)) {
        *ret = url;
        return 0;
    }
    if (secret)
        return err_set(err, TC_EINPUT, "parse \"<secret>\": %s%s", problem.before,
                       problem.quoted ? "(not shown)" : "");
    struct buf quoted;
    buf_init(&quoted, 4096);
    go_quote(&quoted, sv_head(text, 512));
    buf_str(&quoted, ": ");
    buf_str(&quoted, problem.before);
    if (problem.quoted)
        go_quote(&quoted, sv_head(problem.part, 256));
    buf_str(&quoted, problem.after);
    int rc = err_set(err, TC_EINPUT, "parse %.*s", SV_FMT(buf_view(&quoted)));
    buf_free(&quoted);
    return rc;
}

int go_http_url_parse(struct sv text, bool secret, struct err *err)
{
    struct go_url url;
    int rc = go_url_parse(text, secret, &url, err);
    if (rc != 0)
        return rc;
    if (!sv_eq_nocase(url.scheme, SV("http")) && !sv_eq_nocase(url.scheme, SV("https"))) {
        char lower[64];
        size_t n = TC_MIN(url.scheme.n, sizeof lower);
        for (size_t i = 0; i < n; i++)
            lower[i] = (char)(url.scheme.p[i] | (is_letter(url.scheme.p[i]) ? 32 : 0));
        return err_set(err, TC_EINPUT, "unsupported scheme \"%.*s\" for URL", (int)n, lower);
    }
    if (url.host.n == 0)
        return err_set(err, TC_EINPUT, "missing host for URL");
    return 0;
}

static int bad_address(struct sv text, const char *why, struct err *err)
{
    return err_set(err, TC_EINPUT, "address %.*s: %s", SV_FMT(sv_head(text, 512)), why);
}

int go_host_port_parse(struct sv text, struct err *err)
{
    size_t colon = find_last(text, ':'), opened = 0, closed = 0;
    if (colon == text.n)
        return bad_address(text, "missing port in address", err);
    if (text.p[0] == '[') {
        size_t end = sv_find_char(text, ']');
        if (end == text.n)
            return bad_address(text, "missing ']' in address", err);
        if (end + 1 == text.n)
            return bad_address(text, "missing port in address", err);
        if (end + 1 != colon)
            return bad_address(
                text, text.p[end + 1] == ':' ? "too many colons in address" : "missing port in address", err);
        opened = 1;
        closed = end + 1;
    } else if (sv_find_char(sv_head(text, colon), ':') < colon) {
        return bad_address(text, "too many colons in address", err);
    }
    if (sv_find_char(sv_from(text, opened), '[') < text.n - opened)
        return bad_address(text, "unexpected '[' in address", err);
    if (sv_find_char(sv_from(text, closed), ']') < text.n - closed)
        return bad_address(text, "unexpected ']' in address", err);
    if (colon + 1 == text.n)
        return err_set(err, TC_EINPUT, "address \"%.*s\": port cannot be empty", SV_FMT(sv_head(text, 512)));
    return 0;
}

static int bad_duration(struct sv text, const char *why, struct sv unit, struct err *err)
{
    struct buf out;
    buf_init(&out, 4096);
    buf_str(&out, why);
    if (unit.n > 0) {
        go_quote(&out, unit);
        buf_str(&out, " in duration");
    }
    buf_char(&out, ' ');
    go_quote(&out, sv_head(text, 200));
    int rc = err_set(err, TC_EINPUT, "time: %.*s", SV_FMT(buf_view(&out)));
    buf_free(&out);
    return rc;
}

/* One "1.5h" off the front of *rest, added to *sum_ns. NULL, or what is wrong. */
static const char *take_duration(struct sv *rest, double *sum_ns, struct sv *ret_unit)
{
    static const struct {
        const char *name;
        double ns;
    } units[] = {{"ns", 1},   {"us", 1e3}, {"\302\265s", 1e3}, {"\316\274s", 1e3},
                 {"ms", 1e6}, {"s", 1e9},  {"m", 60e9},        {"h", 3600e9}};
    double value = 0, scale = 1;
    bool digits = false, point = false;
    size_t at = 0;
    for (; at < rest->n; at++) {
        char c = rest->p[at];
        if (c == '.' && !point) {
            point = true;
        } else if (c >= '0' && c <= '9') {
            digits = true;
            scale = point ? scale / 10 : 1;
            value = point ? value + (c - '0') * scale : value * 10 + (c - '0');
        } else {
            break;
        }
    }
    if (!digits)
        return "invalid duration";
    size_t end = at;
    while (end < rest->n && rest->p[end] != '.' && !(rest->p[end] >= '0' && rest->p[end] <= '9'))
        end++;
    struct sv unit = sv_make(rest->p + at, end - at);
    if (unit.n == 0)
        return "missing unit in duration";
    for (size_t i = 0; i < TC_ARRAY_LEN(units); i++)
        if (sv_is(unit, units[i].name)) {
            *sum_ns += value * units[i].ns;
            *rest = sv_from(*rest, end);
            return NULL;
        }
    *ret_unit = unit;
    return "unknown unit ";
}

int go_duration_parse(struct sv text, int64_t *ret_ns, struct err *err)
{
    bool negative = sv_starts(text, SV("-"));
    struct sv rest = sv_from(text, negative || sv_starts(text, SV("+"))), unit = {0};
    double sum_ns = 0;
    if (sv_is(rest, "0")) {
        *ret_ns = 0;
        return 0;
    }
    if (rest.n == 0)
        return bad_duration(text, "invalid duration", unit, err);
    while (rest.n > 0) {
        const char *why = take_duration(&rest, &sum_ns, &unit);
        if (why != NULL)
            return bad_duration(text, why, unit, err);
        if (sum_ns >= 9.223372036854775e18)
            return bad_duration(text, "invalid duration", (struct sv){0}, err);
    }
    *ret_ns = negative ? -(int64_t)sum_ns : (int64_t)sum_ns;
    return 0;
}

static int not_a_duration(struct sv text, struct err *err)
{
    struct buf out;
    buf_init(&out, 4096);
    go_quote(&out, sv_head(text, 200));
    int rc = err_set(err, TC_EINPUT, "not a valid duration string: %.*s", SV_FMT(buf_view(&out)));
    buf_free(&out);
    return rc;
}

static int unknown_unit(struct sv unit, struct sv text, struct err *err)
{
    struct buf out;
    buf_init(&out, 4096);
    go_quote(&out, sv_head(unit, 200));
    buf_str(&out, " in duration ");
    go_quote(&out, sv_head(text, 200));
    int rc = err_set(err, TC_EINPUT, "unknown unit %.*s", SV_FMT(buf_view(&out)));
    buf_free(&out);
    return rc;
}

int prometheus_duration_parse(struct sv text, int64_t *ret_ns, struct err *err)
{
    static const struct {
        const char *name;
        uint64_t ns;
    } units[] = {{"y", UINT64_C(31536000000000000)}, {"w", UINT64_C(604800000000000)},
                 {"d", UINT64_C(86400000000000)},    {"h", UINT64_C(3600000000000)},
                 {"m", UINT64_C(60000000000)},       {"s", UINT64_C(1000000000)},
                 {"ms", UINT64_C(1000000)}};
    uint64_t sum_ns = 0;
    size_t next_unit = 0; /* units go from the largest to the smallest */
    if (text.n == 0)
        return err_set(err, TC_EINPUT, "empty duration string");
    for (struct sv rest = text; rest.n > 0 && !sv_is(text, "0");) {
        uint64_t value;
        size_t digits = 0, end, unit = 0;
        while (digits < rest.n && rest.p[digits] >= '0' && rest.p[digits] <= '9')
            digits++;
        for (end = digits; end < rest.n && !(rest.p[end] >= '0' && rest.p[end] <= '9');)
            end++;
        if (digits == 0 || end == digits || !num_u64(sv_head(rest, digits), 0, UINT64_MAX, &value))
            return not_a_duration(text, err);
        struct sv word = sv_make(rest.p + digits, end - digits);
        while (unit < TC_ARRAY_LEN(units) && !sv_is(word, units[unit].name))
            unit++;
        if (unit == TC_ARRAY_LEN(units))
            return unknown_unit(word, text, err);
        if (unit < next_unit)
            return not_a_duration(text, err);
        next_unit = unit + 1;
        if (value > (uint64_t)INT64_MAX / units[unit].ns ||
            sum_ns + value * units[unit].ns > (uint64_t)INT64_MAX)
            return err_set(err, TC_EINPUT, "duration out of range");
        sum_ns += value * units[unit].ns;
        rest = sv_from(rest, end);
    }
    *ret_ns = (int64_t)sum_ns;
    return 0;
}
