"""Talks to the Hub: a repository that is there, and one commit that arrives whole, once, or not at all.

The client retries uploads by itself, but neither the commit nor what stands around it; here all of it is retried. Each
attempt first looks at what the repository holds, and commits on that very state: what an earlier attempt, or an earlier
run, has brought there is not sent again, and a commit whose answer was lost is not made twice.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import HFValidationError, validate_repo_id

from kospan.hub.retries import asked_wait, check_token, has_moved, passes, readable, status_of

# Seconds between attempts.
WAITS = (1.0, 2.0, 4.0, 8.0)
# A server that asks for more patience than this is told to the user instead.
LONGEST_WAIT = 300.0


class Pushed(NamedTuple):
    """
    Args:
        url: Where a person looks at it: the repository, or the pull request.
        oid: The commit.
        new: Whether this call made it; False where everything was there already.
    """

    url: str
    oid: str
    new: bool


class Change(NamedTuple):
    """What a repository should come to hold; see `Hub.commit`."""

    name: str
    kind: str
    revision: str | None
    create_pr: bool
    message: str
    files: dict[str, Path]
    replaces: tuple[str, ...]


class Seen(NamedTuple):
    """
    Args:
        head: The newest commit, on which the next one is made.
        changed: Paths to write.
        gone: Paths to delete.
        arrived: Address and commit of what already is as it should be.
    """

    head: str
    changed: list[str]
    gone: list[str]
    arrived: tuple[str, str] | None


class Hub:
    """The Hub, patiently.

    Args:
        token: An access token; None takes the one of `HF_TOKEN` or `hf auth login`. It never stands in an error.
        endpoint: The Hub's address; None takes `HF_ENDPOINT` or the public one.
        waits: Seconds between attempts; there is one attempt more than waits.
        sleep: What waits.
    """

    def __init__(
        self,
        token: str | None = None,
        endpoint: str | None = None,
        waits: Iterable[float] = WAITS,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self._token = token or get_token()
        check_token(self._token)
        self.api = HfApi(endpoint=endpoint, token=self._token)
        self.waits, self.sleep = tuple(waits), sleep
        self._user: str | None = None
        self._hashes: dict[tuple, tuple[str, str]] = {}

    @property
    def secrets(self) -> tuple[str, ...]:
        """What must not stand in any file or line."""
        return (self._token,) if self._token else ()

    def user(self) -> str:
        """The account that the token belongs to.

        Raises: PermissionError where there is no token or the Hub refuses it.
        """
        if self._user is None:
            if not self._token:
                raise PermissionError(
                    f"expected an access token for {self.api.endpoint}, got none; pass --token, set HF_TOKEN, or run "
                    "`hf auth login`"
                )
            self._user = self._patiently("ask who the token belongs to", self.api.whoami)["name"]
        return self._user

    def full_name(self, name: str) -> str:
        """`user/name` for a bare name.

        Raises: ValueError where the Hub takes no such name.
        """
        check_name(name)
        return name if "/" in name else f"{self.user()}/{name}"

    def open(
        self,
        name: str,
        kind: str = "model",
        private: bool | None = None,
        revision: str | None = None,
        proposes: bool = False,
    ) -> tuple[str, bool]:
        """Makes sure that a repository and its branch are there and that the token may write to them.

        Args:
            name: `user/name`, or a bare name of the token's user.
            kind: "model" or "space".
            private: How a new repository is made; True refuses one that is public already.
            revision: A branch, made from main if it is not there; None is main.
            proposes: What follows is a pull request, which needs no right to write.

        Returns: the full name, and whether the repository is new.

        Raises: ValueError, PermissionError or ConnectionError, in one sentence.
        """
        self.user()
        name = self.full_name(name)
        doing = f"look at {name}"
        found = self._patiently(doing, self._info, name, kind, None)
        new = found is None
        if new:
            sdk = {"space_sdk": "gradio"} if kind == "space" else {}
            self._patiently(
                f"create {name}", self.api.create_repo, name, repo_type=kind, private=private, exist_ok=True, **sdk
            )
        elif private and not found.private:
            raise ValueError(
                f"expected a private repository, got {name}, which is public; make it private in its settings or "
                "leave --private out"
            )
        if not new and not proposes:
            self._patiently(f"write to {name}", self._check_writes, name, kind)
        if revision is not None and self._patiently(doing, self._info, name, kind, revision) is None:
            self._patiently(
                f"create the branch {revision} of {name}",
                self.api.create_branch,
                name,
                branch=revision,
                repo_type=kind,
                exist_ok=True,
            )
        return name, new

    def commit(
        self,
        name: str,
        files: Mapping[str, str | os.PathLike],
        message: str,
        *,
        kind: str = "model",
        revision: str | None = None,
        create_pr: bool = False,
        replaces: tuple[str, ...] = (),
    ) -> Pushed:
        """Brings a repository to hold these files, by one commit or by none.

        Args:
            name: `user/name` of a repository that is there.
            files: Path in the repository -> file on this machine.
            message: The commit's first line.
            kind: "model" or "space".
            revision: A branch; None is main.
            create_pr: Propose it instead.
            replaces: Patterns of paths that go if `files` does not hold them: an older release's weights.

        Raises: ValueError, PermissionError or ConnectionError, in one sentence; the repository is then as it was.
        """
        change = Change(name, kind, revision, create_pr, message, {k: Path(v) for k, v in files.items()}, replaces)
        sent = False

        def attempt() -> Pushed:
            nonlocal sent
            seen = self._look(change)
            if seen.arrived is not None:
                return Pushed(*seen.arrived, sent)
            operations: list = [CommitOperationAdd(path, str(change.files[path])) for path in seen.changed]
            operations += [CommitOperationDelete(path) for path in seen.gone]
            sent = True
            info = self.api.create_commit(
                name,
                operations,
                commit_message=message,
                repo_type=kind,
                revision=revision,
                create_pr=create_pr,
                parent_commit=seen.head,
            )
            return Pushed(info.pr_url or self._url(name, kind), info.oid, True)

        def last_look() -> Pushed | None:
            arrived = self._look(change).arrived if sent else None
            return Pushed(*arrived, True) if arrived else None

        return self._patiently(f"push to {name}", attempt, rescue=last_look)

    # --- what the repository holds ------------------------------------------------------------------------------------

    def _info(self, name: str, kind: str, revision: str | None):
        """What the Hub knows of a repository at a revision; None where there is none."""
        try:
            return self.api.repo_info(name, repo_type=kind, revision=revision)
        except (RepositoryNotFoundError, RevisionNotFoundError) as error:
            if status_of(error) == 404 or (status_of(error) == 401 and self._user):
                return None
            raise

    def _check_writes(self, name: str, kind: str) -> None:
        """Raises what the client raises where the token may not write to a repository that is there."""
        try:
            self.api.auth_check(name, repo_type=kind, write=True)
        except TypeError:
            return  # An older client cannot ask; the commit will tell.
        except HfHubHTTPError as error:
            if status_of(error) != 404:  # Nor does every server know this question.
                raise

    def _state(self, name: str, kind: str, revision: str | None) -> tuple[str, dict[str, tuple[str, bool]]]:
        """The newest commit, and path -> (hash, whether it is LFS's) of its files."""
        head = self.api.repo_info(name, repo_type=kind, revision=revision).sha
        listed = self.api.list_repo_tree(name, repo_type=kind, revision=head, recursive=True)
        found = {}
        for entry in listed:
            if hasattr(entry, "blob_id"):
                found[entry.path] = (entry.lfs.sha256, True) if entry.lfs else (entry.blob_id, False)
        return head, found

    def _same(self, file: Path, there: tuple[str, bool] | None) -> bool:
        """Whether a file is what the repository holds."""
        if there is None:
            return False
        stat = file.stat()
        key = (str(file), stat.st_size, stat.st_mtime_ns)
        if key not in self._hashes:
            git, sha256 = hashlib.sha1(b"blob %d\0" % stat.st_size), hashlib.sha256()
            with file.open("rb") as stream:
                while chunk := stream.read(2**20):
                    git.update(chunk)
                    sha256.update(chunk)
            self._hashes[key] = (git.hexdigest(), sha256.hexdigest())
        return there[0] == self._hashes[key][there[1]]

    def _look(self, change: "Change") -> "Seen":
        """What of a change is still to be done; where nothing is, its address and commit."""
        head, there = self._state(change.name, change.kind, change.revision)
        changed, gone = self._missing(change, there)
        if not changed and not gone:
            return Seen(head, changed, gone, (self._url(change.name, change.kind), head))
        if change.create_pr:
            for pull in self.api.get_repo_discussions(
                change.name, repo_type=change.kind, discussion_type="pull_request", discussion_status="open"
            ):
                if pull.is_pull_request and pull.title == change.message:
                    proposed, files = self._state(change.name, change.kind, pull.git_reference)
                    if self._missing(change, files) == ([], []):
                        return Seen(head, changed, gone, (pull.url, proposed))
        return Seen(head, changed, gone, None)

    def _missing(self, change: "Change", there: Mapping) -> tuple[list[str], list[str]]:
        """Paths to write and paths to delete before `there` is as it should be."""
        changed = [path for path, file in change.files.items() if not self._same(file, there.get(path))]
        return changed, [path for path in there if path not in change.files and _matches(path, change.replaces)]

    def _url(self, name: str, kind: str) -> str:
        return f"{self.api.endpoint}/{'spaces/' if kind == 'space' else ''}{name}"

    # --- patience -----------------------------------------------------------------------------------------------------

    def _patiently(self, doing: str, function: Callable, *args, rescue: Callable | None = None, **kwargs):
        """What a call gives, tried again after faults that pass.

        Args:
            rescue: Asked after the last failure; what it gives, if anything, is the result after all.
        """
        for wait in (*self.waits, None):
            try:
                return function(*args, **kwargs)
            except Exception as error:
                failure = error
            passing = passes(failure) or has_moved(failure)
            if wait is None or not passing or asked_wait(failure) > LONGEST_WAIT:
                break
            self.sleep(max(wait, asked_wait(failure)))
        if rescue is not None:
            try:
                saved = rescue()
            except Exception:
                saved = None  # Nobody answers; the error of the attempt itself is the one to tell.
            if saved is not None:
                return saved
        # Raised out here it carries no trail of the client's own errors, requests and headers.
        raise readable(failure, doing, self.api.endpoint, self.secrets)


def check_name(name: str) -> None:
    """Raises: ValueError where the Hub takes no repository of that name."""
    try:
        validate_repo_id(name)
        return
    except HFValidationError as error:
        reason = str(error).split(":")[0].strip()
    raise ValueError(
        f"expected the name of a repository such as user/name, got {name!r}: {reason}; choose another name"
    )


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    # A star does not reach into folders.
    return any(path.count("/") == pattern.count("/") and fnmatchcase(path, pattern) for pattern in patterns)
