"""Install Backstop into a virtual environment from its locks, whatever surrounds it.

    python3 deploy/install.py .venv runtime    what the service needs, and Backstop itself
    python3 deploy/install.py .venv dev        that, and the development tools

The Makefile calls this. Standard library only: it runs before anything is installed.

- Locks are complete, so nothing is resolved: a newer release in an index changes nothing.
- Of the user's pip configuration only counts where packages come from and how to get there. The
  rest (`user`, `target`, `no-binary`, `constraint`, ...) was meant for other installations.
- One installation at a time. Whoever waited finds it done; one that was cut off begins anew.
"""

from __future__ import annotations

import ast
import errno
import fcntl
import hashlib
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
INPUTS = {
    "runtime": ("requirements.lock", "pyproject.toml"),
    "dev": ("requirements-dev.lock", "requirements.lock", "pyproject.toml"),
}
"""The stages in their order, and what decides each; its lock comes first."""
SOURCES = {
    "PIP_CACHE_DIR", "PIP_CERT", "PIP_CLIENT_CERT", "PIP_DEFAULT_TIMEOUT", "PIP_EXTRA_INDEX_URL",
    "PIP_FIND_LINKS", "PIP_INDEX_URL", "PIP_KEYRING_PROVIDER", "PIP_NO_CACHE_DIR", "PIP_NO_INDEX",
    "PIP_PROXY", "PIP_RESUME_RETRIES", "PIP_RETRIES", "PIP_TIMEOUT", "PIP_TRUSTED_HOST",
    "PIP_USE_DEPRECATED", "PIP_USE_FEATURE",
}  # fmt: skip
"""The settings of pip that say where packages come from and how to get there, certificates too."""
WHOLE = ".whole"
"""Names the place of an environment into which nothing was installed by halves."""
FOREIGN = re.compile(r"PIP_|PYTHON|VIRTUAL_ENV|__PYVENV_LAUNCHER__")
"""Begins the variables that are about other Pythons and other installations."""


NO_FILES = {"PIP_CONFIG_FILE": os.devnull}
"""Says to pip that it reads no configuration."""


class InstallationError(Exception):
    """Why Backstop is not installed, and what to do."""


def main(venv: str, stage: str) -> int:
    """Install what is not yet up to and with a stage; returns the exit code."""
    directory = Path(venv).absolute()
    stages = list(INPUTS)
    try:
        with exclusive(directory.with_name(directory.name + ".lock")):
            for one in stages[: stages.index(stage) + 1]:
                install(directory, one)
    except InstallationError as error:
        print(error, file=sys.stderr)
    except OSError as error:
        print(f"Backstop cannot be installed: {explained(error)}", file=sys.stderr)
    except KeyboardInterrupt:
        print("Interrupted: the next make installs it again.", file=sys.stderr)
    else:
        return 0
    return 1


def install(venv: Path, stage: str) -> None:
    """Bring the environment to what the stage's inputs say."""
    stamp, told = venv / f".{stage}", told_by(venv, stage)
    usable = works(venv)
    if usable and stamp.exists() and stamp.read_text("utf-8") == told:
        stamp.touch()
        return
    print(f"Installing into {venv.name}: {stage} (only when its lock changed) ...", flush=True)
    stamp.unlink(missing_ok=True)
    if not usable:
        run(sys.executable, "-I", "-m", "venv", "--clear", str(venv))
    whole = venv / WHOLE
    whole.unlink(missing_ok=True)
    lock = INPUTS[stage][0]
    pip = [*python(venv), "-m", "pip", "--disable-pip-version-check", "--no-input"]
    settings = sources(pip)
    # Errors still show; pip's warnings about its own configuration do not help here.
    unresolved = [*pip, "--quiet", "--quiet", "install", "--no-deps"]
    run(*unresolved, "--require-hashes", "--requirement", lock, **settings)
    if stage == "runtime":
        run(*unresolved, "--no-build-isolation", "--editable", ".", **settings)
    check(pip, lock)
    whole.write_text(str(venv), "utf-8")
    stamp.write_text(told, "utf-8")


def told_by(venv: Path, stage: str) -> str:
    """What a stamp says: where the environment is, for it cannot be moved, and what made it."""
    inputs = hashlib.sha256()
    for name in INPUTS[stage]:
        inputs.update((ROOT / name).read_bytes())
    return f"{venv}\n{inputs.hexdigest()}\n"


def works(venv: Path) -> bool:
    """Whether the environment is where it was made, was never left half done, and has its Python.

    An upgrade of the system can take that away.
    """
    whole = venv / WHOLE
    if not whole.exists() or whole.read_text("utf-8") != str(venv):
        return False
    try:
        return called(*python(venv), "-c", "").returncode == 0
    except OSError:
        return False


def sources(pip: list[str]) -> dict[str, str]:
    """Where the user's own configuration of pip gets packages from, as variables.

    pip is asked: it knows its files, and which of them comes first.
    """
    given = {name: os.environ[name] for name in SOURCES if os.environ.get(name)}
    # Whatever the files say, this pip answers, of all its files, and the answer is printed.
    asking = given | {"PIP_PYTHON": pip[0], "PIP_USER": "0", "PIP_QUIET": "0"}
    asking["PIP_LOG"] = os.devnull
    if "PIP_CONFIG_FILE" in os.environ:
        asking["PIP_CONFIG_FILE"] = os.environ["PIP_CONFIG_FILE"]
    listed = run(*pip, "config", "list", **asking)
    found: dict[str, str] = {}
    # The section of a command counts more than [global]; of files, pip lists the strongest last.
    lines = re.findall(r"^(global|install)\.([a-z-]+)=(.*)$", listed, re.MULTILINE)
    for _, setting, value in sorted(lines, key=lambda line: line[0]):
        found[f"PIP_{setting.replace('-', '_').upper()}"] = ast.literal_eval(value)
    return {name: found[name] for name in SOURCES if name in found} | given | NO_FILES


def check(pip: list[str], lock: str) -> None:
    """Refuse a lock that lacks something or contradicts itself: nothing was resolved.

    What an earlier lock left behind may complain; it is not looked at.
    """
    done = called(*pip, "check", **NO_FILES)
    pins = re.findall(r"^([\w.-]+)(?:\[.*\])?==", (ROOT / lock).read_text("utf-8"), re.MULTILINE)
    own = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["name"]
    names = {normal(name) for name in [*pins, own]}
    complaints = [line for line in done.stdout.splitlines() if normal(line.split(" ")[0]) in names]
    if complaints or done.returncode not in (0, 1):
        raise InstallationError(
            "\n  ".join([f"Not installed: {lock} does not fit together.", *complaints])
            + "\n`make lock` makes it anew from pyproject.toml."
        )


def normal(name: str) -> str:
    """A package's name in one spelling."""
    return re.sub(r"[-_.]+", "-", name).lower()


def python(venv: Path) -> list[str]:
    """The environment's Python, which looks at no variable and at no folder but its own."""
    return [str(venv / "bin" / "python"), "-I"]


def run(*command: str, **variables: str) -> str:
    """What a command prints; a failure ends the installation, its errors are shown."""
    done = called(*command, **variables)
    if done.returncode:
        what = " ".join(command[2:])
        raise InstallationError(f"{done.stdout}Not installed, see above: python {what}")
    return done.stdout


def called(*command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """A command that has run, in an environment without what is about other Pythons."""
    kept = {name: value for name, value in os.environ.items() if not FOREIGN.match(name)}
    return subprocess.run(
        command, cwd=ROOT, env=kept | variables, stdout=subprocess.PIPE, text=True, check=False
    )


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """While the body runs no other process is in one; the lock ends with its process."""
    with path.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print("Waiting for another make that installs ...", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:
            pass  # a file system without locks: there nothing can be kept out
        yield


def explained(error: OSError) -> str:
    """What could not be written, whose it is, and what to do."""
    if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
        return str(error)
    path = Path(str(error.filename or ROOT))
    while not os.path.lexists(path):
        path = path.parent
    owner = str(path.lstat().st_uid)
    with suppress(KeyError):
        owner = path.owner()
    return (
        f"{error.filename}: {error.strerror}; {path} belongs to {owner}.\n"
        "make writes into its checkout. Run it as that user, or in a copy of your own (cp -R)."
    )


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
