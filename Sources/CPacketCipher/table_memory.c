#define _GNU_SOURCE
#include "cygnet_table_memory.h"
#include "key_pool.h"

#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/// What processors map in one entry of their translation buffers where they can: with small pages, a
/// packet of one SA among very many waits for several look-ups of addresses.
enum { LARGE_PAGE = 2 << 20 };

static size_t whole_steps(size_t octets) {
    return (octets + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
}

static void out_of_memory(size_t octets) {
    fprintf(stderr, "no memory for a table of %zu octets\n", octets);
    abort();
}

void *cygnet_table_reserve(size_t octets) {
    size_t size = whole_steps(octets) + LARGE_PAGE;
    char *area = mmap(NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (area == MAP_FAILED) {
        out_of_memory(octets);
    }
    // From a boundary on, so that large pages fit.
    size_t before = (LARGE_PAGE - (uintptr_t)area % LARGE_PAGE) % LARGE_PAGE;
    if (before > 0) {
        munmap(area, before);
    }
    char *table = area + before;
    size_t behind = size - before - whole_steps(octets);
    if (behind > 0) {
        munmap(table + whole_steps(octets), behind);
    }
    return table;
}

size_t cygnet_table_extend(void *table, size_t usable, size_t octets, size_t reserved) {
    size_t wanted = whole_steps(octets);
    if (wanted <= usable || wanted > whole_steps(reserved)) {
        return usable;
    }
    char *start = (char *)table + usable;
    if (mprotect(start, wanted - usable, PROT_READ | PROT_WRITE) != 0) {
        out_of_memory(wanted);
    }
    // A gateway with few SAs touches the first step only, and that by small pages. Advice may be
    // declined.
    char *large = usable > 0 ? start : start + LARGE_PAGE;
    if (large < (char *)table + wanted) {
        (void)madvise(large, (size_t)((char *)table + wanted - large), MADV_HUGEPAGE);
    }
    return wanted;
}

void cygnet_table_release(void *table, size_t reserved) {
    munmap(table, whole_steps(reserved));
}

// Keys: places of one size, taken and given back by any thread, never returned to the system.

enum { FIRST_PLACES = 64 };

struct place {
    struct place *next;
};

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static struct place *free_places;
static char *fresh_places;
static size_t fresh_count;
static int has_first_places;

static int extend_pool(void) {
    size_t octets = has_first_places ? LARGE_PAGE : FIRST_PLACES * KEY_PLACE_OCTETS;
    char *area = aligned_alloc(has_first_places ? LARGE_PAGE : KEY_PLACE_OCTETS, octets);
    if (area == NULL) {
        return 0;
    }
    if (has_first_places) {
        (void)madvise(area, octets, MADV_HUGEPAGE);
    }
    has_first_places = 1;
    fresh_places = area;
    fresh_count = octets / KEY_PLACE_OCTETS;
    return 1;
}

void *cygnet_key_place_take(void) {
    void *place = NULL;
    pthread_mutex_lock(&pool_lock);
    if (free_places != NULL) {
        place = free_places;
        free_places = free_places->next;
    } else if (fresh_count > 0 || extend_pool()) {
        place = fresh_places;
        fresh_places += KEY_PLACE_OCTETS;
        fresh_count--;
    }
    pthread_mutex_unlock(&pool_lock);
    return place;
}

void cygnet_key_place_give(void *place) {
    struct place *given = place;
    pthread_mutex_lock(&pool_lock);
    given->next = free_places;
    free_places = given;
    pthread_mutex_unlock(&pool_lock);
}
