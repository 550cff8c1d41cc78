"""An emulated Synapse for benchmarks: its API here, its bytes at the fast server; runs until standard input ends.

``python -m tests.benchmarks.emulated SOURCE URL HOME [--limits]`` writes a configuration, an index and the ids into HOME.
"""

import argparse
import sys
from pathlib import Path

from tests.mirror_contract import dataset
from tests.servers.entities import Node
from tests.servers.synapse import Entity, SynapseServer, Throttle


class Emulated(SynapseServer):
    """Gives out links that lead to the fast server, in the form that synapseclient expects."""

    url_of_bytes = ""

    def _link(self, node: Node) -> str:
        self.issued.append(str(node.handle))
        signed = self.storage.sign(node.key, self.lifetime).partition("?")[2]
        return f"{self.url_of_bytes}/{node.entity.name}?{signed}"


def main() -> None:
    """Serve."""
    parser = argparse.ArgumentParser()
    parser.add_argument("source", type=Path)
    parser.add_argument("url")
    parser.add_argument("home", type=Path)
    parser.add_argument("--limits", action="store_true")
    options = parser.parse_args()
    files = [Entity(path.name, content=path) for path in sorted(options.source.iterdir())]
    root = Entity("DecNef", [Entity(dataset().title, files)])
    with Emulated(root, lifetime=900, throttle=Throttle() if options.limits else None) as server:
        server.url_of_bytes = options.url
        server.latency = 0.05 if options.limits else 0.0
        server.config(options.home / ".synapseConfig", server.token)
        (options.home / "project").write_text(server.node("DecNef").id)
        (options.home / "folder").write_text(server.node(dataset().title).id)
        nodes = [node for node in server.nodes.values() if node.handle]
        stored = ((node, server.storage.objects[node.key]) for node in nodes)
        lines = (f"{node.entity.name} {it.size} {it.md5} {node.id} {node.handle}\n" for node, it in stored)
        (options.home / "index").write_text("".join(lines))
        print(server.url, flush=True)
        sys.stdin.read()
        refused = sum(request.status == 429 for request in server.requests)
        (options.home / "refused").write_text(str(refused))


if __name__ == "__main__":
    main()
