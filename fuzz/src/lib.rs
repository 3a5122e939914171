//! What the fuzz targets share: a party that speaks every dialect, and a visitor that plays a request to its end.

pub mod party;
pub mod request;
pub mod visitor;
pub mod message;
