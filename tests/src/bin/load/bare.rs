//! The yardsticks for refusals: accept, write a line, close, and nothing else. What a server does beyond
//! this for a client that it refuses is its own cost.

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};

use anyhow::Result;
use tokio::io::AsyncWriteExt;

const LINE: &[u8] = b"421 Access denied\r\n";

/// One thread, one connection after the other.
pub fn blocking() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?);
    loop {
        let (mut client, _) = listener.accept()?;
        // A client that has gone is not this loop's trouble.
        let _ = client.write_all(LINE);
    }
}

/// The same on tokio's loop, which is what a server on tokio cannot beat.
pub async fn tokio() -> Result<()> {
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (mut client, _) = listener.accept().await?;
        let _ = client.write_all(LINE).await;
    }
}
