/* SPDX-License-Identifier: MIT */
#include <pthread.h>

#include "drivers/cloudwatch.h"

/*
 * The removal of alarms, which DeleteAlarms takes 100 of, three times a second. Workers remove one
 * each, at the same time: while one's call is under way, or waits for its turn, the others' alarms
 * gather, and the next call takes them all.
 */

#define BATCH_MAX 100

struct removal {
    struct session *session;
    const char *name;
    struct removal *next; /* in `waiting`, then in its batch */
    bool done;
    struct err err; /* ERR_NONE: it is removed */
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* guards all below */
static pthread_cond_t ended = PTHREAD_COND_INITIALIZER;
static struct removal *waiting; /* newest first */
static bool under_way;

/* Takes what waits in the session out of the list: with `own`, which does, 100 at most. */
static struct removal *batch_take(struct removal *own)
{
    struct removal *batch = NULL, **link = &waiting;
    size_t n = 0;
    while (*link != NULL) {
        struct removal *removal = *link;
        bool taken = removal == own || (removal->session == own->session && n < BATCH_MAX - 1);
        if (!taken) {
            link = &removal->next;
            continue;
        }
        *link = removal->next;
        removal->next = batch;
        batch = removal;
        n += removal != own;
    }
    return batch;
}

/* "If you specify any incorrect alarm names, the alarms you specify with correct names are still
 * deleted": one that is gone already is no failure of the others.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DeleteAlarms.html */
static void batch_delete(const struct removal *batch, struct err *err)
{
    _cleanup_json_ cJSON *input = cJSON_CreateObject();
    cJSON *names = json_put_array(input, "AlarmNames");
    for (const struct removal *r = batch; r != NULL; r = r->next)
        json_push_str(names, r->name);
    if (aws_call(batch->session, "monitoring", "DeleteAlarms", input, NULL, err) < 0 &&
        err->class == ERR_NOT_FOUND)
        err_release(err);
}

/* Called with the mutex, which it gives away while AWS works. */
static void batch_run(struct removal *own)
{
    struct removal *batch = batch_take(own);
    _cleanup_err_ struct err err = ERR_INIT;
    under_way = true;
    pthread_mutex_unlock(&mutex);
    batch_delete(batch, &err);
    pthread_mutex_lock(&mutex);
    under_way = false;
    for (struct removal *r = batch, *next; r != NULL; r = next) {
        next = r->next; /* what is done is its worker's again, and may be gone */
        if (err.class != ERR_NONE)
            err_copy(&r->err, &err);
        r->done = true;
    }
    pthread_cond_broadcast(&ended);
}

int cloudwatch_alarm_delete(struct session *s, const char *name, struct err *err)
{
    struct removal own = { .session = s, .name = name, .err = ERR_INIT };
    pthread_mutex_lock(&mutex);
    own.next = waiting;
    waiting = &own;
    while (!own.done) {
        if (under_way)
            pthread_cond_wait(&ended, &mutex);
        else
            batch_run(&own);
    }
    pthread_mutex_unlock(&mutex);
    return own.err.class == ERR_NONE ? 0 : err_move(err, &own.err);
}
