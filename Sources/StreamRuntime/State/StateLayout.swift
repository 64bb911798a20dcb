/// How the value of a state's entries lies in memory.
///
/// - Shape: `fixedBytes` bytes, then `blobs` growable byte strings that each entry owns. A new entry
///   starts with the bytes of `initial` and empty blobs.
public struct StateLayout: Equatable, Sendable {
    /// Bytes every entry has.
    public let fixedBytes: Int
    /// Growable byte strings every entry has.
    public let blobs: Int
    /// The fixed bytes of a new entry.
    public let initial: [UInt8]
    /// Raised when the meaning of the bytes changes.
    public let version: Int

    /// A layout; fixed bytes start as zeros when `initial` is nil.
    public init(fixedBytes: Int, blobs: Int = 0, initial: [UInt8]? = nil, version: Int = 1) {
        precondition(initial == nil || initial!.count == fixedBytes)
        self.fixedBytes = fixedBytes
        self.blobs = blobs
        self.initial = initial ?? [UInt8](repeating: 0, count: fixedBytes)
        self.version = version
    }

    /// The fixed bytes, rounded up to whole words.
    var fixedStride: Int { (fixedBytes &+ 7) & ~7 }

    /// Bytes of an entry before its key: header, fixed bytes, and blobs with the meter they count on.
    var bodyBytes: Int {
        MemoryLayout<StateEntry.Header>.size &+ fixedStride
            &+ (blobs == 0 ? 0 : blobs &* MemoryLayout<StateEntry.Blob>.stride &+ 8)
    }

    /// Bytes of an entry with a key of `keyLength` bytes, in whole units of 16.
    func entryBytes(keyLength: Int) -> Int {
        (bodyBytes &+ ((keyLength &+ 7) & ~7) &+ 15) & ~15
    }
}
