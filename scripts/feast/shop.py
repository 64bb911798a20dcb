"""The same shop, declared for Millrace and for Feast."""

from datetime import timedelta

from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource
from feast.types import Array, Bool, Float32, Float64, Int32, Int64, String, UnixTimestamp
from feast.value_type import ValueType

PIPELINES = """
    version: 1
    job:
      name: shop
      {serve}
    entities:
      driver: {{keys: {{driver_id: int64}}}}
      item: {{keys: {{store_id: string, product_id: string}}}}
    feature_views:
      driver_stats:
        entity: driver
        ttl: 24h
        features:
          - {{name: conv_rate, type: double}}
          - {{name: acc_rate, type: double}}
          - {{name: trips, type: int64}}
      driver_types:
        entity: driver
        features:
          - {{name: an_int32, type: int64}}
          - {{name: a_double, type: double}}
          - {{name: a_bool, type: bool}}
          - {{name: a_string, type: string}}
          - {{name: a_time, type: timestamp}}
          - {{name: some_ints, type: "list<int64>"}}
          - {{name: some_strings, type: "list<string>"}}
          - {{name: some_doubles, type: "list<double>"}}
      availability:
        entity: item
        ttl: 5m
        features:
          - {{name: p_found, type: double}}
    push_sources:
      driver_push: {{view: driver_stats}}
    services:
      ranking: [driver_stats]
"""


def pipelines(serve=""):
    return PIPELINES.format(serve=f"serve: {serve}" if serve else "state: ./data/state")


def objects():
    """Feast's declarations of the same."""
    driver = Entity(name="driver", join_keys=["driver_id"], value_type=ValueType.INT64)
    item = Entity(name="item", join_keys=["store_id"], value_type=ValueType.STRING)
    batch = FileSource(
        name="driver_batch", path="unread.parquet", timestamp_field="event_timestamp",
        created_timestamp_column="created")
    push = PushSource(name="driver_push", batch_source=batch)

    def view(name, entity, source, ttl, fields):
        return FeatureView(
            name=name, entities=[entity], source=source, ttl=ttl, online=True,
            schema=[Field(name=field, dtype=dtype) for field, dtype in fields])

    stats = view(
        "driver_stats", driver, push, timedelta(days=1),
        [("driver_id", Int64), ("conv_rate", Float32), ("acc_rate", Float64), ("trips", Int64)])
    types = view(
        "driver_types", driver, batch, timedelta(0),
        [
            ("driver_id", Int64), ("an_int32", Int32), ("a_double", Float64), ("a_bool", Bool),
            ("a_string", String), ("a_time", UnixTimestamp), ("some_ints", Array(Int64)),
            ("some_strings", Array(String)), ("some_doubles", Array(Float64)),
        ])
    service = FeatureService(name="ranking", features=[stats])
    return [driver, item, push, stats, types, service]
