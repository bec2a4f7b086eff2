int cygnet_linux_placeholder(void);
