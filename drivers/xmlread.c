/* SPDX-License-Identifier: MIT */
#include "drivers/xmlread.h"

#include <libxml/xmlreader.h>

#include "executor/base/utf8.h"

struct xmlread {
    xmlTextReader *reader;
    bool end_due; /* the element that began has no content: its end is next */
    char *problem;
    unsigned long problem_line;
};

/* The first problem is the cause; those that follow are its effects. */
static void keep_problem(void *context, xmlError *error)
{
    struct xmlread *x = context;
    if (x->problem != NULL || error->level < XML_ERR_ERROR || error->message == NULL)
        return;
    x->problem = xstrndup(error->message, strcspn(error->message, "\n"));
    x->problem_line = error->line > 0 ? (unsigned long)error->line : 1;
}

void xmlread_freep(struct xmlread **x)
{
    if (*x == NULL)
        return;
    if ((*x)->reader != NULL)
        xmlFreeTextReader((*x)->reader);
    free((*x)->problem);
    free(*x);
}

/* An element's attributes cost more than the square of their number to read, and only what begins
 * the next tag cannot stand in one. */
static bool has_long_tag(const char *text, size_t len)
{
    const char *end = text + len, *at = memchr(text, '<', len);
    while (at != NULL) {
        const char *next = memchr(at + 1, '<', (size_t)(end - at - 1));
        if ((size_t)((next != NULL ? next : end) - at) > XMLREAD_TAG_MAX)
            return true;
        at = next;
    }
    return false;
}

int xmlread_open(const char *text, size_t len, struct xmlread **ret, struct err *err)
{
    if (len > INT32_MAX)
        return err_set(err, ERR_USER, "is too large");
    if (utf8_valid(text, len) < len || memchr(text, '\0', len) != NULL)
        return err_set(err, ERR_USER, "is not UTF-8");
    /* Entities can stand for themselves many times over
     * (https://en.wikipedia.org/wiki/Billion_laughs_attack); no tool's report has any. */
    if (memmem(text, len, "<!ENTITY", strlen("<!ENTITY")) != NULL)
        return err_set(err, ERR_USER, "declares XML entities, which are not read");
    if (has_long_tag(text, len))
        return err_set(err, ERR_USER, "has a tag, or a text behind one, of more than %d bytes",
                       XMLREAD_TAG_MAX);
    _cleanup_xmlread_ struct xmlread *x = xcalloc(1, sizeof(*x));
    /* An encoding that the text itself names is ignored: in another one, what has been looked for
     * above would look different. */
    x->reader = xmlReaderForMemory(text, (int)len, NULL, "UTF-8",
                                   XML_PARSE_NONET | XML_PARSE_NOCDATA | XML_PARSE_IGNORE_ENC);
    if (x->reader == NULL)
        return err_set(err, ERR_USER, "is not XML");
    xmlTextReaderSetStructuredErrorHandler(x->reader, keep_problem, x);
    *ret = steal_ptr(&x);
    return 0;
}

static int give_up(const struct xmlread *x, struct err *err)
{
    if (x->problem == NULL)
        return err_set(err, ERR_USER, "is not XML");
    return err_set(err, ERR_USER, "is not XML: line %lu: %s", x->problem_line, x->problem);
}

static int begin(struct xmlread *x, struct err *err)
{
    if (xmlread_depth(x) > XMLREAD_DEPTH_MAX)
        return err_set(err, ERR_USER, "nests elements deeper than %d", XMLREAD_DEPTH_MAX);
    x->end_due = xmlTextReaderIsEmptyElement(x->reader) == 1;
    return 0;
}

int xmlread_next(struct xmlread *x, enum xmlread_event *ret, struct err *err)
{
    if (x->end_due) {
        x->end_due = false;
        *ret = XMLREAD_END;
        return 0;
    }
    int r;
    while ((r = xmlTextReaderRead(x->reader)) == 1) {
        switch (xmlTextReaderNodeType(x->reader)) {
        case XML_READER_TYPE_ELEMENT:
            *ret = XMLREAD_BEGIN;
            return begin(x, err);
        case XML_READER_TYPE_END_ELEMENT:
            *ret = XMLREAD_END;
            return 0;
        case XML_READER_TYPE_COMMENT:
            *ret = XMLREAD_COMMENT;
            return 0;
        default:; /* text, and what is between elements */
        }
    }
    if (r < 0 || x->problem != NULL)
        return give_up(x, err);
    *ret = XMLREAD_DONE;
    return 0;
}

const char *xmlread_name(const struct xmlread *x)
{
    const xmlChar *name = xmlTextReaderConstLocalName(x->reader);
    return name != NULL ? (const char *)name : "";
}

unsigned xmlread_depth(const struct xmlread *x)
{
    int depth = xmlTextReaderDepth(x->reader);
    return depth > 0 ? (unsigned)depth : 0;
}

unsigned long xmlread_line(const struct xmlread *x)
{
    int line = xmlTextReaderGetParserLineNumber(x->reader);
    return line > 0 ? (unsigned long)line : 1;
}

const char *xmlread_comment(const struct xmlread *x)
{
    const xmlChar *value = xmlTextReaderConstValue(x->reader);
    return value != NULL ? (const char *)value : "";
}

char *xmlread_attribute(const struct xmlread *x, const char *name)
{
    /* libxml2's memory is malloc()'s unless somebody has said otherwise (xmlMemSetup(3)). */
    return (char *)xmlTextReaderGetAttribute(x->reader, (const xmlChar *)name);
}
