// Addresses between our form and the kernel's, for the files beside this one.
#ifndef CYGNET_ADDRESSES_H
#define CYGNET_ADDRESSES_H

#include "CLinux.h"

#include <sys/socket.h>

socklen_t cygnet_to_socket_address(const struct cygnet_address *from, struct sockaddr_storage *to);
void cygnet_from_socket_address(const struct sockaddr_storage *from, struct cygnet_address *to);

#endif
