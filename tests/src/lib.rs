//! The harness of the suites that need a real broker and a real database, and the rules the repository keeps.
//!
//! One broker and one database serve the whole run; every story lives in a [`world::World`] of its own (topic prefix,
//! database, processes, ports), so stories run side by side. Services are the real binaries in processes of their own,
//! because what is proved here is what happens when they are killed. [`oracle`] knows the right answer without any of
//! the code under test, and [`workload`] makes reads whose right answer it can know.

pub mod base;
pub mod collector;
#[cfg(test)]
mod differential;
#[cfg(test)]
mod kubernetes;
#[cfg(test)]
mod layout;
pub mod manifests;
pub mod oracle;
#[cfg(test)]
mod promises;
pub mod workload;
pub mod world;
