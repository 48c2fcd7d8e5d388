# SPDX-License-Identifier: Apache-2.0
"""docs/data.md, "Train it on your own people in an evening": from two phones to reactions."""

import json
import shutil

from phones import generate_conversation, write_talk
from prepared_data import NEEDS_TRAINING, SMALL_MODEL

from robot_face_gen.cli import main
from robot_face_gen.facial_reaction_model.checkpoint import read_info
from robot_face_gen.features.openface import read_openface_csv

EMBEDDING = '--encoder untrained --context 0.4 --settle 0.04 --workers 1 --device cpu'
pytestmark = NEEDS_TRAINING
SMALL = {**SMALL_MODEL, 'audio_dim': 384}


def test_from_two_phones_to_reactions(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # Tests of the commands draw them.
    for page in ('training_page', 'evaluation_pages', 'liveliness_page'):
        monkeypatch.setattr(f'robot_face_gen.training.pictures.{page}', lambda *_: None)
    splits = ('train', 'val', 'test')
    write_talk(generate_conversation(tmp_path / 'together'), tmp_path / 'recordings' / 'train')
    for split in splits[1:]:
        shutil.copytree('recordings/train', f'recordings/{split}')
    rows = ''.join(f'{split},{split},b\n' for split in splits)
    (tmp_path / 'recordings' / 'sessions.csv').write_text(f'session,split,listener\n{rows}')

    def run(text):
        assert main(text.split()) == 0, text

    run('sync recordings')
    run(f'prepare recordings data/prepared {EMBEDDING}')
    sizes = ' '.join(f'model.{name}={value}' for name, value in SMALL.items())
    run(
        'train data=data/prepared output=runs/evening num_epochs=1 clip_frames=120 '
        f'accelerator=cpu samples=2 {sizes}'
    )
    checkpoint = 'runs/evening/best.safetensors'
    assert read_info(checkpoint).trained_on == 'recordings'
    run(
        f'evaluate --checkpoint {checkpoint} --data data/prepared --out results --samples 2 '
        '--frames 120 --device cpu'
    )
    assert json.loads((tmp_path / 'results' / 'metrics.json').read_text())
    run(
        f'react --checkpoint {checkpoint} --openface recordings/test/a.csv '
        '--audio recordings/test/a.wav --duration 4 --no-video --out out --device cpu'
    )
    assert len(read_openface_csv('out/reaction.csv').frames) >= 100
