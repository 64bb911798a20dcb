import CPlatform

/// Pages of the program and its libraries.
public enum ProgramMemory {
    /// Lets go of the pages that only the start of the program needed, some 25 MB: those that are as they are in their
    /// files. What still runs comes back from the page cache at its next use.
    public static func releaseStart() { millrace_release_program() }
}
