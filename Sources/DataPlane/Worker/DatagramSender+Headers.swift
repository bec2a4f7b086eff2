internal import CLinux
internal import Glibc
internal import LinuxIO
internal import PacketProtection

// Packets that bring their IP header along: the system sends them as they are, and cuts none.
extension DatagramSender {
    /// Sends the packets of a run that may be fragmented; the number that went out whole.
    mutating func sendInFragments(
        _ run: DatagramRun,
        _ whole: cygnet_datagram,
        through index: Int,
        linkMTU: Int
    ) -> Int {
        var done = 0
        var offset = 0
        while done < run.count {
            let size = min(run.segmentSize, run.byteCount - offset)
            let packet = unsafe UnsafeMutableRawPointer(whole.bytes!) + offset
            let isSent =
                size > linkMTU
                ? unsafe sendFragments(packet, size, whole, through: index, linkMTU: linkMTU)
                : unsafe sendOne(packet, size, whole, through: index)
            guard isSent else { return done }
            offset += size
            done += 1
        }
        return done
    }

    private mutating func sendFragments(
        _ packet: UnsafeMutableRawPointer,
        _ size: Int,
        _ whole: cygnet_datagram,
        through index: Int,
        linkMTU: Int
    ) -> Bool {
        guard var fragments = unsafe OuterFragments(packet, length: size, linkMTU: linkMTU) else {
            return false
        }
        while let octets = unsafe fragments.next(to: fragmentArea) {
            guard unsafe sendOne(fragmentArea, octets, whole, through: index) else { return false }
        }
        return true
    }

    private mutating func sendOne(
        _ packet: UnsafeMutableRawPointer,
        _ size: Int,
        _ whole: cygnet_datagram,
        through index: Int
    ) -> Bool {
        var datagram = unsafe whole
        unsafe datagram.bytes = packet.assumingMemoryBound(to: UInt8.self)
        unsafe datagram.length = UInt32(size)
        unsafe datagram.segment_size = 0
        let failure = unsafe attempt(&datagram, through: sockets[index])
        if failure == EMSGSIZE, let remote = unsafe whole.remote.endpoint {
            appendTooLong(remote, through: sockets[index])
        }
        return failure == 0
    }
}
