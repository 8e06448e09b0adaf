//! What a policy author needs in Rust: the contract's types, one trait for each world, the host's
//! interfaces as plain functions, and a pretend host, so that a policy is tested with `cargo test`.
//!
//! ```
//! use portcullis_sdk::{About, Ban, Event, EventKind, HostInfo, Policy, SettingError, Subject, Verdict};
//!
//! /// Bans whoever speaks HTTP to the FTP port.
//! struct NoHttp;
//!
//! #[derive(serde::Deserialize)]
//! struct NoSettings {}
//!
//! impl Policy for NoHttp {
//!     type Settings = NoSettings;
//!
//!     const ABOUT: About = About {
//!         name: "no-http",
//!         version: "1.0.0",
//!         summary: "Bans for an hour whoever speaks HTTP to the FTP port.",
//!         events: &["protocol-mismatch"],
//!         facts: &[],
//!         settings_schema: r#"{ "type": "object", "additionalProperties": false }"#,
//!     };
//!
//!     fn configure(_: NoSettings, _: &HostInfo) -> Result<NoHttp, Vec<SettingError>> {
//!         Ok(NoHttp)
//!     }
//!
//!     fn evaluate(&self, event: &Event) -> Verdict {
//!         match &event.kind {
//!             EventKind::ProtocolMismatch(protocol) if protocol == "http" => {
//!                 Verdict::pass().ban(Ban::of(Subject::host(&event.peer.address), "spoke HTTP").seconds(3600))
//!             }
//!             _ => Verdict::pass(),
//!         }
//!     }
//! }
//!
//! portcullis_sdk::export_policy!(NoHttp);
//! # fn main() {}
//! ```

#[allow(unsafe_code, reason = "generated: the calls across the border of the component")]
#[allow(missing_docs, clippy::all, reason = "generated; the documentation is in wit/")]
#[doc(hidden)]
pub mod bindings;
mod export;
pub mod host;
mod policy;
#[cfg(not(target_arch = "wasm32"))]
pub mod pretend;
mod span;
mod verdict;

pub use bindings::ban::portcullis::policy::types::{
    Ban, Command, Decision, Description, Direction, Endpoint, Event, EventKind, Fact, History, HostInfo, LoginCause,
    LoginFailure, OtherEvent, Place, Reach, Refusal, SessionFacts, SettingError, Subject, TlsFacts, Transfer,
    TransferResult, Verdict,
};
pub use bindings::keys::exports::portcullis::policy::key_guest::{DerivedKey, Entry, Format, Purpose, Request};
#[doc(hidden)]
pub use export::Loaded;
pub use policy::{About, KeyPolicy, Policy, setting_error};
pub use span::Span;
