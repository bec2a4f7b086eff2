/// A packet as a capture file holds it.
package struct CapturedFrame: Hashable, Sendable {
    /// Counted from one, as other tools count.
    package let number: Int
    /// Since 1970, as far as the file tells.
    package let nanoseconds: UInt64
    package let linkType: LinkType
    /// What was captured; its indices are those of the file.
    package let bytes: ArraySlice<UInt8>
}

/// The frames of a capture file, up to its end or to what cannot be read.
package struct Capture: Hashable, Sendable {
    package var frames: [CapturedFrame] = []
    /// Where and why reading stopped before the end.
    package var problem: DecodedProblem?
}
