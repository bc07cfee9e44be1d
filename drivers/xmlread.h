/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_XMLREAD_H
#define BERTH_DRIVERS_XMLREAD_H

/*
 * XML that a repository's tools have written, element by element: libxml2 reads it without network,
 * external DTD or entities, and keeps no tree of it, so that it takes no more memory than the text
 * itself. A document type may be named, as Cobertura's and JaCoCo's reports do, but it is not
 * looked at; a text that declares entities, is not UTF-8, nests deeper than XMLREAD_DEPTH_MAX or
 * has a tag longer than XMLREAD_TAG_MAX is refused. (AWS's answers are read by drivers/aws/xml.h.)
 */

#include "executor/base/err.h"

#define XMLREAD_DEPTH_MAX 64
#define XMLREAD_TAG_MAX   (8 << 10) /* bytes from one "<" to the next */

enum xmlread_event {
    XMLREAD_BEGIN, /* of an element; each has its end, also one without content */
    XMLREAD_END,
    XMLREAD_COMMENT,
    XMLREAD_DONE,
};

struct xmlread; /* the caller's, who frees it by the cleanup attribute */
#define _cleanup_xmlread_ _cleanup_(xmlread_freep)

/* Begins to read; the text stays the caller's and must outlive the reader. ERR_USER. */
int xmlread_open(const char *text, size_t len, struct xmlread **ret, struct err *err);
void xmlread_freep(struct xmlread **x);

/* Goes to the next event. ERR_USER if the text goes wrong here, with its line. */
int xmlread_next(struct xmlread *x, enum xmlread_event *ret, struct err *err);

/* Of the event that was last: the element's name without its namespace's prefix, its depth (0 is
 * the root) and the line of the text; of a comment its text. Valid until the next. */
const char *xmlread_name(const struct xmlread *x);
unsigned xmlread_depth(const struct xmlread *x);
unsigned long xmlread_line(const struct xmlread *x);
const char *xmlread_comment(const struct xmlread *x);
/* An attribute of the element that begins, which the caller frees; NULL if it has none. */
char *xmlread_attribute(const struct xmlread *x, const char *name);

#endif
