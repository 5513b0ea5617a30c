internal import AdminCommands
internal import ArgumentParser

/// The administrator's program: it talks to nodes, never to their files.
@main
enum Main {
    static func main() async { await MartletCommand.main() }
}
