//! A reader for the pickles in PyTorch checkpoints. It never runs anything.
//!
//! A pickle is a program for a stack machine that may call any Python function. This machine knows
//! the opcodes that checkpoints use; of the functions it knows only those that rebuild tensors
//! and ordered dictionaries. Every other class or function is an [`Value::Opaque`], and so is what
//! a call of it would have returned.

use std::collections::HashMap;
use std::ops::Deref;
use std::rc::Rc;

use crate::error::Error;

/// Deepest nesting of tuples. Those of checkpoints are three deep; each level is one call more when a
/// value is dropped.
const MAX_NESTING: usize = 64;

/// Longest name of a class or function, joined; all that matter are shorter.
const MAX_NAME: usize = 256;

/// Most axes of a tensor, PyTorch's own limit.
const MAX_AXES: usize = 64;

/// A tuple, which knows how deep it is.
#[derive(Clone, Debug, PartialEq)]
pub struct Tuple {
    items: Rc<[Value]>,
    nesting: usize,
}

impl Deref for Tuple {
    type Target = [Value];

    fn deref(&self) -> &[Value] {
        &self.items
    }
}

/// A Python value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    Str(Rc<str>),
    Tuple(Tuple),
    /// Index of a list in the [`Heap`].
    List(usize),
    /// Index of a dictionary in the [`Heap`].
    Dict(usize),
    /// A class or function: module and name, joined by a dot.
    Global(Rc<str>),
    /// What a persistent id stands for: the tuple that describes a storage.
    Persistent(Tuple),
    Tensor(Rc<TensorRef>),
    /// Anything that plays no part in reading tensors.
    Opaque,
}

/// A tensor as the pickle describes it: a strided view of a storage.
#[derive(Debug, PartialEq)]
pub struct TensorRef {
    /// The storage's persistent id.
    pub storage: Tuple,
    /// In elements, from the storage's start.
    pub offset: usize,
    pub shape: Vec<usize>,
    /// In elements.
    pub strides: Vec<usize>,
}

/// The mutable values of a pickle. Several [`Value`]s may share one, and one may contain itself.
#[derive(Debug, Default)]
pub struct Heap {
    lists: Vec<Vec<Value>>,
    dicts: Vec<Vec<(Value, Value)>>,
    storages: Vec<Tuple>,
}

impl Heap {
    /// The items of the list at `index`.
    pub fn list(&self, index: usize) -> &[Value] {
        self.lists.get(index).map_or(&[], Vec::as_slice)
    }

    /// The pairs of the dictionary at `index`, in the order they were set.
    pub fn dict(&self, index: usize) -> &[(Value, Value)] {
        self.dicts.get(index).map_or(&[], Vec::as_slice)
    }

    /// The persistent ids of the pickle: its storages.
    pub fn storages(&self) -> impl Iterator<Item = &[Value]> {
        self.storages.iter().map(|id| &**id)
    }

    fn new_list(&mut self) -> Value {
        self.lists.push(Vec::new());
        Value::List(self.lists.len() - 1)
    }

    fn new_dict(&mut self) -> Value {
        self.dicts.push(Vec::new());
        Value::Dict(self.dicts.len() - 1)
    }
}

/// Reads one pickle from the start of `bytes`; returns its value, the mutable values it refers to,
/// and its length in bytes.
pub fn read(bytes: &[u8]) -> Result<(Value, Heap, usize), Error> {
    let mut machine = Machine {
        bytes,
        at: 0,
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        heap: Heap::default(),
    };
    let value = machine.run()?;
    Ok((value, machine.heap, machine.at))
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    stack: Vec<Value>,
    /// Heights of the stack at which marks lie.
    marks: Vec<usize>,
    memo: HashMap<u32, Value>,
    heap: Heap,
}

impl<'a> Machine<'a> {
    fn run(&mut self) -> Result<Value, Error> {
        loop {
            match self.byte()? {
                // Framing.
                0x80 => match self.byte()? {
                    2..=5 => {}
                    other => return self.fail(format!("protocol {other} is not supported")),
                },
                0x95 => {
                    self.take(8)?;
                }
                b'.' => return self.pop(),

                // Constants.
                b'N' => self.push(Value::None),
                0x88 => self.push(Value::Bool(true)),
                0x89 => self.push(Value::Bool(false)),
                b'K' => {
                    let value = self.byte()?;
                    self.push(Value::Int(value.into()));
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.array()?);
                    self.push(Value::Int(value.into()));
                }
                b'J' => {
                    let value = i32::from_le_bytes(self.array()?);
                    self.push(Value::Int(value.into()));
                }
                0x8a => {
                    let len = self.byte()?;
                    let value = long(self.take(len.into())?);
                    self.push(value);
                }
                b'G' => {
                    self.take(8)?;
                    self.push(Value::Opaque);
                }
                0x8c => {
                    let len = self.byte()?;
                    self.string(len.into())?;
                }
                b'X' => {
                    let len = self.length()?;
                    self.string(len)?;
                }
                b'C' | b'U' => {
                    let len = self.byte()?;
                    self.take(len.into())?;
                    self.push(Value::Opaque);
                }
                b'B' | b'T' => {
                    let len = self.length()?;
                    self.take(len)?;
                    self.push(Value::Opaque);
                }

                // Containers.
                b'(' => self.marks.push(self.stack.len()),
                b')' => self.tuple(Vec::new())?,
                b't' => {
                    let items = self.pop_to_mark()?;
                    self.tuple(items)?;
                }
                opcode @ 0x85..=0x87 => {
                    let items = self.pop_many(usize::from(opcode - 0x84))?;
                    self.tuple(items)?;
                }
                b']' => {
                    let list = self.heap.new_list();
                    self.push(list);
                }
                b'}' => {
                    let dict = self.heap.new_dict();
                    self.push(dict);
                }
                b'a' => {
                    let items = self.pop_many(1)?;
                    self.extend_list(items)?;
                }
                b'e' => {
                    let items = self.pop_to_mark()?;
                    self.extend_list(items)?;
                }
                b's' => {
                    let items = self.pop_many(2)?;
                    self.extend_dict(items)?;
                }
                b'u' => {
                    let items = self.pop_to_mark()?;
                    self.extend_dict(items)?;
                }
                // Sets: none matters here.
                0x8f => self.push(Value::Opaque),
                0x90 => {
                    self.pop_to_mark()?;
                }
                0x91 => {
                    self.pop_to_mark()?;
                    self.push(Value::Opaque);
                }

                // Memo.
                b'q' => {
                    let index = self.byte()?;
                    self.memoize(index.into())?;
                }
                b'r' => {
                    let index = u32::from_le_bytes(self.array()?);
                    self.memoize(index)?;
                }
                0x94 => {
                    let index = self.memo.len() as u32;
                    self.memoize(index)?;
                }
                b'h' => {
                    let index = self.byte()?;
                    self.recall(index.into())?;
                }
                b'j' => {
                    let index = u32::from_le_bytes(self.array()?);
                    self.recall(index)?;
                }

                // Classes, functions and calls.
                b'c' => {
                    let module = self.line()?;
                    let name = self.line()?;
                    self.global(module, name);
                }
                0x93 => {
                    let names = self.pop_many(2)?;
                    let [Value::Str(module), Value::Str(name)] = &names[..] else {
                        return self.fail("a global's name is not text");
                    };
                    self.global(module, name);
                }
                b'Q' => {
                    let value = match self.pop()? {
                        Value::Tuple(id) => {
                            self.heap.storages.push(id.clone());
                            Value::Persistent(id)
                        }
                        _ => Value::Opaque,
                    };
                    self.push(value);
                }
                b'R' | 0x81 => {
                    let arguments = self.pop()?;
                    let function = self.pop()?;
                    let result = self.call(&function, &arguments)?;
                    self.push(result);
                }
                b'b' => self.build()?,

                opcode => return self.fail(format!("opcode {opcode:#04x} is not allowed")),
            }
        }
    }

    fn fail<T>(&self, cause: impl Into<String>) -> Result<T, Error> {
        Err(Error::Pickle {
            at: self.at,
            cause: cause.into(),
        })
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], Error> {
        let Some(taken) = self.bytes[self.at..].get(..len) else {
            return self.fail("the pickle ends too early");
        };
        self.at += len;
        Ok(taken)
    }

    fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.array::<1>()?[0])
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }

    fn length(&mut self) -> Result<usize, Error> {
        Ok(u32::from_le_bytes(self.array()?) as usize)
    }

    fn string(&mut self, len: usize) -> Result<(), Error> {
        let bytes = self.take(len)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                self.push(Value::Str(text.into()));
                Ok(())
            }
            Err(_) => self.fail("text is not UTF-8"),
        }
    }

    fn line(&mut self) -> Result<&'a str, Error> {
        let rest = &self.bytes[self.at..];
        let len = rest.iter().position(|&byte| byte == b'\n');
        let line = len.and_then(|len| std::str::from_utf8(&rest[..len]).ok());
        match line {
            Some(line) => {
                self.at += line.len() + 1;
                Ok(line)
            }
            None => self.fail("a name is not a line of text"),
        }
    }

    fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    fn tuple(&mut self, items: Vec<Value>) -> Result<(), Error> {
        let inner = items.iter().map(|item| match item {
            Value::Tuple(tuple) | Value::Persistent(tuple) => tuple.nesting,
            Value::Tensor(tensor) => tensor.storage.nesting,
            _ => 0,
        });
        let nesting = inner.max().unwrap_or(0) + 1;
        if nesting > MAX_NESTING {
            return self.fail(format!("tuples are nested more than {MAX_NESTING} deep"));
        }
        let items = items.into();
        self.push(Value::Tuple(Tuple { items, nesting }));
        Ok(())
    }

    /// A class or function; what has a longer name than any that matters is opaque, since a short opcode
    /// may ask again and again for two long strings to be joined.
    fn global(&mut self, module: &str, name: &str) {
        self.push(if module.len() + name.len() < MAX_NAME {
            Value::Global(format!("{module}.{name}").into())
        } else {
            Value::Opaque
        });
    }

    /// Takes the top value, which must lie above the last mark.
    fn pop(&mut self) -> Result<Value, Error> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.pop() {
            Some(value) if self.stack.len() >= floor => Ok(value),
            _ => self.fail("the stack is empty"),
        }
    }

    /// Takes the top `count` values, the lowest first.
    fn pop_many(&mut self, count: usize) -> Result<Vec<Value>, Error> {
        let floor = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(count) {
            Some(start) if start >= floor => Ok(self.stack.split_off(start)),
            _ => self.fail("the stack is empty"),
        }
    }

    fn pop_to_mark(&mut self) -> Result<Vec<Value>, Error> {
        match self.marks.pop() {
            Some(mark) if mark <= self.stack.len() => Ok(self.stack.split_off(mark)),
            _ => self.fail("there is no mark"),
        }
    }

    fn memoize(&mut self, index: u32) -> Result<(), Error> {
        match self.stack.last() {
            Some(value) => {
                self.memo.insert(index, value.clone());
                Ok(())
            }
            None => self.fail("the stack is empty"),
        }
    }

    fn recall(&mut self, index: u32) -> Result<(), Error> {
        match self.memo.get(&index) {
            Some(value) => {
                self.stack.push(value.clone());
                Ok(())
            }
            None => self.fail(format!("memo {index} was never set")),
        }
    }

    fn extend_list(&mut self, items: Vec<Value>) -> Result<(), Error> {
        match self.stack.last() {
            Some(&Value::List(index)) => self.heap.lists[index].extend(items),
            Some(Value::Opaque) => {}
            _ => return self.fail("items are appended to what is not a list"),
        }
        Ok(())
    }

    fn extend_dict(&mut self, items: Vec<Value>) -> Result<(), Error> {
        match self.stack.last() {
            Some(&Value::Dict(index)) => {
                let mut items = items.into_iter();
                while let Some(key) = items.next() {
                    let Some(value) = items.next() else {
                        return self.fail("a key has no value");
                    };
                    self.heap.dicts[index].push((key, value));
                }
            }
            Some(Value::Opaque) => {}
            _ => return self.fail("items are set in what is not a dictionary"),
        }
        Ok(())
    }

    /// What a call of `function` returns.
    fn call(&mut self, function: &Value, arguments: &Value) -> Result<Value, Error> {
        let (Value::Global(function), Value::Tuple(arguments)) = (function, arguments) else {
            return Ok(Value::Opaque);
        };
        match (&**function, &**arguments) {
            ("collections.OrderedDict", []) => Ok(self.heap.new_dict()),
            (
                "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2",
                [Value::Persistent(storage), Value::Int(offset), Value::Tuple(shape), Value::Tuple(strides), ..],
            ) => {
                let offset = usize::try_from(*offset).ok();
                if shape.len() > MAX_AXES {
                    return self.fail(format!("a tensor has more than {MAX_AXES} axes"));
                }
                match (offset, whole_numbers(shape), whole_numbers(strides)) {
                    (Some(offset), Some(shape), Some(strides)) if shape.len() == strides.len() => {
                        Ok(Value::Tensor(Rc::new(TensorRef {
                            storage: storage.clone(),
                            offset,
                            shape,
                            strides,
                        })))
                    }
                    _ => self.fail("a tensor's shape or strides are not whole numbers"),
                }
            }
            ("torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2", _) => {
                self.fail("a tensor is rebuilt from other things than a storage, an offset, a shape and strides")
            }
            ("torch._utils._rebuild_parameter", [tensor @ Value::Tensor(_), ..]) => {
                Ok(tensor.clone())
            }
            _ => Ok(Value::Opaque),
        }
    }

    /// Drops an object's state: that of an ordered dictionary holds no tensors (PyTorch hangs a
    /// `_metadata` attribute on it), that of other objects does not matter.
    fn build(&mut self) -> Result<(), Error> {
        self.pop()?;
        if self.stack.is_empty() {
            return self.fail("the stack is empty");
        }
        Ok(())
    }
}

/// A little-endian two's-complement number; opaque if it needs more than 64 bits.
fn long(bytes: &[u8]) -> Value {
    if bytes.len() > 8 {
        return Value::Opaque;
    }
    let negative = bytes.last().is_some_and(|byte| byte & 0x80 != 0);
    let mut extended = [if negative { 0xff } else { 0 }; 8];
    extended[..bytes.len()].copy_from_slice(bytes);
    Value::Int(i64::from_le_bytes(extended))
}

fn whole_numbers(values: &[Value]) -> Option<Vec<usize>> {
    let whole = |value: &Value| match value {
        Value::Int(number) => usize::try_from(*number).ok(),
        _ => None,
    };
    values.iter().map(whole).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(bytes: &[u8]) -> (Value, Heap) {
        let (value, heap, len) = read(bytes).unwrap();
        assert_eq!(len, bytes.len());
        (value, heap)
    }

    fn cause(bytes: &[u8]) -> String {
        read(bytes).unwrap_err().to_string()
    }

    #[test]
    fn constants() {
        assert_eq!(value(b"N.").0, Value::None);
        assert_eq!(value(b"\x80\x02K\x07.").0, Value::Int(7));
        assert_eq!(value(b"M\x01\x02.").0, Value::Int(513));
        assert_eq!(value(b"J\xfe\xff\xff\xff.").0, Value::Int(-2));
        assert_eq!(value(b"\x8a\x00.").0, Value::Int(0));
        assert_eq!(value(b"\x8a\x02\x00\xff.").0, Value::Int(-256));
        assert_eq!(value(b"X\x02\x00\x00\x00ab.").0, Value::Str("ab".into()));
        assert_eq!(value(b"\x88.").0, Value::Bool(true));
    }

    #[test]
    fn shared_containers_stay_shared() {
        // [{}, the same]; then 'a' is set in the latter, and it is what remains.
        let (dict, heap) = value(b"]}q\x00h\x00\x86h\x00X\x01\x00\x00\x00aK\x01s.");
        assert_eq!(dict, Value::Dict(0));
        assert_eq!(heap.dict(0), [(Value::Str("a".into()), Value::Int(1))]);
    }

    #[test]
    fn calls_of_unknown_functions_are_opaque() {
        let system = b"cos\nsystem\nX\x02\x00\x00\x00ls\x85R.";
        assert_eq!(value(system).0, Value::Opaque);
        let (dict, heap) = value(b"ccollections\nOrderedDict\n)R(X\x01\x00\x00\x00aK\x01u.");
        assert_eq!(dict, Value::Dict(0));
        assert_eq!(heap.dict(0).len(), 1);
    }

    #[test]
    fn malformed_pickles_are_refused() {
        assert_eq!(cause(b""), "pickle byte 0: the pickle ends too early");
        assert_eq!(cause(b"."), "pickle byte 1: the stack is empty");
        assert_eq!(cause(b"(."), "pickle byte 2: the stack is empty");
        assert_eq!(cause(b"N(."), "pickle byte 3: the stack is empty");
        assert_eq!(cause(b"t"), "pickle byte 1: there is no mark");
        assert_eq!(cause(b"h\x05"), "pickle byte 2: memo 5 was never set");
        assert_eq!(
            cause(b"\x80\x09"),
            "pickle byte 2: protocol 9 is not supported"
        );
        assert_eq!(cause(b"i"), "pickle byte 1: opcode 0x69 is not allowed");
        assert_eq!(
            cause(b"X\xff\xff\xff\xff"),
            "pickle byte 5: the pickle ends too early"
        );
        assert_eq!(
            cause(b"N(K\x01e"),
            "pickle byte 5: items are appended to what is not a list"
        );
        assert_eq!(cause(b"}(K\x01u"), "pickle byte 5: a key has no value");
        assert_eq!(cause(b"cos"), "pickle byte 1: a name is not a line of text");
        assert!(cause(b"ctorch._utils\n_rebuild_tensor_v2\n)R").contains("a storage, an offset"));
    }

    #[test]
    fn nesting_ends_before_the_stack_does() {
        let nested = |levels: usize| [&b"N"[..], &vec![0x85; levels], b"."].concat();
        assert!(read(&nested(64)).is_ok());
        assert!(cause(&nested(65)).contains("nested"));
        assert!(cause(&nested(10_000_000)).contains("nested"));
    }

    #[test]
    fn long_names_are_joined_once_at_most() {
        let long = [&b"X\x00\x10\x00\x00"[..], &[b'a'; 4096], b"q\x00"].concat();
        let (value, _) = value(&[&long[..], b"h\x00\x93."].concat());
        assert_eq!(value, Value::Opaque);
    }

    #[test]
    fn tensors_of_many_axes_are_refused() {
        let axes = [&b"("[..], &b"K\x01".repeat(65), b"tq\x01"].concat();
        let pickle = [
            &b"ctorch._utils\n_rebuild_tensor_v2\n(X\x01\x00\x00\x00s\x85QK\x00"[..],
            &axes,
            b"h\x01tR.",
        ];
        assert!(cause(&pickle.concat()).contains("more than 64 axes"));
    }
}
