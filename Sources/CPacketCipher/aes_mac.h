#ifndef CYGNET_AES_MAC_H
#define CYGNET_AES_MAC_H
#include "cygnet_mac.h"

/// `kind` is CYGNET_AES_XCBC or CYGNET_AES_CMAC. False if memory ran out; `mac` is then clear.
int cygnet_aes_mac_prepare(struct cygnet_aes_mac *mac, uint32_t kind, const uint8_t key[16]);
void cygnet_aes_mac_clear(struct cygnet_aes_mac *mac);
/// `state` begins as zeros.
void cygnet_aes_mac_update(
    const struct cygnet_aes_mac *mac, struct cygnet_mac_state *state, const uint8_t *bytes,
    size_t length);
void cygnet_aes_mac_finish(
    const struct cygnet_aes_mac *mac, struct cygnet_mac_state *state, uint8_t output[16]);

#endif
