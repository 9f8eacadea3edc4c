//! Tensors as a pickle describes them: a view of a storage that lies beside it.

use tch::{Kind, Tensor};

use super::object::{Id, Object, Objects};
use crate::ModelError;

/// A view of a storage.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct TensorView {
    /// The name of the storage in the archive.
    pub(super) storage: String,
    pub(super) kind: Kind,
    pub(super) shape: Vec<usize>,
    /// In values, as the offset.
    strides: Vec<usize>,
    offset: usize,
    /// Values of the storage as a whole.
    length: usize,
}

impl TensorView {
    /// The tensor that a call describes; none if it describes something else, or a view that no
    /// storage can have.
    pub(super) fn of(objects: &Objects, id: Id) -> Option<Self> {
        // Parameters are wrapped tensors; each wrapper is one call deeper.
        let mut id = id;
        for _ in 0..4 {
            let (name, arguments, _) = objects.call(id)?;
            match name {
                "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => {
                    return Self::rebuilt(objects, arguments);
                }
                "torch._utils._rebuild_parameter"
                | "torch._utils._rebuild_parameter_with_state" => id = *arguments.first()?,
                "torch._tensor._rebuild_from_type_v2" => {
                    let function = objects.global(*arguments.first()?)?;
                    let inner = objects.sequence(*arguments.get(2)?)?;
                    return match function {
                        "torch._utils._rebuild_tensor_v2" => Self::rebuilt(objects, inner),
                        _ => None,
                    };
                }
                _ => return None,
            }
        }
        None
    }

    fn rebuilt(objects: &Objects, arguments: &[Id]) -> Option<Self> {
        let [storage, offset, shape, strides, ..] = arguments else {
            return None;
        };
        let Object::Persistent(reference) = objects.get(*storage) else {
            return None;
        };
        let [tag, class, key, _, length, ..] = objects.sequence(*reference)? else {
            return None;
        };
        if objects.text(*tag) != Some("storage") {
            return None;
        }
        let length = objects.count(*length)?;
        let view = Self {
            storage: objects.text(*key)?.to_owned(),
            kind: kind(objects.global(*class)?)?,
            shape: objects.counts(*shape)?,
            strides: objects.counts(*strides)?,
            offset: objects.count(*offset)?,
            length,
        };
        view.fits(length).then_some(view)
    }

    /// Number of values.
    fn values(&self) -> Option<usize> {
        self.shape
            .iter()
            .try_fold(1_usize, |a, b| a.checked_mul(*b))
    }

    /// Whether all values lie in a storage of `length`, and are not more than it has.
    fn fits(&self, length: usize) -> bool {
        let end = || {
            let axes = self.shape.iter().zip(&self.strides);
            axes.clone().try_fold(self.offset, |end, (edge, stride)| {
                end.checked_add(edge.checked_sub(1)?.checked_mul(*stride)?)
            })
        };
        let inside = match self.values() {
            None => false,
            Some(0) => true,
            Some(values) => values <= length && end().is_some_and(|end| end < length),
        };
        inside && self.shape.len() == self.strides.len() && i64::try_from(length).is_ok()
    }

    /// The values, from the bytes of the storage.
    pub(super) fn read(&self, path: &std::path::Path, bytes: &[u8]) -> Result<Tensor, ModelError> {
        let size = self.kind.elt_size_in_bytes();
        let length = self.length;
        if length.checked_mul(size) != Some(bytes.len()) {
            let problem = format!(
                "its storage `{}` has {} bytes, expected {length} values ({:?}) of {size} bytes: \
                 the file is damaged",
                self.storage,
                bytes.len(),
                self.kind
            );
            return Err(ModelError::file(path, problem));
        }
        let signed = |values: &[usize]| values.iter().map(|v| *v as i64).collect::<Vec<_>>();
        let storage = Tensor::f_from_data_size(bytes, &[length as i64], self.kind)?;
        let (shape, strides) = (signed(&self.shape), signed(&self.strides));
        let view = storage.f_as_strided(
            shape.as_slice(),
            strides.as_slice(),
            Some(self.offset as i64),
        )?;
        Ok(view.f_contiguous()?)
    }
}

/// The type of the values of a storage class.
fn kind(class: &str) -> Option<Kind> {
    Some(match class.strip_prefix("torch.")? {
        "FloatStorage" => Kind::Float,
        "DoubleStorage" => Kind::Double,
        "HalfStorage" => Kind::Half,
        "BFloat16Storage" => Kind::BFloat16,
        "LongStorage" => Kind::Int64,
        "IntStorage" => Kind::Int,
        "ShortStorage" => Kind::Int16,
        "CharStorage" => Kind::Int8,
        "ByteStorage" => Kind::Uint8,
        "BoolStorage" => Kind::Bool,
        _ => return None,
    })
}
