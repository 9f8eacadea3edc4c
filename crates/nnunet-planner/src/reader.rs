//! Which reader of the Python program a file ending belongs to.

use nnunet_schema::DatasetDescription;
use nnunet_schema::Shape;

use crate::PlanError;

/// The class name of the reader for the files of a dataset: the one that `dataset.json` forces,
/// or the first that the Python program would find to be able to read them.
pub(crate) fn choose(
    description: &DatasetDescription,
    median_shape: Shape,
) -> Result<String, PlanError> {
    let forced = (description.extra.get("overwrite_image_reader_writer"))
        .and_then(|value| value.as_str())
        .filter(|name| *name != "None");
    if let Some(name) = forced {
        return Ok(name.to_owned());
    }
    let ending = description.file_ending.to_lowercase();
    let name = match ending.as_str() {
        ".png" | ".bmp" => "NaturalImage2DIO",
        ".tif" if median_shape.voxels().contains(&1) => "NaturalImage2DIO",
        ".tif" | ".tiff" => "Tiff3DIO",
        ".nii.gz" | ".nrrd" | ".nhdr" | ".mha" | ".mhd" | ".gipl" => "SimpleITKIO",
        ".nii" => "NibabelIO",
        // Of this program alone.
        ".npy" => "NumpyIO",
        _ => return Err(PlanError::UnknownFileEnding { ending }),
    };
    Ok(name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(ending: &str, extra: &str, depth: usize) -> Result<String, PlanError> {
        let description = serde_json::from_str(&format!(
            r#"{{"channel_names": {{"0": "MRI"}}, "labels": {{"background": 0, "a": 1}},
                "numTraining": 1, "file_ending": "{ending}" {extra}}}"#
        ))
        .unwrap();
        choose(&description, Shape::new([depth, 9, 9]))
    }

    #[test]
    fn endings_decide_unless_a_reader_is_forced() {
        assert_eq!(reader(".NII.gz", "", 9).unwrap(), "SimpleITKIO");
        assert_eq!(reader(".tif", "", 1).unwrap(), "NaturalImage2DIO");
        assert_eq!(reader(".tif", "", 9).unwrap(), "Tiff3DIO");
        let forced = r#", "overwrite_image_reader_writer": "Mine""#;
        assert_eq!(reader(".xyz", forced, 9).unwrap(), "Mine");
        let none = r#", "overwrite_image_reader_writer": "None""#;
        assert_eq!(reader(".nii", none, 9).unwrap(), "NibabelIO");
        assert!(reader(".xyz", "", 9).is_err());
    }
}
