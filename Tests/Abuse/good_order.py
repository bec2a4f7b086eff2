"""What the peer must be able to do before its abuses mean anything: everything in good order."""

from Tests.Abuse.codec import PROTOCOL_ESP, SA, delete
from Tests.Abuse.keys import CBC, ECP256, MODP
from Tests.Lab.processes import expect


def register(add):
    add("good/x25519-gcm", "RFC 7296 §1.2", tunnel)
    add("good/ecp256-cbc", "RFC 7296 §1.2", tunnel, cipher=CBC, exchange=ECP256)
    add("good/modp2048", "RFC 7296 §1.2", tunnel, exchange=MODP)
    add("good/rekey-child", "RFC 7296 §1.3.3", rekey_child)
    add("good/rekey-ike", "RFC 7296 §1.3.2", rekey_ike)
    add("good/delete-child", "RFC 7296 §1.4.1", delete_child)
    add("good/gateway-begins", "RFC 7296 §1.2", gateway_begins)


def tunnel(lab, **options):
    lab.insider(**options).expect_echo()


def rekey_child(lab):
    peer = lab.insider()
    found = peer.rekey_child()
    expect(SA in [payload.kind for payload in found], f"the rekey was refused: {found}")
    old = peer.children[0]
    answer = peer.inform(delete(PROTOCOL_ESP, [old.inbound_spi]))
    expect([payload.body for payload in answer]
           == [delete(PROTOCOL_ESP, [old.outbound_spi]).body], f"the Delete was answered {answer}")
    peer.expect_echo()


def rekey_ike(lab):
    peer = lab.insider()
    peer.rekey_ike()
    peer.expect_alive()
    peer.expect_echo()


def delete_child(lab):
    peer = lab.insider()
    peer.inform(delete(PROTOCOL_ESP, [peer.children[0].inbound_spi]))
    peer.expect_alive()
    peer.expect_no_echo()
    peer.create_child()
    peer.expect_echo()


def gateway_begins(lab):
    peer = lab.peer()
    begun = lab.up(peer)
    peer.await_init()
    peer.answer_init()
    peer.answer_auth()
    peer.expect_echo()
    begun.process.wait(3)
    expect(begun.process.returncode == 0, begun.output())
