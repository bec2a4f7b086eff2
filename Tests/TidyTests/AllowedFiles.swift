/// Written by scripts/list-unsafe.
enum AllowedFiles {
    static let uncheckedSendable: Set<String> = [
        "Sources/IPsecCrypto/KeyExchange/MODPGroup.swift",
        "Sources/IPsecCrypto/PacketCipher/PacketCipher.swift",
        "Sources/IPsecPrimitives/Secrets/SecretBytes.swift",
    ]

    static let unsafe: Set<String> = [
        "Sources/IPsecCrypto/KeyDerivation/IKEKeys.swift",
        "Sources/IPsecCrypto/KeyExchange/KeyExchangeKeyPair.swift",
        "Sources/IPsecCrypto/KeyExchange/MODPGroup.swift",
        "Sources/IPsecCrypto/MessageProtection/IKECipher.swift",
        "Sources/IPsecCrypto/PacketCipher/PacketCipher.swift",
        "Sources/IPsecCrypto/PseudorandomFunctions/PRF.swift",
        "Sources/IPsecPrimitives/Secrets/SecretBytes.swift",
        "Sources/LinuxIO/Confinement/FileSystemRestriction.swift",
        "Sources/LinuxIO/Confinement/Privileges.swift",
        "Sources/LinuxIO/Confinement/SystemCallFilter.swift",
        "Sources/LinuxIO/Descriptors/SignalDescriptor.swift",
        "Sources/LinuxIO/Descriptors/TimerDescriptor.swift",
        "Sources/LinuxIO/Devices/TUNDevice.swift",
        "Sources/LinuxIO/Errors/SystemCallFailure.swift",
        "Sources/LinuxIO/EventLoop/EventLoop.swift",
        "Sources/LinuxIO/Service/ServiceNotifier.swift",
        "Sources/LinuxIO/Sockets/SocketAddress.swift",
        "Sources/LinuxIO/Sockets/SocketSetup.swift",
        "Sources/LinuxIO/Sockets/UDPSocket.swift",
        "Sources/LinuxIO/Sockets/UnixListener.swift",
        "Sources/Management/Client/ManagementClient.swift",
        "Sources/PacketProtection/ESP/InboundProcessor.swift",
        "Sources/PacketProtection/ESP/OutboundProcessor.swift",
        "Sources/PacketProtection/PacketPath/PacketRuns.swift",
    ]
}
