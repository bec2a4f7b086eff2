package import IKEProtocol
package import IPsecPrimitives

/// A pair of SAs with manual keys that is in place.
package struct ManualAssociation: Hashable, Sendable {
    package let description: IKEReport.ChildSADescription
    package let installedAt: Instant
}

extension IKEReport.ChildSADescription {
    /// The words that follow the algorithms of every such pair.
    init(manual child: ChildSAInstallation, _ proposal: Proposal) {
        self.init(
            inboundSPI: child.inboundSPI,
            outboundSPI: child.outboundSPI,
            proposal: proposal,
            localSelectors: child.localSelectors,
            remoteSelectors: child.remoteSelectors,
            isEncapsulated: child.path.isEncapsulated,
            isAuthenticationOnly: child.securityProtocol == .ah,
            traits: ["manual keys", "replays are not refused"]
                + (child.mode == .transport ? ["transport mode"] : [])
                + (child.compression == nil ? [] : ["IPComp IPCOMP_DEFLATE"])
                + (child.carriesLaterFragments ? ["later fragments too"] : [])
        )
    }
}
