use std::path::Path;

use crate::ImageError;
use crate::formats::directions::{self, IDENTITY, Matrix};
use crate::formats::source::{OpenFile, Packing, Source, unsupported};
use crate::formats::text_header::{Fields, open_data_file, shown};
use crate::formats::voxels::{Block, Element};

/// The field that ends the header.
const DATA_FILE: &str = "ElementDataFile";

/// Opens a file and leaves the source at its first voxel.
pub(super) fn open(path: &Path) -> Result<(Block, Source), ImageError> {
    let mut file = OpenFile::open(path)?;
    let fields = fields(&mut file)?;
    let block = block(&fields)?;
    let bytes = (block.bytes()).ok_or_else(|| {
        fields.damaged(format!(
            "`DimSize` is `{}`, which is no size of an image",
            shown(fields.get(&["DimSize"]).unwrap_or_default())
        ))
    })?;
    let packing = if flag(&fields, &["CompressedData"], false)? {
        Packing::Zlib
    } else {
        Packing::Plain
    };
    let data = fields.required(DATA_FILE)?;
    let mut file = if data.eq_ignore_ascii_case("local") {
        file
    } else {
        check_one_file(path, data)?;
        open_data_file(path, data)?
    };
    match fields.number::<i64>(&["HeaderSize"])?.unwrap_or(0) {
        0 => {}
        // The voxels are at the end, whatever is before them.
        -1 if packing == Packing::Plain => file.seek_to_last(bytes)?,
        start => match u64::try_from(start) {
            Ok(start) => file.seek(start)?,
            Err(_) => return Err(fields.damaged(format!("`HeaderSize` is {start}"))),
        },
    }
    let source = file.rest(packing);
    source.check_size(bytes)?;
    Ok((block, source))
}

fn fields(file: &mut OpenFile) -> Result<Fields, ImageError> {
    let mut fields = Fields::new(file.path());
    while let Some(line) = file.line()? {
        let Some((name, value)) = line.split_once('=') else {
            if line.trim().is_empty() {
                continue;
            }
            let problem = format!(
                "it has no MetaImage header: expected `Name = value`, found `{}`",
                shown(&line)
            );
            return Err(fields.damaged(problem));
        };
        fields.add(name, value);
        if name.trim() == DATA_FILE {
            return Ok(fields);
        }
    }
    Err(fields.damaged(format!("its header has no `{DATA_FILE}`")))
}

fn block(fields: &Fields) -> Result<Block, ImageError> {
    let refuse = |problem: String| Err(unsupported(fields.path(), problem));
    if !flag(fields, &["BinaryData"], true)? {
        return refuse("its voxels are text: write it with `BinaryData = True`".to_owned());
    }
    fields.required("NDims")?;
    let axes: usize = fields.number(&["NDims"])?.unwrap_or_default();
    if !(2..=4).contains(&axes) {
        return refuse(format!(
            "it has {axes} axes, expected 2, 3, or 4 with the channels last"
        ));
    }
    fields.required("DimSize")?;
    let size: Vec<usize> = fields.numbers(&["DimSize"], axes)?.unwrap_or_default();
    let channels: usize = fields.number(&["ElementNumberOfChannels"])?.unwrap_or(1);
    let (shape, order) = match (size.as_slice(), channels) {
        (&[x, y], _) => ([1, y, x, channels], [3, 0, 1, 2]),
        (&[x, y, z], _) => ([z, y, x, channels], [3, 0, 1, 2]),
        (&[x, y, z, last], 1) => ([last, z, y, x], [0, 1, 2, 3]),
        _ => {
            return refuse(format!(
                "it has 4 axes and {channels} channels in each voxel: split it into one file per \
                 channel"
            ));
        }
    };
    let name = fields.required("ElementType")?;
    let Some(element) = element(name) else {
        return refuse(format!(
            "its `ElementType` is `{}`, expected an integer, MET_FLOAT or MET_DOUBLE: convert it \
             first",
            shown(name)
        ));
    };
    Ok(Block {
        shape,
        axes: order,
        element,
        big_endian: flag(
            fields,
            &["BinaryDataByteOrderMSB", "ElementByteOrderMSB"],
            false,
        )?,
        scaling: None,
        geometry: geometry(fields, axes)?,
    })
}

/// The names stand for the same sizes on every system.
fn element(name: &str) -> Option<Element> {
    Some(match name.trim_end_matches("_ARRAY") {
        "MET_CHAR" => Element::I8,
        "MET_UCHAR" => Element::U8,
        "MET_SHORT" => Element::I16,
        "MET_USHORT" => Element::U16,
        "MET_INT" | "MET_LONG" => Element::I32,
        "MET_UINT" | "MET_ULONG" => Element::U32,
        "MET_LONG_LONG" => Element::I64,
        "MET_ULONG_LONG" => Element::U64,
        "MET_FLOAT" => Element::F32,
        "MET_DOUBLE" => Element::F64,
        _ => return None,
    })
}

fn geometry(fields: &Fields, axes: usize) -> Result<crate::Geometry, ImageError> {
    let first_three = |numbers: Vec<f64>, rest: f64| {
        let mut found = [rest; 3];
        for (to, from) in found.iter_mut().zip(numbers) {
            *to = from;
        }
        found
    };
    let spacing = fields.numbers(&["ElementSpacing", "ElementSize"], axes)?;
    let origin = fields.numbers(&["Offset", "Origin", "Position"], axes)?;
    let names = ["TransformMatrix", "Rotation", "Orientation"];
    let rows: Option<Vec<f64>> = fields.numbers(&names, axes * axes)?;
    let mut matrix: Matrix = IDENTITY;
    if let Some(rows) = rows {
        // A row of the file is a column of ours. Of a fourth axis nothing is kept.
        for (column, axis) in rows.chunks(axes).take(3).enumerate() {
            for (row, value) in matrix.iter_mut().zip(axis) {
                row[column] = *value;
            }
        }
    }
    directions::geometry(
        &matrix,
        first_three(spacing.unwrap_or_default(), 1.0),
        first_three(origin.unwrap_or_default(), 0.0),
        axes == 2,
    )
    .map_err(|error| fields.damaged(error.to_string()))
}

fn flag(fields: &Fields, names: &[&str], default: bool) -> Result<bool, ImageError> {
    match fields.get(names).map(str::to_ascii_lowercase).as_deref() {
        None => Ok(default),
        Some("true" | "1" | "yes") => Ok(true),
        Some("false" | "0" | "no") => Ok(false),
        Some(other) => Err(fields.damaged(format!(
            "`{}` is `{}`, expected True or False",
            names.first().copied().unwrap_or_default(),
            shown(other)
        ))),
    }
}

/// Refuses voxels that are spread over several files.
fn check_one_file(path: &Path, data: &str) -> Result<(), ImageError> {
    let several = data.starts_with("LIST") || data.contains('%');
    if !several {
        return Ok(());
    }
    let problem = format!(
        "its voxels are in several files (`{DATA_FILE} = {}`): convert it to one .mha",
        shown(data)
    );
    Err(unsupported(path, problem))
}
