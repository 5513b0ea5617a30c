import Foundation
import NodeRuntime
import Testing

struct NodeConfigurationTests {
    /// The text of a file of cluster-config.
    private func sample(_ path: String) throws -> String {
        var root = URL(filePath: #filePath)
        for _ in 0..<4 { root.deleteLastPathComponent() }
        let file = root.appending(path: "cluster-config").appending(path: path)
        return try String(contentsOf: file, encoding: .utf8)
    }

    /// The fields of the reference as dotted names, with the text of their values.
    private func reference() throws -> [(name: String, line: String, value: String)] {
        var section = ""
        var fields: [(name: String, line: String, value: String)] = []
        for line in try sample("node.yaml").split(separator: "\n") {
            let text = line.trimmingCharacters(in: .whitespaces)
            guard !text.hasPrefix("#"), let colon = text.firstIndex(of: ":") else { continue }
            let name = String(text[..<colon])
            let value = text[text.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            if value.isEmpty {
                section = name
            } else if line.hasPrefix(" ") {
                fields.append(("\(section).\(name)", String(line), value))
            } else {
                fields.append((name, String(line), value))
            }
        }
        return fields
    }

    /// The reference with the values of some fields replaced.
    private func reference(
        replacing values: (_ name: String, _ value: String) -> String
    ) throws -> String {
        var text = try sample("node.yaml")
        for field in try reference() {
            guard let range = text.range(of: "\(field.line)\n") else {
                Issue.record("\(field.line) stands twice, or at the end")
                continue
            }
            let key = field.line.prefix { $0 != ":" }
            text.replaceSubrange(range, with: "\(key): \(values(field.name, field.value))\n")
        }
        return text
    }

    private func problems(_ yaml: String) -> [String] {
        do {
            _ = try NodeConfiguration(yaml: yaml)
            return []
        } catch {
            return error.problems
        }
    }

    // MARK: Samples

    @Test func `the reference holds the defaults`() throws {
        #expect(try NodeConfiguration(yaml: try sample("node.yaml")) == NodeConfiguration())
    }

    @Test func `the reference names every field`() throws {
        let fields = Mirror(reflecting: NodeConfiguration()).children.count
        #expect(try reference().count == fields)
    }

    @Test func `an empty file is the defaults`() throws {
        #expect(try NodeConfiguration(yaml: "") == NodeConfiguration())
        #expect(try NodeConfiguration(yaml: "# nothing\n") == NodeConfiguration())
    }

    @Test func `the local template parses once it is filled in`() throws {
        var text = try sample("local/node.yaml.template")
        let values = [
            "DATA_DIRECTORY": "/data/node2", "ADDRESS": "127.0.0.2", "NATIVE_PORT": "9043",
            "INTERNODE_PORT": "7001", "SEEDS": "\"127.0.0.1:7001\", \"127.0.0.3:7001\"",
            "NODES": "5", "ONNXRUNTIME": "/opt/onnxruntime",
        ]
        for (name, value) in values {
            #expect(text.contains("{{\(name)}}"))
            text = text.replacingOccurrences(of: "{{\(name)}}", with: value)
        }
        #expect(!text.contains("{{"))
        let configuration = try NodeConfiguration(yaml: text)
        #expect(configuration.clusterName == "local")
        #expect(configuration.dataDirectory == "/data/node2")
        #expect(configuration.listenAddress == "127.0.0.2")
        #expect(configuration.nativePort == 9043)
        #expect(configuration.internodePort == 7001)
        #expect(configuration.seeds == ["127.0.0.1:7001", "127.0.0.3:7001"])
        #expect(configuration.expectedNodes == 5)
        #expect(configuration.readPoolThreads == 1)
        #expect(configuration.memory.limitMiB == 256)
        #expect(configuration.onnxRuntime == "/opt/onnxruntime")
        #expect(configuration.sliceCount == NodeConfiguration().sliceCount)
    }

    @Test func `addresses and bounds that cannot work together are told of`() {
        let problems = problems(
            """
            listen_address: 0.0.0.0
            native_port: 7000
            seeds: ["localhost:7000", "127.0.0.1"]
            scoring: {model_mib_max: 64}
            bootstrap:
            """
        )
        #expect(problems.count == 5)
        for words in ["0.0.0.0", "both 7000", "localhost:7000", "127.0.0.1 is not", "one frame"] {
            #expect(problems.contains { $0.contains(words) }, "\(words): \(problems)")
        }
    }

    @Test func `every field is read: a change of each alone shows`() throws {
        let changes = [
            "sync": "periodic", "level": "debug", "slice_count": "2048",
            "listen_address": "127.0.0.9", "parts_mib": "{row_cache: 7}", "automatic": "false",
            "sweep": "false",
        ]
        for field in try reference() {
            let leaf = String(field.name.split(separator: ".").last ?? "")
            let yaml = try reference { name, value in
                guard name == field.name else { return value }
                if let change = changes[leaf] { return change }
                if let number = Int(value) { return String(number + 1) }
                return value.hasPrefix("[") ? "[\"127.0.0.9:7000\"]" : "/changed"
            }
            #expect(
                try NodeConfiguration(yaml: yaml) != NodeConfiguration(),
                "\(field.name) changed nothing"
            )
        }
    }

    // MARK: Problems

    @Test(arguments: ["-1", "true", "1.5", "\"12\"", "[1]", "99999999999"])
    func `a number of the wrong type or out of bounds is told of each field, all at once`(
        wrong: String
    ) throws {
        let numbers = try reference().filter { Int($0.value) != nil }.map(\.name)
        #expect(numbers.count > 20)
        let found = problems(try reference { _, value in Int(value) == nil ? value : wrong })
        #expect(found.count == numbers.count)
        for name in numbers { #expect(found.contains { $0.hasPrefix("\(name) is ") }, "\(name)") }
    }

    @Test func `a text that is a number, or empty where it must not be, is told`() throws {
        let texts = ["cluster_name", "data_directory", "listen_address", "datacenter", "rack"]
        for wrong in ["5", "\"\"", "[a]"] {
            let found = problems(texts.map { "\($0): \(wrong)" }.joined(separator: "\n"))
            #expect(found.count == texts.count)
            for name in texts {
                #expect(found.contains { $0.hasPrefix("\(name) is ") && $0.hasSuffix("text") })
            }
        }
    }

    @Test func `seeds must be a list of texts`() {
        for wrong in ["\"127.0.0.1:7000\"", "[1, 2]", "5"] {
            #expect(problems("seeds: \(wrong)").count == 1)
        }
    }

    @Test func `fields that do not exist are named, all of them`() {
        let yaml = """
            colour: red
            threads: {event_loops: 2, dancers: 3}
            storage:
              block_cache_gib: 1
            """
        #expect(
            problems(yaml) == [
                "colour is not a field; cluster-config/node.yaml has them all",
                "storage.block_cache_gib is not a field; cluster-config/node.yaml has them all",
                "threads.dancers is not a field; cluster-config/node.yaml has them all",
            ]
        )
    }

    @Test func `choices are told with what may be chosen`() throws {
        let found = problems("storage: {sync: never}\nlogging: {level: loud}")
        #expect(found.count == 2)
        #expect(found[0].contains("before_acknowledgement or periodic"))
        #expect(found[1].contains("trace, debug, info, notice, warning, error, critical"))
    }

    @Test func `the slices must be a power of two, and enough for the nodes`() {
        #expect(problems("bootstrap: {slice_count: 1000}") != [])
        #expect(problems("bootstrap: {slice_count: 64, expected_nodes: 4}") != [])
        #expect(problems("bootstrap: {slice_count: 64, expected_nodes: 3}") == [])
        #expect(problems("bootstrap: {expected_nodes: 60}") != [])
    }

    @Test func `problems of every kind are reported together`() {
        let yaml = """
            native_port: 0
            rack: 7
            colour: red
            storage: {sync: never}
            bootstrap: {slice_count: 48}
            """
        #expect(problems(yaml).count == 5)
    }

    @Test func `what is no YAML, or no map, says so`() {
        #expect(problems("a: [1").first?.hasPrefix("this is not YAML") == true)
        #expect(problems("- 1\n- 2") == ["the file must be a map of fields"])
        #expect(problems("rack: a\nrack: b") != [], "a field that stands twice")
    }
}
