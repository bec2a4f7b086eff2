// ESP without UDP in frames that a design makes itself, for the device `wan` towards its router.
#ifndef FRAME_H
#define FRAME_H

#include <stdint.h>

enum { ETHERNET = 14, OUTER = ETHERNET + 20, FRAME = 2048 };

// Learns the addresses; the index of the device.
int prepare_frames(const char *remote);
// Writes both headers before an ESP packet of so many octets.
void complete_frame(uint8_t *frame, int esp);
// Whether an ESP packet is in a frame, and where; its length.
int esp_in(const uint8_t *frame, int octets);

#endif
