#include "CPacketCipher.h"
int cygnet_packet_cipher_placeholder(void) { return 0; }
