"""Feast's own gRPC stubs, as its wheel ships them: lookups, pushes, health, the Go server's connector, keys, TLS."""

import os
import re
import subprocess
import time
import warnings

import grpc
import pytest
from conftest import free_port
from feast.protos.feast.serving.Connector_pb2 import OnlineReadRequest
from feast.protos.feast.serving.Connector_pb2_grpc import OnlineStoreStub
from feast.protos.feast.serving.GrpcServer_pb2 import PushRequest, WriteToOnlineStoreRequest
from feast.protos.feast.serving.GrpcServer_pb2_grpc import GrpcFeatureServerStub
from feast.protos.feast.serving.ServingService_pb2 import (
    FeatureList,
    FieldStatus,
    GetFeastServingInfoRequest,
    GetOnlineFeaturesRequest,
)
from feast.protos.feast.serving.ServingService_pb2_grpc import ServingServiceStub
from feast.protos.feast.types.Value_pb2 import DoubleList, Int64List, RepeatedValue, StringList, Value

import shop

warnings.filterwarnings("ignore")
STATS = ["driver_stats:conv_rate", "driver_stats:acc_rate", "driver_stats:trips"]


@pytest.fixture(scope="module")
def address(start_server):
    port = free_port()
    start_server(shop.pipelines(f"{{grpc: {{port: {port}}}}}"))
    return f"127.0.0.1:{port}"


@pytest.fixture(scope="module")
def channel(address):
    with grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(10)
        yield channel


@pytest.fixture(params=[GrpcFeatureServerStub, ServingServiceStub])
def reader(request, channel):
    return request.param(channel)


@pytest.fixture(scope="module")
def writer(channel):
    return GrpcFeatureServerStub(channel)


def typed(driver, trips=7, seconds=None, **others):
    values = {
        "driver_id": Value(int64_val=driver), "conv_rate": Value(double_val=0.5),
        "acc_rate": Value(double_val=0.93), "trips": Value(int64_val=trips),
        "event_timestamp": Value(unix_timestamp_val=int(seconds or time.time())),
    }
    values.update(others)
    return values


def push(writer, driver, **others):
    request = PushRequest(
        stream_feature_view="driver_push", to="online", typed_features=typed(driver, **others))
    assert writer.Push(request).status


def lookup(features, values, **others):
    request = GetOnlineFeaturesRequest(features=FeatureList(val=features), **others)
    request.entities["driver_id"].CopyFrom(RepeatedValue(val=values))
    return request


def column(answer, name):
    return answer.results[list(answer.metadata.feature_names.val).index(name)]


def test_a_pushed_row_is_read_through_both_services(writer, reader):
    push(writer, 1)
    answer = reader.GetOnlineFeatures(lookup(STATS, [Value(int64_val=1), Value(int64_val=404)]))
    assert list(answer.metadata.feature_names.val) == ["driver_id", "conv_rate", "acc_rate", "trips"]
    trips = column(answer, "trips")
    assert [value.int64_val for value in trips.values] == [7, 0]
    assert trips.values[1].WhichOneof("val") is None
    assert list(trips.statuses) == [FieldStatus.PRESENT, FieldStatus.NOT_FOUND]
    assert trips.event_timestamps[0].seconds > 1_700_000_000
    assert trips.event_timestamps[1].seconds == 0
    assert answer.status


def test_a_service_and_full_names(writer, reader):
    push(writer, 2)
    request = GetOnlineFeaturesRequest(
        feature_service="ranking", full_feature_names=True,
        include_feature_view_version_metadata=True)
    request.entities["driver_id"].val.add(int64_val=2)
    answer = reader.GetOnlineFeatures(request)
    assert list(answer.metadata.feature_names.val)[1:] == [
        "driver_stats__conv_rate", "driver_stats__acc_rate", "driver_stats__trips"]
    assert [view.name for view in answer.metadata.feature_view_metadata] == ["driver_stats"]


def test_int32_keys_find_int64_entities(writer, reader):
    push(writer, 3)
    answer = reader.GetOnlineFeatures(lookup(STATS, [Value(int32_val=3)]))
    assert column(answer, "trips").values[0].int64_val == 7


def test_statuses(writer, reader):
    push(writer, 10)
    push(writer, 11, trips=1, seconds=time.time() - 2 * 86400)
    writer.Push(
        PushRequest(
            stream_feature_view="driver_push", to="online",
            typed_features={**typed(12), "trips": Value()}))
    keys = [Value(int64_val=number) for number in (10, 11, 12, 13)]
    trips = column(reader.GetOnlineFeatures(lookup(STATS, keys)), "trips")
    assert list(trips.statuses) == [
        FieldStatus.PRESENT, FieldStatus.OUTSIDE_MAX_AGE, FieldStatus.NULL_VALUE,
        FieldStatus.NOT_FOUND]


def test_an_older_row_never_replaces_a_newer_one(writer, reader):
    push(writer, 20, trips=2)
    push(writer, 20, trips=1, seconds=time.time() - 60)
    answer = reader.GetOnlineFeatures(lookup(STATS, [Value(int64_val=20)]))
    assert column(answer, "trips").values[0].int64_val == 2


def test_texts_are_taken_for_every_type(writer, reader):
    request = WriteToOnlineStoreRequest(feature_view_name="driver_stats")
    for name, value in {
        "driver_id": "30", "conv_rate": "0.25", "acc_rate": "1", "trips": "9",
        "event_timestamp": time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime()), "created": "",
    }.items():
        request.features[name] = value
    assert writer.WriteToOnlineStore(request).status
    answer = reader.GetOnlineFeatures(lookup(STATS, [Value(int64_val=30)]))
    assert column(answer, "trips").values[0].int64_val == 9
    assert column(answer, "acc_rate").values[0].double_val == 1.0


def test_types_survive_the_way_there_and_back(writer, reader):
    values = {
        "an_int32": Value(int64_val=-5), "a_double": Value(double_val=0.1),
        "a_bool": Value(bool_val=True), "a_string": Value(string_val='Zürich "X"'),
        "a_time": Value(unix_timestamp_val=1793620800),
        "some_ints": Value(int64_list_val=Int64List(val=[1, 2**62, -1])),
        "some_strings": Value(string_list_val=StringList(val=["a", "", "ü"])),
        "some_doubles": Value(double_list_val=DoubleList(val=[1.0, 2.5])),
    }
    writer.WriteToOnlineStore(
        WriteToOnlineStoreRequest(
            feature_view_name="driver_types",
            typed_features={
                **values, "driver_id": Value(int64_val=40),
                "event_timestamp": Value(unix_timestamp_val=int(time.time()))}))
    answer = reader.GetOnlineFeatures(
        lookup([f"driver_types:{name}" for name in values], [Value(int64_val=40)]))
    for name, value in values.items():
        assert column(answer, name).values[0] == value, name


def test_a_composite_key(writer, reader):
    writer.WriteToOnlineStore(
        WriteToOnlineStoreRequest(
            feature_view_name="availability",
            typed_features={
                "store_id": Value(string_val="s"), "product_id": Value(string_val="p"),
                "p_found": Value(double_val=0.75),
                "event_timestamp": Value(unix_timestamp_val=int(time.time()))}))
    request = GetOnlineFeaturesRequest(features=FeatureList(val=["availability:p_found"]))
    request.entities["product_id"].val.add(string_val="p")
    request.entities["store_id"].val.add(string_val="s")
    assert column(reader.GetOnlineFeatures(request), "p_found").values[0].double_val == 0.75


def test_many_entities_in_one_call(writer, reader):
    for number in range(100, 110):
        push(writer, number, trips=number)
    keys = [Value(int64_val=number % 20 + 100) for number in range(20_000)]
    answer = reader.GetOnlineFeatures(lookup(STATS, keys))
    trips = column(answer, "trips")
    assert len(trips.values) == 20_000
    assert [value.int64_val for value in trips.values[:20]] == [*range(100, 110)] + [0] * 10


@pytest.mark.parametrize(
    "features, values, code",
    [
        (["nowhere:x"], [Value(int64_val=1)], grpc.StatusCode.NOT_FOUND),
        (["driver_stats:nothing"], [Value(int64_val=1)], grpc.StatusCode.NOT_FOUND),
        (["nonsense"], [Value(int64_val=1)], grpc.StatusCode.INVALID_ARGUMENT),
        ([], [Value(int64_val=1)], grpc.StatusCode.INVALID_ARGUMENT),
        (STATS, [], grpc.StatusCode.INVALID_ARGUMENT),
        (STATS, [Value()], grpc.StatusCode.INVALID_ARGUMENT),
        (STATS, [Value(string_val="x")], grpc.StatusCode.INVALID_ARGUMENT),
    ])
def test_errors_of_lookups(reader, features, values, code):
    with pytest.raises(grpc.RpcError) as error:
        reader.GetOnlineFeatures(lookup(features, values))
    assert error.value.code() == code, error.value.details()


def test_errors_of_pushes(writer):
    for request, code in [
        (PushRequest(stream_feature_view="nothing", to="online", typed_features=typed(1)),
         grpc.StatusCode.INVALID_ARGUMENT),
        (PushRequest(stream_feature_view="driver_push", to="moon"),
         grpc.StatusCode.INVALID_ARGUMENT),
        (PushRequest(
            stream_feature_view="driver_push", to="online", features={"driver_id": "1"},
            typed_features=typed(1)), grpc.StatusCode.INVALID_ARGUMENT),
        (PushRequest(
            stream_feature_view="driver_push", to="online",
            typed_features={"driver_id": Value(int64_val=1)}), grpc.StatusCode.INVALID_ARGUMENT),
    ]:
        with pytest.raises(grpc.RpcError) as error:
            writer.Push(request)
        assert error.value.code() == code, error.value.details()


def test_an_unknown_method_and_an_unknown_service(channel):
    with pytest.raises(grpc.RpcError) as error:
        channel.unary_unary("/feast.serving.ServingService/Nothing")(b"")
    assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_the_version(channel):
    info = ServingServiceStub(channel).GetFeastServingInfo(GetFeastServingInfoRequest())
    assert re.fullmatch(r"\d+\.\d+\.\d+", info.version)


def test_health(channel):
    check = channel.unary_unary("/grpc.health.v1.Health/Check")
    assert check(b"") == b"\x08\x01"
    with pytest.raises(grpc.RpcError) as error:
        check(b"\x0a\x01x")
    assert error.value.code() == grpc.StatusCode.NOT_FOUND
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"")
    assert next(watch) == b"\x08\x01"
    watch.cancel()


def test_the_go_servers_connector(writer, channel):
    push(writer, 50)
    request = OnlineReadRequest(view="driver_stats", features=["trips", "conv_rate"])
    for number in (50, 51):
        request.entityKeys.add(join_keys=["driver_id"], entity_values=[Value(int64_val=number)])
    answer = OnlineStoreStub(channel).OnlineRead(request)
    found, missing = [row.featureList for row in answer.results]
    assert [feature.reference.feature_name for feature in found] == ["trips", "conv_rate"]
    assert (found[0].value.int64_val, found[1].value.double_val) == (7, 0.5)
    assert found[0].timestamp.seconds > 0
    assert missing[0].value.WhichOneof("val") is None


def test_compressed_calls(address, writer):
    push(writer, 60)
    with grpc.insecure_channel(address, compression=grpc.Compression.Gzip) as channel:
        keys = [Value(int64_val=60)] * 100
        answer = ServingServiceStub(channel).GetOnlineFeatures(lookup(STATS, keys))
        assert column(answer, "trips").values[99].int64_val == 7
    with grpc.insecure_channel(address, compression=grpc.Compression.Deflate) as channel:
        with pytest.raises(grpc.RpcError) as error:
            ServingServiceStub(channel).GetOnlineFeatures(lookup(STATS, keys))
        assert error.value.code() == grpc.StatusCode.UNIMPLEMENTED


def test_deadlines(reader):
    answer = reader.GetOnlineFeatures(lookup(STATS, [Value(int64_val=1)]), timeout=10)
    assert answer.status


def new_key(name):
    text = subprocess.run(
        [os.environ["MILLRACE"], "keys", "new", name], check=True, capture_output=True,
        text=True).stdout
    secret = re.search(r"mr_[A-Za-z0-9_-]{43}", text).group()
    digest = re.search(r"\bsha256:[0-9a-f]{64}\b", text).group()
    return secret, digest


def test_keys_and_mutual_tls(start_server, tmp_path):
    def openssl(*words):
        subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=tmp_path)

    curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=ca",
            "-days", "2")
    for name in ("localhost", "client"):
        (tmp_path / f"{name}.ext").write_text(f"subjectAltName=DNS:{name}\n")
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr",
                "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                "-CAcreateserial", "-out", f"{name}.pem", "-days", "2",
                "-extfile", f"{name}.ext")
    (reads, read_digest), (writes, write_digest) = new_key("scoring"), new_key("loading")
    port = free_port()
    serve = (
        f"{{grpc: {{port: {port}}}, keys: ["
        f"{{name: scoring, hash: \"{read_digest}\", views: {{read: [driver_stats]}}}}, "
        f"{{name: loading, hash: \"{write_digest}\", views: {{write: [driver_stats]}}}}], "
        f"tls: {{certificate: {tmp_path}/localhost.pem, key: {tmp_path}/localhost.key, "
        f"client_ca: {tmp_path}/ca.pem}}}}")
    start_server(shop.pipelines(serve), tls=tmp_path)

    def read(name):
        return (tmp_path / name).read_bytes()

    credentials = grpc.ssl_channel_credentials(
        read("ca.pem"), read("client.key"), read("client.pem"))
    with grpc.secure_channel(f"localhost:{port}", credentials) as channel:
        writer, reader = GrpcFeatureServerStub(channel), ServingServiceStub(channel)
        request = lookup(STATS, [Value(int64_val=1)])
        row = PushRequest(
            stream_feature_view="driver_push", to="online", typed_features=typed(1))

        def code(call, message, key):
            metadata = [("authorization", f"Bearer {key}")] if key else []
            try:
                call(message, metadata=metadata)
                return grpc.StatusCode.OK
            except grpc.RpcError as error:
                return error.code()

        assert code(writer.Push, row, writes) == grpc.StatusCode.OK
        assert code(writer.Push, row, reads) == grpc.StatusCode.PERMISSION_DENIED
        assert code(reader.GetOnlineFeatures, request, reads) == grpc.StatusCode.OK
        assert code(reader.GetOnlineFeatures, request, writes) == grpc.StatusCode.PERMISSION_DENIED
        assert code(reader.GetOnlineFeatures, request, None) == grpc.StatusCode.UNAUTHENTICATED
        assert code(reader.GetOnlineFeatures, request, "x") == grpc.StatusCode.UNAUTHENTICATED
    anonymous = grpc.ssl_channel_credentials(read("ca.pem"))
    with grpc.secure_channel(f"localhost:{port}", anonymous) as channel:
        with pytest.raises(grpc.RpcError) as error:
            ServingServiceStub(channel).GetFeastServingInfo(GetFeastServingInfoRequest(), timeout=5)
        assert error.value.code() == grpc.StatusCode.UNAVAILABLE
