"""Key exchange, key derivation and message protection (RFC 7296 §2.13 to §2.17, §3.14, RFC 5282)."""

import hashlib
import hmac
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric import ec, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

# RFC 3526 §3.
MODP2048 = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DD"
    "EF9519B3CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7ED"
    "EE386BFB5A899FA5AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F"
    "83655D23DCA3AD961C62F356208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3B"
    "E39E772C180E86039B2783A2EC07A28FB5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA0510"
    "15728E5A8AACAA68FFFFFFFFFFFFFFFF", 16)


class X25519:
    group = 31

    def __init__(self):
        self.private = x25519.X25519PrivateKey.generate()
        self.public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def shared(self, other):
        return self.private.exchange(x25519.X25519PublicKey.from_public_bytes(other))


class ECP256:
    group = 19

    def __init__(self):
        self.private = ec.generate_private_key(ec.SECP256R1())
        # RFC 5903 §7: x and y, without the octet that says they are uncompressed.
        self.public = self.private.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint)[1:]

    def shared(self, other):
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), b"\x04" + other)
        return self.private.exchange(ec.ECDH(), point)


class MODP:
    group = 14

    def __init__(self):
        self.private = int.from_bytes(os.urandom(40), "big")
        self.public = pow(2, self.private, MODP2048).to_bytes(256, "big")

    def shared(self, other):
        return pow(int.from_bytes(other, "big"), self.private, MODP2048).to_bytes(256, "big")


def prf(key, data):
    return hmac.new(key, data, hashlib.sha256).digest()


def prf_plus(key, seed, length):
    out, block, number = b"", b"", 1
    while len(out) < length:
        block = prf(key, block + seed + bytes([number]))
        out += block
        number += 1
    return out[:length]


class GCM:
    """ENCR_AES_GCM_16 with 256 bits: the key's last four octets are the salt (RFC 5282 §7.1)."""
    transforms = [(1, 20, 256)]
    encryption_octets, integrity_octets, block = 36, 0, 1
    iv_octets, icv_octets = 8, 16
    esp = {"crypt_algo": "AES-GCM"}

    def __init__(self, encryption, _):
        self.cipher, self.salt = AESGCM(encryption[:32]), encryption[32:]

    def seal(self, aad, plaintext, iv=None):
        iv = iv or os.urandom(8)
        return iv + self.cipher.encrypt(self.salt + iv, plaintext, aad)

    def open(self, aad, content):
        try:
            return self.cipher.decrypt(self.salt + content[:8], content[8:], aad)
        except InvalidTag:
            return None


class CBC:
    """ENCR_AES_CBC with 256 bits and AUTH_HMAC_SHA2_256_128 (RFC 4868)."""
    transforms = [(1, 12, 256), (3, 12)]
    encryption_octets, integrity_octets, block = 32, 32, 16
    iv_octets, icv_octets = 16, 16
    esp = {"crypt_algo": "AES-CBC", "auth_algo": "SHA2-256-128"}

    def __init__(self, encryption, integrity):
        self.key, self.integrity = encryption, integrity

    def seal(self, aad, plaintext, iv=None):
        iv = iv or os.urandom(16)
        encryptor = Cipher(algorithms.AES(self.key), modes.CBC(iv)).encryptor()
        content = iv + encryptor.update(plaintext) + encryptor.finalize()
        return content + prf(self.integrity, aad + content)[:16]

    def open(self, aad, content):
        body, icv = content[:-16], content[-16:]
        if prf(self.integrity, aad + body)[:16] != icv:
            return None
        decryptor = Cipher(algorithms.AES(self.key), modes.CBC(body[:16])).decryptor()
        return decryptor.update(body[16:]) + decryptor.finalize()


class Keys:
    """SK_* of one IKE SA (RFC 7296 §2.14); `seed` replaces SKEYSEED after a rekey (§2.18)."""

    def __init__(self, cipher, shared, nonces, spis, old=None):
        seed = prf(old, shared + nonces) if old else prf(nonces, shared)
        e, a = cipher.encryption_octets, cipher.integrity_octets
        stream = prf_plus(seed, nonces + spis, 32 * 3 + 2 * e + 2 * a)

        def take(count):
            nonlocal stream
            taken, stream = stream[:count], stream[count:]
            return taken

        self.d = take(32)
        ai, ar, ei, er = take(a), take(a), take(e), take(e)
        self.pi, self.pr = take(32), take(32)
        self.from_initiator, self.from_responder = cipher(ei, ai), cipher(er, ar)

    def child(self, cipher, nonces, shared=b""):
        """(initiator's, responder's) encryption and integrity keys (RFC 7296 §2.17)."""
        e, a = cipher.encryption_octets, cipher.integrity_octets
        stream = prf_plus(self.d, shared + nonces, 2 * (e + a))
        return ((stream[:e], stream[e:e + a]),
                (stream[e + a:2 * e + a], stream[2 * e + a:]))


def psk_auth(secret, octets):
    """RFC 7296 §2.15."""
    return prf(prf(secret, b"Key Pad for IKEv2"), octets)
