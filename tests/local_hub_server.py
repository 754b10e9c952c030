"""HTTP interface of the local Hub: routes and their answers."""

import base64
import json
import re
import socket
import struct
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qs, unquote, urlparse

import yaml
from local_hub_repositories import DATE, KINDS, OWNER, RESET_AFTER, Blob, Commit, Repo, _sha, is_large
from time_limits import SECONDS


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, message: str, code: str = "", **body):
        super().__init__(message)
        self.status, self.headers, self.body = status, {"X-Error-Message": message}, {"error": message, **body}
        if code:
            self.headers["X-Error-Code"] = code


class Handler(BaseHTTPRequestHandler):
    """Answers one request after another of one connection."""

    protocol_version = "HTTP/1.1"
    # Header and body leave together; else each answer waits for the client's delayed acknowledgement.
    wbufsize, disable_nagle_algorithm = -1, True

    def log_message(self, *args):
        """Says nothing."""

    def do_GET(self):
        """Any method goes the same way."""
        self._handle()

    do_HEAD = do_POST = do_PUT = do_DELETE = do_GET

    @property
    def hub(self) -> object:
        """The state that all connections share."""
        return self.server.hub

    def _handle(self) -> None:
        parts = urlparse(self.path)
        self.path_only, self.query = unquote(parts.path), parse_qs(parts.query)
        fault = self.hub._fault(self.command, self.path_only)
        self.dropping = fault is not None and fault.what == "drop"
        self.losing = fault is not None and fault.what == "lose"
        for path, gate in list(self.hub._gates):
            if re.search(path, self.path_only):
                gate.wait(SECONDS)
        if fault is not None and fault.what == "reset":
            self.rfile.read(min(RESET_AFTER, int(self.headers.get("Content-Length") or 0)))
            return self._hang_up()
        body = self._read_body()
        try:
            if fault is not None and fault.what == "status":
                refusal = Refusal(fault.status, fault.body.get("error", f"asked to answer {fault.status}"))
                refusal.headers = {**fault.headers}
                refusal.body |= fault.body
                raise refusal
            with self.hub.lock:
                self._route(body)
        except Refusal as refusal:
            self._answer(refusal.status, refusal.body, refusal.headers)

    def _read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _hang_up(self) -> None:
        """A reset: what lingers is thrown away."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def _answer(self, status: int, body, headers: dict | None = None) -> None:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        kind = "application/octet-stream" if isinstance(body, bytes) else "application/json"
        if self.losing:
            return self._hang_up()
        self.send_response(status)
        for key, value in {"Content-Type": kind, "Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(key, value)
        self.end_headers()
        if self.command == "HEAD":
            return None
        if self.dropping:
            self.wfile.write(data[: len(data) // 2])
            self.wfile.flush()
            self.close_connection = True
            return None
        self.wfile.write(data)
        return None

    # --- who asks for what --------------------------------------------------------------------------------------------

    def _user(self, needed: bool = False) -> str | None:
        given = self.headers.get("Authorization", "")
        if not given:
            if needed:
                raise Refusal(401, "Invalid username or password.")
            return None
        token = given.removeprefix("Bearer ")
        if token not in self.hub.tokens:
            raise Refusal(401, "Invalid credentials in Authorization header")
        return self.hub.tokens[token][0]

    def _writer(self, name: str) -> None:
        user = self._user(needed=True)
        writes = self.hub.tokens[self.headers["Authorization"].removeprefix("Bearer ")][1]
        if not writes or name.split("/")[0] != user:
            raise Refusal(403, "You don't have the rights to write here")

    def _repo(self, kinds: str, name: str) -> Repo:
        user, repo = self._user(), self.hub.repos.get((KINDS[kinds], name))
        if repo is None or (repo.private and user != name.split("/")[0]):
            raise Refusal(404 if user else 401, "Repository not found", "RepoNotFound")
        return repo

    def _commit_at(self, repo: Repo, revision: str) -> Commit:
        commit = repo.at(revision)
        if commit is None:
            raise Refusal(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return commit

    def _route(self, body: bytes) -> None:
        for methods, pattern, name in ROUTES:
            if self.command in methods.split() and (match := re.fullmatch(pattern, urlparse(self.path).path)):
                # A branch's slash comes quoted, so what is matched is the address as it came.
                parts = {key: value and unquote(value) for key, value in match.groupdict().items()}
                return getattr(self, name)(body, **parts)
        raise Refusal(404, f"no such address: {self.path_only}")

    # --- accounts and repositories ------------------------------------------------------------------------------------

    def whoami(self, body):
        """The account of the token."""
        name = self._user(needed=True)
        role = "write" if self.hub.tokens[self.headers["Authorization"].removeprefix("Bearer ")][1] else "read"
        self._answer(200, {"type": "user", "name": name, "auth": {"accessToken": {"role": role}}, "orgs": []})

    def create(self, body):
        """A new repository; one that is there answers 409."""
        asked = json.loads(body)
        name = f"{asked.get('organization') or self._user(needed=True)}/{asked['name']}"
        kind = asked.get("type") or "model"
        self._writer(name)
        url = f"{self.hub.url}/{'' if kind == 'model' else kind + 's/'}{name}"
        if (kind, name) in self.hub.repos:
            raise Refusal(409, f"You already created this {kind} repo: {name}", url=url)
        private = asked.get("visibility") == "private" or bool(asked.get("private"))
        self.hub.make(name, kind, private)
        self._answer(200, {"url": url, "name": name, "id": name})

    def validate(self, body):
        """Validation of a card's metadata."""
        asked = json.loads(body)
        match = re.match(r"---\r?\n(.*?)\r?\n---", asked["content"], re.DOTALL)
        try:
            found = yaml.safe_load(match[1]) if match else {}
            problem = "" if isinstance(found, dict) else "metadata must be a mapping"
        except yaml.YAMLError as error:
            problem = str(error)
        if problem:
            raise Refusal(400, problem, errors=[{"message": problem}], warnings=[])
        self._answer(200, {"errors": [], "warnings": []})

    def info(self, body, kinds, name, revision="main"):
        """Record of a repository at a revision."""
        repo = self._repo(kinds, name)
        commit = self._commit_at(repo, revision or "main")
        siblings = [{"rfilename": path} for path in sorted(commit.files)]
        self._answer(
            200,
            {"id": name, "modelId": name, "sha": commit.oid, "private": repo.private, "siblings": siblings, "tags": []},
        )

    def access(self, body, kinds, name, write=None):
        """Permission of the token to read a repository, or to write to it."""
        repo = self._repo(kinds, name)
        if write:
            self._writer(repo.name)
        self._answer(200, {})

    def refs(self, body, kinds, name):
        """Branches, tags and pull requests."""
        repo, found = self._repo(kinds, name), {"branches": [], "tags": [], "converts": [], "pullRequests": []}
        for ref, commit in repo.refs.items():
            group = {"heads": "branches", "tags": "tags", "pr": "pullRequests"}[ref.split("/")[1]]
            found[group].append({"name": ref.split("/", 2)[2], "ref": ref, "targetCommit": commit.oid})
        self._answer(200, found)

    def point(self, body, kinds, name, what, at):
        """Makes a branch from `startingPoint`, or a tag at a revision."""
        self._writer(name)
        repo, asked = self._repo(kinds, name), json.loads(body or b"{}")
        ref = f"refs/heads/{at}" if what == "branch" else f"refs/tags/{asked['tag']}"
        if ref in repo.refs:
            raise Refusal(409, f"Reference already exists: {ref}")
        repo.refs[ref] = self._commit_at(repo, asked.get("startingPoint") or "main" if what == "branch" else at)
        self._answer(200, {})

    def history(self, body, kinds, name, revision):
        """The commits of a revision."""
        repo = self._repo(kinds, name)
        self._commit_at(repo, revision)
        found = [
            {"id": each.oid, "title": each.title, "message": each.message, "authors": [{"user": OWNER}], "date": DATE}
            for each in repo.history(revision)
        ]
        self._answer(200, found)

    def discussions(self, body, kinds, name):
        """The pull requests."""
        pulls = self._repo(kinds, name).pulls
        self._answer(200, {"discussions": pulls, "count": len(pulls), "start": 0})

    # --- reading ------------------------------------------------------------------------------------------------------

    def _entry(self, path: str, blob: Blob) -> dict:
        entry = {"type": "file", "path": path, "oid": blob.oid, "size": len(blob.data)}
        return entry | (
            {"lfs": {"oid": blob.sha256, "size": len(blob.data), "pointerSize": 134}} if blob.sha256 else {}
        )

    def tree(self, body, kinds, name, revision, path=None):
        """Files below a folder, all of them where `recursive` is asked for."""
        files = self._commit_at(self._repo(kinds, name), revision).files
        start = f"{path.strip('/')}/" if path else ""
        found, folders = [], set()
        for each, blob in sorted(files.items()):
            rest = each.removeprefix(start)
            if not each.startswith(start):
                continue
            if "/" not in rest or "true" in self.query.get("recursive", ["false"])[0].lower():
                found.append(self._entry(each, blob))
            else:
                folders.add(start + rest.split("/")[0])
        listed = [{"type": "directory", "path": each, "oid": _sha(each.encode())[:40]} for each in sorted(folders)]
        self._answer(200, listed + found)

    def paths(self, body, kinds, name, revision):
        """Records of the requested files."""
        files = self._commit_at(self._repo(kinds, name), revision).files
        asked = (
            json.loads(body)["paths"]
            if "json" in self.headers.get("Content-Type", "")
            else parse_qs(body.decode())["paths"]
        )
        self._answer(200, [self._entry(path, files[path]) for path in asked if path in files])

    def resolve(self, body, kinds, name, revision, path):
        """A file's contents, or a range of it."""
        repo = self._repo(kinds or "models", name)
        commit = self._commit_at(repo, revision)
        if path not in commit.files:
            refusal = Refusal(404, "Entry not found", "EntryNotFound")
            refusal.headers["X-Repo-Commit"] = commit.oid
            raise refusal
        blob = commit.files[path]
        headers = {"X-Repo-Commit": commit.oid, "ETag": f'"{blob.sha256 or blob.oid}"', "Accept-Ranges": "bytes"}
        if blob.sha256:
            headers |= {"X-Linked-Etag": f'"{blob.sha256}"', "X-Linked-Size": str(len(blob.data))}
        data, status = blob.data, 200
        if match := re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")):
            start, end = int(match[1]), int(match[2] or len(data) - 1)
            headers["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
            data, status = data[start : end + 1], 206
        self._answer(status, data, headers)

    # --- writing ------------------------------------------------------------------------------------------------------

    def preupload(self, body, kinds, name, revision):
        """Upload mode of each file, and the files that exist."""
        repo = self._repo(kinds, name)
        self._may_commit(repo)
        files = self._commit_at(repo, revision).files
        found = []
        for each in json.loads(body)["files"]:
            old = files.get(each["path"])
            found.append(
                {
                    "path": each["path"],
                    "uploadMode": "lfs" if is_large(each["path"], each["size"]) else "regular",
                    "shouldIgnore": False,
                    "oid": old and (old.sha256 or old.oid),
                }
            )
        self._answer(200, {"files": found})

    def _may_commit(self, repo: Repo) -> None:
        """A commit, or a pull request for users without write permission."""
        if self.query.get("create_pr"):
            self._user(needed=True)
        else:
            self._writer(repo.name)

    def batch(self, body, kinds, name):
        """Upload addresses of LFS objects."""
        self._user(needed=True)
        found = []
        for each in json.loads(body)["objects"]:
            entry = {"oid": each["oid"], "size": each["size"]}
            if each["oid"] not in self.hub.objects:
                upload = {"href": f"{self.hub.url}/lfs/put/{each['oid']}"}
                entry["actions"] = {"upload": upload, "verify": {"href": f"{self.hub.url}/lfs/verify"}}
            found.append(entry)
        self._answer(200, {"transfer": "basic", "objects": found})

    def put(self, body, oid):
        """Takes an object that is what its name says."""
        if _sha(body) != oid:
            raise Refusal(400, "the contents are not what their name says")
        self.hub.objects[oid] = body
        self._answer(200, {})

    def verify(self, body):
        """Verification of an uploaded object."""
        asked = json.loads(body)
        if len(self.hub.objects.get(asked["oid"], b"")) != asked["size"]:
            raise Refusal(404, "no such object")
        self._answer(200, {})

    def commit(self, body, kinds, name, revision):
        """All of a commit or nothing."""
        repo = self._repo(kinds, name)
        self._may_commit(repo)
        head = self._commit_at(repo, revision)
        lines = [json.loads(line) for line in body.splitlines() if line.strip()]
        header = lines[0]["value"]
        if header.get("parentCommit") not in (None, head.oid):
            raise Refusal(412, "A commit has happened since. Please refresh and try again.")
        files = dict(head.files)
        for line in lines[1:]:
            value = line["value"]
            if line["key"] == "file":
                files[value["path"]] = Blob(base64.b64decode(value["content"]))
            elif line["key"] == "lfsFile":
                if value["oid"] not in self.hub.objects:
                    raise Refusal(422, f"the object of {value['path']} has not been uploaded")
                files[value["path"]] = Blob(self.hub.objects[value["oid"]], value["oid"])
            elif line["key"] == "deletedFile":
                if value["path"] not in files:
                    raise Refusal(404, "A file with this name doesn't exist", "EntryNotFound")
                del files[value["path"]]
            elif line["key"] == "deletedFolder":
                files = {path: blob for path, blob in files.items() if not path.startswith(value["path"].strip("/"))}
        ref, answer = f"refs/heads/{revision}", {}
        if self.query.get("create_pr"):
            number = len(repo.pulls) + 1
            ref = f"refs/pr/{number}"
            answer = {"pullRequestUrl": f"{self.hub.url}/{name}/discussions/{number}"}
            repo.pulls.append(
                {"title": header["summary"], "num": number, "author": {"name": self._user()}, "createdAt": DATE}
                | {"status": "open", "repo": {"name": name, "type": repo.kind}, "isPullRequest": True}
            )
        made = repo.add(ref, header["summary"], header.get("description", ""), files, head)
        answer |= {"success": True, "commitOid": made.oid, "commitUrl": f"{self.hub.url}/{name}/commit/{made.oid}"}
        self._answer(200, answer)


API = r"/api/(?P<kinds>models|datasets|spaces)/(?P<name>[^/]+/[^/]+)"
PLACE = r"/(?:(?P<kinds>datasets|spaces)/)?(?P<name>[^/]+/[^/]+?)"
REVISION = r"(?P<revision>[^/]+)"
ROUTES = [
    ("GET", "/api/whoami-v2", "whoami"),
    ("POST", "/api/repos/create", "create"),
    ("POST", "/api/validate-yaml", "validate"),
    ("GET", f"{API}/refs", "refs"),
    ("GET", f"{API}/auth-check(?P<write>/write)?", "access"),
    ("GET", f"{API}/discussions", "discussions"),
    ("GET", f"{API}(?:/revision/{REVISION})?", "info"),
    ("GET", f"{API}/tree/{REVISION}(?:/(?P<path>.+))?", "tree"),
    ("GET", f"{API}/commits/{REVISION}", "history"),
    ("POST", f"{API}/paths-info/{REVISION}", "paths"),
    ("POST", f"{API}/preupload/{REVISION}", "preupload"),
    ("POST", f"{API}/commit/{REVISION}", "commit"),
    ("POST", f"{API}/(?P<what>branch|tag)/(?P<at>.+)", "point"),
    ("POST", rf"{PLACE}\.git/info/lfs/objects/batch", "batch"),
    ("PUT", "/lfs/put/(?P<oid>[0-9a-f]{64})", "put"),
    ("POST", "/lfs/verify", "verify"),
    ("GET HEAD", f"{PLACE}/resolve/{REVISION}/(?P<path>.+)", "resolve"),
]
