"""IKE messages by Scapy's codec, with every field open to abuse (RFC 7296 §3)."""

import dataclasses
import ipaddress
import logging
import socket
import struct

logging.getLogger("scapy.runtime").setLevel(logging.ERROR)
from scapy.contrib import ikev2 as scapy_ike  # noqa: E402 (the logger comes first)
from scapy.packet import Raw  # noqa: E402

IKE_SA_INIT, IKE_AUTH, CREATE_CHILD_SA, INFORMATIONAL = 34, 35, 36, 37
IKE_INTERMEDIATE, IKE_FOLLOWUP_KE = 43, 44
SA, KE, IDI, IDR, CERT, CERTREQ, AUTH, NONCE, NOTIFY, DELETE, VENDOR = range(33, 44)
TSI, TSR, SK, CP, EAP = 44, 45, 46, 47, 48
SKF, PUZZLE_SOLUTION = 53, 54
INITIATOR, HIGHER_VERSION, RESPONSE = 0x08, 0x10, 0x20
PROTOCOL_IKE, PROTOCOL_AH, PROTOCOL_ESP = 1, 2, 3
ENCR, PRF, INTEG, DH, ESN, ADDKE1, ADDKE2 = range(1, 8)

# Notify types (RFC 7296 §3.10.1 and the RFCs of the extensions).
UNSUPPORTED_CRITICAL_PAYLOAD, INVALID_IKE_SPI, INVALID_MAJOR_VERSION, INVALID_SYNTAX = 1, 4, 5, 7
INVALID_MESSAGE_ID, INVALID_SPI, NO_PROPOSAL_CHOSEN, INVALID_KE_PAYLOAD = 9, 11, 14, 17
AUTHENTICATION_FAILED, SINGLE_PAIR_REQUIRED, NO_ADDITIONAL_SAS = 24, 34, 35
FAILED_CP_REQUIRED, TS_UNACCEPTABLE, INVALID_SELECTORS = 37, 38, 39
TEMPORARY_FAILURE, CHILD_SA_NOT_FOUND = 43, 44
INITIAL_CONTACT, SET_WINDOW_SIZE, NAT_SOURCE, NAT_DESTINATION, COOKIE = (
    16384, 16385, 16388, 16389, 16390)
NON_FIRST_FRAGMENTS_ALSO = 16395
USE_TRANSPORT_MODE, REKEY_SA, REDIRECT, FRAGMENTATION = 16391, 16393, 16407, 16430
TICKET_LT_OPAQUE, TICKET_REQUEST, TICKET_NACK, TICKET_OPAQUE = 16409, 16410, 16412, 16413
REDIRECT_SUPPORTED, QCD_TOKEN, PUZZLE = 16406, 16419, 16434
INTERMEDIATE, ADDITIONAL_KEY_EXCHANGE, STATE_NOT_FOUND = 16438, 16441, 47


@dataclasses.dataclass
class Payload:
    """One payload; `length` and `following` lie when they are set."""
    kind: int
    body: bytes = b""
    critical: bool = False
    length: int = None
    following: int = None
    reserved: int = 0

    @property
    def notify(self):
        """(type, protocol, SPI, data) of a notify."""
        protocol, size, kind = struct.unpack("!BBH", self.body[:4])
        return kind, protocol, self.body[4:4 + size], self.body[4 + size:]


def chain(payloads, last=0):
    """(type of the first, bytes) of payloads behind one another."""
    out = b""
    for number, payload in enumerate(payloads):
        following = payloads[number + 1].kind if number + 1 < len(payloads) else last
        if payload.following is not None:
            following = payload.following
        raw = bytes(scapy_ike.IKEv2_payload(
            next_payload=following, load=b"",
            length=len(payload.body) + 4 if payload.length is None else payload.length))
        flags = (0x80 if payload.critical else 0) | payload.reserved
        out += raw[:1] + bytes([flags]) + raw[2:4] + payload.body
    return (payloads[0].kind if payloads else last), out


def header(initiator, responder, exchange, flags, message_id, first, length, version=0x20):
    return bytes(scapy_ike.IKEv2(
        init_SPI=initiator, resp_SPI=responder, next_payload=first, version=version,
        exch_type=exchange, flags=flags, id=message_id, length=length))


def message(initiator, responder, exchange, flags, message_id, payloads, length=None, first=None,
            version=0x20):
    """A message in clear."""
    kind, body = chain(payloads)
    total = 28 + len(body) if length is None else length
    return header(initiator, responder, exchange, flags, message_id,
                  kind if first is None else first, total, version) + body


@dataclasses.dataclass
class Header:
    initiator: bytes
    responder: bytes
    first: int
    version: int
    exchange: int
    flags: int
    message_id: int
    length: int

    @property
    def is_response(self):
        return bool(self.flags & RESPONSE)


def read_header(data):
    read = scapy_ike.IKEv2(data[:28])
    return Header(read.init_SPI, read.resp_SPI, read.next_payload, read.version, read.exch_type,
                  int.from_bytes(data[19:20], "big"), read.id, read.length)


def read_chain(kind, data):
    """The payloads of a chain. SK and SKF end it."""
    found = []
    position = 0
    while kind:
        following, flags, length = struct.unpack("!BBH", data[position:position + 4])
        if length < 4 or position + length > len(data):
            raise ValueError(f"a payload of {length} octets where {len(data) - position} are left")
        found.append(Payload(kind, data[position + 4:position + length], bool(flags & 0x80),
                             following=following))
        position += length
        if kind in (SK, SKF):
            break
        kind = following
    if position != len(data):
        raise ValueError(f"{len(data) - position} octets behind the last payload")
    return found


def one(payloads, kind):
    """The payload of a kind that must be there once."""
    found = [payload for payload in payloads if payload.kind == kind]
    if len(found) != 1:
        raise ValueError(f"{len(found)} payloads of type {kind}")
    return found[0]


def notifies(payloads):
    return [payload.notify[0] for payload in payloads if payload.kind == NOTIFY]


def errors(payloads):
    """The notifies that are errors; what else the gateway has to say is not looked at."""
    return [kind for kind in notifies(payloads) if kind < 16384]


# Bodies


def transform(kind, identifier, key_length=None, more=True, attributes=None, **changes):
    fields = {"next_payload": 3 if more else 0, "length": 8 if key_length is None else 12,
              "transform_type": kind, "transform_id": identifier}
    if key_length is not None:
        fields["key_length"] = key_length
    built = bytes(scapy_ike.IKEv2_payload_Transform(**fields))
    if attributes is not None:
        built = built[:2] + struct.pack("!H", 8 + len(attributes)) + built[4:8] + attributes
    if "length" in changes:
        built = built[:2] + struct.pack("!H", changes["length"]) + built[4:]
    if "marker" in changes:
        built = bytes([changes["marker"]]) + built[1:]
    return built


def proposal(transforms, number=1, protocol=PROTOCOL_IKE, spi=b"", more=False, **changes):
    """`transforms` are tuples for `transform`, or bytes as they are."""
    body = b""
    for index, entry in enumerate(transforms):
        is_last = index == len(transforms) - 1
        body += entry if isinstance(entry, bytes) else transform(*entry, more=not is_last)
    return bytes(scapy_ike.IKEv2_payload_Proposal(
        next_payload=changes.get("marker", 2 if more else 0),
        length=changes.get("length", 8 + len(spi) + len(body)), proposal=number, proto=protocol,
        SPIsize=changes.get("spi_size", len(spi)), SPI=spi,
        trans_nb=changes.get("count", len(transforms) & 255), trans=Raw(body)))


def sa(*proposals, **changes):
    return Payload(SA, b"".join(proposals), **changes)


def ke(group, data, **changes):
    return Payload(KE, bytes(scapy_ike.IKEv2_payload_KE(group=group, load=data))[4:], **changes)


def nonce(data, **changes):
    return Payload(NONCE, bytes(scapy_ike.IKEv2_payload_Nonce(load=data))[4:], **changes)


def notify(kind, data=b"", protocol=0, spi=b"", spi_size=None, **changes):
    body = bytes(scapy_ike.IKEv2_payload_Notify(
        proto=protocol, SPIsize=len(spi) if spi_size is None else spi_size, type=kind, SPI=spi,
        load=data))[4:]
    return Payload(NOTIFY, body, **changes)


def identity(kind, name, id_type=2, **changes):
    return Payload(kind, bytes(scapy_ike.IKEv2_payload_IDr(IDtype=id_type, ID=name))[4:], **changes)


def auth(data, method=2, **changes):
    return Payload(AUTH, bytes(scapy_ike.IKEv2_payload_AUTH(auth_type=method, load=data))[4:],
                   **changes)


def delete(protocol, spis=(), size=None, count=None, **changes):
    size = (4 if spis else 0) if size is None else size
    body = struct.pack("!BBH", protocol, size, len(spis) if count is None else count)
    return Payload(DELETE, body + b"".join(spis), **changes)


def selector(first, last, protocol=0, ports=(0, 65535), kind=7, length=None):
    built = bytes(scapy_ike.IPv4TrafficSelector(
        TS_type=kind, IP_protocol_ID=protocol, length=16 if length is None else length,
        start_port=ports[0], end_port=ports[1], starting_address_v4=first,
        ending_address_v4=last))
    return built


def selectors(kind, *entries, count=None, **changes):
    body = struct.pack("!B3x", len(entries) if count is None else count) + b"".join(entries)
    return Payload(kind, body, **changes)


def network6(prefix, **options):
    """The selector of an IPv6 network such as fd00:1::/64; `protocol` and `ports` as of `selector`."""
    found = ipaddress.IPv6Network(prefix)
    ports = options.get("ports", (0, 65535))
    return bytes(scapy_ike.IPv6TrafficSelector(
        TS_type=8, IP_protocol_ID=options.get("protocol", 0), length=40, start_port=ports[0],
        end_port=ports[1], starting_address_v6=str(found[0]), ending_address_v6=str(found[-1])))


def network(prefix, **options):
    """The selector of an IPv4 network such as 10.1.0.0/16; `protocol` and `ports` as of `selector`."""
    base, length = prefix.split("/")
    first = struct.unpack("!I", socket.inet_aton(base))[0]
    last = first | (1 << 32 - int(length)) - 1
    return selector(base, socket.inet_ntoa(struct.pack("!I", last)), **options)


# What answers hold


def read_proposal(payload):
    """(protocol, SPI, [(type, identifier)]) of the one proposal in an answer."""
    read = scapy_ike.IKEv2_payload_Proposal(payload.body)
    found, entry = [], read.trans
    while isinstance(entry, scapy_ike.IKEv2_payload_Transform):
        found.append((entry.transform_type, entry.transform_id))
        entry = entry.payload
    if read.next_payload != 0 or len(found) != read.trans_nb:
        raise ValueError("an answer holds one proposal whose count is right")
    return read.proto, read.SPI, found


def read_selectors(payload):
    """[(protocol, ports, first, last)] of IPv4 selectors."""
    found, position = [], 4
    while position < len(payload.body):
        read = scapy_ike.IPv4TrafficSelector(payload.body[position:position + 16])
        found.append((read.IP_protocol_ID, (read.start_port, read.end_port),
                      read.starting_address_v4, read.ending_address_v4))
        position += read.length
    return found


def read_ke(payload):
    read = scapy_ike.IKEv2_payload_KE(struct.pack("!BBH", 0, 0, len(payload.body) + 4)
                                      + payload.body)
    return read.group, read.load
