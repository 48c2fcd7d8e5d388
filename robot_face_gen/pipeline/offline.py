# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline on a recording, in one process: the reference for the live graph.

It does what `openface_node`, `microphone_node`, `whisper_node` and `reaction_node` do together,
with the same reader, resampler, Whisper stream, timeline and model, and no clock: each slot of
25 Hz is answered with everything that belongs to it. The live graph gives the same reaction (to
1e-4) for the same seed, as long as it loses nothing and keeps up. The model looks back 30 s, so
one slot that the live graph answers without its sound changes the reactions after it too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robot_face_gen.facial_reaction_model.config import BRANCHES
from robot_face_gen.facial_reaction_model.online import OnlineInferenceManager
from robot_face_gen.features.whisper_cache import UNTRAINED
from robot_face_gen.features.whisper_stream import EmbeddingBlock, WhisperStream
from robot_face_gen.pipeline.recording import Recording, replay
from robot_face_gen.resources import default_checkpoint
from robot_face_gen.timing import PERIOD_NS

from .crop import FaceCropParameters
from .loading import Report, load_encoder, load_model, on_host, resolve_place, stack
from .timeline import Timeline, TimelineFrame

_CHUNK_S = 0.5  # sound encoded at a time
_MAX_WAIT_S = 0.08  # default of `reaction_node`
_EMBEDDING = {'hop_s': 0.04, 'context_s': 2.0, 'settle_s': 0.0}  # defaults of `whisper_node`


@dataclass(frozen=True)
class ReactionFrame:
    """One answered slot.

    Attributes:
        number: counts from 0, as `FaceReaction.frame`.
        stamp_ns: middle of the slot, from the recording's beginning: an even 25 Hz.
        source_stamp_ns: of the speaker's frame that it answers, from the recording's beginning;
            the middle of the slot where it has no frame.
        face_valid: whether the slot has a face.
        audio_valid: whether the slot has sound.
        faces: one listener for each seed: landmarks (136,) in crop units, au (18,), pose (4,) in
            radians and metres, gaze (2,) in radians.
    """

    number: int
    stamp_ns: int
    source_stamp_ns: int
    face_valid: bool
    audio_valid: bool
    faces: tuple[dict[str, np.ndarray], ...]


class OfflinePipeline:
    """Loads the networks; `react` answers recordings.

    Args:
        seeds: one listener for each.
        checkpoint: safetensors file; None is the one that comes with the package.
        whisper: weights of the encoder, see `WhisperEncoder.from_name_or_path`.
        temperature: scale of the noise, 0 or more.
        device: auto, cpu, cuda or cuda:N.
        backend: of the reaction model: auto, eager, onnx, onnx-int8 or cuda-graph.
        threads: on a CPU; 0 is the backend's choice.
        min_confidence: frames with a lower confidence are treated as missing.
        report: called with one line where loading takes long.

    Attributes:
        notes: what a reader of the results must know, one line each.
        counters: of the last recording: `without_audio`, `gaps`, `low_confidence`, ..., as the
            nodes count them.

    Raises:
        ValueError: an impossible value, not a checkpoint, weights that cannot be used.
        ImportError: the backend's package is missing.
        OSError: a file cannot be read or written.
    """

    def __init__(
        self,
        seeds: Sequence[int] = (0,),
        *,
        checkpoint: str | Path | None = None,
        whisper: str = UNTRAINED,
        temperature: float = 1.0,
        device: str = 'auto',
        backend: str = 'auto',
        threads: int = 1,
        min_confidence: float = 0.7,
        report: Report = str,
    ) -> None:
        if not seeds:
            raise ValueError('seeds: expected at least one')
        path = Path(checkpoint) if checkpoint else default_checkpoint()
        place, computes = resolve_place(device, backend)
        self._model = load_model(
            path, device=place, backend=computes, threads=threads, report=report
        )
        self._sessions = [
            OnlineInferenceManager(
                self._model, seed=seed, temperature=temperature, backend=computes, threads=threads
            )
            for seed in seeds
        ]
        self._whisper, self._threads, self._report = whisper, threads, report
        self._min_confidence = min_confidence
        self.counters: Counter[str] = Counter()
        self.notes = []
        if not self._model.info.trained:
            self.notes.append('the model is untrained: the face moves, but means nothing')

    def react(self, recording: Recording) -> Iterator[ReactionFrame]:
        """Answer every slot from the recording's beginning until the later of its two ends.

        Without a face, the first slot comes after the first second of sound, as in the live
        graph; without a voice, all slots are answered without sound.

        Yields:
            ReactionFrame: in order of time. A slot whose numbers are not finite is left out.
        """
        info, config = self._model.info, self._model.config
        for session in self._sessions:
            session.reset()
        timeline = Timeline(
            audio_dim=config.audio_dim,
            max_wait_s=_MAX_WAIT_S,
            min_confidence=self._min_confidence,
            crop=FaceCropParameters(**info.face_crop) if info.face_crop else None,
        )
        stream = self._stream() if len(recording.samples) else None
        blocks = _embeddings(stream, recording) if stream else iter(())
        until_ns = round(recording.duration_s * 1e9)
        number, epoch = 0, None
        for frames in _runs(
            replay(timeline, recording.faces, blocks, until_ns), config.window_size
        ):
            if epoch not in (None, frames[0].epoch):
                for session in self._sessions:
                    session.reset()
            epoch = frames[0].epoch
            window = stack(frames)
            answers = [self._answer(session, window) for session in self._sessions]
            for index, frame in enumerate(frames):
                faces = tuple({n: answer[n][index] for n in BRANCHES} for answer in answers)
                if all(np.isfinite(part).all() for face in faces for part in face.values()):
                    yield ReactionFrame(
                        number, frame.stamp_ns - PERIOD_NS // 2, frame.source_stamp_ns,
                        frame.face_valid, frame.audio_valid, faces,
                    )  # fmt: skip
                    number += 1
                else:
                    timeline.counters['not_finite'] += 1
            self.counters = timeline.counters + (stream.counters if stream else Counter())

    def _answer(
        self, session: OnlineInferenceManager, window: dict[str, np.ndarray]
    ) -> dict[str, np.ndarray]:
        answer = session.process_window(window)
        faces = {name: on_host(answer[name][0]) for name in BRANCHES}
        if not all(np.isfinite(values).all() for values in faces.values()):
            session.reset()  # the session would remember them
        return faces

    def _stream(self) -> WhisperStream | None:
        """The Whisper stream; None where the model was trained with another encoder."""
        trained = self._model.info.audio
        hop_s, context_s, settle_s = (
            float(trained.get(name, default)) for name, default in _EMBEDDING.items()
        )
        place, computes = resolve_place('cpu', 'auto')
        encoder = load_encoder(
            self._whisper, context_s, device=place, backend=computes, threads=self._threads,
            report=self._report,
        )  # fmt: skip
        expected = self._model.info.audio_encoder
        if expected and encoder.id != expected:
            self.notes.append(
                f'the embeddings are of encoder {encoder.id!r}, the checkpoint was trained with '
                f'{expected!r}: the face goes on without sound'
            )
            return None
        return WhisperStream(encoder, hop_s, context_s, settle_s)


def _embeddings(stream: WhisperStream, recording: Recording) -> Iterator[EmbeddingBlock]:
    """The embeddings of the voice, one hop after the other."""
    samples, rate = recording.samples, recording.sample_rate
    chunk = max(1, round(_CHUNK_S * rate))
    for first in range(0, len(samples), chunk):
        stamp_ns = first * 1_000_000_000 // rate
        yield from stream.push(samples[first : first + chunk], rate, stamp_ns, first)


def _runs(frames: Iterator[TimelineFrame], most: int) -> Iterator[list[TimelineFrame]]:
    """Frames in runs of at most `most`, each run within one session."""
    run: list[TimelineFrame] = []
    for frame in frames:
        if run and (len(run) == most or frame.epoch != run[0].epoch):
            yield run
            run = []
        run.append(frame)
    if run:
        yield run
