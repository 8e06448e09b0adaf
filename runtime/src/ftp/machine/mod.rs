//! The state machine of one control connection.

use crate::moment::Moment;

use super::effect::{Effects, Input};

/// What the machine is told about the server.
#[derive(Clone, Debug)]
pub struct MachineSettings {
    /// The text after `220 `; may have several lines.
    pub banner: String,
    /// USER, PASS and data only under TLS.
    pub tls_required: bool,
    /// AUTH TLS is offered.
    pub tls_available: bool,
    /// Failed logins before the connection ends.
    pub login_tries: u32,
    /// Unknown commands before login, before the connection ends.
    pub unknown_commands: u32,
    /// Bytes of a password.
    pub password_bytes: usize,
    /// Commands that wait while a transfer runs.
    pub queued_commands: usize,
    /// PORT and EPRT are offered.
    pub active_mode: bool,
}

/// The state machine of one control connection; see [`super::effect`] for the rules of the game.
#[derive(Debug)]
pub struct Machine {
    settings: std::sync::Arc<MachineSettings>,
}

impl Machine {
    /// For a connection that the gate has not yet let in.
    pub fn new(settings: impl Into<std::sync::Arc<MachineSettings>>) -> Machine {
        Machine { settings: settings.into() }
    }

    /// What follows from what happened.
    pub fn on(&mut self, _input: Input<'_>, _now: Moment) -> Effects {
        Effects::default()
    }

    /// Feed no line now.
    pub fn is_full(&self) -> bool {
        self.settings.queued_commands == 0
    }

    /// Between `Effect::Transfer` and `Input::TransferDone`.
    pub fn transfer_running(&self) -> bool {
        false
    }

    /// A login was granted.
    pub fn logged_in(&self) -> bool {
        false
    }

    /// Who is logged in, or was named by USER.
    pub fn user(&self) -> Option<&str> {
        None
    }

    /// The control connection is under TLS.
    pub fn protected(&self) -> bool {
        false
    }

    /// `Effect::End` was given.
    pub fn ended(&self) -> bool {
        false
    }
}
