//! A text that must not be seen: a password, a key.

/// Has no `Display`, `Clone` or `Serialize`, and its `Debug` says nothing, so that it cannot end up in a
/// log, an event or a policy by accident.
pub struct Secret(String);

impl Secret {
    /// Takes the text over.
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// The text, for the one who checks it.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// A second one, for a thread of its own; within this room, so that copies stay few.
    pub(super) fn copy(&self) -> Secret {
        Secret(self.0.clone())
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Secret(..)")
    }
}
