//! The two models: trained, saved, loaded, queried.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use smartcore::error::Failed;
use smartcore::linalg::basic::matrix::DenseMatrix;
use smartcore::tree::decision_tree_classifier::{
    DecisionTreeClassifier, DecisionTreeClassifierParameters,
};

use crate::dataset::{Digit, PIXELS, held_out, table, training};
use crate::neighbours::Neighbours;

/// Deep enough to be useful, shallow enough to be visibly worse than `v2`.
const TREE_DEPTH: u16 = 5;
type Tree = DecisionTreeClassifier<f64, u32, DenseMatrix<f64>, Vec<u32>>;

/// A trained model with its version and accuracy. Its file is JSON.
#[derive(Debug, Serialize, Deserialize)]
pub struct Model {
    /// `v1` or `v2`.
    pub version: String,
    /// The share of the held-out images that it gets right.
    pub accuracy: f64,
    classifier: Classifier,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Classifier {
    DecisionTree(Tree),
    NearestNeighbours(Neighbours),
}

/// Failures of a model or its file.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("cannot read the model file {path}: {source}; write one with `digits train`")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("cannot write the model file {path}: {source}")]
    Write { path: PathBuf, source: std::io::Error },
    #[error("{path} is not a model file: {source}; write one with `digits train`")]
    Format { path: PathBuf, source: serde_json::Error },
    #[error("instance {index} has {found} values; an image has {PIXELS}")]
    Pixels { index: usize, found: usize },
    #[error("the model failed: {0}")]
    Classifier(#[from] Failed),
}

/// Trains both models on the fixed split and judges them by the held-out images.
pub fn train() -> Result<Vec<Model>, Error> {
    let (images, labels) = table(&training())?;
    let tree = DecisionTreeClassifierParameters::default().with_max_depth(TREE_DEPTH);
    let tree = Classifier::DecisionTree(Tree::fit(&images, &labels, tree)?);
    let neighbours = Classifier::NearestNeighbours(Neighbours::learn(&training())?);
    let judged = held_out();
    [("v1", tree), ("v2", neighbours)]
        .into_iter()
        .map(|(version, classifier)| {
            let mut model = Model { version: version.to_owned(), accuracy: 0.0, classifier };
            // Rounded, so that it is read back from the file as the same number.
            model.accuracy = (model.accuracy_on(&judged)? * 1e4).round() / 1e4;
            Ok(model)
        })
        .collect()
}

impl Model {
    /// Reads a model file.
    pub fn load(path: &Path) -> Result<Self, Error> {
        let bytes =
            fs::read(path).map_err(|source| Error::Read { path: path.to_owned(), source })?;
        serde_json::from_slice(&bytes)
            .map_err(|source| Error::Format { path: path.to_owned(), source })
    }

    /// Writes a model file.
    pub fn save(&self, path: &Path) -> Result<(), Error> {
        let bytes = serde_json::to_vec(self)
            .map_err(|source| Error::Format { path: path.to_owned(), source })?;
        fs::write(path, bytes).map_err(|source| Error::Write { path: path.to_owned(), source })
    }

    /// The predicted digit of each image, in their order.
    pub fn predict(&self, instances: &[Vec<f64>]) -> Result<Vec<u32>, Error> {
        if instances.is_empty() {
            return Ok(Vec::new());
        }
        if let Some((index, wrong)) =
            instances.iter().enumerate().find(|(_, image)| image.len() != PIXELS)
        {
            return Err(Error::Pixels { index, found: wrong.len() });
        }
        let pixels = instances.iter().flatten().copied().collect();
        let images = DenseMatrix::new(instances.len(), PIXELS, pixels, false)?;
        Ok(match &self.classifier {
            Classifier::DecisionTree(tree) => tree.predict(&images)?,
            Classifier::NearestNeighbours(neighbours) => neighbours.predict(&images)?,
        })
    }

    /// The share of `digits` that the model gets right.
    pub fn accuracy_on(&self, digits: &[Digit]) -> Result<f64, Error> {
        let images: Vec<Vec<f64>> = digits.iter().map(|digit| digit.pixels.clone()).collect();
        let predicted = self.predict(&images)?;
        let right =
            predicted.iter().zip(digits).filter(|(label, digit)| **label == digit.label).count();
        Ok(right as f64 / digits.len().max(1) as f64)
    }
}
