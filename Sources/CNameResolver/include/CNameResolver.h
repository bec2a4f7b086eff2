#ifndef CYGNET_NAME_RESOLVER_H
#define CYGNET_NAME_RESOLVER_H

#include <stdint.h>

// The DNS by c-ares, which tells how long an answer holds and never waits: the caller watches its
// sockets and its timeout. One thread at a time.

typedef struct cygnet_resolver cygnet_resolver;

// What of a socket is to be watched; neither: it is about to be closed.
typedef void (*cygnet_resolver_watch)(void *context, int descriptor, int readable, int writable);

struct cygnet_resolved_address {
    // 4 or 6; an IPv4 address has the first four octets.
    uint8_t version;
    uint8_t octets[16];
};

// Called once for each query; `status` is 0 when there are addresses. `seconds` is the shortest
// time to live among the records that led to them.
typedef void (*cygnet_resolver_answer)(void *context, uint64_t query, int status,
                                       const struct cygnet_resolved_address *addresses, int count,
                                       int32_t seconds);

// Reads `file` (resolv.conf) and its like now, and never again. `mark` is for its sockets (0: none);
// `servers` (or NULL) are taken in their place, as "127.0.0.1:5353". NULL on failure.
cygnet_resolver *cygnet_resolver_create(uint32_t mark, const char *file, const char *servers,
                                        cygnet_resolver_watch watch, cygnet_resolver_answer answer,
                                        void *context);

// From here on no query is answered any more.
void cygnet_resolver_silence(cygnet_resolver *resolver);

// Ends every query without an answer. Not from within a callback.
void cygnet_resolver_destroy(cygnet_resolver *resolver);

void cygnet_resolver_ask(cygnet_resolver *resolver, const char *name, uint64_t query);

// Call when a socket is ready, or with -1 when the time is over.
void cygnet_resolver_process(cygnet_resolver *resolver, int descriptor, int readable, int writable);

// Milliseconds until `process` is due; -1: nothing is under way.
int64_t cygnet_resolver_timeout(cygnet_resolver *resolver);

#endif
