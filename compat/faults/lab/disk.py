"""A small disk of a laboratory: a file system in memory, in a mount namespace that ends with the laboratory's process."""

import errno
import subprocess
from pathlib import Path

from .namespace import LIBC, checked

CLONE_NEWNS = 0x00020000


class Disk:
    def __init__(self, lab, size):
        """`size` as `mount` takes it, such as `256k`."""
        checked(LIBC.unshare(CLONE_NEWNS), "make a mount namespace")
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        self.path = Path(lab.folder, "disk")
        self.path.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", self.path], check=True)
        self.ballast = self.path / "ballast"

    def fill(self):
        """Takes all room that is left."""
        with self.ballast.open("wb", buffering=0) as ballast:
            try:
                while True:
                    ballast.write(bytes(4096))
            except OSError as error:
                if error.errno != errno.ENOSPC:
                    raise

    def empty(self):
        self.ballast.unlink()

    def writable(self, is_it):
        subprocess.run(["mount", "-o", f"remount,{'rw' if is_it else 'ro'}", self.path], check=True)
