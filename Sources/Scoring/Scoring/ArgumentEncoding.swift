import Catalog

extension ScoreLayout.Slot {
    /// Writes a value of the native protocol as elements of the tensor.
    ///
    /// The value's length must have been checked, and `target` must have room for `byteCount`.
    @inline(__always)
    func write(_ value: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer) {
        switch type {
        case .floatVector(let width):
            if elementType == .float {
                for index in 0..<width {
                    let bits = value.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)
                    target.storeBytes(
                        of: UInt32(bigEndian: bits),
                        toByteOffset: 4 * index,
                        as: UInt32.self
                    )
                }
            } else {
                for index in 0..<width {
                    let bits = value.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)
                    let number = Float(bitPattern: UInt32(bigEndian: bits))
                    target.storeBytes(
                        of: Double(number),
                        toByteOffset: 8 * index,
                        as: Double.self
                    )
                }
            }
        case .float:
            let bits = UInt32(bigEndian: value.loadUnaligned(as: UInt32.self))
            store(Double(Float(bitPattern: bits)), to: target)
        case .double:
            let bits = UInt64(bigEndian: value.loadUnaligned(as: UInt64.self))
            store(Double(bitPattern: bits), to: target)
        case .int:
            store(Int64(Int32(bigEndian: value.loadUnaligned(as: Int32.self))), to: target)
        case .bigint:
            store(Int64(bigEndian: value.loadUnaligned(as: Int64.self)), to: target)
        case .boolean:
            store(value[0] == 0 ? 0 : Int64(1), to: target)
        }
    }

    @inline(__always)
    private func store(_ number: Double, to target: UnsafeMutableRawPointer) {
        switch elementType {
        case .float: target.storeBytes(of: Float(number), as: Float.self)
        case .double: target.storeBytes(of: number, as: Double.self)
        case .int32, .int64, .bool:
            preconditionFailure("a signature never lets \(type) fill \(elementType)")
        }
    }

    @inline(__always)
    private func store(_ number: Int64, to target: UnsafeMutableRawPointer) {
        switch elementType {
        case .float: target.storeBytes(of: Float(number), as: Float.self)
        case .double: target.storeBytes(of: Double(number), as: Double.self)
        case .int32: target.storeBytes(of: Int32(truncatingIfNeeded: number), as: Int32.self)
        case .int64: target.storeBytes(of: number, as: Int64.self)
        case .bool: target.storeBytes(of: number == 0 ? 0 : 1, as: UInt8.self)
        }
    }
}
