internal import Foundation

/// Waiting in tests for what takes a moment.
package enum Retry {
    /// Calls `body` until it does not throw, at most so long.
    package static func until<Result>(seconds: Double, _ body: () throws -> Result) throws -> Result
    {
        let end = Date(timeIntervalSinceNow: seconds)
        while true {
            do {
                return try body()
            } catch {
                if Date() > end { throw error }
                try pause(milliseconds: 100)
            }
        }
    }

    package static func pause(milliseconds: Int) throws {
        Thread.sleep(forTimeInterval: Double(milliseconds) / 1000)
    }
}
