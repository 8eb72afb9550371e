//! What HTTP is to every route alike: what is taken from requests, how answers and problems look, what stands around
//! handlers, and the document.

pub mod cursor;
pub mod document;
pub mod extract;
pub mod keys;
pub mod layers;
pub mod problem;
mod read;
pub mod reply;
