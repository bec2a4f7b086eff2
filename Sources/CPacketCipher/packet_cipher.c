#include "CPacketCipher.h"
