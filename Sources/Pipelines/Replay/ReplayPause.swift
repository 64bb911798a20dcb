import Glibc

/// A short wait for data that is on its way.
enum ReplayPause {
    static func millisecond() { _ = poll(nil, 0, 1) }
}
