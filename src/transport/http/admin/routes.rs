//! The calls of `/admin/v1`, as a table: what each is called by, who may call it, and how it is described.

use serde_json::{Value, json};

use crate::config::Role;

/// Where they all begin.
pub(crate) const PATH: &str = "/admin/v1";

/// One call: those who answer looks and those who carry out acts each match all of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminCall {
    Look(AdminLook),
    Act(AdminAct),
}

/// What changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminLook {
    Search,
    Parties,
    Player,
    History,
    Order,
    Transaction,
    Entry,
    Voids,
    Approvals,
    Audit,
    DeadLetters,
    DeadGroups,
    Plan,
    Trail,
    Live,
}

/// What changes something, and is in the trail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AdminAct {
    AddPlayer,
    Deposit,
    Withdraw,
    ApproveVoid,
    DismissVoid,
    Approve,
    Reject,
    StartAudit,
    MakePlan,
    RunPlan,
}

/// How a call is reached.
#[derive(Debug, Clone, Copy)]
pub struct AdminRoute {
    pub call: AdminCall,
    /// Below [`PATH`]; `{name}` stands for one segment.
    pub path: &'static str,
    /// The lowest role that may.
    pub role: Role,
    /// As in logs, metrics and the trail.
    pub operation: &'static str,
    summary: &'static str,
    /// Names that the query may have.
    pub query: &'static [&'static str],
}

impl AdminRoute {
    pub fn method(&self) -> &'static str {
        match self.call {
            AdminCall::Look(_) => "GET",
            AdminCall::Act(_) => "POST",
        }
    }
}

const fn get(look: AdminLook, path: &'static str, operation: &'static str, summary: &'static str) -> AdminRoute {
    AdminRoute { call: AdminCall::Look(look), path, role: Role::Viewer, operation, summary, query: &[] }
}

const fn post(
    act: AdminAct,
    path: &'static str,
    role: Role,
    operation: &'static str,
    summary: &'static str,
) -> AdminRoute {
    AdminRoute { call: AdminCall::Act(act), path, role, operation, summary, query: &[] }
}

/// What a list takes.
const PAGE: &[&str] = &["limit", "after"];

/// Every call there is.
pub const ROUTES: [AdminRoute; 25] = [
    AdminRoute {
        query: &["q"],
        ..get(AdminLook::Search, "/search", "search", "Look for an exact name or number, in every party")
    },
    AdminRoute { query: PAGE, ..get(AdminLook::Parties, "/parties", "parties", "The parties that are configured") },
    get(
        AdminLook::Player,
        "/parties/{party}/players/{player}",
        "player",
        "A player: buckets, limits used today, what was bought",
    ),
    AdminRoute {
        query: PAGE,
        ..get(
            AdminLook::History,
            "/parties/{party}/players/{player}/history",
            "history",
            "A player's commands with their outcomes, newest first",
        )
    },
    get(AdminLook::Order, "/orders/{order}", "order", "An order (betId) with its commands"),
    AdminRoute {
        query: &["ledger"],
        ..get(
            AdminLook::Transaction,
            "/transactions/{number}",
            "transaction",
            "A partner's transaction with its command",
        )
    },
    AdminRoute {
        query: &["ledger"],
        ..get(
            AdminLook::Entry,
            "/journal/{number}",
            "journal",
            "A row of the journal: command, outcome, transfers, chain, reply",
        )
    },
    AdminRoute {
        query: &["limit", "after", "all"],
        ..get(
            AdminLook::Voids,
            "/parties/{party}/voids",
            "voids",
            "Voids that wait, oldest first; `all=true`: all of them",
        )
    },
    AdminRoute {
        role: Role::Approver,
        query: &["limit", "after", "all"],
        ..get(
            AdminLook::Approvals,
            "/approvals",
            "approvals",
            "Transfers by hand that wait for a second person, oldest first; `all=true`: all of them",
        )
    },
    AdminRoute {
        role: Role::Operator,
        query: &["ledger"],
        ..get(AdminLook::Audit, "/audit", "audit", "The audit that runs, and what the last one found, with its digest")
    },
    AdminRoute {
        query: PAGE,
        ..get(
            AdminLook::DeadLetters,
            "/parties/{party}/dead-letters",
            "dead letters",
            "What lay in the queue of dead letters at the last look, oldest first, and how many of how many were seen",
        )
    },
    AdminRoute {
        query: PAGE,
        ..get(
            AdminLook::DeadGroups,
            "/parties/{party}/dead-letters/groups",
            "dead letter groups",
            "The same by reason, error and queue",
        )
    },
    get(
        AdminLook::Plan,
        "/parties/{party}/dead-letters/plans/{plan}",
        "dead letter plan",
        "A plan, and how far it has come",
    ),
    AdminRoute {
        role: Role::Admin,
        query: &["limit", "after", "ledger"],
        ..get(AdminLook::Trail, "/trail", "trail", "What operators did, newest first")
    },
    get(
        AdminLook::Live,
        "/live",
        "live",
        "Server-sent events, one a second: rates, times, queues, connections, health with what to do",
    ),
    post(AdminAct::AddPlayer, "/parties/{party}/players", Role::Operator, "player add", "Make a player"),
    post(
        AdminAct::Deposit,
        "/parties/{party}/players/{player}/deposits",
        Role::Operator,
        "deposit",
        "Put money into an account from the outside world; the same key again moves nothing",
    ),
    post(
        AdminAct::Withdraw,
        "/parties/{party}/players/{player}/withdrawals",
        Role::Operator,
        "withdraw",
        "Take money out of an account; the same key again moves nothing",
    ),
    post(
        AdminAct::ApproveVoid,
        "/parties/{party}/voids/{number}/approve",
        Role::Approver,
        "void approve",
        "Move back what the transaction moved",
    ),
    post(
        AdminAct::DismissVoid,
        "/parties/{party}/voids/{number}/dismiss",
        Role::Approver,
        "void dismiss",
        "Leave the transaction as it is",
    ),
    post(
        AdminAct::Approve,
        "/approvals/{approval}/approve",
        Role::Approver,
        "approval approve",
        "Move what somebody else has asked for; approved twice it moves once",
    ),
    post(
        AdminAct::Reject,
        "/approvals/{approval}/reject",
        Role::Approver,
        "approval reject",
        "Move nothing: whoever wants it has to ask again",
    ),
    post(
        AdminAct::MakePlan,
        "/parties/{party}/dead-letters/plans",
        Role::Operator,
        "dead plan",
        "Look what an act on dead letters would touch; nothing is touched. To drop takes the role admin",
    ),
    post(
        AdminAct::RunPlan,
        "/parties/{party}/dead-letters/plans/{plan}/run",
        Role::Operator,
        "dead run",
        "Do what is planned, once, to the letters that the plan has seen. To drop takes the role admin",
    ),
    AdminRoute {
        query: &["ledger"],
        ..post(AdminAct::StartAudit, "/audit", Role::Operator, "audit", "Start an audit beside `serve`; one at a time")
    },
];

/// What a request's path leads to.
#[derive(Debug)]
pub(crate) enum FoundRoute {
    Route(&'static AdminRoute, PathParameters),
    /// The path is there, for these methods.
    Methods(Vec<&'static str>),
    Nothing,
}

/// The values of a path's `{name}` segments, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct PathParameters(Vec<(&'static str, String)>);

impl PathParameters {
    /// The route's own paths name them, so the empty text stands for a mistake of ours, and names nothing.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| *known == name).map_or("", |(_, value)| value.as_str())
    }

    /// All but the party, as one text: what an act is on.
    pub fn target(&self) -> String {
        let others = self.0.iter().filter(|(name, _)| *name != "party").map(|(_, value)| value.as_str());
        others.collect::<Vec<_>>().join(" ")
    }
}

/// Finds the route of a request. `path` is the whole, undecoded: a segment may hold an encoded slash.
pub(crate) fn find(method: &str, path: &str) -> FoundRoute {
    let Some(below) = path.strip_prefix(PATH) else { return FoundRoute::Nothing };
    let mut methods = Vec::new();
    for route in &ROUTES {
        if let Some(parameters) = fit(route.path, below) {
            if route.method() == method {
                return FoundRoute::Route(route, parameters);
            }
            methods.push(route.method());
        }
    }
    if methods.is_empty() { FoundRoute::Nothing } else { FoundRoute::Methods(methods) }
}

/// The values of a path that fits a pattern.
pub(crate) fn fit(pattern: &'static str, path: &str) -> Option<PathParameters> {
    let (mut parameters, mut segments) = (Vec::new(), path.split('/'));
    for expected in pattern.split('/') {
        let segment = segments.next()?;
        match expected.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
            Some(name) => parameters.push((name, decoded(segment).filter(|value| !value.is_empty())?)),
            None if expected == segment => {}
            None => return None,
        }
    }
    segments.next().is_none().then_some(PathParameters(parameters))
}

/// `None` where it is no UTF-8, or not encoded as it should be.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [char::from(rest.next()?).to_digit(16)?, char::from(rest.next()?).to_digit(16)?];
                u8::try_from(digits[0] * 16 + digits[1]).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

/// Adds the calls to an OpenAPI document.
pub(crate) fn describe(document: &mut Value) {
    for route in &ROUTES {
        let named = route.path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
        let in_path = named.map(|name| json!({ "name": name, "in": "path", "required": true, "schema": text() }));
        let in_query = route.query.iter().map(|name| json!({ "name": name, "in": "query", "schema": text() }));
        // The one operation that is both looked at and begun.
        let prefix = if route.call == AdminCall::Act(AdminAct::StartAudit) { "start-" } else { "" };
        let operation = json!({
            "operationId": format!("admin-{prefix}{}", route.operation.replace(' ', "-")),
            "summary": route.summary,
            "description": format!("For the role {} and those above it.", route.role),
            "security": [{ "operatorToken": [] }],
            "parameters": in_path.chain(in_query).collect::<Vec<_>>(),
            "responses": responses(route.call),
        });
        document["paths"][format!("{PATH}{}", route.path)][route.method().to_ascii_lowercase()] = operation;
    }
    document["components"]["securitySchemes"]["operatorToken"] =
        json!({ "type": "http", "scheme": "bearer", "description": "An operator's token." });
}

/// What a call is answered with, by status.
fn responses(call: AdminCall) -> Value {
    let done = json!({ "description": "Done" });
    let waits = json!({ "description": "It waits for a second person: the approval" });
    let goes_on = json!({ "description": "It goes on: the plan tells how far it is" });
    let still = json!({ "description": "The look goes on: ask again" });
    let mut responses = match call {
        AdminCall::Look(AdminLook::DeadLetters | AdminLook::DeadGroups) => json!({ "200": done, "202": still }),
        AdminCall::Look(_) => json!({ "200": done }),
        AdminCall::Act(act) => match act {
            AdminAct::AddPlayer => json!({ "201": done }),
            AdminAct::Deposit | AdminAct::Withdraw => json!({ "201": done, "202": waits }),
            AdminAct::ApproveVoid => json!({ "200": done, "202": waits }),
            AdminAct::DismissVoid | AdminAct::Approve | AdminAct::Reject => json!({ "200": done }),
            AdminAct::StartAudit => json!({ "202": done }),
            AdminAct::MakePlan => json!({ "201": done, "202": goes_on }),
            AdminAct::RunPlan => json!({ "200": done, "202": goes_on }),
        },
    };
    responses["default"] =
        json!({ "description": "A problem (RFC 9457)", "content": { "application/problem+json": {} } });
    responses
}

fn text() -> Value {
    json!({ "type": "string" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_call_and_its_parameters_are_decoded() {
        let FoundRoute::Route(route, parameters) = find("GET", "/admin/v1/parties/acme/players/a%2Fb%20%C3%BC") else {
            panic!("no route")
        };
        assert_eq!((route.call, parameters.get("party")), (AdminCall::Look(AdminLook::Player), "acme"));
        assert_eq!((parameters.get("player"), parameters.target()), ("a/b ü", "a/b ü".to_owned()));
        assert!(matches!(find("DELETE", "/admin/v1/parties"), FoundRoute::Methods(methods) if methods == ["GET"]));
        for path in
            ["/admin/v1", "/admin/v1/", "/admin/v1/parties/", "/admin/v1/orders/%ff", "/admin/v1/orders/%2", "/x"]
        {
            assert!(matches!(find("GET", path), FoundRoute::Nothing), "{path}");
        }
    }

    #[test]
    fn only_what_looks_is_for_those_who_look() {
        assert!(ROUTES.iter().all(|route| matches!(route.call, AdminCall::Look(_)) || route.role > Role::Viewer));
    }
}
