import ByteCoding
import Catalog

extension ByteReader {
    /// The body of an ERROR; what stands behind the text of an unknown code is left alone.
    mutating func readErrorResponse() throws(ByteDecodingError) -> ErrorResponse {
        let code = try readInt32("error code")
        let message = try readString("error text")
        return ErrorResponse(try readErrorDetail(code), message)
    }

    private mutating func readErrorDetail(
        _ code: Int32
    ) throws(ByteDecodingError) -> ErrorResponse.Detail {
        switch code {
        case 0x0000: return .serverError
        case 0x000A: return .protocolError
        case 0x0100: return .badCredentials
        case 0x1000:
            return .unavailable(
                try readConsistency(),
                required: try readInt32("required replicas"),
                alive: try readInt32("alive replicas")
            )
        case 0x1001: return .overloaded
        case 0x1002: return .bootstrapping
        case 0x1003: return .truncateError
        case 0x1100, 0x1200, 0x1300, 0x1500: return try readReplicaError(code)
        case 0x1400:
            return .functionFailure(
                keyspace: try readString("keyspace"),
                function: try readString("function"),
                argumentTypes: try readStringList("argument types")
            )
        case 0x2000: return .syntaxError
        case 0x2100: return .unauthorized
        case 0x2200: return .invalid
        case 0x2300: return .configurationError
        case 0x2400:
            return .alreadyExists(
                keyspace: try readString("keyspace"),
                table: try readString("table")
            )
        case 0x2500: return .unprepared(id: try readShortBytes("id of a prepared statement"))
        default: return .unknown(code: code)
        }
    }

    /// The time-outs and failures, which tell what the replicas said.
    private mutating func readReplicaError(
        _ code: Int32
    ) throws(ByteDecodingError) -> ErrorResponse.Detail {
        let level = try readConsistency()
        let received = try readInt32("received answers")
        let blockFor = try readInt32("required answers")
        switch code {
        case 0x1100:
            let type = WriteType(rawValue: try readString("write type"))
            return .writeTimeout(level, received: received, blockFor: blockFor, type)
        case 0x1200:
            let isPresent = try readUInt8("data present") != 0
            return .readTimeout(
                level,
                received: received,
                blockFor: blockFor,
                dataPresent: isPresent
            )
        case 0x1300:
            let failures = try readInt32("failures")
            return .readFailure(
                level,
                received: received,
                blockFor: blockFor,
                failures: failures,
                dataPresent: try readUInt8("data present") != 0
            )
        default:
            let failures = try readInt32("failures")
            let type = WriteType(rawValue: try readString("write type"))
            return .writeFailure(
                level,
                received: received,
                blockFor: blockFor,
                failures: failures,
                type
            )
        }
    }
}

extension ByteWriter {
    /// The body of an ERROR.
    mutating func writeErrorResponse(_ error: ErrorResponse) {
        writeInt32(error.code)
        writeString(error.message)
        switch error.detail {
        case .serverError, .protocolError, .badCredentials, .overloaded, .bootstrapping,
            .truncateError, .syntaxError, .unauthorized, .invalid, .configurationError, .unknown:
            break
        case .unavailable(let level, let required, let alive):
            writeConsistency(level)
            writeInt32(required)
            writeInt32(alive)
        case .writeTimeout(let level, let received, let blockFor, let type):
            writeAnswers(level, received, blockFor)
            writeString(type.rawValue)
        case .readTimeout(let level, let received, let blockFor, let dataPresent):
            writeAnswers(level, received, blockFor)
            writeBool(dataPresent)
        case .readFailure(let level, let received, let blockFor, let failures, let dataPresent):
            writeAnswers(level, received, blockFor)
            writeInt32(failures)
            writeBool(dataPresent)
        case .functionFailure(let keyspace, let function, let argumentTypes):
            writeString(keyspace)
            writeString(function)
            writeStringList(argumentTypes)
        case .writeFailure(let level, let received, let blockFor, let failures, let type):
            writeAnswers(level, received, blockFor)
            writeInt32(failures)
            writeString(type.rawValue)
        case .alreadyExists(let keyspace, let table):
            writeString(keyspace)
            writeString(table)
        case .unprepared(let id): writeShortBytes(id)
        }
    }

    private mutating func writeAnswers(
        _ level: ConsistencyLevel,
        _ received: Int32,
        _ blockFor: Int32
    ) {
        writeConsistency(level)
        writeInt32(received)
        writeInt32(blockFor)
    }
}
