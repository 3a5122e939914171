//! Walks merged settings: every value is taken by name, told what it must be, and whatever nobody asked for is an error.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use config::{Value, ValueKind};

use super::duration::{format_duration, parse_duration};
use super::error::{ConfigError, SettingPlace};
use super::layers::DEFAULTS;
use super::secret::Secret;

/// A table of settings, and which of them have been asked for.
pub(super) struct Section {
    place: SettingPlace,
    entries: BTreeMap<String, Value>,
    known: Vec<String>,
}

/// One value that is given, and where.
pub(super) struct Setting {
    pub place: SettingPlace,
    kind: ValueKind,
}

impl Section {
    pub fn root(value: Value) -> Result<Self, ConfigError> {
        Setting { place: SettingPlace { key: String::new(), origin: None }, kind: value.kind }.section()
    }

    /// The section's own path, for what is wrong with it as a whole.
    pub fn place(&self) -> &SettingPlace {
        &self.place
    }

    pub fn take(&mut self, key: &str) -> Option<Setting> {
        self.known.push(key.to_owned());
        let value = self.entries.remove(key)?;
        Some(Setting::new(self.path_of(key), value))
    }

    pub fn require(&mut self, key: &str) -> Result<Setting, ConfigError> {
        let place = SettingPlace { key: self.path_of(key), origin: None };
        self.take(key).ok_or_else(|| place.wrong("is missing"))
    }

    /// The text under `key`; none where it is absent or empty.
    pub fn text(&mut self, key: &str) -> Result<Option<String>, ConfigError> {
        let text = self.take(key).map(Setting::text).transpose()?;
        Ok(text.filter(|text| !text.is_empty()))
    }

    pub fn path(&mut self, key: &str) -> Result<Option<PathBuf>, ConfigError> {
        Ok(self.text(key)?.map(PathBuf::from))
    }

    pub fn section(&mut self, key: &str) -> Result<Option<Section>, ConfigError> {
        self.take(key).map(Setting::section).transpose()
    }

    /// A list's elements; none where it is absent.
    pub fn list(&mut self, key: &str) -> Result<Vec<Setting>, ConfigError> {
        self.take(key).map_or(Ok(Vec::new()), Setting::list)
    }

    /// The secret under `key`, or in the file that `key_file` names; none where both are absent or empty.
    pub fn secret(&mut self, key: &str) -> Result<Option<(SettingPlace, Secret)>, ConfigError> {
        let direct = self.filled(key)?;
        let file = self.filled(&format!("{key}_file"))?;
        match (direct, file) {
            (Some((direct, _)), Some((file, _))) if direct.origin.as_deref() != Some(DEFAULTS) => {
                Err(file.wrong(format!("and {direct} must not both be given")))
            }
            (_, Some((place, path))) => read_secret(&place, &path).map(|secret| Some((place, secret))),
            (Some((place, text)), None) => Ok(Some((place, Secret::new(text)))),
            (None, None) => Ok(None),
        }
    }

    /// The same where there may be several: a list, or a text (or file) with one a line.
    pub fn secrets(&mut self, key: &str) -> Result<Vec<(SettingPlace, Secret)>, ConfigError> {
        if !self.entries.get(key).is_some_and(|value| matches!(value.kind, ValueKind::Array(_))) {
            let Some((place, text)) = self.secret(key)? else { return Ok(Vec::new()) };
            return Ok(lines(&place, &text));
        }
        let place = SettingPlace { key: self.path_of(key), origin: None };
        let listed = self.list(key)?;
        if let Some((file, _)) = self.filled(&format!("{key}_file"))? {
            return Err(file.wrong(format!("and {place} must not both be given")));
        }
        if listed.is_empty() {
            return Err(place.wrong("is an empty list; write \"\" for none"));
        }
        let one = |setting: Setting| {
            let place = setting.place.clone();
            match setting.text()? {
                text if text.is_empty() => Err(place.wrong("must not be empty")),
                text => Ok((place, Secret::new(text))),
            }
        };
        listed.into_iter().map(one).collect()
    }

    /// Those that the file has, one a line, which `key_file` names.
    pub fn secrets_in_file(&mut self, key: &str) -> Result<Option<(SettingPlace, Vec<Secret>)>, ConfigError> {
        let Some((place, path)) = self.filled(&format!("{key}_file"))? else { return Ok(None) };
        let secrets = lines(&place, &read_secret(&place, &path)?);
        // None at all may mean that nobody has to show one.
        if secrets.is_empty() {
            return Err(place.wrong(format!("names {path}, which is empty")));
        }
        Ok(Some((place, secrets.into_iter().map(|(_, secret)| secret).collect())))
    }

    fn filled(&mut self, key: &str) -> Result<Option<(SettingPlace, String)>, ConfigError> {
        let Some(setting) = self.take(key) else {
            return Ok(None);
        };
        let place = setting.place.clone();
        let text = setting.text()?;
        Ok((!text.is_empty()).then_some((place, text)))
    }

    /// Every entry of a table whose keys are names.
    pub fn entries(self) -> Vec<(String, Setting)> {
        let path_of = |name: &str| join(&self.place.key, name);
        self.entries.into_iter().map(|(name, value)| (name.clone(), Setting::new(path_of(&name), value))).collect()
    }

    /// To be called when everything known has been taken.
    pub fn finish(mut self) -> Result<(), ConfigError> {
        let Some((key, value)) = self.entries.pop_first() else {
            return Ok(());
        };
        self.known.sort();
        let place = Setting::new(self.path_of(&key), value).place;
        Err(place.wrong(format!("is not a setting; known here: {}", self.known.join(", "))))
    }

    fn path_of(&self, key: &str) -> String {
        join(&self.place.key, key)
    }
}

fn join(section: &str, key: &str) -> String {
    if section.is_empty() { key.to_owned() } else { format!("{section}.{key}") }
}

/// The lines of a text, each a secret of its own.
fn lines(place: &SettingPlace, text: &Secret) -> Vec<(SettingPlace, Secret)> {
    let lines = text.expose().lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| (place.clone(), Secret::new(line))).collect()
}

/// Editors and `echo` end a file with a newline, which is no part of the secret.
fn read_secret(place: &SettingPlace, path: &str) -> Result<Secret, ConfigError> {
    let text = fs::read_to_string(path).map_err(|error| place.wrong(format!("names {path}, unreadable: {error}")))?;
    match text.trim_end_matches(['\n', '\r']) {
        "" => Err(place.wrong(format!("names {path}, which is empty"))),
        secret => Ok(Secret::new(secret)),
    }
}

/// A table has no origin of its own: it is that of its first entry that somebody wrote, and none where nobody did.
fn origin_of(value: &Value) -> Option<String> {
    let ValueKind::Table(table) = &value.kind else {
        return value.origin().map(str::to_owned);
    };
    let entries: BTreeMap<&String, &Value> = table.iter().collect();
    entries.into_values().filter_map(origin_of).find(|origin| origin != DEFAULTS)
}

impl Setting {
    fn new(key: String, value: Value) -> Self {
        Self { place: SettingPlace { key, origin: origin_of(&value) }, kind: value.kind }
    }

    /// Whether it says "none".
    pub fn is_empty(&self) -> bool {
        matches!(&self.kind, ValueKind::String(text) if text.is_empty())
    }

    pub fn text(self) -> Result<String, ConfigError> {
        match self.kind {
            ValueKind::String(text) => Ok(text),
            _ => Err(self.place.wrong("must be text in quotes")),
        }
    }

    /// Text that `parse` understands; `problem` says what it must be.
    pub fn parsed<T>(self, problem: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T, ConfigError> {
        let place = self.place.clone();
        parse(&self.text()?).ok_or_else(|| place.wrong(problem))
    }

    /// A name, whose parser says what is wrong as the end of a sentence. Names are no secrets, so it is repeated.
    pub fn named<T, E: std::fmt::Display>(self, parse: fn(&str) -> Result<T, E>) -> Result<T, ConfigError> {
        let place = self.place.clone();
        let text = self.text()?;
        parse(&text).map_err(|error| place.wrong(format!("is \"{text}\" and {error}")))
    }

    pub fn flag(self) -> Result<bool, ConfigError> {
        let flag = match &self.kind {
            ValueKind::Boolean(flag) => Some(*flag),
            ValueKind::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        flag.ok_or_else(|| self.place.wrong("must be true or false"))
    }

    pub fn integer<T>(self, allowed: RangeInclusive<T>) -> Result<T, ConfigError>
    where
        T: TryFrom<i64> + PartialOrd + fmt::Display,
    {
        let number: Option<i64> = match &self.kind {
            ValueKind::I64(number) => Some(*number),
            ValueKind::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.and_then(|number| T::try_from(number).ok());
        number.filter(|number| allowed.contains(number)).ok_or_else(|| {
            let (least, most) = allowed.into_inner();
            let is_bounded = T::try_from(i64::MAX).map_or(true, |largest| most < largest);
            let bounds = if is_bounded { format!("from {least} to {most}") } else { format!("of at least {least}") };
            self.place.wrong(format!("must be a whole number {bounds}"))
        })
    }

    /// A part of a whole.
    pub fn share(self) -> Result<f64, ConfigError> {
        let number = match &self.kind {
            ValueKind::Float(number) => Some(*number),
            #[expect(clippy::cast_precision_loss, reason = "only 0 and 1 fit")]
            ValueKind::I64(number) => Some(*number as f64),
            ValueKind::String(text) => text.trim().parse().ok(),
            _ => None,
        };
        let number = number.filter(|number| (0.0..=1.0).contains(number));
        number.ok_or_else(|| self.place.wrong("must be a number from 0 to 1"))
    }

    pub fn duration(self, allowed: RangeInclusive<Duration>) -> Result<Duration, ConfigError> {
        let (least, most) = (format_duration(*allowed.start()), format_duration(*allowed.end()));
        let problem = format!("must be a duration such as \"15s\", from {least} to {most}");
        self.parsed(&problem, |text| parse_duration(text).ok().filter(|duration| allowed.contains(duration)))
    }

    pub fn list(self) -> Result<Vec<Setting>, ConfigError> {
        let ValueKind::Array(values) = self.kind else {
            return Err(self.place.wrong("must be a list such as [\"a\", \"b\"]"));
        };
        let path_of = |index: usize| format!("{}[{index}]", self.place.key);
        Ok(values.into_iter().enumerate().map(|(index, value)| Setting::new(path_of(index), value)).collect())
    }

    pub fn section(self) -> Result<Section, ConfigError> {
        match self.kind {
            ValueKind::Table(table) => {
                Ok(Section { place: self.place, entries: table.into_iter().collect(), known: Vec::new() })
            }
            _ => Err(self.place.wrong("must be a table of settings")),
        }
    }
}
