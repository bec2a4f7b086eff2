internal import Glibc

/// Makes a folder of its own for a test; who makes it removes it.
///
/// - Parameter name: what it is for, a word.
/// - Returns: its path; empty where none could be made.
package func makeTemporaryFolder(for name: String) -> String {
    // The six letters that mkdtemp replaces.
    let places = String(repeating: "X", count: 6)
    var template = Array("/tmp/cygnet-\(name)-\(places)".utf8CString)
    return unsafe template.withUnsafeMutableBufferPointer { area in
        unsafe mkdtemp(area.baseAddress!).map { unsafe String(cString: $0) } ?? ""
    }
}
