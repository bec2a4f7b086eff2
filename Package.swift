// swift-tools-version: 6.2
import PackageDescription

// Every target of ours is compiled under the same strict rules; each arrow of the architecture is
// one line in `dependencies`, and an import without an arrow is refused by `scripts/build`.
let strict: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .strictMemorySafety(),
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableExperimentalFeature("Lifetimes"),
]

#if arch(x86_64)
    // Intel's multi-buffer library exists for x86-64 only; elsewhere OpenSSL carries the packets.
    let multiBufferTargets: [Target] = [
        .systemLibrary(
            name: "CIPsecMB",
            path: "Sources/CIPsecMB",
            providers: [.apt(["libipsec-mb-dev"])]
        )
    ]
    let multiBufferDependency: [Target.Dependency] = ["CIPsecMB"]
    let multiBufferLinking: [LinkerSetting] = [.linkedLibrary("IPSec_MB")]
#else
    let multiBufferTargets: [Target] = []
    let multiBufferDependency: [Target.Dependency] = []
    let multiBufferLinking: [LinkerSetting] = []
#endif

let crypto: Target.Dependency = .product(name: "Crypto", package: "swift-crypto")

func module(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: strict)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = [])
    -> Target
{
    .testTarget(
        name: name,
        dependencies: dependencies,
        resources: resources,
        swiftSettings: strict
    )
}

var targets: [Target] = [
    // Ground: C shims and system libraries.
    .target(name: "CSecureMemory"),
    .target(name: "CLinux"),
    .target(name: "CInternetChecksum"),
    .target(
        name: "CPacketCipher",
        dependencies: ["COpenSSL"] + multiBufferDependency,
        linkerSettings: multiBufferLinking
    ),
    .systemLibrary(name: "COpenSSL", pkgConfig: "libcrypto", providers: [.apt(["libssl-dev"])]),
    .systemLibrary(
        name: "CNFTables",
        pkgConfig: "libnftables",
        providers: [.apt(["libnftables-dev"])]
    ),
    .systemLibrary(name: "CAres", pkgConfig: "libcares", providers: [.apt(["libc-ares-dev"])]),
    .target(name: "CNameResolver", dependencies: ["CAres"]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .target(name: "CPacketCompression", dependencies: ["CZlib"]),

    // Pure: no clock, no randomness, no input or output.
    module("IPsecPrimitives", ["CSecureMemory"]),
    module(
        "IPsecCrypto",
        ["IPsecPrimitives", "CPacketCipher", "COpenSSL", crypto]
    ),
    module("IKEMessages", ["IPsecPrimitives"]),
    module("IKECredentials", ["IPsecPrimitives", "IPsecCrypto"]),
    module("IKEProtocol", ["IPsecPrimitives", "IPsecCrypto", "IKEMessages", "IKECredentials"]),
    module(
        "PacketProtection",
        [
            "IPsecPrimitives", "IPsecCrypto", "CPacketCipher", "CPacketCompression",
            "CInternetChecksum",
        ]
    ),
    module(
        "ConnectionControl",
        [
            "IPsecPrimitives", "IPsecCrypto", "Configuration", "IKECredentials", "IKEProtocol",
            "PacketProtection",
        ]
    ),
    module("Configuration", ["IPsecPrimitives", .product(name: "Yams", package: "Yams")]),
    module("Management", ["IPsecPrimitives", "CLinux"]),
    module(
        "Inspection",
        [
            "IPsecPrimitives", "IPsecCrypto", "IKEMessages", "PacketProtection", "Configuration",
            "Management",
        ]
    ),

    // The shell: sockets, devices, clocks, threads.
    module("LinuxIO", ["IPsecPrimitives", "CLinux", "CNFTables", "CNameResolver"]),
    module(
        "DataPlane",
        ["IPsecPrimitives", "IPsecCrypto", "PacketProtection", "LinuxIO", "CLinux"]
    ),
    module(
        "Gateway",
        [
            "IPsecPrimitives", "IPsecCrypto", "IKEMessages", "IKECredentials", "IKEProtocol",
            "PacketProtection",
            "Configuration", "ConnectionControl", "DataPlane", "LinuxIO", "Management",
            .product(name: "Logging", package: "swift-log"),
        ]
    ),
    // The searching tester of the pure modules: built with everything, shipped with nothing.
    .target(
        name: "Simulation",
        dependencies: [
            "IPsecPrimitives", "IPsecCrypto", "IKEMessages", "IKECredentials", "IKEProtocol",
            "PacketProtection", "Configuration", "ConnectionControl",
        ],
        // Its world is one object, whose every access would be watched for overlaps as it runs: a
        // tenth of a seed. Tests, which are built for debugging, run with the watch.
        swiftSettings: strict + [
            .unsafeFlags(["-enforce-exclusivity=unchecked"], .when(configuration: .release))
        ]
    ),
    .executableTarget(
        name: "cygnet-simulate",
        dependencies: [
            "Simulation", .product(name: "ArgumentParser", package: "swift-argument-parser"),
        ],
        swiftSettings: strict
    ),
    module(
        "Benchmarking",
        ["IPsecPrimitives", "IPsecCrypto", "IKECredentials", "IKEProtocol", "LinuxIO"]
    ),
    .executableTarget(
        name: "cygnet",
        dependencies: [
            "IPsecPrimitives", "Configuration", "Gateway", "Inspection", "Management",
            "LinuxIO", "Benchmarking",
            .product(name: "ArgumentParser", package: "swift-argument-parser"),
            .product(name: "Logging", package: "swift-log"),
        ],
        swiftSettings: strict
    ),

    // One test target a module.
    tests("IPsecPrimitivesTests", ["IPsecPrimitives", "AllocationCounting"]),
    tests(
        "IPsecCryptoTests",
        ["IPsecPrimitives", "IPsecCrypto", "CPacketCipher"],
        resources: [.copy("Vectors")]
    ),
    tests(
        "IKEMessagesTests",
        [
            "IPsecPrimitives", "IPsecCrypto", "CPacketCipher", "IKEMessages", "IKECredentials",
            "Inspection", crypto,
        ],
        resources: [.copy("Captures")]
    ),
    tests("IKECredentialsTests", ["IPsecPrimitives", "IKECredentials"]),
    tests(
        "IKEProtocolTests",
        [
            "IPsecPrimitives", "IPsecCrypto", "IKEMessages", "IKECredentials", "IKEProtocol",
            "AllocationCounting",
        ]
    ),
    tests(
        "PacketProtectionTests",
        [
            "IPsecPrimitives", "IPsecCrypto", "CPacketCipher", "CPacketCompression",
            "CInternetChecksum", "PacketProtection",
            "AllocationCounting",
        ],
        resources: [.copy("Vectors")]
    ),
    tests(
        "ConnectionControlTests",
        [
            "IPsecPrimitives", "IPsecCrypto", "Configuration", "IKECredentials", "IKEProtocol",
            "PacketProtection", "ConnectionControl",
        ]
    ),
    tests("ConfigurationTests", ["IPsecPrimitives", "Configuration"]),
    tests("ManagementTests", ["IPsecPrimitives", "Management"]),
    tests(
        "InspectionTests",
        [
            "IPsecPrimitives", "IKEMessages", "IKEProtocol", "PacketProtection", "Configuration",
            "Inspection", "Management",
        ]
    ),
    tests("LinuxIOTests", ["IPsecPrimitives", "LinuxIO", "NamespaceTesting"]),
    tests(
        "DataPlaneTests",
        [
            "IPsecPrimitives", "IPsecCrypto", "PacketProtection", "LinuxIO", "DataPlane",
            "NamespaceTesting",
        ]
    ),
    .target(
        name: "NamespaceTesting",
        dependencies: ["CLinux"],
        path: "Tests/NamespaceTesting",
        swiftSettings: strict
    ),
    .target(name: "AllocationCounting", path: "Tests/AllocationCounting"),
    tests(
        "GatewayTests",
        [
            "IPsecPrimitives", "IPsecCrypto", "IKEMessages", "IKEProtocol", "Configuration",
            "ConnectionControl", "DataPlane", "LinuxIO", "Management",
            "Gateway", "NamespaceTesting",
        ]
    ),
    tests("SimulationTests", ["Simulation", "cygnet-simulate"]),
    tests("TidyTests", []),
]
targets += multiBufferTargets

// A fuzz target gets its main from the compiler's fuzzer: only when scripts/fuzz asks for it.
func fuzz(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(
        name: "Fuzz\(name)",
        dependencies: dependencies,
        path: "Fuzz/\(name)",
        swiftSettings: strict + [.unsafeFlags(["-parse-as-library"])]
    )
}

if Context.environment["CYGNET_FUZZ"] != nil {
    let packetPath: [Target.Dependency] = [
        "IPsecPrimitives", "IPsecCrypto", "PacketProtection", "FuzzPacketPath",
    ]
    targets += [
        fuzz("Configuration", ["IPsecPrimitives", "Configuration"]),
        fuzz(
            "Engine",
            [
                "IPsecPrimitives", "IPsecCrypto", "IKEMessages", "IKECredentials", "IKEProtocol",
            ]
        ),
        fuzz("IKEMessage", ["IPsecPrimitives", "IKEMessages", "Inspection"]),
        // What the fuzzers of the packet path share.
        .target(
            name: "FuzzPacketPath",
            dependencies: [
                "IPsecPrimitives", "IPsecCrypto", "CPacketCipher", "PacketProtection",
            ],
            path: "Fuzz/PacketPath",
            swiftSettings: strict
        ),
        fuzz("AH", packetPath + [crypto]),
        fuzz("Compression", packetPath + ["CPacketCompression", "CZlib"]),
        fuzz("ESP", packetPath),
        fuzz("Fragments", packetPath),
        fuzz("ICMPErrors", packetPath),
        fuzz("IPHeaders", packetPath),
    ]
}

if Context.environment["CYGNET_BENCHMARKS"] != nil {
    targets.append(
        .executableTarget(
            name: "esp-benchmark",
            dependencies: [
                "IPsecPrimitives", "IPsecCrypto", "CPacketCipher", "PacketProtection",
                "AllocationCounting",
            ],
            path: "Benchmarks/ESP",
            exclude: ["README.md"],
            swiftSettings: strict
        )
    )
}

// Another compiler mode, such as scripts/races asks for, needs few of the tests and all they lean on.
if let wanted = Context.environment["CYGNET_TESTS"]?.split(separator: ",").map(String.init) {
    targets.removeAll { $0.type == .test && !wanted.contains($0.name) }
}

let package = Package(
    name: "cygnet",
    products: [.executable(name: "cygnet", targets: ["cygnet"])],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
        .package(url: "https://github.com/apple/swift-crypto", from: "4.5.2"),
        .package(url: "https://github.com/apple/swift-log", from: "1.16.2"),
        .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    ],
    targets: targets
)
