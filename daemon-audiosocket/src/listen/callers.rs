//! Callers.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;

use crate::call::{Shared, handle};

/// Accepts callers for ever.
pub(crate) async fn serve(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                tokio::spawn(handle(stream, peer, Arc::clone(&shared)));
            }
            Err(error) => {
                // Out of descriptors, most likely: others must close theirs first.
                tracing::warn!(%error, "cannot accept a caller");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}
