"""An emulated Synapse, as far as finding, describing and downloading files goes, for the real synapseclient.

Bodies, statuses and habits follow the public server source (Sage-Bionetworks/Synapse-Repository-Services) and the
public API description: nulls are never sent, a file that may not be downloaded shows no file handles, a batch says
UNAUTHORIZED inside a 201, and each pre-signed link issued is counted, as Synapse counts it as a download.

By hand: ``python -m tests.servers.synapse --serve FILE --title "SRPBS Multi-disorder Connectivity Dataset"``.
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

from tests.servers.api import Service
from tests.servers.bodies import RefusalError
from tests.servers.by_hand import until_interrupted
from tests.servers.entities import MODEL, Entity, Node, Token, personal_token, tree
from tests.servers.faults import Fault, Faults, busy
from tests.servers.local import Answer, LocalServer, Request
from tests.servers.throttle import Gate, Throttle

__all__ = ["Entity", "SynapseServer", "Throttle", "Token", "maintenance", "personal_token", "project", "tree"]


class SynapseServer(Service, LocalServer):
    """Synapse's API on one port of this machine, its storage (``storage``) on another.

    ``issued`` lists the file handle of each pre-signed link; ``lifetime`` is that of the links, in seconds;
    ``tokens`` may be changed while the server runs; ``faults`` befall the API, ``storage.faults`` the bytes;
    ``latency`` is how long the API takes to answer.
    """

    def __init__(
        self,
        root: Entity,
        tokens: Mapping[str, Token] | None = None,
        *,
        lifetime: float = 30.0,
        throttle: Throttle | None = None,
    ) -> None:
        Service.__init__(self, root, tokens, lifetime)
        LocalServer.__init__(self)
        self.latency = 0.0
        self.faults = Faults()
        self._gate = Gate(throttle)

    def __enter__(self) -> Self:
        for node in self.files.values():
            if node.entity.content is not None:
                self.storage.put(node.key, node.entity.content)
        self.storage.__enter__()
        return super().__enter__()

    def __exit__(self, *_: object) -> None:
        try:
            self.storage.__exit__()
        finally:
            super().__exit__()

    @property
    def token(self) -> str:
        """The first of the tokens."""
        return next(iter(self.tokens))

    def node(self, name: str) -> Node:
        """Find an entity by its name or its id."""
        return next(node for node in self.nodes.values() if name in {node.entity.name, node.id})

    def endpoints(self) -> dict[str, str]:
        """Return the endpoints, by their names in synapseclient."""
        places = {"repo": "/repo/v1", "auth": "/auth/v1", "fileHandle": "/file/v1", "portal": "/"}
        return {f"{name}Endpoint": self.url + path for name, path in places.items()}

    def config(self, path: Path, token: str | None = None, section: str = "authentication") -> Path:
        """Write a synapseclient configuration that names this server and, if given, a token.

        ``[authentication]`` is read by every version; newer ones know ``[default]`` and ``[profile NAME]``.
        """
        lines = ["[endpoints]", *(f"{name} = {url}" for name, url in self.endpoints().items())]
        lines += [] if token is None else ["", f"[{section}]", f"authtoken = {token}"]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        path.chmod(0o600)
        return path

    def answer(self, request: Request) -> Answer:
        """Answer through the next fault, unless the user exceeds the limits."""
        try:
            with self._gate.passing(request.headers.get("Authorization", ""), self.now()):
                if self.latency:
                    self.closing.wait(self.latency)
                return self.faults.apply(request, self.call)
        except RefusalError as error:
            return _refused(error)


def _refused(error: RefusalError) -> Answer:
    answer = Answer.json(error.status, error.body)
    realm = {"WWW-Authenticate": 'Bearer realm="Synapse Repository Services"'} if error.status == 401 else {}
    return replace(answer, headers={**answer.headers, **realm})


def maintenance() -> Fault:
    """Answer as Synapse does during maintenance."""
    body = {"concreteType": f"{MODEL}.ErrorResponse", "reason": "Synapse is down for maintenance."}
    return busy(503, None, json.dumps(body).encode(), "application/json")


def project(title: str, path: Path) -> Entity:
    """Describe the project with one dataset: a file becomes an archive in its folder, a folder a tree of files."""
    dataset = tree(title, path) if path.is_dir() else Entity(title, [Entity(path.name, content=path)])
    return Entity("DecNef Project Brain Data Repository", [dataset])


def main() -> None:
    """Serve one dataset until interrupted."""
    parser = argparse.ArgumentParser(
        description="Serve a file or a folder as a dataset of an emulated Synapse."
    )
    parser.add_argument("--serve", type=Path, required=True, help="an archive, or a folder of files")
    parser.add_argument("--title", required=True, help="the dataset's official title")
    parser.add_argument(
        "--config", type=Path, default=Path("synapseConfig"), help="the configuration to write"
    )
    parser.add_argument("--lifetime", type=float, default=30.0, help="seconds that pre-signed links live")
    options = parser.parse_args()
    with SynapseServer(project(options.title, options.serve), lifetime=options.lifetime) as server:
        config = server.config(options.config, server.token)
        print(
            f"# until Ctrl-C; storage at {server.storage.url}; to be copied to ~/.synapseConfig: {config.resolve()}"
        )
        print(config.read_text(encoding="utf-8"), flush=True)
        until_interrupted()


if __name__ == "__main__":
    main()
