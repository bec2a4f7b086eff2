// An XDP program that gives ESP to an AF_XDP socket and leaves all else to the kernel.
#ifndef REDIRECT_H
#define REDIRECT_H

// It stays on the device until this process ends. It looks at what the device's driver received, or
// else at what the kernel has made of that.
void redirect_esp(int device_index, int express_socket, int is_native);

#endif
