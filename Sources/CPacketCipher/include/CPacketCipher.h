int cygnet_packet_cipher_placeholder(void);
