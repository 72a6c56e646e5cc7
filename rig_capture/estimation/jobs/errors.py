"""Errors of jobs; each stands with its name in status.json."""

from rig_capture.estimation.errors import EstimationError


class JobError(EstimationError):
    """A job, or the folder of jobs, that can't be worked with."""


class AlreadyRunning(JobError):
    """Another daemon works on this folder."""


class Interrupted(JobError):
    """A daemon ended in the middle of a job."""


class NoVideos(JobError):
    """A job without a video."""


class ZipRefused(JobError):
    """A zip file that is not unpacked."""


class ZipDamaged(ZipRefused):
    """It can't be read."""


class ZipUnsafe(ZipRefused):
    """It holds names that lead elsewhere, links, or what else is no file or folder."""


class ZipTooLarge(ZipRefused):
    """It holds more than it may."""


class ZipNamesCollide(ZipRefused):
    """It holds names that fall together on some file systems."""
