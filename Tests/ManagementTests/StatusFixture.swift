extension SampleStatus {
    /// The sample as `cygnet status --json` prints it. What is here once stays here.
    static let json = """
        {
          "configurationFile" : "a.yaml",
          "connections" : [
            {
              "ikeSA" : {
                "ageSeconds" : 60,
                "algorithms" : "aes256gcm16-prfsha256-x25519",
                "extensions" : [
                  "fragmentation",
                  "mobike"
                ],
                "fragmentSize" : 1280,
                "initiatorSPI" : "0123456789abcdef",
                "localEndpoint" : "192.0.2.1:4500",
                "nat" : "remote",
                "ppk" : true,
                "rekeyInSeconds" : 12900,
                "remoteEndpoint" : "192.0.2.2:4500",
                "remoteIdentity" : "b.example",
                "responderSPI" : "fedcba9876543210",
                "role" : "initiator",
                "transport" : "udp",
                "window" : 8
              },
              "lastFailure" : {
                "accepted" : [
                  "aes128-sha256-modp2048"
                ],
                "ageSeconds" : 12.5,
                "configurationLine" : "a.yaml:6:20",
                "kind" : "no-proposal-chosen",
                "nearest" : "aes256gcm16-prfsha256-x25519 lacks modp2048",
                "offered" : [
                  "aes256gcm16-prfsha256-x25519"
                ],
                "remedy" : "Add aes128-sha256-modp2048 to ike-proposals.",
                "summary" : "The peer accepts none of our IKE proposals."
              },
              "localAddress" : "192.0.2.1",
              "localIdentity" : "a.example",
              "name" : "branch",
              "remoteAddress" : "192.0.2.2",
              "remoteIdentity" : "b.example",
              "state" : "established",
              "tunnels" : [
                {
                  "localSelectors" : [
                    "10.1.0.0/16"
                  ],
                  "name" : "net",
                  "policyOrder" : 1,
                  "remoteSelectors" : [
                    "10.2.0.0/16"
                  ],
                  "securityAssociations" : [
                    {
                      "ageSeconds" : 60,
                      "algorithms" : "aes256gcm16-esn",
                      "inbound" : {
                        "bytes" : 1000,
                        "packets" : 10
                      },
                      "inboundSPI" : "0xc0000001",
                      "isOutbound" : true,
                      "largestPacket" : 1438,
                      "localSelectors" : [
                        "10.1.0.0/16"
                      ],
                      "outbound" : {
                        "bytes" : 1572864,
                        "packets" : 20
                      },
                      "outboundSPI" : "0xc0000002",
                      "pathMTU" : 1500,
                      "rekeyInSeconds" : 3180,
                      "remoteSelectors" : [
                        "10.2.0.0/16"
                      ],
                      "trafficFlow" : {
                        "dummiesSent" : 7,
                        "paddingBytes" : 4096,
                        "train" : {
                          "carried" : {
                            "bytes" : 1000,
                            "packets" : 20
                          },
                          "delaySeconds" : 0.25,
                          "incomplete" : 5,
                          "intervalSeconds" : 0.002,
                          "leftOut" : 1,
                          "longestDelaySeconds" : 0.5,
                          "missing" : 4,
                          "receivedPaddingBytes" : 2048,
                          "refused" : 3,
                          "sent" : 900,
                          "unpacked" : 10,
                          "waiting" : {
                            "bytes" : 300,
                            "packets" : 2
                          }
                        }
                      },
                      "udpEncapsulation" : true
                    }
                  ],
                  "start" : "on-traffic",
                  "state" : "established"
                }
              ]
            }
          ],
          "defaultPolicy" : "bypass",
          "drops" : [
            {
              "packets" : 3,
              "reason" : "replayed"
            }
          ],
          "guardState" : "set",
          "ike" : {
            "answersRepeated" : 5,
            "cookiesDemanded" : 6,
            "cookiesReturned" : 7,
            "cookiesShown" : 10,
            "halfOpen" : 1,
            "messagesReceived" : 2,
            "messagesSent" : 3,
            "puzzlesDemanded" : 8,
            "puzzlesSolved" : 9,
            "puzzlesWorkedOut" : 11,
            "retransmissions" : 4
          },
          "interface" : {
            "mtu" : 1438,
            "name" : "cygnet0",
            "packetCipher" : "multi-buffer"
          },
          "schema" : 1,
          "uptimeSeconds" : 3725,
          "version" : "0.1.0",
          "workers" : [
            {
              "handedOver" : 9,
              "helped" : 12,
              "number" : 0,
              "processor" : 3,
              "read" : {
                "bytes" : 2,
                "packets" : 1
              },
              "received" : {
                "bytes" : 8,
                "packets" : 7
              },
              "sent" : {
                "bytes" : 6,
                "packets" : 5
              },
              "takenOver" : 10,
              "written" : {
                "bytes" : 4,
                "packets" : 3
              }
            }
          ]
        }
        """
}
