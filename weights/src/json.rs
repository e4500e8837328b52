//! The small part of JSON that a model file's header uses: objects, strings, whole numbers.

use crate::error::Error;

/// A cursor over JSON text.
pub struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    pub fn new(text: &'a str) -> Parser<'a> {
        Parser { text, at: 0 }
    }

    pub fn fail<T>(&self, cause: &'static str) -> Result<T, Error> {
        Err(Error::Json { at: self.at, cause })
    }

    fn peek(&mut self) -> Option<u8> {
        let rest = &self.text.as_bytes()[self.at..];
        let space = rest
            .iter()
            .take_while(|b| matches!(b, b' ' | b'\n' | b'\r' | b'\t'));
        self.at += space.count();
        self.text.as_bytes().get(self.at).copied()
    }

    fn accept(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, cause: &'static str) -> Result<(), Error> {
        if self.accept(byte) {
            Ok(())
        } else {
            self.fail(cause)
        }
    }

    /// Reads an object; `member` is called after every key and reads the value.
    pub fn object(
        &mut self,
        mut member: impl FnMut(&mut Parser<'a>, String) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.expect(b'{', "an object is expected")?;
        if self.accept(b'}') {
            return Ok(());
        }
        loop {
            let key = self.string()?;
            self.expect(b':', "':' is expected")?;
            member(self, key)?;
            if !self.accept(b',') {
                return self.expect(b'}', "',' or '}' is expected");
            }
        }
    }

    /// Reads an array of whole numbers.
    pub fn numbers(&mut self) -> Result<Vec<usize>, Error> {
        let mut numbers = Vec::new();
        self.expect(b'[', "an array is expected")?;
        if self.accept(b']') {
            return Ok(numbers);
        }
        loop {
            numbers.push(self.number()?);
            if !self.accept(b',') {
                self.expect(b']', "',' or ']' is expected")?;
                return Ok(numbers);
            }
        }
    }

    fn number(&mut self) -> Result<usize, Error> {
        self.peek();
        let rest = &self.text[self.at..];
        let end = rest
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(rest.len());
        let digits = &rest[..end];
        if digits.len() > 1 && digits.starts_with('0') {
            return self.fail("a number starts with 0");
        }
        match digits.parse() {
            Ok(number) => {
                self.at += end;
                Ok(number)
            }
            Err(_) => self.fail("a whole number is expected"),
        }
    }

    /// Reads a string.
    pub fn string(&mut self) -> Result<String, Error> {
        self.expect(b'"', "a string is expected")?;
        let mut string = String::new();
        loop {
            let rest = &self.text[self.at..];
            let Some(plain) = rest.find(|c: char| matches!(c, '"' | '\\') || c < ' ') else {
                return self.fail("the string does not end");
            };
            string.push_str(&rest[..plain]);
            self.at += plain;
            match rest.as_bytes()[plain] {
                b'"' => {
                    self.at += 1;
                    return Ok(string);
                }
                b'\\' => string.push(self.escape()?),
                _ => return self.fail("a control character in a string"),
            }
        }
    }

    /// Reads an escape sequence, from its backslash.
    fn escape(&mut self) -> Result<char, Error> {
        let letter = self.text.as_bytes().get(self.at + 1).copied();
        let plain = match letter {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return self.fail("an unknown escape"),
        };
        self.at += 2;
        Ok(plain)
    }

    /// Reads `\uXXXX`, or two of them that form a surrogate pair.
    fn unicode_escape(&mut self) -> Result<char, Error> {
        let first = self.code_unit()?;
        let units: &[u16] = if (0xd800..0xdc00).contains(&first) {
            &[first, self.code_unit()?]
        } else {
            &[first]
        };
        match char::decode_utf16(units.iter().copied()).next() {
            Some(Ok(decoded)) => Ok(decoded),
            _ => self.fail("a lone surrogate"),
        }
    }

    fn code_unit(&mut self) -> Result<u16, Error> {
        let digits = self
            .text
            .get(self.at..self.at + 6)
            .and_then(|text| text.strip_prefix("\\u"))
            .filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()));
        match digits.map(|digits| u16::from_str_radix(digits, 16)) {
            Some(Ok(unit)) => {
                self.at += 6;
                Ok(unit)
            }
            _ => self.fail("four hexadecimal digits are expected"),
        }
    }

    /// Succeeds if only white space is left.
    pub fn end(&mut self) -> Result<(), Error> {
        match self.peek() {
            None => Ok(()),
            Some(_) => self.fail("text after the header"),
        }
    }
}

/// Appends `text` as a JSON string.
pub fn write_string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            c if c < ' ' => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_round_trip() {
        for text in ["", "a b", "line\nline", "\"\\\u{1}\t/", "µ 🧠"] {
            let mut json = String::new();
            write_string(&mut json, text);
            assert_eq!(Parser::new(&json).string().unwrap(), text);
        }
        let escaped = r#""\u00b5 \ud83e\udde0 \/\b\f\r""#;
        assert_eq!(Parser::new(escaped).string().unwrap(), "µ 🧠 /\u{8}\u{c}\r");
    }

    #[test]
    fn malformed_text_is_located() {
        let string = |text| Parser::new(text).string().unwrap_err().to_string();
        assert_eq!(string("5"), "header byte 0: a string is expected");
        assert_eq!(string("\"ab"), "header byte 1: the string does not end");
        assert_eq!(
            string("\"a\tb\""),
            "header byte 2: a control character in a string"
        );
        assert_eq!(string(r#""\x""#), "header byte 1: an unknown escape");
        assert_eq!(
            string(r#""\ud83e""#),
            "header byte 7: four hexadecimal digits are expected"
        );
        assert_eq!(string(r#""\udde0""#), "header byte 7: a lone surrogate");
        let numbers = |text| Parser::new(text).numbers().unwrap_err().to_string();
        assert_eq!(numbers("[1 2]"), "header byte 3: ',' or ']' is expected");
        assert_eq!(numbers("[-1]"), "header byte 1: a whole number is expected");
        assert_eq!(numbers("[01]"), "header byte 1: a number starts with 0");
        assert_eq!(
            numbers("[99999999999999999999]"),
            "header byte 1: a whole number is expected"
        );
        assert_eq!(Parser::new(" [ ] ").numbers().unwrap(), []);
    }
}
