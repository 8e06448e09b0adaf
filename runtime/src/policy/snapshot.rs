//! Keeps what `configure` left in a guest's memory, as a component of its own: every decision starts from
//! there at no cost.

use wasmtime::component::{ComponentNamedList, Instance, Lift, WasmList};
use wasmtime::{Store, StoreContextMut};
use wasmtime_wizer::{ComponentContext, ComponentInstanceState, Wizer};

use super::fault::{Failure, LoadFault};
use super::limits::Guest;
use super::text;

/// The component, made so that its memory can be read.
///
/// # Errors
/// `Snapshot` for shapes that this cannot be done with.
pub(super) fn instrument(component: &[u8]) -> Result<(ComponentContext<'_>, Vec<u8>), LoadFault> {
    Wizer::new().instrument_component(component).map_err(fault)
}

/// The component as it is after what has run in the instance.
///
/// # Errors
/// `Snapshot` if its memory could not be read.
pub(super) async fn take(
    context: &ComponentContext<'_>,
    store: &mut Store<Guest<()>>,
    instance: Instance,
) -> Result<Vec<u8>, LoadFault> {
    // The memory itself is the result of a call here, and that is bounded already.
    store.set_hostcall_fuel(usize::MAX);
    let mut reader = Reader { store, instance, failure: None };
    let snapshot = Wizer::new().snapshot_component(context, &mut reader).await.map_err(fault)?;
    match reader.failure {
        None => Ok(snapshot),
        Some(failure) => Err(LoadFault::Snapshot(failure.to_string())),
    }
}

fn fault(error: wasmtime::Error) -> LoadFault {
    LoadFault::Snapshot(text::line(&error.root_cause().to_string()))
}

/// Reads globals and memories. The trait knows no errors: the first is kept, and voids the snapshot.
struct Reader<'a> {
    store: &'a mut Store<Guest<()>>,
    instance: Instance,
    failure: Option<Failure>,
}

impl Reader<'_> {
    async fn read<T, R>(
        &mut self,
        of: &str,
        name: &str,
        with: impl FnOnce(StoreContextMut<'_, Guest<()>>, T) -> R,
    ) -> Option<R>
    where
        (T,): ComponentNamedList + Lift,
        T: Send + Sync + 'static,
    {
        match self.call::<T>(of, name).await {
            Ok(value) => Some(with(wasmtime::AsContextMut::as_context_mut(self.store), value)),
            Err(error) => {
                self.failure.get_or_insert(error.into());
                None
            }
        }
    }

    async fn call<T>(&mut self, of: &str, name: &str) -> wasmtime::Result<T>
    where
        (T,): ComponentNamedList + Lift,
        T: Send + Sync + 'static,
    {
        let missing = || wasmtime::Error::msg("an accessor is missing");
        let group = self.instance.get_export_index(&mut *self.store, None, of).ok_or_else(missing)?;
        let index = self.instance.get_export_index(&mut *self.store, Some(&group), name).ok_or_else(missing)?;
        let function = self.instance.get_typed_func::<(), (T,)>(&mut *self.store, index)?;
        Ok(function.call_async(&mut *self.store, ()).await?.0)
    }
}

impl ComponentInstanceState for Reader<'_> {
    async fn call_func_ret_list_u8(&mut self, instance: &str, func: &str, contents: impl FnOnce(&[u8]) + Send) {
        self.read(instance, func, |store, list: WasmList<u8>| contents(list.as_le_slice(&store))).await;
    }

    async fn call_func_ret_s32(&mut self, instance: &str, func: &str) -> i32 {
        self.read(instance, func, |_, value| value).await.unwrap_or_default()
    }

    async fn call_func_ret_s64(&mut self, instance: &str, func: &str) -> i64 {
        self.read(instance, func, |_, value| value).await.unwrap_or_default()
    }

    async fn call_func_ret_f32(&mut self, instance: &str, func: &str) -> u32 {
        self.read(instance, func, |_, value: f32| value.to_bits()).await.unwrap_or_default()
    }

    async fn call_func_ret_f64(&mut self, instance: &str, func: &str) -> u64 {
        self.read(instance, func, |_, value: f64| value.to_bits()).await.unwrap_or_default()
    }
}
