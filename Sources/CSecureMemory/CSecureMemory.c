#define _DEFAULT_SOURCE
#include "CSecureMemory.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

void cygnet_wipe(void *memory, size_t length) {
    explicit_bzero(memory, length);
}

int cygnet_equal_constant_time(const void *left, const void *right, size_t length) {
    const volatile uint8_t *a = left;
    const volatile uint8_t *b = right;
    uint8_t difference = 0;
    for (size_t index = 0; index < length; index++) {
        difference |= a[index] ^ b[index];
    }
    return difference == 0;
}

void cygnet_fill_random(void *memory, size_t length) {
    uint8_t *next = memory;
    while (length > 0) {
        ssize_t count = getrandom(next, length, 0);
        if (count < 0) {
            if (errno != EINTR) {
                abort();
            }
            continue;
        }
        next += count;
        length -= (size_t)count;
    }
}
