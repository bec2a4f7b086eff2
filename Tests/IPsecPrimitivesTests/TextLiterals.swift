internal import IPsecPrimitives

/// The address that `text` writes; the text of a test is known to be one.
func ip(_ text: String) -> IPAddress { IPAddress(text)! }

/// The network that `text` writes.
func net(_ text: String) -> IPPrefix { IPPrefix(text)! }
