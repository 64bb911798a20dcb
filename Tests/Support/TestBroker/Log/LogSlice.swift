/// Record batches in a file of a partition's log.
struct LogSlice {
    var file: LogFile
    var position: Int
    var count: Int
}
