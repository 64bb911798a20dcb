"""The same requests to Feast's own feature server and to Millrace with `compat: python`."""

import itertools
import threading
import time
from datetime import datetime, timedelta, timezone

import pytest
import requests
import shop
from conftest import free_port


@pytest.fixture(scope="module")
def servers(start_server, feast_repository):
    import uvicorn
    from feast.feature_server import get_app

    ours = start_server(shop.pipelines("{compat: python}"), "python")
    store = feast_repository({"type": "sqlite", "path": "online.db"}, shop.objects(), "served")
    port = free_port()
    theirs = uvicorn.Server(
        uvicorn.Config(get_app(store), host="127.0.0.1", port=port, log_level="critical"))
    thread = threading.Thread(target=theirs.run, daemon=True)
    thread.start()
    while not theirs.started:
        time.sleep(0.02)
    yield ours.url, f"http://127.0.0.1:{port}"
    theirs.should_exit = True
    thread.join(30)


def row(numbers, age=timedelta(seconds=5)):
    time = (datetime.now(timezone.utc) - age).replace(tzinfo=None, microsecond=0).isoformat()
    return {
        "driver_id": numbers, "conv_rate": [0.5 + number for number in numbers],
        "acc_rate": [None if number % 2 else 0.25 for number in numbers],
        "trips": list(numbers), "event_timestamp": [time] * len(numbers),
        "created": [time] * len(numbers),
    }


@pytest.fixture(scope="module")
def written(servers):
    fresh, old = row([1, 2, 3]), row([4], age=timedelta(days=3))
    for url, data in itertools.product(servers, (fresh, old)):
        body = {"push_source_name": "driver_push", "df": data}
        answer = requests.post(url + "/push", json=body, timeout=30)
        assert answer.status_code == 200, answer.text
    return servers


def ask(url, body):
    return requests.post(url + "/get-online-features", json=body, timeout=30)


def columns(answer):
    """Columns by name: Feast's own order changes from process to process."""
    body = answer.json()
    names = body["metadata"]["feature_names"]
    return {name: column for name, column in zip(names, body["results"])}


FEATURES = ["driver_stats:conv_rate", "driver_stats:acc_rate", "driver_stats:trips"]


@pytest.mark.parametrize(
    "body",
    [
        {"features": FEATURES, "entities": {"driver_id": [1, 2, 3]}},
        {"features": FEATURES, "entities": {"driver_id": [1, 1, 2]}},
        {"features": FEATURES, "entities": {"driver_id": ["1", 2]}},
        {"features": FEATURES, "entities": {"driver_id": [1.0]}},
        {"features": FEATURES[:1], "entities": {"driver_id": [4]}},
        {"features": FEATURES, "entities": {"driver_id": [1]}, "full_feature_names": True},
        {"feature_service": "ranking", "entities": {"driver_id": [2]}},
        {"feature_service": "ranking", "features": ["no:x"], "entities": {"driver_id": [2]}},
        {"features": FEATURES, "entities": {"driver": [1]}},
        {"features": FEATURES, "entities": {"driver_id": [1], "unknown": ["x"]}},
        {"features": FEATURES, "entities": {"driver_id": [1]}, "unknown": 7},
    ])
def test_answers_are_the_same(written, body):
    ours, theirs = (ask(url, body) for url in written)
    assert theirs.status_code == ours.status_code == 200, (ours.text, theirs.text)
    ours, theirs = columns(ours), columns(theirs)
    keys = {"driver_id", "driver"}
    assert set(ours) - keys == set(theirs) - keys
    for name in set(ours) & set(theirs):
        assert ours[name] == theirs[name], name


def test_unknown_entities_differ_in_status_only(written):
    body = {"features": FEATURES, "entities": {"driver_id": [99]}}
    ours, theirs = (columns(ask(url, body)) for url in written)
    for name in FEATURES:
        name = name.split(":")[1]
        assert ours[name]["values"] == theirs[name]["values"] == [None]
        # SQLite answers NOT_FOUND, Redis PRESENT; `compat: python` is the latter.
        assert ours[name]["statuses"] == ["PRESENT"]
        assert theirs[name]["statuses"] == ["NOT_FOUND"]
        assert ours[name]["event_timestamps"] == theirs[name]["event_timestamps"]


@pytest.mark.parametrize(
    "body",
    [
        {"features": ["nowhere:x"], "entities": {"driver_id": [1]}},
        {"feature_service": "nothing", "entities": {"driver_id": [1]}},
        {"features": FEATURES, "entities": {"driver_id": [1], "other": [1, 2]}},
        {"features": FEATURES, "entities": {"driver_id": []}},
        {"features": FEATURES, "entities": {"driver_id": [None]}},
        {"features": FEATURES, "entities": {"driver_id": [2**63]}},
        {"features": FEATURES[:1] * 2, "entities": {"driver_id": [1]}},
        {"features": [], "entities": {"driver_id": [1]}},
    ])
def test_errors_have_the_same_status_and_class(written, body):
    ours, theirs = (ask(url, body) for url in written)
    assert ours.status_code == theirs.status_code, (ours.text, theirs.text)
    kinds = [
        __import__("json").loads(answer.json())["class"]
        if isinstance(answer.json(), str) and answer.json().startswith("{") else None
        for answer in (ours, theirs)]
    assert kinds[0] == kinds[1], (ours.text, theirs.text)


@pytest.mark.parametrize(
    "body",
    [
        {"push_source_name": "nothing", "df": row([1])},
        {"push_source_name": "driver_push"},
        {"df": row([1])},
        {"push_source_name": "driver_push", "to": "moon", "df": row([1])},
        {"push_source_name": "driver_push", "df": {
            key: value for key, value in row([1]).items() if key != "trips"}},
        {"push_source_name": "driver_push", "df": {**row([1]), "trips": [1, 2]}},
        {"push_source_name": "driver_push", "df": {
            **row([1]), "trips": [None], "conv_rate": [None], "acc_rate": [None]}},
    ])
def test_pushes_are_answered_with_the_same_status(written, body):
    ours, theirs = (requests.post(url + "/push", json=body, timeout=30) for url in written)
    assert ours.status_code == theirs.status_code, (ours.text, theirs.text)


def test_rows_of_nulls_were_dropped_by_both(written):
    body = {"features": FEATURES, "entities": {"driver_id": [1]}}
    for url in written:
        assert columns(ask(url, body))["trips"]["values"] == [1]
