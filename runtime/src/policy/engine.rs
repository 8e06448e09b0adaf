//! One engine for all policies: how guests are compiled, where their memory comes from, on which threads
//! they run and how many at once.

use std::future::Future;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Instant;

use tokio::runtime::{Builder, Handle, Runtime};
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinHandle};
use wasmtime::component::Component;
use wasmtime::{Config, Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::cache::Cache;
use super::clock::Clock;
use super::fault::LoadFault;
use super::worker::Worker;
use crate::config::settings::{Bounds, Policies, Settings};

/// Stack of a guest. Interpreters recurse deeply; a runaway must end long before the fiber's stack does.
const GUEST_STACK: usize = 256 * 1024;
/// Stack of the fiber: the difference is for host functions, whose overflow would end the process.
const FIBER_STACK: usize = 1024 * 1024;
/// Memory that a slot keeps between decisions. Page faults are the cost of a fresh instance: below this
/// they dominate, far above it the clearing does.
const KEEP_RESIDENT: usize = 512 * 1024;
const TABLE_KEEP_RESIDENT: usize = 16 * 1024;
/// All that 32 bits address: the pool bounds nothing, the policy's own bound does.
const POOL_MEMORY: usize = 1 << 32;
/// Core instances that a component may have: a tiny one has two to four, an interpreter several more.
const CORE_INSTANCES: u32 = 40;
const CORE_INSTANCES_USUAL: u32 = 6;
const MEMORIES: u32 = 4;
const MEMORIES_USUAL: u32 = 2;
const INSTANCE_BYTES: usize = 4 * 1024 * 1024;
/// Slots for loading, inspecting and checking beside decisions.
const SPARE_SLOTS: u32 = 8;

/// The engine could not start.
#[derive(Debug, thiserror::Error)]
#[error("the policy engine cannot start: {0}")]
pub struct EngineError(String);

/// Compiles and runs guests.
pub struct Engine {
    pub(super) wasm: wasmtime::Engine,
    /// Decisions under way, over all policies.
    pub(super) decisions: Arc<Semaphore>,
    /// Instances that are kept warm, over all policies: each holds a slot of the pool.
    pub(super) keep: Arc<Semaphore>,
    /// One compiler at a time: sessions need the cores.
    pub(super) compiler: Arc<Semaphore>,
    clock: Clock,
    cache: Option<Cache>,
    /// Compiles what does not come with this program; without one it is compiled here.
    worker: Option<Worker>,
    guests: Handle,
    runtime: Option<Runtime>,
}

/// Who made a component, as far as the compiler's time goes.
#[derive(Clone, Copy, Debug)]
pub(super) enum Origin {
    /// It came with this program.
    Ours,
    /// Anybody; the compiler is stopped then.
    Stranger { until: Instant },
}

std::thread_local! {
    static IS_GUEST_THREAD: std::cell::Cell<bool> = const { std::cell::Cell::new(false) };
}

impl Engine {
    /// Starts the engine, its clock and its threads. Where the address space is too small for a pool of
    /// instances, it goes without and warns: decisions are slower then.
    ///
    /// # Errors
    /// `EngineError` if the machine gives no threads or the processor is not supported.
    pub fn start(settings: &Settings) -> Result<Arc<Engine>, EngineError> {
        Engine::with(settings, None)
    }

    /// As [`Engine::start`], compiling what does not come with this program in processes of `program`, which
    /// answers to [`super::COMPILE`].
    ///
    /// # Errors
    /// `EngineError` if the machine gives no threads or the processor is not supported.
    pub fn start_apart(settings: &Settings, program: &Path) -> Result<Arc<Engine>, EngineError> {
        Engine::with(settings, Some(Worker::new(program, settings.policies.compiler_memory)))
    }

    fn with(settings: &Settings, worker: Option<Worker>) -> Result<Arc<Engine>, EngineError> {
        let wrong = |error: &dyn std::fmt::Display| EngineError(format!("{error:#}"));
        let bounds = settings.chain.iter().chain([&settings.keys]).map(|policy| &policy.bounds);
        let mut config = config();
        config.allocation_strategy(pool(&settings.policies, bounds));
        let wasm = match wasmtime::Engine::new(&config) {
            Ok(engine) => engine,
            Err(error) => {
                tracing::warn!(%error, "policy.pool-unavailable: decisions will be slower; lift the limit on address space (ulimit -v)");
                config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
                wasmtime::Engine::new(&config).map_err(|error| wrong(&error))?
            }
        };
        let clock = Clock::start(wasm.weak()).map_err(|error| wrong(&error))?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(settings.policies.threads.max(1))
            .thread_name("policy")
            .on_thread_start(|| IS_GUEST_THREAD.set(true))
            .enable_all()
            .build()
            .map_err(|error| wrong(&error))?;
        Ok(Arc::new(Engine {
            decisions: Arc::new(Semaphore::new(settings.policies.at_once)),
            keep: Arc::new(Semaphore::new(settings.policies.at_once)),
            compiler: Arc::new(Semaphore::new(1)),
            clock,
            cache: Cache::open(&settings.server.state, &wasm, settings.policies.compiled_cache),
            worker,
            wasm,
            guests: runtime.handle().clone(),
            runtime: Some(runtime),
        }))
    }

    /// Machine code of a component: from the disk if this server has compiled it before. For a thread that
    /// belongs to a load alone.
    ///
    /// # Errors
    /// What the engine says of it, or which bound of the compiler it broke.
    pub(super) fn compile(&self, wasm: &[u8], origin: Origin) -> Result<Component, LoadFault> {
        if let Some(cache) = &self.cache
            && let Some(known) = cache.find(&self.wasm, wasm)
        {
            return Ok(known);
        }
        let component = match (&self.worker, origin) {
            (Some(worker), Origin::Stranger { until }) => {
                Handle::current().block_on(worker.compile(&self.wasm, wasm, until))?
            }
            _ => Component::new(&self.wasm, wasm).map_err(LoadFault::refused)?,
        };
        if let Some(cache) = &self.cache {
            cache.keep(wasm, &component);
        }
        Ok(component)
    }

    /// Is this one of the threads that guests run on?
    pub(super) fn is_guest_thread() -> bool {
        IS_GUEST_THREAD.get()
    }

    /// Runs `work` on the guests' threads; dropping the returned future ends it at its next pause.
    pub(super) fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> Running<T> {
        let ticking = self.clock.ticking();
        Running(self.guests.spawn(async move {
            let _ticking = ticking;
            work.await
        }))
    }

    /// Runs `work` of a guest that came with this program on the thread that asks: it takes microseconds, less than
    /// it takes to wake another thread.
    pub(super) async fn run_here<T>(&self, work: impl Future<Output = T>) -> T {
        let _ticking = self.clock.ticking();
        work.await
    }

    /// Runs `work`, which may take seconds, beside all other threads.
    pub(super) fn run_long<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Running<T> {
        let ticking = self.clock.ticking();
        Running(self.guests.spawn_blocking(move || {
            let _ticking = ticking;
            work()
        }))
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Engine").finish_non_exhaustive()
    }
}

/// Work on the guests' threads, ended when nobody awaits it any more.
pub(super) struct Running<T>(JoinHandle<T>);

impl<T> Future for Running<T> {
    type Output = Result<T, JoinError>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context)
    }
}

impl<T> Drop for Running<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub(super) fn config() -> Config {
    let mut config = Config::new();
    config
        .epoch_interruption(true)
        .max_wasm_stack(GUEST_STACK)
        .async_stack_size(FIBER_STACK)
        // A recorded event replays to the same verdict on every node.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true)
        .wasm_memory64(false);
    config
}

fn pool<'a>(policies: &Policies, bounds: impl Iterator<Item = &'a Bounds>) -> PoolingAllocationConfig {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX / 8);
    // Running, kept warm, deriving keys, loading.
    let slots = 2 * count(policies.at_once) + count(policies.threads) + SPARE_SLOTS;
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(slots)
        .total_core_instances(slots * CORE_INSTANCES_USUAL)
        .total_memories(slots * MEMORIES_USUAL)
        .total_tables(slots * CORE_INSTANCES_USUAL)
        .total_stacks(slots)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(CORE_INSTANCES)
        .max_memory_size(POOL_MEMORY)
        .table_elements(bounds.map(|bounds| bounds.table_elements).max().unwrap_or_default())
        .max_component_instance_size(INSTANCE_BYTES)
        .max_core_instance_size(INSTANCE_BYTES)
        .linear_memory_keep_resident(KEEP_RESIDENT)
        .table_keep_resident(TABLE_KEEP_RESIDENT)
        .pagemap_scan(Enabled::Auto);
    pool
}
