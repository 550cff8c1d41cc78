"""Looks at the file behind a personal link: its size, ETag and dates, never the link."""

from dataclasses import dataclass
from datetime import datetime

import requests

from decnef_data.mirrors.https import Https
from decnef_data.model import Dataset


@dataclass(frozen=True, slots=True)
class Looked:
    """What the host of a link tells of its file; ``None`` where it does not."""

    name: str
    size: int | None
    etag: str | None
    modified: str | None
    expires: datetime | None


class Looker(Https):
    """An https mirror that is asked what lies behind its links."""

    def look(self, dataset: Dataset) -> Looked:
        """Ask for one byte, and give what came with it.

        Raises
        ------
        AccessError
            There is no link to `dataset`, or it expired or is refused.
        MirrorError
            The host cannot be reached.
        IntegrityError
            The file is not as large as the records say.
        """
        answers: list[requests.Response] = []
        self._session.hooks["response"] = [lambda answer, *_, **__: answers.append(answer)]
        (file,) = self.find(dataset)
        headers = answers[-1].headers
        tag, date = headers.get("ETag"), headers.get("Last-Modified")
        return Looked(file.path, file.size, tag, date, self._link(dataset.name).expires)
