"""Sound: the sources, and the blocks they deliver. Each source lives in a file of its own."""

from rig_capture.profiles.settings.audio import AudioSettings
from rig_capture.sensing.audio.block import AudioBlock
from rig_capture.sensing.device import Driver


def make_driver(settings: AudioSettings) -> Driver[AudioBlock]:
    """The driver that the settings name, with the channels they ask for; only that one is imported."""
    source = _source(settings)
    if not settings.channel_map:
        return source
    from rig_capture.sensing.audio.channels import MappedAudio

    return MappedAudio(source, settings)


def _source(settings: AudioSettings) -> Driver[AudioBlock]:
    if settings.driver == "synthetic":
        from rig_capture.sensing.audio.synthetic import SyntheticAudio

        return SyntheticAudio(settings)
    if settings.driver == "plugin":
        from rig_capture.sensing.plugins import plugin_driver

        return plugin_driver(settings)
    from rig_capture.sensing.audio.program import ProgramAudio

    return ProgramAudio(settings)
