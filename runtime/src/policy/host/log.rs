//! Lines in the server's log.

use super::super::text;
use super::Caller;
use super::wit::log::{Host, Level};

impl Host for Caller {
    fn write(&mut self, level: Level, message: String) -> wasmtime::Result<()> {
        self.meter.host_call()?;
        if self.host.offer.may_write() {
            let (policy, says) = (&self.host.offer.name, text::line(&message));
            match level {
                Level::Debug => tracing::debug!(%policy, %says, "policy.says"),
                Level::Info => tracing::info!(%policy, %says, "policy.says"),
                Level::Warn => tracing::warn!(%policy, %says, "policy.says"),
                Level::Error => tracing::error!(%policy, %says, "policy.says"),
            }
        }
        Ok(())
    }
}
