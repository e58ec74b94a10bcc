"""What the null server answers, a file for each vendor.

Everything is made before the first request or at the first need of it. Answers check nothing:
a wrong signature is as good as a right one, and every key but one is the small object. Heads look like
those of the vendor, checksums included, so that a client verifies what it would verify there.
Standard library only.
"""

from __future__ import annotations

from .base import Answers, Large
from .qiniu import QiniuAnswers
from .s3 import S3Answers
from .swift import SwiftAnswers

__all__ = ["ANSWERS", "Answers", "Large"]

ANSWERS: dict[str, type[Answers]] = {"s3": S3Answers, "swift": SwiftAnswers, "qiniu": QiniuAnswers}
