//! The moment of the event, however long the decision takes.

use super::Caller;
use super::wit::clock::Host;

impl Host for Caller {
    fn now(&mut self) -> wasmtime::Result<u64> {
        self.meter.host_call()?;
        Ok(self.host.now.millis())
    }
}
