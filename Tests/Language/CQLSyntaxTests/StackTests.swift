import CQLSyntax
import Glibc
import Testing

struct StackTests {
    @Test func `the deepest statement fits a stack of 512 KiB, walked and freed too`() throws {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        defer { pthread_attr_destroy(&attributes) }
        try #require(pthread_attr_setstacksize(&attributes, 512 * 1_024) == 0)
        var thread = pthread_t()
        let started = pthread_create(
            &thread,
            &attributes,
            { _ in
                let sum = Array(repeating: "1", count: 32).joined(separator: " + ")
                for open in ["(SELECT a FROM t WHERE b = ", "f(x => [{1: (0, ", "-"] {
                    let close = open == "-" ? "" : open.hasPrefix("f") ? ")}])" : ")"
                    let count = open.hasPrefix("f") ? 8 : 31
                    let cql =
                        "SELECT " + String(repeating: open == "-" ? "- " : open, count: count)
                        + (open == "-" ? "a" : sum) + String(repeating: close, count: count)
                        + " FROM t"
                    guard let statement = try? CQLParser.parse(cql),
                        case .select(let select) = statement.kind,
                        let again = try? CQLParser.parse(cql), again == statement,
                        !select.description.isEmpty
                    else { return UnsafeMutableRawPointer(bitPattern: 1) }
                }
                return nil
            },
            nil
        )
        try #require(started == 0)
        var result: UnsafeMutableRawPointer?
        pthread_join(thread, &result)
        #expect(result == nil)
    }
}
