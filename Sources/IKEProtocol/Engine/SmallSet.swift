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

    func makeIterator() -> AnyIterator<Member> {
        var isAtFirst = true
        var others = rest.makeIterator()
        return AnyIterator {
            guard isAtFirst else { return others.next() }
            isAtFirst = false
            return first
        }
    }
}
