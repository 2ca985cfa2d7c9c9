"""How good a detector is: Pascal VOC's average precision, COCO's, precision against recall, confusions.

`evaluation.py` puts them together; `voc.py`, `coco.py` and `confusion.py` compute them, `examples.py` finds the best
and the worst of what was detected. Arrays in, numbers out.
"""

from minircnn.metrics.coco import coco_results
from minircnn.metrics.evaluation import ClassMeasures, Evaluation, evaluate_detections

__all__ = ["ClassMeasures", "Evaluation", "coco_results", "evaluate_detections"]
