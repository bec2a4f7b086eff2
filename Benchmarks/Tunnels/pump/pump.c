// The bare pump: what a packet path in user space costs that decides nothing. No policy, no IKE, no
// replay window, no counters; IPv4, one peer, one key that is written here. It reads TCP
// superpackets from a TUN device, cuts them, seals ESP in UDP with AES-128-GCM, sends each batch in
// one call, and the same backwards. Benchmarks compare Cygnet with it; it protects nothing.
//   pump DEVICE LOCAL-ADDRESS REMOTE-ADDRESS [DESIGN]
// It serves both directions until it is told to stop (SIGTERM), by one thread that polls, or by
// another design, so that designs can be compared with nothing else being different.
#include "pump.h"
#include <stdio.h>
#include <string.h>

static const char *const usage =
    "usage: pump DEVICE LOCAL-ADDRESS REMOTE-ADDRESS [DESIGN]\n"
    "designs: poll    one thread, which waits by poll (this one, unless told otherwise)\n"
    "         busy    one thread, which never waits\n"
    "         threads a thread each direction\n"
    "         line    as threads, and one more that seals and sends what another has cut\n"
    "         uring   one thread, all by io_uring\n"
    "         frames  ESP without UDP, by an AF_PACKET socket of the device `wan`\n"
    "         express ESP without UDP, by an AF_XDP socket of the device `wan`\n"
    "         native  as express, by its driver's own XDP\n";

// Those that need more than both ends; they come back when it is none of them.
static void serve_by_own_means(const char *design, const char *remote) {
    if (!strcmp(design, "uring")) serve_ring();
    if (!strcmp(design, "frames")) serve_frames(remote);
    if (!strcmp(design, "express")) serve_express(remote, 0);
    if (!strcmp(design, "native")) serve_express(remote, 1);
}

static void serve(const char *design) {
    prepare_inbound();
    puts("ready");
    fflush(stdout);
    if (!strcmp(design, "busy")) serve_polling(0);
    if (!strcmp(design, "threads")) serve_two_threads();
    if (!strcmp(design, "line")) serve_pipeline();
    serve_polling(-1);
}

int main(int count, char **words) {
    static const char *const designs[] = {"poll", "busy", "threads", "line", "uring", "frames",
                                          "express", "native"};
    const char *design = count == 5 ? words[4] : "poll";
    int is_known = 0;
    for (size_t index = 0; index < sizeof designs / sizeof *designs; index++)
        is_known |= !strcmp(design, designs[index]);
    if (count < 4 || count > 5 || !is_known) {
        fputs(usage, stderr);
        return 2;
    }
    open_device(words[1]);
    open_socket(words[2], words[3]);
    prepare_cipher();
    serve_by_own_means(design, words[3]);
    serve(design);
}
