"""What a case wants between two gateways, in words that every kind of end understands."""

import dataclasses
import typing

IKE = "aes256gcm16-prfsha256-x25519"
ESP = "aes256gcm16"
SECRET = "swans-mate-for-life-4711"


@dataclasses.dataclass(frozen=True)
class Tunnel:
    # Nothing: what the end takes where nobody says what.
    ike: typing.Optional[str] = IKE
    esp: typing.Optional[str] = ESP
    outer: int = 4
    inner: tuple = (4,)
    encapsulation: str = "udp"
    secret: str = SECRET
    start: str = "manual"
    left_identity: str = "left.example"
    right_identity: str = "right.example"
    left_networks: typing.Optional[tuple] = None
    right_networks: typing.Optional[tuple] = None
    left_address: typing.Optional[str] = None
    # Cygnet takes a tuple of several.
    right_address: typing.Union[None, str, tuple] = None
    liveness_seconds: float = 0
    child_rekey_seconds: float = 0
    ike_rekey_seconds: float = 0
    right_child_rekey_seconds: float = 0
    replay_window: int = 0

    def but(self, **changes):
        return dataclasses.replace(self, **changes)

    def end(self, own, other):
        """The tunnel as one of its ends sees it: `own` and `other` are the sites."""
        is_left = own.name == "left"

        def networks(given, site):
            return list(given) if given else [site.networks[version] for version in self.inner]

        own_networks, other_networks = (
            (self.left_networks, self.right_networks) if is_left
            else (self.right_networks, self.left_networks))
        identities = (self.left_identity, self.right_identity)
        addresses = {
            True: self.left_address, False: self.right_address}
        return End(
            tunnel=self,
            local_address=own.outer[self.outer],
            remote_address=addresses[not is_left] or other.outer[self.outer],
            local_identity=identities[0 if is_left else 1],
            remote_identity=identities[1 if is_left else 0],
            local_networks=networks(own_networks, own),
            remote_networks=networks(other_networks, other))


@dataclasses.dataclass(frozen=True)
class End:
    tunnel: Tunnel
    local_address: str
    remote_address: str
    local_identity: str
    remote_identity: str
    local_networks: list
    remote_networks: list
