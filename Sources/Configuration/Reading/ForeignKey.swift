/// Keys that users of other IPsec suites try first, and what they are called here.
enum ForeignKey {
    static func hint(for key: String) -> String? { hints[key.lowercased()] }

    private static let hints: [String: String] = [
        "local_addrs": "write `local: {address: …}`",
        "remote_addrs": "write `remote: {address: …}`",
        "left": "write `local: {address: …}`",
        "right": "write `remote: {address: …}`",
        "leftid": "write `local: {id: …}`",
        "rightid": "write `remote: {id: …}`",
        "leftsubnet": "write `local:` in a tunnel",
        "rightsubnet": "write `remote:` in a tunnel",
        "local_ts": "write `local:` in a tunnel",
        "remote_ts": "write `remote:` in a tunnel",
        "children": "write `tunnels:`",
        "secrets": "write `secret-file:` in the connection; secrets stand in files of their own",
        "secret": "write `secret-file:`; secrets stand in files of their own",
        "psk": "write `secret-file:`; secrets stand in files of their own",
        "proposals": "write `ike-proposals:` in a connection, `esp-proposals:` in a tunnel",
        "ike": "write `ike-proposals:`",
        "esp": "write `esp-proposals:`",
        "start_action": "write `start: on-traffic`, `at-boot` or `by-hand`",
        "auto": "write `start: on-traffic`, `at-boot` or `by-hand`",
        "dpd_delay": "write `liveness: 30s`",
        "dpddelay": "write `liveness: 30s`",
        "rekey_time": "write `ike-lifetime:` in a connection, `lifetime:` in a tunnel",
        "life_time": "write `lifetime:`",
        "life_bytes": "write `lifetime-bytes:`",
        "life_packets": "write `lifetime-packets:`",
        "encap": "write `encapsulation: udp`",
        "version": "remove it: the key exchange is always IKEv2",
        "keyexchange": "remove it: the key exchange is always IKEv2",
        "mode": "remove it: ESP is used in tunnel mode",
        "pfs": "add a group to the ESP proposals, as in aes256gcm16-x25519",
        "copy_df": "write `df: copy`, `set` or `clear`",
        "replay_window": "write `replay-window:`",
    ]
}
