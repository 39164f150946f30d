//! JSON, as far as this command writes it.

use std::fmt;

/// A JSON value. `Display` prints it with two spaces of indentation; lists of scalars stay on one
/// line.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Int(u64),
    /// Infinities and NaN are printed as `null`.
    Float(f64),
    Text(String),
    List(Vec<Json>),
    Object(Vec<(&'static str, Json)>),
}

impl From<bool> for Json {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<u64> for Json {
    fn from(value: u64) -> Self {
        Self::Int(value)
    }
}

impl From<usize> for Json {
    fn from(value: usize) -> Self {
        Self::Int(value as u64)
    }
}

impl From<f64> for Json {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

impl From<&str> for Json {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Json {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

impl<T: Into<Json>> From<Option<T>> for Json {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

impl<T: Into<Json>> FromIterator<T> for Json {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        Self::List(values.into_iter().map(Into::into).collect())
    }
}

impl fmt::Display for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.print(f, 0)
    }
}

impl Json {
    fn print(&self, f: &mut fmt::Formatter<'_>, depth: usize) -> fmt::Result {
        match self {
            Self::Null => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Int(value) => write!(f, "{value}"),
            Self::Float(value) if value.is_finite() => write!(f, "{value}"),
            Self::Float(_) => f.write_str("null"),
            Self::Text(value) => quote(f, value),
            Self::List(values) => {
                let flat = values
                    .iter()
                    .all(|v| !matches!(v, Self::List(_) | Self::Object(_)));
                let each = values.iter().map(|value| (None, value));
                enclose(f, ('[', ']'), flat, depth, each)
            }
            Self::Object(fields) => {
                let each = fields.iter().map(|(name, value)| (Some(*name), value));
                enclose(f, ('{', '}'), false, depth, each)
            }
        }
    }
}

fn enclose<'a>(
    f: &mut fmt::Formatter<'_>,
    (open, close): (char, char),
    flat: bool,
    depth: usize,
    members: impl ExactSizeIterator<Item = (Option<&'static str>, &'a Json)>,
) -> fmt::Result {
    let indent = |f: &mut fmt::Formatter<'_>, depth: usize| match flat {
        true => Ok(()),
        false => write!(f, "\n{:1$}", "", depth * 2),
    };
    if members.len() == 0 {
        return write!(f, "{open}{close}");
    }
    write!(f, "{open}")?;
    for (i, (name, value)) in members.enumerate() {
        f.write_str(match (i, flat) {
            (0, _) => "",
            (_, true) => ", ",
            (_, false) => ",",
        })?;
        indent(f, depth + 1)?;
        if let Some(name) = name {
            write!(f, "\"{name}\": ")?;
        }
        value.print(f, depth + 1)?;
    }
    indent(f, depth)?;
    write!(f, "{close}")
}

fn quote(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            c if c < ' ' => write!(f, "\\u{:04x}", c as u32)?,
            c => write!(f, "{c}")?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::Json;

    #[test]
    fn printed_json_parses_to_the_same_value() {
        let json = Json::Object(vec![
            ("text", "a \"quoted\" \\ line\nand \u{1} ü".into()),
            ("ints", [0_u64, u64::MAX].into_iter().collect()),
            (
                "floats",
                [0.5, f64::NAN, f64::INFINITY].into_iter().collect(),
            ),
            ("none", Json::from(None::<bool>)),
            ("empty", Json::List(vec![])),
            (
                "nested",
                Json::List(vec![Json::Object(vec![("yes", true.into())])]),
            ),
        ]);
        let parsed: serde_json::Value =
            serde_json::from_str(&json.to_string()).expect("valid JSON");
        let expected = serde_json::json!({
            "text": "a \"quoted\" \\ line\nand \u{1} ü",
            "ints": [0, u64::MAX],
            "floats": [0.5, null, null],
            "none": null,
            "empty": [],
            "nested": [{"yes": true}],
        });
        assert_eq!(parsed, expected);
    }
}
