#define _DEFAULT_SOURCE
#include "CSecureMemory.h"

#include <stdint.h>
#include <string.h>

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
