//! Control operations through the layers that route: what each layer does with each operation, by
//! tables and against a model.

#[path = "../common/mod.rs"]
mod common;
mod members;
mod mirror;
mod model;
mod parts;
mod remap;
mod sparse;
