//! The second opinion: from reads and registry facts to days and rupiah, written the plain way and from the rules alone.
//!
//! Volumes and registers are millilitres in `i128`, times whole seconds, money an exact decimal.

pub mod calendar;
pub mod compare;
pub mod days;
pub mod device;
pub mod facts;
pub mod leaks;
pub mod path;
pub mod reads;
pub mod rules;
pub mod step;
pub mod tariff;

#[cfg(test)]
mod cases_tests;
#[cfg(test)]
mod device_tests;
#[cfg(test)]
mod example;
#[cfg(test)]
mod path_tests;
