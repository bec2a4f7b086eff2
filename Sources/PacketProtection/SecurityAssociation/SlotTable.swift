internal import CPacketCipher

/// Slots for one kind of SA; a slot keeps its place while it is in use. Slots are taken from the
/// lowest up, and the memory of those that were never in use is never touched.
@safe struct SlotTable<Element>: ~Copyable {
    private struct State {
        /// How often the slot has been taken.
        var generation: UInt32
        var isUsed: Bool
    }

    let elements: UnsafeMutablePointer<Element>
    private let states: UnsafeMutablePointer<State>
    private let capacity: Int
    /// Octets from `elements` that may be used; there are addresses for all.
    private var usableOctets = 0
    /// One above the highest slot that was ever in use.
    private(set) var end = 0
    private var free: [Int32] = []
    /// Slots in use.
    private(set) var count = 0
    private var slotOfIdentifier = NumberTable()

    init(capacity: Int) {
        self.capacity = max(capacity, 1)
        let octets = self.capacity * MemoryLayout<Element>.stride
        unsafe elements = cygnet_table_reserve(octets).bindMemory(
            to: Element.self,
            capacity: self.capacity
        )
        unsafe states = .allocate(capacity: self.capacity)
    }

    deinit {
        unsafe cygnet_table_release(elements, capacity * MemoryLayout<Element>.stride)
        unsafe states.deallocate()
    }

    func slot(of identifier: UInt32) -> Int? {
        let slot = slotOfIdentifier.find(identifier)
        return slot < 0 ? nil : slot
    }

    /// How often a slot has been taken.
    func generation(of slot: Int) -> UInt32 {
        slot < end ? unsafe states[slot].generation : 0
    }

    /// The one that is taken next; nil when all are in use.
    var freeSlot: Int? {
        if let slot = free.last { return Int(slot) }
        return end < capacity ? end : nil
    }

    /// Precondition: `slot` is `freeSlot`, and the identifier is not in use.
    mutating func insert(_ element: consuming Element, identifier: UInt32, at slot: Int) {
        if slot == end {
            let stride = MemoryLayout<Element>.stride
            if (slot + 1) * stride > usableOctets {
                usableOctets = unsafe cygnet_table_extend(
                    elements,
                    usableOctets,
                    (slot + 1) * stride,
                    capacity * stride
                )
            }
            unsafe (states + slot).initialize(to: State(generation: 0, isUsed: false))
            end += 1
        } else {
            free.removeLast()
        }
        unsafe (elements + slot).initialize(to: element)
        unsafe states[slot].isUsed = true
        unsafe states[slot].generation &+= 1
        slotOfIdentifier.insert(identifier, slot)
        count += 1
    }

    /// The element's own resources are the caller's to release first.
    mutating func remove(identifier: UInt32) {
        guard let slot = slot(of: identifier) else { return }
        slotOfIdentifier.remove(identifier)
        unsafe states[slot].isUsed = false
        free.append(Int32(slot))
        count -= 1
    }

    /// Asks for the memory of an element.
    @inline(__always)
    func prefetch(_ slot: Int) {
        unsafe cygnet_prefetch(elements + slot, MemoryLayout<Element>.stride)
    }

    var slotsInUse: [Int] { (0..<end).filter { unsafe states[$0].isUsed } }
}
