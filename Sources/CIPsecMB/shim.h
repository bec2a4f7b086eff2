#ifndef CYGNET_CIPSECMB_SHIM_H
#define CYGNET_CIPSECMB_SHIM_H
#include <intel-ipsec-mb.h>
#endif
