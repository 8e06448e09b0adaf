//! Asks PAM whether a password is right and the account is in force. The only file that names `nonstick`.
//!
//! Trust: none in the modules; they are the operator's, and may prompt oddly, talk, hang, or make another user
//! of the one who was named. Nothing that they say leaves this file. Must not know: files, replies, policies.

use std::cell::Cell;
use std::ffi::{OsStr, OsString};

use nonstick::conv::Exchange;
use nonstick::items::{Items, ItemsMut};
use nonstick::{AuthnFlags, Conversation, ErrorCode, PamShared, Transaction, TransactionBuilder};

use super::outside::{No, Question};

/// Prompts that one login answers: a stack of modules may ask for the password once each. More is a module that
/// goes round in circles.
const PROMPTS_MAX: u32 = 16;

/// Answers what modules ask, as far as a name and a password can.
struct Answers {
    name: OsString,
    password: OsString,
    left: Cell<u32>,
}

impl Conversation for Answers {
    fn communicate(&self, messages: &[Exchange<'_>]) {
        for message in messages {
            let Some(left) = self.left.get().checked_sub(1) else {
                message.set_error(ErrorCode::ConversationError);
                continue;
            };
            self.left.set(left);
            match message {
                Exchange::MaskedPrompt(asked) => asked.set_answer(Ok(self.password.clone())),
                // What is shown while it is typed is no password.
                Exchange::Prompt(asked) => asked.set_answer(Ok(self.name.clone())),
                // Nobody reads it: it could hold anything, and is for a person at a terminal.
                Exchange::Info(told) => told.set_answer(Ok(())),
                Exchange::Error(told) => told.set_answer(Ok(())),
                other => other.set_error(ErrorCode::ConversationError),
            }
        }
    }
}

/// Authentication, then account management. Blocks as long as the modules do.
pub(super) fn ask(question: &Question) -> Result<(), No> {
    let (name, password) = (OsString::from(question.name.as_str()), OsString::from(question.password.reveal()));
    let answers = Answers { name: name.clone(), password, left: Cell::new(PROMPTS_MAX) };
    let trouble = |error: ErrorCode| No::Trouble(format!("PAM cannot start: {error:?}"));
    let mut pam =
        TransactionBuilder::new_with_service(&question.service).username(&name).build(answers).map_err(trouble)?;
    let from = question.from.to_string();
    pam.items_mut().set_remote_host(Some(OsStr::new(&from))).map_err(trouble)?;
    let flags = AuthnFlags::SILENT | AuthnFlags::DISALLOW_NULL_AUTHTOK;
    pam.authenticate(flags).map_err(not_authenticated)?;
    pam.account_management(flags).map_err(not_in_force)?;
    let named = pam.items().user().map_err(trouble)?;
    // Bans, counters and the home folder go by the name that was typed.
    if named.as_ref() != Some(&name) {
        return Err(No::Trouble("a PAM module changed the user's name".to_owned()));
    }
    Ok(())
}

fn not_authenticated(error: ErrorCode) -> No {
    match error {
        ErrorCode::UserUnknown => No::Unknown,
        ErrorCode::AuthenticationError | ErrorCode::MaxTries | ErrorCode::CredentialsInsufficient => No::Wrong,
        ErrorCode::PermissionDenied
        | ErrorCode::AccountExpired
        | ErrorCode::NewAuthTokRequired
        | ErrorCode::AuthTokExpired
        | ErrorCode::CredentialsExpired => No::Denied,
        other => No::Trouble(format!("PAM cannot authenticate: {other:?}")),
    }
}

/// The password was right.
fn not_in_force(error: ErrorCode) -> No {
    match error {
        ErrorCode::UserUnknown
        | ErrorCode::AuthenticationError
        | ErrorCode::PermissionDenied
        | ErrorCode::AccountExpired
        | ErrorCode::NewAuthTokRequired
        | ErrorCode::AuthTokExpired
        | ErrorCode::CredentialsExpired => No::Denied,
        other => No::Trouble(format!("PAM cannot manage the account: {other:?}")),
    }
}
