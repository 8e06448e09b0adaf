//! A server's log, line by line, as JSON.

use std::net::SocketAddr;

use serde_json::Value;

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// As it was written.
    pub raw: String,
    value: Value,
}

impl Line {
    /// Every line of a log; those that are not JSON have no fields.
    pub fn all(log: &str) -> Vec<Line> {
        log.lines()
            .map(|raw| Line { raw: raw.to_owned(), value: serde_json::from_str(raw).unwrap_or(Value::Null) })
            .collect()
    }

    /// The constant words: what happened.
    pub fn message(&self) -> &str {
        self.text("message")
    }

    /// A field as text; empty if it is missing or no text.
    pub fn text(&self, name: &str) -> &str {
        self.field(name).and_then(Value::as_str).unwrap_or_default()
    }

    /// A field as a number.
    pub fn number(&self, name: &str) -> Option<u64> {
        let field = self.field(name)?;
        field.as_u64().or_else(|| field.as_str()?.parse().ok())
    }

    /// A field that is yes or no.
    pub fn flag(&self, name: &str) -> Option<bool> {
        self.field(name)?.as_bool()
    }

    /// Whether this line is the outcome of a connection.
    pub fn is_outcome(&self) -> bool {
        matches!(self.message(), "connection.ended" | "connection.refused")
    }

    /// Whether the line is about a client at `address`, whatever its port.
    pub fn peer_is(&self, address: &str) -> bool {
        let peer = self.text("peer");
        peer.parse::<SocketAddr>().is_ok_and(|peer| peer.ip().to_string() == address) || peer == address
    }

    fn field(&self, name: &str) -> Option<&Value> {
        self.value.get("fields").and_then(|fields| fields.get(name)).or_else(|| self.value.get(name))
    }
}
