/// Asks a gateway over its control socket and waits for the answer.
package struct ManagementClient: Sendable {
    package static let defaultPath = "/run/cygnet/control.sock"

    package let path: String

    package init(path: String = ManagementClient.defaultPath) {
        self.path = path
    }
}
