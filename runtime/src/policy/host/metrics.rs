//! Counters of the policy's own.

use super::Caller;
use super::wit::metrics::Host;

impl Host for Caller {
    fn count(&mut self, name: String, label: String, by: u64) -> wasmtime::Result<()> {
        self.meter.host_call()?;
        self.host.offer.series.lock().count(name, label, by);
        Ok(())
    }
}
