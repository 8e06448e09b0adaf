//! An event as one line of JSON, short enough for the log.

use portcullis_sdk::{Direction, Event, EventKind, LoginCause, Transfer, TransferResult};
use serde_json::{Value, json};

/// The event's kind, and all of its facts.
pub fn line(event: &Event) -> (&'static str, String) {
    let (kind, detail) = kind(&event.kind);
    let session = &event.session;
    let facts = json!({
        "kind": kind,
        "detail": detail,
        "at": event.at,
        "node": event.node,
        "server": event.server,
        "connection": event.connection,
        "peer": format!("{} {}", event.peer.address, event.peer.port),
        "local": format!("{} {}", event.local.address, event.local.port),
        "classes": event.classes,
        "user": event.user,
        "in": event.logged_in,
        "session": [
            session.commands,
            session.unknown_commands,
            session.failed_logins,
            session.transfers,
            session.bytes_in,
            session.bytes_out,
        ],
        "started": session.started,
        "tls": event.tls.as_ref().map(|tls| json!([
            tls.version, tls.cipher, tls.server_name, tls.alpn, tls.resumed, tls.ja4, tls.client_certificate
        ])),
        "history": event.history.map(|past| json!([past.last_success, past.good_users, past.earlier_bans])),
        "degraded": event.store_degraded,
    });
    (kind, facts.to_string())
}

fn kind(kind: &EventKind) -> (&'static str, Value) {
    match kind {
        EventKind::Connect => ("connect", Value::Null),
        EventKind::TlsEstablished => ("tls-established", Value::Null),
        EventKind::TlsFailed(reason) => ("tls-failed", json!(reason)),
        EventKind::LoginAttempt(tag) => ("login-attempt", json!(tag)),
        EventKind::LoginSucceeded => ("login-succeeded", Value::Null),
        EventKind::LoginFailed(failure) => ("login-failed", json!([cause(failure.cause), failure.attempt_tag])),
        EventKind::Command(command) => ("command", json!([command.verb, command.argument])),
        EventKind::CommandUnknown(command) => ("command-unknown", json!([command.verb, command.argument])),
        EventKind::ProtocolMismatch(protocol) => ("protocol-mismatch", json!(protocol)),
        EventKind::TransferStarted(transfer) => ("transfer-started", moved(transfer)),
        EventKind::TransferEnded((transfer, result)) => ("transfer-ended", json!([moved(transfer), end(*result)])),
        EventKind::Timeout(wait) => ("timeout", json!(wait)),
        EventKind::LimitReached(limit) => ("limit-reached", json!(limit)),
        EventKind::Disconnected(outcome) => ("disconnected", json!(outcome)),
        EventKind::Custom((name, data)) => ("custom", json!([name, data])),
        EventKind::Other(other) => ("other", json!(other.name)),
    }
}

fn moved(transfer: &Transfer) -> Value {
    let direction = match transfer.direction {
        Direction::Upload => "upload",
        Direction::Download => "download",
        Direction::Listing => "listing",
    };
    json!([direction, transfer.path, transfer.bytes, transfer.milliseconds])
}

fn cause(cause: LoginCause) -> &'static str {
    match cause {
        LoginCause::UnknownUser => "unknown-user",
        LoginCause::WrongPassword => "wrong-password",
        LoginCause::EmptyPassword => "empty-password",
        LoginCause::ForbiddenUser => "forbidden-user",
        LoginCause::AnonymousRefused => "anonymous-refused",
        LoginCause::DeniedByRule => "denied-by-rule",
        LoginCause::CertificateRefused => "certificate-refused",
    }
}

fn end(result: TransferResult) -> &'static str {
    match result {
        TransferResult::Complete => "complete",
        TransferResult::Aborted => "aborted",
        TransferResult::TimedOut => "timed-out",
        TransferResult::Refused => "refused",
        TransferResult::Failed => "failed",
    }
}
