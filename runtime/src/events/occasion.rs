//! The kinds of events by name, without what they hold: what policies subscribe to.

/// A kind of event. One bit each, so that asking whether anybody wants it costs nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is described at its case of `Kind`")]
pub enum Occasion {
    Connect,
    TlsEstablished,
    TlsFailed,
    LoginAttempt,
    LoginSucceeded,
    LoginFailed,
    Command,
    CommandUnknown,
    ProtocolMismatch,
    TransferStarted,
    TransferEnded,
    Timeout,
    LimitReached,
    Disconnected,
    Custom,
}

impl Occasion {
    /// All that this server emits.
    pub const ALL: [Occasion; 15] = [
        Occasion::Connect,
        Occasion::TlsEstablished,
        Occasion::TlsFailed,
        Occasion::LoginAttempt,
        Occasion::LoginSucceeded,
        Occasion::LoginFailed,
        Occasion::Command,
        Occasion::CommandUnknown,
        Occasion::ProtocolMismatch,
        Occasion::TransferStarted,
        Occasion::TransferEnded,
        Occasion::Timeout,
        Occasion::LimitReached,
        Occasion::Disconnected,
        Occasion::Custom,
    ];

    /// Their names, in the same order.
    pub const NAMES: [&'static str; Occasion::ALL.len()] = {
        let mut names = [""; Occasion::ALL.len()];
        let mut at = 0;
        while at < names.len() {
            names[at] = Occasion::ALL[at].name();
            at += 1;
        }
        names
    };

    /// The name under which a policy subscribes to it, as `wit/` spells it.
    pub const fn name(self) -> &'static str {
        match self {
            Occasion::Connect => "connect",
            Occasion::TlsEstablished => "tls-established",
            Occasion::TlsFailed => "tls-failed",
            Occasion::LoginAttempt => "login-attempt",
            Occasion::LoginSucceeded => "login-succeeded",
            Occasion::LoginFailed => "login-failed",
            Occasion::Command => "command",
            Occasion::CommandUnknown => "command-unknown",
            Occasion::ProtocolMismatch => "protocol-mismatch",
            Occasion::TransferStarted => "transfer-started",
            Occasion::TransferEnded => "transfer-ended",
            Occasion::Timeout => "timeout",
            Occasion::LimitReached => "limit-reached",
            Occasion::Disconnected => "disconnected",
            Occasion::Custom => "custom",
        }
    }

    /// The kind of that name.
    pub fn named(name: &str) -> Option<Occasion> {
        Occasion::ALL.into_iter().find(|occasion| occasion.name() == name)
    }

    /// Its bit in a set of kinds.
    pub const fn bit(self) -> u32 {
        1 << self as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_a_name_and_a_bit_of_its_own() {
        let bits = Occasion::ALL.iter().fold(0, |all: u32, one| all | one.bit());
        assert_eq!(bits.count_ones() as usize, Occasion::ALL.len());
        for name in Occasion::NAMES {
            assert_eq!(Occasion::named(name).map(Occasion::name), Some(name));
        }
        assert_eq!(Occasion::named("eclipse"), None);
    }
}
