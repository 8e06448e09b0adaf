//! WASI with nothing in it. Whatever a toolchain's output imports is there and grants nothing: no file, no
//! socket, no environment, no argument, an output that is swallowed, an input that has ended. The time is the
//! event's (with the grant `clock`, else 1970), randomness is a sequence that the event and `random-seed`
//! determine: a recorded event replays to the same verdict.
//!
//! One answer for each type of value, and a few for functions whose callers insist on more.

use wasmtime::StoreContextMut;
use wasmtime::component::types::{ComponentFunc, ComponentItem, Type};
use wasmtime::component::{Component, Linker, Resource, ResourceAny, ResourceType, Val};

use super::fault::{FailureKind, Spent};
use super::limits::Guest;
use crate::moment::Moment;

/// Names that WASI's interfaces begin with.
pub(super) const PREFIX: &str = "wasi:";
/// Bytes that one call for randomness may ask for.
const RANDOM_BYTES_MAX: u64 = 4096;
/// Room that an output claims to have.
const OUTPUT_BYTES: u64 = 65_536;

/// What every resource of WASI is here.
struct Nothing;

/// What WASI may tell a guest.
pub(super) trait Surroundings {
    /// The time.
    fn time(&self) -> Moment;
}

impl Surroundings for () {
    fn time(&self) -> Moment {
        Moment::from_millis(0)
    }
}

/// Defines all that a component imports of WASI, and nothing else.
pub(super) fn link<H: Surroundings + Send + 'static>(
    linker: &mut Linker<Guest<H>>,
    engine: &wasmtime::Engine,
    component: &Component,
) -> wasmtime::Result<()> {
    let types = component.component_type();
    for (interface, import) in types.imports(engine) {
        let ComponentItem::ComponentInstance(instance) = import.ty else { continue };
        if !interface.starts_with(PREFIX) {
            continue;
        }
        let mut offered = linker.instance(interface)?;
        for (name, item) in instance.exports(engine) {
            match item.ty {
                ComponentItem::ComponentFunc(_) => {
                    let interface = interface.to_owned();
                    let function = name.to_owned();
                    offered.func_new(name, move |mut store, of, given, answers| {
                        store.data_mut().meter.wasi_call()?;
                        answer(&mut store, &interface, &function, &of, given, answers)
                    })?;
                }
                ComponentItem::Resource(_) => {
                    offered.resource(name, ResourceType::host::<Nothing>(), |_, _| Ok(()))?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn answer<H: Surroundings>(
    store: &mut StoreContextMut<'_, Guest<H>>,
    interface: &str,
    function: &str,
    of: &ComponentFunc,
    given: &[Val],
    answers: &mut [Val],
) -> wasmtime::Result<()> {
    let interface = interface.split('@').next().unwrap_or_default();
    if interface == "wasi:cli/exit" {
        return Err(Spent(FailureKind::Trap).into());
    }
    for (answer, wanted) in answers.iter_mut().zip(of.results()) {
        *answer = match special(store, interface, function, given) {
            Some(value) => value?,
            None => nothing(store, &wanted)?,
        };
    }
    Ok(())
}

/// Functions for which nothing is no good answer.
fn special<H: Surroundings>(
    store: &mut StoreContextMut<'_, Guest<H>>,
    interface: &str,
    function: &str,
    given: &[Val],
) -> Option<wasmtime::Result<Val>> {
    let guest = store.data_mut();
    Some(Ok(match (interface, function) {
        ("wasi:random/random" | "wasi:random/insecure", "get-random-bytes" | "get-insecure-random-bytes") => {
            let Some(Val::U64(count @ 0..=RANDOM_BYTES_MAX)) = given.first() else {
                return Some(Err(Spent(FailureKind::Transfer).into()));
            };
            Val::List((0..*count).map(|_| Val::U8(guest.meter.chance().to_le_bytes()[0])).collect())
        }
        ("wasi:random/random" | "wasi:random/insecure", _) => Val::U64(guest.meter.chance()),
        ("wasi:random/insecure-seed", _) => {
            Val::Tuple(vec![Val::U64(guest.meter.chance()), Val::U64(guest.meter.chance())])
        }
        ("wasi:clocks/wall-clock", "now") => {
            let time = guest.host.time();
            let nanoseconds = u32::try_from(time.millis() % 1000).unwrap_or_default() * 1_000_000;
            Val::Record(vec![
                ("seconds".to_owned(), Val::U64(time.seconds())),
                ("nanoseconds".to_owned(), Val::U32(nanoseconds)),
            ])
        }
        ("wasi:clocks/monotonic-clock", "now") => Val::U64(guest.host.time().millis().saturating_mul(1_000_000)),
        ("wasi:io/streams", "[method]output-stream.check-write") => {
            Val::Result(Ok(Some(Box::new(Val::U64(OUTPUT_BYTES)))))
        }
        ("wasi:io/streams", output) if output.starts_with("[method]output-stream.") && output != SUBSCRIBE => {
            Val::Result(Ok(None))
        }
        ("wasi:io/poll", "[method]pollable.ready") => Val::Bool(true),
        ("wasi:io/poll", "poll") => {
            let Some(Val::List(asked)) = given.first() else { return None };
            Val::List((0..asked.len()).filter_map(|at| u32::try_from(at).ok()).map(Val::U32).collect())
        }
        _ => return None,
    }))
}

const SUBSCRIBE: &str = "[method]output-stream.subscribe";

/// The value of a type that says least: empty, none, zero, an error.
fn nothing<H>(store: &mut StoreContextMut<'_, Guest<H>>, of: &Type) -> wasmtime::Result<Val> {
    Ok(match of {
        Type::Bool => Val::Bool(false),
        Type::S8 => Val::S8(0),
        Type::U8 => Val::U8(0),
        Type::S16 => Val::S16(0),
        Type::U16 => Val::U16(0),
        Type::S32 => Val::S32(0),
        Type::U32 => Val::U32(0),
        Type::S64 => Val::S64(0),
        Type::U64 => Val::U64(0),
        Type::Float32 => Val::Float32(0.0),
        Type::Float64 => Val::Float64(0.0),
        Type::Char => Val::Char(' '),
        Type::String => Val::String(String::new()),
        Type::List(_) => Val::List(Vec::new()),
        Type::Option(_) => Val::Option(None),
        Type::Flags(_) => Val::Flags(Vec::new()),
        Type::Enum(names) => Val::Enum(names.names().next().unwrap_or_default().to_owned()),
        Type::Record(record) => {
            let mut fields = Vec::new();
            for field in record.fields() {
                fields.push((field.name.to_owned(), nothing(store, &field.ty)?));
            }
            Val::Record(fields)
        }
        Type::Tuple(tuple) => {
            let parts: wasmtime::Result<Vec<Val>> = tuple.types().map(|part| nothing(store, &part)).collect();
            Val::Tuple(parts?)
        }
        Type::Variant(variant) => {
            // A stream that has ended is `closed`.
            let closed = variant.cases().find(|case| case.name == "closed");
            let Some(case) = closed.or_else(|| variant.cases().next()) else { return Err(refused()) };
            let inner = case.ty.map(|inner| nothing(store, &inner)).transpose()?;
            Val::Variant(case.name.to_owned(), inner.map(Box::new))
        }
        Type::Result(result) => match result.err() {
            Some(error) => Val::Result(Err(Some(Box::new(nothing(store, &error)?)))),
            None => Val::Result(Err(None)),
        },
        Type::Own(_) => Val::Resource(ResourceAny::try_from_resource(Resource::<Nothing>::new_own(0), &mut *store)?),
        _ => return Err(refused()),
    })
}

fn refused() -> wasmtime::Error {
    Spent(FailureKind::Trap).into()
}
