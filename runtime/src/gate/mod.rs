//! Decides whether a peer may speak to us at all, before TLS and before a greeting.
//!
//! Trust: the address is the kernel's; nothing else is known yet. Must not know: FTP, TLS, policies, the store, the clock (it is told the moment).
