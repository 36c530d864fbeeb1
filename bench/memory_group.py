"""Holds a child process to so much memory, page cache included."""
import os
import pathlib
import sys

V1, V2 = pathlib.Path("/sys/fs/cgroup/memory"), pathlib.Path("/sys/fs/cgroup")


class MemoryGroup:
    """A memory control group of the kernel (version 1 or 2) for one child process.

    Give enter() to the child as preexec_fn and call remove() when it has ended. Without a limit, or where no group may be
    made (it says so), both do nothing.
    """

    def __init__(self, limit_bytes):
        self.folder = None
        if not limit_bytes:
            return
        base, name = (V1, "memory.limit_in_bytes") if V1.is_dir() else (V2, "memory.max")
        folder = base / f"neume-bench-{os.getpid()}"
        try:
            folder.mkdir()
            self.folder = folder
            (folder / name).write_text(str(limit_bytes))
        except OSError as error:
            print(f"no memory limit is set: {error}", file=sys.stderr)

    def enter(self):
        if self.folder:
            (self.folder / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self):
        if self.folder:
            self.folder.rmdir()
