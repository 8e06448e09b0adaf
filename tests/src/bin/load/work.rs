//! The kinds of work.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use anyhow::{Result, ensure};
use rustls::client::Resumption;
use rustls::{ClientConfig, HandshakeKind, ProtocolVersion};
use tests::tls;
use tokio::io::AsyncReadExt;
use tokio::task::LocalSet;

use crate::clock::{Clock, Done};
use crate::control::{connect, greeted, logged_in};
use crate::data::Mover;
use crate::plan::Plan;

/// TLS sessions that a client keeps, as real ones do.
const SESSIONS: usize = 32;

/// Whole sessions, several at once.
pub async fn sessions(work: &str, plan: Plan) -> Result<Done> {
    let config = match work {
        "login" => Some(tls::alike(&plan.certificate, Resumption::disabled())),
        _ => None,
    };
    let clock = Rc::new(RefCell::new(Clock::new(plan.count, plan.seconds)));
    let seen = Rc::new(RefCell::new(String::new()));
    let set = LocalSet::new();
    let mut tasks = Vec::new();
    for _ in 0..plan.at_once {
        let (plan, config, clock, seen) = (plan.clone(), config.clone(), clock.clone(), seen.clone());
        let refused = work == "refused";
        tasks.push(set.spawn_local(async move {
            loop {
                let Some(begun) = clock.borrow_mut().begin() else { return Ok::<(), anyhow::Error>(()) };
                let told = match &config {
                    Some(config) => login(&plan, config).await?,
                    None if refused => be_refused(&plan).await?,
                    None => greet(&plan).await?,
                };
                clock.borrow_mut().end(begun);
                seen.replace(told);
            }
        }));
    }
    set.await;
    for task in tasks {
        task.await??;
    }
    let clock = Rc::into_inner(clock).expect("the tasks that shared it are over").into_inner();
    Ok(clock.done(0, seen.take()))
}

/// Files or listings, one after the other in one session; TLS sessions are offered for resumption as real clients do.
pub async fn transfers(work: &str, plan: Plan) -> Result<Done> {
    let config = tls::alike(&plan.certificate, Resumption::in_memory_sessions(SESSIONS));
    let control = logged_in(&plan, &config).await?;
    let mut clock = Clock::new(plan.count, plan.seconds);
    let size = plan.bytes;
    let mut mover = Mover::new(plan, config, control).await?;
    let (mut done, mut bytes) = (0, 0);
    while let Some(begun) = clock.begin() {
        bytes += match work {
            "upload" => mover.upload().await.map(|()| size)?,
            "list" => mover.list("LIST").await?,
            "mlsd" => mover.list("MLSD").await?,
            _ => mover.download().await.map(|()| size)?,
        };
        clock.end(begun);
        done += 1;
    }
    let seen = format!("{} of {done} data connections resumed", mover.resumed);
    let done = clock.done(bytes, seen);
    mover.quit().await?;
    Ok(done)
}

async fn be_refused(plan: &Plan) -> Result<String> {
    let mut stream = connect(plan, plan.server).await?;
    let mut told = [0; 512];
    let mut length = 0;
    loop {
        match stream.read(&mut told[length..]).await {
            Ok(0) => break,
            Ok(count) => length += count,
            // A server that closes without reading what never came may reset.
            Err(_) => break,
        }
        ensure!(length < told.len(), "a refusal of more than {length} bytes");
    }
    let told = String::from_utf8_lossy(&told[..length]).trim().to_owned();
    ensure!(!told.starts_with('2'), "not refused, but greeted: {told}");
    Ok(if told.is_empty() { "closed without a word".to_owned() } else { told })
}

async fn greet(plan: &Plan) -> Result<String> {
    let mut control = greeted(plan).await?;
    control.quit().await?;
    Ok(String::new())
}

async fn login(plan: &Plan, config: &Arc<ClientConfig>) -> Result<String> {
    let mut control = logged_in(plan, config).await?;
    let tls = control.stream().get_ref().1;
    let full = matches!(tls.handshake_kind(), Some(HandshakeKind::Full | HandshakeKind::FullWithHelloRetryRequest));
    ensure!(full && tls.protocol_version() == Some(ProtocolVersion::TLSv1_3), "no full TLS 1.3 handshake");
    let seen = format!("{:?}", tls.negotiated_cipher_suite().map(|suite| suite.suite()));
    control.quit().await?;
    Ok(seen)
}
