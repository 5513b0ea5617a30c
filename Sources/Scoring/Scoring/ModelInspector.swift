/// Reads an ONNX file without the engine, and refuses what a node should not even load.
///
/// The walk (onnx.proto, format version 3 and later) is bounded and does not recurse: functions,
/// inner graphs, constants outside the file and operators that are not on the list end it. What it
/// says of shapes is checked again by the engine on trial.
package struct ModelInspector: Sendable {
    private let limits: ModelInspectionLimits
    private let bytes: [UInt8]
    private var model = InspectedModel(
        formatVersion: 0,
        operatorSets: [:],
        metadata: [:],
        inputs: [],
        outputs: [],
        nodeCount: 0
    )
    private var initializers: Set<String> = []
    private var initializerCount = 0

    /// Inspects a file; throws unless it may be loaded.
    package static func inspect(
        _ bytes: [UInt8],
        limits: ModelInspectionLimits = ModelInspectionLimits()
    ) throws(ModelInspectionError) -> InspectedModel {
        guard bytes.count <= limits.bytesMax else {
            throw .overLimit(what: "bytes", limit: limits.bytesMax, actual: bytes.count)
        }
        guard !bytes.isEmpty else { throw .missing(what: "everything (0 bytes)") }
        var inspector = ModelInspector(limits: limits, bytes: bytes)
        try inspector.walkModel()
        return inspector.model
    }

    private init(limits: ModelInspectionLimits, bytes: [UInt8]) {
        self.limits = limits
        self.bytes = bytes
    }

    private mutating func walkModel() throws(ModelInspectionError) {
        var fields = ProtobufFields(bytes, in: 0..<bytes.count)
        var graph: Range<Int>?
        while let (number, value) = try fields.next() {
            switch (number, value) {
            case (1, .varint(let version)): model.formatVersion = Int(clamping: version)
            case (7, .bytes(let range)):
                guard graph == nil else {
                    throw .featureRefused(what: "two graphs", advice: "export one graph")
                }
                graph = range
            case (8, .bytes(let range)): try walkOperatorSet(range)
            case (14, .bytes(let range)): try walkMetadata(range)
            case (20, _):
                throw .featureRefused(
                    what: "training information",
                    advice: "export for inference"
                )
            case (25, _):
                throw .featureRefused(
                    what: "functions of its own",
                    advice: "export with functions inlined (onnx.inliner)"
                )
            default: break
            }
        }
        guard model.formatVersion >= 3 else {
            throw .missing(what: "a format version of 3 or more (found \(model.formatVersion))")
        }
        guard let graph else { throw .missing(what: "the graph") }
        guard !model.operatorSets.isEmpty else { throw .missing(what: "the operator set") }
        try walkGraph(graph)
    }

    private mutating func walkOperatorSet(_ range: Range<Int>) throws(ModelInspectionError) {
        var fields = ProtobufFields(bytes, in: range)
        var domain = ""
        var version: UInt64 = 0
        while let (number, value) = try fields.next() {
            switch (number, value) {
            case (1, .bytes(let range)): domain = try name(range, "a domain")
            case (2, .varint(let number)): version = number
            default: break
            }
        }
        model.operatorSets[domain == "ai.onnx" ? "" : domain] = Int(clamping: version)
        try check(model.operatorSets.count, atMost: limits.tensorsMax, "operator sets")
    }

    private mutating func walkMetadata(_ range: Range<Int>) throws(ModelInspectionError) {
        var fields = ProtobufFields(bytes, in: range)
        var key = ""
        var text = ""
        while let (number, value) = try fields.next() {
            switch (number, value) {
            case (1, .bytes(let range)): key = try name(range, "a metadata key")
            case (2, .bytes(let range)):
                try check(
                    range.count,
                    atMost: limits.metadataValueBytesMax,
                    "bytes in one metadata value"
                )
                text = try self.text(range, "a metadata value")
            default: break
            }
        }
        model.metadata[key] = text
        try check(model.metadata.count, atMost: limits.metadataEntriesMax, "metadata entries")
    }

    private mutating func walkGraph(_ range: Range<Int>) throws(ModelInspectionError) {
        var fields = ProtobufFields(bytes, in: range)
        while let (number, value) = try fields.next() {
            guard case .bytes(let range) = value else { continue }
            switch number {
            case 1:
                model.nodeCount += 1
                try check(model.nodeCount, atMost: limits.nodesMax, "operators")
                try walkNode(range)
            case 5:
                initializerCount += 1
                try check(initializerCount, atMost: limits.initializersMax, "constants")
                if let name = try walkTensor(range) { initializers.insert(name) }
            case 11:
                model.inputs.append(try walkValueInfo(range))
                // An old exporter lists the constants as inputs too.
                try check(
                    model.inputs.count,
                    atMost: limits.tensorsMax + limits.initializersMax,
                    "inputs"
                )
            case 12:
                model.outputs.append(try walkValueInfo(range))
                try check(model.outputs.count, atMost: limits.tensorsMax, "outputs")
            case 15: throw Self.sparse
            default: break
            }
        }
        model.inputs.removeAll { initializers.contains($0.name) }
        try check(model.inputs.count, atMost: limits.tensorsMax, "inputs")
        guard !model.outputs.isEmpty else { throw .missing(what: "an output") }
    }

    private func walkNode(_ range: Range<Int>) throws(ModelInspectionError) {
        var fields = ProtobufFields(bytes, in: range)
        var operatorName = ""
        var domain = ""
        var attributes: [Range<Int>] = []
        while let (number, value) = try fields.next() {
            guard case .bytes(let range) = value else { continue }
            switch number {
            case 4: operatorName = try name(range, "an operator's name")
            case 5: attributes.append(range)
            case 7: domain = try name(range, "a domain")
            default: break
            }
        }
        if let reason = ModelOperators.reasonToRefuse(operatorName, domain: domain) {
            throw .operatorRefused(name: operatorName, domain: domain, reason: reason)
        }
        for range in attributes { try walkAttribute(range) }
    }

    private func walkAttribute(_ range: Range<Int>) throws(ModelInspectionError) {
        var fields = ProtobufFields(bytes, in: range)
        while let (number, value) = try fields.next() {
            switch (number, value) {
            case (5, .bytes(let range)), (10, .bytes(let range)): _ = try walkTensor(range)
            case (6, _), (11, _):
                throw .featureRefused(
                    what: "an operator with an inner graph",
                    advice: "export without control flow"
                )
            case (22, _), (23, _): throw Self.sparse
            default: break
            }
        }
    }

    /// Checks that the tensor's values stand in the file, and says its name.
    private func walkTensor(_ range: Range<Int>) throws(ModelInspectionError) -> String? {
        var fields = ProtobufFields(bytes, in: range)
        var tensorName: String?
        while let (number, value) = try fields.next() {
            switch (number, value) {
            case (8, .bytes(let range)): tensorName = try name(range, "a constant's name")
            case (13, _), (14, .varint(1...)):
                throw .featureRefused(
                    what: "constants outside of the file",
                    advice: "save it as one file (save_as_external_data=False)"
                )
            default: break
            }
        }
        return tensorName
    }

    private func walkValueInfo(_ range: Range<Int>) throws(ModelInspectionError) -> TensorSpec {
        var fields = ProtobufFields(bytes, in: range)
        var spec = TensorSpec(name: "", elementTypeCode: nil, shape: nil)
        while let (number, value) = try fields.next() {
            switch (number, value) {
            case (1, .bytes(let range)): spec.name = try name(range, "a tensor's name")
            case (2, .bytes(let range)):
                var types = ProtobufFields(bytes, in: range)
                while let (number, value) = try types.next() {
                    if case (1, .bytes(let range)) = (number, value) {
                        try walkTensorType(range, into: &spec)
                    }
                }
            default: break
            }
        }
        return spec
    }

    private func walkTensorType(
        _ range: Range<Int>,
        into spec: inout TensorSpec
    ) throws(ModelInspectionError) {
        var fields = ProtobufFields(bytes, in: range)
        while let (number, value) = try fields.next() {
            switch (number, value) {
            case (1, .varint(let code)): spec.elementTypeCode = Int(clamping: code)
            case (2, .bytes(let range)):
                var shape: [Int?] = []
                var dimensions = ProtobufFields(bytes, in: range)
                while let (number, value) = try dimensions.next() {
                    guard case (1, .bytes(let range)) = (number, value) else { continue }
                    shape.append(try walkDimension(range))
                    try check(shape.count, atMost: limits.tensorsMax, "dimensions of a tensor")
                }
                spec.shape = shape
            default: break
            }
        }
    }

    private func walkDimension(_ range: Range<Int>) throws(ModelInspectionError) -> Int? {
        var fields = ProtobufFields(bytes, in: range)
        var dimension: Int?
        while let (number, value) = try fields.next() {
            if case (1, .varint(let bits)) = (number, value) {
                // Some exporters write -1 or 0 for a free dimension.
                let signed = Int64(bitPattern: bits)
                dimension = signed > 0 ? Int(signed) : nil
            }
        }
        return dimension
    }

    private static let sparse = ModelInspectionError.featureRefused(
        what: "sparse constants",
        advice: "export dense ones"
    )

    private func check(
        _ actual: Int,
        atMost limit: Int,
        _ what: String
    ) throws(ModelInspectionError) {
        guard actual <= limit else {
            throw .overLimit(what: what, limit: limit, actual: actual)
        }
    }

    private func name(_ range: Range<Int>, _ what: String) throws(ModelInspectionError) -> String {
        try check(range.count, atMost: limits.nameBytesMax, "bytes in \(what)")
        let text = try text(range, what)
        guard !text.utf8.contains(0) else {
            throw .malformed(what: "\(what) with a zero byte", offset: range.lowerBound)
        }
        return text
    }

    private func text(_ range: Range<Int>, _ what: String) throws(ModelInspectionError) -> String {
        guard let text = String(validating: bytes[range], as: UTF8.self) else {
            throw .malformed(what: "\(what) that is not UTF-8", offset: range.lowerBound)
        }
        return text
    }
}
