//! Reports as JSON.

use std::fmt;
use std::path::Path;

use super::Failure;
use super::stdout::print;

/// A JSON value.
#[derive(Clone, Debug)]
pub enum Value {
    /// `null`; also stands for numbers that JSON does not have.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(f64),
    /// A string.
    Text(String),
    /// A list.
    Array(Vec<Value>),
    /// Names and values, in order.
    Object(Vec<(&'static str, Value)>),
}

impl From<f64> for Value {
    fn from(number: f64) -> Value {
        if number.is_finite() {
            Value::Number(number)
        } else {
            Value::Null
        }
    }
}

impl From<Option<f64>> for Value {
    fn from(number: Option<f64>) -> Value {
        number.map_or(Value::Null, Value::from)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

/// An object with the given fields.
pub fn object<const N: usize>(fields: [(&'static str, Value); N]) -> Value {
    Value::Object(fields.into())
}

/// A list of numbers.
pub fn array<const N: usize>(numbers: [f64; N]) -> Value {
    Value::Array(numbers.map(Value::from).into())
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(value) => write!(f, "{value}"),
            Value::Number(number) => write!(f, "{number}"),
            Value::Text(text) => write_text(f, text),
            Value::Array(values) => {
                f.write_str("[")?;
                for (index, value) in values.iter().enumerate() {
                    f.write_str(if index > 0 { ", " } else { "" })?;
                    value.fmt(f)?;
                }
                f.write_str("]")
            }
            Value::Object(fields) => {
                f.write_str("{")?;
                for (index, (name, value)) in fields.iter().enumerate() {
                    f.write_str(if index > 0 { ", " } else { "" })?;
                    write_text(f, name)?;
                    write!(f, ": {value}")?;
                }
                f.write_str("}")
            }
        }
    }
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for letter in text.chars() {
        match letter {
            '"' | '\\' => write!(f, "\\{letter}")?,
            control if control < ' ' => write!(f, "\\u{:04x}", control as u32)?,
            _ => write!(f, "{letter}")?,
        }
    }
    f.write_str("\"")
}

/// Writes `value` to `path` by way of a temporary name, or to standard output for `-`.
pub fn write(path: &Path, value: &Value) -> Result<(), Failure> {
    if path == Path::new("-") {
        return print(format!("{value}\n").as_bytes());
    }
    let written = endocast::output::write(path, |file| writeln!(file, "{value}"));
    written.map_err(|cause| Failure::Output(format!("{}: {cause}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_escaped_and_missing_numbers_are_null() {
        let value = object([
            ("text", "a \"b\" \\ \n".into()),
            ("missing", f64::NAN.into()),
            ("list", array([1.0, 0.5])),
        ]);
        let expected = r#"{"text": "a \"b\" \\ \u000a", "missing": null, "list": [1, 0.5]}"#;
        assert_eq!(value.to_string(), expected);
    }
}
