//! The state machine of one control connection.
