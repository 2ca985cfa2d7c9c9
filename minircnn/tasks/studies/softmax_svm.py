"""Is R-CNN's SVM after the network better than the softmax that is learned in it? (Fast R-CNN, section 5.4)"""

import numpy as np

from minircnn.models.rcnn import LinearModels
from minircnn.models.sppnet import SPPNet
from minircnn.tasks.studies.lab import Lab, same_weights
from minircnn.tasks.studies.study import Expected, Rows, Study, collect
from minircnn.training.rcnn.features import Features
from minircnn.training.rcnn.stages import learn_svms

SOFTMAX, SVM = "softmax", "SVMs on fc7"


class SVMOnTop(SPPNet):
    """A trained Fast R-CNN whose classes are said by SVMs on fc7; its boxes are still `bbox_pred`'s."""

    def score_regions(
        self, image: np.ndarray, features: np.ndarray, proposals: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The SVMs' margins (P, K+1), column 0 unused, and the network's offsets (P, 4(K+1))."""
        _, hidden7 = self.region_features(image, features, proposals, self.together)
        assert self.linear is not None
        offsets = self.offsets(self.head.bbox_pred.forward(hidden7))
        return np.insert(self.linear.margins(hidden7), 0, 0, axis=1), offsets


def measure(lab: Lab) -> Rows:
    """One network, two ways to say what a region holds."""

    def of_seed(seed: int) -> dict[str, dict[str, float]]:
        model = lab.trained("baseline", seed).model
        other = same_weights(SVMOnTop, model)
        features = Features(lab.out / "features" / f"seed-{seed}", lab.data("fast").train, lab.proposals_of)
        features.write(other, lab.progress)
        svm, scale, _ = learn_svms(other, features, lab.progress)
        none = np.zeros((model.head.fc6.inputs + 1, 4 * model.num_classes))
        other.linear = LinearModels(svm, scale, none, 1.0)
        return {SOFTMAX: lab.measure(model), SVM: lab.measure(other)}

    return collect(lab.seeds, of_seed)


STUDY = Study(
    question="Softmax, or SVMs afterwards?",
    published="VOC07, Fast R-CNN on S, M, L networks: softmax 57.1, 59.2, 66.9; SVMs 56.3, 58.7, 66.8; R-CNN's own "
    "softmax lost 3.3 points to its SVMs (Fast R-CNN, table 8; R-CNN, 2014)",
    measure=measure,
    expected=(Expected(SOFTMAX, SVM),),
)
