#include "CNameResolver.h"

#include <ares.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { maximum_addresses = 32, first_timeout_ms = 1500, tries = 3 };

struct cygnet_resolver {
    ares_channel channel;
    uint32_t mark;
    int is_ending;
    cygnet_resolver_watch watch;
    cygnet_resolver_answer answer;
    void *context;
};

struct query {
    cygnet_resolver *resolver;
    uint64_t number;
};

static void socket_state(void *data, ares_socket_t descriptor, int readable, int writable) {
    cygnet_resolver *resolver = data;
    resolver->watch(resolver->context, descriptor, readable, writable);
}

// The name servers are reached around the tunnel, as the peers are. Comes before the socket is
// connected, which settles its route and its address.
static int socket_created(ares_socket_t descriptor, int type, void *data) {
    (void)type;
    cygnet_resolver *resolver = data;
    if (resolver->mark != 0)
        (void)setsockopt(descriptor, SOL_SOCKET, SO_MARK, &resolver->mark, sizeof resolver->mark);
    return 0;
}

static int take(struct cygnet_resolved_address *target, const struct ares_addrinfo_node *node) {
    memset(target, 0, sizeof *target);
    if (node->ai_family == AF_INET) {
        const struct sockaddr_in *address = (const void *)node->ai_addr;
        target->version = 4;
        memcpy(target->octets, &address->sin_addr, 4);
        return 1;
    }
    if (node->ai_family == AF_INET6) {
        const struct sockaddr_in6 *address = (const void *)node->ai_addr;
        target->version = 6;
        memcpy(target->octets, &address->sin6_addr, 16);
        return 1;
    }
    return 0;
}

static void answered(void *data, int status, int timeouts, struct ares_addrinfo *result) {
    (void)timeouts;
    struct query *query = data;
    struct cygnet_resolved_address addresses[maximum_addresses];
    int count = 0;
    int32_t seconds = INT32_MAX;
    if (status == ARES_SUCCESS && result) {
        for (struct ares_addrinfo_node *node = result->nodes; node && count < maximum_addresses;
             node = node->ai_next) {
            count += take(&addresses[count], node);
            if (node->ai_ttl < seconds) seconds = node->ai_ttl;
        }
        for (struct ares_addrinfo_cname *alias = result->cnames; alias; alias = alias->next)
            if (alias->ttl < seconds) seconds = alias->ttl;
    }
    if (result) ares_freeaddrinfo(result);
    cygnet_resolver *resolver = query->resolver;
    if (status == ARES_SUCCESS && count == 0) status = ARES_ENODATA;
    if (!resolver->is_ending)
        resolver->answer(resolver->context, query->number, status, addresses, count,
                         seconds < 0 || count == 0 ? 0 : seconds);
    free(query);
}

cygnet_resolver *cygnet_resolver_create(uint32_t mark, const char *file, const char *servers,
                                        cygnet_resolver_watch watch, cygnet_resolver_answer answer,
                                        void *context) {
    // Harmless when it was done before.
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) return NULL;
    cygnet_resolver *resolver = calloc(1, sizeof *resolver);
    if (!resolver) return NULL;
    resolver->mark = mark;
    resolver->watch = watch;
    resolver->answer = answer;
    resolver->context = context;
    struct ares_options options = {
        .timeout = first_timeout_ms,
        .tries = tries,
        .sock_state_cb = socket_state,
        .sock_state_cb_data = resolver,
        // It takes a copy.
        .resolvconf_path = (char *)file,
    };
    int mask =
        ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_SOCK_STATE_CB | ARES_OPT_RESOLVCONF;
    if (ares_init_options(&resolver->channel, &options, mask) != ARES_SUCCESS) {
        free(resolver);
        return NULL;
    }
    ares_set_socket_configure_callback(resolver->channel, socket_created, resolver);
    if (servers && ares_set_servers_ports_csv(resolver->channel, servers) != ARES_SUCCESS) {
        ares_destroy(resolver->channel);
        free(resolver);
        return NULL;
    }
    return resolver;
}

void cygnet_resolver_silence(cygnet_resolver *resolver) { resolver->is_ending = 1; }

void cygnet_resolver_destroy(cygnet_resolver *resolver) {
    resolver->is_ending = 1;
    ares_destroy(resolver->channel);
    free(resolver);
}

void cygnet_resolver_ask(cygnet_resolver *resolver, const char *name, uint64_t number) {
    struct query *query = malloc(sizeof *query);
    if (!query) {
        resolver->answer(resolver->context, number, ARES_ENOMEM, NULL, 0, 0);
        return;
    }
    query->resolver = resolver;
    query->number = number;
    struct ares_addrinfo_hints hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    ares_getaddrinfo(resolver->channel, name, NULL, &hints, answered, query);
}

void cygnet_resolver_process(cygnet_resolver *resolver, int descriptor, int readable, int writable) {
    ares_process_fd(resolver->channel, readable ? descriptor : ARES_SOCKET_BAD,
                    writable ? descriptor : ARES_SOCKET_BAD);
}

int64_t cygnet_resolver_timeout(cygnet_resolver *resolver) {
    struct timeval time;
    if (!ares_timeout(resolver->channel, NULL, &time)) return -1;
    return (int64_t)time.tv_sec * 1000 + (time.tv_usec + 999) / 1000;
}
