/* SPDX-License-Identifier: MIT */
#ifndef BERTH_DRIVERS_IMAGE_STORE_H
#define BERTH_DRIVERS_IMAGE_STORE_H

/*
 * A directory of the host's in which storages of builders lie from one job to the next. It is
 * root's and closed to all others; what is in a storage is a job's user's, and whatever that has
 * made of it: berth moves it, measures it and removes it, and never reads what it holds.
 *
 *     <directory>/<slot>/storage   the builder's
 *     <directory>/<slot>/note      what berth must know of it, and by its date when it was last
 * used <directory>/.<anything>      on its way in or out
 *
 * A storage is in one place at a time: taken out for a job, it is no other's; where that job is
 * killed, it goes with the job, and the next begins without.
 */

#include "executor/base/clock.h"
#include "executor/base/err.h"

struct image_store {
    const char *directory; /* absolute */
    int64_t bytes;         /* that all together may take */
    int64_t seconds;       /* how old one may be, since it was made of nothing */
    struct cancel *cancel; /* ends measuring and removing; or NULL */
};

/* One storage. The strings are the caller's. */
struct image_slot {
    const char *name;  /* a file's */
    const char *stamp; /* what it must have been made by; another one is of no use */
    unsigned uid;      /* whose it must be */
    int64_t made; /* when, by the clock's seconds: set where it is taken, read where it is put */
};

/*
 * Moves the slot's storage to the name `as` in the directory `to`, which must be in the same file
 * system. *ret_why, the caller's to free, says why there is none; NULL: it is there. What is of no
 * use any more is removed. ERR_HOST where the directory cannot be used.
 */
int image_store_take(const struct image_store *s, struct image_slot *slot, int to, const char *as,
                     char **ret_why, struct err *err);
/*
 * Moves `as` in `from` into the slot, instead of what is there, and removes what was used longest
 * ago until all fit, and a tenth of the file system is free, of its room and of its inodes.
 * *ret_bytes is how much it takes. ERR_HOST: it is not kept, since it cannot be, or since even
 * without all others less than a tenth were free; ERR_CANCELLED.
 */
int image_store_put(const struct image_store *s, const struct image_slot *slot, int from,
                    const char *as, int64_t *ret_bytes, struct err *err);
/* Removes all that is in it; *ret: there was something. */
int image_store_clear(const struct image_store *s, bool *ret, struct err *err);

/* What is in it. */
struct image_store_content {
    size_t n;
    int64_t bytes;
    char *oldest; /* the slot whose storage was made longest ago; NULL: there is none */
    int64_t made; /* when that was */
    /* How much all together may take for a tenth of the file system to stay free: with none at all,
     * or less, nothing is kept. `room_files` is INT64_MAX where it makes inodes as it needs them.
     */
    int64_t room_bytes, room_files;
};
#define _cleanup_image_store_content_ _cleanup_(image_store_content_release)
void image_store_content_release(struct image_store_content *content);

/* Looks at all of it and changes nothing. ERR_HOST as image_store_take(). */
int image_store_look(const struct image_store *s, struct image_store_content *ret, struct err *err);
/* Moves `as`, a directory of the user's in `from`, in and out again, as a build would, beside what
 * is there. ERR_HOST: that cannot be done; `as` may then be gone. */
int image_store_try(const struct image_store *s, unsigned uid, int from, const char *as,
                    struct err *err);

#endif
