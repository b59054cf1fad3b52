//! TCP connections, and HTTP over them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use super::PATIENCE;

/// A connection that does not wait for ever.
pub(crate) fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_nodelay(true).expect("a TCP option");
    stream
        .set_read_timeout(Some(PATIENCE))
        .expect("a timeout above zero is accepted");
    stream
}

/// Status code, content type and body of the reply.
pub(crate) fn http(address: SocketAddr, request: &str, body: &str) -> (u16, String, String) {
    let mut stream = connect(address);
    let length = body.len();
    write!(
        stream,
        "{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .expect("the request is taken");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("a reply of text");
    let (head, body) = text.split_once("\r\n\r\n").expect("head and body");
    let status = head.split(' ').nth(1).and_then(|code| code.parse().ok());
    let kind = head
        .lines()
        .find_map(|line| line.strip_prefix("content-type: "))
        .unwrap_or_default();
    (
        status.expect("a status code"),
        kind.to_owned(),
        body.to_owned(),
    )
}
