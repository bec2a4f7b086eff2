internal import ConnectionControl
internal import IKEProtocol
internal import Logging

extension Logger {
    /// One line for one event, at the level that it deserves.
    func report(_ report: IKEReport) {
        let level: Logger.Level =
            switch report.event {
            // The peer has another way, which it takes at once.
            case .refused(let failure) where failure.subject == .resumption: .notice
            case .initiationFailed, .refused: .error
            case .peerUnresponsive, .cookieDemanded, .encapsulationDiffers: .warning
            case .puzzleDeclined, .addressesRefused, .probingPaths: .warning
            case .notResumed: .notice
            case .errorFromPeer, .streamLost, .childSAUnknownToPeer: .warning
            case .ikeSAEstablished, .ikeSAClosed, .childSAEstablished, .childSAClosed: .notice
            case .ikeSARekeyed, .childSARekeyed, .childSANarrowed, .peerMoved, .movedTo: .notice
            case .redirected, .redirecting, .streamReopened: .notice
            case .configurationReceived, .addressesAssigned, .unknownSPI: .notice
            case .retransmitting, .cookieDemandedByPeer, .puzzleDemandedByPeer,
                .otherMethodDemanded, .networkAddressTranslation, .resourcesExhausted,
                .udpStillBlocked:
                .info
            }
        log(level: level, "\(report.summary)")
    }
}
