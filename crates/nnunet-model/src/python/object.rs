//! What a pickle describes: values, and calls that nobody makes.

/// The place of an object among all objects of a pickle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Id(pub(super) u32);

/// A value of a pickle. Containers hold places, so that an object may occur twice, or in
/// itself, without any harm.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Object {
    None,
    Bool(bool),
    Int(i64),
    /// A whole number above 64 bits, whose value nothing here needs.
    BigInt,
    Float(f64),
    Text(String),
    Bytes(Vec<u8>),
    List(Vec<Id>),
    Tuple(Vec<Id>),
    Dict(Vec<(Id, Id)>),
    Set(Vec<Id>),
    /// `module.name`: a class or function of Python.
    Global(String),
    /// What a class or function would have been given; it is not run.
    Call(Box<Call>),
    /// A reference to something outside of the pickle.
    Persistent(Id),
}

/// An object that Python would build by calling something.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) function: Id,
    pub(super) arguments: Id,
    /// Pairs that would have been set on the result.
    pub(super) items: Vec<(Id, Id)>,
    /// Values that would have been appended to it.
    pub(super) elements: Vec<Id>,
    /// Its attributes.
    pub(super) state: Option<Id>,
}

/// All objects of a pickle.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) all: Vec<Object>,
}

impl Objects {
    pub(super) fn get(&self, id: Id) -> &Object {
        // Places are given out by the reader for objects that it has added.
        &self.all[id.0 as usize]
    }

    /// The elements of a tuple or list.
    pub(super) fn sequence(&self, id: Id) -> Option<&[Id]> {
        match self.get(id) {
            Object::Tuple(elements) | Object::List(elements) => Some(elements),
            _ => None,
        }
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number that is not negative.
    pub(super) fn count(&self, id: Id) -> Option<usize> {
        match self.get(id) {
            Object::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        }
    }

    /// Such numbers in a tuple or list.
    pub(super) fn counts(&self, id: Id) -> Option<Vec<usize>> {
        self.sequence(id)?
            .iter()
            .map(|id| self.count(*id))
            .collect()
    }

    /// The name of a class or function.
    pub(super) fn global(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Object::Global(name) => Some(name),
            _ => None,
        }
    }

    /// The name of the function of a call, and its arguments.
    pub(super) fn call(&self, id: Id) -> Option<(&str, &[Id], &Call)> {
        match self.get(id) {
            Object::Call(call) => {
                let arguments = self.sequence(call.arguments)?;
                Some((self.global(call.function)?, arguments, call))
            }
            _ => None,
        }
    }

    /// The pairs of a dictionary, or of something that behaves as one.
    pub(super) fn pairs(&self, id: Id) -> Option<&[(Id, Id)]> {
        match self.get(id) {
            Object::Dict(pairs) => Some(pairs),
            Object::Call(call) => match self.global(call.function)? {
                "collections.OrderedDict" | "collections.defaultdict" => Some(&call.items),
                _ => None,
            },
            _ => None,
        }
    }

    /// The value under a text key.
    pub(super) fn entry(&self, id: Id, key: &str) -> Option<Id> {
        let pairs = self.pairs(id)?;
        // As in Python, the last one counts.
        let found = pairs.iter().rev().find(|(k, _)| self.text(*k) == Some(key));
        found.map(|(_, value)| *value)
    }

    /// What an object is, for messages.
    pub(super) fn kind(&self, id: Id) -> String {
        match self.get(id) {
            Object::None => "None".into(),
            Object::Bool(_) => "a truth value".into(),
            Object::Int(_) | Object::BigInt => "a whole number".into(),
            Object::Float(_) => "a number".into(),
            Object::Text(_) => "a text".into(),
            Object::Bytes(_) => "bytes".into(),
            Object::List(_) => "a list".into(),
            Object::Tuple(_) => "a tuple".into(),
            Object::Dict(_) => "a dictionary".into(),
            Object::Set(_) => "a set".into(),
            Object::Global(name) => format!("`{name}`"),
            Object::Call(call) => match self.global(call.function) {
                Some(name) => format!("an object of `{name}`"),
                None => "an object that something unknown makes".into(),
            },
            Object::Persistent(_) => "a storage".into(),
        }
    }
}
