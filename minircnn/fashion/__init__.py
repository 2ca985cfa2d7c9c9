"""Scenes of garments on photographs, which make the demo and the tests possible offline.

`folders.py` writes them in DeepFashion2's layout: `scenes.py` composes one of what `materials.py` holds and
`garments.py` draws. `crops.py` composes single garments of the same material, for a backbone to learn from before there
is a detector. What they are made of lies in `bundled/`, with its licences.
"""

from minircnn.fashion.folders import write_scenes

__all__ = ["write_scenes"]
