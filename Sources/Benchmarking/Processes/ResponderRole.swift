internal import Glibc
internal import IKEProtocol
internal import IPsecPrimitives
internal import LinuxIO

/// The second process: answers until its standard input ends, and tells what it has used whenever
/// a line comes in.
package enum ResponderRole {
    package static func run(_ suite: HandshakeSuite, installs: Bool) throws {
        guard let near = IPAddress("127.0.0.1"), let far = IPAddress("127.0.0.2") else { return }
        let configuration = HandshakeConfiguration(
            suite: suite,
            initiator: near,
            responder: far,
            forgetsSoon: !installs
        )
        let socket = try HandshakeSocket(address: far, port: 0) { settings in
            let end = HandshakeEnd(settings: settings, installs: installs)
            end.configure(configuration.responding(), configuration.credentials)
            return end
        }
        say("ready \(socket.port)")
        var isOver = false
        try socket.watch(0) {
            var byte = [UInt8](repeating: 0, count: 64)
            let count = unsafe read(0, &byte, byte.count)
            if count <= 0 {
                isOver = true
            } else {
                let usage = ProcessUsage.now()
                // Not by `status`, whose cost grows with their number and is none of a handshake's.
                let engine = socket.end.engine
                let live = engine.saCount - engine.halfOpenCount
                say("used \(usage.microseconds) \(usage.residentBytes) \(live)")
            }
        }
        while !isOver { try socket.runOnce(atMostMilliseconds: 1000) }
    }

    private static func say(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        _ = unsafe write(1, bytes, bytes.count)
    }
}
