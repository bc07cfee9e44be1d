/* SPDX-License-Identifier: MIT */
#ifndef BERTH_TESTS_AWSSCRIPT_H
#define BERTH_TESTS_AWSSCRIPT_H

/*
 * Drivers on a session whose answers a test writes down: a graph of the spec that the test gives,
 * in the environment automation-8527fec8 of project 77, pipeline 100, and a table of calls and
 * answers. A call that the table lacks fails the test.
 */

#include "drivers/driver.h"

#define OUR_TAGS(key, value)                                                                       \
    "[{\"" key "\":\"Environment\",\"" value "\":\"automation-8527fec8\"},"                        \
    "{\"" key "\":\"berth:project\",\"" value "\":\"77\"},"                                        \
    "{\"" key "\":\"berth:ref\",\"" value "\":\"dev/feature/login\"}]"

/* A call's next answer: JSON text, or an error. The last row of a call serves all later ones. */
struct script_row {
    const char *call;   /* "ec2:DescribeVpcs" */
    const char *answer; /* NULL: the error below */
    enum err_class class;
    const char *code, *message;
};

struct script {
    struct graph *g;
    struct session *s;
    struct cancel cancel;
    const struct script_row *rows; /* ended by a row without a call */
    bool used[64];
    cJSON *calls; /* [{"call", "input"}], in order */
    cJSON *notes; /* a teardown's */
    struct err err;
};

/* The network, one role, and a service `api` that every test may build on. */
extern const char script_spec[];

/* Opens the session and wants `spec` (JSON text); fails the test if a driver refuses it. */
void script_open(struct script *t, const char *spec, const struct script_row *rows);
/* The same for a teardown: nothing is wanted, and the graph is empty. */
void script_open_teardown(struct script *t, const struct script_row *rows);
/* A type's discover(), and observe() of what that left unread. */
void script_find(struct script *t, const char *type_name);
/* The same as script_open(), but answers what the drivers say of the spec: NULL if nothing. The
 * caller frees it. */
char *script_refused(const char *spec);
void script_close(struct script *t);

struct resource *script_resource(struct script *t, const char *address);
/* The resource, its target resolved as the engine does before create() and update(). */
struct resource *script_target(struct script *t, const char *address);
void script_discover(struct script *t, const char *address); /* its type's discover() */
void script_observe(struct script *t, const char *address);
/* How many calls of that name were made, and the input of the i-th of them. */
size_t script_count(const struct script *t, const char *call);
const cJSON *script_input(const struct script *t, const char *call, size_t i);
/* The value equals the JSON text. */
void assert_json(const cJSON *value, const char *text);
/* A copy of script_spec with one member of services.api set to JSON text. The caller frees it. */
char *script_spec_with(const char *member, const char *json);
/* A copy of script_spec with more members, JSON text without braces. The caller frees it. */
char *script_spec_and(const char *members);

#endif
