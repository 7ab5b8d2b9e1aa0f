//! The Lambda API as a client sees it: real HTTP requests through the front, the real store, neighbours in memory.
//! Expected values are those recorded from the real service.

mod alias;
mod concurrency;
mod coverage;
mod create;
mod dead_letters;
mod delete;
mod errors;
mod event_invoke;
mod event_source_mapping;
mod fakes;
mod image;
mod invoke;
mod layer;
mod lives;
mod permission;
mod provisioned;
mod rare;
mod read;
mod response_stream;
mod runtime;
mod settings_table;
mod tags;
mod update;
mod url;
mod url_requests;
mod versions;
mod world;
