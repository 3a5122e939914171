//! The program as its users meet it: the binary as a process of its own, a real RabbitMQ between it and the test, and
//! each scenario on both databases.
//!
//! Reading order: [`services`] (broker and Postgres), [`certificates`] (certificates), [`process`] (the program), [`stage`] (all of that for one test),
//! [`wire`] (one message at a time), [`raw`] (bytes that no client sends), [`play`] (thousands of them),
//! [`proxy`], [`kill_point_proxy`] and [`pooler`] (what stands between), [`processes`] (several Pursers), then the scenarios.

pub mod services;
pub mod certificates;
pub mod process;
pub mod stage;
pub mod wire;
mod raw;
mod codes;
mod tokens;
mod keys;
mod malformed;
mod frames;
mod misrouted;
mod direct;
mod ordering;
mod backlog;
pub mod play;
pub mod dead;
mod check;
mod backup;
mod shell;
mod faults;
mod unroutable;
mod poisoned;
pub mod proxy;
mod kill_point_proxy;
mod pooler;
mod processes;
mod chaos;
mod crash;
mod kill_points;
mod contention;
mod outages;
mod takeover;
mod hosts;
pub mod ledgers;
mod absence;
mod cluster;
mod disk;
mod standby;
mod clocks;
pub mod collector;
mod traces;
mod tls;
mod permissions;
mod flooder;
mod control_tenant;
mod flood;
mod letters;
mod classic;
mod practice;
mod listening;
mod looking;
mod crooked;
mod conform;
mod watched;
