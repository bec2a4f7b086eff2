internal import IPsecPrimitives

/// The Child SAs of an IKE SA by their inbound SPIs: one nearly always, for which a row is smaller
/// and faster than a table, and never more than `EngineSettings.childLimit` and what replaces them.
/// In the order in which they came.
struct ChildRow: ExpressibleByDictionaryLiteral {
    private(set) var values: [ChildSA] = []

    init(dictionaryLiteral elements: (SPI, ChildSA)...) {
        for (spi, child) in elements { self[spi] = child }
    }

    var keys: [SPI] { values.map(\.inboundSPI) }
    var count: Int { values.count }
    var isEmpty: Bool { values.isEmpty }

    /// The child of that inbound SPI; a child that is set must have it.
    subscript(spi: SPI) -> ChildSA? {
        get { values.first { $0.inboundSPI == spi } }
        set {
            let place = values.firstIndex { $0.inboundSPI == spi }
            switch (place, newValue) {
            case (let place?, let child?): values[place] = child
            case (let place?, nil): values.remove(at: place)
            case (nil, let child?): values.append(child)
            case (nil, nil): break
            }
        }
    }

    @discardableResult
    mutating func removeValue(forKey spi: SPI) -> ChildSA? {
        values.firstIndex { $0.inboundSPI == spi }.map { values.remove(at: $0) }
    }
}
