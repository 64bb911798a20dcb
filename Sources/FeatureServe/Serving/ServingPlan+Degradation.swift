import Glibc
import StreamRuntime

extension ServingPlan {
    /// The first of what a feature falls back to that there is for an aged value.
    static func aged(_ definition: FeatureDefinition) -> AgedValue {
        for choice in definition.degradation {
            switch choice {
            case .lastKnown: return .lastKnown
            case .defaultValue: if definition.defaultValue != nil { return .standIn }
            }
        }
        return .null
    }
}

/// A text at a fixed address, padded as arenas are.
final class FixedText: @unchecked Sendable {  // written once, before anybody else has it
    let base: UnsafePointer<UInt8>
    let count: Int

    init(_ text: String) {
        count = text.utf8.count
        let copy = UnsafeMutablePointer<UInt8>.allocate(capacity: count + ByteArena.padding)
        copy.initialize(repeating: 0, count: count + ByteArena.padding)
        for (index, byte) in text.utf8.enumerated() { copy[index] = byte }
        base = UnsafePointer(copy)
    }

    deinit { base.deallocate() }
}
