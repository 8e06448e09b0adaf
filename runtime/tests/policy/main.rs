//! The policy engine over built components, the hostile one among them.

mod bounds;
mod chain;
mod crafted;
mod fixture;
mod keys;
mod load;
mod reload;
mod worker;
