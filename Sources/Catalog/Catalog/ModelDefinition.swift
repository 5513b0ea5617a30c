/// The sha256 of a model's bytes: what names them between nodes and on disk.
package struct ModelHash: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The 32 bytes of the hash.
    package let bytes: [UInt8]

    /// The hash with these bytes, or nil unless they are 32.
    package init?(_ bytes: [UInt8]) {
        guard bytes.count == 32 else { return nil }
        self.bytes = bytes
    }

    /// The hash as 64 hexadecimal digits.
    package var description: String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }

    package static func < (left: ModelHash, right: ModelHash) -> Bool {
        left.bytes.lexicographicallyPrecedes(right.bytes)
    }
}

/// A model's full name: it lives in a keyspace, as Cassandra's functions do.
package struct ModelName: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The keyspace.
    package var keyspace: String
    /// The name within it.
    package var name: String

    /// The name made of its two parts.
    package init(keyspace: String, name: String) {
        self.keyspace = keyspace
        self.name = name
    }

    package var description: String { "\(keyspace).\(name)" }

    package static func < (left: ModelName, right: ModelName) -> Bool {
        (left.keyspace, left.name) < (right.keyspace, right.name)
    }
}

/// One version of a model: its number and its bytes' hash and length.
package struct ModelVersion: Hashable, Sendable {
    /// Counts from 1 within the name.
    package var number: Int
    /// What names the bytes.
    package var hash: ModelHash
    /// The length of the bytes.
    package var byteCount: Int

    /// A version with all its parts.
    package init(number: Int, hash: ModelHash, byteCount: Int) {
        self.number = number
        self.hash = hash
        self.byteCount = byteCount
    }
}

/// A model as the cluster knows it: a function with a signature, and its versions.
package struct ModelDefinition: Hashable, Sendable {
    /// The full name.
    package var name: ModelName
    /// What it takes and gives; the same for all versions.
    package var signature: ModelSignature
    /// The versions, oldest first; never empty.
    package var versions: [ModelVersion]

    /// A model with all its parts.
    package init(name: ModelName, signature: ModelSignature, versions: [ModelVersion]) {
        self.name = name
        self.signature = signature
        self.versions = versions
    }

    /// The version that the bare name stands for: the newest.
    package var current: ModelVersion {
        guard let newest = versions.last else { preconditionFailure("\(name) has no version") }
        return newest
    }

    /// The version with a number.
    package func version(_ number: Int) -> ModelVersion? {
        versions.first { $0.number == number }
    }
}
