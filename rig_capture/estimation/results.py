"""Estimates of a finished session's streams: `estimates/STREAM.MODEL.json` in the session, and `.parquet` where pyarrow is installed.

They lie in a room of the session with a list of its own (`rig_capture/session/additions.py`), so that they are verified, uploaded and
proven like the session's own files. Estimating again with the same model replaces them; where nothing has changed, nothing is written.
"""

from functools import partial
from pathlib import Path

from rig_capture.estimation.errors import PredictionsError
from rig_capture.estimation.listing import ROOM, prediction_suffixes, result_name, video_streams
from rig_capture.estimation.predictions import VideoPredictions, write_predictions
from rig_capture.session.additions import Addition, put_files


def write_results(session: Path, predictions: VideoPredictions, *, parquet: bool = True) -> tuple[Addition, ...]:
    """Puts estimates of a stream into its session, in place of older ones of the same model.

    Args:
        session: finished; its manifest is not touched.
        predictions: of one of its streams (`predictions.video.stream`).
        parquet: also as Parquet, where pyarrow is installed.

    Returns:
        The files, as the list of the room names them.

    Raises:
        SessionLocked: the session is being changed by another program; nothing has changed.
        SessionError: there is no session, or it is not finished, or the disk fails.
        PredictionsError: they can't be written, or are not of this session.
    """
    stream, model = predictions.video.stream, predictions.model
    if stream not in video_streams(session):
        raise PredictionsError(f"{session}: has no stream of video {stream!r}; these estimates belong elsewhere")
    names = [result_name(stream, model.name, suffix) for suffix in prediction_suffixes(parquet=parquet)]
    write = partial(write_predictions, predictions=predictions)
    outdated = {result_name(stream, model.name, ".parquet")} - set(names)
    return put_files(session, ROOM, dict.fromkeys(names, write), f"{model.name} {model.version}", without=outdated)
