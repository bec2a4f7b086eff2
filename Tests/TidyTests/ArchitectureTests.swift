import Testing

/// The arrows of ARCHITECTURE.md: which module may import which.
enum Architecture {
    /// Modules of the project that each may lean on.
    static let arrows: [String: Set<String>] = [
        "IPsecPrimitives": ["CSecureMemory"],
        "IPsecCrypto": ["IPsecPrimitives", "CPacketCipher", "COpenSSL"],
        "IKEMessages": ["IPsecPrimitives"],
        "IKECredentials": ["IPsecPrimitives", "IPsecCrypto"],
        "IKEProtocol": ["IPsecPrimitives", "IPsecCrypto", "IKEMessages", "IKECredentials"],
        "PacketProtection": [
            "IPsecPrimitives", "IPsecCrypto", "CPacketCipher", "CPacketCompression",
            "CInternetChecksum",
        ],
        "Configuration": ["IPsecPrimitives"],
        "Management": ["IPsecPrimitives", "CLinux"],
        "ConnectionControl": [
            "IPsecPrimitives", "IPsecCrypto", "Configuration", "IKECredentials", "IKEProtocol",
            "PacketProtection",
        ],
        "Inspection": [
            "IPsecPrimitives", "IPsecCrypto", "IKEMessages", "PacketProtection", "Configuration",
            "Management",
        ],
        "Simulation": [
            "IPsecPrimitives", "IPsecCrypto", "IKEMessages", "IKECredentials", "IKEProtocol",
            "PacketProtection", "Configuration", "ConnectionControl",
        ],
        "cygnet-simulate": ["Simulation"],
        "LinuxIO": ["IPsecPrimitives", "CLinux", "CNFTables", "CNameResolver"],
        "DataPlane": [
            "IPsecPrimitives", "IPsecCrypto", "PacketProtection", "LinuxIO", "CLinux",
        ],
        "Gateway": [
            "IPsecPrimitives", "IPsecCrypto", "IKEMessages", "IKECredentials", "IKEProtocol",
            "PacketProtection", "Configuration", "ConnectionControl", "DataPlane", "LinuxIO",
            "Management", "CLinux",
        ],
        "Benchmarking": [
            "IPsecPrimitives", "IPsecCrypto", "IKECredentials", "IKEProtocol", "LinuxIO",
        ],
        "cygnet": [
            "IPsecPrimitives", "Configuration", "Gateway", "Inspection", "Management", "LinuxIO",
            "Benchmarking",
        ],
    ]

    /// Modules from elsewhere that each may use.
    static let foreign: [String: Set<String>] = [
        "IPsecCrypto": ["Crypto"],
        "Configuration": ["Yams", "CYaml"],
        "Management": ["Foundation", "Glibc"],
        // Rings between workers are plain memory and atomic counts.
        "PacketProtection": ["Synchronization"],
        "LinuxIO": ["Glibc", "Synchronization"],
        "DataPlane": ["Glibc", "Synchronization"],
        "Gateway": ["Glibc", "Logging", "Synchronization", "Foundation"],
        "Inspection": ["Foundation"],
        "cygnet-simulate": ["ArgumentParser", "Foundation", "Synchronization"],
        "Benchmarking": ["Glibc", "Foundation"],
        "cygnet": ["ArgumentParser", "Logging", "Glibc", "Foundation"],
    ]

    static func violations(in files: [ProjectFile]) -> [Violation] {
        files.flatMap { file -> [Violation] in
            guard let module = file.module else { return [] }
            guard let arrows = arrows[module] else {
                return [Violation(path: file.path, line: 1, message: "\(module) is on no map")]
            }
            return file.imports.filter {
                !arrows.contains($0.module) && !foreign[module, default: []].contains($0.module)
            }.map {
                Violation(
                    path: file.path,
                    line: $0.line,
                    message: "\(module) may not lean on \($0.module)"
                )
            }
        }
    }

    /// The modules that a module can reach, itself not counted.
    static func reachable(from module: String) -> Set<String> {
        var found: Set<String> = []
        var waiting = Array(arrows[module, default: []])
        while let next = waiting.popLast() {
            guard found.insert(next).inserted else { continue }
            waiting += arrows[next, default: []]
        }
        return found
    }
}

@Suite struct ArchitectureTests {
    @Test func everyImportFollowsAnArrow() {
        #expect(Architecture.violations(in: Project.sources) == [])
    }

    @Test func theArrowsHaveNoCircle() {
        for module in Architecture.arrows.keys {
            #expect(!Architecture.reachable(from: module).contains(module), "\(module)")
        }
    }

    @Test func anImportWithoutAnArrowIsFound() {
        let file = ProjectFile(
            path: "Sources/IKEProtocol/Bad.swift",
            text: "// import Glibc\ninternal import PacketProtection\npackage import IKEMessages\n"
        )
        #expect(Architecture.violations(in: [file]).map(\.line) == [2])
    }

    @Test func aModuleOnNoMapIsFound() {
        let file = ProjectFile(path: "Sources/Elsewhere/New.swift", text: "")
        #expect(Architecture.violations(in: [file]).count == 1)
    }

    @Test func keyExchangeAndPacketsDoNotKnowEachOther() {
        #expect(!Architecture.reachable(from: "IKEProtocol").contains("PacketProtection"))
        #expect(!Architecture.reachable(from: "PacketProtection").contains("IKEProtocol"))
        #expect(!Architecture.reachable(from: "ConnectionControl").contains("LinuxIO"))
        #expect(!Architecture.reachable(from: "Simulation").contains("LinuxIO"))
    }
}
