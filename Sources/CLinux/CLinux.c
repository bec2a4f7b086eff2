#include "CLinux.h"
int cygnet_linux_placeholder(void) { return 0; }
