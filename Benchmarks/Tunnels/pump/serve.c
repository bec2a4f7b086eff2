// One thread for both directions, which waits by poll or never waits.
#include "pump.h"
#include <errno.h>
#include <poll.h>

void serve_polling(int timeout) {
    // Devices that can be asked for packets are asked; others have nothing to do with it.
    int microseconds = 50;
    if (timeout == 0 && setsockopt(udp, SOL_SOCKET, SO_BUSY_POLL, &microseconds, sizeof microseconds))
        fail("SO_BUSY_POLL");
    for (;;) {
        struct pollfd sources[] = {{device, POLLIN, 0}, {udp, POLLIN, 0}};
        if (poll(sources, 2, timeout) < 0 && errno != EINTR) fail("poll");
        for (int round = 0; sources[1].revents && round < 4; round++)
            if (inbound(MSG_DONTWAIT) < RECEIVES) break;
        if (sources[0].revents) outbound();
    }
}
