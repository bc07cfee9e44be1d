/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_SHAPES_H
#define BERTH_DRIVERS_AWS_SHAPES_H

/*
 * What AWS's models say about the actions that berth calls: the names on the wire, types, limits,
 * paging, endpoints. The tables are const, generated into shapes.inc by shapes.py from botocore's
 * models for the actions in actions.txt; nothing here is owned or freed by anyone.
 *
 * Shapes, members and words are arrays that refer to each other by index, which keeps them small
 * and lets recursive shapes be. Index 0 of shapes[] is the structure without members: what an
 * action without input or output has.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum shape_kind {
    SHAPE_STRUCTURE,
    SHAPE_LIST,
    SHAPE_MAP,
    SHAPE_STRING,
    SHAPE_BLOB, /* base64 in our JSON, as in AWS's */
    SHAPE_BOOLEAN,
    SHAPE_INTEGER, /* 32 bits */
    SHAPE_LONG,    /* 64 bits */
    SHAPE_DOUBLE,
    SHAPE_TIMESTAMP, /* seconds since 1970 in our JSON, possibly with a fraction */
    SHAPE_DOCUMENT,  /* any JSON */
};

#define SHAPE_FLATTENED 1 /* a list or map without an element of its own around its items */
#define SHAPE_HAS_MIN   2
#define SHAPE_HAS_MAX   4
#define SHAPE_SECRET    8  /* its value must not be shown */
#define SHAPE_UNION     16 /* exactly one member is set */
/* Percent-encoded in answers: IAM's policy documents,
 * https://docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html */
#define SHAPE_PERCENT 32

struct shape {
    uint8_t kind;
    uint8_t flags;
    uint16_t
        first; /* structure: its first member; string: its first word; list, map: item's shape */
    uint16_t
        count; /* structure: how many members; string: how many words (0: any); map: key's shape */
    const char
        *item; /* list: an item's name on the wire; map: a value's; NULL: the protocol's own */
    const char *key;  /* map: a key's name on the wire, or NULL */
    int64_t min, max; /* of a string's or a list's length, or of a number */
};

#define MEMBER_REQUIRED 1
#define MEMBER_TOKEN    2 /* an idempotency token: filled in where the caller gave none */
/* Where a REST protocol has a member, under its wire name, if not in the body. */
#define MEMBER_PATH   4  /* "{name}" in the path */
#define MEMBER_QUERY  8  /* behind the '?' */
#define MEMBER_HEADER 16 /* a header, also of an answer */
#define MEMBER_PLACES (MEMBER_PATH | MEMBER_QUERY | MEMBER_HEADER)

struct shape_member {
    const char *name;
    const char *wire;  /* in JSON and in XML answers; NULL: name */
    const char *query; /* in ec2's requests; NULL: by ec2's rule from wire */
    uint16_t shape;
    uint8_t flags;
};

#define PAGE_TOKENS 3
struct paging {
    const char *input[PAGE_TOKENS];  /* members of the input that take ... */
    const char *output[PAGE_TOKENS]; /* ... these of the last answer */
    const char *more;                /* a boolean that says whether there is more; or NULL */
};

/* What a REST protocol has in place of an action's name. */
struct rest {
    const char *method;
    const char *path;  /* "/2013-04-01/hostedzone/{Id}/rrset" */
    const char *root;  /* the body's element; NULL: requests have no body */
    const char *xmlns; /* that element's namespace, or NULL */
};

#define OPERATION_WRITE    1 /* changes something */
#define OPERATION_UNSIGNED 2 /* is sent without a signature: AssumeRoleWithWebIdentity */
#define OPERATION_TOKEN    4 /* takes an idempotency token */

struct operation {
    const char *name;
    const char *wrapper;     /* the element around the result in query's answers, or NULL */
    const char *host_prefix; /* put before AWS's own host name, or NULL */
    uint16_t input, output;  /* shapes */
    uint8_t flags;
    const struct paging *paging; /* NULL: never more than one page */
    const struct rest *rest;     /* NULL where the protocol is none of REST's */
};

enum protocol_id { PROTOCOL_JSON, PROTOCOL_QUERY, PROTOCOL_EC2, PROTOCOL_REST_XML, PROTOCOLS };
enum partition_id { PARTITION_AWS, PARTITION_AWS_CN, PARTITION_AWS_US_GOV, PARTITIONS };

struct endpoint_rule {
    const char *host;   /* "{region}" stands for the region */
    const char *region; /* what a global service is signed for; NULL: the session's region */
};

struct service {
    const char *name;    /* as aws_call() takes it */
    const char *env;     /* as in AWS_ENDPOINT_URL_<SERVICE> */
    const char *signing; /* the signature's service name */
    const char *target;  /* X-Amz-Target's prefix, or NULL */
    const char *json;    /* "1.1", or NULL */
    const char *version; /* the API's, "2016-11-15" */
    enum protocol_id protocol;
    bool query_mode; /* once spoke the query protocol, whose error codes it is asked for */
    struct endpoint_rule endpoints[PARTITIONS];
    const struct operation *operations; /* sorted by name */
    size_t n;
};

extern const struct shape shapes[];
extern const struct shape_member shape_members[];
extern const char *const shape_words[];

/* NULL where there is none of that name. */
const struct service *service_find(const char *name);
const struct operation *operation_find(const struct service *service, const char *action);
/* The i-th service, for walking them all; NULL behind the last. */
const struct service *service_at(size_t i);
/* A structure's member by its name, NULL if it has none. */
const struct shape_member *member_find(const struct shape *shape, const char *name);
const char *member_wire(const struct shape_member *member);

#endif
