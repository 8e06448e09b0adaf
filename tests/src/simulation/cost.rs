//! What a pool asks of its memcached servers while nothing is wrong: counted, to be compared with what the manual says.

use std::time::Duration;

use portcullis::moment::Moment;

use super::SECOND;
use super::plot::Plot;
use super::story::{Event, Faults, Scenario, Story};
use super::truth::address;
use super::world::World;

/// By then every node has begun to look, and each journal exists.
const WARM: u64 = 5 * SECOND;

/// Counted over a pool.
#[derive(Clone, Copy, Debug)]
pub struct Cost {
    /// Requests that a server answers in a second, clients not counted.
    pub requests: f64,
    /// Bytes of values that a server sends in a second.
    pub bytes: f64,
    /// Requests of one ban, on the node that makes it.
    pub ban: u64,
    /// Requests of one connection of a host that nobody has banned, with one key.
    pub connect: u64,
    /// Requests of one connection of a host that its node refuses already.
    pub refused: u64,
}

/// Counts what so many nodes with so many servers and bans a second cost, over so many seconds.
pub fn cost(nodes: u64, servers: u64, rate: u64, seconds: u64) -> Cost {
    let scenario = Scenario {
        name: "cost",
        nodes: (nodes, nodes),
        servers: (servers, servers),
        seconds,
        bans: 0,
        faults: Faults::NONE,
        plot: Plot::Steady,
        sample: 1,
    };
    let mut story = Story::of(&scenario, 1);
    story.replicas = 0;
    let mut world = World::new(&story, 1, None);
    world.run_to(WARM);
    let begun = world.load();
    for number in 0..rate * seconds {
        let at = WARM + number * SECOND / rate;
        world.run_to(at);
        let host = number as usize;
        let span = Some(Duration::from_secs(3600));
        world.happen_unjudged(at, &Event::Ban { node: host % nodes as usize, host, span, twin: false });
    }
    let end = WARM + seconds * SECOND;
    world.run_to(end);
    let done = world.load();
    let each = |count: u64| count as f64 / seconds as f64 / servers as f64;
    let (requests, bytes) = (each(done.requests - begun.requests), each(done.bytes_out - begun.bytes_out));
    let (refused, connect) = (connected(&mut world, 0), connected(&mut world, 1_000_000));
    Cost { requests, bytes, ban: made(&mut world), connect, refused }
}

/// A node that nobody else asks anything of meanwhile: the looks of all nodes are told apart by stopping them.
fn alone(world: &mut World) -> u64 {
    world.stop_looking();
    world.load().requests
}

fn connected(world: &mut World, host: usize) -> u64 {
    let before = alone(world);
    let Some(node) = &world.nodes[0] else { return 0 };
    let (bans, now) = (node.bans.clone(), Moment::from_millis(super::world::own_now(node)));
    world.timeline.spawn(super::executor::NOBODY, async move {
        if bans.on_host(address(host), &[], now).is_none() {
            bans.ask_pool_host(address(host), &[], now).await;
        }
    });
    world.run_to(world.timeline.micros() + SECOND / 10);
    world.load().requests - before
}

fn made(world: &mut World) -> u64 {
    let before = alone(world);
    let at = world.timeline.micros();
    world.happen_unjudged(at, &Event::Ban { node: 0, host: 2_000_000, span: None, twin: false });
    world.run_to(at + SECOND / 10);
    world.load().requests - before
}
