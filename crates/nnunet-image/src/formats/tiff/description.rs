//! What programs write into the description of the first page.

use serde::Deserialize;

/// The shape that a program says its pages have together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Description {
    /// Shape of the whole array, as Python's `tifffile` writes it.
    pub(super) shape: Option<Vec<usize>>,
    /// Number of 2D images in the file, as ImageJ writes it.
    pub(super) images: Option<usize>,
    /// Numbers of channels, slices and points in time, as ImageJ and OME write them.
    pub(super) axes: [usize; 3],
}

#[derive(Deserialize)]
struct Shaped {
    shape: Vec<usize>,
}

impl Description {
    pub(super) fn parse(text: &str) -> Self {
        let mut found = Self {
            shape: None,
            images: None,
            axes: [1; 3],
        };
        if let Ok(Shaped { shape }) = serde_json::from_str(text) {
            found.shape = Some(shape);
        } else if text.starts_with("ImageJ=") {
            let number = |key: &str| {
                let mut lines = text.lines().filter_map(|line| line.split_once('='));
                let (_, value) = lines.find(|(name, _)| name.trim() == key)?;
                value.trim().parse().ok()
            };
            found.images = number("images");
            found.axes = ["channels", "slices", "frames"].map(|key| number(key).unwrap_or(1));
        } else if text.contains("<OME") {
            let number = |key: &str| {
                let (_, rest) = text.split_once(key)?;
                rest.strip_prefix("=\"")?.split_once('"')?.0.parse().ok()
            };
            found.axes = ["SizeC", "SizeZ", "SizeT"].map(|key| number(key).unwrap_or(1));
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_programs_words_are_understood() {
        let shaped = Description::parse("{\"shape\": [3, 20, 30]}");
        assert_eq!(shaped.shape, Some(vec![3, 20, 30]));
        let imagej = Description::parse("ImageJ=1.54f\nimages=20\nchannels=2\nslices=10\n");
        assert_eq!((imagej.images, imagej.axes), (Some(20), [2, 10, 1]));
        let ome = Description::parse("<?xml?><OME><Pixels SizeC=\"1\" SizeT=\"4\" SizeX=\"9\"/>");
        assert_eq!(ome.axes, [1, 1, 4]);
        let other = Description::parse("a scan, channels=9");
        assert_eq!((other.shape, other.axes), (None, [1; 3]));
    }
}
