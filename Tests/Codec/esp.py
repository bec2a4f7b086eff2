"""ESP as Scapy has it: random packets of every transform that both know, in both directions."""

import hashlib
import hmac

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.cmac import CMAC
from scapy.layers.inet import IP
from scapy.layers.inet6 import IPv6
from scapy.layers.ipsec import ESP, SecurityAssociation
from scapy.packet import raw

from Tests.Codec.packets import OUTER, hexadecimal

# In the words of a proposal: Scapy's name, octets of key and salt, of IV, of ICV.
COMBINED = {
    f"aes{bits}{mode}{icv}": (name, bits // 8 + salt, 8, icv)
    for bits in (128, 192, 256)
    for mode, name, salt in (("gcm", "AES-GCM", 4), ("ccm", "AES-CCM", 3))
    for icv in (8, 12, 16)
} | {"chacha20poly1305": ("CHACHA20-POLY1305", 36, 8, 16)}
CIPHERS = {f"aes{bits}": ("AES-CBC", bits // 8, 16) for bits in (128, 192, 256)} | {
    f"aes{bits}ctr": ("AES-CTR", bits // 8 + 4, 8) for bits in (128, 192, 256)} | {
    "3des": ("3DES", 24, 8), "null": ("NULL", 0, 0)}
# Octets of key and of ICV.
INTEGRITY = {"sha1": ("HMAC-SHA1-96", 20, 12), "md5": ("HMAC-MD5-96", 16, 12),
             "sha256": ("SHA2-256-128", 32, 16), "sha384": ("SHA2-384-192", 48, 24),
             "sha512": ("SHA2-512-256", 64, 32), "aescmac": ("AES-CMAC-96", 16, 12)}
SUITES = [(word, None) for word in COMBINED] + [
    (cipher, integrity) for cipher in CIPHERS for integrity in INTEGRITY]


class Case:
    """One packet, one SA."""

    def __init__(self, dice, suite, mode, outer, is_extended):
        self.cipher, self.integrity = suite
        self.mode, self.outer, self.is_extended = mode, outer, is_extended
        if self.integrity:
            self.name, key, self.iv = CIPHERS[self.cipher]
            _, auth_key, self.icv = INTEGRITY[self.integrity]
        else:
            self.name, key, self.iv, self.icv = COMBINED[self.cipher]
            auth_key = 0
        self.key, self.auth_key = dice.octets(key), dice.octets(auth_key)
        self.spi = dice.within(256, 0xFFFFFFFF)
        high = dice.within(1, 0xFFFFFFFE) << 32 if is_extended else 0
        self.number = high + dice.within(6, 0xFFFFFFF0)
        self.inner = dice.end_packet(outer) if mode == "transport" else dice.inner_packet()

    def association(self, header=None):
        return SecurityAssociation(
            ESP, spi=self.spi, crypt_algo=self.name, crypt_key=self.key or None,
            crypt_icv_size=None if self.integrity or self.has_short_tag else self.icv,
            auth_algo=INTEGRITY[self.integrity][0] if self.integrity else None,
            auth_key=self.auth_key or None, tunnel_header=header,
            esn_en=self.is_extended, esn=self.number >> 32)

    @property
    def lacks_high_half(self):
        """Scapy 2.5 leaves the high half of the number out of what a MAC covers, against RFC 4303
        §2.2.1: there other libraries make the ICV."""
        return bool(self.integrity) and self.is_extended

    @property
    def has_short_tag(self):
        """Scapy 2.5 knows no tag of AES-GCM but the whole one; RFC 4106 §6 takes its first octets."""
        return self.name == "AES-GCM" and self.icv < 16

    def with_whole_tag(self, text):
        """The same packet with the tag whole, once the short one has been verified."""
        key, salt, vector = self.key[:-4], self.key[-4:], text[8:16]
        high = (self.number >> 32).to_bytes(4, "big") if self.is_extended else b""
        covered = text[:4] + high + text[4:8]
        tag = modes.GCM(salt + vector, text[-self.icv:], min_tag_length=self.icv)
        opening = Cipher(algorithms.AES(key), tag).decryptor()
        opening.authenticate_additional_data(covered)
        plain = opening.update(text[16:-self.icv]) + opening.finalize()
        return text[:16] + AESGCM(key).encrypt(salt + vector, plain, covered)

    def icv_of(self, covered):
        covered += (self.number >> 32).to_bytes(4, "big")
        if self.integrity == "aescmac":
            code = CMAC(algorithms.AES(self.auth_key))
            code.update(covered)
            return code.finalize()[:self.icv]
        digest = getattr(hashlib, self.integrity)
        return hmac.digest(self.auth_key, covered, digest)[:self.icv]

    def sealed(self, dice):
        """The ESP packet that Scapy makes, without an IP header before it."""
        header = None if self.mode == "transport" else OUTER[self.outer]()
        made = self.association(header).encrypt(
            self.inner, seq_num=self.number & 0xFFFFFFFF, iv=dice.octets(self.iv))
        text = raw(made[ESP])
        if self.has_short_tag:
            text = text[:self.icv - 16]
        if self.lacks_high_half:
            text = text[:-self.icv] + self.icv_of(text[:-self.icv])
        return text

    def line(self, dice):
        word = f"{self.cipher}-{self.integrity}" if self.integrity else self.cipher
        return " ".join([self.mode, str(self.outer), word] + [hexadecimal(each) for each in (
            self.key, self.auth_key, self.spi.to_bytes(4, "big"), self.number.to_bytes(8, "big"),
            bytes([self.is_extended]), raw(self.inner), self.sealed(dice))])

    def opens(self, text):
        """What Scapy finds in an ESP packet; an error in words if it is none."""
        if self.lacks_high_half and self.icv_of(text[:-self.icv]) != text[-self.icv:]:
            return None, "its ICV is wrong"
        if int.from_bytes(text[:4], "big") != self.spi:
            return None, "it has another SPI"
        if int.from_bytes(text[4:8], "big") != self.number & 0xFFFFFFFF:
            return None, "it has another number"
        header = OUTER[self.outer]()
        if self.mode == "transport":
            header = self.inner.copy()
            header.remove_payload()
            for field in ("len", "plen", "chksum"):
                if field in header.fields:
                    del header.fields[field]
        if self.outer == 4:
            header.proto = 50
        else:
            header.nh = 50
        kind = IP if self.outer == 4 else IPv6
        try:
            whole = self.with_whole_tag(text) if self.has_short_tag else text
            packet = kind(raw(header / ESP(whole)))
            found = self.association(None if self.mode == "transport" else header).decrypt(
                packet, verify=not self.lacks_high_half)
        except Exception as error:  # Scapy's own, and those of the library behind it
            return None, f"it is refused: {error!r}"
        return raw(found), None
