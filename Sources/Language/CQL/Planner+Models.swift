internal import CQLSyntax
internal import Catalog

extension Planner {
    private func modelName(_ name: QualifiedName) throws(CQLError) -> ModelName {
        let keyspace = try keyspace(of: name)
        try checkNotProtected(keyspace)
        return ModelName(keyspace: keyspace, name: name.name.name)
    }

    mutating func pushModel(_ statement: CreateModelStatement) throws(CQLError) -> PushModelPlan {
        let name = try modelName(statement.name)
        try Self.checkName(name.name, of: "Model")
        guard !Functions.isBuiltIn(QualifiedName(name: statement.name.name)) else {
            throw .invalid("\(name.name) is a function of CQL: give the model another name")
        }
        var signature: [SignatureDraft]?
        var hash: ModelHash?
        for (property, value) in try Self.byName(statement.properties) {
            guard case .literal(.string(let text)) = value.kind else {
                throw .configuration("\(property) of model \(name) must be a text, it is \(value)")
            }
            switch property {
            case "signature": signature = try Self.drafts(text)
            case "sha256":
                guard let bytes = Self.hexBytes(text), let given = ModelHash(bytes) else {
                    throw .configuration("sha256 must be 64 hexadecimal digits, it is '\(text)'")
                }
                hash = given
            default:
                throw .syntax("Unknown property '\(property)': a model has signature and sha256")
            }
        }
        let source = try value(
            statement.source,
            name: "bytes",
            type: .blob,
            subject: "the bytes of model \(name)"
        )
        let markers = try self.markers.all()
        let plan = PushModelPlan(
            name: name,
            source: source,
            markers: markers,
            signature: signature,
            hash: hash,
            orReplace: statement.orReplace,
            ifNotExists: statement.ifNotExists
        )
        _ = try plan.isNeeded(in: state)
        return plan
    }

    func dropModel(_ statement: DropModelStatement) throws(CQLError) -> Plan.Action {
        let name = try modelName(statement.name)
        guard statement.ifExists || state.models[name] != nil else {
            throw .invalid("model \(name) doesn't exist")
        }
        return .dropModel(name, ifExists: statement.ifExists)
    }

    /// The declared parameters of a signature's text.
    package static func drafts(_ text: String) throws(CQLError) -> [SignatureDraft] {
        let parameters: [SignatureParameter]
        do {
            parameters = try CQLParser.parseSignature(text)
        } catch {
            throw .syntax("signature: \(error.message)")
        }
        var drafts: [SignatureDraft] = []
        for parameter in parameters {
            let subject = "parameter \(parameter.name.name) of the signature"
            let type = try CQLTypeNames.resolve(parameter.type, subject: subject)
            guard let parameterType = ModelParameterType(type) else {
                throw .invalid(
                    "\(subject): a model takes float, double, int, bigint, boolean and "
                        + "vector<float, n>, not \(type.cqlText)"
                )
            }
            drafts.append(
                SignatureDraft(
                    name: parameter.name.name,
                    type: parameterType,
                    defaultValue: try defaultValue(parameter.defaultValue, type, subject),
                    input: parameter.input?.name,
                    range: parameter.input?.features
                )
            )
        }
        return drafts
    }

    private static func defaultValue(
        _ expression: Expression?,
        _ type: CQLType,
        _ subject: String
    ) throws(CQLError) -> [Double]? {
        guard let expression else { return nil }
        // The encoding checks type, range and width; the numbers are those of the text.
        guard try LiteralEncoding.encode(expression, as: type, subject: subject) != nil else {
            throw .invalid("\(subject): DEFAULT null is no default: leave it out")
        }
        let constants =
            if case .list(let elements) = expression.kind { elements } else {
                [expression]
            }
        var numbers: [Double] = []
        for constant in constants {
            switch constant.kind {
            case .literal(.boolean(let value)): numbers.append(value ? 1 : 0)
            case .literal(.integer(let digits)), .literal(.float(let digits)):
                guard let number = Double(digits), number.isFinite else {
                    throw .invalid("\(subject): the default \(constant) is not a finite number")
                }
                numbers.append(number)
            default: throw .invalid("\(subject): the default \(constant) is not a number")
            }
        }
        return numbers
    }

    private static func hexBytes(_ text: String) -> [UInt8]? {
        var bytes: [UInt8] = []
        var high: UInt8?
        for character in text {
            guard character.isASCII, let digit = character.hexDigitValue else { return nil }
            if let first = high {
                bytes.append(first << 4 | UInt8(digit))
                high = nil
            } else {
                high = UInt8(digit)
            }
        }
        return high == nil ? bytes : nil
    }
}
