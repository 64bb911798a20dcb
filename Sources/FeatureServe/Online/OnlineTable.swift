import Codecs
import StreamRuntime

/// All rows of one entity, divided into shards by key hash.
final class OnlineTable: Sendable {
    static let shardCount = 64

    let entity: Entity
    let views: [FeatureView]
    let codec: OnlineRowCodec
    private let shards: [OnlineShard]
    /// Where the entities are, by the views' slots; nil where no view says.
    let geo: [GeoIndex?]

    /// What is kept of each view's past; nil where nothing is.
    let histories: [ViewHistory?]

    init(
        entity: Entity, views: [FeatureView], codec: OnlineRowCodec, rows: any OnlineRows,
        pool: OnlineBudget, histories: [ViewHistory?]
    ) {
        self.entity = entity
        self.histories = histories
        self.views = views
        self.codec = codec
        let geo = views.map { view in view.geo.map { GeoIndex($0, of: view) } }
        self.geo = geo
        shards = (0..<OnlineTable.shardCount).map { _ in
            OnlineShard(
                features: views.map(\.features), codec: codec, rows: rows,
                pool: pool, histories: histories, geo: geo)
        }
    }

    /// The shard of a key: bits of the hash that its place in the shard does not use.
    @inline(__always) func shard(_ hash: Int64) -> OnlineShard {
        shards[Int(truncatingIfNeeded: UInt64(bitPattern: hash) &>> 32) & 63]
    }

    func forEachShard(_ body: (OnlineShard) throws(JobFailure) -> Void) throws(JobFailure) {
        for shard in shards { try body(shard) }
    }

    /// Forgets what is held of `key` in `slot` up to `eventMicros`: something newer is elsewhere.
    func forget(key: [UInt8], slot: Int, upTo eventMicros: Int64) throws(JobFailure) {
        let hash = Hash.xxh3(key, key.count)
        _ = try shard(hash).remove(
            hash: hash, key: key, keyLength: key.count, slot: slot, upTo: eventMicros)
    }

    func settle() { for shard in shards { shard.settle() } }

    func size() -> (rows: Int, bytes: Int) {
        shards.reduce((0, 0)) { total, shard in
            let size = shard.size()
            return (total.0 + size.rows, total.1 + size.bytes)
        }
    }
}
