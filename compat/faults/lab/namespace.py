"""Network namespaces without names. One lives as long as a process or a handle is in it, so nothing has to be removed."""

import ctypes
import fcntl
import os
import signal
import struct
import subprocess

CLONE_NEWNET = 0x40000000
PR_SET_PDEATHSIG = 1
TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
LIBC = ctypes.CDLL(None, use_errno=True)


def checked(result, what):
    if result != 0:
        number = ctypes.get_errno()
        raise SystemExit(f"faults: cannot {what}: {os.strerror(number)}. It takes root, or CAP_SYS_ADMIN and CAP_NET_ADMIN.")


def die_with_parent():
    """For a child, between fork and exec: the kernel ends it when the laboratory ends, however that ends."""
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class Namespace:
    """A host with one address, wired to the switch by a TUN device; `with` enters it, for sockets and processes."""

    HOME = os.open("/proc/self/ns/net", os.O_RDONLY)

    def __init__(self, address):
        self.address = address
        checked(LIBC.unshare(CLONE_NEWNET), "make a network namespace")
        try:
            self.handle = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
            self.tun = tun("wire")
            for command in ("link set lo up", f"address add {address}/16 dev wire", "link set wire up"):
                subprocess.run(["ip", *command.split()], check=True)
        finally:
            self.__exit__()

    def __enter__(self):
        checked(LIBC.setns(self.handle, CLONE_NEWNET), "enter a network namespace")
        return self

    def __exit__(self, *_):
        checked(LIBC.setns(self.HOME, CLONE_NEWNET), "leave a network namespace")


def tun(name):
    """A device whose packets this process reads and writes, in the current namespace."""
    try:
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    except OSError as error:
        raise SystemExit(f"faults: the laboratory's wires are TUN devices, and /dev/net/tun cannot be opened: {error.strerror}") from error
    fcntl.ioctl(device, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN | IFF_NO_PI))
    return device
