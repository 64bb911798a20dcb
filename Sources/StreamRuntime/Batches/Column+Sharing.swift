extension Column {
    /// An empty column with room for `capacity` rows whose views point into memory of another column.
    ///
    /// - Shape: strings and bytes get `arena` (its own if nil); a list or struct gets `children`.
    public convenience init(
        _ type: ColumnType, capacity: Int, arena: ByteArena?, children: [Column] = []
    ) {
        self.init(bare: type, capacity: capacity)
        if type.isBytes { self.arena = arena ?? ByteArena(capacity: 64) }
        self.children = children
    }
}
