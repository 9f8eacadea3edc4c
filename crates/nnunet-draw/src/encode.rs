//! PNG files in memory.

use std::io;

use ndarray::Array2;
use png::{BitDepth, ColorType, Encoder, EncodingError, Filter};

use crate::DrawError;

/// Bytes of grey, black to white.
pub(crate) fn encode_grey(pixels: &Array2<u8>) -> Result<Vec<u8>, DrawError> {
    encode(pixels, |encoder| {
        encoder.set_color(ColorType::Grayscale);
        encoder.set_filter(Filter::Adaptive);
    })
}

/// Numbers of colours of a palette, each red, green, blue and opacity.
pub(crate) fn encode_indexed(
    pixels: &Array2<u8>,
    palette: &[[u8; 4]],
) -> Result<Vec<u8>, DrawError> {
    encode(pixels, |encoder| {
        let colours = palette
            .iter()
            .flat_map(|[red, green, blue, _]| [*red, *green, *blue]);
        let opacities = palette.iter().map(|[.., opacity]| *opacity);
        encoder.set_color(ColorType::Indexed);
        encoder.set_palette(colours.collect::<Vec<u8>>());
        encoder.set_trns(opacities.collect::<Vec<u8>>());
        encoder.set_filter(Filter::NoFilter);
    })
}

fn encode(
    pixels: &Array2<u8>,
    set_up: impl FnOnce(&mut Encoder<'_, &mut Vec<u8>>),
) -> Result<Vec<u8>, DrawError> {
    let write = || -> Result<Vec<u8>, EncodingError> {
        let side = |pixels: usize| {
            u32::try_from(pixels).map_err(|_| io::Error::other("the picture is too large"))
        };
        let (height, width) = pixels.dim();
        let mut file = Vec::new();
        let mut encoder = Encoder::new(&mut file, side(width)?, side(height)?);
        encoder.set_depth(BitDepth::Eight);
        encoder.set_compression(png::Compression::Balanced);
        set_up(&mut encoder);
        let mut writer = encoder.write_header()?;
        writer.write_image_data(&pixels.iter().copied().collect::<Vec<u8>>())?;
        writer.finish()?;
        Ok(file)
    };
    write().map_err(|error| DrawError::Arguments {
        problem: error.to_string(),
    })
}
