"""TCP through two Cygnet gateways, two strongSwan gateways and no tunnel, in one run."""
