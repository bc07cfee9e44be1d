/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_XML_H
#define BERTH_DRIVERS_AWS_XML_H

/*
 * AWS's XML answers as JSON. libxml2 reads them without network, DTD or entities; a document that
 * has a DTD, or is not UTF-8, is refused before it is parsed. The size is limited by whoever
 * received the answer, the depth by libxml2 (256 elements) and by the shapes.
 */

#include <cjson/cJSON.h>
#include <libxml/tree.h>

#include "drivers/aws/shapes.h"
#include "executor/base/err.h"

#define _cleanup_xml_ _cleanup_(xml_docp)

/* The document, which the caller frees with xmlFreeDoc(). ERR_FAILED: it is not XML. */
int xml_parse(const char *text, size_t len, xmlDoc **ret, struct err *err);
void xml_docp(xmlDoc **doc);

/* The root of an answer, which must be <ActionResponse>: another means that the request went
 * astray, for example to a proxy that has pages of its own. */
int xml_answer(const char *action, const xmlDoc *doc, const xmlNode **ret, struct err *err);

/* The first child element of that name in any namespace, or NULL; node may be NULL. */
const xmlNode *xml_child(const xmlNode *node, const char *name);
/* The text in an element; the caller frees it. NULL for NULL. */
char *xml_text(const xmlNode *node);

/* The element's content as its shape has it; the caller owns *ret. ERR_FAILED names the element
 * whose text is not of its type. Members that the protocol has elsewhere than in the body are left
 * out. */
int xml_structure(const struct shape *shape, const xmlNode *node, cJSON **ret, struct err *err);

#endif
