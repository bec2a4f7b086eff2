"""Interoperation: Cygnet against strongSwan's userspace ESP and against the Linux kernel's."""
