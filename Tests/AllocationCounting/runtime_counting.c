// Stands before Swift's runtime for what the tests and the modules beneath them call, which lie in
// one executable with this: the linker finds these first. What the standard library does within
// itself is not counted.
#define _GNU_SOURCE
#include "AllocationCounting.h"

#include <dlfcn.h>
#include <stddef.h>

static __thread int64_t count __attribute__((tls_model("initial-exec")));

int64_t runtime_calls(void) { return count; }

static void *(*next_retain)(void *object);
static void (*next_release)(void *object);
static void *(*next_bridge_retain)(void *object);
static void (*next_bridge_release)(void *object);
static void (*next_access)(void *address, void *buffer, uintptr_t flags, void *from);

// Libraries that are set up before this executable is may call already.
__attribute__((constructor)) static void find(void) {
    next_retain = dlsym(RTLD_NEXT, "swift_retain");
    next_release = dlsym(RTLD_NEXT, "swift_release");
    next_bridge_retain = dlsym(RTLD_NEXT, "swift_bridgeObjectRetain");
    next_bridge_release = dlsym(RTLD_NEXT, "swift_bridgeObjectRelease");
    next_access = dlsym(RTLD_NEXT, "swift_beginAccess");
}

static void note(void) {
    if (!next_access) find();
    count++;
}

void *swift_retain(void *object) {
    note();
    return next_retain(object);
}

void swift_release(void *object) {
    note();
    next_release(object);
}

void *swift_bridgeObjectRetain(void *object) {
    note();
    return next_bridge_retain(object);
}

void swift_bridgeObjectRelease(void *object) {
    note();
    next_bridge_release(object);
}

void swift_beginAccess(void *address, void *buffer, uintptr_t flags, void *from) {
    note();
    next_access(address, buffer, flags, from);
}
