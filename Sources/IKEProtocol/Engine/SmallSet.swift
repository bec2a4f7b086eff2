/// A set that has one member nearly always, which then needs no memory of its own. The order of its
/// members means nothing.
struct SmallSet<Member: Hashable>: Sequence, ExpressibleByArrayLiteral {
    private var first: Member?
    private var rest: Set<Member> = []

    init(arrayLiteral members: Member...) {
        for member in members { insert(member) }
    }

    var isEmpty: Bool { first == nil }

    /// Whether there is that member and no other.
    func isNothing(but member: Member) -> Bool { first == member && rest.isEmpty }

    mutating func insert(_ member: Member) {
        guard let first else {
            self.first = member
            return
        }
        if first != member { rest.insert(member) }
    }

    mutating func remove(_ member: Member) {
        if first == member {
            first = rest.popFirst()
        } else {
            rest.remove(member)
        }
    }

    struct Iterator: IteratorProtocol {
        fileprivate var first: Member?
        fileprivate var rest: Set<Member>.Iterator

        mutating func next() -> Member? {
            if let member = first {
                first = nil
                return member
            }
            return rest.next()
        }
    }

    func makeIterator() -> Iterator { Iterator(first: first, rest: rest.makeIterator()) }
}
