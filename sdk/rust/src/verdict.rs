//! Verdicts, bans and subjects, built in one breath.

use crate::{Ban, Decision, Reach, Refusal, Subject, Verdict};

impl Verdict {
    /// No opinion.
    pub fn pass() -> Verdict {
        Verdict::of(Decision::Pass)
    }

    /// Final yes for this event.
    pub fn allow() -> Verdict {
        Verdict::of(Decision::Allow)
    }

    /// Final no for this event, with the text of the reply.
    pub fn refuse(text: impl Into<String>) -> Verdict {
        Verdict::of(Decision::Refuse(Refusal { text: Some(text.into()), close: false }))
    }

    /// Final no, and the connection is closed.
    pub fn refuse_and_close(text: impl Into<String>) -> Verdict {
        Verdict::of(Decision::Refuse(Refusal { text: Some(text.into()), close: true }))
    }

    /// The answer to the client waits so long.
    #[must_use]
    pub fn delay_milliseconds(self, milliseconds: u32) -> Verdict {
        Verdict { delay_milliseconds: milliseconds, ..self }
    }

    /// One more ban, whatever the decision.
    #[must_use]
    pub fn ban(mut self, ban: Ban) -> Verdict {
        self.bans.push(ban);
        self
    }

    /// Lifts a ban that this policy made.
    #[must_use]
    pub fn lift(mut self, subject: Subject) -> Verdict {
        self.lifts.push(subject);
        self
    }

    /// One more line for people, in the log.
    #[must_use]
    pub fn alert(mut self, line: impl Into<String>) -> Verdict {
        self.alerts.push(line.into());
        self
    }

    fn of(decision: Decision) -> Verdict {
        Verdict {
            decision,
            delay_milliseconds: 0,
            bans: Vec::new(),
            lifts: Vec::new(),
            alerts: Vec::new(),
            more: Vec::new(),
        }
    }
}

impl Ban {
    /// Of the subject, for a reason that people read; on all nodes of the site, until lifted.
    pub fn of(subject: Subject, reason: impl Into<String>) -> Ban {
        Ban { subject, seconds: None, reason: reason.into(), message: None, reach: Reach::Site }
    }

    /// For so long.
    #[must_use]
    pub fn seconds(self, seconds: u32) -> Ban {
        Ban { seconds: Some(seconds), ..self }
    }

    /// What the client is told; `%a` is its address, `%u` the user, `%c` the class, `%t` the time left.
    #[must_use]
    pub fn message(self, message: impl Into<String>) -> Ban {
        Ban { message: Some(message.into()), ..self }
    }

    /// How far it reaches.
    #[must_use]
    pub fn reach(self, reach: Reach) -> Ban {
        Ban { reach, ..self }
    }
}

impl Subject {
    /// One address, as an event tells it.
    pub fn host(address: &str) -> Subject {
        Subject::Host(address.to_owned())
    }

    /// A network, as [`crate::host::networks::around`] tells it.
    pub fn network(cidr: &str) -> Subject {
        Subject::Network(cidr.to_owned())
    }

    /// A user, from wherever: whoever knows the name can shut its owner out, so prefer
    /// [`Subject::user_at_host`].
    pub fn user(name: &str) -> Subject {
        Subject::User(name.to_owned())
    }

    /// A user from one address.
    pub fn user_at_host(name: &str, address: &str) -> Subject {
        Subject::UserAtHost((name.to_owned(), address.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ban_stands_beside_the_decision() {
        let ban = Ban::of(Subject::host("192.0.2.7"), "test").seconds(60).message("Wait %t.").reach(Reach::Node);
        let verdict = Verdict::pass().ban(ban).alert("look");
        assert_eq!(verdict.decision, Decision::Pass);
        assert_eq!(verdict.bans[0].seconds, Some(60));
        assert_eq!(verdict.bans[0].reach, Reach::Node);
        assert_eq!(verdict.alerts, ["look"]);
    }
}
