"""The objects of a bucket by their keys; what a store refuses is said in words."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import lru_cache
from pathlib import Path
from typing import IO, Any, TypeVar

from sweeper.errors import StoreError, UsageError

from .addresses import split

Meta = dict[str, Any]
"""``path`` (the key), ``size``, ``e_tag``, ``last_modified``."""

T = TypeVar("T")

_CREDENTIALS = {
    "s3": "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN, AWS_REGION, "
    "AWS_ENDPOINT_URL where needed)",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_NONE = re.compile(r"169\.254\.169\.254|metadata|Account must be specified|no credential", re.I)
_DENIED = re.compile(
    r"InvalidAccessKeyId|Expired|InvalidToken|AccessDenied|SignatureDoes|\b40[13]\b"
)
_NO_BUCKET = re.compile("NoSuchBucket|ContainerNotFound")
_CODE = re.compile(r"<Code>(\w+)</Code>")


@lru_cache(maxsize=8)
def _open(scheme: str, bucket: str, pid: int) -> Bucket:
    return Bucket(scheme, bucket)


def bucket_at(path: Path | str) -> tuple[Bucket, str] | None:
    """The bucket of what ``path`` stands for, and its key; None for a path outside the mirrors."""
    found = split(path)
    return found and (_open(*found[:2], os.getpid()), found[2])


class Bucket:
    """A bucket of a store. Each method raises StoreError, UsageError where it cannot be used."""

    def __init__(self, scheme: str, bucket: str) -> None:
        self.address = f"{scheme}://{bucket}"
        self._scheme = scheme
        try:
            from obstore import exceptions
            from obstore.store import from_url
        except ImportError:
            raise UsageError(
                f"{self.address}: object stores need another library: pip install 'sweeper[store]'"
            ) from None
        self._known = exceptions
        patience = timedelta(seconds=float(os.environ.get("SWEEPER_STORE_PATIENCE", 20)))
        self._settings: dict[str, Any] = {
            "client_options": {
                "allow_http": True,  # to an endpoint whose address says so
                "connect_timeout": timedelta(seconds=5),
                "timeout": timedelta(seconds=60),
            },
            "retry_config": {"max_retries": 8, "retry_timeout": patience},
        }
        self._from_url = from_url
        self._store: Any = self._ask(self._opened, again=False)

    def _opened(self) -> Any:
        return self._from_url(self.address, **self._settings, **self._profile())

    def list(self, prefix: str) -> list[Meta]:
        """What lies below ``prefix``, which is a directory's."""
        there = f"{prefix.rstrip('/')}/" if prefix else None
        return self._ask(
            lambda: [_quoted(meta) for some in self._store.list(there) for meta in some]
        )

    def get(self, key: str) -> bytes:
        """Raises FileNotFoundError."""
        return self._ask(lambda: bytes(self._store.get(key).bytes()))

    def pieces(self, key: str) -> Iterator[bytes]:
        """The same, of any size."""
        found = self._ask(lambda: iter(self._store.get(key)))
        while piece := self._ask(lambda: bytes(next(found, b""))):
            yield piece

    def head(self, key: str) -> Meta:
        """Raises FileNotFoundError."""
        return _quoted(self._ask(lambda: self._store.head(key)))

    def put(self, key: str, data: bytes | IO[bytes], e_tag: str | None = None) -> str | None:
        """Put an object, with ``e_tag`` in place of that one alone; its new tag, None if refused.

        One that is to be new has the tag ``""``.
        """
        mode: Any = "overwrite" if e_tag is None else {"e_tag": e_tag} if e_tag else "create"
        refused = self._known.AlreadyExistsError, self._known.PreconditionError, FileNotFoundError
        try:
            if e_tag and self._scheme == "gs":  # which goes by generations
                found = self.head(key)
                if found["e_tag"] != e_tag:
                    return None
                mode["version"] = found["version"]
            return str(_quoted(self._ask(lambda: self._put(key, data, mode)))["e_tag"])
        except refused as error:
            if mode == "overwrite":
                raise self._in_words(error) from error
            return None

    def delete(self, key: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._ask(lambda: self._store.delete(key))

    def _put(self, key: str, data: bytes | IO[bytes], mode: Any) -> Meta:
        if not isinstance(data, bytes):
            data.seek(0)  # it may be the second try
        found: Meta = self._store.put(key, data, mode=mode)
        return found

    def _profile(self) -> dict[str, Any]:
        """What boto3, if it is here, knows of profiles and sign-ons; nothing where it does not."""
        if self._scheme != "s3" or "AWS_ACCESS_KEY_ID" in os.environ:
            return {}
        try:
            from boto3 import Session  # type: ignore[import-untyped]
            from obstore.auth.boto3 import Boto3CredentialProvider
        except ImportError:
            return {}
        session = Session()
        if session.get_credentials() is None:
            return {}
        region = {"region": session.region_name} if session.region_name else {}
        return {"credential_provider": Boto3CredentialProvider(session), **region}

    def _ask(self, call: Callable[[], T], again: bool = True) -> T:
        known = self._known
        try:
            return call()
        except (FileNotFoundError, known.AlreadyExistsError, known.PreconditionError) as error:
            if _NO_BUCKET.search(str(error)):
                raise self._in_words(error) from error
            raise
        except (known.BaseError, OSError, ValueError) as error:
            if again and _is_refused(error):  # a file that says who we are may say another by now
                self._store = self._ask(self._opened, again=False)
                return self._ask(call, again=False)
            raise self._in_words(error) from error

    def _in_words(self, error: Exception) -> Exception:
        text = str(error)
        code = _CODE.search(text)
        said = code[1] if code else text.partition("\n")[0].rpartition(" - ")[2][:200]
        mend = f"set {_CREDENTIALS[self._scheme]}"
        if _NO_BUCKET.search(text):
            return StoreError(f"{self.address}: there is no such bucket: create it, or correct it")
        if _NONE.search(text):
            return StoreError(f"{self.address}: expected credentials, found none: {mend}")
        if _is_refused(error):
            return StoreError(f"{self.address}: access is refused ({said}): renew it, or {mend}")
        return StoreError(
            f"{self.address}: the store does not answer as it should ({said}): is it there, and "
            "the network up?"
        )


def _quoted(meta: Meta) -> Meta:
    """As HTTP has tags; Azure's listing leaves the quotes out."""
    tag = str(meta["e_tag"])
    return {**meta, "e_tag": tag if tag.endswith('"') else f'"{tag}"'}


def _is_refused(error: Exception) -> bool:
    return isinstance(error, PermissionError) or _DENIED.search(str(error)) is not None
