package import IPsecPrimitives

/// Which of several workers one is.
///
/// Each SA belongs to one worker, so that its numbers, its replay window and its lifetimes need no
/// lock: an inbound one to the worker that its SPI names, an outbound one to the home of its policy.
/// Both can be worked out by anybody without being told.
package struct WorkerPlace: Hashable, Sendable {
    /// Below `count`.
    package let index: Int
    package let count: Int

    /// Workers may be so many.
    package static let limit = 64
    /// The only worker.
    package static let alone = WorkerPlace(index: 0, of: 1)

    /// Precondition: `index` is below `count`, and that is within `limit`.
    package init(index: Int, of count: Int) {
        precondition(count >= 1 && count <= WorkerPlace.limit && index >= 0 && index < count)
        self.index = index
        self.count = count
    }

    /// The worker that keeps a policy's packets while there is no SA for them, and has its SAs.
    package func home(of policy: PolicyIdentifier) -> Int {
        Int(policy.rawValue % UInt32(count))
    }

    /// The worker that an inbound SA belongs to. The kernel works out the same, of what it receives.
    package func owner(of spi: SPI) -> Int {
        Int(spi.rawValue % UInt32(count))
    }
}
