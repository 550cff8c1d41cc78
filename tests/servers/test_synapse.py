"""The local servers behave like Synapse and S3 to the real synapseclient and to requests."""

import hashlib
import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from email.message import Message
from inspect import signature
from pathlib import Path
from threading import Barrier
from typing import Any

import httpx
import pytest
import requests
import synapseclient
from synapseclient.core.exceptions import (
    SynapseAuthenticationError,
    SynapseHTTPError,
    SynapseNoCredentialsError,
)

from tests.servers import by_hand, faults
from tests.servers.local import Exchange
from tests.servers.schemas import MISSING, SchemaError, Specification
from tests.servers.synapse import (
    Entity,
    SynapseServer,
    Throttle,
    Token,
    maintenance,
    personal_token,
    project,
    tree,
)

pytestmark = pytest.mark.once

TITLE = "SRPBS Multi-disorder Connectivity Dataset"
CONTENT = bytes(range(256)) * 4_000
GOOD = personal_token()
ERROR = "org.sagebionetworks.repo.model.ErrorResponse"
TOKENS = {
    GOOD: Token(approved=(9605,)),
    personal_token(("view",)): Token(scopes=("view",)),
    "expired": Token(state="expired"),
    "revoked": Token(state="revoked"),
    "unsigned": Token(signed_terms=False),
    "unapproved": Token(user="grace"),
}


def _root() -> Entity:
    many = [Entity(f"file-{number:03d}.mat", content=b"%d" % number) for number in range(120)]
    dataset = Entity(TITLE, [Entity("SRPBS_FC.zip", content=CONTENT)], id=22317078, requirements=(9605,))
    locked = Entity("locked.zip", content=b"locked", may=("READ",))
    hidden = Entity("hidden", [Entity("below.zip", content=b"hidden")], may=())
    gone = Entity("trash.zip", content=b"trash", trashed=True)
    lost = Entity("lost.zip", content=b"lost", lost=True)
    return Entity("DecNef", [dataset, Entity("many", many), locked, hidden, gone, lost])


@pytest.fixture
def server() -> Iterator[SynapseServer]:
    """Run the emulator; what it was told and what it said is checked where the description is at hand."""
    with SynapseServer(_root(), TOKENS) as running:
        yield running
    specification = Specification.read()
    for exchange in running.requests:
        if specification is not None and exchange.answer is not None:
            specification.check(exchange)


@pytest.fixture
def specification() -> Specification:
    found = Specification.read()
    if found is None:
        pytest.skip(MISSING)
    return found


_STORAGE = httpx.Client(
    verify=False
)  # one for all: each client's own would read all certificates anew, and nothing here is TLS


def _client(config: Path, cache: Path) -> Any:
    syn = synapseclient.Synapse(
        configPath=str(config),
        cache_root_dir=str(cache),
        skip_checks=True,
        silent=True,
        cache_client=False,
        requests_session_storage=_STORAGE,
    )
    syn.logger.setLevel(logging.CRITICAL)
    return syn


@pytest.fixture
def syn(server: SynapseServer, tmp_path: Path) -> Any:
    client = _client(server.config(tmp_path / "config"), tmp_path / "cache")
    client.login(authToken=GOOD, silent=True)
    return client


def _post(syn: Any, uri: str, body: dict[str, Any]) -> Any:
    endpoint = syn.fileHandleEndpoint if uri.startswith("/fileHandle") else syn.repoEndpoint
    return syn.restPOST(
        uri, body=json.dumps(body), endpoint=endpoint, retryPolicy={"retries": 3, "wait": 0.01}
    )


def _batch(syn: Any, *files: tuple[str | None, str]) -> Any:
    asked = [
        {"fileHandleId": handle, "associateObjectId": entity, "associateObjectType": "FileEntity"}
        for handle, entity in files
    ]
    return _post(
        syn,
        "/fileHandle/batch",
        {"includePreSignedURLs": True, "includeFileHandles": True, "requestedFiles": asked},
    )


def _link(syn: Any, server: SynapseServer, name: str = "SRPBS_FC.zip") -> str:
    node = server.node(name)
    return str(_batch(syn, (node.handle, node.id))["requestedFiles"][0]["preSignedURL"])


def _raw(
    server: SynapseServer, method: str, path: str, token: str | None = GOOD, body: object = None
) -> requests.Response:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, server.url + path, headers=headers, json=body, timeout=10)


# Login


def test_login_by_argument(server: SynapseServer, tmp_path: Path) -> None:
    syn = _client(server.config(tmp_path / "config"), tmp_path / "cache")
    syn.login(authToken=GOOD, silent=True)
    assert syn.credentials.username == "ada"
    assert [exchange.path for exchange in server.requests] == ["/repo/v1/userProfile"]


def test_login_by_environment(server: SynapseServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SYNAPSE_AUTH_TOKEN", GOOD)
    syn = _client(server.config(tmp_path / "config"), tmp_path / "cache")
    syn.login(silent=True)
    assert syn.credentials.username == "ada"


def test_login_by_configuration(server: SynapseServer, tmp_path: Path) -> None:
    config = server.config(tmp_path / "config", "unapproved")
    syn = _client(config, tmp_path / "cache")
    syn.login(silent=True)
    assert syn.credentials.username == "grace"
    assert config.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(
    "profile" not in signature(synapseclient.Synapse.login).parameters,
    reason="this synapseclient has no profiles",
)
def test_login_by_profile(server: SynapseServer, tmp_path: Path) -> None:
    syn = _client(server.config(tmp_path / "config", "unapproved", "profile lab"), tmp_path / "cache")
    syn.login(profile="lab", silent=True)
    assert syn.credentials.username == "grace"


def test_login_without_anything(server: SynapseServer, tmp_path: Path) -> None:
    syn = _client(server.config(tmp_path / "config"), tmp_path / "cache")
    with pytest.raises(SynapseNoCredentialsError):
        syn.login(silent=True)


@pytest.mark.parametrize("token", ["garbage", "revoked", "expired", "unsigned"])
def test_login_refused(server: SynapseServer, tmp_path: Path, token: str) -> None:
    syn = _client(server.config(tmp_path / "config"), tmp_path / "cache")
    with pytest.raises(SynapseAuthenticationError):
        syn.login(authToken=token, silent=True)


# Listing and describing


def _children(syn: Any, parent: str) -> list[list[str]]:
    asked = {"parentId": parent, "includeTypes": ["file", "folder"], "includeTotalChildCount": True}
    pages = []
    while True:
        answer = _post(syn, "/entity/children", asked)
        pages.append([child["name"] for child in answer["page"]])
        if "nextPageToken" not in answer:
            return pages
        asked = asked | {"nextPageToken": answer["nextPageToken"]}


def test_children_come_in_pages_of_fifty(syn: Any, server: SynapseServer) -> None:
    pages = _children(syn, server.node("many").id)
    assert [len(page) for page in pages] == [50, 50, 20]
    assert [name for page in pages for name in page] == [f"file-{number:03d}.mat" for number in range(120)]
    answers = [exchange.answer for exchange in server.requests[1:]]
    tokens = [answer.get("nextPageToken") for answer in answers if isinstance(answer, dict)]
    assert tokens == ["50a50", "50a100", None]


def test_children_hide_what_may_not_be_read_or_is_in_the_trash(syn: Any) -> None:
    assert _children(syn, "syn22317076") == [[TITLE, "locked.zip", "lost.zip", "many"]]


def test_children_of_one_type(syn: Any) -> None:
    answer = _post(syn, "/entity/children", {"parentId": "syn22317076", "includeTypes": ["folder"]})
    assert [(child["id"], child["type"].rpartition(".")[2]) for child in answer["page"]] == [
        ("syn22317078", "Folder"),
        ("syn22317079", "Folder"),
    ]


def test_ids_are_those_given_or_the_next_free(server: SynapseServer) -> None:
    assert [server.node(name).id for name in ("DecNef", TITLE, "SRPBS_FC.zip", "many")] == [
        "syn22317076",
        "syn22317078",
        "syn22317077",
        "syn22317079",
    ]


BUNDLE = {
    "includeEntity": True,
    "includeAnnotations": True,
    "includeFileHandles": True,
    "includeHasChildren": True,
    "includeRestrictionInformation": True,
}


def test_bundle_of_a_file(syn: Any, server: SynapseServer) -> None:
    node = server.node("SRPBS_FC.zip")
    bundle = _post(syn, f"/entity/{node.id}/bundle2", BUNDLE)
    assert bundle["entity"]["dataFileHandleId"] == node.handle
    assert bundle["fileHandles"][0]["contentMd5"] == hashlib.md5(CONTENT).hexdigest()
    assert bundle["fileHandles"][0]["contentSize"] == len(CONTENT)
    assert bundle["restrictionInformation"]["hasUnmetAccessRequirement"] is False
    assert (
        _post(syn, f"/entity/{node.id}/version/1/bundle2", {"includeEntity": True})["entity"]
        == bundle["entity"]
    )


def test_bundle_of_a_folder(syn: Any) -> None:
    bundle = _post(syn, "/entity/syn22317078/bundle2", BUNDLE)
    assert (bundle["entityType"], bundle["hasChildren"], bundle["fileHandles"]) == ("folder", True, [])
    assert "dataFileHandleId" not in bundle["entity"]


def test_bundle_hides_file_handles_where_a_requirement_is_unmet(syn: Any, server: SynapseServer) -> None:
    syn.login(authToken="unapproved", silent=True)
    bundle = _post(syn, f"/entity/{server.node('SRPBS_FC.zip').id}/bundle2", BUNDLE)
    assert bundle["fileHandles"] == []
    assert bundle["restrictionInformation"]["hasUnmetAccessRequirement"] is True


def test_bundle_hides_file_handles_without_the_permission_to_download(
    syn: Any, server: SynapseServer
) -> None:
    bundle = _post(syn, f"/entity/{server.node('locked.zip').id}/bundle2", BUNDLE)
    assert bundle["fileHandles"] == []
    assert bundle["restrictionInformation"]["hasUnmetAccessRequirement"] is False


def test_versions_tell_size_and_md5_to_all_who_may_read(syn: Any, server: SynapseServer) -> None:
    found = syn.restGET(f"/entity/{server.node('locked.zip').id}/version")["results"]
    assert [(version["contentSize"], version["contentMd5"]) for version in found] == [
        ("6", hashlib.md5(b"locked").hexdigest())
    ]


def test_versions_of_a_folder_tell_of_no_file(syn: Any) -> None:
    assert "contentMd5" not in syn.restGET("/entity/syn22317078/version")["results"][0]


def test_actions_name_what_is_to_be_done(syn: Any, server: SynapseServer) -> None:
    file, locked = server.node("SRPBS_FC.zip").id, server.node("locked.zip")
    assert syn.restGET(f"/entity/{file}/actions/download") == {"actions": []}
    kind = "org.sagebionetworks.repo.model.download.RequestDownload"
    assert syn.restGET(f"/entity/{locked.id}/actions/download") == {
        "actions": [{"concreteType": kind, "benefactorId": locked.number}]
    }
    syn.login(authToken="unapproved", silent=True)
    kind = "org.sagebionetworks.repo.model.download.MeetAccessRequirement"
    assert syn.restGET(f"/entity/{file}/actions/download") == {
        "actions": [{"concreteType": kind, "accessRequirementId": 9605}]
    }


def test_restrictions_of_several_objects(syn: Any) -> None:
    asked = {"restrictableObjectType": "ENTITY", "objectIds": ["syn22317078", "22317076"]}
    found = _post(syn, "/restrictionInformation/batch", asked)["restrictionInformation"]
    assert [
        (one["objectId"], one["restrictionLevel"], one["hasUnmetAccessRequirement"]) for one in found
    ] == [
        (22317078, "CONTROLLED_BY_ACT", False),
        (22317076, "OPEN", False),
    ]


def test_kind_and_entity(syn: Any) -> None:
    assert syn.restGET("/entity/syn22317076/type")["type"] == "org.sagebionetworks.repo.model.Project"
    assert syn.restGET("/entity/syn22317078")["name"] == TITLE


def test_origin_is_unknown(syn: Any) -> None:
    with pytest.raises(SynapseHTTPError, match="Nothing is known of how syn22317078 came to be"):
        syn.restGET("/entity/syn22317078/generatedBy")


# Batches of links


def test_batch_gives_links_and_says_why_not(syn: Any, server: SynapseServer) -> None:
    names = ("SRPBS_FC.zip", "locked.zip", "trash.zip", "below.zip", "lost.zip")
    nodes = [server.node(name) for name in names]
    answer = _batch(syn, *((node.handle, node.id) for node in nodes), ("1", nodes[0].id))["requestedFiles"]
    assert [one.get("failureCode") for one in answer] == [
        None,
        "UNAUTHORIZED",
        "UNAUTHORIZED",
        "UNAUTHORIZED",
        "NOT_FOUND",
        "UNAUTHORIZED",
    ]
    assert server.issued == [nodes[0].handle]
    assert server.requests[-1].status == 201
    assert answer[0]["preSignedURL"].startswith(server.storage.url + "/")


def test_batch_of_an_unapproved_user(syn: Any, server: SynapseServer) -> None:
    syn.login(authToken="unapproved", silent=True)
    node = server.node("SRPBS_FC.zip")
    assert _batch(syn, (node.handle, node.id)) == {
        "requestedFiles": [{"fileHandleId": node.handle, "failureCode": "UNAUTHORIZED"}]
    }
    assert server.issued == []


def test_handles_alone_count_as_no_download(syn: Any, server: SynapseServer) -> None:
    node = server.node("SRPBS_FC.zip")
    file = {"fileHandleId": node.handle, "associateObjectId": node.id, "associateObjectType": "FileEntity"}
    _post(syn, "/fileHandle/batch", {"includeFileHandles": True, "requestedFiles": [file]})
    assert server.issued == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (
            {"requestedFiles": []},
            "Must include either FileHandles or pre-signed URLs or preview pre-signed URLs",
        ),
        (
            {"includePreSignedURLs": True, "requestedFiles": [{"fileHandleId": str(n)} for n in range(101)]},
            "Request exceeds the maximum number of objects per request: 100",
        ),
        (
            {"includePreSignedURLs": True, "requestedFiles": [{"fileHandleId": "1"}] * 2},
            "Request contains duplicated FileHandleId.",
        ),
    ],
)
def test_batches_that_are_refused(server: SynapseServer, body: dict[str, Any], reason: str) -> None:
    answer = _raw(server, "POST", "/file/v1/fileHandle/batch", body=body)
    assert (answer.status_code, answer.json()) == (400, {"concreteType": ERROR, "reason": reason})


def test_file_handles_may_lack_size_and_md5(tmp_path: Path) -> None:
    root = Entity("P", [Entity("bare.zip", content=b"bare", md5=False, sized=False)])
    with SynapseServer(root) as server:
        bundle = _raw(
            server, "POST", "/repo/v1/entity/syn22317077/bundle2", server.token, {"includeFileHandles": True}
        )
    assert {"contentMd5", "contentSize"}.isdisjoint(bundle.json()["fileHandles"][0])


# Refusals, word for word


@pytest.mark.parametrize(
    ("method", "path", "token", "status", "body"),
    [
        (
            "GET",
            "/entity/syn22317076",
            "garbage",
            401,
            {"concreteType": ERROR, "reason": "Invalid access token"},
        ),
        (
            "GET",
            "/entity/syn22317076",
            "revoked",
            401,
            {"concreteType": ERROR, "reason": "Invalid access token"},
        ),
        (
            "GET",
            "/entity/syn22317076",
            "expired",
            401,
            {
                "error": "invalid_token",
                "error_description": "The token has expired.",
                "reason": "invalid_token. The token has expired.",
            },
        ),
        (
            "GET",
            "/userProfile",
            "unsigned",
            403,
            {"concreteType": ERROR, "reason": "Terms of use have not been signed."},
        ),
        (
            "GET",
            "/entity/syn22317076",
            None,
            403,
            {"concreteType": ERROR, "reason": "You lack READ access to the requested entity."},
        ),
        (
            "GET",
            "/entity/syn1",
            GOOD,
            404,
            {"concreteType": ERROR, "reason": "Resource: 'syn1' does not exist"},
        ),
        (
            "GET",
            "/entity/syn22317076/version/2",
            GOOD,
            404,
            {"concreteType": ERROR, "reason": "Resource: 'syn22317076.2' does not exist"},
        ),
        (
            "POST",
            "/entity/children",
            GOOD,
            400,
            {
                "concreteType": ERROR,
                "reason": "EntityChildrenRequest.includeTypes must include at least one type",
            },
        ),
        (
            "POST",
            "/restrictionInformation/batch",
            GOOD,
            400,
            {"concreteType": ERROR, "reason": "At most 50 objects at a time."},
        ),
    ],
)
def test_refusals(
    server: SynapseServer, method: str, path: str, token: str | None, status: int, body: dict[str, str]
) -> None:
    sent = {"objectIds": ["syn22317076"] * 51} if method == "POST" else None
    answer = _raw(server, method, "/repo/v1" + path, token, sent)
    assert (answer.status_code, answer.json()) == (status, body)
    assert ("WWW-Authenticate" in answer.headers) is (status == 401)


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("hidden", 403, "You lack READ access to the requested entity."),
        ("below.zip", 403, "You lack READ access to the requested entity."),
        ("trash.zip", 404, "Entity {id} is in trash can."),
    ],
)
def test_refusals_of_one_entity(syn: Any, server: SynapseServer, name: str, status: int, reason: str) -> None:
    node = server.node(name)
    with pytest.raises(SynapseHTTPError) as caught:
        _post(syn, f"/entity/{node.id}/bundle2", BUNDLE)
    assert caught.value.response.status_code == status
    assert caught.value.response.json() == {"concreteType": ERROR, "reason": reason.format(id=node.id)}


def test_token_without_the_download_scope(syn: Any, server: SynapseServer) -> None:
    syn.login(authToken=personal_token(("view",)), silent=True)
    node = server.node("SRPBS_FC.zip")
    with pytest.raises(SynapseHTTPError) as caught:
        _batch(syn, (node.handle, node.id))
    assert caught.value.response.status_code == 403
    assert caught.value.response.json() == {
        "error": "insufficient_scope",
        "error_description": "Request lacks scope(s) required by this service: download",
        "reason": "insufficient_scope. Request lacks scope(s) required by this service: download",
    }


def test_token_revoked_later(syn: Any, server: SynapseServer) -> None:
    server.tokens[GOOD] = replace(server.tokens[GOOD], state="revoked")
    with pytest.raises(SynapseHTTPError, match="Invalid access token"):
        syn.restGET("/entity/syn22317076")


def test_nobody_is_anonymous(server: SynapseServer) -> None:
    assert _raw(server, "GET", "/repo/v1/userProfile", token=None).json()["userName"] == "anonymous"


def test_what_is_not_emulated_says_so() -> None:
    with SynapseServer(Entity("P")) as server:
        answer = _raw(server, "GET", "/repo/v1/favorite", server.token)
    assert (answer.status_code, answer.json()["reason"]) == (404, "GET /repo/v1/favorite is not emulated.")


def test_names_that_synapse_would_not_allow() -> None:
    with pytest.raises(ValueError, match="Synapse allows no entity named 'a/b'"):
        Entity("a/b")


# Throttles and faults of the API


def test_too_many_at_a_time() -> None:
    with SynapseServer(Entity("P"), throttle=Throttle(concurrent=1)) as server:
        server.latency = 0.5
        both = Barrier(2)

        def ask(_: int) -> requests.Response:
            both.wait()
            return _raw(server, "GET", "/repo/v1/userProfile", server.token)

        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(ask, range(2)))
    assert sorted(answer.status_code for answer in answers) == [200, 429]
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert refused.json() == {
        "reason": "Too many concurrent requests. Allowed 1 concurrent connections at any time."
    }


def test_too_many_a_minute() -> None:
    with SynapseServer(Entity("P"), throttle=Throttle(requests=2)) as server:
        answers = [_raw(server, "GET", "/repo/v1/userProfile", server.token) for _ in range(3)]
        server.advance(60)
        assert _raw(server, "GET", "/repo/v1/userProfile", server.token).status_code == 200
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[2].json() == {"reason": "Requests are too frequent. Allowed 2 requests every 60 seconds."}


def test_maintenance_passes(syn: Any, server: SynapseServer) -> None:
    server.faults.add(maintenance(), times=2)
    assert _post(syn, "/entity/children", {"parentId": "syn22317076", "includeTypes": ["file"]})["page"]
    assert [exchange.status for exchange in server.requests[-3:]] == [503, 503, 200]
    assert server.requests[-2].answer == {"concreteType": ERROR, "reason": "Synapse is down for maintenance."}


def test_all_threads_are_joined_while_clients_hold_on(session: requests.Session) -> None:
    before = threading.active_count()
    with SynapseServer(_root(), TOKENS) as server:
        session.get(f"{server.url}/repo/v1/userProfile", timeout=10)
        assert threading.active_count() > before
    assert threading.active_count() == before


# Bytes from Synapse's storage


def test_download_resumes_by_range(syn: Any, server: SynapseServer, session: requests.Session) -> None:
    server.storage.faults.add(faults.drop(700_000))
    link, got = _link(syn, server), list[bytes]()
    with session.get(link, stream=True, timeout=10) as answer:
        etag = answer.headers["ETag"]
        with suppress(
            requests.exceptions.ChunkedEncodingError
        ):  # urllib3 1, which 4.5 brings, does not notice
            got.extend(answer.iter_content(100_000))
    first = b"".join(got)
    rest = session.get(link, headers={"Range": f"bytes={len(first)}-", "If-Range": etag}, timeout=10)
    assert (len(first), rest.status_code) == (700_000, 206)
    assert first + rest.content == CONTENT


def test_links_expire(syn: Any, server: SynapseServer, session: requests.Session) -> None:
    link = _link(syn, server)
    assert session.get(link, timeout=10).content == CONTENT
    server.storage.advance(31)
    answer = session.get(link, timeout=10)
    assert answer.status_code == 403
    assert (
        "<Code>AccessDenied</Code><Message>Request has expired</Message><X-Amz-Expires>30</X-Amz-Expires>"
        in answer.text
    )


def test_storage_refuses_a_second_login(syn: Any, server: SynapseServer, session: requests.Session) -> None:
    answer = session.get(_link(syn, server), headers={"Authorization": f"Bearer {GOOD}"}, timeout=10)
    assert answer.status_code == 400
    assert "<Code>InvalidArgument</Code><Message>Only one auth mechanism allowed;" in answer.text
    assert [exchange.headers["authorization"] for exchange in server.storage.requests] == [f"Bearer {GOOD}"]


# The public description


def _said(method: str, path: str, status: int, answer: object, asked: object = None) -> Exchange:
    body = b"" if asked is None else json.dumps(asked).encode()
    return Exchange(method, path, {}, Message(), body, status, answer)


@pytest.mark.parametrize(
    ("exchange", "problem"),
    [
        (_said("GET", "/repo/v1/userProfile", 200, {"username": "ada"}), "$.username is unknown"),
        (_said("GET", "/repo/v1/userProfile", 200, {"userName": 1}), "1 is not of type 'string'"),
        (_said("GET", "/repo/v1/userProfile", 418, {"reason": "tea"}), "this status is not documented"),
        (_said("GET", "/repo/v1/nowhere", 200, {}), "this call is not documented"),
        (
            _said("GET", "/repo/v1/entity/syn1/version", 200, {"results": [{"md5": ""}]}),
            "$.results[0].md5 is unknown",
        ),
        (
            _said(
                "GET",
                "/repo/v1/entity/syn1",
                200,
                {"concreteType": "org.sagebionetworks.repo.model.Folder", "versionNumber": 1},
            ),
            "$.versionNumber is unknown",
        ),
        (_said("GET", "/repo/v1/entity/syn1", 404, {"concreteType": ERROR, "why": ""}), "$.why is unknown"),
        (
            _said("POST", "/repo/v1/entity/children", 200, {}, {"parent": "syn1"}),
            "request: $.parent is unknown",
        ),
    ],
)
def test_the_checks_are_strict(specification: Specification, exchange: Exchange, problem: str) -> None:
    with pytest.raises(SchemaError) as caught:
        specification.check(exchange)
    assert str(caught.value).startswith(f"{exchange.method} {exchange.path} {exchange.status}: ")
    assert problem in str(caught.value)


def test_nulls_are_refused(specification: Specification) -> None:
    said = _said("POST", "/repo/v1/entity/children", 200, {"page": [], "nextPageToken": None}, {})
    assert "$.nextPageToken is null" in list(specification.problems(said))


def test_another_description_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "openapispecification.json"
    other.write_text("{}")
    monkeypatch.setenv("DECNEF_SYNAPSE_SPEC", str(other))
    with pytest.raises(SchemaError, match="is not the description that was asked for"):
        Specification.read()
    monkeypatch.delenv("DECNEF_SYNAPSE_SPEC")
    assert Specification.read() is None


# Both shapes of the project, and the servers by hand


def test_an_archive_or_a_tree_of_files(tmp_path: Path) -> None:
    (tmp_path / "SRPBS_FC" / "ATR").mkdir(parents=True)
    archive, file = tmp_path / "SRPBS_FC.zip", tmp_path / "SRPBS_FC" / "ATR" / "X.mat"
    archive.write_bytes(b"zip")
    file.write_bytes(b"mat")
    assert project(TITLE, archive).children[0] == Entity(TITLE, [Entity("SRPBS_FC.zip", content=archive)])
    files = Entity(TITLE, [Entity("ATR", [Entity("X.mat", content=file)])])
    assert project(TITLE, tmp_path / "SRPBS_FC").children[0] == files == tree(TITLE, tmp_path / "SRPBS_FC")


def test_synapse_by_hand(tmp_path: Path) -> None:
    archive, config = tmp_path / "SRPBS_FC.zip", tmp_path / "synapseConfig"
    archive.write_bytes(CONTENT)
    options = ["--serve", str(archive), "--title", TITLE, "--config", str(config)]
    with by_hand.started("tests.servers.synapse", options, "authtoken") as printed:
        assert config.read_text("utf-8") in printed
        syn = _client(config, tmp_path / "cache")
        syn.login(silent=True)
        assert _children(syn, "syn22317076") == [[TITLE]]
