internal import ArgumentParser
internal import Foundation
internal import Logging
internal import NodeRuntime
internal import OnnxScoring
internal import ServiceLifecycle
internal import UnixSignals

/// The node: reads its configuration, then serves until it is told to stop.
@main
struct Martletd: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "martletd",
        abstract: "A Martlet node.",
        version: MartletVersion.text
    )

    @Option(help: "The node's configuration (cluster-config/node.yaml is the reference).")
    var config: String

    @Flag(help: "Found a new cluster on this node, if it belongs to none yet.")
    var bootstrap = false

    @Flag(
        help: """
            This node's disk was lost: take its place in the cluster again, and fetch its rows \
            from the other replicas before answering reads.
            """
    )
    var rebuild = false

    @Flag(
        help: """
            The write-ahead log of this node's disk is damaged: answer with what is left of its \
            rows, and let repair bring back the rest where there are other replicas.
            """
    )
    var acceptLogLoss = false

    static func main() async {
        // A model on trial runs in a child process of this program: nothing else may start there.
        let arguments = CommandLine.arguments
        if arguments.count > 1, arguments[1] == "trial-model" {
            Foundation.exit(ModelTrial.childMain(Array(arguments.dropFirst(2))))
        }
        OnnxEngine.prepareEnvironment()
        await main(nil)
    }

    func run() async throws {
        let configuration: NodeConfiguration
        do {
            let text = try String(contentsOfFile: config, encoding: .utf8)
            configuration = try NodeConfiguration(yaml: text)
        } catch {
            throw ValidationError("\(config): \(error)")
        }
        LoggingSystem.bootstrap { StreamLogHandler.standardError(label: $0) }
        var logger = Logger(label: "martletd")
        logger.logLevel = Logger.Level(rawValue: configuration.logLevel) ?? .info
        let node = MartletNode(
            configuration: configuration,
            bootstrap: bootstrap,
            rebuild: rebuild,
            acceptsLogLoss: acceptLogLoss,
            executable: Self.executablePath,
            libraryFolders: Self.libraryFolders,
            logger: logger
        )
        let group = ServiceGroup(
            services: [node],
            gracefulShutdownSignals: [.sigterm, .sigint],
            logger: logger
        )
        do {
            try await group.run()
        } catch {
            logger.critical("\(error)")
            throw ExitCode(1)
        }
    }

    private static var executablePath: String {
        (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            ?? CommandLine.arguments[0]
    }

    /// `.martlet/onnxruntime` in the working folder and in those above the executable.
    private static var libraryFolders: [String] {
        var folders = [FileManager.default.currentDirectoryPath + "/.martlet/onnxruntime"]
        var folder = URL(fileURLWithPath: executablePath).deletingLastPathComponent()
        for _ in 0..<5 {
            folders.append(folder.appendingPathComponent(".martlet/onnxruntime").path)
            folder = folder.deletingLastPathComponent()
        }
        return folders
    }
}
