internal import ArgumentParser

@main
struct Cygnet: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cygnet",
        abstract: "IPsec for Linux: IKEv2 and a fast packet path."
    )
}
