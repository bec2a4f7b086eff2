internal import IKECredentials
internal import IPsecPrimitives

/// What a ticket by value holds: the items that the table of RFC 5723 §5 marks "from the ticket",
/// in a form of our own, as only this end reads it (RFC 5723 §6.1, Appendix A.1).
struct TicketContent {
    /// The peer's, as it proved it and as policy uses it; both ends authenticate by shared secrets,
    /// so that IDi is the same.
    let remoteIdentity: Identity
    let localIdentity: Identity
    /// Our SPI in the old SA, by which we find it should it still be there, and by which we know
    /// that the ticket is used or revoked. RFC 5723 §5 Note 4: never that of the resumed SA.
    let localSPI: IKESPI
    let transforms: [Transform]
    let derivation: SecretBytes
    let isSignedInFull: Bool
    /// Whether the keys come from a postquantum preshared key as well (RFC 8784).
    let usesPPK: Bool
    /// Seconds since 1970.
    let authenticatedAt: UInt64
    /// Seconds since 1970.
    let expiresAt: UInt64
    let connection: String
    /// Holds the ticket to the configuration that it was given under.
    let binding: [UInt8]

    static let bindingOctets = 32
    private static let sharedSecret: UInt8 = 2
    private static let signedInFull: UInt8 = 1
    private static let mixed: UInt8 = 2

    init(
        remoteIdentity: Identity,
        localIdentity: Identity,
        localSPI: IKESPI,
        transforms: [Transform],
        derivation: SecretBytes,
        isSignedInFull: Bool,
        usesPPK: Bool,
        authenticatedAt: UInt64,
        expiresAt: UInt64,
        connection: String,
        binding: [UInt8]
    ) {
        self.remoteIdentity = remoteIdentity
        self.localIdentity = localIdentity
        self.localSPI = localSPI
        self.transforms = transforms
        self.derivation = derivation
        self.isSignedInFull = isSignedInFull
        self.usesPPK = usesPPK
        self.authenticatedAt = authenticatedAt
        self.expiresAt = expiresAt
        self.connection = connection
        self.binding = binding
    }

    /// Everything in its place and nothing behind it.
    init(reading bytes: [UInt8]) throws(ByteReader.Failure) {
        var reader = ByteReader(bytes)
        remoteIdentity = try TicketContent.readIdentity(&reader)
        localIdentity = try TicketContent.readIdentity(&reader)
        localSPI = IKESPI(rawValue: try reader.readUInt64())
        var transforms: [Transform] = []
        for _ in 0..<(try reader.readUInt8()) {
            let type = TransformType(rawValue: try reader.readUInt8())
            let identifier = try reader.readUInt16()
            let bits = try reader.readUInt16()
            transforms.append(
                Transform(type: type, identifier: identifier, keyLengthBits: bits == 0 ? nil : bits)
            )
        }
        self.transforms = transforms
        derivation = SecretBytes(try reader.read(Int(try reader.readUInt8())))
        // The authentication method: there is one.
        _ = try reader.readUInt8()
        let flags = try reader.readUInt8()
        isSignedInFull = flags & TicketContent.signedInFull != 0
        usesPPK = flags & TicketContent.mixed != 0
        authenticatedAt = try reader.readUInt64()
        expiresAt = try reader.readUInt64()
        connection = String(
            decoding: try reader.read(Int(try reader.readUInt16())),
            as: UTF8.self
        )
        binding = Array(try reader.read(TicketContent.bindingOctets))
        try reader.expectEnd()
    }

    /// For the caller to wipe: it holds SK_d.
    func serialised() -> [UInt8] {
        let name = Array(connection.utf8)
        let identities = [remoteIdentity, localIdentity].map { ($0.wireType, $0.wireContent) }
        // At its final size at once: growing would leave a copy of the secret behind.
        var writer = ByteWriter(
            reserving: 128 + name.count + derivation.count + 5 * transforms.count
                + identities.reduce(0) { $0 + $1.1.count }
        )
        for (type, content) in identities {
            writer.write(type)
            writer.write(UInt16(clamping: content.count))
            writer.write(content)
        }
        writer.write(localSPI.rawValue)
        writer.write(UInt8(clamping: transforms.count))
        for transform in transforms {
            writer.write(transform.type.rawValue)
            writer.write(transform.identifier)
            writer.write(transform.keyLengthBits ?? 0)
        }
        writer.write(UInt8(clamping: derivation.count))
        var key = derivation.copy()
        writer.write(key)
        wipe(&key)
        writer.write(TicketContent.sharedSecret)
        writer.write(
            (isSignedInFull ? TicketContent.signedInFull : 0) | (usesPPK ? TicketContent.mixed : 0)
        )
        writer.write(authenticatedAt)
        writer.write(expiresAt)
        writer.write(UInt16(clamping: name.count))
        writer.write(name)
        writer.write(binding)
        return writer.bytes
    }

    private static func readIdentity(
        _ reader: inout ByteReader
    ) throws(ByteReader.Failure) -> Identity {
        let type = try reader.readUInt8()
        let content = try reader.read(Int(try reader.readUInt16()))
        return Identity(wireType: type, content: Array(content))
    }
}
