//! OAuth parameters: each at most once, an empty one is as good as none, unknown ones are ignored (RFC 6749, 3.1, 3.2).

use crate::dialects::http::Request;

/// The decoded pairs of a query or a form.
pub struct FormParameters(Vec<(String, String)>);

/// A parameter that must not be there more than once, and is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated(pub &'static str);

impl FormParameters {
    pub fn of_query(request: &Request) -> Self {
        Self(request.query_pairs())
    }

    /// `None` where the body does not say that it is a form. No body at all is an empty form.
    pub fn of_form(request: &Request) -> Option<Self> {
        let is_form = request.body.is_empty() || request.is_content_type("application/x-www-form-urlencoded");
        is_form.then(|| Self(request.form_pairs()))
    }

    pub fn none() -> Self {
        Self(Vec::new())
    }

    pub fn one(&self, name: &'static str) -> Result<Option<&str>, Repeated> {
        let mut values = self.0.iter().filter(|(known, _)| known == name).map(|(_, value)| value.as_str());
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(Repeated(name)),
            (value, None) => Ok(value.filter(|value| !value.is_empty())),
        }
    }
}
