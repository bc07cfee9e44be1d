/* SPDX-License-Identifier: MIT */
#include "executor/base/strmap.h"

/* What is not used of the table costs address space, not memory. */
#define HEADS ((size_t)1 << 16)

/* FNV-1a, http://www.isthe.com/chongo/tech/comp/fnv/ */
static size_t hash_of(const char *key)
{
    uint64_t hash = 14695981039346656037u;
    for (const unsigned char *p = (const unsigned char *)key; *p != '\0'; p++)
        hash = (hash ^ *p) * 1099511628211u;
    return (size_t)(hash ^ hash >> 32) & (HEADS - 1);
}

void strmap_init(struct strmap *map)
{
    map->heads = xcalloc(HEADS, sizeof(*map->heads));
}

void strmap_add(struct strmap *map, const char *key, void *value)
{
    _Atomic(struct strmap_entry *) *head = &map->heads[hash_of(key)];
    size_t size = strlen(key) + 1;
    struct strmap_entry *entry = xmalloc(sizeof(*entry) + size);
    entry->next = atomic_load_explicit(head, memory_order_relaxed);
    entry->value = value;
    memcpy(entry->key, key, size);
    /* The entry is whole before anybody can see it. */
    atomic_store_explicit(head, entry, memory_order_release);
}

void *strmap_get(const struct strmap *map, const char *key)
{
    const struct strmap_entry *entry =
        atomic_load_explicit(&map->heads[hash_of(key)], memory_order_acquire);
    for (; entry != NULL; entry = entry->next)
        if (strcmp(entry->key, key) == 0)
            return entry->value;
    return NULL;
}

void strmap_release(struct strmap *map)
{
    for (size_t i = 0; i < HEADS; i++) {
        struct strmap_entry *entry = atomic_load_explicit(&map->heads[i], memory_order_relaxed);
        while (entry != NULL) {
            struct strmap_entry *next = entry->next;
            free(entry);
            entry = next;
        }
    }
    free(map->heads);
    map->heads = NULL;
}
