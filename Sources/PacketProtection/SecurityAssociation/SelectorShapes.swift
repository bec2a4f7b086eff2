/// What lengths of prefix the selectors of one policy's SAs have: each is one look into
/// `SelectorIndex`. The owner deallocates.
@safe struct SelectorShapes {
    struct Shape {
        var localLength: UInt8
        var remoteLength: UInt8
        var isV4: Bool
        /// Selectors that have it.
        var uses: Int32
    }

    private(set) var shapes: UnsafeMutablePointer<Shape>?
    private(set) var count: Int32 = 0
    private var capacity: Int32 = 0

    init() { unsafe shapes = nil }

    func deallocate() { unsafe shapes?.deallocate() }

    mutating func add(_ shape: Shape) {
        if let index = index(of: shape) {
            unsafe shapes![index].uses += 1
            return
        }
        if count == capacity {
            let larger = UnsafeMutablePointer<Shape>.allocate(capacity: Int(max(capacity * 2, 4)))
            if let old = unsafe shapes {
                unsafe larger.moveInitialize(from: old, count: Int(count))
                unsafe old.deallocate()
            }
            unsafe shapes = larger
            capacity = max(capacity * 2, 4)
        }
        unsafe (shapes! + Int(count)).initialize(to: shape)
        count += 1
    }

    mutating func remove(_ shape: Shape) {
        guard let index = index(of: shape) else { return }
        unsafe shapes![index].uses -= 1
        guard unsafe shapes![index].uses == 0 else { return }
        count -= 1
        unsafe shapes![index] = shapes![Int(count)]
    }

    private func index(of shape: Shape) -> Int? {
        for index in 0..<Int(count) {
            let other = unsafe shapes![index]
            if other.isV4 == shape.isV4, other.localLength == shape.localLength,
                other.remoteLength == shape.remoteLength
            {
                return index
            }
        }
        return nil
    }
}
