"""What is measured of Cygnet beside its own single TCP stream: one thing is different each time."""

import dataclasses

from Tests.Lab.network import ROUTER_RIGHT
from Tests.Lab.tunnel import Tunnel

SUITE = "aes128gcm16"
BASE = Tunnel(esp=SUITE, start="manual")


@dataclasses.dataclass(frozen=True)
class Course:
    name: str
    tunnel: Tunnel = BASE
    # Of the inner packets.
    version: int = 4
    streams: int = 1
    behind_nat: bool = False
    # The tunnel has an interface of its own, to which a route leads.
    is_route_based: bool = False

    def prepare(self, network):
        """To be called before the gateways start; `restore` undoes it."""
        if self.behind_nat:
            network.translate("left")

    def further(self, site, other):
        """What Cygnet's configuration has besides, at the end that is `site`."""
        if not self.is_route_based:
            return {}
        return {"tunnel": ["interface: bench", f"routes: ['{other.networks[self.version]}']"]}

    def restore(self, network):
        if self.behind_nat:
            network.no_translation()


COURSES = [
    Course("four-streams", streams=4),
    Course("ipv6", BASE.but(outer=6, inner=(6,)), version=6),
    Course("through-nat", BASE.but(encapsulation="auto", left_address=ROUTER_RIGHT[4]),
           behind_nat=True),
    Course("route-based", is_route_based=True),
    Course("aes256gcm16", BASE.but(esp="aes256gcm16")),
    Course("chacha20poly1305", BASE.but(esp="chacha20poly1305")),
    Course("aes128-sha256", BASE.but(esp="aes128-sha256")),
]
