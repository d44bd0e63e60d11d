"""Where model files lie, and how onnxruntime runs them."""

from pathlib import Path

import onnxruntime

from voice_client.speech.protocols import SpeechFailed


def the_file(path: Path) -> str:
    """That path as text; raises `SpeechFailed`, naming the file, where it is missing."""
    if not path.is_file():
        raise SpeechFailed(f"The speech model file {path} is missing; `./convonet up` assembles it.")
    return str(path)


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """Options for one network run by one caller at a time on that many cores, idle threads asleep."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # Spinning threads would take the cores from the engine that runs next.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options
