internal import Foundation
internal import PacketProtection
internal import Synchronization

/// Threads that help the packet path with its cipher as long as the object is there.
final class CipherHelpers {
    let desk: CipherDesk
    private let isEnding = Flag()
    private let running = DispatchGroup()

    private final class Flag: Sendable {
        let value = Atomic<Bool>(false)
    }

    init(_ count: Int) {
        desk = CipherDesk(helpers: count, wake: {}, giveWay: {})
        for thread in 1...count {
            let (desk, isEnding, running) = (desk, isEnding, running)
            running.enter()
            Thread.detachNewThread {
                while !isEnding.value.load(ordering: .acquiring) {
                    if !desk.help(thread: thread) { CipherDesk.pause() }
                }
                running.leave()
            }
        }
    }

    deinit {
        isEnding.value.store(true, ordering: .releasing)
        running.wait()
    }
}
