//! A world in which budgets are simulated: replicas, the ledger, a network that loses, doubles and reorders, clocks that
//! disagree, and people who change limits. One seed is one schedule; the same seed is the same schedule everywhere.

pub mod audit;
pub mod ending;
pub mod events;
pub mod random;
pub mod world;

use random::Random;
use world::{Fixtures, World};

/// Runs one schedule to its end. `Err` says which promise was broken.
pub fn run(seed: u64, fixtures: &Fixtures) -> Result<(), String> {
    let mut world = World::new(Random::new(seed), fixtures);
    let steps = 20 + world.random.below(50);
    for _ in 0..steps {
        events::step(&mut world)?;
    }
    ending::settle_down(&mut world)?;
    ending::count(&world)?;
    ending::probe(&mut world)
}
