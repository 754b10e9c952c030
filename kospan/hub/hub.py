"""Access to the Hub: repositories, and commits that arrive whole and once, or not at all.

huggingface_hub retries uploads by itself, but neither the commit nor the calls around it; all of them are retried here.
Each attempt compares the repository with the files and commits on the state that it saw (`parent_commit`): nothing that
an earlier attempt or run has committed is sent again, and a commit whose response was lost is not made twice.
"""

import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import NamedTuple

from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, RepositoryNotFoundError, RevisionNotFoundError
from huggingface_hub.utils import HFValidationError, validate_repo_id
from huggingface_hub.utils.sha import git_hash, sha_fileobj
from tenacity import Retrying, retry_if_exception, stop_after_attempt

from kospan.hub.retries import check_token, is_retryable, requested_wait, status_of, user_error
from kospan.redaction import remember

# Waits of 1, 2, 4 and 8 seconds.
ATTEMPTS = 5


class Pushed(NamedTuple):
    """Result of a push.

    Args:
        url: Address of the repository or the pull request.
        oid: The commit.
        new: Whether this call made the commit; False if everything was there already.
    """

    url: str
    oid: str
    new: bool


class Hub:
    """Client of the Hub that retries.

    Args:
        token: An access token; None takes the one of `HF_TOKEN` or `hf auth login`. No error shows it.
        endpoint: The Hub's address; None takes `HF_ENDPOINT` or the public one.
        attempts: Attempts per call.
        sleep: Function that waits for a number of seconds.
    """

    def __init__(
        self,
        token: str | None = None,
        endpoint: str | None = None,
        attempts: int = ATTEMPTS,
        sleep: Callable[[float], None] = time.sleep,
    ):
        self._token = token or get_token()
        remember(self._token)
        check_token(self._token)
        self.api = HfApi(endpoint=endpoint, token=self._token)
        self.attempts, self.sleep = attempts, sleep
        self._user: str | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """Strings that no published file and no line of output may hold."""
        return (self._token,) if self._token else ()

    def user(self) -> str:
        """The account that the token belongs to.

        Raises:
            PermissionError: If there is no token or the Hub refuses it.
        """
        if self._user is None:
            if not self._token:
                raise PermissionError(
                    "expected an access token, got none; pass --token, set HF_TOKEN, or run `hf auth login`"
                )
            self._user = self._retried("ask for the token's account", self.api.whoami)["name"]
        return self._user

    def full_name(self, name: str) -> str:
        """`user/name` for a bare name.

        Raises:
            ValueError: If it is not a valid name.
        """
        check_name(name)
        return name if "/" in name else f"{self.user()}/{name}"

    def open(
        self, name: str, kind: str = "model", private: bool | None = None, revision: str | None = None, proposes=False
    ) -> tuple[str, bool]:
        """Create a repository and its branch if they are missing, and check that the token may write to them.

        Args:
            name: `user/name`, or a bare name of the token's user.
            kind: "model" or "space".
            private: Visibility of a new repository; True refuses an existing public one.
            revision: A branch, created from main if it is missing; None is main.
            proposes: A pull request follows, which needs no write permission.

        Returns:
            The full name, and whether the repository is new.

        Raises:
            ValueError, PermissionError or ConnectionError: In one line, without the token.
        """
        self.user()
        name = self.full_name(name)
        info = self._retried(f"read {name}", self._info, name, kind, None)
        if info is None:
            sdk = {"space_sdk": "gradio"} if kind == "space" else {}
            settings = {"repo_type": kind, "private": private, "exist_ok": True, **sdk}
            self._retried(f"create {name}", self.api.create_repo, name, **settings)
        elif private and not info.private:
            raise ValueError(
                f"expected a private repository, got {name}, which is public; change that or remove --private"
            )
        elif not proposes:
            self._retried(f"write to {name}", self._check_write_access, name, kind)
        if revision is not None and self._retried(f"read {name}", self._info, name, kind, revision) is None:
            settings = {"branch": revision, "repo_type": kind, "exist_ok": True}
            self._retried(f"create the branch {revision} of {name}", self.api.create_branch, name, **settings)
        return name, info is None

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
        """Write files to a repository in one commit.

        Args:
            name: `user/name` of an existing repository.
            files: Path in the repository -> local file.
            message: The commit's first line.
            kind: "model" or "space".
            revision: A branch; None is main.
            create_pr: Open a pull request instead.
            replaces: Patterns of paths to delete unless `files` has them, such as an older release's weights.

        Raises:
            ValueError, PermissionError or ConnectionError: In one line, without the token; the repository is unchanged.
        """
        url, sent = f"{self.api.endpoint}/{'spaces/' if kind == 'space' else ''}{name}", False
        settings = {"repo_type": kind, "revision": revision, "create_pr": create_pr, "commit_message": message}

        def missing(reference: str | None) -> tuple[str, list]:
            head, existing = self._tree(name, kind, reference)
            return head, _operations(files, existing, replaces)

        def attempt(send: bool = True) -> Pushed | None:
            nonlocal sent
            head, operations = missing(revision)
            if not operations:
                return Pushed(url, head, new=sent)
            for pull in self._open_pulls(name, kind, message) if create_pr else ():
                proposed, remaining = missing(pull.git_reference)
                if not remaining:
                    return Pushed(pull.url, proposed, new=sent)
            if not send:
                return None
            sent = True
            info = self.api.create_commit(name, operations, parent_commit=head, **settings)
            return Pushed(info.pr_url or url, info.oid, new=True)

        # The response to the last attempt may be lost, too.
        return self._retried(f"push to {name}", attempt, fallback=lambda: attempt(send=False) if sent else None)

    # --- state of a repository ----------------------------------------------------------------------------------------

    def _info(self, name: str, kind: str, revision: str | None):
        """The Hub's record of a repository at a revision; None if it does not exist."""
        try:
            return self.api.repo_info(name, repo_type=kind, revision=revision)
        except (RepositoryNotFoundError, RevisionNotFoundError) as error:
            if status_of(error) == 404 or (status_of(error) == 401 and self._user):
                return None
            raise

    def _check_write_access(self, name: str, kind: str) -> None:
        """Raise the client's error if the token may not write to an existing repository."""
        try:
            self.api.auth_check(name, repo_type=kind, write=True)
        except TypeError:
            return  # An older client without `write`; the commit will show it.
        except HfHubHTTPError as error:
            if status_of(error) != 404:  # A server that does not have this endpoint.
                raise

    def _tree(self, name: str, kind: str, revision: str | None) -> tuple[str, dict]:
        """The newest commit, and path -> entry of its files."""
        head = self.api.repo_info(name, repo_type=kind, revision=revision).sha
        tree = self.api.list_repo_tree(name, repo_type=kind, revision=head, recursive=True)
        return head, {entry.path: entry for entry in tree if hasattr(entry, "blob_id")}

    def _open_pulls(self, name: str, kind: str, title: str) -> list:
        """The open pull requests with a title."""
        opened = {"discussion_type": "pull_request", "discussion_status": "open"}
        found = self.api.get_repo_discussions(name, repo_type=kind, **opened)
        return [pull for pull in found if pull.is_pull_request and pull.title == title]

    # --- retries ------------------------------------------------------------------------------------------------------

    def _retried(self, action: str, function: Callable, *args, fallback: Callable | None = None, **kwargs):
        """The result of a call, with further attempts after retryable errors.

        Args:
            action: The action, as the error names it.
            function: The function.
            fallback: Called after the last failure; its result, unless None, is the result after all.
            *args: Its arguments.
            **kwargs: Passed on.
        """
        attempts = Retrying(
            retry=retry_if_exception(is_retryable),
            stop=stop_after_attempt(self.attempts),
            wait=lambda state: max(2.0 ** (state.attempt_number - 1), requested_wait(state.outcome.exception())),
            sleep=self.sleep,
            reraise=True,
        )
        try:
            return attempts(function, *args, **kwargs)
        except Exception as error:
            failure = error
        # If the Hub does not answer here either, the attempt's own error is the one to report.
        with suppress(Exception):
            if fallback is not None and (result := fallback()) is not None:
                return result
        # Raised outside of `except`, so that no cause is attached.
        raise user_error(failure, action, self.api.endpoint, self.secrets)


def check_name(name: str) -> None:
    """Check the name of a repository.

    Raises:
        ValueError: If it is not valid on the Hub.
    """
    try:
        validate_repo_id(name)
        return
    except HFValidationError as error:
        reason = str(error).split(":")[0].strip()
    raise ValueError(
        f"expected the name of a repository such as user/name, got {name!r}: {reason}; choose another name"
    )


def _operations(files: Mapping[str, str | os.PathLike], existing: dict, replaces: tuple[str, ...]) -> list:
    """The operations that turn the existing files into the wanted ones."""
    changed = [path for path, file in files.items() if path not in existing or not _is_same(file, existing[path])]
    outdated = [path for path in existing if path not in files and _matches(path, replaces)]
    added = [CommitOperationAdd(path, os.fspath(files[path])) for path in changed]
    return added + [CommitOperationDelete(path) for path in outdated]


def _is_same(file: str | os.PathLike, entry) -> bool:
    """Whether a local file equals an entry of a repository's tree."""
    stat = os.stat(file)
    digest = _digest(str(file), stat.st_size, stat.st_mtime_ns, entry.lfs is not None)
    return digest == (entry.lfs.sha256 if entry.lfs else entry.blob_id)


@lru_cache(maxsize=4096)
def _digest(file: str, size: int, modified: int, lfs: bool) -> str:
    """The name of a file's contents in LFS or in git; computed once per version of the file."""
    with open(file, "rb") as stream:
        return sha_fileobj(stream).hex() if lfs else git_hash(stream.read())


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    # A star does not reach into folders.
    return any(path.count("/") == pattern.count("/") and fnmatchcase(path, pattern) for pattern in patterns)
