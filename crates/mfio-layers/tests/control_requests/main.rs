//! The effect of layers on control operations: each test is a cell, or a row, of the table in the
//! documentation of a layer.

mod asked;
#[path = "../common/objects.rs"]
mod objects;

mod attach;
mod cache;
mod cache_forms;
mod cache_model;
mod fault;
mod limit;
mod retry;
mod stack;
mod timeout;
mod trace;
