# SPDX-License-Identifier: Apache-2.0
"""The whole pipeline on a recording, in one process: the reference for the live graph.

It does the work of `openface_node`, `microphone_node`, `whisper_node` and `reaction_node`, with
the same reader, resampler, Whisper stream, timeline and model, but without a clock: each slot of
25 Hz is answered with all of its input. For the same seed, the live graph gives the same reaction
(within 1e-4) if it loses no input and is fast enough. The model uses the last 30 s, so one slot
that the live graph answers without its sound also changes later reactions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robot_face_gen.facial_reaction_model.online import OnlineInferenceManager
from robot_face_gen.facial_reaction_model.sessions import on_host
from robot_face_gen.features.whisper_cache import WeightsMissing
from robot_face_gen.features.whisper_stream import EmbeddingBlock, WhisperStream
from robot_face_gen.layout import BRANCHES
from robot_face_gen.models.backends import AUTO
from robot_face_gen.resources import default_checkpoint
from robot_face_gen.timing import PERIOD_NS, SECOND_NS

from .continuity import Continuity
from .crop import FaceCropParameters
from .embedding_contract import trained_with
from .loading import Report, load_encoder, load_model, resolve_place, stack
from .recording import Recording, replay
from .timeline import Timeline, TimelineFrame

_CHUNK_S = 0.5  # sound encoded at a time


@dataclass(frozen=True)
class ReactionFrame:
    """One answered slot."""

    number: int  # counts from 0, as `FaceReaction.frame`
    stamp_ns: int  # middle of the slot, from the start of the recording, at even 25 Hz
    # stamp of the speaker's frame, from the start of the recording; the middle of the slot if
    # it has no frame
    source_stamp_ns: int
    face_valid: bool  # whether the slot has a valid face
    audio_valid: bool  # whether the slot has sound
    # one listener for each seed: landmarks (136,) in crop units, au (18,), pose (4,) in
    # radians and metres, gaze (2,) in radians
    faces: tuple[dict[str, np.ndarray], ...]


class OfflinePipeline:
    """Loads the networks; `react` computes the reactions to a recording.

    Args:
        seeds: one listener for each.
        checkpoint: safetensors file; None: the one in the package.
        whisper: weights of the encoder, see `WhisperEncoder.from_name_or_path`; 'auto': those
            that the checkpoint was trained with.
        temperature: scale of the noise, 0 or more.
        device: auto, cpu, cuda or cuda:N.
        backend: of the reaction model: auto, eager, onnx, onnx-int8 or cuda-graph.
        threads: on a CPU; 0: chosen by the backend.
        report: called with one line of text if loading takes long.

    Attributes:
        notes: warnings about the results, one line each.
        counters: of the last recording, with the same names as in the diagnostics of the nodes:
            `without_audio`, `gaps`, `low_confidence`, ...

    Raises:
        ValueError: an invalid value, checkpoint or weights.
        ImportError: the backend's package is missing.
        OSError: a file cannot be read or written.
    """

    def __init__(
        self,
        seeds: Sequence[int] = (0,),
        *,
        checkpoint: str | Path | None = None,
        whisper: str = AUTO,
        temperature: float = 1.0,
        device: str = 'auto',
        backend: str = 'auto',
        threads: int = 1,
        report: Report = str,
    ) -> None:
        if not seeds:
            raise ValueError('seeds: expected at least one seed')
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
        self.counters: Counter[str] = Counter()
        self.notes = []
        if not self._model.info.trained:
            self.notes.append('the model is untrained: the face moves, but without meaning')

    def react(self, recording: Recording) -> Iterator[ReactionFrame]:
        """Answer every slot, from the start of the recording to the end of the longer stream.

        Without a face, the first slot is after the first second of sound, as in the live graph.
        Without a voice, all slots are answered without sound.

        Yields:
            ReactionFrame: in order of time; slots with values that are not finite are omitted.
        """
        info, config = self._model.info, self._model.config
        for session in self._sessions:
            session.reset()
        timeline = Timeline(
            audio_dim=config.audio_dim,
            audio_delay_s=info.audio_delay_s,
            crop=FaceCropParameters(**info.face_crop),
        )
        stream = self._stream() if len(recording.samples) else None
        blocks = _embeddings(stream, recording) if stream else iter(())
        until_ns = round(recording.duration_s * 1e9)
        number, epoch = 0, None
        continuities = [Continuity() for _ in self._sessions]
        for frames in _runs(
            replay(timeline, recording.faces, blocks, until_ns), config.window_size
        ):
            if epoch not in (None, frames[0].epoch):
                for session in self._sessions:
                    session.reset()
            epoch = frames[0].epoch
            window = stack(frames)
            answers = [
                continuity.apply(frames, self._answer(session, window))
                for session, continuity in zip(self._sessions, continuities, strict=True)
            ]
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
            session.reset()  # its state may contain them
        return faces

    def _stream(self) -> WhisperStream | None:
        """The Whisper stream; None without the weights that the model was trained with."""
        made = trained_with(self._model.info)
        weights = made.pop('weights') if self._whisper == AUTO else self._whisper
        made.pop('weights', None)
        place, computes = resolve_place('cpu', 'auto')
        try:
            encoder = load_encoder(
                weights, made['context_s'], device=place, backend=computes,
                threads=self._threads, report=self._report,
            )  # fmt: skip
        except WeightsMissing as error:
            self._note(f'reacting to the face alone: {error}')
            return None
        expected = self._model.info.audio_encoder
        if expected and encoder.id != expected:
            self._note(
                f'the embeddings are of encoder {encoder.id!r}, the checkpoint was trained with '
                f'{expected!r}: continuing with the face alone'
            )
            return None
        return WhisperStream(encoder, **made)

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _embeddings(stream: WhisperStream, recording: Recording) -> Iterator[EmbeddingBlock]:
    """Embeddings of the voice, one block for each hop."""
    samples, rate = recording.samples, recording.sample_rate
    chunk = max(1, round(_CHUNK_S * rate))
    for first in range(0, len(samples), chunk):
        stamp_ns = first * SECOND_NS // rate
        yield from stream.push(samples[first : first + chunk], rate, stamp_ns, first)


def _runs(frames: Iterator[TimelineFrame], longest: int) -> Iterator[list[TimelineFrame]]:
    """Consecutive frames of one session, at most `longest` at a time."""
    run: list[TimelineFrame] = []
    for frame in frames:
        if run and (len(run) == longest or frame.epoch != run[0].epoch):
            yield run
            run = []
        run.append(frame)
    if run:
        yield run
