//! [`ServiceManager`]: tells the manager of services that started this process how far it is, as systemd's `Type=notify` wants it.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use tracing::warn;

/// The manager that waits for this process to be ready, if there is one.
#[derive(Clone, Debug)]
pub struct ServiceManager {
    socket: Option<OsString>,
}

impl ServiceManager {
    /// The manager whose datagram socket is `socket`, the value of `NOTIFY_SOCKET`: a path, or `@` and a name outside the file
    /// system (Linux only). `None` and an empty value are no manager.
    pub fn at(socket: Option<OsString>) -> Self {
        Self { socket: socket.filter(|name| !name.is_empty()) }
    }

    /// The port is open, and the registry is whole.
    pub fn ready(&self) {
        self.tell("READY=1");
    }

    /// The process ends by itself from now on.
    pub fn stopping(&self) {
        self.tell("STOPPING=1");
    }

    /// A manager that cannot be told is logged: it will end this process when its patience ends, and somebody will look for why.
    fn tell(&self, state: &str) {
        if let Some(name) = &self.socket
            && let Err(error) = send(name, state)
        {
            warn!(%error, socket = %name.display(), "NOTIFY_SOCKET: the service manager cannot be told {state}");
        }
    }
}

fn send(name: &OsStr, state: &str) -> io::Result<()> {
    let address = match name.as_bytes().strip_prefix(b"@") {
        Some(name) => abstract_address(name)?,
        None => SocketAddr::from_pathname(name)?,
    };
    let socket = UnixDatagram::unbound()?;
    // A manager that reads nothing must not stop the server.
    socket.set_nonblocking(true)?;
    socket.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(target_os = "linux")]
fn abstract_address(name: &[u8]) -> io::Result<SocketAddr> {
    <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn abstract_address(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::Error::new(io::ErrorKind::Unsupported, "names outside the file system are Linux's"))
}
