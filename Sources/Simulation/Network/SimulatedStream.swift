internal import IKEProtocol
internal import IPsecPrimitives

/// One TCP connection between two gateways: what is sent arrives in order, however late, or the
/// connection breaks.
struct SimulatedStream {
    /// The gateway that opened it, and the one that answers.
    let opener: Int
    let answerer: Int
    /// As each of them sees it.
    let openerEnds: StreamEnds
    let answererEnds: StreamEnds
    /// Lives of the two processes whose connection it is.
    let lives: [Int]
    /// When the last message arrives that was sent to the answerer, and to the opener.
    var lastArrival: [UInt64] = [0, 0]
    /// Something was sent that will never arrive: nothing arrives any more.
    var isBroken = false
    /// Closed by the opener, by the answerer, or seen by them to be broken.
    var isClosed = [false, false]

    func gateway(_ end: Int) -> Int { end == 0 ? opener : answerer }
    func ends(_ end: Int) -> StreamEnds { end == 0 ? openerEnds : answererEnds }
}

/// The connections of a world.
struct SimulatedStreams {
    private(set) var streams: [Int: SimulatedStream] = [:]
    private var lastNumber = 0
    private var places: [Place: Int] = [:]
    /// Attempts that were given up before the network had an answer.
    var abandoned: Set<Attempt> = []
    /// Rolled for streams alone, so that whatever goes by datagrams sees no other dice.
    var dice: Dice

    struct Attempt: Hashable {
        let gateway: Int
        let life: Int
        let attempt: StreamAttempt
    }

    private struct Place: Hashable {
        let gateway: Int
        let ends: StreamEnds
    }

    init(seed: UInt64) { dice = Dice(seed: seed, stream: 0x7374_7265_616d) }

    subscript(number: Int) -> SimulatedStream? {
        get { streams[number] }
        set { streams[number] = newValue }
    }

    mutating func add(_ stream: SimulatedStream) -> Int {
        lastNumber += 1
        streams[lastNumber] = stream
        places[Place(gateway: stream.opener, ends: stream.openerEnds)] = lastNumber
        places[Place(gateway: stream.answerer, ends: stream.answererEnds)] = lastNumber
        return lastNumber
    }

    /// The connection that a gateway knows by its ends, and which end it is.
    func find(_ gateway: Int, _ ends: StreamEnds) -> (number: Int, end: Int)? {
        guard let number = places[Place(gateway: gateway, ends: ends)],
            let stream = streams[number]
        else { return nil }
        return (number, stream.opener == gateway && stream.openerEnds == ends ? 0 : 1)
    }

    mutating func remove(_ number: Int) {
        guard let stream = streams.removeValue(forKey: number) else { return }
        places[Place(gateway: stream.opener, ends: stream.openerEnds)] = nil
        places[Place(gateway: stream.answerer, ends: stream.answererEnds)] = nil
    }

    /// A port that no connection has had yet.
    func freshPort() -> UInt16 { UInt16(10_000 + lastNumber % 50_000) }

    /// Those that a gateway answers and has not closed, the oldest first.
    func open(at answerer: Int) -> [SimulatedStream] {
        guard !streams.isEmpty else { return [] }
        return streams.filter { $0.value.answerer == answerer && !$0.value.isClosed[1] }
            .sorted { $0.key < $1.key }
            .map(\.value)
    }

    var inOrder: [(number: Int, stream: SimulatedStream)] {
        streams.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}
