//! Enums of areas, read from the one flat list that the journal has always had.
//!
//! Writing is serde's own `untagged`. Reading is not, since that would try one area after another with everything that
//! there is, and say of what none could read only that none could. Here the name is read first; each area is asked whether
//! it has one of that name, and the one that has reads the rest: nothing is read twice, and its error is the error.

use std::cell::RefCell;
use std::fmt;
use std::marker::PhantomData;
use std::vec;

use serde::de::value::{EnumAccessDeserializer, MapAccessDeserializer};
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, VariantAccess, Visitor,
};
use serde_json::Value;

/// How one area reads its own.
pub(super) type AreaReader<'de, T, D> = fn(D) -> Result<T, <D as Deserializer<'de>>::Error>;

/// An enum of areas.
pub(super) trait OfAreas<'de>: Sized {
    /// The area that is read most often comes first.
    fn readers<D: Deserializer<'de>>() -> [AreaReader<'de, Self, D>; 4];
}

/// Reads `"name"` or `{"name": …}`.
pub(super) fn read_variant<'de, D: Deserializer<'de>, T: OfAreas<'de>>(deserializer: D) -> Result<T, D::Error> {
    deserializer.deserialize_enum("", &[], VariantVisitor(PhantomData))
}

/// Reads `{"tag": "name", …}`.
pub(super) fn read_tagged<'de, D, T>(deserializer: D, tag: &'static str) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: OfAreas<'de>,
{
    deserializer.deserialize_map(TaggedVisitor { tag, areas: PhantomData })
}

/// The first area that takes what there is to read under its name.
fn first<'de, D, T, R>(name: &str, rest: &RefCell<Option<R>>, one: impl Fn() -> D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: OfAreas<'de>,
{
    for read in T::readers::<D>() {
        let answer = read(one());
        if answer.is_ok() || rest.borrow().is_none() {
            return answer;
        }
    }
    Err(D::Error::custom(format_args!("`{name}` is not known here")))
}

struct VariantVisitor<T>(PhantomData<T>);

impl<'de, T: OfAreas<'de>> Visitor<'de> for VariantVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name, or an object of one")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, access: A) -> Result<T, A::Error> {
        let (name, rest) = access.variant::<String>()?;
        let rest = RefCell::new(Some(rest));
        first(&name, &rest, || EnumAccessDeserializer::new(Variant { name: &name, rest: &rest }))
    }
}

/// A variant whose name was read, offered to an area. One that knows the name takes the rest.
struct Variant<'a, R> {
    name: &'a str,
    rest: &'a RefCell<Option<R>>,
}

impl<'de, R: VariantAccess<'de>> EnumAccess<'de> for Variant<'_, R> {
    type Error = R::Error;
    type Variant = R;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, R), R::Error> {
        let name = seed.deserialize(self.name.into_deserializer())?;
        let rest = self.rest.take().ok_or_else(|| R::Error::custom("read twice"))?;
        Ok((name, rest))
    }
}

struct TaggedVisitor<T> {
    tag: &'static str,
    areas: PhantomData<T>,
}

impl<'de, T: OfAreas<'de>> Visitor<'de> for TaggedVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "an object with `{}`", self.tag)
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<T, M::Error> {
        // The journal has the tag first; a tool may have sorted an export.
        let mut before: Vec<(String, Value)> = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            if key != self.tag {
                before.push((key, map.next_value()?));
                continue;
            }
            let name: String = map.next_value()?;
            let rest = RefCell::new(Some(Rest { before: before.into_iter(), value: None, map }));
            return first(&name, &rest, || {
                MapAccessDeserializer::new(Tagged { tag: Some(self.tag), name: &name, rest: &rest, taken: None })
            });
        }
        Err(M::Error::missing_field(self.tag))
    }
}

/// The fields before the tag, and those after it.
struct Rest<M> {
    before: vec::IntoIter<(String, Value)>,
    value: Option<Value>,
    map: M,
}

impl<'de, M: MapAccess<'de>> MapAccess<'de> for Rest<M> {
    type Error = M::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, M::Error> {
        let Some((key, value)) = self.before.next() else { return self.map.next_key_seed(seed) };
        self.value = Some(value);
        seed.deserialize(key.into_deserializer()).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, M::Error> {
        match self.value.take() {
            Some(value) => seed.deserialize(value).map_err(M::Error::custom),
            None => self.map.next_value_seed(seed),
        }
    }
}

/// A map whose tag was read, offered to an area with the tag first. One that knows the tag takes the rest.
struct Tagged<'a, M> {
    tag: Option<&'static str>,
    name: &'a str,
    rest: &'a RefCell<Option<Rest<M>>>,
    taken: Option<Rest<M>>,
}

impl<'de, M: MapAccess<'de>> MapAccess<'de> for Tagged<'_, M> {
    type Error = M::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, M::Error> {
        if let Some(tag) = self.tag.take() {
            return seed.deserialize(tag.into_deserializer()).map(Some);
        }
        self.taken.as_mut().map_or(Ok(None), |rest| rest.next_key_seed(seed))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, M::Error> {
        if let Some(rest) = &mut self.taken {
            return rest.next_value_seed(seed);
        }
        let name = seed.deserialize(self.name.into_deserializer())?;
        self.taken = self.rest.take();
        Ok(name)
    }
}
