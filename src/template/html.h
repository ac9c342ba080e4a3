/*
 * Where in an HTML page a value lands, and how it is escaped there (as Go's html/template;
 * https://pkg.go.dev/html/template).
 *
 * Text of the template moves the context; values are escaped for it and never move it out of an element or
 * quote.
 */
#ifndef TEMPLATE_HTML_H
#define TEMPLATE_HTML_H

#include "template/value.h"

enum html_state {
    HTML_TEXT,
    HTML_TAG,  /* inside <tag ...> between attributes */
    HTML_NAME, /* in an attribute's name */
    HTML_AFTER_NAME,
    HTML_BEFORE_VALUE, /* behind = */
    HTML_VALUE,        /* in an attribute's value */
    HTML_COMMENT,
    HTML_RAW,    /* in textarea or title: text without tags */
    HTML_SCRIPT, /* in a script element */
    HTML_STYLE,  /* in a style element */
};

enum html_attribute { HTML_PLAIN, HTML_URL, HTML_SCRIPT_VALUE, HTML_STYLE_VALUE, HTML_SRCSET };
enum html_url_part { HTML_URL_START, HTML_URL_PATH, HTML_URL_QUERY };

/* What of JavaScript or CSS the place is in. */
enum html_code {
    CODE_PLAIN,
    CODE_DOUBLE,
    CODE_SINGLE,
    CODE_TEMPLATE,
    CODE_BLOCK_COMMENT,
    CODE_LINE_COMMENT,
    CODE_REGEX,
    CODE_URL
};

/* All zero is the beginning of a page. */
struct html_place {
    enum html_state state;
    char quote; /* of an attribute's value: '"', '\'' or 0 */
    enum html_attribute attribute;
    enum html_url_part part;
    enum html_code code;
    char last_code;   /* last character of code that is not white space: tells division from a regular
                         expression */
    char element[16]; /* name of the tag in which we are, or of the raw element, lower case */
    char name[32];    /* of the attribute, lower case */
    bool closing;     /* in </tag> */
};

/* Appends the template's own text, without HTML comments, and moves the place. */
void html_text(struct html_place *place, struct sv text, struct buf *out);
/* Appends a value, escaped for the place. */
void html_value(struct html_place *place, struct template_value value, struct buf *out);
/* HTML's escapes alone, as the function `html` makes them. */
void html_escape(struct sv text, struct buf *out);

#endif
