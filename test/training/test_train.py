# SPDX-License-Identifier: Apache-2.0
"""Real training on small data: it learns, resumes, and is independent of the process count."""

import csv
import os
import signal
import sys
from unittest import mock

import numpy as np
import psutil
import pytest
import torch
import yaml
from launching import Forked, until
from prepared_data import ENCODER, NEEDS_TRAINING, SMALL_MODEL, make_partial, make_prepared
from safetensors.torch import load_file

from robot_face_gen.data.dataset import ClipDataset
from robot_face_gen.data.store import read_track, write_track
from robot_face_gen.facial_reaction_model import create_model, load_checkpoint, save_checkpoint
from robot_face_gen.facial_reaction_model.config import TYPICAL
from robot_face_gen.layout import AU, BRANCHES
from robot_face_gen.training.calibration import calibrate, listeners_by_group, real_distance
from robot_face_gen.training.config import read_training_config
from robot_face_gen.training.run_folder import read_curves
from robot_face_gen.training.train import main, train

pytestmark = NEEDS_TRAINING
BASE = [
    'clip_frames=64', 'batch_size=4', 'num_epochs=2', 'learning_rate=3e-3', 'warmup_steps=5',
    'accelerator=cpu', *(f'model.{name}={value}' for name, value in SMALL_MODEL.items()),
]  # fmt: skip


@pytest.fixture(autouse=True)
def quick_end(monkeypatch):
    """One run with pictures and calibration is enough: `trained`, which begins before this."""
    monkeypatch.setattr('robot_face_gen.training.pictures.training_page', lambda *_: None)
    monkeypatch.setattr('robot_face_gen.training.calibration.calibrate', lambda *_: {})


@pytest.fixture(scope='module')
def data(tmp_path_factory):
    return make_prepared(tmp_path_factory.mktemp('prepared'))


def options(data, output, *more):
    return [f'data={data}', f'output={output}', *BASE, *more]


def command(*arguments):
    """The program, in this process; its exit code."""
    with mock.patch.object(sys, 'argv', ['train', *arguments]):
        return main()


def curve(folder, name):
    return [value for _, value in read_curves(folder / 'curves.csv')[name]]


@pytest.fixture(scope='module')
def trained(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp('run')
    best = train(
        read_training_config(None, options(data, folder, 'num_epochs=16', 'learning_rate=1e-2'))
    )
    return folder, best


def test_validation_loss_falls_below_that_of_the_mean_face(trained):
    folder, _ = trained
    loss = curve(folder, 'validation/loss')
    assert len(loss) == 16
    assert min(loss) < 0.8 * loss[0]
    assert min(curve(folder, 'validation/expectation')) < 0.88  # the mean face has about 1


def test_a_run_writes_all_files(trained, data):
    folder, best = trained
    used = yaml.safe_load((folder / 'training_config.yaml').read_text())
    assert used['model']['feature_dim'] == 32
    for name in ('best.safetensors', 'last.safetensors', 'pictures.png', 'last.ckpt'):
        assert (folder / name).is_file()
    assert list((folder / 'tensorboard').iterdir())
    model = load_checkpoint(best)
    assert model.info.audio_encoder == ENCODER
    assert model.info.trained_on == 'test data'
    assert model.info.training['num_epochs'] == 16


def test_calibrated_samples_have_the_distance_of_real_listeners(trained, data):
    model = load_checkpoint(trained[1]).eval()
    validation = ClipDataset(data, 'val', frames=64)
    model.vae.prior_spread.fill_(1.7)
    found = calibrate(model, ClipDataset(data, 'train', frames=64), validation)
    # The residual also holds what the network predicts wrongly after this little training.
    assert 0.5 < found['sample_distance'] / found['real_distance'] < 4
    assert not model.vae.prior_spread.triu(1).any()


def test_training_on_partial_faces(tmp_path, monkeypatch):
    monkeypatch.setattr('robot_face_gen.training.calibration.calibrate', calibrate)
    data = make_partial(tmp_path / 'data', speakers=(4, 2, 1))
    best = train(read_training_config(None, options(data, tmp_path / 'run', 'num_epochs=3')))
    for name in ('train/loss', 'validation/loss', 'validation/expectation'):
        assert np.isfinite(curve(tmp_path / 'run', name)).all()
    assert curve(tmp_path / 'run', 'validation/consistency') == [0.0] * 3  # no complete face
    model = load_checkpoint(best).eval()
    ours, theirs = model.encoder.statistics, model.decoder.heads.statistics
    # What was never seen has the statistics of a typical face, the rest its own.
    for statistics, branch in ((ours, 'landmarks'), (theirs, 'gaze')):
        for kind, typical in zip(('mean', 'std'), TYPICAL[branch], strict=True):
            found = getattr(statistics, f'{branch}_{kind}')
            assert found.tolist() == pytest.approx(typical, rel=1e-6)
    listeners = [item['listener'] for item in ClipDataset(data, 'train', 64)]
    smile = AU['AU12']
    seen = [x['au'][x['face_valid'] & x['face_mask'][:, 1 + smile], smile] for x in listeners]
    expected = float(torch.cat(seen).mean())
    assert float(theirs.au_mean[smile]) == pytest.approx(expected, rel=1e-4)
    assert bool(model.encoder.face.missing[:, 0].any())  # of the landmarks' flag
    calibration = model.info.training['calibration']
    assert all(np.isfinite(calibration[name]) for name in ('real_distance', 'sample_distance'))


def test_the_distance_of_real_listeners_is_that_of_what_was_seen_of_both(tmp_path):
    make_prepared(tmp_path, speakers=(1, 1, 1))
    model = load_small()
    validation = ClipDataset(tmp_path, 'val', frames=64)
    groups = listeners_by_group(validation, 1)
    a, b = (
        model.decoder.heads.statistics.standardise_face(validation[i]['listener']) for i in (0, 1)
    )
    parts = {name: (a[name] - b[name]).square() for name in ('landmarks', 'au', 'pose', 'gaze')}
    found, compared = real_distance(model, validation, groups)
    assert found == pytest.approx(float(np.mean([float(x.mean()) for x in parts.values()])))
    assert all(bool(kept.all()) for kept in compared.values())
    name = validation.clips[1].session.tracks[1]
    track = read_track(tmp_path, name)
    track['gaze'][:] = track['pose'][:, 2] = np.nan
    track['au'][:30] = np.nan
    write_track(tmp_path, name, track)
    found, compared = real_distance(model, validation, groups)
    expected = [parts['landmarks'], parts['au'][30:], parts['pose'][:, [0, 1, 3]]]
    assert found == pytest.approx(float(np.mean([float(x.mean()) for x in expected])), rel=1e-5)
    assert not compared['gaze'].any() and compared['pose'].tolist() == [True, True, False, True]
    track['face_valid'][:] = False
    write_track(tmp_path, name, track)
    assert np.isnan(real_distance(model, validation, groups)[0])
    training = ClipDataset(tmp_path, 'train', frames=64)
    assert 'real_distance' not in calibrate(model, training, validation)


FITTED = (
    'vae.prior_spread', 'motion.residual', 'motion.components', 'motion.offset', 'motion.bias',
    *(f'decoder.heads.branches.{name}.2' for name in BRANCHES),
)  # fmt: skip


def load_small():
    torch.manual_seed(0)
    return create_model(SMALL_MODEL)


def weights(folder):
    """Trained weights without the calibration after training."""
    return {
        n: w for n, w in load_file(folder / 'last.safetensors').items() if not n.startswith(FITTED)
    }


def largest_difference(a, b):
    assert a.keys() == b.keys()
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def test_a_resumed_run_equals_an_uninterrupted_one(data, tmp_path):
    whole, cut = tmp_path / 'whole', tmp_path / 'cut'
    more = (
        'num_epochs=4', 'seed=5', 'augmentation.partial_faces=0.5',
        'augmentation.value_dropout=0.05',
    )  # fmt: skip
    train(read_training_config(None, options(data, whole, *more)))
    run = Forked(tmp_path, command, *options(data, cut, *more))
    until((cut / 'last.ckpt').is_file, 120, 'the first checkpoint')
    run.process.kill()
    assert run.wait()[0] == -signal.SIGKILL
    assert (cut / 'last.ckpt').is_file()
    train(read_training_config(None, options(data, cut, *more)))
    assert largest_difference(weights(whole), weights(cut)) < 1e-6
    assert read_curves(cut / 'curves.csv') == read_curves(whole / 'curves.csv')
    with pytest.raises(
        ValueError, match=r'interrupted run of another configuration: seed = 6 \(was 5\)'
    ):
        train(read_training_config(None, options(data, cut, 'num_epochs=4', 'seed=6')))


def test_two_processes_give_the_weights_of_one(data, tmp_path, monkeypatch):
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    alike = ('model.dropout=0.0', 'num_epochs=2')
    train(read_training_config(None, options(data, tmp_path / 'one', *alike)))
    monkeypatch.setenv('GLOO_SOCKET_IFNAME', 'lo')
    # As torchrun starts them, but as forks, which have imported already.
    launch = elastic_launch(
        LaunchConfig(
            min_nodes=1, max_nodes=1, nproc_per_node=2, run_id='test', rdzv_backend='c10d',
            rdzv_endpoint='localhost:0', start_method='fork', max_restarts=0,
            monitor_interval=0.05,
        ),
        command,
    )  # fmt: skip
    two = options(data, tmp_path / 'two', *alike, 'batch_size=2', 'devices=2')
    code, _, error = Forked(tmp_path, lambda: sum(launch(*two).values())).wait()
    assert code == 0, error[-2000:]
    assert largest_difference(weights(tmp_path / 'one'), weights(tmp_path / 'two')) < 1e-4


def test_training_starts_from_a_checkpoint(trained, data, tmp_path):
    """The last layers were fitted again; training soon returns them to their weights of before."""
    more = f'start_from={trained[1]}', 'num_epochs=4', 'learning_rate=1e-2'
    train(read_training_config(None, options(data, tmp_path, *more)))
    before = curve(trained[0], 'validation/loss')
    assert min(curve(tmp_path, 'validation/loss')) < 1.1 * min(before) < min(before[:4])


def test_without_an_epoch_only_the_fits_after_training_are_made_again(
    trained, data, tmp_path, monkeypatch
):
    monkeypatch.setattr('robot_face_gen.training.calibration.calibrate', calibrate)
    model = load_checkpoint(trained[1])
    model.encoder.statistics.au_mean += 0.1  # of other people; the network needs them
    earlier = tmp_path / 'earlier.safetensors'
    save_checkpoint(model, earlier)
    start = f'start_from={earlier}'
    best = train(read_training_config(None, options(data, tmp_path, start, 'num_epochs=0')))
    before, after = load_file(earlier), load_file(best)
    fitted = [name for name in after if not torch.equal(before[name], after[name])]
    assert fitted and all(name.startswith(FITTED) for name in fitted), fitted
    training = load_checkpoint(best).info.training
    assert training['before']['trained_on'] == 'test data'
    assert training['calibration']['spread'] > 0 and training['before']['num_epochs'] == 16


def test_training_from_the_shipped_weights_needs_their_encoder(data, tmp_path):
    config = read_training_config(None, options(data, tmp_path, 'start_from=shipped', 'model={}'))
    with pytest.raises(ValueError, match=f'{ENCODER}.* was trained with whisper-'):
        train(config)


def test_an_error_is_one_line(tmp_path, capsys):
    assert command(f'data={tmp_path}') == 2
    error = capsys.readouterr().err
    assert 'dataset.json: not found' in error and error.count('\n') == 1


def test_speaker_reconstruction_is_learned(data, tmp_path):
    more = 'model.speaker_reconstruction=true', 'num_epochs=5', 'learning_rate=1e-2'
    best = train(read_training_config(None, options(data, tmp_path, *more)))
    losses = curve(tmp_path, 'validation/speaker')
    assert losses[-1] < 0.7 * losses[0], losses
    item = ClipDataset(data, 'test', frames=64)[0]
    with torch.no_grad():
        _, _, rebuilt = load_checkpoint(best).eval()(
            {n: x[None] for n, x in item['speaker'].items()}
        )
    assert np.isfinite(rebuilt['au'].numpy()).all()


@pytest.mark.parametrize('clips', [1, 3])
def test_fewer_clips_than_batch_size_are_one_batch(clips, tmp_path, capsys):
    data = make_prepared(tmp_path / 'data', speakers=(clips, 1, 1), listeners=1)
    best = train(read_training_config(None, options(data, tmp_path / 'run')))
    assert f'{clips} training clips, fewer than batch_size = 4' in capsys.readouterr().out
    assert load_checkpoint(best).info.training['epoch'] in (1, 2)
    assert all(np.isfinite(curve(tmp_path / 'run', 'train/loss')))
    with (tmp_path / 'run' / 'curves.csv').open() as file:
        assert [row['step'] for row in csv.DictReader(file)] == ['1', '2']


def test_fewer_clips_than_processes_are_refused_before_they_start(tmp_path, capsys):
    data = make_prepared(tmp_path / 'data', speakers=(1, 1, 1), listeners=1)
    assert command(*options(data, tmp_path / 'run', 'devices=2')) == 2
    assert (
        '1 train clips for 2 processes: expected at least one clip per process'
        in capsys.readouterr().err
    )
    assert not (tmp_path / 'run').exists()


def stop_with_ctrl_c(folder, arguments, seen):
    """Start a run, press Ctrl-C once `seen` is true, and return (exit code, stdout, stderr)."""
    run = Forked(folder, command, *arguments)
    until(lambda: seen() or not run.process.is_alive(), 120, 'the moment of Ctrl-C')
    for process in (*psutil.Process(run.process.pid).children(), run.process):  # as in a terminal
        os.kill(process.pid, signal.SIGINT)
    return run.wait(60)


def test_ctrl_c_writes_weights_and_the_run_can_be_resumed(data, tmp_path):
    folder = tmp_path / 'run'
    run = options(data, folder, 'num_epochs=2000', 'validate_every=2000')
    folder.mkdir()
    (folder / 'best.safetensors').write_bytes(b'of another run')
    code, out, error = stop_with_ctrl_c(tmp_path, run, (folder / 'last.ckpt').is_file)
    assert (code, error) == (130, ''), out
    assert f'best weights {folder / "best.safetensors"}' in out
    assert 'stopped in epoch' in out
    for name in ('best.safetensors', 'last.safetensors'):
        model = load_checkpoint(folder / name)
        assert model.info.audio_encoder == ENCODER
        assert all(bool(torch.isfinite(w).all()) for w in model.state_dict().values())
    again, out, error = stop_with_ctrl_c(
        tmp_path, [*run, 'workers=1'], lambda: len(read_rows(folder)) > stopped(out)
    )
    assert (again, error) == (130, ''), out
    assert 'resuming after epoch' in out


def test_ctrl_c_stops_the_run_between_two_steps(data, tmp_path, monkeypatch):
    from robot_face_gen.training.callbacks import Curves

    reached = []

    def press(*_):
        signal.raise_signal(signal.SIGINT)
        reached.append('the end of a callback')

    monkeypatch.setattr(Curves, 'on_train_epoch_start', press)
    with pytest.raises(KeyboardInterrupt):
        train(read_training_config(None, options(data, tmp_path, 'num_epochs=3')))
    assert reached == ['the end of a callback']
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not read_rows(tmp_path), 'it stopped before the end of the epoch'


def test_a_second_ctrl_c_interrupts_at_once_and_the_first_is_not_forgotten():
    from robot_face_gen.training.callbacks import CtrlC

    with pytest.raises(KeyboardInterrupt), CtrlC():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_while_the_state_is_written_is_ctrl_c(monkeypatch, tmp_path):
    from robot_face_gen.training import callbacks

    class Raw:
        def write(self, data):
            raise KeyboardInterrupt

    monkeypatch.setattr(callbacks._File, '__init__', lambda self, raw: vars(self).update(
        _raw=Raw(), error=None
    ))  # fmt: skip
    with pytest.raises(KeyboardInterrupt):
        callbacks.AtomicCheckpointIO().save_checkpoint({'x': torch.ones(9)}, tmp_path / 'state')
    assert not list(tmp_path.iterdir())


def read_rows(folder):
    path = folder / 'curves.csv'
    return list(csv.DictReader(path.read_text().splitlines())) if path.is_file() else []


def stopped(out):
    return int(out.split('stopped in epoch ')[1].split(':')[0])
