"""What the cases run in: the network, Cygnet on the left, strongSwan on the right, and a guest
kernel beside it that is started when the first case asks for it."""

import os

from Tests.Lab.cases import Skip
from Tests.Lab.cygnet import Cygnet
from Tests.Lab.guest import Guest, GuestStrongSwan
from Tests.Lab.network import LEFT, RIGHT, Network
from Tests.Lab.strongswan import NamespacedStrongSwan


class Laboratory:
    def __init__(self, folder, is_reference=False):
        self.folder = folder
        self.is_reference = is_reference
        self.guest = self.kernel_peer = None
        self.network = Network()
        self._captures = []
        try:
            ends = NamespacedStrongSwan if is_reference else Cygnet
            self.left = ends(self.network.left, LEFT, os.path.join(folder, "left"))
            self.right = NamespacedStrongSwan(
                self.network.right, RIGHT, os.path.join(folder, "right"))
            if is_reference:
                self.left.start()
            self.right.start()
        except BaseException:
            self.network.close()
            raise

    def needs_cygnet(self):
        if self.is_reference:
            raise Skip("asks something of Cygnet only")

    def kernel(self):
        """The peer with the Linux kernel's ESP."""
        if self.kernel_peer is None:
            self.guest = Guest(self.network, os.path.join(self.folder, "guest"))
            self.kernel_peer = GuestStrongSwan(self.guest)
        return self.kernel_peer

    def inside(self):
        """A host behind the left gateway, in its inner network."""
        return self.network.inside()

    def logs(self):
        found = {"left.log": self.left.read_log(), "right.log": self.right.read_log()}
        if self.kernel_peer:
            try:
                found["guest.log"] = self.kernel_peer.read_log()
            except Exception as error:  # a guest that died has no log, and the rest is worth having
                found["guest.log"] = str(error)
        if not self.is_reference and os.path.exists(self.left.file):
            with open(self.left.file) as file:
                found["cygnet.yaml"] = file.read()
        return found

    def reset(self):
        """Back to a network as it was, without NAT, and a left end without a tunnel."""
        self.network.no_translation()
        self.network.mend("left")
        self.network.mend("right")
        self.network.forget_paths()
        try:
            if self.is_reference:
                self.left.clear()
            else:
                self.left.stop()
                self.left.lift_guard()
        except Exception as error:  # the next case starts with a fresh daemon in any case
            print(f"    resetting: {error}")
            self.left.stop() if self.is_reference else self.left.kill()

    def close(self):
        try:
            if self.is_reference:
                self.left.stop()
            else:
                self.left.kill()
            self.right.stop()
            if self.guest:
                self.guest.close()
        finally:
            self.network.close()
