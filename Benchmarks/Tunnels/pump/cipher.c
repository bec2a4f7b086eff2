// AES-128-GCM with a key that is written here.
#include "pump.h"
#include <string.h>

static IMB_MGR *cipher;
static struct gcm_key_data key;
static const uint8_t salt[4] = {1, 2, 3, 4};

void prepare_cipher(void) {
    uint8_t secret[16] = {1};
    cipher = alloc_mb_mgr(0);
    if (!cipher) fail("memory");
    init_mb_mgr_auto(cipher, NULL);
    IMB_AES128_GCM_PRE(cipher, secret, &key);
}

void seal_packet(uint8_t *esp, int body) {
    struct gcm_context_data context;
    uint8_t iv[12];
    memcpy(iv, salt, 4);
    memcpy(iv + 4, esp + 8, 8);
    IMB_AES128_GCM_ENC(cipher, &key, &context, esp + HEADER, esp + HEADER, (uint64_t)body, iv, esp, 8,
                       esp + HEADER + body, ICV);
}

int open_packet(uint8_t *esp, int length) {
    struct gcm_context_data context;
    uint8_t iv[12], icv[ICV];
    int body = length - HEADER - ICV;
    if (body < 24) return 0;
    memcpy(iv, salt, 4);
    memcpy(iv + 4, esp + 8, 8);
    IMB_AES128_GCM_DEC(cipher, &key, &context, esp + HEADER, esp + HEADER, (uint64_t)body, iv, esp, 8,
                       icv, ICV);
    if (memcmp(icv, esp + HEADER + body, ICV)) return 0;
    int inner = body - 2 - esp[HEADER + body - 2];
    return inner >= 20 ? inner : 0;
}
