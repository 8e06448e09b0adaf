//! The binary is a call into the library.

fn main() {}
