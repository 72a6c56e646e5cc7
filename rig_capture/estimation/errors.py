"""Errors of this room. Each message says what happened, to what, and what to do."""


class EstimationError(Exception):
    """Something that kept a video, a model or a file of predictions from being used."""


class VideoError(EstimationError):
    """A video that can't be read."""


class NoVideo(VideoError):
    """A file or folder without a single picture to estimate from: sound only, empty, or no such file."""


class PredictionsError(EstimationError):
    """A file of predictions that can't be read or written, or is not what it should be."""


class UnsupportedPredictionsVersion(PredictionsError):
    """Predictions of another schema version."""

    def __init__(self, path: object, found: object, supported: int) -> None:
        newer = isinstance(found, int) and found > supported
        remedy = "update rig_capture to read it" if newer else "estimate the video again"
        super().__init__(f"{path}: predictions of schema version {found!r}, this software reads version {supported}; {remedy}")
        self.found = found
        self.supported = supported


class ModelError(EstimationError):
    """A model that can't be loaded, or answered with something it should not."""


class UnknownModel(ModelError):
    """No model has this name."""


class ModelMissing(ModelError):
    """A file of a model that is not on this machine."""


class ExtraMissing(ModelError):
    """Python packages that only some models and commands need."""

    def __init__(self, what: str, extra: str, reason: object) -> None:
        super().__init__(f"{what} needs Python packages that are not installed ({reason}); run: ./rig extra {extra}")
        self.extra = extra
