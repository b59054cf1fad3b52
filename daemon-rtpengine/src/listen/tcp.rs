//! NG over TCP: the same requests as over UDP, one after the other on each connection.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

use super::framer::{Framer, FramingError};
use crate::service::{Handled, Service};

/// Connections at a time; more wait in the kernel.
const MAX_CONNECTIONS: usize = 1024;
/// Octets read at a time.
const CHUNK: usize = 16 * 1024;

/// Accepts connections for ever.
pub(crate) async fn serve(listener: TcpListener, service: Arc<Service>) {
    let connections = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&connections).acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, peer)) => {
                let service = Arc::clone(&service);
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, peer, &service).await {
                        tracing::debug!(%peer, %error, "connection lost");
                    }
                    drop(permit);
                });
            }
            Err(error) => {
                // Out of descriptors, most likely: others must close theirs first.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(std::time::Duration::from_millis(100)).await;
            }
        }
    }
}

async fn converse(
    mut stream: TcpStream,
    peer: SocketAddr,
    service: &Service,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut framer = Framer::default();
    let mut chunk = vec![0; CHUNK];
    let mut scratch = Vec::new();
    loop {
        let len = stream.read(&mut chunk).await?;
        if len == 0 {
            return Ok(());
        }
        framer.push(&chunk[..len]);
        loop {
            match framer.next_frame() {
                Ok(None) => break,
                Ok(Some(frame)) => {
                    let handled = service.handle_datagram(peer, &frame.datagram, &mut scratch);
                    if let Handled::Reply(reply) = handled {
                        stream.write_all(&reply).await?;
                    }
                }
                Err(error) => {
                    tracing::debug!(%peer, %error, "closing a connection");
                    // What broke the stream gets the error that it would get over UDP.
                    if error == FramingError::NotADocument
                        && let Handled::Reply(reply) =
                            service.handle_datagram(peer, framer.rest(), &mut scratch)
                    {
                        stream.write_all(&reply).await?;
                    }
                    return stream.shutdown().await;
                }
            }
        }
    }
}
