"""An abusive IKEv2 peer. Scapy builds and reads its messages, python-cryptography does its
mathematics, and it knows RFC 7296 and nothing of Cygnet's code: first it proves that it can bring up
a tunnel in good order, then it does everything that it should not."""
