"""What a filesystem raises, as a StorageError in one line: which place, why, the mend, and whether it may pass."""

import contextlib
import errno
from collections.abc import Iterator

from infra.errors import StorageError

# A server's trouble (s3fs makes EREMOTEIO of 500 and EBUSY of 503) and a network's: trying again may help.
_TRANSIENT = {
    errno.EIO,
    errno.EREMOTEIO,
    errno.EBUSY,
    errno.EAGAIN,
    errno.ETIMEDOUT,
    errno.ECONNRESET,
    errno.ECONNABORTED,
    errno.ECONNREFUSED,
    errno.EHOSTUNREACH,
    errno.EPIPE,
    errno.ENETUNREACH,
}
_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_NETWORK = {"botocore", "aiobotocore", "aiohttp", "urllib3"}


@contextlib.contextmanager
def storage_errors(verb: str, url: str) -> Iterator[None]:
    """Turn whatever a filesystem raises into a StorageError that names `url` and the mend."""
    try:
        yield
    except FileNotFoundError as error:
        raise StorageError(f"can't {verb} {url}: nothing is there", "check the name and the bucket") from error
    except PermissionError as error:
        mend = "check the credentials and the rights on this place"
        raise StorageError(f"can't {verb} {url}: no permission ({_reason(error)})", mend) from error
    except OSError as error:
        if error.errno in _FULL:
            raise StorageError(f"can't {verb} {url}: no space left", "free some space and run it again") from error
        if _is_of_network(error):
            raise _network_error(verb, url, error) from error
        transient = error.errno in _TRANSIENT or isinstance(error, ConnectionError | TimeoutError)
        raise StorageError(f"can't {verb} {url}: {_reason(error)}", "check the place", transient) from error
    except Exception as error:
        if "Credentials" in type(error).__name__:
            mend = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a profile"
            raise StorageError(f"can't {verb} {url}: {_reason(error)}", mend) from error
        if _is_of_network(error):
            raise _network_error(verb, url, error) from error
        raise


def _is_of_network(error: Exception) -> bool:
    """True for an error of a network library; some of these (timeouts of botocore's) are OSErrors as well."""
    return type(error).__module__.split(".")[0] in _NETWORK


def _network_error(verb: str, url: str, error: Exception) -> StorageError:
    mend = "check AWS_ENDPOINT_URL, the bucket's name and the network"
    return StorageError(f"can't {verb} {url}: {_reason(error)}", mend, transient=True)


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error) or type(error).__name__).strip()
