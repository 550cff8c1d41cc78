"""An S3-like server of personal links, as approved users get them by e-mail: they expire, and need no other login.

By hand: ``python -m tests.servers.links FILE --lifetime 3600``.
"""

import argparse
from pathlib import Path

from tests.servers.by_hand import until_interrupted
from tests.servers.local import Answer, Request
from tests.servers.storage import StorageServer


class LinkServer(StorageServer):
    """Provides links to files of this machine, and redirects to other hosts."""

    def __init__(self, *, rate: float | None = None, heads: bool = False) -> None:
        super().__init__(rate=rate, heads=heads)
        self._redirects: dict[str, tuple[int, str]] = {}
        self._public: set[str] = set()

    def link(
        self, content: Path | bytes, lifetime: float = 3600.0, form: str = "v4", name: str | None = None
    ) -> str:
        """Return a link to a file (or to bytes, under ``name``), in S3's newer (``v4``) or older (``v2``) form."""
        key = name or (content.name if isinstance(content, Path) else "file.bin")
        self.put(key, content)
        return self.sign(key, lifetime, form, name=key)

    def public_link(self, content: Path) -> str:
        """Return a link to a file that needs no signature and does not expire."""
        self.put(content.name, content)
        self._public.add(f"/{content.name}")
        return f"{self.url}/{content.name}"

    def redirect(self, target: str, status: int = 302) -> str:
        """Return a link that redirects to another one."""
        path = f"/redirect/{len(self._redirects)}"
        self._redirects[path] = (status, target)
        return self.url + path

    def answer(self, request: Request) -> Answer:
        """Send the client elsewhere, or answer as storage does."""
        if request.path in self._public:
            return self.faults.apply(request, self._object)
        if request.path not in self._redirects:
            return super().answer(request)
        status, target = self._redirects[request.path]
        return Answer.of(status, b"", "text/plain", {"Location": target})


def main() -> None:
    """Serve one file by a link until interrupted."""
    parser = argparse.ArgumentParser(description="Serve a file by a personal link that expires.")
    parser.add_argument("file", type=Path)
    parser.add_argument("--lifetime", type=float, default=3600.0, help="how long the link lives, in seconds")
    parser.add_argument(
        "--form", choices=("v4", "v2"), default="v4", help="S3's newer or older form of links"
    )
    options = parser.parse_args()
    with LinkServer() as server:
        print(server.link(options.file, options.lifetime, options.form), flush=True)
        until_interrupted()


if __name__ == "__main__":
    main()
