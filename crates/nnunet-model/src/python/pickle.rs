//! Reads pickles without running them.
//!
//! A pickle is a program for a small stack machine whose instructions may call any function of
//! Python. This machine only writes down what would be called; what is made of that is decided
//! where it is read. It knows protocols 2 to 5 but for what shares memory between processes.

#[cfg(test)]
mod tests;

use std::collections::HashMap;

use super::object::{Call, Id, Object, Objects};

/// Objects above this are no checkpoint: one of a thousand epochs and a hundred classes has
/// about half a million.
const MAX_OBJECTS: usize = 4_000_000;

/// The objects of a pickle, and the one that it is about. The error is what is wrong with it.
pub(super) fn read(bytes: &[u8]) -> Result<(Objects, Id), String> {
    let mut machine = Machine {
        bytes,
        position: 0,
        objects: Objects::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        constants: [None; 3],
    };
    let root = machine.run().map_err(|problem| {
        format!(
            "its pickle is broken at byte {}: {problem}",
            machine.position
        )
    })?;
    Ok((machine.objects, root))
}

struct Machine<'a> {
    bytes: &'a [u8],
    position: usize,
    objects: Objects,
    stack: Vec<Id>,
    /// Heights of the stack.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// None, false and true, once made.
    constants: [Option<Id>; 3],
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Id, String> {
        loop {
            let opcode = self.byte()?;
            if opcode == b'.' {
                return self.pop();
            }
            self.step(opcode)?;
        }
    }

    /// Instructions by the letters that Python's `pickle` module gives them.
    fn step(&mut self, opcode: u8) -> Result<(), String> {
        match opcode {
            // PROTO, FRAME: what follows is read as it comes.
            0x80 => match self.byte()? {
                2..=5 => Ok(()),
                other => Err(format!("protocol {other}, expected 2 to 5")),
            },
            0x95 => self.take(8).map(|_| ()),
            b'N' => self.push_constant(0, Object::None),
            0x89 => self.push_constant(1, Object::Bool(false)),
            0x88 => self.push_constant(2, Object::Bool(true)),
            b'K' | b'M' | b'J' | 0x8a | 0x8b | b'G' => self.number(opcode),
            b'X' | 0x8c | 0x8d | b'U' | b'T' | b'C' | b'B' | 0x8e | 0x96 => self.text(opcode),
            b'(' => {
                self.marks.push(self.stack.len());
                Ok(())
            }
            b']' | b'l' | b')' | b't' | 0x85..=0x87 | b'}' | b'd' | 0x8f | 0x91 => {
                self.container(opcode)
            }
            b'a' | b'e' | b's' | b'u' | 0x90 => self.fill(opcode),
            b'c' | 0x93 | b'R' | 0x81 | 0x92 | b'b' | b'Q' => self.call(opcode),
            b'q' | b'r' | 0x94 | b'h' | b'j' => self.remember(opcode),
            b'0' => self.pop_or_mark(),
            b'1' => self.above_mark().map(|_| ()),
            b'2' => {
                let top = *self.stack.last().ok_or("nothing to repeat")?;
                self.stack.push(top);
                Ok(())
            }
            other => Err(format!(
                "instruction {other:#04x}, which no checkpoint of PyTorch holds"
            )),
        }
    }

    fn number(&mut self, opcode: u8) -> Result<(), String> {
        let object = match opcode {
            b'K' => Object::Int(self.byte()?.into()),
            b'M' => Object::Int(u16::from_le_bytes(self.array()?).into()),
            b'J' => Object::Int(i32::from_le_bytes(self.array()?).into()),
            b'G' => Object::Float(f64::from_be_bytes(self.array()?)),
            _ => {
                let length = match opcode {
                    0x8a => self.byte()?.into(),
                    _ => self.length4()?,
                };
                whole(self.take(length)?)
            }
        };
        self.push(object)
    }

    fn text(&mut self, opcode: u8) -> Result<(), String> {
        let length = match opcode {
            0x8c | b'U' | b'C' => self.byte()?.into(),
            0x8d | 0x8e | 0x96 => {
                let length = u64::from_le_bytes(self.array()?);
                usize::try_from(length).map_err(|_| format!("a text of {length} bytes"))?
            }
            _ => self.length4()?,
        };
        let bytes = self.take(length)?;
        let object = match opcode {
            b'C' | b'B' | 0x8e | 0x96 => Object::Bytes(bytes.to_vec()),
            _ => Object::Text(String::from_utf8_lossy(bytes).into_owned()),
        };
        self.push(object)
    }

    fn container(&mut self, opcode: u8) -> Result<(), String> {
        let object = match opcode {
            b']' => Object::List(Vec::new()),
            b')' => Object::Tuple(Vec::new()),
            b'}' => Object::Dict(Vec::new()),
            0x8f => Object::Set(Vec::new()),
            b'l' => Object::List(self.above_mark()?),
            b't' => Object::Tuple(self.above_mark()?),
            0x91 => Object::Set(self.above_mark()?),
            b'd' => Object::Dict(pairs(&self.above_mark()?)?),
            _ => {
                let count = usize::from(opcode - 0x84);
                let start = self.stack.len().checked_sub(count);
                let start = start.filter(|start| *start >= self.floor());
                let start = start.ok_or("a tuple of more than there is")?;
                Object::Tuple(self.stack.split_off(start))
            }
        };
        self.push(object)
    }

    /// Adds elements to the container below them.
    fn fill(&mut self, opcode: u8) -> Result<(), String> {
        let elements = match opcode {
            b'a' => vec![self.pop()?],
            b's' => {
                let value = self.pop()?;
                vec![self.pop()?, value]
            }
            _ => self.above_mark()?,
        };
        let target = *self.stack.last().ok_or("elements of nothing")?;
        let keyed = matches!(opcode, b's' | b'u');
        match (&mut self.objects.all[target.0 as usize], keyed) {
            (Object::Dict(own), true) => own.extend(pairs(&elements)?),
            (Object::Call(call), true) => call.items.extend(pairs(&elements)?),
            (Object::List(own) | Object::Set(own), false) => own.extend(elements),
            (Object::Call(call), false) => call.elements.extend(elements),
            _ => return Err(format!("elements of {}", self.objects.kind(target))),
        }
        Ok(())
    }

    fn call(&mut self, opcode: u8) -> Result<(), String> {
        let object = match opcode {
            b'c' => {
                let module = self.line()?;
                let name = self.line()?;
                Object::Global(format!("{module}.{name}"))
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                match (self.objects.text(module), self.objects.text(name)) {
                    (Some(module), Some(name)) => Object::Global(format!("{module}.{name}")),
                    _ => return Err("a function without a name".to_owned()),
                }
            }
            b'Q' => Object::Persistent(self.pop()?),
            b'b' => {
                let state = self.pop()?;
                let target = *self.stack.last().ok_or("attributes of nothing")?;
                if let Object::Call(call) = &mut self.objects.all[target.0 as usize] {
                    call.state = Some(state);
                }
                return Ok(());
            }
            _ => {
                if opcode == 0x92 {
                    // Keyword arguments, which no object that is understood here has.
                    self.pop()?;
                }
                let arguments = self.pop()?;
                let function = self.pop()?;
                Object::Call(Box::new(Call {
                    function,
                    arguments,
                    items: Vec::new(),
                    elements: Vec::new(),
                    state: None,
                }))
            }
        };
        self.push(object)
    }

    fn remember(&mut self, opcode: u8) -> Result<(), String> {
        let key = match opcode {
            b'q' | b'h' => self.byte()?.into(),
            0x94 => u32::try_from(self.memo.len()).map_err(|_| "too much to remember")?,
            _ => u32::from_le_bytes(self.array()?),
        };
        match opcode {
            b'h' | b'j' => {
                let id = *self.memo.get(&key).ok_or("a reference to nothing")?;
                self.stack.push(id);
            }
            _ => {
                let top = *self.stack.last().ok_or("nothing to remember")?;
                self.memo.insert(key, top);
            }
        }
        Ok(())
    }

    fn push(&mut self, object: Object) -> Result<(), String> {
        let id = self.add(object)?;
        self.stack.push(id);
        Ok(())
    }

    fn add(&mut self, object: Object) -> Result<Id, String> {
        if self.objects.all.len() >= MAX_OBJECTS {
            return Err(format!("more than {MAX_OBJECTS} objects"));
        }
        self.objects.all.push(object);
        Ok(Id((self.objects.all.len() - 1) as u32))
    }

    fn push_constant(&mut self, index: usize, object: Object) -> Result<(), String> {
        let id = match self.constants[index] {
            Some(id) => id,
            None => self.add(object)?,
        };
        self.constants[index] = Some(id);
        self.stack.push(id);
        Ok(())
    }

    /// The height below which only a mark's end may reach.
    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id, String> {
        if self.stack.len() <= self.floor() {
            return Err("the stack is empty".to_owned());
        }
        self.stack
            .pop()
            .ok_or_else(|| "the stack is empty".to_owned())
    }

    fn pop_or_mark(&mut self) -> Result<(), String> {
        if self.marks.last() == Some(&self.stack.len()) {
            self.marks.pop();
            return Ok(());
        }
        self.pop().map(|_| ())
    }

    fn above_mark(&mut self) -> Result<Vec<Id>, String> {
        let mark = self
            .marks
            .pop()
            .ok_or("the end of something that never began")?;
        Ok(self.stack.split_off(mark))
    }

    fn take(&mut self, length: usize) -> Result<&[u8], String> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let Some(taken) = rest.get(..length) else {
            return Err(format!("it ends where {length} more bytes are expected"));
        };
        self.position += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        let taken = self.take(N)?;
        taken.try_into().map_err(|_| "it ends".to_owned())
    }

    fn byte(&mut self) -> Result<u8, String> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    fn length4(&mut self) -> Result<usize, String> {
        let length = u32::from_le_bytes(self.array()?);
        usize::try_from(length).map_err(|_| format!("a text of {length} bytes"))
    }

    /// The text up to the end of the line, as protocol 2 writes names.
    fn line(&mut self) -> Result<String, String> {
        let rest = self.bytes.get(self.position..).unwrap_or_default();
        let length = rest.iter().position(|byte| *byte == b'\n');
        let length = length.ok_or("a name without an end")?;
        let text = String::from_utf8_lossy(self.take(length)?).into_owned();
        self.byte()?;
        Ok(text)
    }
}

fn pairs(elements: &[Id]) -> Result<Vec<(Id, Id)>, String> {
    let (pairs, rest) = elements.as_chunks::<2>();
    if !rest.is_empty() {
        return Err("a key without a value".to_owned());
    }
    Ok(pairs.iter().map(|[key, value]| (*key, *value)).collect())
}

/// A number of any length, two's complement, little-endian.
fn whole(bytes: &[u8]) -> Object {
    let sign = bytes.last().is_some_and(|byte| *byte >= 0x80);
    let fill = if sign { 0xff } else { 0 };
    let mut low = [fill; 8];
    for (to, from) in low.iter_mut().zip(bytes) {
        *to = *from;
    }
    let value = i64::from_le_bytes(low);
    let lost = bytes.iter().skip(8).any(|byte| *byte != fill) || (value < 0) != sign;
    match lost {
        true => Object::BigInt,
        false => Object::Int(value),
    }
}
