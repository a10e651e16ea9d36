"""Start a program that has given up root and does not outlive the service.

A script of its own, run as `python launch.py PARENT UID GID PROGRAM [ARGUMENT ...]`, and not a
`preexec_fn`: Python code between fork and exec can deadlock in a process that has threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def launch(parent: int, user: int, group: int, command: list[str]) -> None:
    """Become `command`, as `user` and `group` when started by root."""
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(group)
        os.setuid(user)
    if sys.platform == "linux":
        # However the service ends, its server shuts down in order. A change of user clears this
        # request, so it comes after; a parent that died before it is seen below.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGINT)
    if os.getppid() != parent:
        sys.exit(f"{command[0]}: the service has ended")
    try:
        # A full path: searching for one would import modules that `user` may not be able to read.
        os.execv(command[0], command)  # noqa: S606 - no shell is the point
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    launch(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:])
