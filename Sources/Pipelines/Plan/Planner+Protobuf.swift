import Connectors
import Foundation
import StreamRuntime

extension Planner {
    /// The format of an output with what its descriptor file says, once the columns are held against it.
    func protobufOutput(
        _ declared: PlannedFormat, of rows: PlannedRows, at position: Position
    ) -> PlannedFormat {
        var format = declared
        guard let path = format.option("descriptor"), let message = format.option("message") else {
            return format
        }
        let known: ProtobufSchema
        do {
            let file = URL(fileURLWithPath: Planner.resolve(path, in: directory))
            known = try ProtobufSchema(descriptor: Array(try Data(contentsOf: file)))
        } catch {
            let reason = (error as? ProtobufSchema.Problem)?.reason
            diagnostics.report(
                .schemaFile,
                "the descriptor file \(path) cannot be used: "
                    + (reason ?? "it is not there or cannot be read"),
                at: position,
                fix: "write it: protoc --include_imports --descriptor_set_out=\(path) FILE.proto")
            return format
        }
        format.protobuf = known
        // Column by column, so that all that do not fit are told of at once.
        for field in rows.schema.fields {
            do throws(ProtobufMismatch) {
                _ = try ProtobufRecordEncoder(
                    schema: Schema([field]), message: message, of: known)
            } catch {
                let place = error.field.isEmpty ? "" : "\(error.field): "
                diagnostics.report(
                    .schemaFile, place + error.reason, at: position,
                    notes: error.field.isEmpty ? [] : ["types: \(field.name) is \(field.type)"],
                    fix: error.field.isEmpty
                        ? NearestWord.advice(message, among: known.messageNames, what: "messages")
                        : "make columns of the names and types of its fields in a select before")
                if error.field.isEmpty { break }
            }
        }
        return format
    }
}
