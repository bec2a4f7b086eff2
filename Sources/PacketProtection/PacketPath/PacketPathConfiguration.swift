package import IPsecPrimitives

/// The sizes and limits of one worker's tables and buffers; but for that of SAs and policies, memory is taken at the start.
package struct PacketPathConfiguration: Hashable, Sendable {
    /// SAs a direction; only those there are take memory.
    package var maximumSAs = 1 << 20
    /// With more SAs a direction than this, a packet's SA is not expected in the processor's caches,
    /// and is asked for before the packet is worked on.
    package var crowdedSAs = 2048
    /// Entries of the flow cache, a power of two; it has as many as there are SAs where these are more.
    package var flowCacheEntries = 4096
    /// Octets of ESP datagrams a batch; at least `minimumSlabOctets`.
    package var slabOctets = 1 << 20
    /// Packets a batch.
    package var maximumJobs = 2048
    /// Datagrams a run: the kernel's UDP_MAX_SEGMENTS is 64 on older kernels.
    package var maximumSegments = 64
    /// Whether TCP is put together into superpackets for the TUN device.
    package var coalescesTCP = true
    package var held = HeldPacketLimits()
    /// The address that errors to the inside are sent from over IPv6; none, no such errors.
    package var errorSourceV6: IPv6Address?
    /// Errors to the inside a second (RFC 4443 §2.4 (f)).
    package var errorsPerSecond = 100

    /// A superpacket of 64 KiB cut into the smallest segments still fits.
    package static let minimumSlabOctets = 1 << 18

    package init() {}
}

/// Bounds for packets that wait for an SA.
package struct HeldPacketLimits: Hashable, Sendable {
    package var totalOctets = 1 << 20
    package var totalPackets = 1024
    package var octetsPerPolicy = 1 << 18
    package var packetsPerPolicy = 64
    package var maximumAge = Duration.seconds(30)

    package init() {}
}
