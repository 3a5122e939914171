//! The layers of a configuration, later ones over earlier ones: built-in defaults, one TOML file, the environment.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::{fs, io};

use config::{FileFormat, Format, Map, Source, Value, ValueKind};

use super::error::ConfigError;

/// The origin of the built-in values; they give way to a `*_file` setting.
pub(super) const DEFAULTS: &str = "the built-in defaults";
/// Stands before a variable's name in the origin of its value.
pub(super) const VARIABLE: &str = "environment variable ";
/// Names the file where `--config` does not.
const FILE_VARIABLE: &str = "PURSER_CONFIG";
/// The file that is read where none is named.
const FILE_IN_PLACE: &str = "purser.toml";
/// Starts the variables that are settings; the same characters separate the sections.
const PREFIX: &str = "PURSER__";
const SEPARATOR: &str = "__";

/// The environment as the program found it.
pub type Environment = BTreeMap<String, String>;

/// The process's own variables that concern Purser.
pub(super) fn process_environment() -> Result<Environment, ConfigError> {
    let mut environment = Environment::new();
    for (name, value) in std::env::vars_os() {
        let Some(name) = name.to_str().filter(|name| *name == FILE_VARIABLE || name.starts_with(PREFIX)) else {
            continue;
        };
        let Ok(value) = value.into_string() else {
            return Err(ConfigError::Variable { name: name.to_owned(), problem: "must be UTF-8 text" });
        };
        environment.insert(name.to_owned(), value);
    }
    Ok(environment)
}

/// The configuration file's path and text. A file that is named must be there; `./purser.toml` need not.
pub(super) fn read_file(
    explicit: Option<&Path>,
    environment: &Environment,
) -> Result<Option<(PathBuf, String)>, ConfigError> {
    let from_environment = environment.get(FILE_VARIABLE).filter(|path| !path.is_empty()).map(Path::new);
    let (path, named_by) = match (explicit, from_environment) {
        (Some(path), _) => (path, Some("--config")),
        (None, Some(path)) => (path, Some(FILE_VARIABLE)),
        (None, None) => (Path::new(FILE_IN_PLACE), None),
    };
    match (fs::read_to_string(path), named_by) {
        (Ok(text), _) => Ok(Some((path.to_owned(), text))),
        (Err(error), None) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        (Err(error), Some(named_by)) if error.kind() == io::ErrorKind::NotFound => {
            Err(ConfigError::Missing { path: path.to_owned(), named_by })
        }
        (Err(reason), _) => Err(ConfigError::Unreadable { path: path.to_owned(), reason }),
    }
}

/// Lays the layers over each other; every value remembers where it came from.
pub(super) fn merge(file: Option<(&Path, &str)>, environment: &Environment) -> Result<Value, ConfigError> {
    let mut builder = config::Config::builder().add_source(Layer(parse_toml(DEFAULTS, include_str!("defaults.toml"))?));
    if let Some((path, text)) = file {
        builder = builder.add_source(Layer(parse_toml(&path.display().to_string(), text)?));
    }
    let merged = builder.add_source(Layer(parse_environment(environment)?)).build();
    let mut root = merged.map(|config| config.cache).map_err(|_| ConfigError::Syntax {
        file: "configuration".to_owned(),
        line: 1,
        column: 1,
        problem: "cannot be merged".to_owned(),
    })?;
    let defaults = parse_toml(DEFAULTS, include_str!("party_defaults.toml"))?;
    let parties = table_in(&mut root, "parties").into_iter().flat_map(Map::values_mut);
    parties.for_each(|party| fill(party, &defaults));
    Ok(root)
}

fn table_in<'a>(value: &'a mut Value, key: &str) -> Option<&'a mut Map<String, Value>> {
    let ValueKind::Table(table) = &mut value.kind else { return None };
    match &mut table.get_mut(key)?.kind {
        ValueKind::Table(inner) => Some(inner),
        _ => None,
    }
}

/// Adds what a party does not say itself. A section that it does not have stays away.
fn fill(value: &mut Value, defaults: &Map<String, Value>) {
    let ValueKind::Table(table) = &mut value.kind else { return };
    for (key, default) in defaults {
        match (&default.kind, table.get_mut(key)) {
            (ValueKind::Table(defaults), Some(section)) => fill(section, defaults),
            (ValueKind::Table(_), None) | (_, Some(_)) => {}
            (_, None) => {
                table.insert(key.clone(), default.clone());
            }
        }
    }
}

#[derive(Debug, Clone)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// Parsed first for the error alone: the other parser's message quotes the line, and the line may hold a secret.
fn parse_toml(origin: &str, text: &str) -> Result<Map<String, Value>, ConfigError> {
    let syntax = |at: usize, problem: &str| {
        let before = text.get(..at).unwrap_or(text);
        ConfigError::Syntax {
            file: origin.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before.rsplit('\n').next().unwrap_or_default().chars().count() + 1,
            problem: problem.to_owned(),
        }
    };
    toml::de::DeTable::parse(text)
        .map_err(|error| syntax(error.span().map_or(0, |span| span.start), error.message()))?;
    FileFormat::Toml.parse(Some(&origin.to_owned()), text).map_err(|_| syntax(0, "holds a number that is out of range"))
}

fn parse_environment(environment: &Environment) -> Result<Map<String, Value>, ConfigError> {
    let mut root = Map::new();
    for (name, text) in environment {
        let Some(rest) = name.strip_prefix(PREFIX) else {
            continue;
        };
        let wrong = |problem| ConfigError::Variable { name: name.clone(), problem };
        let value = parse_variable(&format!("{VARIABLE}{name}"), text);
        // A whole section, or a list that stands beside the sections, is more than a text.
        let is_whole = matches!(value.kind, ValueKind::Array(_) | ValueKind::Table(_));
        let path = setting_path(rest).ok_or_else(|| wrong("must be PURSER__SECTION__KEY"))?;
        if path.len() < 2 && !is_whole {
            return Err(wrong("must be a list or a table in TOML, or be called PURSER__SECTION__KEY"));
        }
        if !insert(&mut root, &path, value) {
            return Err(wrong("sets what another variable sets too; keep one of them"));
        }
    }
    Ok(root)
}

/// Sections and keys are lower-case. Only the currency codes are not, and shells like capitals throughout.
fn setting_path(rest: &str) -> Option<Vec<String>> {
    let mut path: Vec<String> = Vec::new();
    for segment in rest.split(SEPARATOR) {
        if segment.is_empty() {
            return None;
        }
        let above: Vec<&str> = path.iter().map(String::as_str).collect();
        let names_currency = matches!(
            above[..],
            ["currencies"] | ["approvals", "threshold"] | ["parties", _, "limits"] | ["parties", _, _, "gbp_rates"]
        );
        path.push(if names_currency { segment.to_ascii_uppercase() } else { segment.to_ascii_lowercase() });
    }
    Some(path)
}

/// Arrays and inline tables are TOML; everything else stays text, and so does an IPv6 address with a port.
fn parse_variable(origin: &str, text: &str) -> Value {
    let structured = text.trim_start().starts_with(['[', '{']) && text.trim().parse::<SocketAddr>().is_err();
    let parsed = structured.then(|| parse_toml(origin, &format!("value = {text}")).ok()).flatten();
    match parsed {
        Some(mut table) if table.len() == 1 => table.remove("value").unwrap_or_default(),
        _ => Value::new(Some(&origin.to_owned()), text),
    }
}

/// Whether the path was free.
fn insert(table: &mut Map<String, Value>, path: &[String], value: Value) -> bool {
    let Some((key, rest)) = path.split_first() else {
        return false;
    };
    if rest.is_empty() {
        return table.insert(key.clone(), value).is_none();
    }
    let child = table.entry(key.clone()).or_insert_with(|| Value::new(None, Map::<String, Value>::new()));
    match &mut child.kind {
        ValueKind::Table(child) => insert(child, rest, value),
        _ => false,
    }
}
