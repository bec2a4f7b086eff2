"""The few IKE messages that a test sends by itself: a request to begin, and the answer's notifies.
Written from RFC 7296 §3, independently of the code under test."""

import os
import struct

SECURITY_ASSOCIATION, KEY_EXCHANGE, NONCE, NOTIFY = 33, 34, 40, 41
COOKIE = 16390


def payload(following, body):
    return struct.pack("!BBH", following, 0, len(body) + 4) + body


def transform(is_last, kind, identifier, key_length=None):
    attributes = struct.pack("!HH", 0x800E, key_length) if key_length else b""
    return struct.pack("!BBHBBH", 0 if is_last else 3, 0, 8 + len(attributes), kind, 0,
                       identifier) + attributes


def request(spi=None, public=None, notifies=()):
    """An IKE_SA_INIT request for aes256gcm16-prfsha256-x25519 (RFC 7296 §1.2)."""
    transforms = (transform(False, 1, 20, 256) + transform(False, 2, 5) + transform(True, 4, 31))
    proposal = struct.pack("!BBHBBBB", 0, 0, 8 + len(transforms), 1, 1, 0, 3) + transforms
    key = struct.pack("!HH", 31, 0) + (public or os.urandom(32))
    body = b""
    first = NOTIFY if notifies else SECURITY_ASSOCIATION
    for number, (kind, data) in enumerate(notifies):
        following = NOTIFY if number + 1 < len(notifies) else SECURITY_ASSOCIATION
        body += payload(following, struct.pack("!BBH", 0, 0, kind) + data)
    body += payload(KEY_EXCHANGE, proposal) + payload(NONCE, key) + payload(0, os.urandom(32))
    return header(spi or os.urandom(8), bytes(8), first, 34, 0x08, 0, len(body)) + body


def header(initiator, responder, first, exchange, flags, message, length):
    return initiator + responder + struct.pack(
        "!BBBBII", first, 0x20, exchange, flags, message, 28 + length)


def notifies(message):
    """The (type, data) of each notify in an unprotected message."""
    found = []
    kind, position = message[16], 28
    while kind and position + 4 <= len(message):
        following, _, length = struct.unpack("!BBH", message[position:position + 4])
        if length < 4:
            break
        if kind == NOTIFY:
            body = message[position + 4:position + length]
            found.append((struct.unpack("!H", body[2:4])[0], body[4 + body[1]:]))
        kind, position = following, position + length
    return found
