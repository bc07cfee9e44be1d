/* SPDX-License-Identifier: MIT */
#include "executor/watch.h"

#include <signal.h>
#include <unistd.h>

#include "executor/base/log.h"
#include "executor/base/str.h"

static const int signals[] = { SIGTERM, SIGINT, SIGHUP };

/* For how long the end of the process waits for somebody to read why. */
#define WORDS_SECONDS 2.0

struct watch {
    struct cancel *cancel;
    int exit_code;
    char *words; /* that are being said, or have been; NULL: none yet */
    bool last;   /* they are the last */
    uv_thread_t speaker;
    struct cancel said;
    uv_thread_t thread;
    uv_loop_t loop;
    uv_signal_t signals[ARRAY_SIZE(signals)];
    uv_timer_t grace;
    uv_async_t stop;
};

static void speak(void *argument)
{
    struct watch *w = argument;
    if (w->last) {
        log_footer(NULL);
        log_error("%s", w->words);
    } else {
        log_warn("%s", w->words);
    }
    cancel_set(&w->said);
}

/* Joins the speaker of what has been said. */
static void hush(struct watch *w)
{
    if (w->words == NULL)
        return;
    uv_thread_join(&w->speaker);
    cancel_release(&w->said);
    free(steal_ptr(&w->words));
}

/*
 * Says words, and takes them, on a thread of their own: whoever writes to a log that nobody reads
 * any more waits for ever, and so does whoever wants to write after him (log.c), but a signal and
 * the end must not. What cannot be said in time is not waited for.
 */
static void say(struct watch *w, bool last, char *words)
{
    if (w->words != NULL && !cancel_is_set(&w->said)) {
        free(words); /* nobody has read the ones before */
        return;
    }
    hush(w);
    cancel_init(&w->said);
    w->words = words;
    w->last = last;
    if (uv_thread_create(&w->speaker, speak, w) == 0) {
        cancel_sleep(&w->said, WORDS_SECONDS);
        return;
    }
    cancel_release(&w->said);
    free(steal_ptr(&w->words));
}

static void warning(struct watch *w, const char *fmt, ...) _printf_(2, 3);
static void warning(struct watch *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(w, false, xvasprintf(fmt, ap));
    va_end(ap);
}

/* The process ends with these words. */
static void fail(struct watch *w, const char *fmt, ...) _printf_(2, 3);
static void fail(struct watch *w, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    say(w, true, xvasprintf(fmt, ap));
    va_end(ap);
    _exit(w->exit_code);
}

static void end_after_grace(uv_timer_t *timer)
{
    fail(timer->data,
         "not every call has ended %d s after the cancel: berth ends all the same; run the job "
         "again to converge",
         WATCH_GRACE);
}

static void take_signal(uv_signal_t *handle, int signum)
{
    struct watch *w = handle->data;
    const char *name = signum == SIGTERM ? "SIGTERM" : signum == SIGINT ? "SIGINT" : "SIGHUP";
    if (cancel_is_set(w->cancel))
        fail(w, "%s again: berth ends at once; run the job again to converge", name);
    /* Before a word is said, which waits for whoever reads the log. */
    cancel_set(w->cancel);
    uv_timer_start(&w->grace, end_after_grace, (uint64_t)WATCH_GRACE * 1000, 0);
    warning(w, "%s: nothing more is started; what is being called ends first", name);
}

static void take_stop(uv_async_t *handle)
{
    struct watch *w = handle->data;
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        uv_close((uv_handle_t *)&w->signals[i], NULL);
    uv_close((uv_handle_t *)&w->grace, NULL);
    uv_close((uv_handle_t *)&w->stop, NULL);
}

static void run_loop(void *argument)
{
    struct watch *w = argument;
    uv_run(&w->loop, UV_RUN_DEFAULT);
}

struct watch *watch_start(struct cancel *cancel, int exit_code)
{
    struct watch *w = xcalloc(1, sizeof(*w));
    w->cancel = cancel;
    w->exit_code = exit_code;
    if (uv_loop_init(&w->loop) < 0) {
        free(w);
        return NULL;
    }
    uv_async_init(&w->loop, &w->stop, take_stop);
    uv_timer_init(&w->loop, &w->grace);
    w->stop.data = w;
    w->grace.data = w;
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++) {
        uv_signal_init(&w->loop, &w->signals[i]);
        w->signals[i].data = w;
        uv_signal_start(&w->signals[i], take_signal, signals[i]);
    }
    if (uv_thread_create(&w->thread, run_loop, w) == 0)
        return w;
    take_stop(&w->stop);
    uv_run(&w->loop, UV_RUN_DEFAULT);
    uv_loop_close(&w->loop);
    free(w);
    return NULL;
}

void watch_stop(struct watch *w)
{
    if (w == NULL)
        return;
    uv_async_send(&w->stop);
    uv_thread_join(&w->thread);
    uv_loop_close(&w->loop);
    hush(w);
    free(w);
}
