import Glibc
import Testing

@testable import Operators

@Test func `every function's example gives the value the catalogue states`() {
    for group in FunctionCatalogue.groups {
        for function in group.functions {
            #expect(value(of: function.example) == function.result, "\(function.example)")
        }
    }
}

@Test func `the page of functions is what the catalogue says`() throws {
    // Written anew with MILLRACE_WRITE_DOCS=1 swift test --filter "page of functions".
    let source = String(decoding: Array(#filePath.utf8), as: UTF8.self)
    let root = source.split(separator: "/").dropLast(4).joined(separator: "/")
    let path = "/\(root)/docs/FUNCTIONS.md"
    let wanted = FunctionCatalogue.document
    if getenv("MILLRACE_WRITE_DOCS") != nil {
        let file = try #require(fopen(path, "w"))
        fputs(wanted, file)
        fclose(file)
    }
    let file = try #require(fopen(path, "r"))
    defer { fclose(file) }
    var bytes = [UInt8](repeating: 0, count: 1 << 20)
    let count = fread(&bytes, 1, bytes.count, file)
    #expect(String(decoding: bytes[0..<count], as: UTF8.self) == wanted)
}

@Test func `there are more than three hundred functions`() {
    let functions = FunctionCatalogue.groups.flatMap(\.functions)
    #expect(functions.count >= 300)
    for function in functions {
        #expect(!function.meaning.isEmpty && function.meaning.hasSuffix("."))
    }
}
