internal import CPacketCipher
internal import IPsecCrypto

/// Where each SA's cipher has its keys, so that they are on their way to the processor while other
/// packets of the batch are prepared: a kibibyte for each SA, which the caches do not hold where the
/// SAs are many.
@safe struct KeyPlaces: ~Copyable {
    @unsafe private struct Place {
        var object: UnsafeRawPointer
        var keys: cygnet_packet_keys
    }

    private let places: UnsafeMutablePointer<Place>
    private var lastSlot = -1

    /// Octets of the two objects that stand before the keys.
    private static let objectOctets = 64

    /// Room for slots below `capacity`.
    init(capacity: Int) {
        unsafe places = .allocate(capacity: max(capacity, 1))
    }

    deinit { unsafe places.deallocate() }

    mutating func enter(_ slot: Int, _ transform: PacketTransform) {
        lastSlot = -1
        switch transform {
        case .cipher(let cipher): enter(slot, cipher)
        case .spread(let cipher): enter(slot, cipher.own)
        case .authenticator(let authenticator):
            // The keys of AH are few, and lie with the object.
            let object = unsafe UnsafeRawPointer(
                Unmanaged.passUnretained(authenticator).toOpaque()
            )
            unsafe (places + slot).initialize(
                to: Place(
                    object: object,
                    keys: cygnet_packet_keys(cipher: object, start: object, octets: 0)
                )
            )
        }
    }

    private mutating func enter(_ slot: Int, _ cipher: PacketCipher) {
        unsafe (places + slot).initialize(
            to: Place(
                object: UnsafeRawPointer(Unmanaged.passUnretained(cipher).toOpaque()),
                keys: cipher.keys
            )
        )
    }

    /// Asks for what `prefetch` will read.
    @inline(__always)
    func prefetchPlace(_ slot: Int) {
        unsafe cygnet_prefetch(places + slot, MemoryLayout<Place>.stride)
    }

    /// Precondition: the slot was entered.
    @inline(__always)
    mutating func prefetch(_ slot: Int) {
        // Of one SA's packets behind one another only the first has to wait.
        if slot == lastSlot { return }
        lastSlot = slot
        let place = unsafe places + slot
        unsafe cygnet_prefetch(place.pointee.object, KeyPlaces.objectOctets)
        unsafe cygnet_prefetch(place.pointee.keys.cipher, KeyPlaces.objectOctets)
        unsafe cygnet_prefetch(place.pointee.keys.start, place.pointee.keys.octets)
    }
}
