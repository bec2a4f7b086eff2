extension Capture {
    /// Reads pcap and pcapng; nil when `bytes` are neither.
    package init?(_ bytes: [UInt8]) {
        if PcapFile.matches(bytes) {
            self = PcapFile.read(bytes)
        } else if PcapngFile.matches(bytes) {
            self = PcapngFile.read(bytes)
        } else {
            return nil
        }
    }
}
