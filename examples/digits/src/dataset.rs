//! The data: 1,797 images of 8×8 pixels from 0 (blank) to 16 (ink), which smartcore ships, and the
//! fixed split into training and held-out images.

use smartcore::dataset::digits;
use smartcore::error::Failed;
use smartcore::linalg::basic::matrix::DenseMatrix;

/// Pixels of one image, row by row.
pub(crate) const PIXELS: usize = 64;

/// Every third image is held out. The order of the data is by writer, so both parts see all of them.
const HELD_OUT_EVERY: usize = 3;

/// One image and its label.
#[derive(Clone, Debug, PartialEq)]
pub struct Digit {
    /// [`PIXELS`] values from 0 to 16.
    pub pixels: Vec<f64>,
    pub label: u32,
}

/// The images that no model was trained on.
pub fn held_out() -> Vec<Digit> {
    split(true)
}

/// The images that models are trained on.
pub(crate) fn training() -> Vec<Digit> {
    split(false)
}

fn split(want_held_out: bool) -> Vec<Digit> {
    let data = digits::load_dataset();
    let images = data.data.chunks_exact(data.num_features).zip(&data.target).enumerate();
    images
        .filter(|(index, _)| (index % HELD_OUT_EVERY == 0) == want_held_out)
        .map(|(_, (pixels, label))| Digit {
            pixels: pixels.iter().map(|pixel| f64::from(*pixel)).collect(),
            // Whole numbers, kept as floats.
            label: *label as u32,
        })
        .collect()
}

/// Images and their labels in smartcore's types.
pub(crate) fn table(digits: &[Digit]) -> Result<(DenseMatrix<f64>, Vec<u32>), Failed> {
    let pixels = digits.iter().flat_map(|digit| digit.pixels.iter().copied()).collect();
    let images = DenseMatrix::new(digits.len(), PIXELS, pixels, false)?;
    Ok((images, digits.iter().map(|digit| digit.label).collect()))
}

/// The image as text, two characters to a pixel so that it is square in a terminal.
pub fn draw(pixels: &[f64]) -> String {
    const INK: [char; 5] = [' ', '░', '▒', '▓', '█'];
    let mut text = String::new();
    for row in pixels.chunks(8) {
        for pixel in row {
            let shade = INK.iter().enumerate().rev().find(|(i, _)| *pixel >= SHADE_FROM[*i]);
            let ink = shade.map_or(' ', |(_, ink)| *ink);
            text.extend([ink, ink]);
        }
        text.truncate(text.trim_end_matches(' ').len());
        text.push('\n');
    }
    text
}

/// The least value of each shade.
const SHADE_FROM: [f64; 5] = [0.0, 1.0, 5.0, 9.0, 13.0];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_split_is_fixed_and_covers_everything_once() {
        let (held_out, training) = (held_out(), training());
        assert_eq!((held_out.len(), training.len()), (599, 1198));
        assert!(held_out.iter().chain(&training).all(|digit| digit.pixels.len() == PIXELS));
        for label in 0..=9 {
            assert!(held_out.iter().any(|digit| digit.label == label), "{label}");
        }
        // The data begins with a zero, a one and a two.
        assert_eq!((held_out[0].label, training[0].label, training[1].label), (0, 1, 2));
    }

    #[test]
    fn a_drawing_has_ink_where_the_pixels_have() {
        let mut pixels = vec![0.0; PIXELS];
        pixels[1] = 16.0;
        pixels[8] = 6.0;
        let drawn = draw(&pixels);
        assert_eq!(drawn.lines().take(3).collect::<Vec<_>>(), ["  ██", "▒▒", ""]);
        assert_eq!(drawn.lines().count(), 8);
    }
}
