"""Each suite of IKE and of ESP, begun by either side."""

from Tests.Interop.common import connect, expect_suite, ping_both_ways
from Tests.Interop.exchanges import ike_spis
from Tests.Lab.network import LEFT, RIGHT
from Tests.Lab.processes import wait_until
from Tests.Lab.suites import expect_agreed
from Tests.Lab.tunnel import Tunnel

IKE_SUITES = (
    "aes128gcm16-prfsha256-x25519",
    "aes256gcm16-prfsha384-ecp384",
    "aes256gcm16-prfsha512-modp4096",
    "chacha20poly1305-prfsha256-ecp256",
    "aes128-sha256-modp2048",
    "aes256-sha256-x25519",
    "aes128-sha384-ecp384",
    "aes256-sha384-modp3072",
    "aes128-sha512-ecp256",
    "aes256-sha512-modp4096",
)
# What few peers use; each once in either role.
RARE_IKE_SUITES = (
    "aes192gcm16-prfsha256-x448",
    "aes256gcm12-prfsha256-ecp256bp",
    "aes256gcm8-prfsha256-ecp224",
    "aes256gcm16-prfsha384-ecp384bp",
    "aes256gcm16-prfsha512-ecp512bp",
    "aes128ccm16-prfsha256-ecp256",
    "aes256ccm12-prfsha512-ecp521",
    "aes256ctr-sha256-x25519",
    "aes128ctr-sha512-ecp256",
    "aes192-sha256-modp6144",
    "aes256gcm16-prfsha256-modp8192",
    "aes256-aesxcbc-prfaesxcbc-x25519",
    "aes128-aescmac-prfaescmac-ecp256",
    "aes256gcm16-prfaesxcbc-x25519",
)
RARE_ESP_SUITES = (
    "aes192gcm16", "aes256gcm12", "aes256gcm8", "aes128ccm16", "aes256ccm12", "aes192-sha256",
    "aes256ctr-sha256", "aes128-aesxcbc", "aes128-aescmac",
)
ESP_SUITES = (
    "aes128gcm16", "aes256gcm16", "chacha20poly1305",
    "aes128-sha256", "aes256-sha256", "aes128-sha384", "aes256-sha384",
    "aes128-sha512", "aes256-sha512",
)


def register(table):
    for role, initiator in (("initiate", "left"), ("respond", "right")):
        for suite in IKE_SUITES + RARE_IKE_SUITES:
            table.add(f"ike/{role}/{suite}", agree, tunnel=Tunnel(ike=suite), initiator=initiator)
        for suite in ESP_SUITES + RARE_ESP_SUITES:
            table.add(f"esp/{role}/{suite}", agree, tunnel=Tunnel(esp=suite), initiator=initiator)
        for theirs in ("aes256gcm16-prfsha256-x25519", "aes128-sha256-modp2048",
                       "aes256gcm16-prfsha384-ecp384", None):
            table.add(f"defaults/{role}/{theirs or 'both'}", defaults, theirs=theirs,
                      initiator=initiator)


def agree(lab, tunnel, initiator):
    peer = connect(lab, tunnel, initiator)
    expect_suite(peer, tunnel)
    ping_both_ways(lab, tunnel)


def defaults(lab, theirs, initiator):
    """A peer that knows no additional key exchange (RFC 9370) skips the hybrid proposal that our
    defaults offer first and takes one behind it; and again when either end rekeys."""
    lab.needs_cygnet()
    ours = Tunnel(ike=None, esp=None, ike_rekey_seconds=30)
    lab.left.apply(ours, RIGHT)
    lab.right.apply(Tunnel(ike=theirs, esp=None), LEFT)
    (lab.left if initiator == "left" else lab.right).initiate()
    wait_until(lambda: lab.right.established() and lab.left.established(), "both ends have the child")
    ping_both_ways(lab, ours)
    for rekey, who in ((lab.right.rekey_ike, "the peer"), (lambda: None, "Cygnet")):
        before = ike_spis(lab)
        rekey()
        wait_until(lambda: ike_spis(lab) and not ike_spis(lab) & before,
                   f"the IKE SA that {who} makes", seconds=40)
        ping_both_ways(lab, ours)
    if theirs:
        expect_agreed(theirs, lab.right.associations()[-1], is_ike=True)
