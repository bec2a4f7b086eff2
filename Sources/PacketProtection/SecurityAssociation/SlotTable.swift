/// A fixed number of slots for one kind of SA; a slot keeps its place while it is in use.
@safe struct SlotTable<Element>: ~Copyable {
    let elements: UnsafeMutablePointer<Element>
    private(set) var used: [Bool]
    /// One above the highest slot that was ever in use.
    private(set) var end = 0
    private var slotOfIdentifier: [UInt32: Int] = [:]
    private var generations: [UInt32]

    init(capacity: Int) {
        unsafe elements = .allocate(capacity: capacity)
        used = Array(repeating: false, count: capacity)
        generations = Array(repeating: 0, count: capacity)
    }

    deinit { unsafe elements.deallocate() }

    func slot(of identifier: UInt32) -> Int? { slotOfIdentifier[identifier] }

    /// How often a slot has been taken.
    func generation(of slot: Int) -> UInt32 { generations[slot] }

    var freeSlot: Int? { used.firstIndex(of: false) }

    mutating func insert(_ element: consuming Element, identifier: UInt32, at slot: Int) {
        unsafe (elements + slot).initialize(to: element)
        used[slot] = true
        generations[slot] &+= 1
        end = max(end, slot + 1)
        slotOfIdentifier[identifier] = slot
    }

    /// The element's own resources are the caller's to release first.
    mutating func remove(identifier: UInt32) {
        guard let slot = slotOfIdentifier.removeValue(forKey: identifier) else { return }
        used[slot] = false
    }

    var slotsInUse: [Int] { (0..<end).filter { used[$0] } }
}
