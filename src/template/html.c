/*
 * The place in a page and the escaping that it needs; see html.h.
 *
 * The place is moved byte by byte by the template's own text, as it is written out. What a value may do is
 * decided by the place alone: text and attributes are escaped, addresses are filtered to harmless schemes,
 * script gets a JSON value, style only harmless words. A value that cannot be made harmless is replaced by
 * "ZgotmplZ", as in Go, so that it can be searched for.
 */
#include "template/html.h"

#include "base/utf8.h"
#include "template/go_format.h"

#include <math.h>

enum { VALUE_MAX = 1 << 20 };
#define REFUSED "ZgotmplZ"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

static bool is_alnum(char c)
{
    return is_letter(c) || (c >= '0' && c <= '9');
}

static bool among(char c, const char *set)
{
    return c != '\0' && strchr(set, c) != NULL;
}

/* --- escapes of text --- */

static void escape_char(char c, struct buf *out)
{
    switch (c) {
    case '\0':
        buf_str(out, "\xEF\xBF\xBD");
        return;
    case '"':
        buf_str(out, "&#34;");
        return;
    case '&':
        buf_str(out, "&amp;");
        return;
    case '\'':
        buf_str(out, "&#39;");
        return;
    case '+':
        buf_str(out, "&#43;");
        return;
    case '<':
        buf_str(out, "&lt;");
        return;
    case '>':
        buf_str(out, "&gt;");
        return;
    default:
        buf_char(out, c);
    }
}

static void escape_text(struct sv text, bool keep_entities, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '&' && keep_entities)
            buf_char(out, '&');
        else
            escape_char(text.p[i], out);
}

/* As text/template's HTMLEscapeString: no plus sign. */
void html_escape(struct sv text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '+')
            buf_char(out, '+');
        else
            escape_char(text.p[i], out);
}

/* Without quotes around it a value must not have what ends it. */
static void escape_unquoted(struct sv text, bool keep_entities, struct buf *out)
{
    if (text.n == 0)
        buf_str(out, REFUSED);
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (is_space(c) || c == '\v' || c == '=' || c == '`')
            buf_printf(out, "&#%d;", c);
        else if (c == '\0')
            buf_str(out, "&#xfffd;");
        else if (c == '&' && keep_entities)
            buf_char(out, c);
        else
            escape_char(c, out);
    }
}

/* Markup as text: its tags go, its entities stay. */
static void strip_tags(struct sv html, struct buf *out)
{
    bool inside = false;
    for (size_t i = 0; i < html.n; i++) {
        bool opens =
            html.p[i] == '<' && i + 1 < html.n && (is_letter(html.p[i + 1]) || among(html.p[i + 1], "/!?"));
        if (inside)
            inside = html.p[i] != '>';
        else if (opens)
            inside = true;
        else
            buf_char(out, html.p[i]);
    }
}

/* --- addresses --- */

/* http, https, mailto or none: what comes before a colon that no slash precedes. */
static bool is_safe_url(struct sv url)
{
    static const char *const schemes[] = {"http", "https", "mailto"};
    size_t colon = sv_find_char(url, ':');
    if (colon == url.n || sv_find_char(sv_head(url, colon), '/') < colon)
        return true;
    for (size_t i = 0; i < TC_ARRAY_LEN(schemes); i++)
        if (sv_eq_nocase(sv_head(url, colon), sv_of(schemes[i])))
            return true;
    return false;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'f');
}

/* `whole`: reserved characters and escapes that are there already stay, for a whole address; else all but the
 * unreserved go. */
static void escape_url(struct sv url, bool whole, struct buf *out)
{
    for (size_t i = 0; i < url.n; i++) {
        char c = url.p[i];
        bool keep = is_alnum(c) || among(c, "-._~") || (whole && among(c, "!#$&*+,/:;=?@[]"));
        keep |= whole && c == '%' && i + 2 < url.n && is_hex(url.p[i + 1]) && is_hex(url.p[i + 2]);
        if (keep)
            buf_char(out, c);
        else
            buf_printf(out, "%%%02x", (unsigned char)c);
    }
}

/* --- script and style --- */

static void escape_script_text(struct sv text, const char *more, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (c == '\t' || c == '\n' || c == '\f' || c == '\r')
            buf_printf(out, "\\%c", c == '\t' ? 't' : c == '\n' ? 'n' : c == '\f' ? 'f' : 'r');
        else if (c == '\\')
            buf_str(out, "\\\\");
        else if (c == '/')
            buf_str(out, "\\/");
        else if ((unsigned char)c < ' ' || among(c, "\"`&'+<>") || among(c, more))
            buf_printf(out, "\\u%04x", c);
        else if (i + 2 < text.n && (c & 0xFF) == 0xE2 && (text.p[i + 1] & 0xFF) == 0x80 &&
                 ((text.p[i + 2] & 0xFE) == 0xA8)) { /* line ends of JavaScript */
            buf_printf(out, "\\u202%x", (text.p[i + 2] & 0xFF) == 0xA8 ? 8 : 9);
            i += 2;
        } else
            buf_char(out, c);
    }
}

static void script_value(struct template_value value, struct buf *out)
{
    struct buf json;
    buf_init(&json, VALUE_MAX);
    bool good = template_to_json(&json, value);
    if (!good)
        buf_str(out, " null ");
    else if (json.n > 0 && among(json.p[0], "\"[{"))
        buf_sv(out, buf_view(&json));
    else /* a word or number must not grow together with what stands beside it */
        buf_printf(out, " %.*s ", SV_FMT(buf_view(&json)));
    out->overflow |= json.overflow;
    buf_free(&json);
}

/* A word, number, colour or quantity, and nothing that could name an address or run code. */
static void style_value(struct sv text, struct buf *out)
{
    bool good = true;
    char low[32] = "";
    size_t n = 0;
    for (size_t i = 0; i < text.n && good; i++) {
        char c = text.p[i];
        good = !among(c, "\"'()/;@[\\]`{}<>") && c != '\0' && !(c == '-' && i > 0 && text.p[i - 1] == '-');
        if (is_alnum(c) && n + 1 < sizeof low)
            low[n++] = (char)(c | 0x20);
    }
    if (!good || strstr(low, "expression") != NULL || strstr(low, "mozbinding") != NULL)
        buf_str(out, REFUSED);
    else
        buf_sv(out, text);
}

static void escape_style_text(struct sv text, struct buf *out)
{
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];
        if (is_alnum(c) || (unsigned char)c >= 0x80 || among(c, " -_.,!#$%*=?@^|~"))
            buf_char(out, c);
        else
            buf_printf(out, "\\%x%s", (unsigned char)c,
                       i + 1 < text.n && (is_hex(text.p[i + 1]) || is_space(text.p[i + 1])) ? " " : "");
    }
}

/* --- moving through the template's text --- */

static enum html_attribute attribute_of(struct sv name)
{
    static const char *const urls[] = {"action", "archive",    "background", "cite",   "classid",  "codebase",
                                       "data",   "formaction", "href",       "icon",   "longdesc", "manifest",
                                       "poster", "profile",    "src",        "usemap", "xmlns"};
    if (sv_starts(name, SV("data-")))
        name = sv_from(name, 5);
    size_t colon = sv_find_char(name, ':');
    if (colon < name.n) {
        if (sv_eq(sv_head(name, colon), SV("xmlns")))
            return HTML_URL;
        name = sv_from(name, colon + 1);
    }
    if (sv_starts(name, SV("on")))
        return HTML_SCRIPT_VALUE;
    if (sv_is(name, "style"))
        return HTML_STYLE_VALUE;
    if (sv_is(name, "srcset"))
        return HTML_SRCSET;
    for (size_t i = 0; i < TC_ARRAY_LEN(urls); i++)
        if (sv_is(name, urls[i]))
            return HTML_URL;
    bool sounds = sv_find(name, SV("src")) < name.n || sv_find(name, SV("uri")) < name.n ||
                  sv_find(name, SV("url")) < name.n;
    return sounds ? HTML_URL : HTML_PLAIN;
}

static void append_lower(char *to, size_t size, char c)
{
    size_t n = strlen(to);
    if (n + 1 < size) {
        to[n] = c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
        to[n + 1] = '\0';
    }
}

static enum html_state content_of(const char *element)
{
    static const struct {
        const char *element;
        enum html_state state;
    } special[] = {
        {"script", HTML_SCRIPT}, {"style", HTML_STYLE}, {"textarea", HTML_RAW}, {"title", HTML_RAW}};
    for (size_t i = 0; i < TC_ARRAY_LEN(special); i++)
        if (strcmp(element, special[i].element) == 0)
            return special[i].state;
    return HTML_TEXT;
}

/* One character of JavaScript or CSS. Returns false where it belongs to a comment and is left out. */
static bool code_char(struct html_place *place, struct sv rest, bool script)
{
    char c = rest.p[0], after = rest.n > 1 ? rest.p[1] : '\0';
    switch (place->code) {
    case CODE_DOUBLE:
    case CODE_SINGLE:
    case CODE_TEMPLATE:
    case CODE_REGEX:
        if (place->last_code == '\\') {
            place->last_code = '\0';
            return true;
        }
        place->last_code = c;
        if (c == (place->code == CODE_DOUBLE   ? '"'
                  : place->code == CODE_SINGLE ? '\''
                  : place->code == CODE_REGEX  ? '/'
                                               : '`'))
            place->code = CODE_PLAIN;
        return true;
    case CODE_URL:
        if (c == ')')
            place->code = CODE_PLAIN;
        return true;
    case CODE_BLOCK_COMMENT:
        if (c == '/' && place->last_code == '*') {
            place->code = CODE_PLAIN;
            place->last_code = '\0';
        } else {
            place->last_code = c;
        }
        return false;
    case CODE_LINE_COMMENT:
        if (c != '\n' && c != '\r')
            return false;
        place->code = CODE_PLAIN;
        return true;
    case CODE_PLAIN:
        break;
    }
    if (c == '"' || c == '\'' || (script && c == '`'))
        place->code = c == '"' ? CODE_DOUBLE : c == '\'' ? CODE_SINGLE : CODE_TEMPLATE;
    else if (c == '/' && (after == '*' || (after == '/' && script))) {
        place->code = after == '*' ? CODE_BLOCK_COMMENT : CODE_LINE_COMMENT;
        place->last_code = '\0';
        return false;
    } else if (c == '/' && script &&
               (place->last_code == '\0' || among(place->last_code, "(,=:[!&|?{};+-*%~^<>")))
        place->code = CODE_REGEX;
    else if (!script && c == '(' && place->last_code == 'l') /* url( */
        place->code = CODE_URL;
    if (!is_space(c))
        place->last_code = place->code == CODE_PLAIN || place->code == CODE_URL ? c : '\0';
    return true;
}

static void enter_value(struct html_place *place, char quote)
{
    place->state = HTML_VALUE;
    place->quote = quote;
    place->attribute = attribute_of(sv_of(place->name));
    place->part = HTML_URL_START;
    place->code = CODE_PLAIN;
    place->last_code = '\0';
}

static void close_tag(struct html_place *place)
{
    place->state = place->closing ? HTML_TEXT : content_of(place->element);
    place->code = CODE_PLAIN;
    place->last_code = '\0';
}

/* "</script" and the like, at `rest`. */
static bool ends_element(const struct html_place *place, struct sv rest)
{
    size_t n = strlen(place->element);
    return rest.n > n + 2 && rest.p[0] == '<' && rest.p[1] == '/' &&
           sv_eq_nocase(sv_make(rest.p + 2, n), sv_of(place->element)) && !is_alnum(rest.p[n + 2]);
}

/* In text or raw text at `<` or anything else; returns the bytes taken. */
static size_t move_text(struct html_place *place, struct sv rest, struct buf *out)
{
    if (rest.p[0] != '<') {
        buf_char(out, rest.p[0]);
        return 1;
    }
    bool raw = place->state == HTML_RAW;
    if (!raw && sv_starts(rest, SV("<!--"))) {
        place->state = HTML_COMMENT;
        return 4;
    }
    size_t at = 1 + (rest.n > 1 && rest.p[1] == '/');
    if ((raw && !ends_element(place, rest)) || at >= rest.n || !is_letter(rest.p[at])) {
        bool doctype = !raw && sv_eq_nocase(sv_head(rest, 9), SV("<!DOCTYPE"));
        buf_str(out, doctype ? "<" : "&lt;");
        return 1;
    }
    place->closing = at == 2;
    place->element[0] = '\0';
    buf_add(out, rest.p, at);
    for (; at < rest.n && (is_alnum(rest.p[at]) || among(rest.p[at], ":-")); at++) {
        append_lower(place->element, sizeof place->element, rest.p[at]);
        buf_char(out, rest.p[at]);
    }
    place->state = HTML_TAG;
    return at;
}

static void move_tag(struct html_place *place, char c)
{
    switch (place->state) {
    case HTML_TAG:
        if (c == '>')
            close_tag(place);
        else if (!is_space(c)) {
            place->name[0] = '\0';
            append_lower(place->name, sizeof place->name, c);
            place->state = HTML_NAME;
        }
        return;
    case HTML_NAME:
    case HTML_AFTER_NAME:
        if (c == '=')
            place->state = HTML_BEFORE_VALUE;
        else if (c == '>')
            close_tag(place);
        else if (is_space(c))
            place->state = HTML_AFTER_NAME;
        else {
            if (place->state == HTML_AFTER_NAME)
                place->name[0] = '\0';
            append_lower(place->name, sizeof place->name, c);
            place->state = HTML_NAME;
        }
        return;
    case HTML_BEFORE_VALUE:
        if (c == '"' || c == '\'')
            enter_value(place, c);
        else if (c == '>')
            close_tag(place);
        else if (!is_space(c))
            enter_value(place, '\0');
        return;
    default:
        return;
    }
}

/* Returns false where the character ends the value (and was looked at as such). */
static void move_value(struct html_place *place, struct sv rest)
{
    char c = rest.p[0];
    if (place->quote != '\0' ? c == place->quote : is_space(c) || c == '>') {
        place->state = HTML_TAG;
        if (c == '>')
            close_tag(place);
        return;
    }
    if (place->attribute == HTML_URL || place->attribute == HTML_SRCSET) {
        if (c == '?' || c == '#')
            place->part = HTML_URL_QUERY;
        else if (place->part == HTML_URL_START && !is_space(c))
            place->part = HTML_URL_PATH;
        else if (place->attribute == HTML_SRCSET && c == ',')
            place->part = HTML_URL_START;
    } else if (place->attribute != HTML_PLAIN) {
        (void)code_char(place, rest, place->attribute == HTML_SCRIPT_VALUE);
    }
}

void html_text(struct html_place *place, struct sv text, struct buf *out)
{
    for (size_t i = 0; i < text.n;) {
        struct sv rest = sv_from(text, i);
        switch (place->state) {
        case HTML_TEXT:
        case HTML_RAW:
            i += move_text(place, rest, out);
            continue;
        case HTML_COMMENT:
            if (sv_starts(rest, SV("-->"))) {
                place->state = HTML_TEXT;
                i += 3;
            } else {
                i++;
            }
            continue;
        case HTML_SCRIPT:
        case HTML_STYLE:
            if (ends_element(place, rest)) {
                place->state = HTML_RAW; /* whose end of element this is */
                continue;
            }
            if (code_char(place, rest, place->state == HTML_SCRIPT))
                buf_char(out, rest.p[0]);
            break;
        case HTML_VALUE:
            move_value(place, rest);
            buf_char(out, rest.p[0]);
            break;
        default: {
            bool before = place->state == HTML_BEFORE_VALUE;
            move_tag(place, rest.p[0]);
            if (before && place->state == HTML_VALUE && place->quote == '\0')
                move_value(place, rest);
            buf_char(out, rest.p[0]);
        }
        }
        i++;
    }
}

/* --- values --- */

static void value_in_attribute(struct html_place *place, struct sv text, bool keep_entities, struct buf *out)
{
    if (place->quote == '\0')
        escape_unquoted(text, keep_entities, out);
    else
        escape_text(text, keep_entities, out);
}

static void code_value(const struct html_place *place, struct template_value value, struct sv text,
                       bool script, struct buf *out)
{
    switch (place->code) {
    case CODE_BLOCK_COMMENT:
    case CODE_LINE_COMMENT:
        return;
    case CODE_PLAIN:
        if (script)
            script_value(value, out);
        else
            style_value(text, out);
        return;
    case CODE_URL:
        if (is_safe_url(text))
            escape_url(text, true, out);
        else
            buf_str(out, "#" REFUSED);
        return;
    case CODE_TEMPLATE:
        escape_script_text(text, "${}", out);
        return;
    case CODE_REGEX:
        escape_script_text(text, "$()*.?[]^{|}-", out);
        return;
    case CODE_DOUBLE:
    case CODE_SINGLE:
        if (script)
            escape_script_text(text, "", out);
        else
            escape_style_text(text, out);
        return;
    }
}

static void attribute_value(struct html_place *place, struct template_value value, struct sv text,
                            struct buf *out)
{
    struct buf made;
    buf_init(&made, VALUE_MAX);
    bool keep_entities = false;
    switch (place->attribute) {
    case HTML_PLAIN:
        keep_entities = value.kind == TEMPLATE_STRING && value.content == CONTENT_HTML;
        if (keep_entities)
            strip_tags(text, &made);
        else
            buf_sv(&made, text);
        break;
    case HTML_URL:
    case HTML_SRCSET: {
        bool trusted = value.kind == TEMPLATE_STRING && value.content == CONTENT_URL;
        if (place->part == HTML_URL_START && !trusted && !is_safe_url(text))
            buf_str(&made, "#" REFUSED);
        else
            escape_url(text, place->part != HTML_URL_QUERY || trusted, &made);
        if (place->part == HTML_URL_START && text.n > 0)
            place->part = memchr(text.p, '?', text.n) != NULL || memchr(text.p, '#', text.n) != NULL
                              ? HTML_URL_QUERY
                              : HTML_URL_PATH;
        break;
    }
    case HTML_SCRIPT_VALUE:
    case HTML_STYLE_VALUE:
        code_value(place, value, text, place->attribute == HTML_SCRIPT_VALUE, &made);
        break;
    }
    value_in_attribute(place, buf_view(&made), keep_entities, out);
    out->overflow |= made.overflow;
    buf_free(&made);
}

/* A word that may stand as the name of an attribute or element. */
static void name_value(struct html_place *place, struct sv text, struct buf *out)
{
    bool good = text.n > 0 && text.n < sizeof place->name;
    place->name[0] = '\0';
    for (size_t i = 0; i < text.n && good; i++) {
        good = is_alnum(text.p[i]);
        append_lower(place->name, sizeof place->name, text.p[i]);
    }
    if (!good || attribute_of(sv_of(place->name)) != HTML_PLAIN) {
        buf_str(out, REFUSED);
        memcpy(place->name, "zgotmplz", 9);
    } else {
        buf_sv(out, sv_of(place->name));
    }
    place->state = HTML_NAME;
}

void html_value(struct html_place *place, struct template_value value, struct buf *out)
{
    struct buf shown;
    buf_init(&shown, VALUE_MAX);
    if (value.kind != TEMPLATE_NONE)
        go_print_value(&shown, value);
    struct sv text = buf_view(&shown);
    bool markup = value.kind == TEMPLATE_STRING && value.content == CONTENT_HTML;
    if (place->state == HTML_BEFORE_VALUE)
        enter_value(place, '\0');
    switch (place->state) {
    case HTML_TEXT:
        if (markup)
            buf_sv(out, text);
        else
            escape_text(text, false, out);
        break;
    case HTML_RAW:
        escape_text(text, markup, out);
        break;
    case HTML_COMMENT:
        break;
    case HTML_TAG:
    case HTML_NAME:
    case HTML_AFTER_NAME:
        name_value(place, text, out);
        break;
    case HTML_VALUE:
        attribute_value(place, value, text, out);
        break;
    case HTML_SCRIPT:
    case HTML_STYLE:
        code_value(place, value, text, place->state == HTML_SCRIPT, out);
        if (place->code == CODE_PLAIN)
            place->last_code = 'x';
        break;
    case HTML_BEFORE_VALUE:
        break;
    }
    out->overflow |= shown.overflow;
    buf_free(&shown);
}
