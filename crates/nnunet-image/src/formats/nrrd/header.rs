use std::path::Path;

use super::axes::Axes;
use crate::ImageError;
use crate::formats::source::{OpenFile, Packing, Source, unsupported};
use crate::formats::text_header::{Fields, open_data_file, shown};
use crate::formats::voxels::{Block, Element};

/// The fields of a file, with those of them that are more than a list of numbers.
#[derive(Debug)]
pub(super) struct Header {
    pub(super) fields: Fields,
}

/// Opens a file and leaves the source at its first voxel.
pub(super) fn open(path: &Path) -> Result<(Block, Source), ImageError> {
    let mut file = OpenFile::open(path)?;
    let header = Header::read(&mut file)?;
    let block = header.block()?;
    let bytes = (block.bytes()).ok_or_else(|| {
        let sizes = header.fields.get(&["sizes"]).unwrap_or_default();
        let problem = format!(
            "`sizes` is `{}`, which is no size of an image",
            shown(sizes)
        );
        header.fields.damaged(problem)
    })?;
    let packing = header.packing()?;
    let mut file = match header.fields.get(&["data file", "datafile"]) {
        None => file,
        Some(name) => {
            check_one_file(path, name)?;
            open_data_file(path, name)?
        }
    };
    let skip = |name: &'static str, other: &'static str| -> Result<i64, ImageError> {
        Ok(header.fields.number(&[name, other])?.unwrap_or(0))
    };
    for _ in 0..skip("line skip", "lineskip")? {
        if file.line()?.is_none() {
            return Err(header.fields.damaged("it ends before the voxels".into()));
        }
    }
    let skip = skip("byte skip", "byteskip")?;
    if skip == -1 && packing == Packing::Plain {
        file.seek_to_last(bytes)?;
    }
    let mut source = file.rest(packing);
    match u64::try_from(skip) {
        Ok(skip) => {
            source.check_size(bytes.saturating_add(skip))?;
            source.skip(skip)?;
        }
        Err(_) if skip == -1 && packing == Packing::Plain => {}
        Err(_) => {
            let problem = format!("`byte skip` is {skip}, expected 0 or more");
            return Err(header.fields.damaged(problem));
        }
    }
    Ok((block, source))
}

impl Header {
    fn read(file: &mut OpenFile) -> Result<Self, ImageError> {
        let mut fields = Fields::new(file.path());
        let first = file.line()?.unwrap_or_default();
        if !first.starts_with("NRRD") {
            let problem = format!(
                "it has no NRRD header: expected `NRRD000…` in its first line, found `{}`",
                shown(&first)
            );
            return Err(fields.damaged(problem));
        }
        loop {
            let line = match file.line()? {
                Some(line) if !line.trim().is_empty() => line,
                // A header may end with the file if its voxels are in another one.
                None if fields.get(&["data file", "datafile"]).is_none() => {
                    let problem = "it ends early, within its header".to_owned();
                    return Err(fields.damaged(problem));
                }
                _ => return Ok(Self { fields }),
            };
            // Comments, and `key:=value`, which means something to whoever wrote it.
            if line.starts_with('#') || line.contains(":=") {
                continue;
            }
            let Some((name, value)) = line.split_once(':') else {
                let problem = format!(
                    "it has no NRRD header: expected `name: value`, found `{}`",
                    shown(&line)
                );
                return Err(fields.damaged(problem));
            };
            fields.add(&name.to_ascii_lowercase(), value);
        }
    }

    fn block(&self) -> Result<Block, ImageError> {
        let fields = &self.fields;
        let name = fields.required("type")?;
        let Some(element) = element(name) else {
            let problem = format!(
                "its `type` is `{}`, expected an integer, float or double: convert it first",
                shown(name)
            );
            return Err(unsupported(fields.path(), problem));
        };
        let axes = Axes::of(self)?;
        let endian = fields.get(&["endian"]).map(str::to_ascii_lowercase);
        let big_endian = match endian.as_deref() {
            Some("big") => true,
            Some("little") => false,
            None if element.size() == 1 => false,
            other => {
                return Err(fields.damaged(format!(
                    "`endian` is `{}`, expected big or little",
                    shown(other.unwrap_or("missing"))
                )));
            }
        };
        Ok(Block {
            shape: axes.shape,
            axes: axes.order,
            element,
            big_endian,
            scaling: None,
            geometry: axes.geometry(self)?,
        })
    }

    fn packing(&self) -> Result<Packing, ImageError> {
        let encoding = self.fields.required("encoding")?;
        match encoding.to_ascii_lowercase().as_str() {
            "raw" => Ok(Packing::Plain),
            "gzip" | "gz" => Ok(Packing::Gzip),
            other => {
                let problem = format!(
                    "its encoding is `{}`, expected raw or gzip: convert it first",
                    shown(other)
                );
                Err(unsupported(self.fields.path(), problem))
            }
        }
    }

    /// Lengths of all axes, fastest first: two to four.
    pub(super) fn sizes(&self) -> Result<Vec<usize>, ImageError> {
        self.fields.required("dimension")?;
        let axes: usize = self.fields.number(&["dimension"])?.unwrap_or_default();
        if !(2..=4).contains(&axes) {
            let problem =
                format!("it has {axes} axes, expected 2 or 3 in space and at most one of channels");
            return Err(unsupported(self.fields.path(), problem));
        }
        self.fields.required("sizes")?;
        Ok(self.fields.numbers(&["sizes"], axes)?.unwrap_or_default())
    }

    pub(super) fn spacings(&self) -> Result<Option<Vec<f64>>, ImageError> {
        let axes = self.sizes()?.len();
        self.fields.numbers(&["spacings"], axes)
    }

    /// The vector of one step along each axis, fastest first; `None` for one that is not in space.
    pub(super) fn directions(&self) -> Result<Option<Vec<Option<Vec<f64>>>>, ImageError> {
        let Some(text) = self.fields.get(&["space directions"]) else {
            return Ok(None);
        };
        let found = vectors(text);
        match found {
            Some(found) if found.len() == self.sizes()?.len() => Ok(Some(found)),
            _ => Err(self.fields.damaged(format!(
                "`space directions` is `{}`, expected (x,y,z) or none for each axis",
                shown(text)
            ))),
        }
    }

    pub(super) fn origin(&self) -> Result<Option<Vec<f64>>, ImageError> {
        let Some(text) = self.fields.get(&["space origin"]) else {
            return Ok(None);
        };
        let found = vectors(text).unwrap_or_default();
        match found.as_slice() {
            [Some(origin)] if origin.iter().all(|v| v.is_finite()) => Ok(Some(origin.clone())),
            _ => Err(self.fields.damaged(format!(
                "`space origin` is `{}`, expected (x,y,z)",
                shown(text)
            ))),
        }
    }
}

/// `(1,0,0) none (0, 1, 0)`; `None` if it is not of that form.
fn vectors(text: &str) -> Option<Vec<Option<Vec<f64>>>> {
    let mut found = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        rest = if let Some(after) = rest.strip_prefix("none") {
            found.push(None);
            after
        } else {
            let (inside, after) = rest.strip_prefix('(')?.split_once(')')?;
            let numbers: Result<Vec<f64>, _> = inside
                .split(',')
                .map(|number| number.trim().parse())
                .collect();
            // Of a fourth world axis nothing is kept.
            found.push(Some(numbers.ok().filter(|n| (2..=4).contains(&n.len()))?));
            after
        }
        .trim_start();
    }
    Some(found)
}

fn element(name: &str) -> Option<Element> {
    let name = name.to_ascii_lowercase();
    Some(match name.as_str() {
        "signed char" | "int8" | "int8_t" => Element::I8,
        "uchar" | "unsigned char" | "uint8" | "uint8_t" => Element::U8,
        "short" | "short int" | "signed short" | "signed short int" | "int16" | "int16_t" => {
            Element::I16
        }
        "ushort" | "unsigned short" | "unsigned short int" | "uint16" | "uint16_t" => Element::U16,
        "int" | "signed int" | "int32" | "int32_t" => Element::I32,
        "uint" | "unsigned int" | "uint32" | "uint32_t" => Element::U32,
        "longlong"
        | "long long"
        | "long long int"
        | "signed long long"
        | "signed long long int"
        | "int64"
        | "int64_t" => Element::I64,
        "ulonglong" | "unsigned long long" | "unsigned long long int" | "uint64" | "uint64_t" => {
            Element::U64
        }
        "float" => Element::F32,
        "double" => Element::F64,
        _ => return None,
    })
}

/// Refuses voxels that are spread over several files.
fn check_one_file(path: &Path, data: &str) -> Result<(), ImageError> {
    if !data.starts_with("LIST") && !data.contains('%') {
        return Ok(());
    }
    let problem = format!(
        "its voxels are in several files (`data file: {}`): convert it to one .nrrd",
        shown(data)
    );
    Err(unsupported(path, problem))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vectors_are_read_with_and_without_spaces() {
        let found = vectors("none (1,0,0)  (0, -2.5 ,0)").unwrap();
        assert_eq!(found[0], None);
        assert_eq!(found[2], Some(vec![0.0, -2.5, 0.0]));
        for bad in ["(1,2", "1,2,3", "(1)", "(a,b)", "(1,2,3,4,5)"] {
            assert_eq!(vectors(bad), None, "{bad}");
        }
    }
}
