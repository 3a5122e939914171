//! What the operations look like from outside, in OpenAPI's words.
use serde_json::{Value, json};
pub fn show() -> Value {
    json!({})
}
pub fn submit() -> Value {
    json!({})
}
pub fn exchange() -> Value {
    json!({})
}
pub fn revoke() -> Value {
    json!({})
}
pub fn profile() -> Value {
    json!({})
}
pub fn buy_vip() -> Value {
    json!({})
}
