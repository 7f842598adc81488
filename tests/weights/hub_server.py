"""A Hugging Face Hub on this machine: enough of its protocol for the real client to down- and upload.

    with LoopbackHub() as hub:
        commit = hub.add("owner/name", {"model.safetensors": b"..."})
        hf_hub_download("owner/name", "model.safetensors", endpoint=hub.url)
        hub.requests  # ["HEAD /owner/name/resolve/main/model.safetensors", "GET ..."]

It answers as huggingface.co was seen to: the client reads X-Repo-Commit and ETag of a HEAD, compares
the size it announced with what a GET brings, and turns X-Error-Code into its error types. Faults are
switched on by setting attributes. HTTP/1.0, so that no kept-alive connection outlives the server.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType

WRITE_TOKEN = "hf_may_write"  # noqa: S105  (known to this server alone)
LARGE_FILE = ".safetensors"  # uploaded through LFS, as the Hub wants it; anything else comes inside the commit


class LoopbackHub:
    """A Hub that lives for one `with` block.

    Attributes:
        url: Address, to be passed as `endpoint`.
        repositories: Files by path, by commit, by repository; the last commit of each is "main".
        requests: What was asked for, such as "HEAD /owner/name/resolve/main/model.safetensors".
        agents: The User-Agent headers seen, which tell the Hub which library asks.
        uploads: Large files that were PUT, by sha256.
        gated: Repositories whose owner has to grant access first.
        status: Answer everything with this status, as in an outage.
        silence_s: Wait this long (seconds) before any answer.
        truncate: Send only half of each file.
        corrupt: Send other bytes than the file's, of the same number.
        captive: Answer every question with a login page, as a hotel's network does.
        bad_card: What the Hub dislikes about any README.md, if anything.
    """

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, dict[str, bytes]]] = {}
        self.requests: list[str] = []
        self.gated: set[str] = set()
        self.status: HTTPStatus | None = None
        self.silence_s = 0.0
        self.truncate = False
        self.corrupt = False
        self.captive = False
        self.bad_card = ""
        self.agents: set[str] = set()
        self.uploads: dict[str, bytes] = {}
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        # A short poll, since `shutdown` waits for the next one.
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Go down: from now on the port refuses connections."""
        self._server.shutdown()
        self._server.server_close()

    def add(self, repo_id: str, files: Mapping[str, bytes]) -> str:
        """Commit files on top of those already there, and return the commit (40 hex digits)."""
        commits = self.repositories.setdefault(repo_id, {})
        content = {**(list(commits.values())[-1] if commits else {}), **files}
        listing = [(name, hashlib.sha256(data).hexdigest()) for name, data in sorted(content.items())]
        commit = hashlib.sha1(f"{len(commits)} {listing}".encode(), usedforsecurity=False).hexdigest()
        commits[commit] = content
        return commit

    def commit_of(self, repo_id: str, revision: str) -> str | None:
        """Return the commit a revision stands for, or None if there is no such revision."""
        commits = self.repositories[repo_id]
        if revision == "main":
            return list(commits)[-1] if commits else None
        return revision if revision in commits else None


class _Handler(BaseHTTPRequestHandler):
    hub: LoopbackHub

    def log_message(self, *_: object) -> None:
        """Keep the test's output free of a line per request."""

    def do_HEAD(self) -> None:
        if self._is_up():
            self._resolve(with_body=False)

    def do_GET(self) -> None:
        if not self._is_up():
            return
        if self.path.startswith("/api/models/"):
            self._describe()
        else:
            self._resolve(with_body=True)

    def do_POST(self) -> None:
        body = self._body()
        if not self._is_up():
            return
        if self.path == "/api/validate-yaml":
            self._validate_card()
        elif self.headers.get("Authorization") != f"Bearer {WRITE_TOKEN}":
            self._refuse(HTTPStatus.UNAUTHORIZED, message="Invalid username or password.")
        elif self.path == "/api/repos/create":
            self._create(json.loads(body))
        elif self.path.endswith("/info/lfs/objects/batch"):
            self._prepare_large(json.loads(body))
        else:
            repo_id, action, _revision = self._model_path()
            if action == "preupload":
                self._choose_upload(json.loads(body))
            else:
                self._commit(repo_id, [json.loads(line) for line in body.splitlines()])

    def do_PUT(self) -> None:
        content = self._body()
        if self._is_up():
            self.hub.uploads[hashlib.sha256(content).hexdigest()] = content
            self._answer(HTTPStatus.OK)

    # ------------------------------------------------------------------------------ downloads

    def _resolve(self, *, with_body: bool) -> None:
        """/owner/name/resolve/REVISION/PATH: what a file is (HEAD), and the file (GET)."""
        owner, name, _resolve, revision, path = unquote(urlsplit(self.path).path)[1:].split("/", 4)
        repo_id = f"{owner}/{name}"
        if repo_id not in self.hub.repositories:
            return self._refuse(HTTPStatus.UNAUTHORIZED, "RepoNotFound")  # 401: it might be a private one
        if repo_id in self.hub.gated:
            return self._refuse(HTTPStatus.FORBIDDEN, "GatedRepo")
        commit = self.hub.commit_of(repo_id, revision)
        if commit is None:
            return self._refuse(HTTPStatus.NOT_FOUND, "RevisionNotFound")
        content = self.hub.repositories[repo_id][commit].get(path)
        if content is None:
            return self._refuse(HTTPStatus.NOT_FOUND, "EntryNotFound", commit=commit)
        self.send_response(HTTPStatus.OK)
        self.send_header("X-Repo-Commit", commit)
        self.send_header("ETag", f'"{_etag(path, content)}"')
        if not (with_body and self.hub.truncate):  # the end of an HTTP/1.0 connection can be the end of a file
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if with_body:
            sent = content[::-1] if self.hub.corrupt else content
            self.wfile.write(sent[: len(sent) // 2] if self.hub.truncate else sent)
        return None

    def _describe(self) -> None:
        """/api/models/owner/name[/revision/REVISION]: what a repository holds."""
        repo_id, _revision, revision = self._model_path()
        if repo_id not in self.hub.repositories:
            return self._refuse(HTTPStatus.UNAUTHORIZED, "RepoNotFound")
        commit = self.hub.commit_of(repo_id, revision or "main")
        files = self.hub.repositories[repo_id].get(commit or "", {})
        return self._answer(
            HTTPStatus.OK, {"id": repo_id, "sha": commit, "siblings": [{"rfilename": name} for name in files]}
        )

    # -------------------------------------------------------------------------------- uploads

    def _validate_card(self) -> None:
        if self.hub.bad_card:
            self._answer(HTTPStatus.BAD_REQUEST, {"errors": [{"message": self.hub.bad_card}], "warnings": []})
        else:
            self._answer(HTTPStatus.OK, {"errors": [], "warnings": []})

    def _create(self, wanted: dict[str, Any]) -> None:
        repo_id = f"{wanted['organization']}/{wanted['name']}"
        there = repo_id in self.hub.repositories
        self.hub.repositories.setdefault(repo_id, {})
        self._answer(HTTPStatus.CONFLICT if there else HTTPStatus.OK, {"url": f"{self.hub.url}/{repo_id}"})

    def _choose_upload(self, wanted: dict[str, Any]) -> None:
        """Say for each file which way it has to come, and what is there now."""
        repo_id, _preupload, revision = self._model_path()
        commit = self.hub.commit_of(repo_id, revision)
        present = self.hub.repositories[repo_id].get(commit or "", {})
        files = [
            {
                "path": file["path"],
                "uploadMode": "lfs" if file["path"].endswith(LARGE_FILE) else "regular",
                "shouldIgnore": False,
                "oid": _etag(file["path"], present[file["path"]]) if file["path"] in present else None,
            }
            for file in wanted["files"]
        ]
        self._answer(HTTPStatus.OK, {"files": files})

    def _prepare_large(self, wanted: dict[str, Any]) -> None:
        """Say where large files have to be PUT (git LFS, "basic" transfer)."""
        objects = [
            {**one, "actions": {"upload": {"href": f"{self.hub.url}/lfs/{one['oid']}"}}} for one in wanted["objects"]
        ]
        self._answer(HTTPStatus.OK, {"transfer": "basic", "objects": objects})

    def _commit(self, repo_id: str, lines: list[dict[str, Any]]) -> None:
        files = {}
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                files[value["path"]] = self.hub.uploads[value["oid"]]
        commit = self.hub.add(repo_id, files)
        self._answer(
            HTTPStatus.OK,
            {"commitUrl": f"{self.hub.url}/{repo_id}/commit/{commit}", "commitOid": commit, "success": True},
        )

    # -------------------------------------------------------------------------------- answers

    def _is_up(self) -> bool:
        """Note the request; answer it here if the Hub is not itself."""
        self.hub.requests.append(f"{self.command} {urlsplit(self.path).path}")
        self.hub.agents.add(self.headers.get("User-Agent", ""))
        time.sleep(self.hub.silence_s)
        if self.hub.captive:
            self._answer(HTTPStatus.OK, {"please": "log in to this network"})
        elif self.hub.status is not None:
            self._refuse(self.hub.status)
        else:
            return True
        return False

    def _model_path(self) -> tuple[str, str, str]:
        """Split /api/models/owner/name/ACTION/REVISION; the last two may be absent, and are "" then."""
        parts = unquote(urlsplit(self.path).path).split("/")[3:]
        owner, name, action, revision = (*parts, "", "")[:4]
        return f"{owner}/{name}", action, revision

    def _body(self) -> bytes:
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    def _refuse(self, status: HTTPStatus, code: str = "", *, message: str = "", commit: str = "") -> None:
        headers = {"X-Error-Code": code, "X-Error-Message": message, "X-Repo-Commit": commit}
        self._answer(
            status, {"error": message or status.phrase}, {key: value for key, value in headers.items() if value}
        )

    def _answer(
        self, status: HTTPStatus, content: Mapping[str, Any] | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        body = json.dumps(content or {}).encode()
        self.send_response(status)
        for key, value in (headers or {}).items():
            self.send_header(key, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _etag(path: str, content: bytes) -> str:
    """Return the Hub's identifier of a file: sha256 if it is in LFS, else git's hash of a blob."""
    if path.endswith(LARGE_FILE):
        return hashlib.sha256(content).hexdigest()
    return hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
