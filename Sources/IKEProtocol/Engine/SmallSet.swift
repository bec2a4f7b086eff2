/// A set that has one member nearly always, which then needs no memory of its own.
struct SmallSet<Member: Hashable>: Sequence, ExpressibleByArrayLiteral {
    private var first: Member?
    private var rest: [Member] = []

    init(arrayLiteral members: Member...) {
        for member in members { insert(member) }
    }

    var isEmpty: Bool { first == nil }

    mutating func insert(_ member: Member) {
        guard let first else {
            self.first = member
            return
        }
        if first != member, !rest.contains(member) { rest.append(member) }
    }

    mutating func remove(_ member: Member) {
        if first == member {
            first = rest.popLast()
        } else {
            rest.removeAll { $0 == member }
        }
    }

    struct Iterator: IteratorProtocol {
        fileprivate var first: Member?
        fileprivate var rest: IndexingIterator<[Member]>

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
