/// What a Notify payload says (RFC 7296 §3.10.1; IANA "IKEv2 Notify Message Types").
@frozen @usableFromInline
package struct NotifyType: Registry {
    @usableFromInline package let rawValue: UInt16

    @inlinable
    package init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// RFC 7296 §3.10.1: types below 16384 report errors, the others status.
    package var isError: Bool { rawValue < 16384 }

    @usableFromInline package static let kind = "notify"
}

// MARK: - Errors

extension NotifyType {
    package static let unsupportedCriticalPayload = NotifyType(rawValue: 1)
    package static let invalidIKESPI = NotifyType(rawValue: 4)
    package static let invalidMajorVersion = NotifyType(rawValue: 5)
    package static let invalidSyntax = NotifyType(rawValue: 7)
    package static let invalidMessageID = NotifyType(rawValue: 9)
    package static let invalidSPI = NotifyType(rawValue: 11)
    package static let noProposalChosen = NotifyType(rawValue: 14)
    package static let invalidKEPayload = NotifyType(rawValue: 17)
    package static let authenticationFailed = NotifyType(rawValue: 24)
    package static let singlePairRequired = NotifyType(rawValue: 34)
    package static let noAdditionalSAs = NotifyType(rawValue: 35)
    package static let internalAddressFailure = NotifyType(rawValue: 36)
    package static let failedCPRequired = NotifyType(rawValue: 37)
    package static let tsUnacceptable = NotifyType(rawValue: 38)
    package static let invalidSelectors = NotifyType(rawValue: 39)
    package static let unacceptableAddresses = NotifyType(rawValue: 40)
    package static let unexpectedNATDetected = NotifyType(rawValue: 41)
    package static let temporaryFailure = NotifyType(rawValue: 43)
    package static let childSANotFound = NotifyType(rawValue: 44)
    package static let stateNotFound = NotifyType(rawValue: 47)
    package static let tsMaxQueue = NotifyType(rawValue: 48)
}

// MARK: - Status

extension NotifyType {
    package static let initialContact = NotifyType(rawValue: 16384)
    package static let setWindowSize = NotifyType(rawValue: 16385)
    package static let additionalTSPossible = NotifyType(rawValue: 16386)
    package static let ipcompSupported = NotifyType(rawValue: 16387)
    package static let natDetectionSourceIP = NotifyType(rawValue: 16388)
    package static let natDetectionDestinationIP = NotifyType(rawValue: 16389)
    package static let cookie = NotifyType(rawValue: 16390)
    package static let useTransportMode = NotifyType(rawValue: 16391)
    package static let httpCertLookupSupported = NotifyType(rawValue: 16392)
    package static let rekeySA = NotifyType(rawValue: 16393)
    /// RFC 9347 §6.1.4.
    package static let useAggregation = NotifyType(rawValue: 16442)
    package static let espTFCPaddingNotSupported = NotifyType(rawValue: 16394)
    package static let nonFirstFragmentsAlso = NotifyType(rawValue: 16395)
    package static let mobikeSupported = NotifyType(rawValue: 16396)
    package static let additionalIP4Address = NotifyType(rawValue: 16397)
    package static let additionalIP6Address = NotifyType(rawValue: 16398)
    package static let noAdditionalAddresses = NotifyType(rawValue: 16399)
    package static let updateSAAddresses = NotifyType(rawValue: 16400)
    package static let cookie2 = NotifyType(rawValue: 16401)
    package static let noNATsAllowed = NotifyType(rawValue: 16402)
    package static let multipleAuthSupported = NotifyType(rawValue: 16404)
    package static let redirectSupported = NotifyType(rawValue: 16406)
    package static let redirect = NotifyType(rawValue: 16407)
    package static let redirectedFrom = NotifyType(rawValue: 16408)
    package static let ticketLTOpaque = NotifyType(rawValue: 16409)
    package static let ticketRequest = NotifyType(rawValue: 16410)
    package static let ticketACK = NotifyType(rawValue: 16411)
    package static let ticketNACK = NotifyType(rawValue: 16412)
    package static let ticketOpaque = NotifyType(rawValue: 16413)
    package static let eapOnlyAuthentication = NotifyType(rawValue: 16417)
    package static let childlessIKEv2Supported = NotifyType(rawValue: 16418)
    package static let quickCrashDetection = NotifyType(rawValue: 16419)
    package static let ikev2MessageIDSyncSupported = NotifyType(rawValue: 16420)
    package static let fragmentationSupported = NotifyType(rawValue: 16430)
    package static let signatureHashAlgorithms = NotifyType(rawValue: 16431)
    package static let puzzle = NotifyType(rawValue: 16434)
    /// RFC 8784 §3.
    package static let usePPK = NotifyType(rawValue: 16435)
    package static let ppkIdentity = NotifyType(rawValue: 16436)
    package static let noPPKAuth = NotifyType(rawValue: 16437)
    package static let intermediateExchangeSupported = NotifyType(rawValue: 16438)
    /// draft-ietf-ipsecme-ikev2-downgrade-prevention-08 §8.
    package static let ikeSAInitFullTranscriptAuth = NotifyType(rawValue: 16447)
    package static let additionalKeyExchange = NotifyType(rawValue: 16441)
    package static let saResourceInfo = NotifyType(rawValue: 16444)
}
