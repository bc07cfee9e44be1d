/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_AWS_CLIENT_H
#define BERTH_DRIVERS_AWS_CLIENT_H

/*
 * Calls to AWS: JSON in, JSON out, in the names and types of the AWS API, whatever the service's
 * wire protocol.
 *
 * A session is what a run calls AWS with: region, credentials, endpoints, rates, record. It is
 * thread-safe: any number of threads may call at the same time. It is created by session_open() and
 * freed after every thread that uses it has been joined.
 *
 * aws_call() blocks until the service has answered or the session's cancel is set. It signs,
 * sends, retries what is worth retrying (drivers/aws/retry.c), keeps to the service's rate
 * (drivers/aws/rates.c), refreshes credentials and records the call. Drivers neither retry nor
 * sleep.
 */

#include <cjson/cJSON.h>
#include <stdatomic.h>

#include "executor/base/clock.h"
#include "executor/base/err.h"

struct session;

/* A call once it has ended, for the summary and the report. Times are clock_now()'s. */
struct call_record {
    const char *service;
    const char *action;
    double start;
    double end;
    unsigned tries;     /* 1 when the first try answered */
    unsigned throttled; /* how many tries were answered with a throttle error */
    bool write;         /* not a Describe, List, Get, BatchGet or AssumeRole */
    bool failed;
    bool absent;         /* it failed, and said that what it was about is not there */
    const char *code;    /* of a call that failed: AWS's error code, or else the class; or NULL */
    const char *subject; /* what it was for: aws_call_subject(); or NULL */
};

/* How a session reaches AWS; all strings are copied. */
struct session_options {
    const char *region; /* required */
    const char
        *role_arn; /* assumed with the host's credentials; NULL: those are used as they are */
    const char *session_name; /* RoleSessionName, "berth-<project>-<job>"; required with role_arn */
    const char *user_agent;   /* NULL: "berth/<version>" */
    const cJSON *
        rates; /* host config's "rates": {"route53": 5, "ecs.RegisterTaskDefinition": 1}; or NULL */
    struct cancel *cancel; /* required; outlives the session */
};

/*
 * Finds credentials (environment, shared files, container, instance, web identity: the order of
 * AWS's own SDKs), assumes role_arn where given. No credentials: ERR_CREDENTIALS with every source
 * that was looked at. The caller frees *ret.
 */
int session_open(const struct session_options *options, struct session **ret, struct err *err);
void session_free(struct session *s);
static inline void session_freep(struct session **s)
{
    session_free(*s);
}

/*
 * A session for a few reads in another region, with the credentials, rates, cancel and record of
 * `home`, which outlives it. Endpoints that the environment names are the same in every region; the
 * signature says which is meant. No call of it goes on for longer than `seconds` from now, nor than
 * home's own limit lets it: that what is far away keeps nobody from what is near. ERR_INVALID: the
 * region is not one. ERR_UNREACHABLE: a session of home's for it has waited in vain for an answer,
 * and others need not. The caller frees *ret, before home.
 */
int session_open_region(struct session *home, const char *region, double seconds,
                        struct session **ret, struct err *err);

const char *session_region(const struct session *s);
/* The account id; asks sts:GetCallerIdentity once, unless assuming the role has told it already. */
int session_account(struct session *s, const char **ret, struct err *err);
/*
 * Who calls: the ARN of the role that is assumed, as the options have it; else what
 * sts:GetCallerIdentity says, asked at most once: of a user
 * "arn:aws:iam::ACCOUNT:user/NAME", of a role's session
 * "arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION". The session's.
 */
int session_principal(struct session *s, const char **ret, struct err *err);
struct cancel *session_cancel(struct session *s);
/* The date as AWS has it, as far as that is known: once a call was refused for it. */
time_t session_time(struct session *s);
/* From now on calls end with another cancel, which outlives the session: for what is to be done
 * after a run that was cancelled. Not while others use the session. */
void session_outlive(struct session *s, struct cancel *cancel);
/* From now on no call goes on, and none is tried again, after `until` (clock_now()'s): it then
 * fails, with ERR_TIMEOUT where it was not sent. 0: calls take the time that they take. */
void session_limit(struct session *s, double until);

/*
 * Calls one action. `service` is its endpoint prefix in botocore ("ecs", "ec2",
 * "servicediscovery", "elasticache", "elbv2", "logs", "monitoring", "iam", "ecr", "sts", ...);
 * `input` may be NULL for no members. The input is checked against the service's model before it is
 * sent: a member that the model does not know or whose type is wrong is ERR_INVALID and names its
 * path. Idempotency tokens that the model marks and the input lacks are filled in, the same for all
 * tries.
 *
 * On success *ret_output (may be NULL if of no interest) is an object and the caller's to free:
 * absent members are absent, lists are arrays also in XML protocols, numbers and booleans typed.
 *
 * On failure err->class decides (drivers/aws/error.c maps AWS's codes), err->aws_code, err->message
 * and err->request_id are AWS's; the message begins with "service:Action: ".
 */
int aws_call(struct session *s, const char *service, const char *action, const cJSON *input,
             cJSON **ret_output, struct err *err);

/*
 * Calls an action that makes another thing each time, for it takes neither a token nor a name that
 * can be taken. Before a try is repeated that AWS may have carried out (no answer came, or one that
 * says nothing), `find` looks whether it was: it sets *ret_output, which is the caller's then, to
 * what the action would have answered, or leaves it alone. It may call AWS; its failure counts as
 * "no".
 */
int aws_call_found(struct session *s, const char *service, const char *action, const cJSON *input,
                   int (*find)(void *context, cJSON **ret_output, struct err *err), void *context,
                   cJSON **ret_output, struct err *err);

/*
 * Calls a paged action until its last page and concatenates the arrays named `list` (the model's
 * result key, such as "services") into one. The caller owns *ret_list.
 */
int aws_call_all(struct session *s, const char *service, const char *action, const cJSON *input,
                 const char *list, cJSON **ret_list, struct err *err);

/* From now on this thread's calls are for `subject`, an address of the graph's that stays until
 * another is set, as the record says; NULL: for nothing in particular. */
void aws_call_subject(const char *subject);
/* Whether a call of this thread that writes has failed since the subject was set, and no answer
 * says that it was not carried out: AWS may have done it. */
bool aws_call_is_uncertain(void);
/* From now on *flag says of this thread's calls whether AWS has answered the last one with a
 * throttle; it stays until another is set. NULL: nobody wants to know. */
void aws_call_tell_throttled(atomic_bool *flag);

/* Checks an input against the model without sending it: what aws_call() would refuse. */
int aws_check_input(const char *service, const char *action, const cJSON *input, struct err *err);

/* The calls so far, oldest first; a copy that the caller frees. Returns their number. */
size_t session_record(struct session *s, struct call_record **ret);

/*
 * A session whose calls are answered by a function instead of by AWS, for tests of everything above
 * this layer. `answer` is called as aws_call() is, possibly from many threads at once. Paging, the
 * record and the check of inputs work as with AWS.
 */
typedef int (*session_answer)(void *context, const char *service, const char *action,
                              const cJSON *input, cJSON **ret_output, struct err *err);
int session_open_fake(const char *region, const char *account, struct cancel *cancel,
                      session_answer answer, void *context, struct session **ret);

#endif
