use std::io;
use std::path::Path;

use nnunet_schema::atomic;

use crate::DrawError;
use crate::font::glyph;

/// Red, green, blue.
pub type Colour = [u8; 3];

/// A picture in memory, 8 bits each of red, green and blue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: usize,
    pixels: Vec<Colour>,
}

impl Picture {
    pub(crate) fn new(width: usize, height: usize, colour: Colour) -> Self {
        Self {
            width,
            pixels: vec![colour; width * height],
        }
    }

    /// Pixels per row.
    #[must_use]
    pub const fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    #[must_use]
    pub fn height(&self) -> usize {
        self.pixels.len().checked_div(self.width).unwrap_or(0)
    }

    /// The colour at (row, column), if there is such a pixel.
    #[must_use]
    pub fn get(&self, at: [usize; 2]) -> Option<[u8; 3]> {
        self.pixels.get(self.position(at)?).copied()
    }

    /// The picture as a PNG file in memory.
    ///
    /// # Errors
    /// [`DrawError::Arguments`] if the encoder refuses it, which it does for sides of 2³¹.
    pub fn to_png(&self) -> Result<Vec<u8>, DrawError> {
        self.encode().map_err(|error| DrawError::Arguments {
            problem: error.to_string(),
        })
    }

    /// Writes the picture as a PNG file, atomically.
    ///
    /// # Errors
    /// [`DrawError::Schema`] with the path if the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), DrawError> {
        let png = self.to_png()?;
        Ok(atomic::write_with(path, |file| {
            io::Write::write_all(file, &png)
        })?)
    }

    fn encode(&self) -> Result<Vec<u8>, png::EncodingError> {
        let side = |pixels: usize| {
            u32::try_from(pixels).map_err(|_| io::Error::other("the picture is too large"))
        };
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, side(self.width)?, side(self.height())?);
        encoder.set_color(png::ColorType::Rgb);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(self.pixels.as_flattened())?;
        writer.finish()?;
        Ok(file)
    }

    pub(crate) fn set(&mut self, at: [usize; 2], colour: Colour) {
        let position = self.position(at);
        if let Some(pixel) = position.and_then(|i| self.pixels.get_mut(i)) {
            *pixel = colour;
        }
    }

    pub(crate) fn fill(&mut self, corner: [usize; 2], size: [usize; 2], colour: Colour) {
        for y in corner[0]..corner[0] + size[0] {
            for x in corner[1]..corner[1] + size[1] {
                self.set([y, x], colour);
            }
        }
    }

    /// Writes a line of capital letters; `dot` is the size of the dots that they are made of.
    pub(crate) fn text(&mut self, corner: [usize; 2], text: &str, dot: usize, colour: Colour) {
        for (i, letter) in text.chars().enumerate() {
            for (y, row) in glyph(letter).into_iter().enumerate() {
                for x in (0..5).filter(|x| row >> (4 - x) & 1 == 1) {
                    let at = [corner[0] + y * dot, corner[1] + (6 * i + x) * dot];
                    self.fill(at, [dot, dot], colour);
                }
            }
        }
    }

    /// Writes upwards: `corner` is where the text begins, at the bottom on the side of the letters'
    /// tops.
    pub(crate) fn text_upwards(
        &mut self,
        corner: [usize; 2],
        text: &str,
        dot: usize,
        colour: Colour,
    ) {
        for (i, letter) in text.chars().enumerate() {
            for (y, row) in glyph(letter).into_iter().enumerate() {
                for x in (0..5).filter(|x| row >> (4 - x) & 1 == 1) {
                    let up = (6 * i + x + 1) * dot;
                    if let Some(top) = corner[0].checked_sub(up) {
                        self.fill([top, corner[1] + y * dot], [dot, dot], colour);
                    }
                }
            }
        }
    }

    fn position(&self, [y, x]: [usize; 2]) -> Option<usize> {
        (x < self.width).then(|| y * self.width + x)
    }
}

/// Pixels that a line of text takes.
pub(crate) fn text_width(text: &str, dot: usize) -> usize {
    6 * dot * text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_png_reads_back() {
        let mut picture = Picture::new(40, 30, [1, 2, 3]);
        picture.text([3, 3], "A-1", 2, [250, 251, 252]);
        picture.set([100, 100], [9, 9, 9]);
        let png = picture.to_png().unwrap();
        let mut reader = png::Decoder::new(io::Cursor::new(png)).read_info().unwrap();
        let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
        reader.next_frame(&mut pixels).unwrap();
        assert_eq!(pixels, picture.pixels.as_flattened());
        assert_eq!((picture.width(), picture.height()), (40, 30));
        assert!(picture.pixels.contains(&[250, 251, 252]));
    }

    #[test]
    fn a_file_that_cannot_be_written_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.png");
        std::fs::create_dir(&path).unwrap();
        let error = Picture::new(2, 2, [0; 3]).save(&path).unwrap_err();
        assert!(error.to_string().contains("a.png"), "{error}");
    }
}
