"""Feast's client with a Redis online store that is Millrace: unmodified, also for views Millrace knows nothing of."""

import asyncio
import time
from datetime import datetime, timedelta, timezone

import pandas as pd
import pytest
import redis
import requests
from feast import Entity, FeatureView, Field, FileSource
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.types import Array, Bool, Bytes, Float32, Int32, String
from redis.cluster import RedisCluster

import shop
from conftest import free_port


@pytest.fixture(scope="module")
def port():
    return free_port()


@pytest.fixture(scope="module")
def server(start_server, port):
    return start_server(shop.pipelines(f"{{resp: {{port: {port}}}}}"), "resp")


def theirs():
    """A view that only Feast declares, about an entity that both know."""
    source = FileSource(name="their_batch", path="unread.parquet", timestamp_field="event_timestamp")
    driver = Entity(name="driver", join_keys=["driver_id"])
    return FeatureView(
        name="theirs", entities=[driver], source=source, ttl=timedelta(0), online=True,
        schema=[
            Field(name="rate", dtype=Float32), Field(name="level", dtype=Int32),
            Field(name="picture", dtype=Bytes), Field(name="tags", dtype=Array(String)),
            Field(name="good", dtype=Bool),
        ])


@pytest.fixture(scope="module", params=["redis", "redis_cluster", "skip_dedup"])
def store(request, server, port, feast_repository):
    online = {"type": "redis", "connection_string": f'"127.0.0.1:{port}"'}
    if request.param == "redis_cluster":
        online["redis_type"] = "redis_cluster"
    if request.param == "skip_dedup":
        online["skip_dedup"] = "true"
        online["key_ttl_seconds"] = "3600"
    opened = feast_repository(online, shop.objects() + [theirs()], request.param)
    yield opened
    opened.teardown()


@pytest.fixture
def client(server, port):
    return redis.Redis(host="127.0.0.1", port=port)


def moment(seconds=0):
    return datetime(2026, 11, 2, 12, 0, 0, 123456, tzinfo=timezone.utc) + timedelta(seconds=seconds)


def stats(ids, conv=0.5, trips=7, time=None):
    return pd.DataFrame(
        {
            "driver_id": ids, "conv_rate": [conv] * len(ids), "acc_rate": [0.93] * len(ids),
            "trips": [trips] * len(ids), "event_timestamp": [time or moment()] * len(ids),
            "created": [moment()] * len(ids),
        })


def read(store, features, ids):
    return store.get_online_features(
        features=features, entity_rows=[{"driver_id": id} for id in ids]).to_dict()


def test_what_is_written_is_read_and_served_over_http_too(store, server):
    store.write_to_online_store("driver_stats", stats([1001, 1002], trips=8))
    answer = read(store, ["driver_stats:trips", "driver_stats:acc_rate"], [1001, 1002, 1999])
    assert answer["trips"] == [8, 8, None]
    assert answer["acc_rate"] == [0.93, 0.93, None]
    served = requests.post(
        server.url + "/get-online-features",
        json={"features": ["driver_stats:trips"], "entities": {"driver_id": [1001]}}, timeout=5).json()
    assert served["results"][1]["values"] == [8]
    assert served["results"][1]["event_timestamps"] == ["2026-11-02T12:00:00.123456Z"]


def test_rows_written_over_http_are_read(store, server):
    frame = stats([1101], trips=3, time=moment(5))
    body = {
        "feature_view_name": "driver_stats",
        "df": {
            name: [str(value) if name in ("event_timestamp", "created") else value
                   for value in frame[name].tolist()]
            for name in frame.columns
        },
    }
    answer = requests.post(server.url + "/write-to-online-store", json=body, timeout=5)
    if answer.status_code == 404:
        pytest.skip("this server takes no rows over HTTP yet")
    assert answer.status_code == 200, answer.text
    assert read(store, ["driver_stats:trips"], [1101])["trips"] == [3]


def test_a_push_is_read(store):
    store.push("driver_push", stats([1201], trips=4))
    assert read(store, ["driver_stats:trips"], [1201])["trips"] == [4]


def test_an_older_row_does_not_replace_a_newer_one(store, client):
    id = 1300
    steps = [(10, 1, 1), (20, 2, 2), (15, 3, 2), (30, 4, 4)]
    for seconds, trips, shown in steps:
        store.write_to_online_store("driver_stats", stats([id], trips=trips, time=moment(seconds)))
        assert read(store, ["driver_stats:trips"], [id])["trips"] == [shown]


def test_values_of_every_type_come_back(store):
    instant = datetime(2026, 1, 2, 3, 4, 5, tzinfo=timezone.utc)
    row = {
        "driver_id": [1400, 1401], "an_int32": [-5, 6], "a_double": [1.25, float("inf")],
        "a_bool": [False, True], "a_string": ["", "Zürich"], "a_time": [instant, instant],
        "some_ints": [[1, 2, 300], [-1]], "some_strings": [["a", ""], ["b"]],
        "some_doubles": [[0.1], [1e300, -2.0]], "event_timestamp": [moment()] * 2,
        "created": [moment()] * 2,
    }
    store.write_to_online_store("driver_types", pd.DataFrame(row))
    names = [name for name in row if name not in ("driver_id", "event_timestamp", "created")]
    answer = read(store, [f"driver_types:{name}" for name in names], [1400, 1401])
    for name in names:
        assert answer[name] == row[name], name


def test_a_view_millrace_does_not_know_keeps_its_bytes(store):
    frame = pd.DataFrame(
        {
            "driver_id": [1500, 1501], "rate": [0.1, float("nan")], "level": [3, -4],
            "picture": [b"\x00\xff", b""], "tags": [["x"], ["y", "z"]], "good": [True, False],
            "event_timestamp": [moment()] * 2,
        })
    store.write_to_online_store("theirs", frame)
    store.write_to_online_store("driver_stats", stats([1500], trips=5))
    answer = read(
        store, ["theirs:rate", "theirs:level", "theirs:picture", "theirs:tags", "theirs:good",
                "driver_stats:trips"], [1500, 1501])
    assert answer["rate"][0] == pytest.approx(0.1)
    assert answer["level"] == [3, -4]
    assert answer["picture"] == [b"\x00\xff", b""]
    assert answer["tags"] == [["x"], ["y", "z"]]
    assert answer["good"] == [True, False]
    assert answer["trips"] == [5, None]


def test_the_store_reads_and_writes_without_the_facade(store):
    view = store.get_feature_view("driver_stats")
    key = EntityKey(join_keys=["driver_id"], entity_values=[Value(int64_val=1600)])
    values = {
        "conv_rate": Value(float_val=0.5), "acc_rate": Value(double_val=0.25),
        "trips": Value(int64_val=9),
    }
    provider = store._get_provider()
    provider.online_write_batch(store.config, view, [(key, values, moment(), None)], None)
    stamp, found = provider.online_read(store.config, view, [key])[0]
    assert stamp == moment()
    assert found["trips"].int64_val == 9
    assert found["acc_rate"].double_val == 0.25


def test_the_asynchronous_client_works_too(store):
    async def go():
        await store.initialize()
        await store.write_to_online_store_async("driver_stats", stats([1700], trips=6))
        answer = await store.get_online_features_async(
            features=["driver_stats:trips"], entity_rows=[{"driver_id": 1700}])
        await store.close()
        return answer.to_dict()

    if store.config.online_store.redis_type == "redis_cluster":
        pytest.skip("Feast 0.67 builds no asynchronous client for clusters")
    assert asyncio.run(go())["trips"] == [6]


def test_a_view_that_is_removed_is_gone_and_can_be_written_again(store):
    store.write_to_online_store("driver_stats", stats([1800], trips=1))
    store.write_to_online_store("theirs", pd.DataFrame(
        {
            "driver_id": [1800], "rate": [0.5], "level": [1], "picture": [b"x"], "tags": [["t"]],
            "good": [True], "event_timestamp": [moment()],
        }))
    provider = store._get_provider()
    view = store.get_feature_view("driver_stats")
    provider.online_store.delete_table(store.config, view)
    assert read(store, ["driver_stats:trips", "theirs:level"], [1800]) == {
        "driver_id": [1800], "trips": [None], "level": [1]}
    store.write_to_online_store("driver_stats", stats([1800], trips=2))
    assert read(store, ["driver_stats:trips"], [1800])["trips"] == [2]


def test_teardown_removes_the_rows_of_the_project(store, client):
    store.write_to_online_store("driver_stats", stats([1900], trips=1))
    client.hset("kept", "field", "value")
    views = [store.get_feature_view("driver_stats"), store.get_feature_view("theirs")]
    store._get_provider().online_store.teardown(store.config, views, [])
    assert read(store, ["driver_stats:trips"], [1900])["trips"] == [None]
    assert client.hget("kept", "field") == b"value"
    store.write_to_online_store("driver_stats", stats([1900], trips=2))
    assert read(store, ["driver_stats:trips"], [1900])["trips"] == [2]


@pytest.mark.parametrize("protocol", [2, 3])
def test_redis_py_speaks_with_it(server, port, protocol):
    client = redis.Redis(host="127.0.0.1", port=port, db=3, protocol=protocol, client_name="lane")
    with client.pipeline(transaction=True) as pipe:
        pipe.hset("plain", mapping={"a": 1, "b": b"\x00\r\n"})
        pipe.hgetall("plain")
        pipe.expire("plain", 100)
        pipe.ttl("plain")
        assert pipe.execute() == [2, {b"a": b"1", b"b": b"\x00\r\n"}, True, 100]
    assert list(client.scan_iter(b"pl*")) == [b"plain"]
    assert client.exists("plain", "other") == 1
    assert client.execute_command("HSETNEWER", "plain", "at", 5, "a", 2) == 1
    assert client.execute_command("HSETNEWER", "plain", "at", 4, "a", 3) == 0
    assert client.hget("plain", "a") == b"2"
    assert client.delete("plain") == 1
    with pytest.raises(redis.ResponseError, match="unknown command"):
        client.set("key", "value")


def test_a_cluster_client_finds_the_one_node(server, port):
    client = RedisCluster(host="127.0.0.1", port=port)
    assert client.hset("{a}x", "f", "v") in (0, 1)
    assert client.hget("{a}x", "f") == b"v"


def test_everything_is_there_after_a_kill(server, port, store):
    store.write_to_online_store("driver_stats", stats([2000], trips=11))
    client = redis.Redis(host="127.0.0.1", port=port)
    client.hset("survivor", "f", "v")
    client.close()
    time.sleep(2.5)  # Redis's everysec: what is older than that survives
    server.kill()
    server.start()
    assert redis.Redis(host="127.0.0.1", port=port).hget("survivor", "f") == b"v"
    assert read(store, ["driver_stats:trips"], [2000])["trips"] == [11]
