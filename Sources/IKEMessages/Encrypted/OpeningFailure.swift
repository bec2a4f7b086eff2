/// Why an Encrypted payload did not open.
package enum OpeningFailure<CipherFailure: Error>: Error {
    /// Not authentic: nothing in it may be believed or answered.
    case cipher(CipherFailure)
    /// Authentic, and yet not what it should be.
    case message(MessageError)
}
