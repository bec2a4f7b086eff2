import Foundation
import Inspection
import Testing

/// The recorded exchanges that the message tests bring along.
enum CaptureFile {
    static func read(_ name: String) throws -> [UInt8] {
        let directory = URL(filePath: #filePath).deletingLastPathComponent()
            .appending(path: "../../IKEMessagesTests/Captures")
        return [UInt8](try Data(contentsOf: directory.appending(path: name)))
    }

    static func keys(_ name: String) throws -> DecodingKeys {
        var keys = DecodingKeys()
        for suffix in ["", ".intermediate1", ".intermediate2"] {
            guard let table = try? read("\(name)/ikev2_decryption_table\(suffix)") else { continue }
            keys.addMessageTable(String(decoding: table, as: UTF8.self))
        }
        keys.addPacketTable(String(decoding: try read("\(name)/esp_sa"), as: UTF8.self))
        return keys
    }
}
