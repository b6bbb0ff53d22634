//! Classification by the most similar training images. The model is these images, kept in the model
//! file as one letter a pixel, which a start reads in well under a millisecond.

use serde::{Deserialize, Serialize, Serializer};
use smartcore::algorithm::neighbour::KNNAlgorithmName;
use smartcore::error::Failed;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::metrics::distance::euclidian::Euclidian;
use smartcore::neighbors::knn_classifier::{KNNClassifier, KNNClassifierParameters};

use crate::dataset::{Digit, PIXELS, table};

/// How many neighbours vote.
const NEIGHBOURS: usize = 3;
/// The letter of an empty pixel; the next sixteen are the shades of ink.
const BLANK: u8 = b'a';

type Knn = KNNClassifier<f64, u32, DenseMatrix<f64>, Vec<u32>, Euclidian<f64>>;

/// A fitted classifier, and the images that it was made from.
#[derive(Debug, Deserialize)]
#[serde(try_from = "Examples")]
pub(crate) struct Neighbours {
    examples: Examples,
    classifier: Knn,
}

/// The training images in the form of the model file.
#[derive(Debug, Serialize, Deserialize)]
struct Examples {
    /// [`PIXELS`] letters an image.
    images: String,
    /// One label digit an image.
    labels: String,
}

/// Failures of the examples in a model file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("{images} letters are not {PIXELS} for each of {labels} labels")]
    Length { images: usize, labels: usize },
    #[error("labels are figures and pixels letters from a to q")]
    Letters,
    #[error("the examples cannot be used: {0}")]
    Classifier(#[from] Failed),
}

impl Neighbours {
    pub(crate) fn learn(digits: &[Digit]) -> Result<Self, Failed> {
        let pixels = digits.iter().flat_map(|digit| &digit.pixels);
        let images = pixels.map(|pixel| char::from(BLANK + *pixel as u8)).collect();
        let labels = digits.iter().map(|digit| char::from_digit(digit.label, 10).unwrap_or('?'));
        let examples = Examples { images, labels: labels.collect() };
        Ok(Self { examples, classifier: fit(digits)? })
    }

    pub(crate) fn predict(&self, images: &DenseMatrix<f64>) -> Result<Vec<u32>, Failed> {
        self.classifier.predict(images)
    }
}

fn fit(digits: &[Digit]) -> Result<Knn, Failed> {
    let (images, labels) = table(digits)?;
    // A search tree costs more to build at each start than it saves over a thousand images.
    let parameters = KNNClassifierParameters::default().with_k(NEIGHBOURS);
    let parameters = parameters.with_algorithm(KNNAlgorithmName::LinearSearch);
    Knn::fit(&images, &labels, parameters)
}

impl TryFrom<Examples> for Neighbours {
    type Error = Error;

    fn try_from(examples: Examples) -> Result<Self, Error> {
        let (images, labels) = (examples.images.as_bytes(), examples.labels.as_bytes());
        if images.len() != labels.len() * PIXELS || labels.is_empty() {
            return Err(Error::Length { images: images.len(), labels: labels.len() });
        }
        let shades = BLANK..=BLANK + 16;
        if !labels.iter().all(u8::is_ascii_digit)
            || !images.iter().all(|letter| shades.contains(letter))
        {
            return Err(Error::Letters);
        }
        let digits: Vec<Digit> = images
            .chunks_exact(PIXELS)
            .zip(labels)
            .map(|(letters, label)| Digit {
                pixels: letters.iter().map(|letter| f64::from(letter - BLANK)).collect(),
                label: u32::from(label - b'0'),
            })
            .collect();
        Ok(Self { classifier: fit(&digits)?, examples })
    }
}

impl Serialize for Neighbours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.examples.serialize(serializer)
    }
}
