"""The words of a proposal, as strongSwan reports what was agreed."""

from Tests.Lab.processes import expect

ENCRYPTION = {
    "chacha20poly1305": ("CHACHA20_POLY1305", None),
    "aes128": ("AES_CBC", "128"),
    "aes192": ("AES_CBC", "192"),
    "aes256": ("AES_CBC", "256"),
}
for _bits in ("128", "192", "256"):
    for _mode in ("gcm", "ccm"):
        for _octets in ("8", "12", "16"):
            ENCRYPTION[f"aes{_bits}{_mode}{_octets}"] = (f"AES_{_mode.upper()}_{_octets}", _bits)
    ENCRYPTION[f"aes{_bits}ctr"] = ("AES_CTR", _bits)
INTEGRITY = {
    "sha256": "HMAC_SHA2_256_128", "sha384": "HMAC_SHA2_384_192", "sha512": "HMAC_SHA2_512_256",
    "aesxcbc": "AES_XCBC_96", "aescmac": "AES_CMAC_96",
}
PSEUDORANDOM = {
    "prfsha256": "PRF_HMAC_SHA2_256", "prfsha384": "PRF_HMAC_SHA2_384",
    "prfsha512": "PRF_HMAC_SHA2_512", "prfaesxcbc": "PRF_AES128_XCBC",
    "prfaescmac": "PRF_AES128_CMAC",
}
GROUPS = {
    "x25519": "CURVE_25519", "ecp256": "ECP_256", "ecp384": "ECP_384", "modp2048": "MODP_2048",
    "modp3072": "MODP_3072", "modp4096": "MODP_4096", "modp6144": "MODP_6144",
    "modp8192": "MODP_8192", "x448": "CURVE_448", "ecp521": "ECP_521", "ecp224": "ECP_224",
    "ecp224bp": "ECP_224_BP", "ecp256bp": "ECP_256_BP", "ecp384bp": "ECP_384_BP",
    "ecp512bp": "ECP_512_BP",
}


def expected(proposal, is_ike):
    """What vici says about an SA of the proposal: key to value."""
    found = {}
    for word in proposal.split("-"):
        if word in ENCRYPTION:
            found["encr-alg"], size = ENCRYPTION[word]
            if size:
                found["encr-keysize"] = size
        elif word in INTEGRITY:
            found["integ-alg"] = INTEGRITY[word]
            if is_ike:
                found.setdefault("prf-alg", PSEUDORANDOM["prf" + word])
        elif word in PSEUDORANDOM:
            found["prf-alg"] = PSEUDORANDOM[word]
        elif word in GROUPS:
            found["dh-group"] = GROUPS[word]
        elif word == "esn":
            found["esn"] = "1"
    return found


def expect_agreed(proposal, association, is_ike):
    for key, value in expected(proposal, is_ike).items():
        actual = association.get(key)
        expect(actual == value, f"{proposal}: the peer says {key} is {actual}, not {value}")
    if not is_ike and "esn" not in proposal.split("-"):
        expect("esn" not in association, f"{proposal}: the peer uses ESN")
