//! What is true of every route.

mod access;
mod connections;
mod document;
mod protocol;
