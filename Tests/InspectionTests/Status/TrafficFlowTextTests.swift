import Management
import Testing

@testable import Inspection

@Suite("What hides traffic, for people")
struct TrafficFlowTextTests {
    @Test func paddingAndDummies() {
        #expect(
            TrafficFlowText(TrafficFlowStatus(paddingBytes: 4096, dummiesSent: 7)).lines
                == ["      hides lengths: 4.00 KiB of padding, 7 dummy packets"]
        )
    }

    @Test func aTrain() {
        let train = TrainStatus(
            sent: 900,
            leftOut: 1,
            intervalSeconds: 0.001_12,
            carried: TrafficCount(packets: 20, bytes: 1000),
            waiting: TrafficCount(packets: 2, bytes: 300),
            refused: 0,
            delaySeconds: 0.25,
            longestDelaySeconds: 0.5,
            unpacked: 10,
            receivedPaddingBytes: 2048,
            missing: 4,
            incomplete: 0
        )
        #expect(
            TrafficFlowText(TrafficFlowStatus(paddingBytes: 4096, train: train)).lines == [
                "      train out 900 packets, one each 1.12 ms: carried 20 packets, 1000 bytes, "
                    + "padding 4.00 KiB, 1 left out",
                "        2 packets wait; the last waited 250.00 ms, 500.00 ms at most",
                "      train in  10 packets, padding 2.00 KiB, 4 outer ones missing",
            ]
        )
    }
}
