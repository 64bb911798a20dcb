"""What the lanes share: a built server on a free port, and Feast repositories that point at it."""

import os
import pathlib
import socket
import ssl
import subprocess
import textwrap
import time
import urllib.request

import pytest


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# A file must read something; nothing ever comes here.
QUIET = """
connections: {quiet: {embedded: ./topics}}
streams:
  nothing:
    from: {topic: nothing, connection: quiet}
    format: json
    fields: {id: string, ts: timestamp}
    time: {field: ts, out_of_orderness: 5s}
    on_error: drop
pipelines:
  unread: {from: nothing, steps: [{filter: "id != ''"}], to: {topic: unread, connection: quiet}}
"""


class Server:
    """A millrace process; `port` serves HTTP."""

    def __init__(self, directory, pipelines, tls=None):
        self.tls = None
        if tls:
            self.tls = ssl.create_default_context(cafile=tls / "ca.pem")
            self.tls.load_cert_chain(tls / "client.pem", tls / "client.key")
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.file = self.directory / "features.yaml"
        self.file.write_text(textwrap.dedent(pipelines) + QUIET)
        self.log = self.directory / "log.txt"
        self.process = None

    @property
    def url(self):
        return f"{'https://localhost' if self.tls else 'http://127.0.0.1'}:{self.port}"

    def start(self):
        if not (self.directory / "topics").exists():
            subprocess.run(
                [os.environ["MILLRACE"], "topics", "create", "nothing", "--file", str(self.file)],
                cwd=self.directory, check=True, capture_output=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [os.environ["MILLRACE"], "run", str(self.file), "--port", str(self.port)],
                stdout=log, stderr=log, cwd=self.directory)
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"millrace ended: {self.log.read_text()}")
            try:
                with urllib.request.urlopen(self.url + "/health", timeout=1, context=self.tls) as answer:
                    if answer.status == 200:
                        return self
            except OSError:
                time.sleep(0.02)
        raise RuntimeError(f"millrace does not answer: {self.log.read_text()}")

    def kill(self):
        self.process.kill()
        self.process.wait(30)

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.kill()


@pytest.fixture(scope="session")
def start_server(tmp_path_factory):
    """Starts a server of the given file; all are stopped at the end."""
    servers = []

    def start(pipelines, name="millrace", tls=None):
        server = Server(tmp_path_factory.mktemp(name), pipelines, tls)
        servers.append(server)
        return server.start()

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def feast_repository(tmp_path_factory):
    """Makes a Feast repository with the given online store and objects, and opens it."""
    from feast import FeatureStore

    def make(online_store, objects, name="repository"):
        directory = tmp_path_factory.mktemp(name)
        lines = "\n".join(f"  {key}: {value}" for key, value in online_store.items())
        (directory / "feature_store.yaml").write_text(
            "project: shop\nprovider: local\nregistry: registry.db\n"
            f"online_store:\n{lines}\nentity_key_serialization_version: 3\n")
        store = FeatureStore(repo_path=str(directory))
        store.apply(objects)
        return store

    return make
