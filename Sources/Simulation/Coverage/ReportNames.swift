internal import IKEProtocol

extension IKEReport.Event {
    /// As the coverage has it.
    var coverageName: String {
        switch self {
        case .ikeSAEstablished: "report ikeSAEstablished"
        case .ikeSARekeyed: "report ikeSARekeyed"
        case .ikeSAClosed: "report ikeSAClosed"
        case .childSAEstablished: "report childSAEstablished"
        case .childSARekeyed: "report childSARekeyed"
        case .childSAClosed: "report childSAClosed"
        case .childSANarrowed: "report childSANarrowed"
        case .configurationReceived: "report configurationReceived"
        case .addressesAssigned: "report addressesAssigned"
        case .resourcesExhausted: "report resourcesExhausted"
        case .initiationFailed: "report initiationFailed"
        case .refused: "report refused"
        case .retransmitting: "report retransmitting"
        case .peerUnresponsive: "report peerUnresponsive"
        case .cookieDemandedByPeer: "report cookieDemandedByPeer"
        case .puzzleDemandedByPeer: "report puzzleDemandedByPeer"
        case .puzzleDeclined: "report puzzleDeclined"
        case .cookieDemanded: "report cookieDemanded"
        case .otherMethodDemanded: "report otherMethodDemanded"
        case .networkAddressTranslation: "report networkAddressTranslation"
        case .encapsulationDiffers: "report encapsulationDiffers"
        case .peerMoved: "report peerMoved"
        case .redirected: "report redirected"
        case .redirecting: "report redirecting"
        case .movedTo: "report movedTo"
        case .probingPaths: "report probingPaths"
        case .addressesRefused: "report addressesRefused"
        case .errorFromPeer: "report errorFromPeer"
        // Slower, for those that are rare.
        default: "report " + String(describing: self).prefix { $0 != "(" }
        }
    }
}
