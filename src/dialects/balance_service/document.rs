//! The interface in JSON Schema and OpenAPI, made of the very types that decode and answer.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::balance::BalanceResult;
use super::call::Method;
use super::code::{BalanceServiceCode, RefusalBody};
use super::kind::{Family, VOID_RETURN};
use super::model::{Inserted, Selected};
use super::params;

/// What writes the OpenAPI Operation of a method's own address.
pub(crate) fn of(method: Method) -> fn() -> Value {
    match method {
        Method::GetUserBalance => || operation(Method::GetUserBalance),
        Method::AdjustBalance => || operation(Method::AdjustBalance),
        Method::QueueManualVoidReturn => || operation(Method::QueueManualVoidReturn),
        Method::GetTransactionsByGameRound => || operation(Method::GetTransactionsByGameRound),
        Method::GetTransactionById => || operation(Method::GetTransactionById),
        Method::GetTransactionsByPartnerTransactionId => || operation(Method::GetTransactionsByPartnerTransactionId),
        Method::GetLatestTransactionByTransactionTypeId => {
            || operation(Method::GetLatestTransactionByTransactionTypeId)
        }
    }
}

fn operation(method: Method) -> Value {
    json!({
        "summary": summary(method),
        "description": description(),
        "operationId": method.name(),
        "tags": ["balance_service"],
        "security": [{ "apiKey": [] }],
        "requestBody": { "required": true, "content": content(&request(method)) },
        "responses": responses(&response(method)),
    })
}

fn summary(method: Method) -> &'static str {
    match method {
        Method::GetUserBalance => "A user's balances in one product",
        Method::AdjustBalance => "Move a user's money: stakes, returns, awards, voided stakes",
        Method::QueueManualVoidReturn => "Ask an operator to void a transaction",
        Method::GetTransactionsByGameRound => "Every transaction of a game round, oldest first",
        Method::GetTransactionById => "One transaction by its number",
        Method::GetTransactionsByPartnerTransactionId => "Transactions by the partner's own id, oldest first",
        Method::GetLatestTransactionByTransactionTypeId => "A user's newest transaction of a type",
    }
}

/// The OpenAPI Operation of every other address: other spellings of the methods', and what is no method.
pub(crate) fn elsewhere() -> Value {
    json!({
        "summary": "The same methods by other spellings of their names",
        "description": description(),
        "operationId": "BalanceService",
        "tags": ["balance_service"],
        "security": [{ "apiKey": [] }],
        "parameters": [{
            "name": "method",
            "in": "path",
            "required": true,
            "description": "The method that the body names, too; in any case.",
            "schema": { "type": "string" },
        }],
        "requestBody": { "required": true, "content": content(&call(&json!({ "type": "string" }), &json!({ "type": "object" }))) },
        "responses": responses(&json!({ "oneOf": answers() })),
    })
}

fn content(schema: &Value) -> Value {
    json!({ "application/json": { "schema": schema } })
}

fn responses(answer: &Value) -> Value {
    let failed =
        |description: &str| json!({ "description": description, "content": content(&schema::<RefusalBody>()) });
    let mut unavailable = failed("The database is away: send the same request again. Nothing happens twice.");
    unavailable["headers"] = json!({ "Retry-After": { "description": "Seconds.", "schema": { "type": "integer" } } });
    json!({
        "200": { "description": "A result, or an error with its code.", "content": content(answer) },
        "401": failed("The API key is missing or not one of the party's."),
        "503": unavailable,
    })
}

fn description() -> String {
    let codes = BalanceServiceCode::ALL.map(|code| {
        let (number, description) = code.told();
        format!("| {number} | {description} |")
    });
    format!(
        "Names of members, parameters and methods are read in any case; what is not listed is ignored. \
         `Accept` must allow `application/json`.\n\n| code | description |\n|---|---|\n{}",
        codes.join("\n")
    )
}

/// Every method's request and response as JSON Schema, by the name of its file.
pub fn schemas() -> Vec<(String, Value)> {
    let of_method = Method::ALL.into_iter().flat_map(|method| {
        let name = method.name();
        [(format!("{name}-req"), request(method)), (format!("{name}-res"), response(method))]
    });
    of_method.chain([("error-res".to_owned(), schema::<RefusalBody>())]).collect()
}

fn request(method: Method) -> Value {
    let params = match method {
        Method::GetUserBalance => schema::<params::UserBalance>(),
        Method::AdjustBalance => adjust_params(),
        Method::QueueManualVoidReturn => {
            let mut queue = schema::<params::QueueVoidParams>();
            queue["properties"]["transaction_type_id"] = json!({ "type": "integer", "const": VOID_RETURN });
            queue
        }
        Method::GetTransactionsByGameRound => schema::<params::ByRound>(),
        Method::GetTransactionById => schema::<params::ById>(),
        Method::GetTransactionsByPartnerTransactionId => schema::<params::ByReference>(),
        Method::GetLatestTransactionByTransactionTypeId => schema::<params::Latest>(),
    };
    call(&json!({ "type": "string", "enum": [method.name()] }), &params)
}

fn call(method: &Value, params: &Value) -> Value {
    json!({
        "type": "object",
        "required": ["method", "params"],
        "properties": {
            "method": method,
            "id": { "description": "Yours; it is not looked at." },
            "params": params,
        },
    })
}

/// Which parameters must be there depends on the type.
fn adjust_params() -> Value {
    let families = Family::ALL.map(|family| {
        let kinds: Vec<i32> = family.kinds().map(|(kind, _)| kind).collect();
        let names: Vec<&str> = family.kinds().map(|(_, name)| name).collect();
        json!({
            "description": names.join(", "),
            "properties": { "transaction_type_id": { "enum": kinds } },
            "required": family.required(),
        })
    });
    let mut params = schema::<params::AdjustParams>();
    params["oneOf"] = json!(families);
    params
}

/// What a method answers with: its result, or an error.
fn response(method: Method) -> Value {
    let result = match method {
        Method::GetUserBalance => schema::<BalanceResult>(),
        Method::AdjustBalance => schema::<Inserted>(),
        Method::QueueManualVoidReturn => json!({ "const": true }),
        Method::GetTransactionById | Method::GetLatestTransactionByTransactionTypeId => schema::<Selected>(),
        Method::GetTransactionsByGameRound | Method::GetTransactionsByPartnerTransactionId => {
            json!({ "type": "array", "items": schema::<Selected>() })
        }
    };
    json!({ "oneOf": [success(result), schema::<RefusalBody>()] })
}

/// Each kind of answer once.
fn answers() -> Vec<Value> {
    let selected = schema::<Selected>();
    let results = [
        schema::<BalanceResult>(),
        schema::<Inserted>(),
        json!({ "const": true }),
        selected.clone(),
        json!({ "type": "array", "items": selected }),
    ];
    results.into_iter().map(success).chain([schema::<RefusalBody>()]).collect()
}

fn success(result: Value) -> Value {
    json!({
        "type": "object",
        "required": ["id", "result"],
        "properties": { "id": { "type": "null" }, "result": result },
        "additionalProperties": false,
    })
}

/// The schema of a type, whole: nothing is referred to.
fn schema<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    let settings = settings.with_transform(RecursiveTransform(bounded));
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(object) = schema.as_object_mut() {
        object.remove("title");
    }
    schema
}

/// Says of integers what their formats mean.
fn bounded(schema: &mut Schema) {
    let bounds = match schema.get("format").and_then(Value::as_str) {
        Some("int32") => (i64::from(i32::MIN), i64::from(i32::MAX)),
        Some("int64") => (i64::MIN, i64::MAX),
        _ => return,
    };
    schema.insert("minimum".to_owned(), json!(bounds.0));
    schema.insert("maximum".to_owned(), json!(bounds.1));
}
