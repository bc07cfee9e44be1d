/* SPDX-License-Identifier: MIT */
#ifndef BERTH_BASE_STRMAP_H
#define BERTH_BASE_STRMAP_H

/*
 * Values by string, for as many as half a million of them. Entries are only ever added: one thread
 * at a time may add, and any number of threads may look up meanwhile without a lock. Keys and
 * values are the caller's and outlive the map; each key is there once.
 */

#include <stdatomic.h>

#include "executor/base/str.h"

struct strmap_entry {
    struct strmap_entry *next;
    void *value;
    char key[];
};

struct strmap {
    _Atomic(struct strmap_entry *) *heads;
};

void strmap_init(struct strmap *map);
/* Adds a value, which hides an earlier one of that key. */
void strmap_add(struct strmap *map, const char *key, void *value);
/* The key's value, or NULL. */
void *strmap_get(const struct strmap *map, const char *key);
/* Frees the map; nobody may be looking up. */
void strmap_release(struct strmap *map);

#endif
