internal import CLinux
internal import Glibc
internal import IPsecPrimitives

/// Receives batches of datagrams into buffers of its own, which are used again for each batch.
@safe final class DatagramReceiver {
    /// One buffer received: ESP packets of one size behind one another, from one peer.
    @unsafe struct Arrival {
        var bytes: UnsafeMutableRawPointer
        var byteCount: Int
        /// 0: a single packet.
        var segmentSize: Int
        var remote: Endpoint
        var local: Endpoint
        var trafficClass: UInt8
        /// TTL or hop limit; 0 when it was not seen.
        var hopLimit: UInt8
    }

    /// Buffers a call; those behind the ones in use stay out of the processor's caches.
    static let batch = 32
    private static let bufferOctets = 65_536
    /// Before each buffer, for the IPv6 header of what comes without it.
    private static let headroom = 512
    private static let extensionOctets = 256
    private static let stride = bufferOctets + headroom

    private let memory: UnsafeMutableRawPointer
    private let extensions: UnsafeMutableRawPointer
    private let datagrams: UnsafeMutablePointer<cygnet_datagram>

    init() {
        unsafe memory = .allocate(
            byteCount: DatagramReceiver.batch * DatagramReceiver.stride,
            alignment: 4096
        )
        unsafe extensions = .allocate(
            byteCount: DatagramReceiver.batch * DatagramReceiver.extensionOctets,
            alignment: 64
        )
        unsafe datagrams = .allocate(capacity: DatagramReceiver.batch)
        for index in 0..<DatagramReceiver.batch {
            var datagram = unsafe cygnet_datagram()
            let start =
                unsafe memory + index * DatagramReceiver.stride + DatagramReceiver.headroom
            unsafe datagram.bytes = start.assumingMemoryBound(to: UInt8.self)
            unsafe datagram.capacity = UInt32(DatagramReceiver.bufferOctets)
            let area = unsafe extensions + index * DatagramReceiver.extensionOctets
            unsafe datagram.extensions = area.assumingMemoryBound(to: UInt8.self)
            unsafe datagram.extensions_capacity = UInt16(DatagramReceiver.extensionOctets)
            unsafe (datagrams + index).initialize(to: datagram)
        }
    }

    deinit {
        unsafe memory.deallocate()
        unsafe extensions.deallocate()
        unsafe datagrams.deallocate()
    }

    /// The number of buffers received without waiting.
    func receive(_ socket: SourceSocket) -> Int {
        let count = unsafe cygnet_receive(
            socket.number,
            datagrams,
            UInt32(DatagramReceiver.batch)
        )
        return max(Int(count), 0)
    }

    /// What lies in a buffer; nil when it was cut, or has no sense.
    func arrival(_ index: Int, from socket: SourceSocket) -> Arrival? {
        let datagram = unsafe datagrams + index
        guard unsafe datagram.pointee.is_truncated == 0 else { return nil }
        var bytes = unsafe UnsafeMutableRawPointer(datagram.pointee.bytes!)
        var byteCount = unsafe Int(datagram.pointee.length)
        var hopLimit = unsafe datagram.pointee.hop_limit
        // Over IPv4 a raw socket receives the IP header too.
        if socket.kind == .esp, socket.version == .v4 {
            guard byteCount >= 20 else { return nil }
            let header = unsafe Int(bytes.load(as: UInt8.self) & 0x0f) * 4
            guard header >= 20, byteCount >= header else { return nil }
            hopLimit = unsafe bytes.load(fromByteOffset: 8, as: UInt8.self)
            unsafe bytes += header
            byteCount -= header
        }
        if socket.kind == .header, socket.version == .v6 {
            unsafe restoreHeader(datagram, &bytes, &byteCount)
        }
        let remote = unsafe address(datagram.pointee.remote)
        let local =
            unsafe datagram.pointee.local.version == 0
            ? socket.address : address(datagram.pointee.local)
        return unsafe Arrival(
            bytes: bytes,
            byteCount: byteCount,
            segmentSize: Int(datagram.pointee.segment_size),
            remote: Endpoint(address: remote, port: datagram.pointee.remote.port),
            local: Endpoint(address: local, port: socket.port),
            trafficClass: datagram.pointee.traffic_class,
            hopLimit: hopLimit
        )
    }

    /// Puts the IPv6 header that the kernel took off before the payload again, from what it told;
    /// the flow label, which AH does not cover, stays zero.
    private func restoreHeader(
        _ datagram: UnsafeMutablePointer<cygnet_datagram>,
        _ bytes: inout UnsafeMutableRawPointer,
        _ byteCount: inout Int
    ) {
        let extensions = unsafe Int(datagram.pointee.extensions_length)
        let header = unsafe bytes - extensions - 40
        let trafficClass = unsafe UInt32(datagram.pointee.traffic_class)
        unsafe header.storeBytes(of: (0x6000_0000 | trafficClass << 20).bigEndian, as: UInt32.self)
        let payload = UInt16(truncatingIfNeeded: extensions + byteCount)
        unsafe header.storeBytes(of: payload.bigEndian, toByteOffset: 4, as: UInt16.self)
        let next = unsafe extensions > 0 ? datagram.pointee.first_extension : 51
        unsafe header.storeBytes(of: next, toByteOffset: 6, as: UInt8.self)
        unsafe header.storeBytes(
            of: datagram.pointee.hop_limit,
            toByteOffset: 7,
            as: UInt8.self
        )
        unsafe withUnsafeBytes(of: datagram.pointee.remote.bytes) { source in
            unsafe (header + 8).copyMemory(from: source.baseAddress!, byteCount: 16)
        }
        unsafe withUnsafeBytes(of: datagram.pointee.local.bytes) { destination in
            unsafe (header + 24).copyMemory(from: destination.baseAddress!, byteCount: 16)
        }
        if extensions > 0 {
            unsafe (header + 40).copyMemory(
                from: UnsafeRawPointer(datagram.pointee.extensions!),
                byteCount: extensions
            )
        }
        unsafe bytes = header
        byteCount += extensions + 40
    }

    /// As `IPAddress(bytes:)`, without a generic call for each buffer.
    private func address(_ address: cygnet_address) -> IPAddress {
        unsafe withUnsafeBytes(of: address.bytes) { bytes in
            if address.version == 4 {
                let bits = unsafe bytes.loadUnaligned(as: UInt32.self)
                return .v4(IPv4Address(bits: UInt32(bigEndian: bits)))
            }
            let upper = unsafe UInt64(bigEndian: bytes.loadUnaligned(as: UInt64.self))
            let lower = unsafe UInt64(
                bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            )
            return .v6(IPv6Address(bits: UInt128(upper) << 64 | UInt128(lower)))
        }
    }
}
