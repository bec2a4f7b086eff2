// Numbers in packets, and the checksum of RFC 1071.
#ifndef OCTETS_H
#define OCTETS_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

static inline void store16(uint8_t *to, uint16_t value) { memcpy(to, &value, 2); }

static inline uint32_t load32(const uint8_t *from) {
    uint32_t value;
    memcpy(&value, from, 4);
    return ntohl(value);
}

static inline void store32(uint8_t *to, uint32_t value) {
    value = htonl(value);
    memcpy(to, &value, 4);
}

// In the order of octets in memory.
static inline uint64_t sum(const uint8_t *octets, int count, uint64_t begun) {
    for (; count >= 8; octets += 8, count -= 8) {
        uint64_t word;
        memcpy(&word, octets, 8);
        begun += (uint32_t)word + (word >> 32);
    }
    for (; count >= 2; octets += 2, count -= 2) {
        uint16_t word;
        memcpy(&word, octets, 2);
        begun += word;
    }
    return count ? begun + *octets : begun;
}

static inline uint16_t folded(uint64_t sum) {
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)sum;
}

static inline uint64_t pseudo_header(const uint8_t *packet, int length) {
    return sum(packet + 12, 8, (uint64_t)htons(IPPROTO_TCP) + htons((uint16_t)length));
}

static inline int header_length(const uint8_t *packet) { return (packet[0] & 15) * 4; }

static inline void complete_header(uint8_t *packet, int length) {
    store16(packet + 2, htons((uint16_t)length));
    store16(packet + 10, 0);
    store16(packet + 10, (uint16_t)~folded(sum(packet, header_length(packet), 0)));
}

#endif
