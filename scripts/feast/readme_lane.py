"""Runs the README's lookups as they stand there, against a server on another port."""

import os
import pathlib
import re
import subprocess
import sys
from datetime import datetime, timezone

import pytest
import requests

from conftest import free_port

README = pathlib.Path(__file__).parents[2] / "README.md"
PIPELINES = """
    version: 1
    job: {name: marketplace, serve: {resp: {port: REDIS}}}
    entities:
      user: {keys: {user_id: int64}}
    feature_views:
      user_fraud:
        entity: user
        features: [{name: spend_1h, type: double}]
"""


def blocks():
    section = README.read_text().split("## Look up features")[1].split("\n## ")[0]
    return re.findall(r"```(\w+)\n(.*?)```", section, re.S)


@pytest.mark.parametrize("language,text", blocks(), ids=[language for language, _ in blocks()])
def test_the_readmes_lookup(start_server, tmp_path, language, text):
    redis_port = free_port()
    server = start_server(PIPELINES.replace("REDIS", str(redis_port)), "readme")
    row = {
        "user_id": [1288], "spend_1h": [57.25],
        "event_timestamp": [datetime.now(timezone.utc).replace(tzinfo=None).isoformat()]}
    written = requests.post(
        server.url + "/write-to-online-store",
        json={"feature_view_name": "user_fraud", "df": row}, timeout=30)
    assert written.status_code == 200, written.text
    assert "6566" in text or "6379" in text
    text = text.replace("6566", str(server.port)).replace("6379", str(redis_port))
    text = text.replace("/tmp/", f"{tmp_path}/")
    command = {"sh": ["bash", "-c", text], "python": [sys.executable, "-c", text]}[language]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=60, cwd=tmp_path,
        env={**os.environ, "FEAST_USAGE": "False"})
    assert done.returncode == 0, done.stderr
    assert "57.25" in done.stdout
