internal import IPsecPrimitives

/// An ordered policy database made ready to be searched (SPD-S and SPD-O of RFC 4301 §4.4.1).
///
/// `Sendable` because nothing changes once it is made: control makes it, which takes its time, and a
/// worker takes it over between two batches.
@safe package final class CompiledPolicies: @unchecked Sendable {
    /// The policies in their order.
    let identifiers: [PolicyIdentifier]
    let actions: [PolicyAction]
    let needPorts: [Bool]
    let askByFlow: [Bool]
    let tree: PolicyTree
    /// Those of other devices than the shared one: no order tells them apart, but the device.
    let ownDevices: [PolicyEntry]
    /// The one that stands for what no other covers; nil for none.
    let remainder: PolicyIdentifier?

    package init(_ entries: [PolicyEntry]) {
        identifiers = entries.map(\.identifier)
        actions = entries.map(\.action)
        needPorts = entries.map(\.needsPorts)
        askByFlow = entries.map(\.asksByFlow)
        ownDevices = entries.filter { $0.device != .shared }
        remainder = entries.last { $0.isRemainder }?.identifier
        var selectors: [FlatSelector] = []
        selectors.reserveCapacity(entries.count)
        for (place, entry) in entries.enumerated() where entry.device == .shared {
            for pair in entry.selectors { selectors.append(FlatSelector(pair, owner: place)) }
        }
        var builder = PolicyTreeBuilder(selectors)
        tree = builder.build()
    }

    deinit {
        unsafe tree.nodes.deallocate()
        unsafe tree.lengths.deallocate()
        unsafe tree.buckets.deallocate()
        unsafe tree.selectors.deallocate()
    }

    package var count: Int { identifiers.count }

    /// Octets that the search's tables take.
    package var memoryOctets: Int { tree.octets }

    /// Place, counted from zero, of the first policy that covers the packet; nil for none.
    ///
    /// - Parameter isOutbound: whether the packet leaves this gateway's side; then its source is
    ///   what policies call local.
    package func firstMatch(_ tuple: PacketTuple, isOutbound: Bool) -> Int? {
        let place = tree.lookUp(PolicyQuery(tuple, isOutbound: isOutbound))
        return place < 0 ? nil : place
    }
}
