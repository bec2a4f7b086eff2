#ifndef CYGNET_CNFTABLES_SHIM_H
#define CYGNET_CNFTABLES_SHIM_H
#include <stdbool.h>
#include <nftables/libnftables.h>
#endif
