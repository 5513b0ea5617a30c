import COnnxRuntime
package import Catalog
import Foundation

/// ONNX Runtime, opened at run time; a node without it serves data and says that scoring is off.
///
/// All models of a process share one environment: one thread per run (the thread that calls), no
/// spinning, one arena with a cap. A second engine of a process must have the same library and cap,
/// and shares the environment. Call ``prepareEnvironment()`` in main before any thread starts.
///
/// `@unchecked Sendable`: the pointer is set once; the functions of the shim that take it are
/// thread-safe (loading and running are so in ONNX Runtime); it is closed in `deinit`, which comes
/// after every model's, as each model holds its engine.
package final class OnnxEngine: @unchecked Sendable {
    let pointer: OpaquePointer
    let watchdog: RunWatchdog

    /// Which of the library's places was opened.
    package let libraryPath: String
    /// The library's own version, such as `1.32.0`.
    package let version: String

    /// The cap of the arena that holds all models and intermediate tensors of a node, by default.
    package static let arenaBytesMaxDefault = 1 << 30
    /// The most bytes of a constant that loading may compute in advance.
    package static let foldedConstantBytesMax = 16 << 20

    /// Turns the library's telemetry off.
    package static func prepareEnvironment() {
        martlet_ort_prepare_environment()
    }

    /// Opens the first library that can be used.
    ///
    /// - Parameters:
    ///   - libraryPaths: paths or sonames, in the order in which they are tried.
    ///   - arenaBytesMax: the cap of the arena that all models share; 0 is none.
    /// - Throws: ``OnnxError/libraryUnusable(tried:)`` with every reason.
    package init(
        libraryPaths: [String],
        arenaBytesMax: Int = OnnxEngine.arenaBytesMaxDefault
    ) throws(OnnxError) {
        var tried: [String] = []
        var found: (pointer: OpaquePointer, path: String)?
        for path in libraryPaths {
            var failure = ErrorText()
            let opened = failure.fill { text, room in
                martlet_ort_open(path, max(0, arenaBytesMax), text, room)
            }
            if let opened {
                found = (opened, path)
                break
            }
            tried.append("\(path): \(failure.text)")
        }
        guard let found else { throw .libraryUnusable(tried: tried) }
        pointer = found.pointer
        libraryPath = found.path
        version = String(cString: martlet_ort_version(found.pointer))
        watchdog = RunWatchdog()
    }

    deinit {
        watchdog.stop()
        martlet_ort_close(pointer)
    }

    /// Where the library is looked for, in order: nowhere else if one is configured.
    ///
    /// - Parameters:
    ///   - configured: the configured file, or a folder with `libonnxruntime.so.1.*`.
    ///   - folders: what `tools/install-onnxruntime` fills.
    /// - Returns: paths and sonames for ``init(libraryPaths:arenaBytesMax:)``.
    package static func searchPaths(configured: String?, folders: [String] = []) -> [String] {
        if let configured, !configured.isEmpty {
            // Who names a library means that one, not whatever else may be there.
            let inside = libraries(in: configured)
            return inside.isEmpty ? [configured] : inside
        }
        return ["libonnxruntime.so.1", "libonnxruntime.so.1.21"] + folders.flatMap(libraries(in:))
    }

    /// Loads a model and checks it against its signature.
    ///
    /// The bytes must have passed ``ModelInspector`` and, before they are published, a
    /// ``ModelTrial``: the engine itself does not stop a hostile file.
    package func load(
        _ bytes: [UInt8],
        signature: ModelSignature
    ) throws(OnnxError) -> OnnxModel {
        try OnnxModel(bytes, signature: signature, engine: self)
    }

    /// The libraries of a folder, the newest first.
    private static func libraries(in folder: String) -> [String] {
        let prefix = "libonnxruntime.so.1."
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return
            names
            .filter { $0.hasPrefix(prefix) }
            .sorted { $0.compare($1, options: .numeric) == .orderedDescending }
            .map { folder + "/" + $0 }
    }
}

/// Room for the text of an error of the shim.
struct ErrorText {
    private(set) var text = ""

    /// Calls the shim with room for a text, and keeps what it wrote.
    mutating func fill<Result>(
        _ body: (UnsafeMutablePointer<CChar>?, Int) -> Result
    ) -> Result {
        withUnsafeTemporaryAllocation(
            of: CChar.self,
            capacity: Int(MARTLET_ORT_ERROR_MAX)
        ) { room in
            room.initialize(repeating: 0)
            let result = body(room.baseAddress, room.count)
            let end = room.firstIndex(of: 0) ?? room.count
            text = String(decoding: room[..<end].map(UInt8.init(bitPattern:)), as: UTF8.self)
            return result
        }
    }
}
