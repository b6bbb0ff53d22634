"""Trains on two thirds of scikit-learn's digits and writes model.joblib beside this file.

Every third image is held out, as in the Rust example, and the share of those that the model gets
right is printed and kept in the file.
"""

from pathlib import Path

import joblib
from sklearn.datasets import load_digits
from sklearn.svm import SVC

data = load_digits()
held_out = [index for index in range(len(data.target)) if index % 3 == 0]
training = [index for index in range(len(data.target)) if index % 3 != 0]

classifier = SVC(gamma=0.001)
classifier.fit(data.data[training], data.target[training])
accuracy = round(float(classifier.score(data.data[held_out], data.target[held_out])), 4)

path = Path(__file__).with_name("model.joblib")
joblib.dump({"version": "svc", "accuracy": accuracy, "classifier": classifier}, path)
print(f"{path.name}: {accuracy:.1%} of {len(held_out)} held-out images right")
