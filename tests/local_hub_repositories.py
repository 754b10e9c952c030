"""Repositories of the local Hub: commits, files, and the faults that are ordered."""

import hashlib
from dataclasses import dataclass, field

OWNER, OWNER_TOKEN = "mina", "hf_LOCALwriteXq7vQ2mZk9"
READER, READER_TOKEN = "juho", "hf_LOCALreadTb4nW8sLd3"
LFS_ENDINGS = (".safetensors", ".bin", ".pt", ".pth", ".png", ".msgpack", ".h5")
LFS_BYTES = 10 * 2**20
KINDS = {"models": "model", "datasets": "dataset", "spaces": "space"}
DATE = "2026-01-01T00:00:00.000Z"
RESET_AFTER = 1000


def git_oid(data: bytes) -> str:
    """The name git gives to a file's contents."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass
class Blob:
    """A file's contents in one commit; `sha256` if it is in LFS."""

    data: bytes
    sha256: str | None = None

    @property
    def oid(self) -> str:
        """Name in trees: of an LFS file git holds a pointer."""
        pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n"
        return git_oid(pointer % (self.sha256.encode(), len(self.data)) if self.sha256 else self.data)


@dataclass
class Commit:
    """One commit: its message and all files at that point."""

    oid: str
    title: str
    message: str
    files: dict[str, Blob]
    parent: "Commit | None" = None


@dataclass
class Repo:
    """A repository of one kind: its branches, tags and pull requests point to commits."""

    name: str
    kind: str
    private: bool
    refs: dict[str, Commit] = field(default_factory=dict)
    commits: dict[str, Commit] = field(default_factory=dict)
    pulls: list[dict] = field(default_factory=list)

    def at(self, revision: str = "main") -> Commit | None:
        """The commit that a branch, a tag, `refs/...` or an oid names."""
        for ref in (f"refs/heads/{revision}", f"refs/tags/{revision}", revision):
            if ref in self.refs:
                return self.refs[ref]
        return self.commits.get(revision)

    def history(self, revision: str = "main") -> list[Commit]:
        """The commits of a revision, newest first."""
        found, commit = [], self.at(revision)
        while commit is not None:
            found.append(commit)
            commit = commit.parent
        return found

    def files(self, revision: str = "main") -> dict[str, bytes]:
        """Path -> contents at a revision."""
        return {path: blob.data for path, blob in self.at(revision).files.items()}

    def add(self, ref: str, title: str, message: str, files: dict[str, Blob], parent: Commit | None) -> Commit:
        """Appends a commit and moves the reference to it."""
        seed = f"{self.kind} {self.name} {len(self.commits)} {title} {parent and parent.oid}"
        commit = Commit(hashlib.sha1(seed.encode()).hexdigest(), title, message, files, parent)
        self.commits[commit.oid] = self.refs[ref] = commit
        return commit


@dataclass
class Fault:
    """Fault of the next `times` requests of a method to a path, after `skip` that go well."""

    method: str
    path: str
    what: str
    times: int = 1
    skip: int = 0
    status: int = 503
    headers: dict = field(default_factory=dict)
    body: dict = field(default_factory=dict)


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def is_large(path: str, size: int) -> bool:
    """Return whether a file goes to LFS."""
    return size > 0 and (path.endswith(LFS_ENDINGS) or size > LFS_BYTES)
